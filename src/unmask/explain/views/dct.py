"""Histograms of DCT coefficients: a comb pattern indicates an earlier compression.

Quantising twice with different steps leaves some bins of the histogram too full and others empty, periodically. After
A. Popescu and H. Farid, "Statistical Tools for Digital Forensics", Information Hiding, 2004, and J. Lukas and J.
Fridrich, "Estimation of Primary Quantization Matrix in Double Compressed JPEG Images", DFRWS, 2003.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from unmask.explain.views.drawing import bars, panels
from unmask.explain.views.subject import Bytes, Floats, Subject
from unmask.explain.views.view import Findings, Measure, register

FREQUENCIES = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
"""Rows and columns of the coefficients looked at: the first nine after the mean, in zigzag order."""

_REACH = 64  # bins to each side of 0
_LEAST_BLOCKS = 256
_SHOWN = 24  # bins to each side of 0 that are drawn


@register(
    "dct_histograms",
    title="DCT coefficient histograms",
    look_for="Bars that rise and fall periodically: the image was JPEG compressed before, with other steps.",
    cannot_show="An honest image that was saved twice has the same pattern, and an earlier compression on another "
    "grid or before resizing leaves none.",
    measures=(Measure("dct_periodicity", "Periodicity of the median histogram, from 0 (none) to 1 (a comb)"),),
)
def look(subject: Subject) -> Findings:
    """In a JPEG file the bins are its own steps, so only earlier steps show; in other formats they are one unit."""
    cells = subject.cells
    if cells.shape[0] * cells.shape[1] * 4 < _LEAST_BLOCKS:
        return Findings({"dct_periodicity": None})
    table = subject.jpeg.luminance if subject.jpeg else None
    histograms = coefficient_histograms(cells, table)
    found = [periodicity(histogram) for histogram in histograms]
    shown = [
        (f"row {row}, column {column}", bars(np.sqrt(histogram[_REACH - _SHOWN : _REACH + _SHOWN + 1])))
        for (row, column), histogram in zip(FREQUENCIES, histograms, strict=True)
    ]
    return Findings(
        {"dct_periodicity": float(np.median([strength for strength, _ in found]))},
        panels(shown, 3),
        {
            "bins": "steps of the file" if table else "1",
            "coefficients": [
                {"row": row, "column": column, "periodicity": round(strength, 4), "period_bins": round(period, 2)}
                for (row, column), (strength, period) in zip(FREQUENCIES, found, strict=True)
            ],
        },
    )


def coefficient_histograms(cells: Bytes, table: tuple[int, ...] | None) -> npt.NDArray[np.int64]:
    """Histograms of the nine coefficients in bins of the table's steps, or of 1: int64 [9, 129], 0 in the middle."""
    rows, columns, size, _ = cells.shape
    blocks = cells.reshape(rows * columns, size // 8, 8, size // 8, 8).transpose(0, 1, 3, 2, 4).reshape(-1, 8, 8)
    matrix = dct_matrix()
    coefficients = matrix @ blocks.astype(np.float32) @ matrix.T
    histograms = []
    for row, column in FREQUENCIES:
        step = table[8 * row + column] if table else 1
        bins = np.rint(coefficients[:, row, column] / step).astype(np.int64)
        histograms.append(np.bincount(bins[np.abs(bins) <= _REACH] + _REACH, minlength=2 * _REACH + 1))
    return np.stack(histograms)


def periodicity(histogram: npt.NDArray[np.int64]) -> tuple[float, float]:
    """How periodic a histogram is, and its period.

    The magnitude of a smooth histogram's Fourier transform falls with frequency; a comb makes it rise again. The result
    is the highest rise above the lowest value before it, minus what chance gives for this number of coefficients.

    Args:
        histogram: counts of 129 bins, 0 in the middle.

    Returns:
        The strength, 0 to 1, and the period in bins.
    """
    tapered = histogram * np.hanning(len(histogram) + 2)[1:-1]
    total = float(tapered.sum())
    if total <= 0:
        return 0.0, 0.0
    magnitude = np.abs(np.fft.rfft(tapered)) / total
    rise = magnitude - np.minimum.accumulate(magnitude)
    at = int(np.argmax(rise))
    # The largest of m Rayleigh magnitudes of mean square 1 / n is about the square root of ln m / n.
    chance = math.sqrt(math.log(len(magnitude)) / float(histogram.sum()))
    strength = max(0.0, float(rise[at]) - chance)
    return strength, len(histogram) / at if strength else 0.0


def dct_matrix() -> Floats:
    """The orthonormal DCT-II of 8 values: float32 [8, 8]."""
    k = np.arange(8)
    matrix = np.cos(np.pi * (2 * k[None, :] + 1) * k[:, None] / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix.astype(np.float32)
