"""Manifests and score tables that commands read, and the options that say what such a table calls its columns."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.cli import options

if TYPE_CHECKING:
    from unmask.data.manifest import Manifest
    from unmask.data.translation import Translation

# What the command at work was told of its tables: columns, fake labels, real labels.
_told: ContextVar[tuple[Sequence[str], Sequence[str], Sequence[str]]] = ContextVar("told", default=((), (), ()))


def with_translation(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the options ``--columns``, ``--fake-label`` and ``--real-label`` in addition."""
    added = {"columns": options.Columns, "fake_label": options.FakeLabel, "real_label": options.RealLabel}

    @functools.wraps(verb)
    def call(*arguments: Any, **values: Any) -> Any:
        columns, fake, real = (values.pop(name, None) or () for name in added)
        token = _told.set((columns, fake, real))
        try:
            translation()  # before the work, not after it
            return verb(*arguments, **values)
        finally:
            _told.reset(token)

    signature = inspect.signature(verb, eval_str=True)
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in added.items()
    ]
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *own])  # type: ignore[attr-defined]
    return call


def translation() -> Translation:
    """What the command at work was told of its tables.

    Raises:
        UsageError: ``bad_call``.
    """
    from unmask.data.translation import Translation
    from unmask.errors import UsageError

    columns, fake, real = _told.get()
    pairs: dict[str, str] = {}
    for pair in _parts(columns):
        ours, equals, theirs = pair.partition("=")
        if not (equals and ours and theirs):
            raise UsageError("bad_call", f"--columns must look like path=FILE,label=Y, not {pair!r}.")
        if ours in pairs or theirs in pairs.values():
            raise UsageError("bad_call", f"--columns names {ours if ours in pairs else theirs} twice.")
        pairs[ours] = theirs
    return Translation.of(pairs, _parts(fake), _parts(real))


def _parts(values: Iterable[str]) -> list[str]:
    return [part for value in values for part in value.split(",") if part]


def open_manifest(path: Path, root: Path | None) -> Manifest:
    """Open a table, or a folder with real/ and fake/ in it; says on standard error what such a folder holds besides."""
    from unmask.data.manifest import Manifest
    from unmask.data.scanned import is_scan

    if not path.is_dir() or is_scan(path):
        return Manifest.open(path, root, translation=translation())
    table = Manifest.from_folders(path, translation())
    if passed_over := table.passed_over():
        print(f"unmask: {path}: {passed_over}", file=sys.stderr)
    return table


def read_where(conditions: Iterable[str]) -> dict[str, frozenset[str]]:
    """The values to keep of each column, from COLUMN=VALUE; see :meth:`unmask.data.manifest.Manifest.select`.

    Raises:
        UsageError: ``bad_call``.
    """
    from unmask.errors import UsageError

    found: dict[str, frozenset[str]] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals or not column:
            raise UsageError("bad_call", f"--where must look like COLUMN=VALUE, not {condition!r}.")
        found[column] = found.get(column, frozenset()) | {value}
    return found


def choose_split(table: Manifest, split: str | None) -> Manifest:
    """The rows of a split: by default test if the table has splits; all rows for ``all``.

    Raises:
        UsageError: ``no_pictures``.
    """
    from unmask.errors import UsageError

    if split == "all" or (split is None and "split" not in table.columns):
        return table
    chosen = table.select(split=split or "test")
    if next(iter(chosen), None) is None:
        there = ", ".join(sorted({row.split for row in table})) or "none"
        text = f"{table.name}: the split {split or 'test'!r} is empty (splits: {there}). --split all uses all images."
        raise UsageError("no_pictures", text)
    return chosen
