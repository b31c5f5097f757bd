"""Intervals of figures: Wilson's for shares, the bootstrap over groups for everything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.parallel import ordered_map
from unmask.stats.metrics import Codes, Flags, Floats

DRAWS: Final = 2000
LEVEL: Final = 0.95

_NORMAL_QUANTILE_975 = 1.959963984540054
# Draws that share a stream of random numbers: the result depends on this and not on the number of threads.
_BLOCK = 50


def wilson(successes: float, n: float, z: float = _NORMAL_QUANTILE_975) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927), 95 % by default; (0, 1) when nothing was counted.

    It takes the images as independent; see :func:`share_interval` for images that share groups.

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


def share_interval(success: Flags, group: Codes) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, for as many independent images as the groups are worth.

    Images of one video mostly stand or fall together. Their number is divided by the design effect, the variance of
    the share over whole groups relative to that of independent images, but never multiplied (Dean and Pagano 2015).
    Where all images agree there is no variance to see, and each group counts as one. With one image a group this
    is Wilson's interval.

    Args:
        success: bool [n].
        group: [n], equal for images of one group.
    """
    n, successes = len(success), int(success.sum())
    _, member = np.unique(group, return_inverse=True)
    groups = int(member.max()) + 1 if n else 0
    if groups == n:
        return wilson(successes, n)
    share = successes / n
    if successes in (0, n) or groups == 1:
        effective = float(groups)
    else:
        surplus = np.bincount(member, success - share)
        variance = groups / (groups - 1) * float(np.dot(surplus, surplus)) / n**2
        effective = n / max(1.0, variance / (share * (1 - share) / (n - 1)))
    return wilson(share * effective, effective)


def group_codes(groups: Sequence[str] | npt.NDArray[np.str_]) -> Codes:
    """A number for each image, equal where the group's name is; an image without a name is a group of its own."""
    names, codes = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if len(names) and names[0] == "":
        lonely = codes == 0
        codes[lonely] = len(names) + np.arange(np.count_nonzero(lonely))
        _, codes = np.unique(codes, return_inverse=True)
    return codes


def draw_groups(
    group: Codes, statistic: Callable[[Floats], Floats], draws: int = DRAWS, seed: int = 0, workers: int | None = None
) -> Floats:
    """Figures of resampled sets, whole groups being drawn with replacement (cluster bootstrap, Field and Welsh 2007).

    Images of one person or video are no independent evidence; drawing their group as a whole keeps that in.

    Args:
        group: [n], numbers from 0, equal for images of one group.
        statistic: figures [m], given how often each image was drawn, float [n]; called from several threads.
        draws: how many sets are drawn.
        seed: the same seed gives the same draws.
        workers: threads; by default one a CPU.

    Returns:
        float [draws, m].
    """
    groups = int(group.max()) + 1
    is_alone = groups == len(group) and bool((group == np.arange(groups)).all())

    def block(first: int) -> list[Floats]:
        generator = np.random.default_rng([seed, first])
        figures = []
        for _ in range(first, min(first + _BLOCK, draws)):
            # As a multinomial draw, but many times faster where there are many groups.
            drawn = np.bincount(generator.integers(0, groups, groups), minlength=groups).astype(np.float64)
            figures.append(statistic(drawn if is_alone else drawn[group]))
        return figures

    blocks = ordered_map(block, range(0, draws, _BLOCK), workers)
    return np.array([figures for done in blocks for figures in done], dtype=np.float64)


def percentile_interval(drawn: Floats, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile interval of a figure from its draws [draws]; those where it does not exist are left out.

    Returns:
        ``None`` where the draws do not vary or do not exist: then they say nothing of how sure the figure is.
    """
    existing = drawn[~np.isnan(drawn)]
    # What differs by rounding only does not vary.
    if not len(existing) or np.ptp(existing) <= 1e-12 * max(1.0, float(np.abs(existing).max())):
        return None
    low, high = np.quantile(existing, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
