"""Verdicts by the SHA-256 of the bytes, so that no bytes are judged twice: on disk for all workers, or in memory."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Final

from unmask.scan.rows import OF_THE_BYTES, Row

# Seconds that a worker waits for another one's commit.
_WAIT: Final = 30.0
_KEY_BYTES: Final = 16


class SeenInMemory:
    """The last verdicts of a process.

    Args:
        most: verdicts to hold, about 1 KiB each.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._facts: OrderedDict[str, Row] = OrderedDict()

    def get(self, sha256: str) -> Row | None:
        """The facts of an image that was judged before."""
        facts = self._facts.get(sha256)
        if facts is not None:
            self._facts.move_to_end(sha256)
        return facts

    def put(self, sha256: str, facts: Row) -> None:
        """Note the facts of an image; the one that was asked for longest ago gives way."""
        self._facts[sha256] = facts
        if len(self._facts) > self._most:
            self._facts.popitem(last=False)


class SeenOnDisk:
    """Verdicts that several processes of one machine share: memory does not grow with their number.

    It is a cache: what cannot be read or written is judged again, and a damaged file is given up.

    Args:
        path: an SQLite file, made if it is not there; it belongs to one bundle, threshold and limits.
    """

    def __init__(self, path: Path) -> None:
        self._new: dict[str, Row] = {}
        self._base: sqlite3.Connection | None = None
        with suppress(sqlite3.Error):
            base = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
            # A kill of the program cannot harm the file without waiting for the disk, and a power failure only it.
            base.execute("PRAGMA synchronous = OFF")
            base.execute("PRAGMA cache_size = -4000")
            base.execute("CREATE TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, facts TEXT) WITHOUT ROWID")
            self._base = base

    def get(self, sha256: str) -> Row | None:
        """The facts of an image that was judged before."""
        if (facts := self._new.get(sha256)) is not None or self._base is None:
            return facts
        try:
            found = self._base.execute("SELECT facts FROM seen WHERE key = ?", (_key(sha256),)).fetchone()
            facts = None if found is None else json.loads(found[0])
        except (sqlite3.Error, ValueError):
            return None
        whole = facts is not None and facts.get("sha256") == sha256 and set(facts) == set(OF_THE_BYTES)
        return facts if whole else None

    def put(self, sha256: str, facts: Row) -> None:
        """Note the facts of an image, for this process; :meth:`share` gives them to the others."""
        self._new[sha256] = facts

    def share(self) -> None:
        """Write what is new."""
        if self._base is not None and self._new:
            rows = [(_key(sha256), json.dumps(facts)) for sha256, facts in self._new.items()]
            try:
                self._base.execute("BEGIN IMMEDIATE")
                self._base.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
                self._base.execute("COMMIT")
            except sqlite3.Error:
                with suppress(sqlite3.Error):
                    self._base.execute("ROLLBACK")
        self._new.clear()

    def close(self) -> None:
        """Write what is new and let go of the file."""
        self.share()
        if self._base is not None:
            self._base.close()


def _key(sha256: str) -> bytes:
    return bytes.fromhex(sha256)[:_KEY_BYTES]
