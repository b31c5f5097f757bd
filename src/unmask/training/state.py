"""Small files of a run folder, read as files that may be damaged."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

from unmask.errors import UsageError

# Training writes about 1 kB. A larger file would only be read to be refused.
_MAX_JSON: Final = 2**20


def broken_run(path: Path) -> UsageError:
    """The error to raise for a damaged file of a run folder."""
    return UsageError(
        "broken_run",
        f"{path}: is damaged, or was not written by unmask train. Restore it, or train in another folder.",
    )


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UsageError: ``broken_run``.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MAX_JSON))
    except (OSError, ValueError, RecursionError):
        raise broken_run(path) from None
    if not isinstance(content, dict):
        raise broken_run(path)
    return content


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's ``history.csv`` as text by column; empty before the first epoch.

    Raises:
        UsageError: ``broken_run``.
    """
    if not path.exists():
        return []
    try:
        content = path.read_bytes().decode("utf-8")
        reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
        rows: list[dict[str, Any]] = list(reader)
        # Every column holds numbers; early versions wrote fewer of them.
        whole = content.endswith("\n") and {"epoch", "seconds", "val_loss"} <= set(reader.fieldnames or ())
        for row in rows:
            whole = whole and None not in row and None not in row.values() and int(row["epoch"]) >= 0
            for cell in row.values():
                float(cell or 0)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        raise broken_run(path) from None
    if not whole:
        raise broken_run(path)
    return rows
