"""Files that appear whole or not at all, and folders that nothing is read or written outside of.

Part of the ground floor: imports ``errors`` and ``text``, nothing else of unmask.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from unmask.errors import UsageError
from unmask.text import quote

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Of a disk that did not keep what was written; all else says that the file system cannot do what was asked.
_LOST = frozenset({errno.EIO, errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)})
# The open folders that this process holds.
_held: set[int] = set()
# Resolving a folder asks the system about each of its parts; rows of one folder are mostly next to each other.
_MAX_CACHED_FOLDERS = 4096


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Write a file that appears whole or not at all.

    The content goes to a temporary file in the same folder, which takes the name at the end. After a failure, also one
    raised in the ``with`` block, the temporary file is gone and a file that was there before is as it was.

    Args:
        path: the file; its folder must exist. A link of that name is replaced, not followed.
        durable: whether to wait until the content and the name are on the disk, so that a power failure cannot lose
            them; without it only a kill of this program cannot. For files by the thousand that can be made again.

    Yields:
        The open temporary file, for bytes.

    Raises:
        UsageError: ``cannot_write``, the folder is missing, full or closed to writing.
    """
    # In the same folder, since a rename is atomic only within one file system; not from tempfile, whose files only
    # their owner may read.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        try:
            with partial.open("xb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_whole(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Write bytes, or text in UTF-8, as :func:`whole_file` does."""
    with whole_file(path, durable=durable) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def move_file(source: Path, path: Path) -> None:
    """Give a file another name on the same file system, whose content is on the disk; a file of that name is replaced.

    Raises:
        UsageError: ``cannot_write``.
    """
    try:
        source.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> UsageError:
    """The error to raise when a file or folder cannot be written."""
    return UsageError("cannot_write", f"{path}: cannot be written: {error.strerror or error}")


class RootFolder:
    """A folder that paths must not lead out of; fast over many paths in few folders."""

    def __init__(self, root: Path) -> None:
        self._real = os.path.realpath(root)
        self._prefix = os.path.join(self._real, "")  # noqa: PTH118 - the trailing separator is the point
        self._folders: dict[str, str | None] = {}

    def locate(self, path: str) -> str | None:
        """The absolute path with every link followed, or ``None`` when that is outside the root."""
        if "\0" in path:
            return None
        # Strings throughout: this runs for every row, and pathlib takes several times as long.
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return self._follow(path)
        if folder not in self._folders:
            if len(self._folders) >= _MAX_CACHED_FOLDERS:
                self._folders.clear()
            followed = self._follow(folder)
            self._folders[folder] = followed and os.path.join(followed, "")  # noqa: PTH118
        prefix = self._folders[folder]
        if prefix is None:
            return None
        real = prefix + name
        return self._follow(real) if os.path.islink(real) else real  # noqa: PTH114

    def _follow(self, path: str) -> str | None:
        real = os.path.realpath(os.path.join(self._real, path))  # noqa: PTH118
        return real if real == self._real or real.startswith(self._prefix) else None


class OutputFolder:
    """A folder that files are written into and never out of.

    Args:
        folder: made if it is not there.

    Raises:
        UsageError: ``cannot_write``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        self._root = RootFolder(folder)

    def locate(self, name: str) -> Path:
        """Where a file of that name belongs.

        Args:
            name: relative to the folder, parts joined by '/'.

        Raises:
            UsageError: ``outside_folder``, the name leads out, by itself or through a link.
        """
        parts = PurePosixPath(name).parts
        # The last part is replaced, not followed; the folders down to it may be links that somebody put there.
        parent = self._root.locate("/".join(parts[:-1]) or ".")
        if not parts or name.startswith("/") or ".." in parts or "\0" in name or parent is None:
            raise UsageError("outside_folder", f"{self.path}: {quote(name)} leads out of the folder")
        return self.path.joinpath(*parts)

    def write(self, name: str, content: bytes | str, *, durable: bool = True) -> None:
        """Write a file whole or not at all, and the folders down to it.

        Args:
            name: relative to the folder, parts joined by '/'.
            content: bytes, or text that is written in UTF-8.
            durable: as of :func:`whole_file`.

        Raises:
            UsageError: ``outside_folder``, ``cannot_write``.
        """
        target = self.locate(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(target, error) from error
        write_whole(target, content, durable=durable)

    def remove_partials(self, name: str) -> None:
        """Delete what killed runs left of a file; only for who holds the folder's lock.

        Raises:
            UsageError: ``outside_folder``, ``cannot_write``.
        """
        target = self.locate(name)
        try:
            for partial in target.parent.glob(f".{target.name}.*.partial"):
                partial.unlink()
        except OSError as error:
            raise cannot_write(target, error) from error

    def holds(self, name: str, size: int) -> bool:
        """Whether a file of that name and size in bytes is there."""
        try:
            target = self.path / name
            return target.is_file() and target.stat().st_size == size
        except OSError:
            return False


def refuse_link(path: Path) -> None:
    """Refuse a file to be appended to that is a link, and so may lie outside its folder.

    Raises:
        UsageError: ``outside_folder``.
    """
    if path.is_symlink():
        raise UsageError("outside_folder", f"{path}: is a link, which may lead out of the folder")


def lock(file: IO[bytes] | int, folder: Path) -> None:
    """Hold an open file for this process alone until it is closed; on Windows this does nothing.

    Args:
        file: the file, or its descriptor, that stands for the folder.
        folder: named in the error.

    Raises:
        UsageError: ``folder_in_use``, another process holds it.
    """
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("folder_in_use", f"{folder}: another run is using this folder") from None
        except OSError as error:
            if error.errno in _LOST:
                raise cannot_write(folder, error) from error
            # Otherwise the file system has no locks, as some network shares.


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder for one run: a second one is refused. The system gives it back when the process ends or is killed.

    Args:
        folder: made if it is not there, and then removed after a failure that left it empty.

    Raises:
        UsageError: ``folder_in_use``, another run holds it; ``cannot_write``.
    """
    is_new = not folder.exists()
    OutputFolder(folder)
    try:
        if os.name == "nt":  # Windows opens no folders
            yield
            return
        try:
            # The folder itself, so that no file is left in it.
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise cannot_write(folder, error) from error
        _held.add(descriptor)
        try:
            lock(descriptor, folder)
            yield
        finally:
            _held.discard(descriptor)
            os.close(descriptor)
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _close_held() -> None:
    """In a forked process: it would hold the folders for as long as it outlives this one."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_held)


def stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds; zeros where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def digest(*facts: object) -> str:
    """32 hexadecimal digits over anything that JSON can hold; the key of a journal."""
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some file systems cannot do it; the file is in its place by then.
        if error.errno in _LOST:
            raise
