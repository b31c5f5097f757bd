"""The power spectrum by distance from its centre: how power falls towards fine detail.

In photographs power falls with about the square of frequency (D. Field, "Relations between the statistics of natural
images and the response properties of cortical cells", JOSA A 4(12), 1987); generators often deviate at the finest
detail: R. Durall, M. Keuper and J. Keuper, "Watch your Up-Convolution: CNN Based Generative Deep Neural Networks are
Failing to Reproduce Spectral Distributions", CVPR, 2020.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unmask.explain.views.drawing import curve
from unmask.explain.views.ranges import Reference
from unmask.explain.views.spectrum import WINDOW, Power, window_power
from unmask.explain.views.subject import Subject
from unmask.explain.views.view import Findings, Measure, register

RADII = np.arange(1, WINDOW // 2 + 1)
"""Radii of the rings, in cycles per window of 64 pixels."""

_BASE = slice(3, 8)  # rings 4 to 8: the reference
_MIDDLE = slice(11, 20)
_FINE = slice(23, 32)
_FIT = slice(3, 24)
_BOTTOM, _TOP = -5.0, 2.0


@register(
    "radial",
    title="Radial power spectrum",
    look_for="A red curve outside the shaded range of comparable real photographs, especially a rise or a drop at the "
    "right.",
    cannot_show="Sharpening, blur, resizing and compression bend the curve of honest images in the same ways.",
    measures=(
        Measure("spectral_slope", "Slope of power over frequency (log-log)"),
        Measure("middle_band", "Power at 0.19 to 0.31 cycles per pixel, relative to 0.06 to 0.125", "log10"),
        Measure("fine_band", "Power at 0.375 to 0.5 cycles per pixel, relative to 0.06 to 0.125", "log10"),
    ),
)
def look(subject: Subject) -> Findings:
    """Mean power of rings of the spectrum of 16 windows of 64 x 64 pixels; the curve is a fact."""
    if min(subject.image.size) < WINDOW:
        return Findings(dict.fromkeys(("spectral_slope", "middle_band", "fine_band")))
    levels = radial_levels(window_power(subject.luma, WINDOW))
    slope = np.polyfit(np.log10(RADII[_FIT]), levels[_FIT], 1)[0]
    band = subject.reference.radial if isinstance(subject.reference, Reference) else None
    return Findings(
        {
            "spectral_slope": float(slope),
            "middle_band": float(levels[_MIDDLE].mean()),
            "fine_band": float(levels[_FINE].mean()),
        },
        curve(levels, band, _BOTTOM, _TOP),
        {"cycles_per_pixel": (RADII / WINDOW).tolist(), "log10_power": np.round(levels, 4).tolist()},
    )


def radial_levels(power: Power) -> npt.NDArray[np.float64]:
    """log10 of the mean power of rings 1 to 32, less the mean of rings 4 to 8: float64 [32]."""
    steps = np.arange(WINDOW) - WINDOW // 2
    ring = np.rint(np.hypot(steps[:, None], steps[None, :])).astype(int).ravel()
    means = np.bincount(ring, power.ravel())[RADII] / np.bincount(ring)[RADII]
    levels = np.log10(means + 1e-3)
    relative: npt.NDArray[np.float64] = levels - levels[_BASE].mean()
    return relative
