"""What became of each row, written down as it happens, so that a killed run can go on.

One JSON object a line, appended in one write each: a kill leaves at most one torn line, at the end, which is cut off.
Only where each row's last line begins is held in memory, about 200 bytes a row.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from unmask.data.fetch.policy import STATUSES
from unmask.errors import UsageError

if sys.platform != "win32":
    import fcntl

JOURNAL_NAME: Final = "fetch-journal.jsonl"
_HEADER_LINE: Final = b'{"unmask_fetch_journal": 1}\n'
_MAX_LINE = 256 * 1024


def row_key(*cells: str) -> str:
    """What a row is known by in the journal, whatever its place in the manifest: 32 hexadecimal digits."""
    return blake2b(json.dumps(cells).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one row.

    Attributes:
        key: from :func:`row_key`.
        url: as the manifest has it; '' where it may hold a password.
        final_url: what answered, after redirects.
        status: a key of :data:`~unmask.data.fetch.policy.STATUSES`.
        http_status: of the last answer, if there was one.
        sha256: of the bytes that came, as 64 hexadecimal digits; of ``ok`` and ``changed`` rows.
        expected: the checksum that the bytes had to have; '' for any.
        size: how many bytes came, of ``ok`` rows.
        path: the image, relative to the folder, with '/'.
        fetched_at: when, in UTC, ISO 8601 to the second.
        error: one sentence; '' for ``ok``.
    """

    key: str
    url: str
    status: str
    fetched_at: str
    final_url: str = ""
    http_status: int | None = None
    sha256: str = ""
    expected: str = ""
    size: int = 0
    path: str = ""
    error: str = ""

    @classmethod
    def from_json(cls, line: bytes) -> Record | None:
        """Read a line back; None for anything that :meth:`to_json` would not have written."""
        try:
            found: Any = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or found.keys() != set(cls.__slots__):
            return None
        kinds = {"http_status": (int, type(None)), "size": (int,)}
        if not all(isinstance(value, kinds.get(name, (str,))) for name, value in found.items()):
            return None
        try:
            bytes.fromhex(found["key"])
        except ValueError:
            return None
        return cls(**found) if found["status"] in STATUSES else None

    def to_json(self) -> bytes:
        """One line with its end."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Journal:
    """The journal in a folder, locked while open, so that two runs cannot mix.

    Raises:
        UsageError: ``folder_in_use``, or ``bad_journal`` for a file that is no journal of this version.
        OSError: it cannot be opened.

    Attributes:
        fresh: whether no run has begun in this folder before.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        self._file = self.path.open("a+b", buffering=0)
        self._reader = self.path.open("rb")
        try:
            self._lock()
            self._offsets: dict[bytes, int] = {}
            self._paths: set[bytes] = set()
            self._end = 0
            self.fresh = self.path.stat().st_size == 0
            if not self.fresh:
                self._load()
        except BaseException:
            self._close()
            raise

    def __len__(self) -> int:
        return len(self._offsets)

    def begin(self) -> None:
        """Make a fresh journal one that later runs go on from."""
        if self.fresh:
            self._append(_HEADER_LINE)
            self._end = self._file.tell()

    def close(self) -> None:
        """Close the file and give the lock back; a journal that was never begun is removed."""
        if self._file.seek(0, os.SEEK_END) == 0:
            self.path.unlink(missing_ok=True)
        self._close()

    def get(self, key: str) -> Record | None:
        """The last record of a row."""
        offset = self._offsets.get(bytes.fromhex(key))
        if offset is None:
            return None
        self._reader.seek(offset)
        return Record.from_json(self._reader.readline(_MAX_LINE))

    def add(self, record: Record) -> None:
        """Append a record, which then survives a kill of this program."""
        self._append(record.to_json())
        self._note(record, self._end)
        self._end = self._file.tell()

    def wrote(self, path: str) -> bool:
        """Whether any record is of an image stored there."""
        return _digest(path) in self._paths

    def _close(self) -> None:
        self._reader.close()
        self._file.close()

    def _lock(self) -> None:
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError("folder_in_use", f"{self.path.parent}: another fetch is at work there") from None

    def _load(self) -> None:
        with self.path.open("rb") as file:
            first = file.readline(_MAX_LINE)
            if first != _HEADER_LINE:
                if not _HEADER_LINE.startswith(first):
                    raise UsageError("bad_journal", f"{self.path}: is not a journal of this version of unmask fetch")
                # Killed while writing the very first line.
                self._file.truncate(0)
                self._append(_HEADER_LINE)
                self._end = self._file.tell()
                return
            self._end = file.tell()
            while line := file.readline(_MAX_LINE):
                if not line.endswith(b"\n") and len(line) < _MAX_LINE:
                    self._file.truncate(self._end)
                    break
                if record := Record.from_json(line):
                    self._note(record, self._end)
                self._end = file.tell()

    def _append(self, line: bytes) -> None:
        if self._file.write(line) != len(line):
            raise OSError(f"{self.path}: a line was written only in part; the disk may be full")
        self._file.seek(0, os.SEEK_END)

    def _note(self, record: Record, offset: int) -> None:
        self._offsets[bytes.fromhex(record.key)] = offset
        if record.path:
            self._paths.add(_digest(record.path))


def _digest(path: str) -> bytes:
    return blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).digest()
