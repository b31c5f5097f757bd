"""The noise that remains when structure is removed, and where its strength changes.

The residual is that of J. Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64(2),
1996: the difference of two Laplacians, blind to planes and straight edges. Comparing its strength between parts of a
image follows B. Mahdian and S. Saic, "Using noise inconsistencies for blind image forensics", Image and Vision
Computing 27(10), 2009.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import ImageFilter

from unmask.explain.views.subject import Bytes, Floats, Subject
from unmask.explain.views.view import Findings, Measure, register

_AMPLIFIED = 8
_DARK, _BRIGHT = 5, 250  # darker or brighter cells are clipped and show no noise
_LEAST = 0.05  # levels: below this, noise was removed entirely and its spread means nothing

_KERNEL = ImageFilter.Kernel((3, 3), (1, -2, 1, -2, 4, -2, 1, -2, 1), scale=6, offset=128)


@register(
    "noise",
    title="Noise residual",
    look_for="An area whose grain is finer, coarser or weaker than that of its surroundings.",
    cannot_show="Texture looks like noise, smooth skin has little, and JPEG compression and resizing remove noise "
    "from honest images.",
    measures=(
        Measure("noise_level", "Median noise of cells of 16 pixels", "levels"),
        Measure("noise_unevenness", "Noise range over cells (90th minus 10th percentile), relative to the median"),
    ),
)
def look(subject: Subject) -> Findings:
    """Median over cells, and the distance of their 90 % and 10 % quantiles divided by the median."""
    level = unevenness = None
    mean = subject.cells.mean(axis=(2, 3))
    usable = noise_levels(subject.cells)[(mean >= _DARK) & (mean <= _BRIGHT)]
    if usable.size:
        quietest, level, noisiest = np.quantile(usable, (0.1, 0.5, 0.9)).tolist()
        unevenness = (noisiest - quietest) / level if level >= _LEAST else None
    shown = None
    if min(subject.image.size) >= 3:
        strength = [min(255, _AMPLIFIED * abs(level - 128)) for level in range(256)]
        shown = subject.image.convert("L").filter(_KERNEL).point(strength).convert("RGB")
    return Findings({"noise_level": level, "noise_unevenness": unevenness}, shown, {"amplified": _AMPLIFIED})


def residual(cells: Bytes) -> npt.NDArray[np.int16]:
    """The residual inside each cell: int16 [..., s - 2, s - 2] of uint8 [..., s, s]; its noise gain is 6."""
    values = cells.astype(np.int16)
    down = values[..., 2:, :] - 2 * values[..., 1:-1, :] + values[..., :-2, :]
    across: npt.NDArray[np.int16] = down[..., 2:] - 2 * down[..., 1:-1] + down[..., :-2]
    return across


def noise_levels(cells: Bytes) -> Floats:
    """Standard deviation of the noise in each cell, in levels, assuming it is Gaussian: float32 [rows, columns]."""
    size = np.abs(residual(cells)).mean(axis=(2, 3), dtype=np.float32)
    levels: Floats = np.float32(math.sqrt(math.pi / 2) / 6) * size
    return levels
