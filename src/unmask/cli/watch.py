"""Folders watched for new images, by looking again and again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from unmask.cli.inputs import files_in, is_wanted
from unmask.errors import UsageError
from unmask.files import stamp
from unmask.imaging.find import PassedOver

# The names under which browsers and tools write a file until it is whole.
_PARTIAL: Final = (".part", ".partial", ".crdownload", ".download", ".filepart", ".opdownload", ".tmp", ".temp", "~")
_NAP: Final = 0.2  # seconds; a signal is noted at once and heeded after one of these

Stamp = tuple[int, int]


class Watched:
    """The images that appear in folders, each once it is whole: unchanged since the last look, and not empty.

    An image that changes later appears again. Files under the names of unfinished downloads are left alone until they
    are renamed. Linked files are seen, linked folders are not searched.

    Args:
        folders: to be looked at in this order.
        passed_over: what the folders hold besides images is counted there.
        recursive: whether subfolders are searched, too.

    Raises:
        UsageError: ``not_a_folder``.
    """

    def __init__(self, folders: Sequence[str], passed_over: PassedOver, *, recursive: bool) -> None:
        for folder in folders:
            if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
                raise UsageError("not_a_folder", f"--watch needs folders: {folder!r} is not one.")
        self._folders, self._passed_over, self._recursive = folders, passed_over, recursive
        self._last: dict[str, Stamp] = {}  # as of the last look
        self._done: dict[str, Stamp] = {}  # what was judged or passed over
        self._others: set[str] = set()

    def sees(self, folder: Path) -> bool:
        """Whether what is written to a folder would be found."""
        real = Path(os.path.realpath(folder))
        watched = [Path(os.path.realpath(one)) for one in self._folders]
        return real in watched or (self._recursive and any(one in real.parents for one in watched))

    def look(self) -> list[str]:
        """The images that are new since the last look, sorted within a folder."""
        found, is_complete = dict[str, Stamp](), True
        self._passed_over.subfolders = 0
        for folder in self._folders:
            for path, is_file in files_in(folder, self._passed_over, recursive=self._recursive):
                is_complete &= is_file
                if is_file and not path.lower().endswith(_PARTIAL):
                    found[path] = stamp(Path(path))
        whole = [path for path, now in found.items() if now[0] and now == self._last.get(path) != self._done.get(path)]
        self._last = found
        if is_complete:  # a network folder that is away for a moment must not be judged again as a whole
            self._done = {path: then for path, then in self._done.items() if path in found}
        self._done |= {path: found[path] for path in whole}
        images = [path for path in whole if is_wanted(path, PassedOver(), clips=True)]
        self._others.difference_update(images)
        self._others.update(set(whole).difference(images))
        self._passed_over.files = len(self._others)
        return images


def watch(watched: Watched, interval: float, stopped: Callable[[], bool]) -> Iterator[Iterator[str]]:
    """Look every ``interval`` seconds until told to stop.

    Yields:
        The images that are new at a look, if there are any; they end early when told to stop.
    """
    while not stopped():
        images = watched.look()
        if images:
            yield (path for path in images if not stopped())
        due = time.monotonic() + interval
        while not stopped() and (left := due - time.monotonic()) > 0:
            time.sleep(min(left, _NAP))


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM be noted, so that the work in hand is finished; the second one ends the program.

    Yields:
        A function that tells whether a signal came.
    """
    before: dict[int, Any] = {}
    came = False

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(*_: object) -> None:
        nonlocal came
        came = True
        put_back()

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, on_signal)
    try:
        yield lambda: came
    finally:
        put_back()
