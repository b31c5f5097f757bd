"""Images of a data set inside a page."""

from __future__ import annotations

from PIL import Image

from unmask.errors import ImageError
from unmask.files import RootFolder
from unmask.imaging.decode import decode_image
from unmask.pages.page import thumbnail_uri


def read_image(root: RootFolder, path: str) -> Image.Image | None:
    """An image below a folder; ``None`` where it leads outside or can no longer be read."""
    real = root.locate(path) if path else None
    if real is None:
        return None
    try:
        return decode_image(real)
    except ImageError:
        return None


def thumbnail(root: RootFolder, path: str) -> str:
    """An image below a folder as a small data URI; '' where it leads outside or can no longer be read."""
    image = read_image(root, path)
    return "" if image is None else thumbnail_uri(image)
