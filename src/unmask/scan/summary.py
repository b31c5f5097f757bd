"""What a scan found, in numbers: read from its Parquet files, one batch at a time."""

from __future__ import annotations

import heapq
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unmask.detect.words import WORDS
from unmask.scan.extra import pyarrow
from unmask.scan.runs import read_runs
from unmask.scan.shards import ScanFolder

SUMMARY: Final = "summary.json"
BINS: Final = 20
"""Of the histogram of probabilities, all as wide."""
MOST: Final = 100
"""Images that a summary names, the most suspicious first."""

_READ_BATCH: Final = 8192
_READ: Final = (
    "path",
    "sha256",
    "verdict",
    "fake_probability",
    "faces",
    "marks",
    "notes",
    "out_of_distribution",
    "error",
    "ms",
)
_DIGITS: Final = 6  # as in the order of suspicion of unmask detect
_HELD: Final = 2**20  # hashes in memory
_PREFIX: Final = 16  # hexadecimal digits of a SHA-256 that count as the whole


def summarize(folder: ScanFolder, runs: Sequence[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The summary of a scan: but for ``timing`` the same whatever the engine, the order and the interruptions.

    Args:
        folder: of the scan; shards that are not done are left out, and ``complete`` says so.
        runs: as of :func:`~unmask.scan.runs.read_runs` (default: those noted in the folder).
    """
    plan = folder.plan
    runs = read_runs(folder.path) if runs is None else list(runs)
    totals = _Totals()
    missing = folder.missing()
    files = [folder.file_of(shard) for shard in plan.own_shards if shard not in set(missing)]
    with _Distinct() as distinct:
        worst = heapq.nsmallest(MOST, totals.count(_rows(files), distinct), key=_suspicion)
        copies = totals.read - distinct.count()
    seconds = sum(run["seconds"] for run in runs)
    done = sum(run["images"] for run in runs)
    return {
        "summary": "unmask scan",
        "complete": not missing,
        "sources": list(plan.sources),
        "part": list(plan.part),
        "model": plan.model_name,
        "bundle_sha256": plan.bundle_sha256,
        "threshold": plan.threshold,
        "unmask": plan.unmask,
        "images": totals.images,
        "shards": len(files),
        "passed_over": plan.passed_over,
        "verdicts": {word: totals.verdicts[word] for word in WORDS},
        "errors": dict(sorted(totals.errors.items())),
        "faces": totals.faces,
        "copies": copies,
        "with_marks": totals.with_marks,
        "marks": dict(sorted(totals.marks.items())),
        "with_notes": totals.with_notes,
        "out_of_distribution": totals.novel,
        "probabilities": totals.bins,
        "most_suspicious": [
            {name: row[name] for name in ("path", "sha256", "verdict", "fake_probability", "marks")}
            for row in worst
            if row["verdict"] is not None
        ],
        "timing": {
            "seconds": round(seconds, 2),
            "images_per_second": round(done / seconds, 3) if seconds else None,
            "mean_ms": round(totals.ms / totals.images, 2) if totals.images else None,
            "runs": runs,
        },
    }


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary that a finished scan wrote; ``None`` where there is none that can be read."""
    try:
        found = json.loads((folder / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("summary") == "unmask scan" else None


def runs_of(folder: Path) -> list[dict[str, Any]]:
    """The runs of a scan, finished or not; see :func:`~unmask.scan.runs.read_runs`."""
    summary = read_summary(folder)
    return read_runs(folder) if summary is None else list(summary["timing"]["runs"])


def _suspicion(row: dict[str, Any]) -> tuple[int, float, int, str]:
    """As ``unmask.detect.ranking.suspicion``; equal ones by path."""
    if row["verdict"] is None:
        return 2, 0.0, 0, row["path"]
    if row["verdict"] == "NO_FACE":
        return 1, 0.0, -len(row["marks"]), row["path"]
    return 0, -round(row["fake_probability"], _DIGITS), -len(row["marks"]), row["path"]


def _rows(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    parquet = pyarrow().parquet
    for path in files:
        with parquet.ParquetFile(path, pre_buffer=False, memory_map=False) as file:
            for batch in file.iter_batches(_READ_BATCH, columns=list(_READ), use_threads=False):
                yield from batch.to_pylist()


class _Totals:
    def __init__(self) -> None:
        self.images = self.read = self.faces = self.with_marks = self.with_notes = self.novel = 0
        self.ms = 0.0
        self.verdicts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()
        self.bins = [0] * BINS

    def count(self, rows: Iterable[dict[str, Any]], distinct: _Distinct) -> Iterator[dict[str, Any]]:
        """The same rows, counted."""
        for row in rows:
            self.images += 1
            self.ms += row["ms"] or 0.0
            if row["sha256"] is not None:
                self.read += 1
                distinct.add(row["sha256"])
            if row["error"] is not None:
                self.errors[row["error"]] += 1
            else:
                self._count_verdict(row)
            yield row

    def _count_verdict(self, row: dict[str, Any]) -> None:
        self.verdicts[row["verdict"]] += 1
        self.faces += len(row["faces"])
        self.marks.update(set(row["marks"]))
        self.with_marks += bool(row["marks"])
        self.with_notes += bool(row["notes"])
        self.novel += bool(row["out_of_distribution"])
        if row["verdict"] != "NO_FACE":
            self.bins[min(int(row["fake_probability"] * BINS), BINS - 1)] += 1


class _Distinct:
    """Counts different hashes in flat memory: a million of them at a time, the others in files. A context manager."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> _Distinct:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, sha256: str) -> None:
        self._held.append(sha256[:_PREFIX])
        if len(self._held) == _HELD:
            self._deal()

    def count(self) -> int:
        if self._folder is None:
            return len(np.unique(self._numbers()))
        self._deal()
        return sum(len(np.unique(np.fromfile(path, np.uint64))) for path in Path(self._folder.name).iterdir())

    def _numbers(self) -> npt.NDArray[np.uint64]:
        return np.frombuffer(bytes.fromhex("".join(self._held)), ">u8").astype(np.uint64)

    def _deal(self) -> None:
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="unmask-scan-")
        numbers = self._numbers()
        self._held.clear()
        first = (numbers >> np.uint64(56)).astype(np.uint8)
        for byte in np.unique(first):
            with (Path(self._folder.name) / f"{byte}").open("ab") as file:
                numbers[first == byte].tofile(file)
