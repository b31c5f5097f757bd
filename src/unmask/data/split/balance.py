"""The balance of a split: assigns clusters as evenly as possible, and checks whether any assignment is even enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.data.rows import LABELS
from unmask.data.split.groups import Grouping, IntArray
from unmask.errors import UsageError
from unmask.text import quote

# Rows of a label that are missing somewhere count for more than rows of one of its sources: each split's share of
# a label is guaranteed, that of a source is only aimed at.
_LABEL_WEIGHT: Final = 2.0
_MAX_NAMED: Final = 5


def assign(grouping: Grouping, given: IntArray, shares: Sequence[float], places: npt.NDArray[np.float64]) -> IntArray:
    """Assign clusters, the largest first, each to the split that lacks its kind of images most.

    The images that a split lacks are counted for each label with its source and for each label; taking the split with
    the largest weighted sum over the cluster's images lowers the sum of squared deviations most. After iterative
    stratification (Sechidis et al. 2011), with whole clusters as examples. A label with as many clusters as there are
    splits is in every one. With small clusters, labels are within about one image of the request.

    Args:
        grouping: the clusters.
        given: [clusters] index into ``shares``, -1 to be assigned; larger indices take no part.
        shares: the requested fraction of each split, with a sum of 1.
        places: [clusters] breaks ties between clusters of equal size.

    Returns:
        [clusters] ``given``, with each -1 replaced.
    """
    codes = given.copy()
    strata = sorted({cell[:2] for cell in grouping.cells})
    place = {stratum: index for index, stratum in enumerate(strata)}
    stratum_of_cell = [place[cell[:2]] for cell in grouping.cells]
    label_of_cell = [len(strata) + LABELS.index(cell.label) for cell in grouping.cells]
    pair_given = given[grouping.pair_cluster]
    takes_part = pair_given < len(shares)
    sizes = np.zeros(len(given), np.int64)
    np.add.at(sizes, grouping.pair_cluster, grouping.pair_rows)

    totals = np.zeros(len(strata) + len(LABELS))
    held = np.zeros((len(shares), len(totals)))
    for level in (np.array(stratum_of_cell), np.array(label_of_cell)):
        of_pair = level[grouping.pair_cell]
        np.add.at(totals, of_pair[takes_part], grouping.pair_rows[takes_part])
        kept = takes_part & (pair_given >= 0)
        np.add.at(held, (pair_given[kept], of_pair[kept]), grouping.pair_rows[kept])
    # Plain lists: a million clusters are walked one by one, and numpy is slow at single numbers.
    lacking: list[list[float]] = (np.outer(shares, totals) - held).tolist()
    starts = np.searchsorted(grouping.pair_cluster, np.arange(len(given) + 1)).tolist()
    cells, rows = grouping.pair_cell.tolist(), grouping.pair_rows.tolist()
    free = np.flatnonzero(given < 0)
    # Of each label, the splits without it and the clusters left to mend that: the last ones go where it is missing.
    without = {level: {code for code in range(len(shares)) if not held[code, level]} for level in set(label_of_cell)}
    once = np.unique(grouping.pair_cluster * len(totals) + np.array(label_of_cell)[grouping.pair_cell])
    once = once[given[once // len(totals)] < 0]
    left = np.bincount(once % len(totals), minlength=len(totals)).tolist()
    for cluster in free[np.lexsort((places[free], -sizes[free]))].tolist():
        parts = [
            (stratum_of_cell[cells[pair]], label_of_cell[cells[pair]], rows[pair])
            for pair in range(starts[cluster], starts[cluster + 1])
        ]
        labels = {label for _, label, _ in parts}
        urgent = [without[label] for label in labels if left[label] <= len(without[label])]
        best, most = 0, -math.inf
        for code, lack in enumerate(lacking):
            if urgent and not any(code in splits for splits in urgent):
                continue
            need = sum(count * (lack[stratum] + _LABEL_WEIGHT * lack[label]) for stratum, label, count in parts)
            if need > most:
                best, most = code, need
        codes[cluster] = best
        for stratum, label, count in parts:
            lacking[best][stratum] -= count
            lacking[best][label] -= count
        for label in labels:
            left[label] -= 1
            without[label].discard(best)
    return codes


def check(
    grouping: Grouping,
    codes: IntArray,
    shares: Mapping[str, float],
    tolerance: float,
    *,
    exact: bool,
    given: bool,
    name: str,
) -> list[tuple[str, str]]:
    """Check the images of each label in each split.

    Args:
        grouping: the clusters.
        codes: [clusters] index into ``shares``; larger ones take no part.
        shares: the requested fraction of each split, by its name.
        tolerance: the largest difference of a fraction, in (0, 1]; less than one image is always allowed.
        exact: whether the assignment was exact, so that differences are not due to chance.
        given: whether some splits were given; wrong fractions are then a notice instead of an error.
        name: the split's name for messages.

    Returns:
        Codes and sentences: ``given_unbalanced``, and ``missing_stratum`` for sources that some split lacks though
        they have a cluster for each.

    Raises:
        UsageError: ``too_few_clusters`` (a label has fewer than there are splits), ``missing_class`` (a split
            without a label that others have), ``large_cluster`` or ``unbalanced`` (beyond the tolerance, because of a
            cluster that is most of the difference, or not).
    """
    said: list[tuple[str, str]] = []
    takes_part = codes[grouping.pair_cluster] < len(shares)
    names, asked = list(shares), np.array([*shares.values()])
    worst: tuple[float, str] = (0.0, "")
    code = "unbalanced"
    for label in LABELS:
        of_label = np.array([cell.label == label for cell in grouping.cells])[grouping.pair_cell] & takes_part
        if not of_label.any():
            continue
        rows = np.zeros(len(codes), np.int64)
        np.add.at(rows, grouping.pair_cluster[of_label], grouping.pair_rows[of_label])
        clusters, total = np.flatnonzero(rows), int(rows.sum())
        if len(clusters) < len(names):
            text = f"{len(clusters)} clusters of {label} images cannot be in {len(names)} splits ({listed(names)})"
            raise UsageError("too_few_clusters", f"{name}: {text}; use fewer splits, or group by fewer columns")
        held = np.bincount(codes[clusters], rows[clusters], len(names))
        if not held.all():
            empty = names[int(np.argmin(held))]
            advice = _advice(exact, "ask for a larger fraction of it")
            text = f"{empty} gets no {label} image, of {len(clusters)} clusters; {advice}"
            raise UsageError("missing_class", f"{name}: {text}")
        difference = np.abs(held - asked * total)
        at = int(np.argmax(difference))
        if difference[at] <= max(tolerance * total, 1.0) or difference[at] / total <= worst[0]:
            continue
        largest = int(np.argmax(rows))
        text = (
            f"{names[at]} gets {100 * held[at] / total:.1f} % of the {label} images, "
            f"not {100 * asked[at]:.1f} % ± {100 * tolerance:.1f} %: "
        )
        if rows[largest] > max(tolerance * total, 1.0):
            code = "large_cluster"
            text += f"{grouping.describe(largest)} alone is {100 * rows[largest] / total:.1f} % of them and stays whole"
        else:
            code = "unbalanced"
            scatter = math.sqrt(asked[at] * (1 - asked[at]) * float((rows.astype(float) ** 2).sum())) / total
            text += (
                "its clusters have sizes or mixed labels that fit no better"
                if exact
                else f"by chance: {len(clusters)} clusters vary by {100 * scatter:.1f} %"
            )
        worst = float(difference[at] / total), text
    if worst[1]:
        if not given:
            raise UsageError(code, f"{name}: {worst[1]}; {_advice(exact, 'raise --tolerance')}")
        said.append(("given_unbalanced", f"{worst[1]} (some splits were given)"))
    if lacking := _sources_lacking(grouping, codes, len(names)):
        said.append(("missing_stratum", f"not in every split: {listed(lacking)}"))
    return said


def listed(names: Sequence[str]) -> str:
    """The first few names of a list, safe for a message, and the number of the others."""
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(quote(name) for name in names[:_MAX_NAMED]) + more


def _advice(exact: bool, otherwise: str) -> str:
    return otherwise if exact else f"use --exact or another --seed, or {otherwise}"


def _sources_lacking(grouping: Grouping, codes: IntArray, splits: int) -> list[str]:
    """Label and source of the images that some split lacks, though they have at least a cluster for each."""
    strata = sorted({cell[:2] for cell in grouping.cells})
    place = {stratum: index for index, stratum in enumerate(strata)}
    of_cell = np.array([place[cell[:2]] for cell in grouping.cells], np.int64)
    once = np.unique(grouping.pair_cluster * len(strata) + of_cell[grouping.pair_cell])
    code, stratum = codes[once // len(strata)], once % len(strata)
    takes_part = code < splits
    clusters = np.zeros((len(strata), splits), np.int64)
    np.add.at(clusters, (stratum[takes_part], code[takes_part]), 1)
    wrong = (clusters.sum(axis=1) >= splits) & (clusters == 0).any(axis=1)
    return [" ".join(strata[index]) for index in np.flatnonzero(wrong)]
