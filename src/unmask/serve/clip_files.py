"""Files of clips: those that wait to be judged, and those that the service stores."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from unmask.errors import UsageError
from unmask.files import cannot_write, hold, move_file

MEDIA_TYPES: Final = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "gif": "image/gif",
    "webp": "image/webp",
    "clip": "application/octet-stream",
}
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}\.(" + "|".join(MEDIA_TYPES) + ")")
_PREFIX = "unmask-clips-"


def ending_of(filename: str) -> str:
    """The ending under which a clip is stored: that of its name if it is a known one, else ``clip``."""
    ending = filename.rpartition(".")[2].lower()
    return ending if ending in MEDIA_TYPES else "clip"


class WaitingFolder:
    """The folder of this process for clips that wait: each is deleted once it has been judged.

    The folder is deleted when the service stops. A process that was killed leaves its folder, and the next one deletes
    it.

    Args:
        base: where the folder is made; by default the system's folder for temporary files.

    Raises:
        UsageError: ``cannot_write``.
    """

    def __init__(self, base: Path | None) -> None:
        parent = Path(tempfile.gettempdir()) if base is None else base
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._held = contextlib.ExitStack()
            self._held.enter_context(hold(self.path))
            # Where the file system has no locks, nobody can know which folders are in use.
            if _in_use(self.path):
                for folder in parent.glob(f"{_PREFIX}*"):
                    _remove_abandoned(folder)
        except OSError as error:
            raise cannot_write(parent, error) from error

    def file(self, identifier: UUID, filename: str) -> Path:
        """Where the clip with this identifier waits. Nothing of the sender's name but a known ending is in it."""
        return self.path / f"{identifier}.{ending_of(filename)}"

    def close(self) -> None:
        """Delete the folder and what is left in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._held.close()


def _in_use(folder: Path) -> bool:
    try:
        with hold(folder):
            return False
    except UsageError:
        return True


def _remove_abandoned(folder: Path) -> None:
    """Delete the folder of a process that has ended, which no longer holds it."""
    with contextlib.suppress(OSError, UsageError):
        if not folder.is_symlink() and (not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()):
            with hold(folder):
                shutil.rmtree(folder, ignore_errors=True)


class ClipFolder:
    """A folder of stored clips, each once, called ``ab/abcd....mp4`` by SHA-256 and the ending of its first name.

    Args:
        folder: is made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self, sha256: str, source: Path) -> str:
        """Store a clip that lies on the same file system and is on the disk; return its name.

        The file is moved, so that this takes no time.
        """
        name = f"{sha256[:2]}/{sha256}{source.suffix}"
        target = self._path(name)
        target.parent.mkdir(exist_ok=True)
        move_file(source, target)
        return name

    def locate(self, name: str) -> Path | None:
        """The file of a clip; ``None`` when it is gone."""
        path = self._path(name)
        return path if path.is_file() else None

    def remove(self, name: str) -> None:
        """Delete a clip, if it is there."""
        self._path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """All clips; what else lies in the folder is left alone."""
        for path in self.folder.glob("??/*"):
            name = f"{path.parent.name}/{path.name}"
            if _NAME.fullmatch(name):
                yield name

    def _path(self, name: str) -> Path:
        # Names come from our own database, which somebody else may have written to.
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a stored clip: {name!r}")
        return self.folder / name
