"""The largest difference between groups, with an interval that allows for having chosen the largest one."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from unmask.stats.intervals import LEVEL, wilson
from unmask.stats.metrics import Floats
from unmask.stats.resample import distance_interval


@dataclass(frozen=True, slots=True)
class LargestGap:
    """The highest of some values less the lowest.

    Attributes:
        value: at least 0.
        ends: its confidence interval; ``None`` where the draws do not vary. It starts at 0 unless the groups differ by
            more than chance.
        highest: number of the group with the highest value.
        lowest: number of the group with the lowest one.
    """

    value: float
    ends: tuple[float, float] | None
    highest: int
    lowest: int


def gap_of_rates(rate: Floats, size: Floats, level: float = LEVEL) -> LargestGap:
    """The largest gap between proportions of independent groups.

    Every pair has Newcombe's interval of a difference (1998, method 10), which is made of both Wilson intervals, at a
    level raised for the number of pairs (Bonferroni). At the given level all of them hold at once, and then the true
    gap is at least the highest of their lower ends and at most the highest of their upper ends. For two groups this is
    Newcombe's interval, where it does not reach below 0.

    Args:
        rate: float [groups], in [0, 1]; at least two.
        size: float [groups], number of images, or of independent ones that are worth as much.
        level: confidence level.
    """
    pairs = len(rate) * (len(rate) - 1) // 2
    quantile = NormalDist().inv_cdf(1 - (1 - level) / (2 * pairs))
    ends = np.array([wilson(p * n, n, quantile) for p, n in zip(rate.tolist(), size.tolist(), strict=True)])
    below, above = rate - ends[:, 0], ends[:, 1] - rate
    # Of row less column; of a group less itself there is nothing to learn.
    difference = rate[:, None] - rate[None, :]
    low = difference - np.hypot(below[:, None], above[None, :])
    high = difference + np.hypot(above[:, None], below[None, :])
    is_pair = ~np.eye(len(rate), dtype=bool)
    found = max(0.0, float(low[is_pair].max())), min(1.0, float(high[is_pair].max()))
    return _largest(rate, found)


def gap_of_values(value: Floats, drawn: Floats, level: float = LEVEL) -> LargestGap:
    """The largest gap between values of any kind, such as AUCs, by the bootstrap.

    The range of values is a distance: by the triangle inequality the measured and the true one differ by at most the
    range of the errors, which the bootstrap imitates; see :func:`unmask.stats.resample.distance_interval`.

    Args:
        value: float [groups]; at least two.
        drawn: float [draws, groups], the values of resampled sets; NaN where one does not exist.
        level: confidence level.
    """
    return _largest(value, distance_interval(float(np.ptp(value)), np.ptp(drawn - value, axis=1), level))


def _largest(value: Floats, ends: tuple[float, float] | None) -> LargestGap:
    return LargestGap(float(np.ptp(value)), ends, int(np.argmax(value)), int(np.argmin(value)))
