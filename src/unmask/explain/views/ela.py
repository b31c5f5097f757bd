"""Error level analysis: how much another JPEG compression changes, and where.

After N. Krawetz, "A Picture's Worth... Digital Image Analysis and Forensics", Black Hat Briefings USA, 2007.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageChops

from unmask.explain.views.drawing import grey_levels
from unmask.explain.views.subject import CELL, Floats, Subject
from unmask.explain.views.view import Findings, Measure, register

QUALITY = 90
"""The quality at which the image is saved again (IJG scale, no chroma subsampling)."""

_STRIP = 64 * CELL  # rows processed at once: JPEG blocks are independent, so strips only save memory
_SHOWN = 1024
_GAIN = 8


@register(
    "ela",
    title="Error level analysis",
    look_for="An area that lights up more, or less, than others of the same texture and sharpness.",
    cannot_show="Edges and texture light up in every image, and an image that was saved again after the manipulation "
    "shows nothing.",
    measures=(
        Measure("ela_level", "Mean change when saved again at quality 90", "levels"),
        Measure("ela_unevenness", "Standard deviation of that change over cells of 16 pixels, relative to its mean"),
    ),
)
def look(subject: Subject) -> Findings:
    """Mean over cells, and standard deviation over mean; levels are 0 to 255, averaged over R, G and B."""
    cells, shown = _errors(subject)
    if cells.size == 0:
        return Findings({"ela_level": None, "ela_unevenness": None})
    level = float(cells.mean())
    brightest = float(np.quantile(shown, 0.995)) or 1.0
    return Findings(
        {"ela_level": level, "ela_unevenness": float(cells.std()) / level if level else None},
        Image.fromarray(grey_levels(shown, 0, brightest)),
        {"quality": QUALITY, "white_is_levels": brightest},
    )


def error_levels(subject: Subject) -> Floats:
    """Mean absolute change of every cell of 16 pixels, in levels: float32 [rows, columns]; maybe empty."""
    return _errors(subject)[0]


def _errors(subject: Subject) -> tuple[Floats, Floats]:
    """The change per cell, and per pixel and channel of an image of about 1,024 pixels per side."""
    origin = subject.jpeg.origin if subject.jpeg else (0, 0)
    width, height = (whole - first for whole, first in zip(subject.image.size, origin, strict=True))
    shrink = 2 ** max(0, (max(width, height) - 1).bit_length() - _SHOWN.bit_length() + 1)
    cells, shown = [], []
    for strip in _strips(subject.image, origin):
        change = _change(strip)
        rows, columns = strip.height // CELL, strip.width // CELL
        if rows and columns:
            whole = change.crop((0, 0, columns * CELL, rows * CELL)).reduce(CELL)
            cells.append(_floats(whole).mean(axis=2, dtype=np.float32))
        shown.append(_floats(change.reduce(shrink)))
    nothing = np.zeros((0, 0), np.float32)
    return (np.concatenate(cells) if cells else nothing), (np.concatenate(shown) if shown else nothing)


def _strips(image: Image.Image, origin: tuple[int, int]) -> Iterator[Image.Image]:
    """Strips of the image from the origin of its grid; none if the image ends within the first block."""
    left, first = origin
    if image.width > left:
        for top in range(first, image.height, _STRIP):
            yield image.crop((left, top, image.width, min(top + _STRIP, image.height)))


def _change(image: Image.Image) -> Image.Image:
    """The absolute change up to 31 levels, times ``_GAIN``, so that averages of small changes keep their fractions."""
    saved = io.BytesIO()
    image.save(saved, "JPEG", quality=QUALITY, subsampling="4:4:4")
    change = ImageChops.difference(image, Image.open(saved).convert("RGB"))
    return change.point([min(255, _GAIN * level) for level in range(256)] * 3)


def _floats(image: Image.Image) -> Floats:
    return np.asarray(image, np.float32) / np.float32(_GAIN)
