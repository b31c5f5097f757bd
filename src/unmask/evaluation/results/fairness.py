"""How the rates of groups of images differ: a part of the result of ``unmask evaluate --by``."""

from __future__ import annotations

from typing import Literal

from unmask.evaluation.results.base import Estimate, Part


class GroupGap(Estimate):
    """The largest difference of a rate between two groups.

    Attributes:
        highest: the group with the highest rate.
        lowest: the group with the lowest one.
        groups: number of groups that were compared.
        established: whether the whole interval is above 0: chance alone does not explain the gap.
        method: ``newcombe``: intervals of all pairs that hold at once; ``bootstrap``: draws of whole groups of images.
    """

    highest: str
    lowest: str
    groups: int
    established: bool
    method: Literal["newcombe", "bootstrap"]


class Fairness(Part):
    """How a detector's rates differ between the values of a column. The rates are those of the column's slices.

    Attributes:
        least: groups with fewer images of a rate's class than this are not compared in it.
        gaps: by rate: ``specificity``, ``recall_fake``, ``uncertain_real``, ``uncertain_fake`` and ``auc_within``;
            without those for which fewer than two groups are large enough, or more than 100.
        small: by rate, the groups that are too small for it.
        blank: number of images without a value; they are in no group.
        own_sources: proportion of a group's images whose source no other group has, where it is above one half: its
            rates may be those of the sources.
    """

    least: int
    gaps: dict[str, GroupGap]
    small: dict[str, tuple[str, ...]]
    blank: int
    own_sources: dict[str, float]
