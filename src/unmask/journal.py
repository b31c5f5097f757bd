"""The one store for work that a killed run resumes: an object per key, appended to a file of JSON lines.

Part of the ground floor: imports ``errors`` and ``files``, nothing else of unmask.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

from unmask.errors import UsageError
from unmask.files import cannot_write, lock, refuse_link

# A line is read whole, so a file without a line end must not fill the memory.
_MAX_LINE: Final = 16 * 2**20
# Parsing every line in full would take most of the time of opening a large journal.
_KEY: Final = re.compile(rb'\{"key": "([^"\\]*)"')
_OLD_KEY: Final = re.compile(rb"([0-9a-f]{32})\{")


class Journal:
    """JSON objects by key; the last one of a key counts.

    Each object is one line ``{"key": ..., ...}``, appended by one write, so a kill leaves at most one torn line, at the
    end, which the next opening removes. Only where each line begins is held in memory, about 100 bytes a key. Lines
    that cannot be read are passed over: what they stood for is done again. A context manager; safe to use from several
    threads.

    Args:
        path: the file, made if it is not there; its folder must exist.
        header: the first line, with its end, of journals that carry one; written by :meth:`begin` or the first note.
        shared: whether several processes may append at once. Otherwise the file is locked while open.
        accept: called with each object when the file is opened; a line that it refuses is passed over. Without it only
            the key of a line is read then.

    Attributes:
        fresh: whether the file was missing or empty.

    Raises:
        UsageError: ``folder_in_use``, another process has it open; ``cannot_write``; ``outside_folder``, the file is a
            link; ``bad_journal``, the file begins with another line than the header.
    """

    def __init__(
        self,
        path: Path,
        *,
        header: bytes = b"",
        shared: bool = False,
        accept: Callable[[dict[str, Any]], bool] | None = None,
    ) -> None:
        self._path, self._header, self._shared, self._accept = path, header, shared, accept
        self._offsets: dict[bytes, int] = {}
        self._turn = Lock()
        refuse_link(path)
        try:
            # Unbuffered, so that what did not fit on a full disk is not written again, out of place, on closing.
            self._file = path.open("a+b", buffering=0)
            self._reader = path.open("rb")
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            if not shared:
                lock(self._file, path.parent)
            self._empty = self.fresh = path.stat().st_size == 0
            if not self.fresh:
                self._load()
        except BaseException:
            self._close()
            raise

    def __len__(self) -> int:
        return len(self._offsets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self) -> None:
        """Write the header of an empty journal, which is then no longer fresh to the next run."""
        if self._empty and self._header:
            self._append(self._header)
        self._empty = False

    def get(self, key: str) -> dict[str, Any] | None:
        """What was last noted under a key, with the key; ``None`` where that is nothing, or can no longer be read."""
        with self._turn:
            offset = self._offsets.get(_short(key))
            if offset is None:
                return None
            self._reader.seek(offset)
            return _object(self._reader.readline(_MAX_LINE))

    def note(self, key: str, facts: Mapping[str, Any]) -> None:
        """Append an object, which then survives a kill of this program.

        Raises:
            UsageError: ``cannot_write``.
        """
        line = json.dumps({"key": key, **facts}).encode() + b"\n"
        with self._turn:
            self.begin()
            self._offsets[_short(key)] = self._append(line)

    def close(self) -> None:
        """Close the file and give the lock back; a journal with a header that was never begun is removed."""
        if self._empty and self._header:
            self._path.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        self._reader.close()
        self._file.close()

    def _load(self) -> None:
        end = 0
        if self._header:
            first = self._reader.readline(len(self._header))
            if first != self._header:
                if not self._header.startswith(first):
                    raise UsageError("bad_journal", f"{self._path}: is not a journal of this version of unmask")
                self._file.truncate(0)  # killed while writing the very first line
                self._append(self._header)
                return
            end = len(first)
        while line := self._reader.readline(_MAX_LINE):
            if not line.endswith(b"\n") and len(line) < _MAX_LINE:
                self._mend(end)
                break
            if (key := self._key_of(line)) is not None:
                self._offsets[_short(key)] = end
            end += len(line)

    def _key_of(self, line: bytes) -> str | None:
        if self._accept is None and (found := _KEY.match(line) or _OLD_KEY.match(line)):
            return found[1].decode(errors="replace")
        facts = _object(line)
        if facts is None or (self._accept is not None and not self._accept(facts)):
            return None
        key = facts.get("key")
        return key if isinstance(key, str) else None

    def _mend(self, end: int) -> None:
        """Remove a line that a kill cut short, or end it where another process may be about to."""
        if self._shared:
            self._append(b"\n")
            return
        try:
            self._file.truncate(end)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _append(self, line: bytes) -> int:
        """Write a line at the end of the file; returns where it begins."""
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            # Told after the write, since another process may have appended before it.
            return self._file.tell() - len(line)
        except OSError as error:
            raise cannot_write(self._path, error) from error


def _short(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _object(line: bytes) -> dict[str, Any] | None:
    """The object of a line. ``unmask data audit`` once wrote the key before it, as 32 hexadecimal digits."""
    try:
        if old := _OLD_KEY.match(line):
            return {"key": old[1].decode(), **json.loads(line[32:])}
        found = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
