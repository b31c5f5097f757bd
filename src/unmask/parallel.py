"""Work on many items by threads, in order and in flat memory; ending a child process. Imports nothing of unmask."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def ordered_map(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int | None = None,
    *,
    ahead: int = 4,
) -> Iterator[_Result]:
    """Results in the order of the items, made by threads, only a few ahead of what was taken.

    Args:
        function: must be safe to call from several threads.
        items: may be endless: they are read only a little ahead.
        workers: threads; the number of CPUs by default.
        ahead: items in hand for each thread: enough that no thread waits for the reader, few enough that memory stays
            flat.
    """
    count = workers or os.cpu_count() or 1
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > ahead * count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a child process, whatever it does, and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
