"""Kept images: files named by their content, in a folder that the service alone writes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from unmask.files import write_whole
from unmask.imaging.formats import sniff_format

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "avif": "image/avif",
    "heic": "image/heic",
}
_ENDINGS = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
    "HEIC": "heic",
}
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}\.(" + "|".join(MEDIA_TYPES) + ")")


THUMBNAIL_SIDE = 160  # pixels
THUMBNAIL_BYTES = 12_000


def thumbnail(image: Image.Image) -> bytes:
    """Draw an RGB image as a JPEG of at most 160 pixels per side and 12 kB."""
    small = image.copy() if max(image.size) <= THUMBNAIL_SIDE else image.reduce(max(1, max(image.size) // 640))
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC)
    for quality in (80, 60, 40, 20):  # noise of this size has 6 kB at 20
        out = io.BytesIO()
        small.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= THUMBNAIL_BYTES:
            break
    return out.getvalue()


class ImageFolder:
    """A folder of images, each once, called ``ab/abcd....jpg`` by SHA-256 and kind.

    Args:
        folder: is made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, sha256: str, data: bytes) -> str:
        """Keep an image that was decoded before; its name. It appears whole or not at all, and is on the disk."""
        name = f"{sha256[:2]}/{sha256}.{_ENDINGS[sniff_format(data) or '']}"
        target = self._path(name)
        if target.exists():
            return name
        target.parent.mkdir(exist_ok=True)
        write_whole(target, data)
        return name

    def read(self, name: str) -> bytes | None:
        """An image; ``None`` when the file is gone."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Delete an image, if it is there."""
        self._path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """All images; what else lies in the folder is left alone."""
        for path in self.folder.glob("??/*"):
            name = f"{path.parent.name}/{path.name}"
            if _NAME.fullmatch(name):
                yield name

    def remove_partials(self) -> int:
        """Delete what killed processes left of files that they were writing; return how many."""
        partials = list(self.folder.glob("??/.*.partial"))
        for path in partials:
            path.unlink(missing_ok=True)
        return len(partials)

    def _path(self, name: str) -> Path:
        # Names come from our own database, which somebody else may have written to.
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a kept image: {name!r}")
        return self.folder / name
