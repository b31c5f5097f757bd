"""Large images within a fixed amount of memory: decoded at reduced size, converted a band of rows at a time."""

from __future__ import annotations

from typing import Final

import PIL.Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from unmask.errors import ImageError
from unmask.imaging.colour import Extremes, extremes_of, to_rgb
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.walk import coefficient_bytes, tiff_part_bytes

# Bytes for each pixel of a loaded image, by Pillow's mode; 4 for all others, which Pillow stores in 32 bits.
_STORED: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_RGB_STORED: Final = 4
# Bytes for each pixel that a format's decoder holds beside the image: libwebp's animation decoder keeps two canvases
# and a copy of the frame; libavif and libheif keep planes and a converted copy. Measured with 24 and 64 megapixels.
_DECODER: Final = {"WEBP": 12, "AVIF": 6, "HEIC": 4}
_REDUCTIONS: Final = (1, 2, 4, 8)
# Pixels converted at a time. Small images are converted whole, in one band.
_BAND: Final = 2**20
_WHOLE: Final = 4 * 2**20


def choose_reduction(size: tuple[int, int], mode: str, name: str, data: bytes, limits: DecodeLimits) -> tuple[int, int]:
    """Choose the factor (1, 2, 4 or 8) by which to reduce an image so that decoding fits ``limits.max_memory``.

    Args:
        size: width and height.
        mode: Pillow's mode of the image as it is loaded.
        name: its format.
        data: the bytes of its file.
        limits: the limits.

    Returns:
        The factor, and the peak memory of decoding with it, in bytes.

    Raises:
        ImageError: ``too_many_pixels``, decoding would take too much memory even at an eighth of the size.
    """
    for reduction in _REDUCTIONS:
        memory = _memory(size, mode, name, data, reduction)
        if memory <= limits.max_memory:
            return reduction, memory
    needed, most = memory / 2**20, limits.max_memory / 2**20
    width, height = size
    raise ImageError(
        "too_many_pixels",
        f"The {name} image has {width:,} x {height:,} pixels, for which decoding takes {needed:,.0f} MiB of memory; "
        f"at most {most:,.0f} MiB are used.",
    )


def draft(image: ImageFile, reduction: int) -> int:
    """Let the JPEG decoder apply the reduction; return the factor that remains to be applied after loading."""
    if reduction == 1 or not isinstance(image, JpegImageFile):
        return reduction
    width, height = image.size
    image.draft(None, (width // reduction, height // reduction))
    return 1


def scaled_to_rgb(image: PIL.Image.Image, reduction: int, notes: list[str]) -> PIL.Image.Image:
    """Convert a loaded image as :func:`~unmask.imaging.colour.to_rgb` does, and reduce it by averaging.

    Args:
        image: of any mode that ``to_rgb`` takes.
        reduction: the factor by which each side shrinks; a pixel is the mean of a square of that side.
        notes: problems found are appended.

    Returns:
        RGB, sides rounded up; the image itself if there is nothing to do.
    """
    width, height = image.size
    if reduction == 1 and (width * height <= _WHOLE or _is_plain(image)):
        return to_rgb(image, notes)
    canvas = PIL.Image.new("RGB", (-(-width // reduction), -(-height // reduction)))
    rows = max(1, _BAND // (width * reduction)) * reduction
    bands = [(top, min(top + rows, height)) for top in range(0, height, rows)]
    extremes: Extremes | None = None
    if image.mode in ("I", "F"):  # what counts as white follows from the whole image
        found = [extremes_of(image.crop((0, top, width, bottom))) for top, bottom in bands]
        extremes = min(low for low, _ in found), max(high for _, high in found)
    for top, bottom in bands:
        band = to_rgb(image.crop((0, top, width, bottom)), notes, extremes)
        canvas.paste(band if reduction == 1 else band.reduce(reduction), (0, top // reduction))
    return canvas


def _is_plain(image: PIL.Image.Image) -> bool:
    """Whether the pixels are those of the result already: to convert them makes no second image."""
    return image.mode == "RGB" and not image.info.get("icc_profile", b"") and "transparency" not in image.info


def _memory(size: tuple[int, int], mode: str, name: str, data: bytes, reduction: int) -> int:
    """Peak memory of decoding in bytes, without the file itself."""
    pixels = size[0] * size[1]
    stored = pixels * _STORED.get(mode, 4)
    converted = _RGB_STORED * pixels // reduction**2
    decoder = pixels * _DECODER.get(name, 0)
    if name == "JPEG":
        return stored // reduction**2 + coefficient_bytes(data) + converted
    if name == "TIFF":
        return stored + tiff_part_bytes(data) + converted
    if name == "HEIC":  # whose decoder is gone before the image is converted
        return stored + max(decoder, converted)
    return stored + decoder + converted
