"""How a JPEG file was compressed, from its header."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

# Tables K.1 and K.2 of ITU-T T.81 (JPEG), row by row, which the IJG library scales by its "quality".
_LUMINANCE: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE: Final = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 32),
)
_QUALITIES: Final = np.arange(1, 101)

# Horizontal and vertical sampling of luminance relative to chrominance, by their usual names.
_SUBSAMPLINGS: Final = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}
SUBSAMPLINGS: Final = (*_SUBSAMPLINGS.values(), "grey", "other")
"""Values of :attr:`Compression.subsampling`."""


@dataclass(frozen=True, slots=True)
class Compression:
    """How a JPEG file was compressed.

    Attributes:
        quality: the IJG quality, 1 to 100, whose luminance table is nearest to the file's.
        quality_chroma: the same of the chrominance table; NaN in a file of one channel.
        table_error: mean absolute difference between the file's tables and the nearest ones, in quantisation steps;
            0 if the file was made with the IJG library's own tables at one of its qualities.
        subsampling: one of :data:`SUBSAMPLINGS`.
        progressive: whether it is a progressive JPEG.
    """

    quality: float
    quality_chroma: float
    table_error: float
    subsampling: str
    progressive: bool


def estimate_quality(table: Sequence[int], *, chroma: bool = False) -> tuple[int, float]:
    """The IJG quality whose table is nearest to this one.

    The IJG library (libjpeg, libjpeg-turbo, Pillow, OpenCV) multiplies the standard's example tables by S / 100, S
    being 5000 / quality below 50 and 200 - 2 quality from there on, rounds and limits to 1 .. 255
    (``jpeg_quality_scaling`` in libjpeg's jcparam.c). All 100 tables are compared, by the sum of absolute
    differences. For an encoder with other tables (Photoshop, cameras, mozjpeg) the result is the IJG quality with the
    most similar quantisation, and an error above 0 shows that it is not an IJG table.

    Args:
        table: 64 steps, row by row (not in zigzag order).
        chroma: whether to compare with the chrominance tables.

    Returns:
        The quality, 1 to 100, and the mean absolute difference from its table, in steps.
    """
    errors = np.abs(_tables(chroma) - np.asarray(table, np.float64)).mean(axis=1)
    best = int(np.argmin(errors))
    return int(_QUALITIES[best]), float(errors[best])


def read_compression(image: Image.Image | bytes) -> Compression | None:
    """How a JPEG was compressed, from its header.

    Args:
        image: as Pillow opened it, or the bytes of a file, which no limits are applied to here: nothing is decoded.

    Returns:
        ``None`` for other formats, damaged headers, and those without the usual tables (lossless JPEG).
    """
    if isinstance(image, bytes):
        try:
            with Image.open(io.BytesIO(image), formats=("JPEG", "MPO")) as opened:
                return read_compression(opened)
        except (OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError):
            return None
    tables: Mapping[int, Sequence[int]] = getattr(image, "quantization", {})
    layers: Sequence[tuple[int, int, int, int]] = getattr(image, "layer", [])
    wanted = [layer[3] for layer in layers[:2]]
    if not layers or any(len(tables.get(number, ())) != 64 for number in wanted):
        return None
    quality, error = estimate_quality(tables[wanted[0]])
    quality_chroma = float("nan")
    if len(wanted) > 1:
        quality_chroma, chroma_error = estimate_quality(tables[wanted[1]], chroma=True)
        # An encoder that uses one table for both is not an IJG encoder either; the mean of both errors shows it.
        error = (error + chroma_error) / 2
    return Compression(float(quality), quality_chroma, error, _subsampling(layers), bool(image.info.get("progressive")))


@cache
def _tables(chroma: bool) -> npt.NDArray[np.float64]:
    """The IJG tables of qualities 1 to 100, float64 [100, 64]."""
    scale = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
    base = np.array(_CHROMINANCE if chroma else _LUMINANCE)
    tables: npt.NDArray[np.float64] = np.clip((base * scale[:, None] + 50) // 100, 1, 255).astype(np.float64)
    return tables


def _subsampling(layers: Sequence[tuple[int, int, int, int]]) -> str:
    if len(layers) == 1:
        return "grey"
    (_, width, height, _), *chroma = layers
    if len(chroma) < 2 or chroma[0][1:3] != chroma[1][1:3] or 0 in chroma[0][1:3]:
        return "other"
    across, down = width / chroma[0][1], height / chroma[0][2]
    return next((name for ratio, name in _SUBSAMPLINGS.items() if ratio == (across, down)), "other")
