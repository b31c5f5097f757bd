"""The group bootstrap: how every confidence interval is drawn that is not the interval of a proportion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from unmask.parallel import ordered_map
from unmask.stats.intervals import LEVEL
from unmask.stats.metrics import Codes, Floats

DRAWS: Final = 2000

# Draws that use the same stream of random numbers: the result depends on this and not on the number of threads.
_BLOCK: Final = 50

Statistic = Callable[[Floats], Floats]
"""Values of any shape, given how often each image was drawn, float [n]; called from several threads."""


@dataclass(frozen=True)
class Draws:
    """Settings of the bootstrap.

    Attributes:
        draws: number of resampled sets.
        seed: random seed; the same seed gives the same draws.
        workers: threads (default: number of CPUs); they do not change the result.
    """

    draws: int = DRAWS
    seed: int = 0
    workers: int | None = None


@dataclass(frozen=True)
class Resampled:
    """A statistic of the images as they are and of every resampled set.

    Attributes:
        values: float [...], the statistic with each image counted once.
        drawn: float [draws, ...], the statistic of each resampled set.
    """

    values: Floats
    drawn: Floats

    def interval(self, *at: int) -> tuple[float, float] | None:
        """The percentile interval of one value, chosen by its indices; see :func:`percentile_interval`."""
        index: tuple[Any, ...] = (slice(None), *at)
        return percentile_interval(self.drawn[index])


def resample(group: Codes, statistic: Statistic, draws: Draws | None = None) -> Resampled:
    """Compute a statistic for the images and for resampled sets of whole groups.

    The groups are drawn with replacement (cluster bootstrap, Field and Welsh 2007). Images of one person or video are
    not independent evidence; drawing their group as a whole takes that into account.

    Args:
        group: [n], numbers from 0, equal for images of one group.
        statistic: what to compute.
        draws: settings of the bootstrap.
    """
    draws = draws or Draws()
    return Resampled(statistic(np.ones(len(group))), draw_groups(group, statistic, draws))


def draw_groups(group: Codes, statistic: Statistic, draws: Draws) -> Floats:
    """The statistic of each resampled set only, float [draws, ...]; see :func:`resample`."""
    groups = int(group.max()) + 1
    is_alone = groups == len(group) and bool((group == np.arange(groups)).all())

    def block(first: int) -> list[Floats]:
        generator = np.random.default_rng([draws.seed, first])
        found = []
        for _ in range(first, min(first + _BLOCK, draws.draws)):
            # As a multinomial draw, but many times faster where there are many groups.
            drawn = np.bincount(generator.integers(0, groups, groups), minlength=groups).astype(np.float64)
            found.append(statistic(drawn if is_alone else drawn[group]))
        return found

    blocks = ordered_map(block, range(0, draws.draws, _BLOCK), draws.workers)
    return np.array([values for done in blocks for values in done], dtype=np.float64)


def percentile_interval(drawn: Floats, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile interval of a value from its draws [draws]; draws where it does not exist (NaN) are left out.

    Returns:
        ``None`` where the draws do not vary or do not exist: then they do not show how certain the value is.
    """
    existing = drawn[~np.isnan(drawn)]
    # Values that differ only by rounding do not vary.
    if not len(existing) or np.ptp(existing) <= 1e-12 * max(1.0, float(np.abs(existing).max())):
        return None
    low, high = np.quantile(existing, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def distance_interval(value: float, noise: Floats, level: float = LEVEL) -> tuple[float, float] | None:
    """The interval of a distance from 0, such as the calibration error: a sum of absolute values.

    Chance can only add to such a sum, so every drawn one is larger by chance than the measured one, and the measured
    one larger than the true one: a percentile interval can lie above the value that it belongs to. By the triangle
    inequality, measured and true value differ by at most the distance between what was measured and the truth, which
    the bootstrap imitates by the distance between drawn and measured. The interval therefore contains the value, and
    covers the truth at least as often as ``level`` says; it is as wide as chance could make it, rather than as wide as
    it is.

    Args:
        value: as measured, at least 0.
        noise: float [draws], the distance of each drawn set from what was measured; NaN where it does not exist.
        level: how often the interval covers the truth.

    Returns:
        ``None`` where there is no noise to see.
    """
    existing = noise[~np.isnan(noise)]
    if not len(existing) or float(existing.max()) <= 1e-12:
        return None
    reach = float(np.quantile(existing, level))
    return max(0.0, value - reach), min(1.0, value + reach)


def centred_interval(value: float, drawn: Floats, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile interval moved so that its median is the value: for differences of such distances.

    What chance adds to each of the two distances is not the same in both, and does not cancel.

    Args:
        value: the difference as measured.
        drawn: float [draws].
        level: as for :func:`percentile_interval`.
    """
    ends = percentile_interval(drawn, level)
    if ends is None:
        return None
    shift = value - float(np.nanmedian(drawn))
    return ends[0] + shift, ends[1] + shift
