"""Golden cases: images drawn from a seed, with the graph's outputs recorded when the bundle was made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class GoldenCase(BaseModel):
    """The recorded outputs for one image.

    Attributes:
        seed: random seed of the image, see :func:`golden_pixels`.
        logit: recorded logit.
        evidence_mean: recorded mean of the evidence map.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0)
    logit: float
    evidence_mean: float


def read_golden(data: bytes) -> tuple[GoldenCase, ...]:
    """The cases of a ``golden.json``."""
    return TypeAdapter(tuple[GoldenCase, ...]).validate_json(data)


def golden_pixels(seed: int, size: int) -> npt.NDArray[np.uint8]:
    """A smooth coloured pattern with fine noise: uint8 [size, size, 3], the same on every machine.

    Only integer draws and Pillow's resize are used, because floating-point draws may differ between versions.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BILINEAR), np.int16)
    noise = rng.integers(-12, 13, (size, size, 3), np.int16)
    pixels: npt.NDArray[np.uint8] = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    return pixels
