"""Write tests/golden/resample.json: small made images and what Pillow makes of them.

    python tools/resample_golden.py

The tests of Python check that Pillow still gives the same; those of the page, that its own resampling does.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unmask.files import write_whole

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "resample.json"

# Noise has the steepest edges, where filters overshoot and are clipped.
_IMAGES = {"noise": (37, 29), "wide": (71, 11), "large": (130, 66)}
# Image, size, filter, box, reducing gap.
_CASES: list[tuple[str, tuple[int, int], str, tuple[float, float, float, float] | None, float | None]] = [
    *(("noise", (16, 16), name, None, None) for name in ("box", "bilinear", "hamming", "bicubic", "lanczos")),
    ("noise", (50, 41), "bicubic", None, None),  # larger
    ("noise", (20, 20), "bicubic", (3.25, 1.7, 30.9, 28.85), None),  # a face: a box between pixels
    ("noise", (16, 16), "bicubic", (5.0, 6.0, 21.0, 22.0), None),  # a crop of whole pixels
    ("noise", (37, 12), "bilinear", None, None),  # one pass only
    ("noise", (12, 29), "lanczos", None, None),  # the other
    ("wide", (9, 9), "bilinear", (0.0, 0.0, 11.0, 11.0), None),
    ("wide", (48, 3), "bilinear", (10.5, 2.0, 71.0, 11.0), None),
    ("large", (16, 8), "bilinear", None, 2.0),  # reduced by 4 x 4 first, with parts of blocks at the edges
    ("large", (30, 20), "bilinear", None, 2.0),  # by 2 x 1
]


def made_image(name: str) -> Image.Image:
    """One of the images, RGB."""
    width, height = _IMAGES[name]
    random = np.random.default_rng(len(name) * 1000 + width)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))


def cases() -> list[dict[str, Any]]:
    """What Pillow makes of each image: the pixels as base64 of RGB, row by row."""
    found = []
    for name, size, method, box, gap in _CASES:
        image = made_image(name)
        resized = image.resize(size, Image.Resampling[method.upper()], box, gap)
        found.append({"image": name, "size": size, "filter": method, "box": box, "gap": gap, "pixels": _text(resized)})
    return found


def _text(image: Image.Image) -> str:
    return base64.b64encode(image.tobytes()).decode()


def content() -> str:
    """The file."""
    images = {name: {"size": size, "pixels": _text(made_image(name))} for name, size in _IMAGES.items()}
    return json.dumps({"images": images, "cases": cases()}, indent=1) + "\n"


if __name__ == "__main__":
    write_whole(GOLDEN, content())
