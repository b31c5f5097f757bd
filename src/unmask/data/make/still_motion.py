"""Short sequences of frames from a still image: the camera moves a little, as a hand holds it.

Clips are few and images are many. A sequence teaches a temporal head what does not matter: how much a face's features
change while nothing but the view does.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unmask.data.make.align import Similarity, warp
from unmask.imaging.faces import Box, Face, square_crop

_MARGIN = 0.8  # of the face's side around it
_MOST_SIDE = 448  # a larger part is scaled down: no detector looks at more
_ZOOM = 1.12  # so that no motion shows what lies outside the image
_TURN, _GROWTH, _SHIFT = math.radians(2.0), 0.02, 0.02  # largest turn, growth, and shift by side
_GAPS = (0.04, 0.4)  # seconds between frames
_PERIODS = (1.0, 4.0)  # seconds of a motion's waves
_QUALITIES = (50, 92)


@dataclass(frozen=True, slots=True)
class StillFrame:
    """A frame made of a still image.

    Attributes:
        image: RGB, square.
        face: the face in it.
        seconds: its time, from 0.
    """

    image: Image.Image
    face: Face
    seconds: float


def still_frames(image: Image.Image, face: Face, count: int, rng: np.random.Generator) -> Iterator[StillFrame]:
    """Frames of a part of an image around a face, turned, scaled and moved smoothly, and compressed alike.

    Args:
        image: RGB and upright.
        face: the face in it.
        count: number of frames.
        rng: the only source of randomness.
    """
    x0, y0, x1, y1 = square_crop(face.box, _MARGIN, image.size)
    side = max(16, min(_MOST_SIDE, round(x1 - x0)))
    part = image.resize((side, side), Image.Resampling.BICUBIC, box=(x0, y0, x1, y1))
    scale = side / max(x1 - x0, 1e-6)
    seconds = np.concatenate([[0.0], np.cumsum(rng.uniform(*_GAPS, max(0, count - 1)))])
    waves = rng.uniform(0, 2 * math.pi, (4, 2)), rng.uniform(*_PERIODS, (4, 2))
    quality = int(rng.integers(*_QUALITIES, endpoint=True))
    for time in seconds[:count]:
        turn, growth, right, down = (np.sin(waves[0] + 2 * math.pi * time / waves[1]).mean(1)).tolist()
        size, angle = _ZOOM * (1 + _GROWTH * growth), _TURN * turn
        cosine, sine = size * math.cos(angle), size * math.sin(angle)
        centre = side / 2
        # The centre stays where it is but for the shift.
        shift = (
            centre - cosine * centre + sine * centre + _SHIFT * side * right,
            centre - sine * centre - cosine * centre + _SHIFT * side * down,
        )
        motion = Similarity(size, angle, shift)
        moved = _compressed(warp(part, motion, (side, side)), quality)
        yield StillFrame(moved, _moved(face, (x0, y0), scale, motion, side), float(time))


def _moved(face: Face, start: tuple[float, float], scale: float, motion: Similarity, side: int) -> Face:
    """The face where it is in a frame; its box, clipped to the frame, has the size that motion gives it."""
    x0, y0, x1, y1 = face.box
    middle = motion.apply((np.array([[(x0 + x1) / 2, (y0 + y1) / 2]]) - start) * scale)[0]
    width, height = (length * scale * motion.scale / 2 for length in (x1 - x0, y1 - y0))
    box: Box = (
        max(0.0, float(middle[0] - width)),
        max(0.0, float(middle[1] - height)),
        min(float(side), float(middle[0] + width)),
        min(float(side), float(middle[1] + height)),
    )
    points = motion.apply((np.asarray(face.keypoints, np.float64) - start) * scale)
    return Face(box, face.score, tuple((float(x), float(y)) for x, y in points))


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return Image.open(buffer).convert("RGB")
