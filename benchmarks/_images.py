"""Make a folder of different 512 px JPEG files from scikit-image's astronaut: ``_images.py FOLDER COUNT``.

Image i is a random crop with random brightness, mirroring and JPEG quality, from the random seed i: every image
differs, and every machine makes the same ones. It is a process of its own because of the memory measurement in
``speed.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageEnhance, ImageOps

SIDE = 512
# The head lies inside every crop: x0, y0, x1, y1 in the astronaut's 512 x 512 pixels.
_HEAD = (150, 20, 300, 230)


def variant(original: Image.Image, seed: int) -> tuple[Image.Image, int]:
    """One variant, 512 x 512 RGB, and the JPEG quality to save it with."""
    draw = np.random.default_rng(seed)
    side = int(draw.integers(320, min(original.size) + 1))
    left = int(draw.integers(max(0, _HEAD[2] - side), min(_HEAD[0], original.width - side) + 1))
    top = int(draw.integers(max(0, _HEAD[3] - side), min(_HEAD[1], original.height - side) + 1))
    image = original.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    image = ImageEnhance.Brightness(image).enhance(float(draw.uniform(0.7, 1.3)))
    return ImageOps.mirror(image) if draw.random() < 0.5 else image, int(draw.integers(70, 96))


def main() -> None:
    """Write the images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    for seed in range(arguments.count):
        image, quality = variant(original, seed)
        image.save(arguments.folder / f"{seed:05d}.jpg", quality=quality)


if __name__ == "__main__":
    main()
