"""Figures for a detector of fakes, and their intervals. Pure functions on numpy arrays.

``probability`` is that of fake, in [0, 1]; ``is_fake`` is the truth; ``weight`` counts how often a picture occurs in
a resampled set (1 each by default). A figure that needs both classes is NaN where one is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.int64]

_NORMAL_QUANTILE_975 = 1.959963984540054


def wilson(successes: int, n: int, z: float = _NORMAL_QUANTILE_975) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927), 95 % by default; (0, 1) when nothing was counted.

    It takes the pictures as independent, so where many share a group it is too narrow.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share")
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def auc(probability: Floats, is_fake: Flags, weight: Weights | None = None) -> float:
    """Area under the ROC curve: the chance that a fake scores above a real one, a tie counting half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    weight = _ones(is_fake) if weight is None else weight
    values, rank = np.unique(probability, return_inverse=True)
    fakes = np.bincount(rank, weight * is_fake, len(values))
    reals = np.bincount(rank, weight * ~is_fake, len(values))
    if not fakes.sum() or not reals.sum():
        return math.nan
    reals_below = np.cumsum(reals) - reals
    return float((fakes * (reals_below + reals / 2)).sum() / (fakes.sum() * reals.sum()))


def balanced_accuracy(called_fake: Flags, is_fake: Flags, weight: Weights | None = None) -> float:
    """The mean of the share of reals called real and the share of fakes called fake.

    >>> balanced_accuracy(np.array([False, True, True]), np.array([False, False, True]))
    0.75
    """
    weight = _ones(is_fake) if weight is None else weight
    totals = [float(weight[is_fake == label].sum()) for label in (False, True)]
    right = [float(weight[(is_fake == label) & (called_fake == label)].sum()) for label in (False, True)]
    if 0.0 in totals:
        return math.nan
    return (right[0] / totals[0] + right[1] / totals[1]) / 2


def brier(probability: Floats, is_fake: Flags) -> float:
    """The mean squared difference of probability and truth; 0.25 is what always answering 0.5 gives.

    >>> brier(np.array([0.0, 0.5]), np.array([False, True]))
    0.125
    """
    return float(np.mean((probability - is_fake) ** 2))


def expected_calibration_error(probability: Floats, is_fake: Flags, bins: int = 15) -> float:
    """How far probabilities of fake are from shares of fakes, on average over the pictures.

    [0, 1] is cut into bins of equal width, the last one closed; each bin's |mean probability - share of fakes| counts
    by its pictures (Guo et al. 2017, but with the probability of fake in place of the confidence in the verdict).

    >>> round(expected_calibration_error(np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, True, True, True])), 3)
    0.25
    """
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    surplus = np.bincount(bin_of, probability - is_fake, bins)
    return float(np.abs(surplus).sum() / len(probability))


def group_bootstrap(
    groups: Sequence[str] | npt.NDArray[np.str_],
    statistic: Callable[[Weights], float],
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """The percentile bootstrap interval of a figure, whole groups being drawn with replacement.

    Pictures of one person or video are no independent evidence; drawing their group as a whole keeps that in.

    Args:
        groups: the group of each picture.
        statistic: the figure, given how often each picture was drawn. Draws where it is NaN are left out.
        draws: how many sets are drawn.
        seed: the same seed gives the same interval.
        level: share of the draws inside the interval.

    Raises:
        ValueError: the figure is NaN in every draw.

    >>> group_bootstrap(["a", "b"], lambda weight: float(weight[0]), draws=200)
    (0.0, 2.0)
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    even = np.full(len(names), 1 / len(names))
    generator = np.random.default_rng(seed)
    figures = np.array([statistic(generator.multinomial(len(names), even)[member]) for _ in range(draws)])
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        raise ValueError("the figure exists in no draw")
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _ones(is_fake: Flags) -> Weights:
    return np.ones(len(is_fake), np.int64)
