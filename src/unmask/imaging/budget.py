"""A budget of memory that all threads of a process share while they decode large images."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Images that take less are not counted: threads hold one each, and taking turns would cost more than it saves.
_SMALL: Final = 32 * 2**20


class MemoryBudget:
    """Memory for decoding, shared by all threads, first come, first served.

    Args:
        total: bytes. An image that needs more than that is decoded alone.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Wait until ``size`` bytes are free, and hold them for the block."""
        size = min(size, self.total)
        if size < _SMALL:
            yield
            return
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is turn and self._free >= size)
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


DECODING: Final = MemoryBudget(1536 * 2**20)
"""The budget of this process: four images of the largest kind at once."""
