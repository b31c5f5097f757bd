"""Manifests that commands read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unmask.data.manifest import Manifest


def open_manifest(path: Path, root: Path | None) -> Manifest:
    """Open a table, or a folder with real/ and fake/ in it; says on standard error what such a folder holds besides."""
    from unmask.data.manifest import Manifest

    if not path.is_dir():
        return Manifest.open(path, root)
    table = Manifest.from_folders(path)
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
