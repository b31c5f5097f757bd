"""Significance tests for detectors on the same images. All p-values are two-sided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.errors import MissingExtraError
from unmask.stats.metrics import Codes, Flags, Floats, Ranking

LARGE: Final = 1000
"""Number of discordant predictions from which McNemar's test uses its chi-square form."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """Result of McNemar's test of two detectors.

    Attributes:
        only_first: number of images that only the first got right.
        only_second: number of images that only the second got right.
        p: probability of a split at least as uneven if both detectors are equally often right.
        form: ``exact``, or ``corrected`` for the chi-square form with continuity correction.
    """

    only_first: int
    only_second: int
    p: float
    form: str


def mcnemar(first_right: Flags, second_right: Flags, group: Codes | None = None) -> McNemar:
    """McNemar's test (1947): whether two detectors are equally often right.

    Under the null hypothesis, a group's surplus of one detector is equally likely to be the other's. The exact form
    counts all ways to swap groups; with one image per group, it is the binomial test of the discordant pairs. With
    1,000 discordant predictions or more, (abs(sum of surpluses) - 1)² / (sum of their squares) is compared with
    chi-square with one degree of freedom: with one image per group the form of Edwards (1948), else that of Durkalski
    et al. (2003) with the same correction.

    Args:
        first_right: bool [n], correct predictions of the first detector.
        second_right: bool [n], the same for the second, on the same images.
        group: int [n], equal for images of one group (default: each image is a group).
    """
    surplus = first_right.astype(np.int64) - second_right
    only_first, only_second = int(np.count_nonzero(surplus == 1)), int(np.count_nonzero(surplus == -1))
    if group is not None:
        _, member = np.unique(group, return_inverse=True)
        surplus = np.rint(np.bincount(member, surplus)).astype(np.int64)
    surplus = surplus[surplus != 0]
    total = abs(int(surplus.sum()))
    if only_first + only_second < LARGE:
        return McNemar(only_first, only_second, _swaps(np.abs(surplus), total), "exact")
    return McNemar(only_first, only_second, corrected_p(total, int(np.dot(surplus, surplus))), "corrected")


def corrected_p(difference: int, squares: int) -> float:
    """The p-value of (abs(difference) - 1)² / squares, chi-square with one degree of freedom; 1 for no difference."""
    if not squares or not difference:
        return 1.0
    return math.erfc(math.sqrt((abs(difference) - 1) ** 2 / squares / 2))


def _swaps(sizes: npt.NDArray[np.int64], total: int) -> float:
    """Proportion of all choices of signs for which the absolute sum of sizes is at least ``total``."""
    if not total:
        return 1.0
    span = int(sizes.sum())
    chance = np.zeros(2 * span + 1)  # probability of each sum, from -span
    chance[span] = 1.0
    for size in sizes:
        chance = (np.roll(chance, size) + np.roll(chance, -size)) / 2  # values that wrap around are still 0
    return min(1.0, 2 * math.fsum(chance[span + total :]))


@dataclass(frozen=True, slots=True)
class DeLong:
    """Result of DeLong's test of two areas under ROC curves.

    Attributes:
        first: AUC of the first detector.
        second: AUC of the second.
        deviation: standard error of their difference.
        p: p-value; 1 if both rank alike, NaN if a class is missing or has too few groups.
    """

    first: float
    second: float
    deviation: float
    p: float


def delong(first: Floats, second: Floats, is_fake: Flags, group: Codes | None = None) -> DeLong:
    """The test of DeLong, DeLong and Clarke-Pearson (1988) for two areas on the same images.

    Placements are computed from ranks (Sun and Xu 2014). With groups, sums of placements over whole groups replace
    single placements (Obuchowski 1997, in the form that equals DeLong's for groups of one image).

    Args:
        first: float [n], scores of the first detector; higher means fake.
        second: float [n], scores of the second.
        is_fake: bool [n].
        group: int [n], equal for images of one group (default: each image is a group).
    """
    return delong_runs([first], [second], is_fake, group)


def delong_runs(
    first: Sequence[Floats], second: Sequence[Floats], is_fake: Flags, group: Codes | None = None
) -> DeLong:
    """:func:`delong` for the mean areas of several runs of each detector, all on the same images.

    Placements are averaged over the runs, so the variance is that of the difference of mean areas.

    Args:
        first: float [n] each, scores of every run of the first detector.
        second: the same for the second.
        is_fake: bool [n].
        group: as for :func:`delong`.
    """
    fakes, reals = int(is_fake.sum()), int((~is_fake).sum())
    areas, influence = [], np.zeros(len(is_fake))
    for runs, sign in ((first, 1.0), (second, -1.0)):
        of_runs = []
        for score in runs:
            ranking = Ranking(score, is_fake)
            roc = ranking.roc()
            of_runs.append(roc.auc())
            if fakes and reals:
                of_fake, of_real = roc.placements()
                placement = np.where(is_fake, of_fake[ranking.score_of], of_real[ranking.score_of])
                influence += sign * (placement - of_runs[-1]) / len(runs)
        areas.append(math.fsum(of_runs) / len(runs))
    if fakes < 2 or reals < 2:
        return DeLong(areas[0], areas[1], math.nan, math.nan)
    member = np.arange(len(is_fake)) if group is None else np.unique(group, return_inverse=True)[1]
    difference = areas[0] - areas[1]
    if not np.abs(influence).max() > 1e-12:  # the same ranks: certainly no difference
        return DeLong(areas[0], areas[1], 0.0, 1.0)
    deviation = math.sqrt(_variance(influence, is_fake, member, fakes, reals))
    p = math.erfc(abs(difference) / deviation / math.sqrt(2)) if deviation else math.nan
    return DeLong(areas[0], areas[1], deviation, p)


def _variance(influence: Floats, is_fake: Flags, member: Codes, fakes: int, reals: int) -> float:
    sums = {}
    total = 0.0
    for fake, n in ((True, fakes), (False, reals)):
        own = is_fake == fake
        by_group = np.bincount(member[own], influence[own], int(member.max()) + 1)
        groups = len(np.unique(member[own]))
        if groups < 2:
            return math.nan
        sums[fake] = by_group / n
        total += groups / (groups - 1) * float(np.dot(sums[fake], sums[fake]))
    groups = int(member.max()) + 1
    return max(0.0, total + 2 * groups / (groups - 1) * float(np.dot(sums[True], sums[False])))


@dataclass(frozen=True, slots=True)
class Swap:
    """Result of :func:`swap`.

    Attributes:
        difference: first minus second.
        low: lower end of its 95 % interval.
        high: upper end.
        p: how often random swaps of the detectors, group by group, give a difference at least as large.
    """

    difference: float
    low: float
    high: float
    p: float


def swap(surplus: Floats, group: Codes, draws: int, seed: int) -> Swap:
    """A paired randomisation test (Fisher 1935) over whole groups, with an interval that agrees with it.

    If there are at most ``draws`` ways to swap, all are counted, else ``draws`` random ones; with 1,000 discordant
    groups or more, their sum is assumed to be normal. The interval is normal, too, with one discordant image added on
    either side as in Bonett and Price (2012): five wins against none are no proof, although a plain bootstrap would say
    so.

    Args:
        surplus: float [n], contribution of each image to the difference.
        group: int [n], numbers from 0, equal for images that are swapped together.
        draws: number of random ways to swap.
        seed: random seed.
    """
    total, unit = float(surplus.sum()), float(np.abs(surplus).max(initial=0.0))
    by_group = np.bincount(group, surplus).astype(np.float64)
    groups = len(by_group)
    squares = float((by_group**2).sum())
    half = NormalDist().inv_cdf(0.975) * math.sqrt(max(0.0, squares + 2 * unit**2 - total**2 / groups))
    discordant = by_group[np.abs(by_group) > 1e-12 * max(unit, 1e-300)]
    return Swap(total, total - half, total + half, _swapped(discordant, total, squares, draws, seed))


def _swapped(discordant: Floats, total: float, squares: float, draws: int, seed: int) -> float:
    if not len(discordant):
        return 1.0
    if len(discordant) >= LARGE:
        return math.erfc(abs(total) / math.sqrt(2 * squares))
    reach = abs(total) - 1e-9 * float(
        np.abs(discordant).sum()
    )  # sums of the same numbers in another order round differently
    if 2 ** len(discordant) <= draws:
        ways = np.array(list(product((-1.0, 1.0), repeat=len(discordant))))
        return float(np.mean(np.abs(ways @ discordant) >= reach))
    signs = np.random.default_rng(seed).integers(0, 2, (draws, len(discordant))) * 2.0 - 1.0
    return (int(np.count_nonzero(np.abs(signs @ discordant) >= reach)) + 1) / (draws + 1)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction (1979) for several tests; tests without a p-value (NaN) are ignored.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    existing = [at for at in range(len(p)) if not math.isnan(p[at])]
    adjusted = [math.nan] * len(p)
    highest = 0.0
    for passed, at in enumerate(sorted(existing, key=lambda at: p[at])):
        highest = max(highest, min(1.0, (len(existing) - passed) * p[at]))
        adjusted[at] = highest
    return adjusted


@dataclass(frozen=True, slots=True)
class CochranQ:
    """Result of Cochran's Q for three or more detectors.

    Attributes:
        q: the statistic; 0 if all predictions agree.
        degrees: degrees of freedom.
        p: probability of a q at least as large if all detectors are equally often right.
    """

    q: float
    degrees: int
    p: float


def cochran_q(right: npt.NDArray[np.bool_]) -> CochranQ:
    """Cochran's Q (1950): whether several detectors are equally often right. It assumes independent images.

    Args:
        right: bool [n, k], correct predictions of each detector.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.stats import chi2
    except ImportError as error:
        raise MissingExtraError("train", "Cochran's Q") from error
    detectors = right.shape[1]
    by_detector, by_image = right.sum(axis=0, dtype=np.int64), right.sum(axis=1, dtype=np.int64)
    total = int(by_detector.sum())
    below = detectors * total - int(np.dot(by_image, by_image))
    if not below:
        return CochranQ(0.0, detectors - 1, 1.0)
    q = (detectors - 1) * (detectors * int(np.dot(by_detector, by_detector)) - total**2) / below
    return CochranQ(float(q), detectors - 1, float(chi2.sf(q, detectors - 1)))
