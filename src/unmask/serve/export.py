"""Export of history and feedback as a CSV manifest for ``unmask train`` and ``unmask calibrate``."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import RowMapping

from unmask.serve.history import History
from unmask.serve.stored import complete
from unmask.text import harmless_cell

COLUMNS = (
    "path", "label", "source", "group", "sha256", "filename", "verdict", "fake_probability", "result", "uncertain",
    "marks", "notes", "model", "time", "feedback", "note", "id",
)  # fmt: skip
SOURCE = "unmask-serve"
_OPPOSITE = {"REAL": "fake", "FAKE": "real"}


async def export_csv(history: History, *, everything: bool) -> AsyncIterator[str]:
    """Yield the table in pieces, the header first.

    Each image whose verdict, FAKE or REAL, was marked right or wrong is a row with its label; ``path`` is relative to
    the folder of ``--keep-images``. Identical bytes give one row, by the latest feedback, and each image is its own
    ``group``.

    Args:
        history: history of the service.
        everything: yield one row per record, with or without a label: a table to read, not a manifest.
    """
    yield _lines([COLUMNS])
    after: UUID | None = None
    fetch = history.store.everything if everything else history.store.labelled
    while rows := await history.run(fetch, after):
        yield _lines([_cells(row) for row in rows])
        after = rows[-1]["id"]


def time_of(milliseconds: int) -> datetime:
    """Convert a stored time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _cells(row: RowMapping) -> tuple[object, ...]:
    content = complete(row["verdict"])
    word = content["verdict"]
    # Right or wrong on UNCERTAIN or NO_FACE does not say what the image is.
    labels = {"right": word.lower(), "wrong": _OPPOSITE[word]} if word in _OPPOSITE else {}
    label = labels.get(row["feedback"], "")
    return (
        row["image"] or "",
        label,
        SOURCE,
        row["sha256"],
        row["sha256"],
        harmless_cell(row["filename"]),
        word,
        row["fake_probability"],
        row["result"],
        str(row["uncertain"]).lower(),
        "; ".join(mark["text"] for mark in content["marks"]),
        " ".join(content["notes"]),
        row["model"],
        time_of(row["time_ms"]).isoformat(timespec="milliseconds"),
        row["feedback"] or "",
        harmless_cell(row["note"] or ""),
        row["id"],
    )


def _lines(rows: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
