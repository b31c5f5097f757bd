"""The folder of a command's results, held until the command ends."""

from __future__ import annotations

from pathlib import Path

import click

from unmask import files


def hold(folder: Path | None) -> None:
    """Keep other runs out of a folder until the command ends.

    Raises:
        UsageError: ``folder_in_use``, another run holds it; ``cannot_write``.
    """
    context = click.get_current_context(silent=True)
    if folder is not None and context is not None:
        context.with_resource(files.hold(folder))
