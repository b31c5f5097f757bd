"""How groups of images differ, in words."""

from __future__ import annotations

from typing import Final

from unmask.evaluation.reports.sentences import three_digits
from unmask.evaluation.results.evaluation import Evaluation
from unmask.evaluation.results.fairness import Fairness, GroupGap

_RATES: Final = {
    "specificity": "real images called real",
    "recall_fake": "fakes found",
    "uncertain_real": "uncertain verdicts on real images",
    "uncertain_fake": "uncertain verdicts on fakes",
    "auc_within": "AUC",
}
NOTE: Final = (
    "Rates differ, or are not shown to differ, on these images. This does not say why, nor that the groups are treated "
    "alike where no gap is established: read the upper end of its interval."
)
"""What every comparison of groups needs to be read with."""


def fairness_lines(result: Evaluation, column: str) -> list[str]:
    """The largest gaps between the values of a column, then what to be careful about."""
    found = result.fairness[column]
    lines = [_gap(rate, gap) for rate, gap in found.gaps.items()]
    if not lines:
        lines = [f"No rate has two groups of at least {found.least} images each: nothing is compared."]
    return [*lines, *_warnings(found, column)]


def _gap(rate: str, gap: GroupGap) -> str:
    what = _RATES[rate]
    size = three_digits(gap.value) if rate == "auc_within" else f"{100 * (gap.value or 0):.1f} percentage points"
    ends = "no interval"
    if gap.low is not None and gap.high is not None:
        ends = (
            f"{three_digits(gap.low)}–{three_digits(gap.high)}"
            if rate == "auc_within"
            else f"{100 * gap.low:.1f}–{100 * gap.high:.1f}"
        )
    says = "established" if gap.established else "not established: it may be chance"
    return (
        f"{what[0].upper()}{what[1:]}: largest gap {size} ({ends}), {gap.highest} above {gap.lowest}, of {gap.groups} "
        f"groups; {says}."
    )


def _warnings(found: Fairness, column: str) -> list[str]:
    by_names: dict[tuple[str, ...], list[str]] = {}
    for rate, names in found.small.items():
        by_names.setdefault(names, []).append(_RATES[rate])
    lines = [
        f"Too few images (under {found.least} of a class) of {', '.join(names)} to compare: {', '.join(rates)}."
        for names, rates in by_names.items()
    ]
    if found.blank:
        lines.append(f"{found.blank:,} images have no {column} and are in no group.")
    lines += [
        f"{100 * part:.0f} % of the images of {name} are from sources that no other group has: a gap may be that of "
        f"the sources, not of {column}."
        for name, part in found.own_sources.items()
    ]
    return lines
