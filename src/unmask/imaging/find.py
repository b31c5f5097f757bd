"""Find images in folders by their content, and count the other files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from unmask.imaging.formats import sniff_format

_NAMES: Final = "jpg jpeg jpe jfif mpo png apng webp bmp dib gif tif tiff avif heic heif hif"
IMAGE_SUFFIXES: Final = frozenset(f".{name}" for name in _NAMES.split())
"""A file with one of these suffixes is treated as an image whatever it holds, so that its error is shown."""

_HEAD: Final = 1024


@dataclass
class PassedOver:
    """What a search of folders left out.

    Attributes:
        files: files that are no images.
        subfolders: folders that were not searched, and so may hold images.
        clips: video files that were left out, for the extra ``video`` is not installed.
    """

    files: int = 0
    subfolders: int = 0
    clips: int = 0

    def __bool__(self) -> bool:
        return self.files + self.subfolders + self.clips > 0

    def __str__(self) -> str:
        parts = []
        if self.files:
            parts.append(
                "1 file that is not an image" if self.files == 1 else f"{self.files:,} files that are not images"
            )
        if self.clips:
            clips = "1 clip" if self.clips == 1 else f"{self.clips:,} clips"
            parts.append(f"{clips} (reading them needs the extra video)")
        if self.subfolders:
            folders = "1 subfolder" if self.subfolders == 1 else f"{self.subfolders:,} subfolders"
            parts.append(f"{folders} (--recursive searches them)")
        return f"passed over {_joined(parts) or 'nothing'}"


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def is_image(path: str) -> bool:
    """Whether a file is an image, by its suffix or else its first bytes. A file that cannot be read is not."""
    if PurePath(path).suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a FIFO must not be opened
            return False
        with open(path, "rb") as file:  # noqa: PTH123
            return sniff_format(file.read(_HEAD)) is not None
    except (OSError, ValueError):
        return False
