"""How similar the fine detail of the colour channels is.

A camera's sensor sees one colour per pixel and interpolates the others, so the channels' details are correlated: A.
Popescu and H. Farid, "Exposing Digital Forgeries in Color Filter Array Interpolated Images", IEEE Transactions on
Signal Processing 53(10), 2005. Generators lack that correlation: H. Li et al., "Identification of deep network
generated images using disparities in color components", Signal Processing 174, 2020.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unmask.explain.views.drawing import map_image
from unmask.explain.views.noise import residual
from unmask.explain.views.subject import Subject, sample_cells
from unmask.explain.views.view import Findings, Measure, register

_PAIRS = {"red_green": (0, 1), "green_blue": (1, 2), "red_blue": (0, 2)}


@register(
    "colour",
    title="Colour channel correlation",
    look_for="A dark area, where the fine detail of red and green disagrees, unlike the rest of the image.",
    cannot_show="Strong JPEG compression gives all channels the same fine detail, and grey images have one channel.",
    measures=(
        Measure("correlation_red_green", "Correlation of fine detail, red with green"),
        Measure("correlation_green_blue", "Correlation of fine detail, green with blue"),
        Measure("correlation_red_blue", "Correlation of fine detail, red with blue"),
    ),
)
def look(subject: Subject) -> Findings:
    """Pearson's correlation of the channels' noise residuals (see ``noise``), over all sampled cells of 16 pixels."""
    pixels = np.asarray(subject.image)
    grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    details = [residual(sample_cells(pixels[..., channel])).astype(np.float32) for channel in range(3)]
    values = {f"correlation_{name}": _correlation(details[a], details[b]) for name, (a, b) in _PAIRS.items()}
    local = _by_cell(details[0], details[1])
    return Findings(values, map_image(local, 0, 1), {"grey": grey})


def _correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float | None:
    """``None`` where a channel has no detail."""
    if one.size == 0:
        return None
    one, other = one - one.mean(dtype=np.float64), other - other.mean(dtype=np.float64)
    scale = float(np.sqrt((one * one).sum(dtype=np.float64) * (other * other).sum(dtype=np.float64)))
    return float((one * other).sum(dtype=np.float64)) / scale if scale > 0 else None


def _by_cell(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Correlation in each cell, 1 where there is no detail: float32 [rows, columns]."""
    one, other = (values - values.mean(axis=(2, 3), keepdims=True) for values in (one, other))
    scale = np.sqrt((one * one).sum(axis=(2, 3)) * (other * other).sum(axis=(2, 3)))
    together = (one * other).sum(axis=(2, 3))
    return np.where(scale > 0, together / np.where(scale > 0, scale, 1), np.float32(1))
