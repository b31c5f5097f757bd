"""Every metric of a detector in one table. To add one, add one entry to ``METRICS``.

An unreadable image counts as a mistake in every metric of predictions and ranks; metrics of probabilities cover the
readable images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from unmask.stats.images import Images
from unmask.stats.metrics import (
    Bins,
    Codes,
    Confusion,
    Flags,
    Floats,
    Ranking,
    Roc,
    confusion_cells,
    log_losses,
    squared_errors,
    weighted_mean,
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: its key in result files.
        title: its name in pages and reports, in the middle of a sentence.
    """

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Proportion(Metric):
    """A proportion of some images. Its interval is Wilson's, with the design effect of the groups.

    Attributes:
        function: the images that count as successes, and those among which they are counted, bool [n] each;
            ``None`` where that is unknown.
    """

    function: Callable[[Images], tuple[Flags, Flags] | None]


@dataclass(frozen=True, slots=True)
class OfCounts(Metric):
    """A metric of the confusion matrix. Its interval, like all below, is drawn with the group bootstrap."""

    function: Callable[[Confusion], float]


@dataclass(frozen=True, slots=True)
class OfRanks(Metric):
    """A metric of the ROC curve."""

    function: Callable[[Roc], float]


@dataclass(frozen=True, slots=True)
class OfProbabilities(Metric):
    """A metric of the probabilities of readable images, given how often each image counts.

    The interval of the calibration error is that of a distance, see
    :func:`unmask.stats.resample.distance_interval`.
    """

    function: Callable[[Probabilities, Floats], float]


class Probabilities:
    """Probabilities of readable images, with what several metrics need of them."""

    def __init__(self, probability: Floats, is_fake: Flags) -> None:
        self.bins = Bins(probability, is_fake)
        self.losses = log_losses(probability, is_fake)
        self.squares = squared_errors(probability, is_fake)


def _everything(images: Images) -> Flags:
    return np.ones(len(images), bool)


_ENTRIES: tuple[Metric, ...] = (
    Proportion("accuracy", "accuracy", lambda images: (images.is_right, _everything(images))),
    Proportion("recall_fake", "recall of fake", lambda images: (images.called_fake, images.is_fake)),
    Proportion("specificity", "recall of real (specificity)", lambda images: (~images.called_fake, ~images.is_fake)),
    Proportion("precision_fake", "precision of fake", lambda images: (images.is_fake, images.called_fake)),
    Proportion("precision_real", "precision of real", lambda images: (~images.is_fake, ~images.called_fake)),
    Proportion(
        "accuracy_outside_band",
        "accuracy outside the uncertain band",
        lambda images: None if images.uncertain is None else (images.is_right, ~images.uncertain),
    ),
    Proportion(
        "uncertain_rate",
        "uncertain predictions",
        lambda images: None if images.uncertain is None else (images.uncertain, ~images.failed),
    ),
    OfCounts("balanced_accuracy", "balanced accuracy", lambda counts: counts.balanced_accuracy),
    OfCounts("f1_fake", "F1 of fake", lambda counts: counts.f1_fake),
    OfCounts("f1_real", "F1 of real", lambda counts: counts.f1_real),
    OfCounts("f1_weighted", "F1, weighted", lambda counts: counts.f1_weighted),
    OfCounts("precision_weighted", "precision, weighted", lambda counts: counts.precision_weighted),
    OfCounts("mcc", "Matthews' correlation", lambda counts: counts.mcc),
    OfRanks("auc", "AUC", Roc.auc),
    OfRanks("average_precision", "average precision", Roc.average_precision),
    OfRanks("eer", "equal error rate", Roc.equal_error_rate),
    OfRanks("tpr_at_fpr_1", "fakes found at 1 % false positives", lambda roc: roc.tpr_at_fpr(0.01)),
    OfRanks("tpr_at_fpr_5", "fakes found at 5 % false positives", lambda roc: roc.tpr_at_fpr(0.05)),
    OfProbabilities("log_loss", "log loss", lambda known, weight: weighted_mean(known.losses, weight)),
    OfProbabilities("brier", "Brier score", lambda known, weight: weighted_mean(known.squares, weight)),
    OfProbabilities("ece", "expected calibration error", lambda known, weight: known.bins.error(weight)),
)

METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ENTRIES}
"""Every metric by name, in the order of reports."""

RESAMPLED: Final = tuple(name for name, metric in METRICS.items() if not isinstance(metric, Proportion))
"""Metrics whose interval is drawn with the group bootstrap."""


def proportion(images: Images, name: str) -> tuple[Flags, Flags]:
    """Successes of a proportion and the images among which they are counted, bool [n] each; none where unknown."""
    metric = METRICS[name]
    if not isinstance(metric, Proportion):
        raise ValueError(f"{name} is not a proportion")
    nothing = np.zeros(len(images), bool)
    return metric.function(images) or (nothing, nothing)


class MetricValues:
    """Some metrics of the same images for any weights: what the bootstrap calls thousands of times.

    Args:
        images: the images; they are sorted and counted once.
        names: keys of ``METRICS``.
    """

    def __init__(self, images: Images, names: Sequence[str]) -> None:
        self._images = images
        self._metrics = [METRICS[name] for name in names]
        self._readable = np.flatnonzero(~images.failed)
        self._proportions: dict[str, tuple[Codes, Codes]] = {}
        for metric in self._metrics:
            if isinstance(metric, Proportion):
                success, among = proportion(images, metric.name)
                self._proportions[metric.name] = np.flatnonzero(success & among), np.flatnonzero(among)

    @cached_property
    def ranking(self) -> Ranking:
        """The images in the order of their scores."""
        return Ranking(self._images.score, self._images.is_fake)

    @cached_property
    def _cells(self) -> Codes:
        return confusion_cells(self._images.called_fake, self._images.is_fake)

    @cached_property
    def _known(self) -> Probabilities:
        return Probabilities(self._images.probability[self._readable], self._images.is_fake[self._readable])

    def calibration_noise(self, weight: Floats) -> float:
        """How far the drawn images lie from all images in calibration; see
        :func:`unmask.stats.resample.distance_interval`."""
        drawn = weight[self._readable]
        return self._known.bins.distance(drawn, np.ones(len(drawn)))

    def __call__(self, weight: Floats, roc: Roc | None = None) -> Floats:
        """The metrics with each image counted ``weight`` times, float [names]; NaN where one does not exist.

        Args:
            weight: float [n].
            roc: the curve of these weights, where the caller has it already.
        """
        counts: Confusion | None = None
        of_read: Floats | None = None
        values = []
        for metric in self._metrics:
            match metric:
                case Proportion():
                    success, among = self._proportions[metric.name]
                    total = float(weight[among].sum())
                    values.append(float(weight[success].sum()) / total if total else math.nan)
                case OfCounts():
                    counts = counts or Confusion.of_cells(self._cells, weight)
                    values.append(metric.function(counts))
                case OfRanks():
                    roc = roc or self.ranking.roc(weight)
                    values.append(metric.function(roc))
                case OfProbabilities():
                    if of_read is None:
                        of_read = weight[self._readable] if len(self._readable) < len(weight) else weight
                    values.append(metric.function(self._known, of_read))
        return np.array(values)
