"""The result of each row, written down as it happens, so that a killed run can be resumed.

A :class:`~unmask.journal.Journal` of records; about 200 bytes a row are held in memory.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from unmask.data.fetch.policy import STATUSES
from unmask.journal import Journal

JOURNAL_NAME: Final = "fetch-journal.jsonl"
_HEADER_LINE: Final = b'{"unmask_fetch_journal": 1}\n'


def row_key(*cells: str) -> str:
    """A row's key in the journal, wherever it is in the manifest: 32 hexadecimal digits."""
    return blake2b(json.dumps(cells).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The result of one row.

    Attributes:
        key: from :func:`row_key`.
        url: as in the manifest; '' where it may hold a password.
        final_url: the address that answered, after redirects.
        status: a key of :data:`~unmask.data.fetch.policy.STATUSES`.
        http_status: of the last answer, if there was one.
        sha256: of the bytes received, as 64 hexadecimal digits; of ``ok`` and ``changed`` rows.
        expected: the checksum that was required; '' for any.
        size: bytes received, of ``ok`` rows.
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
    def from_json(cls, found: dict[str, Any]) -> Record | None:
        """Read an object of the journal; ``None`` for anything that a fetch would not have written."""
        if found.keys() != set(cls.__slots__):
            return None
        kinds = {"http_status": (int, type(None)), "size": (int,)}
        if not all(isinstance(value, kinds.get(name, (str,))) for name, value in found.items()):
            return None
        return cls(**found) if found["status"] in STATUSES else None


class FetchLog:
    """The journal of a folder's fetches, locked while open, so that two runs cannot mix.

    Raises:
        UsageError: ``folder_in_use``; ``bad_journal``, the file is no journal of this version; ``cannot_write``;
            ``outside_folder``, the file is a link.

    Attributes:
        fresh: whether no run has begun in this folder before.
    """

    def __init__(self, folder: Path) -> None:
        self._paths: set[bytes] = set()
        self._journal = Journal(folder / JOURNAL_NAME, header=_HEADER_LINE, accept=self._accept)
        self.fresh = self._journal.fresh

    def begin(self) -> None:
        """Mark a fresh journal as one that later runs resume from."""
        self._journal.begin()

    def close(self) -> None:
        """Close the file and give the lock back; a journal that was never begun is removed."""
        self._journal.close()

    def get(self, key: str) -> Record | None:
        """The last record of a row."""
        found = self._journal.get(key)
        return None if found is None else Record.from_json(found)

    def add(self, record: Record) -> None:
        """Append a record, which then survives a kill of this program.

        Raises:
            UsageError: ``cannot_write``.
        """
        facts = asdict(record)
        self._journal.note(facts.pop("key"), facts)
        self._note_path(record)

    def wrote(self, path: str) -> bool:
        """Whether any record, also one that a later record replaced, is of an image stored there."""
        return _digest(path) in self._paths

    def _accept(self, found: dict[str, Any]) -> bool:
        record = Record.from_json(found)
        if record is not None:
            self._note_path(record)
        return record is not None

    def _note_path(self, record: Record) -> None:
        if record.path:
            self._paths.add(_digest(record.path))


def _digest(path: str) -> bytes:
    return blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).digest()
