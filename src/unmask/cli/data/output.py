"""Input and report of the commands of ``unmask data`` that write images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unmask.cli.manifests import open_manifest
from unmask.data.make.made import check_apart
from unmask.data.manifest import Manifest


def open_input(manifest: Path, root: Path | None, out: Path) -> Manifest:
    """Open a table or a folder of classes, which ``out`` must not overwrite.

    Raises:
        ManifestError: it cannot be read.
        UsageError: ``output_over_input``.
    """
    table = open_manifest(manifest, root)
    check_apart(table, out, from_folders=manifest.is_dir())
    return table


def print_report(summary: str, misses: Mapping[str, int], out: Path) -> None:
    """Print what was written, and what was not and why."""
    print(f"{summary}; manifest in {out / 'manifest.csv'}")
    if misses:
        listed = ", ".join(f"{count} {reason}" for reason, count in misses.items())
        print(f"no output: {listed}; see {out / 'misses.csv'}")
