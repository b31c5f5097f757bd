"""Make the images of ``tests/regressions``: portraits in the public domain, and fakes made of them by our own code.

The portraits show Eileen Collins (NASA, in scikit-image), Grace Hopper (United States Navy, in matplotlib) and a man
with a camera (CC0, in scikit-image). Other versions of Pillow or numpy may give other bytes, so the images are kept
in the repository and this program is run for new ones only: a file that is there is not written again.

    python tools/regression_images.py tests/regressions
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import cbook
from PIL import Image, ImageFilter
from skimage import data

from unmask.data.make.reconstruct import reconstruct
from unmask.data.make.self_blend import self_blend
from unmask.data.make.swap import swap_faces
from unmask.files import write_whole
from unmask.imaging.faces import FaceFinder

_QUALITY = 92


def main() -> None:
    """Write the images that are not there yet, and print the hash of each."""
    folder = Path(sys.argv[1])
    for name, image, quality in images():
        path = folder / f"{name}.jpg"
        if not path.exists():
            file = BytesIO()
            image.save(file, "JPEG", quality=quality)
            write_whole(path, file.getvalue())
        print(path.name)


def images() -> Iterator[tuple[str, Image.Image, int]]:
    """Each image with its name and the quality of its JPEG file."""
    collins = Image.fromarray(data.astronaut()).crop((48, 0, 400, 352))
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB").crop((64, 32, 464, 432))
    yield from _reals("collins", collins)
    yield from _reals("hopper", hopper)
    yield "camera-man", Image.fromarray(data.camera()).convert("RGB").crop((128, 64, 384, 320)), _QUALITY
    yield "cat", Image.fromarray(data.chelsea()), 85
    finder = FaceFinder()
    her, other = finder.find(collins)[0], finder.find(hopper)[0]

    def blended(image: Image.Image, face: Any) -> Callable[[int], Image.Image]:
        return lambda seed: self_blend(image, face, np.random.default_rng(seed)).image

    for seed in (2, 7, 8, 11):
        yield f"collins-blend-{seed}", blended(collins, her)(seed), _QUALITY
    yield "collins-blend-2-quality-50", blended(collins, her)(2), 50
    for seed in (5, 8):
        yield f"hopper-blend-{seed}", blended(hopper, other)(seed), _QUALITY
    swapped = swap_faces(collins, her, hopper, other, np.random.default_rng(0))
    yield "collins-with-the-face-of-hopper", swapped.image, _QUALITY
    yield "collins-through-a-network", reconstruct(collins, her, np.random.default_rng(6)).image, _QUALITY


def _reals(name: str, image: Image.Image) -> Iterator[tuple[str, Image.Image, int]]:
    yield name, image, _QUALITY
    yield f"{name}-quality-40", image, 40
    yield f"{name}-grey", image.convert("L").convert("RGB"), _QUALITY
    yield f"{name}-sharpened", image.filter(ImageFilter.UnsharpMask(2, 200, 0)), _QUALITY


if __name__ == "__main__":
    main()
