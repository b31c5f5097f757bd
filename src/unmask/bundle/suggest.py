"""What to type instead, where a path leads to no bundle."""

from __future__ import annotations

import difflib
import os
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

_SUMS: Final = "SHA256SUMS"
# Of a run of `unmask train`.
_OF_RUN: Final = "bundle"
_RECIPE: Final = "recipe.yaml"
_MOST_ENTRIES: Final = 1000
_MOST_SHOWN: Final = 3


def suggestion(path: Path) -> str:
    """A sentence that names bundles near a path, or says how a run gets one; '' if there is nothing to say."""
    try:
        if path.is_dir():
            return "" if (path / _SUMS).exists() else _inside(path)
        return "" if path.exists() else _near(path)
    except (OSError, ValueError):  # a name that is too long, a folder that cannot be read, a NUL character
        return ""


def _inside(folder: Path) -> str:
    if _is_bundle(folder / _OF_RUN):
        return _did_you_mean([folder / _OF_RUN])
    if (folder / _RECIPE).is_file():
        return f"{folder} is a training run without a bundle: it has not finished, or unmask bundle export writes one."
    return _did_you_mean(_bundles_below(folder))


def _near(path: Path) -> str:
    for parent in (path.parent, *([Path("runs")] if len(path.parts) == 1 else [])):
        if not parent.is_dir():
            continue
        names = {entry.name: entry for entry in _entries(parent)}
        if parent != path.parent and path.name in names and (found := _usable(names[path.name])):
            return _did_you_mean([found])
        # Also with another ending: mine for mine.zip.
        stems: dict[str, str] = {}
        for name in names:
            stems.setdefault(name.lower(), name)
            stems.setdefault(Path(name).stem.lower(), name)
        close = difflib.get_close_matches(path.name.lower(), stems, n=10, cutoff=0.6)
        close += difflib.get_close_matches(path.stem.lower(), stems, n=10, cutoff=0.6)
        near = dict.fromkeys(usable for name in close if (usable := _usable(names[stems[name]])))
        if near:
            return _did_you_mean(near)
    if path.name == _OF_RUN and (path.parent / _RECIPE).is_file():
        return _inside(path.parent)
    # A folder above is misspelt: runs/mihe/bundle.
    if not path.parent.exists() and path.parent != path:
        above = _near(path.parent)
        return above if above.startswith("Did you mean") else ""
    return ""


def _usable(path: Path) -> Path | None:
    """The bundle that a path is or holds."""
    for found in (path, path / _OF_RUN):
        if _is_bundle(found):
            return found
    return None


def _is_bundle(path: Path) -> bool:
    if path.is_dir():
        return (path / _SUMS).is_file()
    return path.suffix.lower() == ".zip" and path.is_file() and zipfile.is_zipfile(path)


def _bundles_below(folder: Path) -> list[Path]:
    return [found for entry in _entries(folder) if (found := _usable(entry))]


def _entries(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        yield from (folder / name for name in sorted(entry.name for entry in islice(entries, _MOST_ENTRIES)))


def _did_you_mean(found: dict[Path, None] | list[Path]) -> str:
    names = [str(path) for path in found]
    if not names:
        return ""
    more = f" (and {len(names) - _MOST_SHOWN} more)" if len(names) > _MOST_SHOWN else ""
    return f"Did you mean {' or '.join(names[:_MOST_SHOWN])}{more}?"
