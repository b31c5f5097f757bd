"""Confidence intervals of proportions, and groups of images that are not independent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.stats.metrics import Codes, Flags

DIGITS: Final = 10
LEVEL: Final = 0.95

_NORMAL_QUANTILE_975 = 1.959963984540054


def wilson(successes: float, n: float, z: float = _NORMAL_QUANTILE_975) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), by default 95 %; (0, 1) if nothing was counted.

    It assumes independent images; see :func:`share_interval` for images in groups.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a proportion")
    if n == 0:
        return 0.0, 1.0
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def share_interval(success: Flags, group: Codes) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion with the design effect of the groups.

    Images of one video are mostly right or wrong together. The number of images is divided by the design effect: the
    variance of the proportion over whole groups relative to that of independent images, at least 1 (Dean and Pagano
    2015). If all images agree, there is no variance to measure, and each group counts as one image. With one image per
    group, this is Wilson's interval.

    Args:
        success: bool [n].
        group: int [n], equal for images of one group.
    """
    n, successes = len(success), int(success.sum())
    effective = effective_size(success, group)
    return wilson(successes, n) if effective == n else wilson(successes / n * effective, effective)


def effective_size(success: Flags, group: Codes) -> float:
    """The number of independent images that would tell as much about a proportion; see :func:`share_interval`.

    Args:
        success: bool [n].
        group: int [n], equal for images of one group.

    Returns:
        At most n, which it is with one image per group.
    """
    n, successes = len(success), int(success.sum())
    _, member = np.unique(group, return_inverse=True)
    groups = int(member.max()) + 1 if n else 0
    if groups == n:
        return float(n)
    rate = successes / n
    if successes in (0, n) or groups == 1:
        return float(groups)
    surplus = np.bincount(member, success - rate)
    variance = groups / (groups - 1) * float(np.dot(surplus, surplus)) / n**2
    return n / max(1.0, variance / (rate * (1 - rate) / (n - 1)))


def group_codes(groups: Sequence[str] | npt.NDArray[np.str_]) -> Codes:
    """A number for each image, equal for images of one group; an image with a blank group is a group of its own."""
    names, codes = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if len(names) and names[0] == "":
        lonely = codes == 0
        codes[lonely] = len(names) + np.arange(np.count_nonzero(lonely))
        _, codes = np.unique(codes, return_inverse=True)
    return codes


def interval(value: float, ends: tuple[float, float] | None) -> dict[str, float | None]:
    """A metric with the ends of its interval as plain values; ``None`` for what does not exist."""
    low, high = ends if ends is not None and not math.isnan(value) else (math.nan, math.nan)
    return {"value": rounded(value), "low": rounded(low), "high": rounded(high)}


def rounded(value: float) -> float | None:
    """A value for JSON, with as many digits as the noise of the last bit allows; ``None`` for NaN."""
    return None if math.isnan(value) else round(float(value), DIGITS)
