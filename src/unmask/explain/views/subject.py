"""What views examine: the image, its brightness, a bounded sample of its cells, and facts about its file.

Traces of cameras, codecs and generators exist at single pixels and do not survive resizing. Measurements therefore use
the original pixels, in cells of a fixed size, at most a fixed number of them, spread evenly: so they mean the same, and
take the same time, for an image of 200 pixels per side and one of 12 megapixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from unmask.explain.views.ranges import Reference, Saved, references
from unmask.imaging.formats import sniff_format
from unmask.imaging.jpeg import Compression, read_compression

CELL = 16
"""Side of a cell in pixels: four JPEG blocks."""
MAX_CELLS = 4096
"""Maximum number of cells sampled: about one megapixel."""

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class JpegFile:
    """The header of a JPEG file.

    Attributes:
        compression: quality and others; ``None`` for headers without the usual tables.
        tables: quantisation steps by table number, 64 each, row by row, as in the file.
        luminance: the luminance table, rotated like the upright image; ``None`` if there is none.
        origin: x, y in [0, 8): where the file's 8 x 8 grid begins in the upright image.
    """

    compression: Compression | None
    tables: dict[int, tuple[int, ...]]
    luminance: tuple[int, ...] | None
    origin: tuple[int, int]


class Subject:
    """The image to examine. Values that several views need are computed once, on first use.

    Args:
        image: RGB and upright, as :func:`~unmask.imaging.decode.decode_image` returns it.
        data: the bytes of its file; ``None`` without a file.
    """

    def __init__(self, image: Image.Image, data: bytes | None = None) -> None:
        self.image = image
        self._data = data

    @cached_property
    def luma(self) -> Bytes:
        """Brightness (BT.601), uint8 [height, width]."""
        return np.asarray(self.image.convert("L"))

    @cached_property
    def jpeg(self) -> JpegFile | None:
        """Facts about the file; ``None`` if it is not a JPEG."""
        if self._data is None or not self._data.startswith(b"\xff\xd8\xff"):
            return None
        try:
            # The image was decoded within limits before; opening it here reads no more than its header.
            with Image.open(io.BytesIO(self._data), formats=("JPEG", "MPO")) as opened:
                tables = {int(number): tuple(table) for number, table in getattr(opened, "quantization", {}).items()}
                layers = getattr(opened, "layer", [])
                orientation = opened.getexif().get(ExifTags.Base.Orientation, 1)
                luminance = tables.get(layers[0][3]) if layers else None
                if luminance and orientation in (5, 6, 7, 8):
                    luminance = tuple(luminance[8 * row + column] for column in range(8) for row in range(8))
                return JpegFile(read_compression(opened), tables, luminance, _origin(self.image.size, orientation))
        except (OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError):
            return None

    @cached_property
    def reference(self) -> Reference | str:
        """The real photographs to compare with, or what is unusual about the image if there are none."""
        compression = self.jpeg.compression if self.jpeg else None
        quality = None if compression is None else compression.quality
        return references().find(self.saved, quality, min(self.image.size))

    @property
    def saved(self) -> Saved:
        """How the image was saved last; pixels in memory count as lossless."""
        if self._data is None:
            return "lossless"
        name = sniff_format(self._data)
        if name == "JPEG":
            return "jpeg" if self.jpeg and self.jpeg.compression else "unknown"
        is_exact = name in {"PNG", "BMP", "TIFF"} or (name == "WEBP" and self._data[12:16] == b"VP8L")
        return "lossless" if is_exact else "lossy"

    @cached_property
    def cells(self) -> Bytes:
        """Sampled cells of the luma, uint8 [rows, columns, CELL, CELL], on the file's grid; may be empty."""
        return sample_cells(self.luma, self.jpeg.origin if self.jpeg else (0, 0))


def sample_cells(plane: npt.NDArray[np.uint8], origin: tuple[int, int] = (0, 0)) -> Bytes:
    """Whole cells of a plane: every s-th in each direction, so that there are at most :data:`MAX_CELLS`.

    Args:
        plane: uint8 [height, width].
        origin: x, y of the first cell.

    Returns:
        uint8 [rows, columns, CELL, CELL]; ``rows`` or ``columns`` is 0 in a plane smaller than a cell.
    """
    plane = plane[origin[1] :, origin[0] :]
    rows, columns = plane.shape[0] // CELL, plane.shape[1] // CELL
    step = 1
    while -(-rows // step) * -(-columns // step) > MAX_CELLS:
        step += 1
    cells = plane[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)[::step, :, ::step]
    return np.ascontiguousarray(cells.transpose(0, 2, 1, 3))


def mosaic(cells: Bytes) -> Bytes:
    """Cells side by side as one plane; JPEG blocks in it are those of the image."""
    rows, columns = cells.shape[:2]
    return np.ascontiguousarray(cells.transpose(0, 2, 1, 3)).reshape(rows * CELL, columns * CELL)


def _origin(size: tuple[int, int], orientation: object) -> tuple[int, int]:
    """Where the grid begins: if EXIF orientation mirrors an axis, the file's last, partial block comes first."""
    mirrored_x, mirrored_y = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return (size[0] % 8 if mirrored_x else 0), (size[1] % 8 if mirrored_y else 0)
