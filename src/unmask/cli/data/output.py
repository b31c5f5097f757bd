"""What the commands of ``unmask data`` that write images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unmask.data.make.made import check_apart
from unmask.data.manifest import Manifest


def open_input(manifest: Path, root: Path | None, out: Path) -> Manifest:
    """A table or a folder of classes, from which ``out`` lies apart.

    Raises:
        ManifestError: it cannot be read.
        UsageError: ``output_over_input``.
    """
    is_folder = manifest.is_dir()
    table = Manifest.from_folders(manifest) if is_folder else Manifest.open(manifest, root)
    check_apart(table, out, from_folders=is_folder)
    return table


def print_report(summary: str, misses: Mapping[str, int], out: Path) -> None:
    """What was made, and what was not and why."""
    print(f"{summary}; manifest in {out / 'manifest.csv'}")
    if misses:
        listed = ", ".join(f"{count} {reason}" for reason, count in misses.items())
        print(f"not made: {listed}; see {out / 'misses.csv'}")
