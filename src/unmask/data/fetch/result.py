"""The result tables of a fetch, made from the manifest and the journal."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from unmask.data import tables
from unmask.data.fetch.journal import FetchLog, Record, row_key
from unmask.data.manifest import Manifest
from unmask.data.rows import STANDARD_COLUMNS, ManifestRow
from unmask.errors import UsageError
from unmask.files import RootFolder

MANIFEST_NAME: Final = "manifest.csv"
OK_NAME: Final = "ok.csv"
RESULT_COLUMNS: Final = ("status", "http_status", "sha256", "bytes", "fetched_at", "error")
MAX_LISTED_FAILURES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """The result of a fetch.

    Attributes:
        out: the folder.
        rows: rows of the manifest.
        counts: rows by status, the keys of :data:`~unmask.data.fetch.policy.STATUSES`; only those that occur.
        fetched: images that this run fetched.
        kept: rows settled by an earlier run and not requested again.
        bytes_fetched: of all images that this run fetched.
        shared_content: rows whose image has the same bytes as that of an earlier row.
        seconds: how long the run took.
        failures: the first 20 rows that are not ``ok`` as (row number, status, url, error).
    """

    out: Path
    rows: int
    counts: dict[str, int] = field(default_factory=dict)
    fetched: int
    kept: int
    bytes_fetched: int
    shared_content: int
    seconds: float
    failures: tuple[tuple[int, str, str, str], ...] = ()

    @property
    def failed(self) -> int:
        """Rows without an image."""
        return self.rows - self.counts.get("ok", 0)


def key_of(row: ManifestRow) -> str:
    """A row's key in the journal; rows with the same request have the same key."""
    return row_key(row.url, row.path, row.extra.get("sha256", "").strip().lower())


def check_free(folder: Path, journal: FetchLog) -> None:
    """Refuse a folder with tables that were not written by a fetch, above all the input manifest itself.

    Raises:
        UsageError: ``would_overwrite``.
    """
    # The journal is there before the tables, so that an interrupted first run can be resumed.
    for name in (MANIFEST_NAME, OK_NAME):
        if (folder / name).exists() and journal.fresh:
            text = f"{folder / name}: exists and was not written by a fetch; choose another folder"
            raise UsageError("would_overwrite", text)


class Results:
    """Writes the tables and counts their rows."""

    def __init__(self, manifest: Manifest, folder: Path, journal: FetchLog) -> None:
        self._manifest = manifest
        self._folder = folder
        self._journal = journal
        self._root = RootFolder(folder)

    def write(self, *, fetched: int, kept: int, bytes_fetched: int, seconds: float) -> FetchReport:
        """Write ``manifest.csv`` and ``ok.csv``, each whole or not at all.

        Raises:
            ManifestError: a cell that could not be read back.
            UsageError: ``cannot_write``.
        """
        standard = STANDARD_COLUMNS
        extra = tuple(name for name in self._manifest.columns if name not in (*standard, *RESULT_COLUMNS))
        columns = (*standard, *extra, *RESULT_COLUMNS)
        self._counts: Counter[str] = Counter()
        self._failures: list[tuple[int, str, str, str]] = []
        self._seen: set[bytes] = set()
        self._shared = 0
        path = self._folder / MANIFEST_NAME
        tables.write_table(path, columns, self._rows(extra), self._manifest.name)
        Manifest.open(path).select(status="ok").write(self._folder / OK_NAME)
        return FetchReport(
            out=self._folder,
            rows=self._counts.total(),
            counts=dict(self._counts.most_common()),
            fetched=fetched,
            kept=kept,
            bytes_fetched=bytes_fetched,
            shared_content=self._shared,
            seconds=seconds,
            failures=tuple(self._failures),
        )

    def _rows(self, extra: tuple[str, ...]) -> Iterator[tables.Row]:
        for row in self._manifest:
            record = self._journal.get(key_of(row)) if row.url else None
            # After an interrupt the journal may list images that this run has not checked yet.
            if record is None or (record.status == "ok" and not self._is_there(record)):
                status, error = ("pending", "not tried yet") if row.url else ("no_url", "the row has no url")
                record = Record(key="", url=row.url, status=status, fetched_at="", error=error)
            self._count(row, record)
            own = [self._path(row, record), row.url, row.label, row.source, row.generator, row.kind, row.group]
            http_status = "" if record.http_status is None else str(record.http_status)
            # A row without an image keeps the checksum of the manifest.
            ok = record.status == "ok"
            sha256 = record.sha256 if ok else row.extra.get("sha256", "")
            size = str(record.size) if ok else ""
            result = (record.status, http_status, sha256, size, record.fetched_at, record.error)
            yield row.line, [*own, row.split, *(row.extra.get(name, "") for name in extra), *result]

    def _count(self, row: ManifestRow, record: Record) -> None:
        self._counts[record.status] += 1
        if record.status != "ok":
            if len(self._failures) < MAX_LISTED_FAILURES:
                self._failures.append((row.line, record.status, row.url, record.error))
            return
        digest = record.sha256.encode()[:32]
        self._shared += digest in self._seen
        self._seen.add(digest)

    def _is_there(self, record: Record) -> bool:
        real = self._root.locate(record.path) if record.path else None
        try:
            return real is not None and Path(real).stat().st_size == record.size
        except OSError:
            return False

    def _path(self, row: ManifestRow, record: Record) -> str:
        """A path that is valid for a manifest whose root is the folder, or ''."""
        if record.status == "ok":
            return record.path
        if row.path and self._root.locate(row.path) is not None:
            return row.path
        if row.path and not row.url:
            # The row needs something to identify it: the file's path below the manifest's own root.
            return os.path.relpath(self._manifest.resolve(row), os.path.realpath(self._manifest.root))
        return ""
