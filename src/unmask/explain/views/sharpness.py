"""Local sharpness: which areas are in focus, and whether that fits the scene.

The variance of the Laplacian is that of J. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR,
2000. That pasted parts differ in blur from what surrounds them: K. Bahrami, A. Kot, L. Li and H. Li, "Blurred Image
Splicing Localization by Exposing Blur Type Inconsistency", IEEE Transactions on Information Forensics and Security
10(5), 2015.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from unmask.explain.views.drawing import map_image
from unmask.explain.views.subject import Subject
from unmask.explain.views.view import Findings, Measure, register

AREA_SIDE = 256
"""Images are resized to the area of a square of this side, so that they can be compared."""

_CELL = 8
_LEAST_SIDE = 64  # enlarging a smaller image would measure invented pixels
_WHITE = 4.0


@register(
    "sharpness",
    title="Local sharpness",
    look_for="A face that is softer or sharper than hair, ears and clothes at the same distance.",
    cannot_show="Depth of field, motion, make-up and beauty filters change sharpness in honest images.",
    measures=(
        Measure("sharpness", "Variance of the Laplacian", "log10"),
        Measure("sharpness_contrast", "Sharpness of the sharpest tenth of cells minus the median", "log10"),
    ),
)
def look(subject: Subject) -> Findings:
    """log10 of 1 plus the variance of the luma's Laplacian, of the image and of cells, at 256 x 256 pixels' area."""
    if min(subject.image.size) < _LEAST_SIDE:
        return Findings({"sharpness": None, "sharpness_contrast": None})
    width, height = subject.image.size
    scale = AREA_SIDE / math.sqrt(width * height)
    size = max(2 * _CELL, round(width * scale)), max(2 * _CELL, round(height * scale))
    small = subject.image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    luma = np.pad(np.asarray(small.convert("L"), np.float32), 1, mode="edge")
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    rows, columns = size[1] // _CELL, size[0] // _CELL
    cells = laplacian[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    local = np.log10(1 + cells.var(axis=(1, 3)))
    middle, sharpest = np.quantile(local, (0.5, 0.9)).tolist()
    return Findings(
        {
            "sharpness": math.log10(1 + float(laplacian[1:-1, 1:-1].var(dtype=np.float64))),
            "sharpness_contrast": sharpest - middle,
        },
        map_image(local, 0, _WHITE),
        {"area_side": AREA_SIDE, "white_is_log10": _WHITE},
    )
