"""A real portrait and a manipulated one, for demonstrations: an image in the public domain, and a fake made of it."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from unmask.data.make.self_blend import self_blend
from unmask.errors import MissingExtraError
from unmask.imaging.faces import FaceFinder

SEED: Final = 2  # of a visible blend, which the shipped detector calls fake


def demo_images() -> dict[str, Image.Image]:
    """``real``, Eileen Collins (NASA, in scikit-image), and ``manipulated``, her face blended as in a face swap.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError:
        raise MissingExtraError("demo", "The demo's portrait") from None
    portrait = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    face = FaceFinder().find(portrait)[0]
    return {"real": portrait, "manipulated": self_blend(portrait, face, np.random.default_rng(SEED)).image}
