"""A disk that fails: the n-th open for writing, write, fsync, rename or new folder of this process, and those after."""

from __future__ import annotations

import builtins
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# A full disk and one closed to writing stay as they are; an input/output error may pass.
KINDS = (errno.ENOSPC, errno.EROFS, errno.EIO)


class Disk:
    """Counts what is done below a folder, and fails from the ``n``-th time on (counted from 1; 0: never)."""

    def __init__(self, root: Path, n: int = 0, number: int = errno.ENOSPC) -> None:
        self._root = os.path.join(os.path.realpath(root), "")  # noqa: PTH118 - the trailing separator is the point
        self._n, self._number = n, number
        self.count = 0
        self.done: list[str] = []

    @property
    def failed(self) -> bool:
        return bool(self._n) and self.count >= self._n

    def touch(self, what: str, path: object) -> None:
        """Count one operation, or fail."""
        if isinstance(path, int):
            path = Path(f"/proc/self/fd/{path}").readlink()
        real = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if not real.startswith(self._root):
            return
        self.count += 1
        self.done.append(f"{what} {real[len(self._root) :]}")
        passes = self._number == errno.EIO
        if self._n and (self.count == self._n if passes else self.count >= self._n):
            raise OSError(self._number, os.strerror(self._number), os.fsdecode(path))  # type: ignore[arg-type]


class _Raw(io.FileIO):
    disk: Disk

    def write(self, data: Any) -> int:
        self.disk.touch("write", self.name)
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        self.disk.touch("truncate", self.name)
        return super().truncate(size)


@contextmanager
def failing(disk: Disk) -> Iterator[None]:
    """Let all files that Python opens go through a :class:`Disk`; what native code opens does not."""
    plain_open = io.open

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if isinstance(file, int) or not set(mode) & set("wxa+"):
            return plain_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        disk.touch("open", file)
        raw = _Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        raw.disk = disk
        if buffering == 0:
            return raw
        size = io.DEFAULT_BUFFER_SIZE
        buffered: Any = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)

    def guarded(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            place = arguments[0] if name in ("fsync", "mkdir", "truncate", "ftruncate") else arguments[1]
            if not (name == "mkdir" and os.path.isdir(place)):  # noqa: PTH112
                disk.touch(name, place)
            return plain(*arguments, **named)

        return call

    def os_open(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            disk.touch("open", path)
        return plain["open"](path, flags, *arguments, **named)  # type: ignore[no-any-return]

    names = ("fsync", "replace", "rename", "mkdir", "truncate", "ftruncate", "link", "symlink")
    plain = {name: getattr(os, name) for name in (*names, "open")}
    io.open = builtins.open = opened
    for name in names:
        setattr(os, name, guarded(name, plain[name]))
    os.open = os_open
    try:
        yield
    finally:
        io.open = builtins.open = plain_open
        for name, function in plain.items():
            setattr(os, name, function)


def call(*arguments: object, folder: Path) -> tuple[int, str]:
    """Run the command in this process, and give its exit code and standard error."""
    from unmask.cli import main

    argv, out, err = sys.argv, sys.stdout, sys.stderr
    sys.argv = ["unmask", *map(str, arguments)]
    sys.stderr = io.StringIO()
    # A real file, since the command replaces the descriptor of its output after a failure.
    with (folder / ".stdout").open("w", encoding="utf-8") as sys.stdout:
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            said = sys.stderr.getvalue()
            sys.argv, sys.stdout, sys.stderr = argv, out, err
    return code, said
