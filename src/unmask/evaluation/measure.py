"""All figures of a set of scored images, each with its interval and the number of images behind it.

An image that could not be read is a mistake in every figure of decisions and ranks: a fake stands below every score,
a real one above. Log loss, Brier score and ECE speak of probabilities, so they cover the images that got one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from unmask.stats.images import Images
from unmask.stats.intervals import interval, rounded, share_interval
from unmask.stats.metrics import Codes, Flags, Floats, Ranking, Roc
from unmask.stats.registry import METRICS, RESAMPLED, MetricValues, OfProbabilities, Proportion, proportion
from unmask.stats.resample import Draws, resample


class SliceAreas:
    """The AUC of each class's slices against all images of the other class, for any weights.

    A slice of one class alone has no curve of its own. Its mean placement among the whole other class says how well it
    is told apart, for all slices of a column at the cost of one pass.
    """

    def __init__(self, images: Images, ranking: Ranking, columns: Mapping[str, Codes]) -> None:
        score_of = ranking.score_of
        self._parts = []
        self.names: list[tuple[str, int, bool]] = []
        for column, codes in columns.items():
            for fake in (False, True):
                own = np.flatnonzero(images.is_fake == fake)
                count = int(codes.max()) + 1
                self._parts.append((fake, own, score_of[own], codes[own], count))
                self.names += [(column, code, fake) for code in range(count)]

    def figures(self, roc: Roc, weight: Floats) -> list[float]:
        """An area for each of ``names``: column, code and class."""
        real_placement, fake_placement = roc.placements()[::-1]
        found: list[float] = []
        for fake, own, score_of, codes, count in self._parts:
            placement = (fake_placement if fake else real_placement)[score_of]
            own_weight = weight[own]
            total = np.bincount(codes, own_weight, count)
            with np.errstate(invalid="ignore"):  # a slice that was not drawn has no area
                found += (np.bincount(codes, own_weight * placement, count) / total).tolist()
        return found


def measure(
    images: Images, draws: Draws, columns: Mapping[str, Codes] | None = None
) -> tuple[dict[str, Any], dict[tuple[str, int, bool], dict[str, Any]]]:
    """All figures of some images, and the AUC of each slice of the columns against all of the other class.

    Args:
        images: at least one.
        draws: how intervals are drawn.
        columns: for each column by which slices are made a number for each image, from 0.

    Returns:
        The block of figures as plain values, and areas by column, number and class (true is fake).
    """
    values = MetricValues(images, RESAMPLED)
    areas = SliceAreas(images, values.ranking, columns or {})

    def statistic(weight: Floats) -> Floats:
        roc = values.ranking.roc(weight)
        return np.array([*values(weight, roc), *areas.figures(roc, weight)])

    found = resample(images.group, statistic, draws)
    figures = [
        {**interval(found.values[at], found.interval(at)), "method": "bootstrap"} for at in range(len(found.values))
    ]
    read = int(np.count_nonzero(~images.failed))
    by_name: dict[str, dict[str, Any]] = {
        name: {**figure, "n": read if isinstance(METRICS[name], OfProbabilities) else len(images)}
        for name, figure in zip(RESAMPLED, figures, strict=False)
    }
    by_name |= _shares(images)
    reals = int(np.count_nonzero(~images.is_fake))
    return {
        "n": len(images),
        "n_real": reals,
        "n_fake": len(images) - reals,
        "groups": int(images.group.max()) + 1,
        "failures": len(images) - read,
        "confusion": confusion(images),
        "baseline": baseline(images),
        "metrics": {name: by_name[name] for name in METRICS},
    }, dict(zip(areas.names, figures[len(RESAMPLED) :], strict=True))


def measure_within(images: Images, draws: Draws) -> dict[str, dict[str, Any]]:
    """AUC and balanced accuracy of a slice that has both classes."""
    names = ("auc", "balanced_accuracy")
    found = resample(images.group, MetricValues(images, names), draws)
    return {
        name: {**interval(found.values[at], found.interval(at)), "method": "bootstrap", "n": len(images)}
        for at, name in enumerate(names)
    }


def confusion(images: Images) -> dict[str, dict[str, int]]:
    """Counts by truth, then answer; an image that could not be read stands under ``unreadable``."""
    return {
        label: {
            "called_real": int(np.count_nonzero(of_label & ~images.called_fake & ~images.failed)),
            "called_fake": int(np.count_nonzero(of_label & images.called_fake & ~images.failed)),
            "unreadable": int(np.count_nonzero(of_label & images.failed)),
        }
        for label, of_label in (("real", ~images.is_fake), ("fake", images.is_fake))
    }


def baseline(images: Images) -> dict[str, Any]:
    """What giving every image the answer of the larger class scores."""
    share_fake = float(images.is_fake.mean())
    return {
        "answer": "fake" if share_fake > 0.5 else "real",
        "accuracy": rounded(max(share_fake, 1 - share_fake)),
        "balanced_accuracy": 0.5 if images.has_both else None,
        "auc": 0.5 if images.has_both else None,
        "mcc": 0.0,
    }


def with_interval(images: Images, name: str, value: float, drawn: tuple[float, float] | None) -> dict[str, Any]:
    """A metric with the one interval that it has everywhere: a proportion its own, any other the one drawn."""
    if isinstance(METRICS[name], Proportion):
        success, among = proportion(images, name)
        return interval(value, share_interval(success[among], images.group[among]))
    return interval(value, drawn)


def share(success: Flags, group: Codes) -> dict[str, Any]:
    """A share with Wilson's interval, widened where groups hang together; no value where nothing was counted."""
    n = len(success)
    value = float(success.mean()) if n else math.nan
    return {**interval(value, share_interval(success, group)), "method": "wilson", "n": n}


def _shares(images: Images) -> dict[str, dict[str, Any]]:
    found = {}
    for name, metric in METRICS.items():
        if isinstance(metric, Proportion):
            success, among = proportion(images, name)
            found[name] = share(success[among], images.group[among])
    return found
