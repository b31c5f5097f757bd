"""The power spectrum: up-sampling, in generators and in resizing, leaves peaks at regular positions.

After X. Zhang, S. Karaman and S.-F. Chang, "Detecting and Simulating Artifacts in GAN Fake Images", WIFS, 2019, and
J. Frank et al., "Leveraging Frequency Analysis for Deep Fake Image Recognition", ICML, 2020; for resizing A. Popescu
and H. Farid, "Exposing Digital Forgeries by Detecting Traces of Resampling", IEEE Transactions on Signal Processing
53(2), 2005. Estimated by Welch's method from windows of the image's own pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.explain.views.drawing import grey_levels
from unmask.explain.views.subject import Bytes, Subject
from unmask.explain.views.view import Findings, Measure, register

WINDOW = 64
"""Side of a window in pixels: an image with a shorter side is not measured."""

Power = npt.NDArray[np.float64]

_LATTICE = 4  # windows along each side in every image; in small images they overlap
_SHOWN_WINDOW = 256
_SHOWN_SIDE = 512
_LOW = 6  # bins around frequency 0, and
_AXIS = 3  # beside the axes, where edges and JPEG blocks leave peaks in every image
_LISTED = 5


@register(
    "spectrum",
    title="Frequency spectrum",
    look_for="Bright points or crosses away from the centre and the axes, at a half or a quarter of the width.",
    cannot_show="Enlarging leaves peaks too, fabric and screens have their own, and many generators leave none.",
    measures=(
        Measure("spectral_peak", "Highest peak off the axes, above its surroundings", "dB"),
        Measure("upsampling_peaks", "Mean peak at the positions of 2x and 4x up-sampling", "dB"),
    ),
)
def look(subject: Subject) -> Findings:
    """Power over the median of its 5 x 5 neighbours, in decibels, from 16 windows of 64 x 64 pixels."""
    if min(subject.image.size) < WINDOW:
        return Findings({"spectral_peak": None, "upsampling_peaks": None})
    excess = peak_excess(window_power(subject.luma, WINDOW))
    peaks = strongest_peaks(excess)
    power = window_power(subject.luma, min(_SHOWN_WINDOW, 1 << min(subject.image.size).bit_length() - 1))
    decibels = 10 * np.log10(power + 1e-3)
    shown = grey_levels(decibels, *np.quantile(decibels, (0.02, 0.999)).tolist())
    image = Image.fromarray(shown).resize((_SHOWN_SIDE, _SHOWN_SIDE), Image.Resampling.NEAREST).convert("RGB")
    return Findings(
        {"spectral_peak": peaks[0]["decibels"] if peaks else None, "upsampling_peaks": _upsampling(excess)},
        image,
        {"window": WINDOW, "peaks": peaks},
    )


def window_power(luma: Bytes, window: int) -> Power:
    """Mean power of 4 x 4 windows spread over the image: float64 [window, window], frequency 0 in the middle.

    Args:
        luma: uint8 [height, width], both at least ``window``.
        window: side in pixels. Windows lose their mean and are tapered (Hann).
    """
    taper = np.hanning(window + 2)[1:-1]
    taper = np.outer(taper, taper)
    power: Power = np.zeros((window, window))
    for top in np.linspace(0, luma.shape[0] - window, _LATTICE).astype(int):
        for left in np.linspace(0, luma.shape[1] - window, _LATTICE).astype(int):
            part = luma[top : top + window, left : left + window].astype(np.float64)
            power += np.abs(np.fft.fft2((part - part.mean()) * taper)) ** 2
    centred: Power = np.fft.fftshift(power) / (_LATTICE**2 * np.square(taper).sum())
    return centred


def peak_excess(power: Power) -> Power:
    """Power over the median of its 5 x 5 neighbourhood (which wraps around, as spectra do), in decibels."""
    decibels = 10 * np.log10(power + 1e-3)  # far below the noise of rounding to whole levels, 1 / 12
    around = [np.roll(decibels, (y, x), (0, 1)) for y in range(-2, 3) for x in range(-2, 3)]
    excess: Power = decibels - np.median(around, axis=0)
    return excess


def strongest_peaks(excess: Power) -> list[dict[str, Any]]:
    """The highest local peaks off centre and axes: x, y in cycles per pixel (-0.5 to 0.5, half the plane), decibels."""
    side = len(excess)
    steps = np.arange(side) - side // 2
    x, y = np.meshgrid(steps, steps)
    around = [np.roll(excess, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    off = (
        (excess == np.max(around, axis=0))
        & (np.hypot(x, y) >= _LOW)
        & (np.abs(x) >= _AXIS)
        & (np.abs(y) >= _AXIS)
        & (y <= 0)
    )
    order = np.argsort(np.where(off, excess, -np.inf), axis=None)[::-1][: min(_LISTED, int(off.sum()))]
    return [
        {
            "x": float(x.flat[at] / side),
            "y": float(y.flat[at] / side),
            "decibels": float(excess.flat[at]),
        }
        for at in order
    ]


def _upsampling(excess: Power) -> float:
    """Mean excess at multiples of a quarter cycle off the axes: the peaks of 2x and 4x up-sampling."""
    side = len(excess)
    places = [0, side // 4, 3 * side // 4]  # -1/2, -1/4, 1/4
    return float(excess[np.ix_(places, places)].mean())
