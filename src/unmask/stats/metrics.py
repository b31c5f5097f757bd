"""Metrics of a detector of fakes, as pure functions on numpy arrays.

A higher ``score`` means fake; ``probability`` is the probability of fake, in [0, 1]; ``is_fake`` is the truth;
``weight`` is how often each image occurs in a resampled set (default: once). Fake is the positive class. A metric that
the images do not determine, such as an AUC with one class missing, is NaN; Matthews' correlation is then 0 by
convention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]

ECE_BINS: Final = 15


@dataclass(frozen=True, slots=True)
class Confusion:
    """A confusion matrix; fake is the positive class.

    Attributes:
        true_positives: fakes called fake.
        false_positives: reals called fake.
        true_negatives: reals called real.
        false_negatives: fakes called real.
    """

    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float

    @classmethod
    def of(cls, called_fake: Flags, is_fake: Flags, weight: Floats | None = None) -> Confusion:
        """Count predictions, bool [n], by the truth."""
        return cls.of_cells(confusion_cells(called_fake, is_fake), weight)

    @classmethod
    def of_cells(cls, cells: Codes, weight: Floats | None = None) -> Confusion:
        """Count the result of :func:`confusion_cells`, which many resampled sets share."""
        true_negatives, false_positives, false_negatives, true_positives = np.bincount(cells, weight, 4).tolist()
        return cls(true_positives, false_positives, true_negatives, false_negatives)

    @property
    def fakes(self) -> float:
        """Number of fakes."""
        return self.true_positives + self.false_negatives

    @property
    def reals(self) -> float:
        """Number of real images."""
        return self.true_negatives + self.false_positives

    @property
    def accuracy(self) -> float:
        """Proportion of correct predictions."""
        return _ratio(self.true_positives + self.true_negatives, self.fakes + self.reals)

    @property
    def recall_fake(self) -> float:
        """Proportion of fakes called fake (sensitivity, true-positive rate)."""
        return _ratio(self.true_positives, self.fakes)

    @property
    def specificity(self) -> float:
        """Proportion of real images called real: recall of real."""
        return _ratio(self.true_negatives, self.reals)

    @property
    def precision_fake(self) -> float:
        """Proportion of fakes among the images called fake."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def precision_real(self) -> float:
        """Proportion of real images among those called real."""
        return _ratio(self.true_negatives, self.true_negatives + self.false_negatives)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of both classes; predictions that ignore the image get 0.5."""
        return (self.recall_fake + self.specificity) / 2

    @property
    def f1_fake(self) -> float:
        """Harmonic mean of precision and recall of fake."""
        return _ratio(2 * self.true_positives, self.fakes + self.true_positives + self.false_positives)

    @property
    def f1_real(self) -> float:
        """Harmonic mean of precision and recall of real."""
        return _ratio(2 * self.true_negatives, self.reals + self.true_negatives + self.false_negatives)

    @property
    def precision_weighted(self) -> float:
        """Precision of both classes, weighted by class size. (Recall weighted this way is the accuracy.)"""
        return self._by_size(self.precision_fake, self.precision_real)

    @property
    def f1_weighted(self) -> float:
        """F1 of both classes, weighted by class size."""
        return self._by_size(self.f1_fake, self.f1_real)

    @property
    def mcc(self) -> float:
        """Matthews' correlation of prediction and truth, in [-1, 1]; 0 if either is constant (Matthews 1975)."""
        called_fake = self.true_positives + self.false_positives
        called_real = self.true_negatives + self.false_negatives
        margins = math.sqrt(self.fakes) * math.sqrt(self.reals) * math.sqrt(called_fake) * math.sqrt(called_real)
        if not margins:
            return 0.0
        return (self.true_positives * self.true_negatives - self.false_positives * self.false_negatives) / margins

    def _by_size(self, of_fake: float, of_real: float) -> float:
        # A class without images has no weight, although its metric may not exist.
        parts = [(self.fakes, of_fake), (self.reals, of_real)]
        return _ratio(sum(size * value for size, value in parts if size), self.fakes + self.reals)


def confusion_cells(called_fake: Flags, is_fake: Flags) -> Codes:
    """Cell of each image: 0 real called real, 1 real called fake, 2 fake called real, 3 fake called fake."""
    return 2 * is_fake.astype(np.intp) + called_fake


@dataclass(frozen=True)
class Roc:
    """Images at or above each threshold, from the highest threshold down.

    Attributes:
        thresholds: float [k + 1], infinity and then the distinct scores, descending.
        fakes: float [k + 1], weight of the fakes at or above each, from 0 to that of all.
        reals: float [k + 1], the same for real images.
    """

    thresholds: Floats
    fakes: Floats
    reals: Floats

    @property
    def has_both(self) -> bool:
        """Whether both classes are present."""
        return bool(self.fakes[-1] > 0 and self.reals[-1] > 0)

    def auc(self) -> float:
        """Area under the ROC curve: the probability that a fake scores above a real image, ties counting half."""
        if not self.has_both:
            return math.nan
        area = _dot(self.reals[1:] - self.reals[:-1], self.fakes[1:] + self.fakes[:-1]) / 2
        return float(area / (self.fakes[-1] * self.reals[-1]))

    def placements(self) -> tuple[Floats, Floats]:
        """Proportion of real images below each score and of fakes above it, ties counting half; float [k] each.

        The mean of the first over some fakes is their AUC against all real images (Hanley and Hajian-Tilaki 1997).
        """
        with np.errstate(invalid="ignore"):  # without real images there is no proportion of them
            reals_below = 1 - (self.reals[1:] + self.reals[:-1]) / (2 * self.reals[-1])
            fakes_above = (self.fakes[1:] + self.fakes[:-1]) / (2 * self.fakes[-1])
        return reals_below, fakes_above

    def average_precision(self) -> float:
        """Sum over thresholds of precision times increase in recall, without interpolation; NaN without fakes."""
        if not self.fakes[-1]:
            return math.nan
        called = self.fakes[1:] + self.reals[1:]
        # Where nothing is called fake, recall does not increase either.
        precision = self.fakes[1:] / np.maximum(called, np.finfo(np.float64).tiny)
        return float(_dot(self.fakes[1:] - self.fakes[:-1], precision) / self.fakes[-1])

    def equal_error_rate(self) -> float:
        """The error rate where false-positive and false-negative rate are equal, interpolated linearly."""
        if not self.has_both:
            return math.nan
        false_positives = self.reals / self.reals[-1]
        surplus = false_positives + self.fakes / self.fakes[-1] - 1  # of false positives over false negatives; rises
        after = int(np.searchsorted(surplus, 0.0))  # at least 1, for the first is -1
        way = -surplus[after - 1] / (surplus[after] - surplus[after - 1])
        return float(false_positives[after - 1] + way * (false_positives[after] - false_positives[after - 1]))

    def tpr_at_fpr(self, budget: float) -> float:
        """The highest recall of fake at a threshold with a false-positive rate of at most ``budget``.

        There is no interpolation: only actual thresholds count. With n real images, a budget below 1 / n allows none.
        """
        if not self.has_both:
            return math.nan
        # A budget of 1 % of 300 reals allows three of them, whatever 0.01 * 300 rounds to.
        within = int(np.searchsorted(self.reals, budget * self.reals[-1] * (1 + 1e-12), side="right"))
        return float(self.fakes[within - 1] / self.fakes[-1])


class Ranking:
    """Images in descending order of their scores, sorted once for many weights."""

    def __init__(self, score: Floats, is_fake: Flags) -> None:
        self._order = np.argsort(-score, kind="stable")
        ranked = score[self._order]
        self._is_fake = is_fake[self._order].astype(np.float64)
        self._ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])
        self._thresholds = np.append(np.inf, ranked[self._ends])

    @property
    def score_of(self) -> Codes:
        """Index of each image's score among the distinct scores, in the order of the given images."""
        found = np.empty(len(self._order), np.intp)
        found[self._order] = np.repeat(np.arange(len(self._ends)), np.diff(self._ends, prepend=-1))
        return found

    def roc(self, weight: Floats | None = None) -> Roc:
        """The curve, with each image counted ``weight`` times."""
        ranked = np.ones(len(self._order)) if weight is None else weight[self._order]
        fakes, everything = np.zeros(len(self._ends) + 1), np.zeros(len(self._ends) + 1)
        fakes[1:] = np.cumsum(ranked * self._is_fake)[self._ends]
        everything[1:] = np.cumsum(ranked)[self._ends]
        return Roc(self._thresholds, fakes, everything - fakes)


class Bins:
    """Images in bins of equal width over [0, 1] of the probability of fake, the last one closed."""

    def __init__(self, probability: Floats, is_fake: Flags, bins: int = ECE_BINS) -> None:
        self.bin_of = np.minimum((probability * bins).astype(np.intp), bins - 1)
        self.bins = bins
        self._surplus = probability - is_fake

    def surplus(self, weight: Floats) -> Floats:
        """Mean probability minus proportion of fakes of each bin, times its part of the images, float [bins]."""
        total = float(weight.sum())
        surplus = np.bincount(self.bin_of, weight * self._surplus, self.bins)
        return surplus / total if total else np.full(self.bins, math.nan)

    def distance(self, weight: Floats, other: Floats) -> float:
        """How far the calibration errors with two weights can lie apart at most: the sum over bins of differences."""
        return float(np.abs(self.surplus(weight) - self.surplus(other)).sum())

    def error(self, weight: Floats | None = None) -> float:
        """Mean over images of the difference between their bin's mean probability and its proportion of fakes."""
        weight = np.ones(len(self.bin_of)) if weight is None else weight
        surplus = np.bincount(self.bin_of, weight * self._surplus, self.bins)
        return _ratio(float(np.abs(surplus).sum()), float(weight.sum()))


def auc(score: Floats, is_fake: Flags, weight: Floats | None = None) -> float:
    """Area under the ROC curve: the probability that a fake scores above a real image, ties counting half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    return Ranking(score, is_fake).roc(weight).auc()


def average_precision(score: Floats, is_fake: Flags, weight: Floats | None = None) -> float:
    """See :meth:`Roc.average_precision`.

    >>> average_precision(np.array([0.1, 0.4, 0.3, 0.8]), np.array([False, False, True, True])) == (1 + 2 / 3) / 2
    True
    """
    return Ranking(score, is_fake).roc(weight).average_precision()


def equal_error_rate(score: Floats, is_fake: Flags, weight: Floats | None = None) -> float:
    """See :meth:`Roc.equal_error_rate`.

    >>> equal_error_rate(np.array([0.1, 0.4, 0.3, 0.8]), np.array([False, False, True, True]))
    0.5
    """
    return Ranking(score, is_fake).roc(weight).equal_error_rate()


def tpr_at_fpr(score: Floats, is_fake: Flags, budget: float, weight: Floats | None = None) -> float:
    """See :meth:`Roc.tpr_at_fpr`.

    >>> tpr_at_fpr(np.array([0.1, 0.4, 0.3, 0.8]), np.array([False, False, True, True]), 0.01)
    0.5
    """
    return Ranking(score, is_fake).roc(weight).tpr_at_fpr(budget)


def balanced_accuracy(called_fake: Flags, is_fake: Flags, weight: Floats | None = None) -> float:
    """The mean of the recall of real and the recall of fake.

    >>> balanced_accuracy(np.array([False, True, True]), np.array([False, False, True]))
    0.75
    """
    return Confusion.of(called_fake, is_fake, weight).balanced_accuracy


def squared_errors(probability: Floats, is_fake: Flags) -> Floats:
    """Squared difference of probability and truth of each image."""
    return np.asarray((probability - is_fake) ** 2)


def brier(probability: Floats, is_fake: Flags, weight: Floats | None = None) -> float:
    """The mean squared difference of probability and truth; always predicting 0.5 gives 0.25.

    >>> brier(np.array([0.0, 0.5]), np.array([False, True]))
    0.125
    """
    return weighted_mean(squared_errors(probability, is_fake), weight)


def log_losses(probability: Floats, is_fake: Flags) -> Floats:
    """Negative logarithm of the probability given to the truth of each image; probabilities are at least 2⁻⁵²."""
    tiny = np.finfo(np.float64).eps
    certain = np.clip(probability, tiny, 1 - tiny)
    return np.asarray(-np.log(np.where(is_fake, certain, 1 - certain)))


def log_loss(probability: Floats, is_fake: Flags, weight: Floats | None = None) -> float:
    """The mean of :func:`log_losses`; always predicting 0.5 gives log 2 = 0.693.

    >>> round(log_loss(np.array([0.5, 0.25]), np.array([False, True])), 6)
    1.039721
    """
    return weighted_mean(log_losses(probability, is_fake), weight)


def expected_calibration_error(probability: Floats, is_fake: Flags, weight: Floats | None = None) -> float:
    """Mean difference between the probability of fake and the proportion of fakes.

    [0, 1] is divided into 15 bins of equal width, the last one closed; |mean probability - proportion of fakes| of each
    bin is weighted by its images (Guo et al. 2017, with the probability of fake instead of the confidence).

    >>> round(expected_calibration_error(np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, True, True, True])), 3)
    0.25
    """
    return Bins(probability, is_fake).error(weight)


def weighted_mean(values: Floats, weight: Floats | None = None) -> float:
    """The mean with each value counted ``weight`` times; NaN without values."""
    if weight is None:
        return float(values.mean()) if len(values) else math.nan
    return _ratio(_dot(values, weight), float(weight.sum()))


def _dot(first: Floats, second: Floats) -> float:
    # Not np.dot: BLAS would start its own threads for each of thousands of resampled sets. This also rounds less.
    return float((first * second).sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
