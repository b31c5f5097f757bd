"""A child process that judges the items of a scan, for :mod:`unmask.scan.workers`.

Requests arrive on standard input and answers leave on standard output, each a JSON text behind its length: no pickle
is loaded by either side, so a child that was taken over by an image cannot take over its parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from unmask.errors import UnmaskError
from unmask.scan.items import Item
from unmask.scan.judge import JudgeSettings, judge_items
from unmask.scan.reading import Reader
from unmask.scan.seen import SeenInMemory, SeenOnDisk

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# Objects that are fetched while one is judged, since a store takes longer to answer than to send.
_AHEAD: Final = 8


def main(told: str) -> None:
    """Answer requests until standard input ends."""
    requests = sys.stdin.buffer
    # A print of a library must not end up between two answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    if resource is not None:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        settings = JudgeSettings.from_json(json.loads(told))
        detector = settings.load()
    except UnmaskError as error:
        send(answers, {"fatal": [error.code, error.message, error.exit_code]})
        return
    send(answers, {"ready": detector.bundle.sha256})
    on_disk = None if settings.seen is None else SeenOnDisk(Path(settings.seen))
    known = on_disk or SeenInMemory()
    with Reader(settings.limits) as reader, ThreadPoolExecutor(_AHEAD) as pool:
        while (request := receive(requests)) is not None:
            items = [Item.from_json(facts) for facts in request["items"]]
            read = _Ahead(items, reader, pool)
            for row in judge_items(detector, _timed(items, settings.timeout), read, known):
                _clock(0.0)
                send(answers, {"row": row})
            if on_disk is not None:
                on_disk.share()


def send(file: IO[bytes], message: dict[str, Any]) -> None:
    """Write a message, which :func:`receive` reads."""
    text = json.dumps(message).encode()
    file.write(len(text).to_bytes(4, "little") + text)
    file.flush()


def receive(file: IO[bytes]) -> dict[str, Any] | None:
    """Read a message; ``None`` where the other side has ended.

    Raises:
        ValueError: it is no message.
    """
    head = file.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "little")
    text = file.read(size)
    if len(text) < size:
        return None
    message: dict[str, Any] = json.loads(text)
    return message


class _Ahead:
    """Reads items in their order; those that are objects a few ahead."""

    def __init__(self, items: Sequence[Item], reader: Reader, pool: ThreadPoolExecutor) -> None:
        self._reader, self._pool = reader, pool
        self._rest = iter(items)
        self._fetched: deque[Future[bytes] | None] = deque()

    def __call__(self, item: Item) -> bytes:
        while len(self._fetched) <= _AHEAD and (following := next(self._rest, None)) is not None:
            is_object = following.kind == "object" and following.problem is None
            self._fetched.append(self._pool.submit(self._reader.read, following) if is_object else None)
        future = self._fetched.popleft()
        return self._reader.read(item) if future is None else future.result()


def _timed(items: Sequence[Item], seconds: float) -> Iterator[Item]:
    """The items, each with CPU time of its own: the parent cannot stop a child that outlives it."""
    for item in items:
        _clock(2 * seconds)
        yield item


def _clock(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends a process that does not handle it


if __name__ == "__main__":
    main(sys.argv[1])
