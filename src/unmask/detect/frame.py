"""Verdicts on many images as a table, for pandas, Polars and Arrow without depending on them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, overload

from unmask.detect.detector import Detector, load
from unmask.detect.notebook import table_html
from unmask.detect.verdict import Verdict
from unmask.files import write_whole
from unmask.imaging.decode import ImageSource
from unmask.text import harmless_cell

Row = dict[str, Any]

COLUMNS: Final = (
    "path",
    "verdict",
    "fake_probability",
    "result",
    "confidence",
    "uncertain",
    "face_found",
    "faces",
    "marks",
    "notes",
    "sha256",
    "out_of_distribution",
    "c2pa",
    "generator_tags",
    "model",
    "bundle_sha256",
    "ms",
    "error",
    "message",
)


class Frame(Sequence[Row]):
    """A table of verdicts: a sequence of rows, each a dict, all with the same :attr:`columns`.

    ``pandas.DataFrame(frame)`` takes it as it is; ``polars.DataFrame(frame.to_dict())`` and
    ``pyarrow.table(frame.to_dict())`` take its columns. An integer index gives a row, a slice a frame, a name a column.

    Args:
        rows: one dict per image, with the keys :data:`COLUMNS`.
    """

    columns: tuple[str, ...] = COLUMNS

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> Frame: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: int | slice | str) -> Row | Frame | list[Any]:
        if isinstance(key, slice):
            return Frame(self._rows[key])
        if isinstance(key, str):
            if key not in self.columns:
                raise KeyError(key)
            return [row[key] for row in self._rows]
        return self._rows[key]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        failed = sum(row["error"] is not None for row in self._rows)
        fake = sum(row["verdict"] == "FAKE" for row in self._rows)
        return f"<Frame {len(self)} images, {fake} FAKE, {failed} not readable>"

    def _repr_html_(self) -> str:
        return table_html(self.columns, self._rows, len(self))

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns by name, each a list of plain values."""
        return {name: self[name] for name in self.columns}

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """The table as CSV with a header, in UTF-8.

        ``None`` becomes an empty cell; text that a spreadsheet would run as a formula gets a leading apostrophe.

        Args:
            path: the file to write, if any.

        Returns:
            The text.

        Raises:
            UsageError: ``cannot_write``.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_cell(row[name]) for name in self.columns] for row in self._rows)
        if path is not None:
            write_whole(Path(path), text.getvalue())
        return text.getvalue()


def detect_frame(
    sources: Iterable[ImageSource],
    model: Detector | str | os.PathLike[str] | None = None,
    *,
    threshold: float | str | None = None,
    workers: int | None = None,
) -> Frame:
    """Give verdicts on many images as a table.

    Args:
        sources: paths, or images in memory, as for :meth:`Detector.detect`.
        model: a detector, or a bundle's folder or zip (default: the detector in the package).
        threshold: see :class:`Detector` (default: that of the detector or bundle).
        workers: number of threads (default: number of CPUs).

    Returns:
        One row per image, in their order: ``path`` (``None`` for images in memory), ``verdict`` (FAKE, REAL, UNCERTAIN
        or NO_FACE), ``fake_probability`` in [0, 1], ``result`` (REAL or FAKE, by the threshold alone), ``confidence``
        of ``result`` in percent (at least 50), ``uncertain``, ``face_found``, ``faces`` (number of faces), ``marks``
        (what the file says of its making, joined by "; "), ``notes`` (what was odd in reading the file), ``sha256`` of
        the file, ``out_of_distribution`` (true or false, ``None`` if not measured), ``c2pa``, ``generator_tags``
        (joined by ", "), ``model``, ``bundle_sha256``, ``ms``. For an unreadable image ``verdict`` is ``None``, and
        ``error`` and ``message`` say why.

    Raises:
        BundleError: the bundle is missing, broken or altered.
        UsageError: ``not_a_list``: a single image was given; ``bad_threshold``.
    """
    if isinstance(model, Detector):
        detector = model if threshold is None else Detector(model.bundle, threshold, model.limits)
    else:
        detector = load(model, threshold)
    return Frame(_row(verdict) for verdict in detector.detect_many(sources, workers))


def _row(verdict: Verdict) -> Row:
    content = verdict.to_dict()
    novelty, provenance, error = content["out_of_distribution"], content["provenance"], content["error"]
    content |= {
        "faces": len(verdict.faces),
        "out_of_distribution": novelty and novelty["flagged"],
        "c2pa": provenance and provenance["c2pa"],
        "generator_tags": provenance and ", ".join(provenance["generator_tags"]),
        "marks": "; ".join(mark.text for mark in verdict.marks),
        "notes": " ".join(content["notes"]),
        "error": error and error["code"],
        "message": error and error["message"],
    }
    return {name: content[name] for name in COLUMNS}


def _cell(value: object) -> object:
    return harmless_cell(value) if isinstance(value, str) else value
