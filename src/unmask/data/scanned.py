"""The output of ``unmask scan`` as a table, for all that read manifests or scores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from unmask.errors import ManifestError, MissingExtraError, UsageError
from unmask.text import shorten

PLAN: Final = "scan.json"
ROWS: Final = "verdicts"
SCHEMA: Final = 1

COLUMNS: Final = (
    "path",
    "sha256",
    "verdict",
    "fake_probability",
    "face_found",
    "faces",
    "marks",
    "notes",
    "kinds",
    "out_of_distribution",
    "distance",
    "width",
    "height",
    "error",
    "error_message",
    "model",
    "bundle_sha256",
    "threshold",
    "ms",
)
"""The columns of a scan, in this order; those that a table of the source had follow."""

_READ_BATCH: Final = 4096
# What tables of scores call the columns of a scan that have other names, or other types, there.
_TAKEN: Final = (
    "path",
    "sha256",
    "verdict",
    "fake_probability",
    "face_found",
    "faces",
    "out_of_distribution",
    "width",
    "height",
    "error",
    "model",
    "threshold",
)


def is_scan(path: Path) -> bool:
    """Whether a folder is that of a scan."""
    return (path / PLAN).is_file()


def read_plan(path: Path) -> dict[str, Any]:
    """The plan of a scan.

    Raises:
        UsageError: ``no_scan``, there is none in the folder, or one of another version.
    """
    try:
        facts = json.loads((path / PLAN).read_bytes())
    except FileNotFoundError:
        raise UsageError("no_scan", f"{path}: holds no scan ({PLAN} is missing)") from None
    except (OSError, ValueError) as error:
        raise UsageError("no_scan", f"{path / PLAN}: cannot be read") from error
    if not isinstance(facts, dict) or facts.get("scan") != "unmask" or facts.get("schema") != SCHEMA:
        raise UsageError("no_scan", f"{path / PLAN}: is not the plan of a scan of this version")
    return facts


@dataclass(frozen=True)
class ScanTable:
    """The rows of a scan, all shards in order, as text.

    Its columns are those of a table of scores, and those that the scan kept from its source, such as label and source.

    Attributes:
        path: the folder of the scan.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.path)

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan of the scan."""
        return read_plan(self.path)

    @property
    def root(self) -> str:
        """The absolute folder that its paths start from."""
        return str(self.plan["root"])

    @property
    def bundle_sha256(self) -> str:
        """The hash of the bundle that judged."""
        return str(self.plan["bundle_sha256"])

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names."""
        return (
            "path",
            *(name for name in self._kept if name != "path"),
            *(name for name in _TAKEN[1:] if name != "faces"),
            "face_probabilities",
            "uncertain",
        )

    @property
    def _kept(self) -> list[str]:
        # A column of the source that has the name of one of a scan's is there under another name, and left out here.
        return [name for name in self.plan["columns"] if name not in COLUMNS]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Walk the rows, a batch at a time, numbered from 1.

        Raises:
            ManifestError: ``unreadable_manifest``, a shard is missing or damaged.
            MissingExtraError: pyarrow is not installed.
        """
        line = 0
        kept = self._kept
        for path in self._files():
            for batch in _batches(path, [*_TAKEN, *kept]):
                for row in batch.to_pylist():
                    line += 1
                    yield line, self._cells(row, kept)

    def _cells(self, row: dict[str, Any], kept: list[str]) -> list[str]:
        faces = " ".join(repr(face["fake_probability"]) for face in row["faces"] or ())
        uncertain = None if row["error"] is not None else row["verdict"] in {"UNCERTAIN", "NO_FACE"}
        cells = [row["path"], *(row[name] for name in kept)]
        cells += [row[name] for name in _TAKEN[1:] if name != "faces"]
        return [_text(cell) for cell in [*cells, faces, uncertain]]

    def _files(self) -> list[Path]:
        files = sorted((self.path / ROWS).glob("shard-*.parquet"))
        part, parts = self.plan["part"]
        wanted = len(range(part - 1, self.plan["shards"], parts))
        if len(files) != wanted:
            text = f"{self.path}: the scan is not finished: {len(files):,} of {wanted:,} shards are there"
            raise ManifestError("unreadable_manifest", f"{text}; unmask scan --resume finishes it")
        return files


def _batches(path: Path, columns: list[str]) -> Iterator[Any]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("scale", "Reading a scan") from error
    try:
        with parquet.ParquetFile(path, pre_buffer=False, memory_map=False) as file:
            yield from file.iter_batches(batch_size=_READ_BATCH, columns=columns, use_threads=False)
    except Exception as error:  # ArrowException, and whatever the values of a damaged file make Python raise
        reason = shorten((str(error).splitlines() or ["it is damaged"])[0])
        raise ManifestError("unreadable_manifest", f"{path}: cannot be read: {reason}") from error


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else repr(value)
