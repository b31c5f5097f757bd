"""From a decoded frame of PyAV to an upright RGB image. Runs in the child process."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import PIL.Image
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace, Interpolation

# Every step is exact, so that the same file gives the same pixels on every machine.
_EXACT: Final = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
)
_UNSPECIFIED: Final = 2
_MATRICES: Final = {
    1: ("BT.709", Colorspace.ITU709),
    4: ("FCC", Colorspace.FCC),
    5: ("BT.601", Colorspace.ITU601),
    6: ("BT.601", Colorspace.ITU601),
    7: ("SMPTE 240M", Colorspace.SMPTE240M),
    9: ("BT.2020", Colorspace.BT2020),
    10: ("BT.2020", Colorspace.BT2020),
}
_HDR: Final = {16: "PQ", 18: "HLG"}
_HD_HEIGHT: Final = 720  # from here up a clip that names no matrix is BT.709, as players take it
_TURNS: Final = {  # rows of a display matrix, as signs, to the transposition that makes a frame upright
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): PIL.Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): PIL.Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): PIL.Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): PIL.Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): PIL.Image.Transpose.TRANSVERSE,
}
_DEGREES: Final = {
    PIL.Image.Transpose.ROTATE_270: 90,
    PIL.Image.Transpose.ROTATE_180: 180,
    PIL.Image.Transpose.ROTATE_90: 270,
    PIL.Image.Transpose.TRANSPOSE: 90,
    PIL.Image.Transpose.TRANSVERSE: 270,
}
_MIRRORS: Final = frozenset(
    {
        PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        PIL.Image.Transpose.TRANSPOSE,
        PIL.Image.Transpose.TRANSVERSE,
    }
)
_FULL_RANGE: Final = 2


def upright(frame: Any, aspect: float) -> PIL.Image.Image:
    """A frame as upright sRGB with square pixels.

    Args:
        frame: of PyAV.
        aspect: width of its pixels divided by their height.
    """
    _, matrix = matrix_of(frame.colorspace, (frame.width, frame.height))
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=matrix,
        src_color_range=ColorRange.JPEG if frame.color_range == _FULL_RANGE else None,
        interpolation=_EXACT,
        threads=1,
    )
    image = PIL.Image.fromarray(np.ascontiguousarray(rgb.to_ndarray()))
    if (size := square(image.size, aspect)) != image.size:
        image = image.resize(size, PIL.Image.Resampling.BICUBIC)
    turn = turn_of(frame)
    return image if turn is None else image.transpose(turn)


def matrix_of(colorspace: int, size: tuple[int, int]) -> tuple[str, Colorspace | None]:
    """The name and the number of the matrix from YUV to RGB.

    Args:
        colorspace: FFmpeg's number of it; 2 is "not specified".
        size: of a frame.
    """
    if colorspace == 0:
        return "RGB", None
    guess = 1 if min(size) >= _HD_HEIGHT else 6
    return _MATRICES.get(guess if colorspace in (_UNSPECIFIED, 3) else colorspace, _MATRICES[guess])


def colour_name(context: Any, size: tuple[int, int]) -> tuple[str, str]:
    """Matrix and range in words, and the name of an HDR transfer or ''."""
    name, _ = matrix_of(context.colorspace, size)
    hdr = _HDR.get(context.color_trc, "")
    span = "full" if context.color_range == _FULL_RANGE else "limited"
    return f"{name}, {span}" + (f", {hdr}" if hdr else ""), hdr


def turn_of(frame: Any) -> PIL.Image.Transpose | None:
    """The transposition that makes a frame upright, by its display matrix."""
    try:
        raw = bytes(frame.side_data[Type.DISPLAYMATRIX])
    except (KeyError, ValueError):
        return None
    if len(raw) < 36:
        return None
    a, b, _, c, d, *_ = struct.unpack("<9i", raw[:36])
    largest = max(abs(a), abs(b), abs(c), abs(d)) or 1
    return _TURNS.get((round(a / largest), round(b / largest), round(c / largest), round(d / largest)))


def rotation_of(turn: PIL.Image.Transpose | None) -> tuple[int, bool]:
    """Degrees clockwise, and whether a mirroring comes with them."""
    return (0, False) if turn is None else (_DEGREES.get(turn, 0), turn in _MIRRORS)


def square(size: tuple[int, int], aspect: float) -> tuple[int, int]:
    """The size with square pixels: a side is widened, none is shrunk."""
    width, height = size
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def luma(frame: Any) -> npt.NDArray[np.uint8]:
    """The brightness of a frame: its first plane where that is one of 8 bits, else a small grey copy."""
    form = frame.format
    if not form.is_rgb and form.is_planar and form.components[0].bits == 8 and form.name != "gray10le":
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]
        return rows.reshape(plane.height, plane.line_size)[:, : plane.width]
    grey = frame.reformat(width=128, height=72, format="gray", interpolation=Interpolation.POINT, threads=1)
    small: npt.NDArray[np.uint8] = grey.to_ndarray()
    return small
