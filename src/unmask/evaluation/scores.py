"""The table of scores: one row per image, with its label and a detector's prediction.

Every metric is computed from such a table alone. A detector fills it over a manifest (:func:`score_manifest`), or any
other program: the columns ``path``, ``label`` and ``fake_probability`` are enough.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from unmask.data import tables
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.data.translation import Labels, Translation, columns_found, labels_found, renamed
from unmask.detect.detector import Detector
from unmask.detect.verdict import Verdict
from unmask.errors import UsageError
from unmask.evaluation.cells import parse_probability
from unmask.files import digest, stamp
from unmask.journal import Journal
from unmask.parallel import ordered_map
from unmask.stats.intervals import group_codes
from unmask.stats.metrics import Codes, Flags, Floats
from unmask.text import quote
from unmask.version import __version__

NEEDED: Final = ("path", "label", "fake_probability")
COLUMNS: Final[tuple[str, ...]] = (
    "path",
    "label",
    "source",
    "generator",
    "kind",
    "group",
    "split",
    "fake_probability",
    "face_found",
    "face_probabilities",
    "uncertain",
    "error",
    "model",
    "threshold",
    "seen",
)
"""The first columns of our own tables. ``face_found``, ``uncertain`` and ``seen`` are true, false or blank;
``face_probabilities`` holds the probability of fake of each face, largest face first, separated by spaces."""

# What of them follows from a verdict.
_PREDICTED: Final = ("fake_probability", "face_found", "face_probabilities", "uncertain", "error")

DEFAULT_THRESHOLD: Final = 0.5
NO_ANSWER: Final = "no_answer"

Cells = dict[str, str]


@dataclass(frozen=True, repr=False)
class Scores:
    """A detector's predictions for images; one element each, in the table's order.

    Attributes:
        name: the table's name, usually the file's path.
        model: the detector's name.
        path: identifies each image; no two are the same.
        is_fake: bool [n], the truth.
        fake_probability: float [n], in [0, 1]; NaN where the image could not be read.
        error: why it could not be read; '' where it could.
        threshold: an image is called fake when its probability reaches this.
        columns: the cells of every other column, as text.
    """

    name: str
    model: str
    path: tuple[str, ...]
    is_fake: Flags
    fake_probability: Floats
    error: tuple[str, ...]
    threshold: float
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.path)

    def __repr__(self) -> str:
        return f"<Scores {self.name}: {self.model}, {len(self)} images, {int(self.is_fake.sum())} fake>"

    @classmethod
    def open(cls, path: Path, threshold: float | None = None, translation: Translation | None = None) -> Scores:
        """Read a table from CSV or Parquet, by the suffix.

        Args:
            path: the file.
            threshold: default: the one in the column ``threshold``, or 0.5 without that column.
            translation: what the file calls our columns and labels, where it has other names for them.

        Raises:
            UsageError: ``unsupported_format``, ``missing_column``, or naming the row ``bad_row``, ``unknown_label``,
                ``bad_probability``, ``duplicate_path``, ``bad_threshold``; ``empty_scores``.
            ManifestError: ``unreadable_manifest``, the file cannot be read as a table.
            MissingExtraError: a Parquet file, and pyarrow is not installed.
        """
        if not tables.is_table(path):
            raise UsageError("unsupported_format", f"{path}: scores are read from .csv or .parquet")
        translation = translation or Translation()
        table = renamed(tables.open_table(path, guarded=True), translation, COLUMNS)
        try:
            return cls.from_rows(table.columns, table.rows(), str(path), threshold, translation.labels())
        except UsageError as error:
            if error.code != "unknown_label":
                raise
            raise UsageError(error.code, f"{error.message}; {labels_found(table)}") from None

    @classmethod
    def from_rows(
        cls,
        columns: Sequence[str],
        rows: Iterable[tables.Row],
        name: str = "<rows>",
        threshold: float | None = None,
        labels: Labels | None = None,
    ) -> Scores:
        """From rows of text, each with its number; errors as for :meth:`open`."""
        labels = labels or Translation().labels()
        for needed in NEEDED:
            if needed not in columns:
                text = f"{name}: there is no column {needed}; {columns_found(columns, NEEDED)}"
                raise UsageError("missing_column", text)
        cells: list[list[str]] = [[] for _ in columns]
        at = {column: index for index, column in enumerate(columns)}
        first: dict[str, int] = {}
        probabilities: list[float] = []
        is_fake: list[bool] = []
        for line, row in rows:
            where = f"{name}: row {line}"
            if len(row) != len(columns):
                text = f"{where}: has {len(row)} cells where there are {len(columns)} columns"
                raise UsageError("bad_row", text)
            path, label = row[at["path"]], labels[row[at["label"]]]
            if not path:
                raise UsageError("bad_row", f"{where}: has no path")
            if first.setdefault(path, line) != line:
                text = f"{where}: {quote(path)} is already in row {first[path]}"
                raise UsageError("duplicate_path", text)
            if label is None:
                text = f"{where}: the label {quote(row[at['label']])} is neither real nor fake"
                raise UsageError("unknown_label", text)
            is_fake.append(label == "fake")
            error = row[at["error"]] if "error" in at else ""
            probabilities.append(parse_probability(row[at["fake_probability"]], error, where))
            for column, cell in zip(cells, row, strict=True):
                column.append(cell)
        if not probabilities:
            raise UsageError("empty_scores", f"{name}: there are no rows")
        by_name = {column: tuple(cells[index]) for column, index in at.items()}
        probability = np.array(probabilities)
        errors = by_name.get("error", ("",) * len(probability))
        return cls(
            name=name,
            model=_constant(by_name, "model", name) or Path(name).stem,
            path=by_name["path"],
            is_fake=np.array(is_fake),
            fake_probability=probability,
            error=tuple(
                error or (NO_ANSWER if missing else "")
                for error, missing in zip(errors, np.isnan(probability), strict=True)
            ),
            threshold=_threshold(_constant(by_name, "threshold", name), name) if threshold is None else threshold,
            columns={
                column: values
                for column, values in by_name.items()
                if column not in (*NEEDED, "error", "model", "threshold")
            },
        )

    def write(self, path: Path) -> None:
        """Write the table as CSV or Parquet; read back, it gives the same metrics to the last bit.

        Raises:
            UsageError: ``unsupported_format``, ``cannot_write``.
            MissingExtraError: a Parquet file, and pyarrow is not installed.
        """
        own: dict[str, Iterable[str]] = {
            "path": self.path,
            "label": ("fake" if fake else "real" for fake in self.is_fake),
            "fake_probability": ("" if math.isnan(value) else repr(float(value)) for value in self.fake_probability),
            "error": self.error,
            "model": (self.model for _ in self.path),
            "threshold": (repr(self.threshold) for _ in self.path),
        }
        everything = {**self.columns, **own}
        names = [name for name in COLUMNS if name in everything]
        names += [name for name in everything if name not in COLUMNS]
        rows = enumerate(zip(*(everything[name] for name in names), strict=True), 1)
        tables.write_table(path, names, rows, self.name, guarded=True)

    def column(self, name: str) -> tuple[str, ...]:
        """A column's cells; blank ones where the table lacks it."""
        return self.columns.get(name, ("",) * len(self))

    def groups(self) -> Codes:
        """A number for each image, equal within a group; an image without a group is a group of its own."""
        return group_codes(self.column("group"))

    def by_group(self) -> Scores:
        """One row for each group and label: the mean probability of its images that could be read.

        A video is judged from its frames like this. Other columns keep a value that is the same for all images of the
        group. A group without a readable image is a failure.
        """
        units, first, unit_of = np.unique(2 * self.groups() + self.is_fake, return_index=True, return_inverse=True)
        read = ~np.isnan(self.fake_probability)
        count = np.bincount(unit_of[read], minlength=len(units))
        total = np.bincount(unit_of[read], self.fake_probability[read], len(units))
        mean = np.divide(total, count, out=np.full(len(units), math.nan), where=count > 0)
        columns = {name: _shared(values, unit_of, first) for name, values in self.columns.items()}
        return replace(
            self,
            path=tuple(self.path[at] for at in first),
            is_fake=self.is_fake[first],
            fake_probability=np.clip(mean, 0.0, 1.0),  # a mean can round to just above the largest of its values
            error=tuple("" if n else self.error[at] for n, at in zip(count, first, strict=True)),
            columns=columns,
        )

    def digest(self) -> str:
        """SHA-256 over paths, labels, probabilities and threshold, in 64 hexadecimal digits."""
        sha = hashlib.sha256(f"unmask scores 1\n{self.threshold!r}\n".encode())
        for path, fake, probability in zip(self.path, self.is_fake, self.fake_probability, strict=True):
            line = json.dumps([path, bool(fake), None if math.isnan(probability) else float(probability)])
            sha.update(line.encode() + b"\n")
        return sha.hexdigest()


def score_manifest(
    detector: Detector,
    manifest: Manifest,
    store: Path | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[], None] = lambda: None,
    reuse: bool = True,
) -> Scores:
    """Score every image of a manifest with a detector.

    Args:
        detector: its threshold and name go into the table.
        manifest: its columns are kept. ``seen`` says whether the bundle's card names an image's source.
        store: file of known scores, from which a stopped run resumes; created if it does not exist.
        workers: worker threads (default: number of CPUs).
        progress: called after each image.
        reuse: whether the verdicts of a scan by the detector's bundle are taken as they are, without its images.

    Raises:
        UsageError: ``nothing_read`` when not a single image could be read, ``empty_scores``; ``folder_in_use``,
            ``cannot_write`` of the store.
        ManifestError: a bad row.
    """
    with nullcontext() if store is None else Journal(store) as journal:
        predictions = []
        known = reuse and manifest.judged_by == detector.bundle.sha256
        for prediction in _scanned(manifest) if known else _predictions(detector, manifest, journal, workers):
            predictions.append(prediction)
            progress()
    scores = tabulate(detector, manifest, predictions)
    if all(scores.error):
        text = (
            f"{manifest.name}: none of its {len(scores)} images could be read ({scores.error[0]}); is the root right?"
        )
        raise UsageError("nothing_read", text)
    return scores


def tabulate(detector: Detector, manifest: Manifest, predictions: Iterable[tuple[ManifestRow, Cells]]) -> Scores:
    """The table of a detector's predictions for rows of a manifest, each with its cells from :func:`cells_of`.

    Raises:
        UsageError: ``empty_scores``, ``duplicate_path``.
    """
    info = detector.bundle.info
    seen = {source for by_source in info.card.sources.values() for source in by_source}
    extra = [name for name in manifest.columns if name not in COLUMNS and name != "url"]
    columns = [*COLUMNS, *extra]
    rows = []
    for row, known in predictions:
        cells = {
            **row.extra,
            **{name: getattr(row, name) for name in ("path", "label", "source", "generator", "kind", "group", "split")},
            **known,
            "model": f"{info.name}@{info.version}",
            "threshold": repr(detector.threshold),
            "seen": _flag(row.source in seen) if row.source and seen else "",
        }
        rows.append((row.line, [cells[name] for name in columns]))
    return Scores.from_rows(columns, rows, manifest.name)


def _scanned(manifest: Manifest) -> Iterator[tuple[ManifestRow, Cells]]:
    """The predictions that the rows of a scan hold."""
    for row in manifest:
        yield row, {name: row.extra[name] for name in _PREDICTED}


def _predictions(
    detector: Detector, manifest: Manifest, journal: Journal | None, workers: int | None
) -> Iterator[tuple[ManifestRow, Cells]]:
    def items() -> Iterator[tuple[ManifestRow, Path, str, dict[str, Any] | None]]:
        for row in manifest:
            path = manifest.resolve(row)
            # A different image of the same name, another detector or another version of unmask is scored again.
            key = digest("scores 2", __version__, detector.bundle.sha256, row.path, *stamp(path))
            yield row, path, key, None if journal is None else journal.get(key)

    def judge(
        item: tuple[ManifestRow, Path, str, dict[str, Any] | None],
    ) -> tuple[ManifestRow, str, Cells, bool]:
        row, path, key, known = item
        if known is not None:
            return row, key, known["cells"], False
        return row, key, cells_of(detector.detect_or_error(path)), True

    for row, key, cells, is_new in ordered_map(judge, items(), workers):
        # An image that could not be read is tried again in the next run.
        if is_new and journal is not None and not cells["error"]:
            journal.note(key, {"cells": cells})
        yield row, cells


def cells_of(verdict: Verdict) -> Cells:
    """What a table of scores holds of a verdict."""
    if verdict.error is not None:
        return {
            "fake_probability": "",
            "face_found": "",
            "face_probabilities": "",
            "uncertain": "",
            "error": verdict.error.code,
        }
    return {
        "fake_probability": repr(verdict.fake_probability),
        "face_found": _flag(verdict.face_found),
        "face_probabilities": " ".join(repr(face.fake_probability) for face in verdict.faces),
        "uncertain": _flag(verdict.uncertain),
        "error": "",
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _constant(columns: Mapping[str, tuple[str, ...]], name: str, table: str) -> str:
    """The one value of a column that describes the whole table; '' without the column."""
    values = set(columns.get(name, ("",)))
    if len(values) > 1:
        shown = " and ".join(quote(value) for value in sorted(values)[:2])
        raise UsageError(f"bad_{name}", f"{table}: the column {name} holds {shown}; it must be one for the whole table")
    return values.pop()


def _threshold(cell: str, table: str) -> float:
    if not cell:
        return DEFAULT_THRESHOLD
    try:
        return check_threshold(float(cell))
    except ValueError:
        raise UsageError("bad_threshold", f"{table}: the threshold {quote(cell)} is not a number") from None


def check_threshold(value: float) -> float:
    """A threshold, if it is a number from 0 to 1.

    Raises:
        UsageError: ``bad_threshold``.
    """
    if not 0 <= value <= 1:
        raise UsageError("bad_threshold", f"A threshold must be a number from 0 to 1, not {value}.")
    return value


def _shared(values: tuple[str, ...], unit_of: Codes, first: Codes) -> tuple[str, ...]:
    """Each unit's value of a column; blank where its images differ."""
    _, codes = np.unique(np.asarray(values, np.str_), return_inverse=True)
    differs = np.zeros(len(first), bool)
    np.logical_or.at(differs, unit_of, codes != codes[first][unit_of])
    return tuple("" if mixed else values[at] for mixed, at in zip(differs, first, strict=True))
