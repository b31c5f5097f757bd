"""Whether two detectors differ on the same images, or chance explains it. Probabilities are two-sided."""

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
"""From how many discordant answers on McNemar's test takes its chi-square form."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of two detectors' answers.

    Attributes:
        only_first: images that only the first got right.
        only_second: images that only the second got right.
        p: how often so uneven a split, or a more uneven one, comes about where both are equally often right.
        form: ``exact``, or ``corrected`` for the chi-square form with continuity correction.
    """

    only_first: int
    only_second: int
    p: float
    form: str


def mcnemar(first_right: Flags, second_right: Flags, group: Codes | None = None) -> McNemar:
    """McNemar's test (1947): which of two detectors is right where the other is wrong.

    Under the null each group's surplus of one detector could as well have been the other's. The exact form counts all
    ways to swap groups; with one image a group this is the binomial test of the discordant pairs. From 1,000
    discordant answers on (abs(sum of surpluses) - 1)² / (sum of their squares) is held against chi-square with one
    degree of freedom: with one image a group Edwards' form (1948), with several that of Durkalski et al. (2003) with
    the same correction.

    Args:
        first_right: bool [n], whether the first detector's answer is right.
        second_right: bool [n], the same of the second, on the same images.
        group: [n], equal for images that stand or fall together; each alone by default.
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
    """The p-value of (abs(difference) - 1)² / squares, chi-square with one degree of freedom; 1 where all is even."""
    if not squares or not difference:
        return 1.0
    return math.erfc(math.sqrt((abs(difference) - 1) ** 2 / squares / 2))


def _swaps(sizes: npt.NDArray[np.int64], total: int) -> float:
    """The share of all choices of signs that bring the sum of sizes to ``total`` or beyond it, on either side."""
    if not total:
        return 1.0
    span = int(sizes.sum())
    chance = np.zeros(2 * span + 1)  # of each sum, from -span
    chance[span] = 1.0
    for size in sizes:
        chance = (np.roll(chance, size) + np.roll(chance, -size)) / 2  # what would wrap round is still 0
    return min(1.0, 2 * math.fsum(chance[span + total :]))


@dataclass(frozen=True, slots=True)
class DeLong:
    """DeLong's test of two areas under ROC curves.

    Attributes:
        first: AUC of the first detector.
        second: AUC of the second.
        deviation: standard error of their difference.
        p: of the difference; 1 where both rank alike, NaN where a class is missing or has too few groups.
    """

    first: float
    second: float
    deviation: float
    p: float


def delong(first: Floats, second: Floats, is_fake: Flags, group: Codes | None = None) -> DeLong:
    """The test of DeLong, DeLong and Clarke-Pearson (1988) for two areas on the same images.

    Placements come from ranks, as Sun and Xu (2014) compute them. With groups, whole groups' sums of placements take
    the place of single ones (Obuchowski 1997, in the form that equals DeLong's where each group holds one image).

    Args:
        first: scores float [n] of the first detector, growing towards fake.
        second: those of the second.
        is_fake: bool [n].
        group: [n], equal for images of one group; each alone by default.
    """
    return delong_runs([first], [second], is_fake, group)


def delong_runs(
    first: Sequence[Floats], second: Sequence[Floats], is_fake: Flags, group: Codes | None = None
) -> DeLong:
    """:func:`delong` for the mean areas of several runs of each, all on the same images.

    An image's placement is its mean over the runs, so that the variance is that of the difference of mean areas.

    Args:
        first: scores float [n] of each of the first's runs.
        second: those of the second's.
        is_fake: bool [n].
        group: as of :func:`delong`.
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
    if not np.abs(influence).max() > 1e-12:  # the same ranks: no difference, and no doubt about it
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
    """The difference of two detectors in a mean over images.

    Attributes:
        difference: first minus second.
        low: end of its 95 % interval.
        high: the other end.
        p: how often swapping the two detectors group by group gives so large a difference, or a larger one.
    """

    difference: float
    low: float
    high: float
    p: float


def swap(surplus: Floats, group: Codes, draws: int, seed: int) -> Swap:
    """A paired randomisation test (Fisher 1935) over whole groups, with an interval that agrees with it.

    All ways to swap are counted where they are no more than ``draws``, otherwise so many are drawn; from 1,000
    discordant groups on their sum is taken as normal. The interval is normal too, with one discordant image added on
    either side as Bonett and Price (2012) do: five wins against none are no proof, and a plain bootstrap would say so.

    Args:
        surplus: float [n], what each image adds to the difference.
        group: [n], numbers from 0, equal for images that are swapped together.
        draws: how many ways to swap are drawn.
        seed: of the draws.
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
    reach = abs(total) - 1e-9 * float(np.abs(discordant).sum())  # sums of the same numbers round differently
    if 2 ** len(discordant) <= draws:
        ways = np.array(list(product((-1.0, 1.0), repeat=len(discordant))))
        return float(np.mean(np.abs(ways @ discordant) >= reach))
    signs = np.random.default_rng(seed).integers(0, 2, (draws, len(discordant))) * 2.0 - 1.0
    return (int(np.count_nonzero(np.abs(signs @ discordant) >= reach)) + 1) / (draws + 1)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction (1979) for several tests; tests without a p-value (NaN) are none.

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
    """Cochran's Q of three or more detectors' answers.

    Attributes:
        q: the statistic; 0 where no two answers differ.
        degrees: of freedom.
        p: how often so large a q comes about where all are equally often right.
    """

    q: float
    degrees: int
    p: float


def cochran_q(right: npt.NDArray[np.bool_]) -> CochranQ:
    """Cochran's Q (1950): whether several detectors are equally often right. It takes images as independent.

    Args:
        right: bool [n, k], whether each answer is right.

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
