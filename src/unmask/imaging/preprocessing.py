"""The one preprocessing: the pixels that every detector sees, in training and at inference.

Its parameters are data of the bundle. ``tests/imaging/test_preprocessing.py`` fixes its output bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from unmask.imaging.faces import Box, Face, FaceFinder, FacePolicy, square_crop

Pixels = npt.NDArray[np.uint8]

RESAMPLERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Preprocessing(BaseModel):
    """How a face becomes pixels, as data of a recipe and of a bundle.

    Attributes:
        size: side of the square that the network sees, in pixels.
        resample: Pillow's resampling filter, antialiased when it shrinks.
        face_margin: margin around a face on each side, as a fraction of its longer side.
        native: a crop whose side is within this factor of ``size`` is widened or narrowed to exactly that many whole
            pixels of the image, so that nothing is resampled and fine traces reach the network unchanged; 1 resizes
            every crop.
        faces: how faces are searched; ``None``: the network sees the whole image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(192, ge=32, le=1024)
    resample: Literal["box", "bilinear", "hamming", "bicubic", "lanczos"] = "bicubic"
    face_margin: float = Field(0.3, ge=0, le=2)
    native: float = Field(1.0, ge=1, le=2)
    faces: FacePolicy | None = FacePolicy()


@dataclass(frozen=True, slots=True)
class Region:
    """One part of an image that the network sees.

    Attributes:
        crop: x0, y0, x1, y1 in pixels of the upright image: a square around a face, or the whole image.
        face: the face in it; ``None`` when it is the whole image.
        pixels: uint8 [size, size, 3], RGB.
    """

    crop: Box
    face: Face | None
    pixels: Pixels

    def scaled(self, factor: float) -> Region:
        """The same pixels at their place in an image ``factor`` times as large."""
        crop = (self.crop[0] * factor, self.crop[1] * factor, self.crop[2] * factor, self.crop[3] * factor)
        return Region(crop, self.face and self.face.scaled(factor), self.pixels)


def render(image: Image.Image, crop: Box, preprocessing: Preprocessing) -> Pixels:
    """The pixels of one crop: uint8 [size, size, 3], RGB."""
    size = (preprocessing.size, preprocessing.size)
    return np.asarray(image.resize(size, RESAMPLERS[preprocessing.resample], box=crop))


def crop_of(face: Face | None, size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """The crop for a face or for none: a square around the face, or the whole image."""
    if face is None:
        return 0.0, 0.0, float(size[0]), float(size[1])
    crop = square_crop(face.box, preprocessing.face_margin, size)
    side, wanted = crop[2] - crop[0], preprocessing.size
    if (
        preprocessing.native == 1
        or wanted > min(size)
        or not 1 / preprocessing.native <= side / wanted <= preprocessing.native
    ):
        return crop
    left, top = (
        min(max(0, round((start + end - wanted) / 2)), length - wanted)
        for start, end, length in zip(crop[:2], crop[2:], size, strict=True)
    )
    return float(left), float(top), float(left + wanted), float(top + wanted)


def preprocess(image: Image.Image, preprocessing: Preprocessing, finder: FaceFinder | None) -> list[Region]:
    """All regions of an image that the network sees: its faces, largest first, or the whole image if there is none.

    Args:
        image: RGB and upright, as ``decode_image`` returns it.
        preprocessing: the bundle's parameters.
        finder: finder for ``preprocessing.faces``; ``None`` when that is ``None``.
    """
    found: list[Face] = finder.find(image) if finder is not None else []
    faces: list[Face | None] = [*found] if found else [None]
    return [
        Region(crop := crop_of(face, image.size, preprocessing), face, render(image, crop, preprocessing))
        for face in faces
    ]
