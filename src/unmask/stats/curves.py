"""Points of the charts in a report: ROC, precision-recall, DET, reliability, histograms."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from unmask.stats.images import Images
from unmask.stats.intervals import interval, rounded, share_interval
from unmask.stats.metrics import ECE_BINS, Bins, Codes, Floats, Ranking

HISTOGRAM_BINS: Final = 20
# More points would not be visible, and a report on a million images must stay small.
_MOST_POINTS: Final = 400


def curves(images: Images) -> dict[str, Any]:
    """The points of each curve; curves that need both classes are empty if one is missing."""
    return {**_ranks(images), "reliability": reliability(images)}


def _ranks(images: Images) -> dict[str, list[list[float]]]:
    roc = Ranking(images.score, images.is_fake).roc()
    if not roc.has_both:
        return {"roc": [], "precision_recall": [], "det": []}
    false_positives, true_positives = roc.reals / roc.reals[-1], roc.fakes / roc.fakes[-1]
    precision = roc.fakes[1:] / (roc.fakes[1:] + roc.reals[1:])
    inside = (false_positives > 0) & (true_positives < 1)  # a normal deviate scale has no place for 0 and 1
    return {
        "roc": _points(false_positives, true_positives),
        "precision_recall": _points(true_positives[1:], precision),
        "det": _points(false_positives[inside], 1 - true_positives[inside]),
    }


def reliability(images: Images) -> list[dict[str, Any]]:
    """Mean probability and proportion of fakes, with its interval, of each bin that contains images."""
    read = images.where(~images.failed)
    bins = Bins(read.probability, read.is_fake)
    found = []
    for at in np.unique(bins.bin_of):
        inside = bins.bin_of == at
        fakes = read.is_fake[inside]
        found.append(
            {
                "from": rounded(float(at) / ECE_BINS),
                "to": rounded((float(at) + 1) / ECE_BINS),
                "n": len(fakes),
                "mean_probability": rounded(float(read.probability[inside].mean())),
                "share_fake": interval(float(fakes.mean()), share_interval(fakes, read.group[inside])),
            }
        )
    return found


def histograms(images: Images, codes: Codes, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Number of images of each slice and class in each of 20 bins of the probability of fake.

    Args:
        images: unreadable ones are in no bin.
        codes: int [n], slice of each image, an index of ``names``.
        names: the slices.
    """
    bin_of = Bins(np.where(images.failed, 0.0, images.probability), images.is_fake, HISTOGRAM_BINS).bin_of
    found = []
    for code, name in enumerate(names):
        for label, of_label in (("real", ~images.is_fake), ("fake", images.is_fake)):
            inside = (codes == code) & of_label & ~images.failed
            if inside.any():
                counts = np.bincount(bin_of[inside], minlength=HISTOGRAM_BINS)
                found.append({"name": name, "label": label, "counts": counts.tolist()})
    return found


def _points(x: Floats, y: Floats) -> list[list[float]]:
    """The corners of a curve, at most 400, spread evenly over it."""
    keep = np.ones(len(x), bool)
    if len(x) > 2:
        turn = np.diff(x)[:-1] * np.diff(y)[1:] != np.diff(y)[:-1] * np.diff(x)[1:]
        keep[1:-1] = turn
    corners = np.flatnonzero(keep)
    if len(corners) > _MOST_POINTS:
        corners = corners[np.unique(np.linspace(0, len(corners) - 1, _MOST_POINTS).round().astype(int))]
    return [[round(float(x[at]), 6), round(float(y[at]), 6)] for at in corners]
