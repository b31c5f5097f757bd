"""Whether a detector's rates differ between groups of images, such as those of people of different ages.

The groups are the values of a column of the table. They are never inferred from images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from unmask.evaluation.results.fairness import Fairness, GroupGap
from unmask.stats.gaps import LargestGap, gap_of_rates, gap_of_values
from unmask.stats.images import Images
from unmask.stats.intervals import DIGITS, effective_size, interval
from unmask.stats.metrics import Codes, Flags, Floats
from unmask.stats.registry import MetricValues, proportion
from unmask.stats.resample import Draws, resample

LEAST: Final = 30
"""Images of a class from which a group's rate is compared: below it, the interval spans some 25 points and more."""

_MOST_GROUPS: Final = 100  # a column with more values is an identifier
# Uncertain verdicts of each class apart: a group with more fakes would otherwise have more of them for that alone.
_PROPORTIONS: Final = ("specificity", "recall_fake", "uncertain_real", "uncertain_fake")


def compare_groups(
    images: Images, names: Sequence[str], codes: Codes, sources: Sequence[str], draws: Draws
) -> Fairness:
    """Compare the rates of all groups that are large enough.

    Args:
        images: all images.
        names: the groups; '' is not one.
        codes: [n], each image's group as an index of ``names``.
        sources: [n], each image's source; '' if unknown, or if the groups are sources.
        draws: how intervals of AUCs are drawn.
    """
    at = [code for code, name in enumerate(names) if name]
    gaps: dict[str, GroupGap] = {}
    small: dict[str, tuple[str, ...]] = {}
    for rate in (*_PROPORTIONS, "auc_within"):
        parts = _members(images, rate)
        if not parts[0].any():
            continue
        sizes = np.array([min(int(np.count_nonzero(part & (codes == code))) for part in parts) for code in at])
        large = [code for code, size in zip(at, sizes, strict=True) if size >= LEAST]
        if too_small := tuple(names[code] for code, size in zip(at, sizes, strict=True) if 0 < size < LEAST):
            small[rate] = too_small
        if 2 <= len(large) <= _MOST_GROUPS:
            gaps[rate] = _gap(images, rate, names, codes, large, draws)
    blank = sum(int(np.count_nonzero(codes == code)) for code, name in enumerate(names) if not name)
    return Fairness(least=LEAST, gaps=gaps, small=small, blank=blank, own_sources=_own_sources(names, codes, sources))


def counted(images: Images, rate: str) -> tuple[Flags, Flags]:
    """Successes of a rate and the images among which they are counted, bool [n] each; none where unknown.

    Args:
        images: the images.
        rate: ``uncertain_real``, ``uncertain_fake``, or a proportion of ``stats.registry.METRICS``.
    """
    label = {"uncertain_real": ~images.is_fake, "uncertain_fake": images.is_fake}.get(rate)
    if label is None:
        return proportion(images, rate)
    success, among = proportion(images, "uncertain_rate")
    return success & label, among & label


def _members(images: Images, rate: str) -> tuple[Flags, ...]:
    """The images that a rate is of; of an AUC, those of either class."""
    return (images.is_fake, ~images.is_fake) if rate == "auc_within" else (counted(images, rate)[1],)


def _gap(images: Images, rate: str, names: Sequence[str], codes: Codes, large: Sequence[int], draws: Draws) -> GroupGap:
    is_area = rate == "auc_within"
    found = _of_areas(images, codes, large, draws) if is_area else _of_rates(images, rate, codes, large)
    return GroupGap(
        **interval(found.value, found.ends),
        highest=names[large[found.highest]],
        lowest=names[large[found.lowest]],
        groups=len(large),
        established=found.ends is not None and found.ends[0] > 0,
        method="bootstrap" if is_area else "newcombe",
    )


def _of_rates(images: Images, rate: str, codes: Codes, large: Sequence[int]) -> LargestGap:
    success, among = counted(images, rate)
    members = [among & (codes == code) for code in large]
    rates = np.array([success[own].mean() for own in members])
    sizes = np.array([effective_size(success[own], images.group[own]) for own in members])
    return gap_of_rates(rates, sizes)


def _of_areas(images: Images, codes: Codes, large: Sequence[int], draws: Draws) -> LargestGap:
    inside = images.where(np.isin(codes, large))
    own_codes = codes[np.isin(codes, large)]
    members = [np.flatnonzero(own_codes == code) for code in large]
    areas = [MetricValues(inside.where(own_codes == code), ("auc",)) for code in large]

    def statistic(weight: Floats) -> Floats:
        return np.array([float(area(weight[own])[0]) for area, own in zip(areas, members, strict=True)])

    found = resample(inside.group, statistic, draws)
    return gap_of_values(found.values, found.drawn)


def _own_sources(names: Sequence[str], codes: Codes, sources: Sequence[str]) -> dict[str, float]:
    """The groups most of whose images are from sources that no other group has."""
    _, source = np.unique(np.asarray(sources, np.str_), return_inverse=True)
    known = np.asarray([bool(each) for each in sources])
    pairs = np.unique(np.stack([source, codes]), axis=1)
    alone = (np.bincount(pairs[0]) == 1)[source] & known
    groups = [code for code, name in enumerate(names) if name]
    if len(groups) < 2:
        return {}
    rates = {names[code]: float(alone[codes == code].mean()) for code in groups}
    return {name: round(rate, DIGITS) for name, rate in rates.items() if rate > 0.5}
