"""Golden cases: images drawn from a seed, with the graph's outputs recorded when the bundle was made."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MAX_CASES = 256


class GoldenCase(BaseModel):
    """The recorded outputs for one image.

    Attributes:
        seed: random seed of the image, see :func:`golden_pixels`.
        logit: recorded logit.
        evidence_mean: recorded mean of the evidence map.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = Field(ge=0, lt=2**63)
    logit: float = Field(ge=-1e6, le=1e6)
    evidence_mean: float = Field(ge=-1e6, le=1e6)


def read_golden(data: bytes) -> tuple[GoldenCase, ...]:
    """The cases of a ``golden.json``.

    Raises:
        ValueError: it is not valid (pydantic's ``ValidationError``).
    """
    return TypeAdapter(Annotated[tuple[GoldenCase, ...], Field(max_length=MAX_CASES)]).validate_json(data)


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
