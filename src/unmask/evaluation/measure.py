"""All metrics of a set of scored images, each with its confidence interval and the number of images behind it.

An image that could not be read counts as a mistake in every metric of predictions and ranks: a fake lies below every
score, a real image above. Log loss, Brier score and ECE are of probabilities, so they cover the readable images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from unmask.evaluation.results.base import Baseline, Confusion, Estimate, Metric, Predicted
from unmask.evaluation.results.evaluation import Block
from unmask.stats.images import Images
from unmask.stats.intervals import DIGITS, interval, share_interval
from unmask.stats.metrics import Codes, Flags, Floats, Ranking, Roc
from unmask.stats.registry import METRICS, RESAMPLED, MetricValues, OfProbabilities, Proportion, proportion
from unmask.stats.resample import Draws, distance_interval, resample

SliceKey = tuple[str, int, bool]
"""Column, number of the value, and class (true is fake)."""


class SliceAreas:
    """The AUC of each class's slices against all images of the other class, for any weights.

    A slice of one class has no ROC curve of its own. The mean placement of its images among the whole other class says
    how well it is separated, for all slices of a column in one pass.
    """

    def __init__(self, images: Images, ranking: Ranking, columns: Mapping[str, Codes]) -> None:
        score_of = ranking.score_of
        self._parts = []
        self.sizes: dict[SliceKey, int] = {}
        for column, codes in columns.items():
            for fake in (False, True):
                own = np.flatnonzero(images.is_fake == fake)
                count = int(codes.max()) + 1
                self._parts.append((fake, own, score_of[own], codes[own], count))
                sizes = np.bincount(codes[own], minlength=count) + len(images) - len(own)
                self.sizes |= {(column, code, fake): int(sizes[code]) for code in range(count)}

    def values(self, roc: Roc, weight: Floats) -> list[float]:
        """An area for each of ``sizes``, which holds the number of images that each area is of."""
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
) -> tuple[Block, dict[SliceKey, Metric]]:
    """All metrics of some images, and the AUC of each slice of the columns against all of the other class.

    Args:
        images: at least one.
        draws: how intervals are drawn.
        columns: for each column that slices are made of, the number of each image's value, from 0.
    """
    values = MetricValues(images, RESAMPLED)
    areas = SliceAreas(images, values.ranking, columns or {})

    def statistic(weight: Floats) -> Floats:
        roc = values.ranking.roc(weight)
        return np.array([*values(weight, roc), *areas.values(roc, weight), values.calibration_noise(weight)])

    found = resample(images.group, statistic, draws)
    read = int(np.count_nonzero(~images.failed))
    sizes = [read if isinstance(METRICS[name], OfProbabilities) else len(images) for name in RESAMPLED]
    drawn = [
        _metric(found.values[at], found.interval(at), "bootstrap", n)
        for at, n in enumerate([*sizes, *areas.sizes.values()])
    ]
    of_error = RESAMPLED.index("ece")
    error = found.values[of_error]
    drawn[of_error] = _metric(error, distance_interval(error, found.drawn[:, -1]), "bootstrap", read)
    by_name = dict(zip(RESAMPLED, drawn, strict=False)) | _proportions(images)
    reals = int(np.count_nonzero(~images.is_fake))
    block = Block(
        n=len(images),
        n_real=reals,
        n_fake=len(images) - reals,
        groups=int(images.group.max()) + 1,
        failures=len(images) - read,
        confusion=confusion(images),
        baseline=baseline(images),
        metrics={name: by_name[name] for name in METRICS},
    )
    return block, dict(zip(areas.sizes, drawn[len(RESAMPLED) :], strict=True))


def measure_within(images: Images, draws: Draws) -> tuple[Metric, Metric]:
    """AUC and balanced accuracy of a slice that has both classes."""
    found = resample(images.group, MetricValues(images, ("auc", "balanced_accuracy")), draws)
    auc, balanced = (_metric(found.values[at], found.interval(at), "bootstrap", len(images)) for at in range(2))
    return auc, balanced


def confusion(images: Images) -> Confusion:
    """Counts by truth and prediction; an image that could not be read is counted as ``unreadable``."""

    def predicted(of_label: Flags) -> Predicted:
        return Predicted(
            called_real=int(np.count_nonzero(of_label & ~images.called_fake & ~images.failed)),
            called_fake=int(np.count_nonzero(of_label & images.called_fake & ~images.failed)),
            unreadable=int(np.count_nonzero(of_label & images.failed)),
        )

    return Confusion(real=predicted(~images.is_fake), fake=predicted(images.is_fake))


def baseline(images: Images) -> Baseline:
    """The metrics of always predicting the larger class."""
    fraction_fake = float(images.is_fake.mean())
    return Baseline(
        answer="fake" if fraction_fake > 0.5 else "real",
        accuracy=round(max(fraction_fake, 1 - fraction_fake), DIGITS),
        balanced_accuracy=0.5 if images.has_both else None,
        auc=0.5 if images.has_both else None,
        mcc=0.0,
    )


def metric(images: Images, name: str, value: float, drawn: tuple[float, float] | None) -> Metric:
    """A metric with the one interval that it has everywhere: a proportion its own, any other the one drawn."""
    if isinstance(METRICS[name], Proportion):
        success, among = proportion(images, name)
        interval_of = share_interval(success[among], images.group[among])
        return _metric(value, interval_of, "wilson", int(np.count_nonzero(among)))
    return _metric(value, drawn, "bootstrap", len(images))


def rate(success: Flags, group: Codes) -> Metric:
    """A proportion with Wilson's interval and the design effect of the groups; no value where nothing was counted.

    Args:
        success: bool [n].
        group: [n], equal for images of one group.
    """
    n = len(success)
    return _metric(float(success.mean()) if n else math.nan, share_interval(success, group), "wilson", n)


def estimate(value: float, ends: tuple[float, float] | None) -> Estimate:
    """A value, such as a difference, with its interval."""
    return Estimate(**interval(value, ends))


def _metric(value: float, ends: tuple[float, float] | None, method: Literal["wilson", "bootstrap"], n: int) -> Metric:
    return Metric(**interval(value, ends), method=method, n=n)


def _proportions(images: Images) -> dict[str, Metric]:
    found = {}
    for name, each in METRICS.items():
        if isinstance(each, Proportion):
            success, among = proportion(images, name)
            found[name] = rate(success[among], images.group[among])
    return found
