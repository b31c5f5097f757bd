"""The charts of evaluation and robustness reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from unmask.evaluation.degradations import TIERS
from unmask.evaluation.reports.sentences import three_digits
from unmask.evaluation.results.base import Estimate
from unmask.evaluation.results.evaluation import Evaluation, Histogram, ReliabilityBin
from unmask.evaluation.results.robustness import ConditionResult, FamilyFacts, Robustness
from unmask.pages.charts import DEVIATES, LINEAR, Area, Chart, Mark, Scale, curves, histogram

_TABLE_ROWS: Final = 11
_LARGEST_DOT: Final = 6.0
_FEWEST_IN_BIN: Final = 5  # a line through bins of one image is noise


def charts(result: Evaluation) -> list[Chart]:
    """ROC, precision-recall, DET and reliability, as far as the images allow them."""
    points, overall = result.curves, result.overall
    found = []
    if points.roc:
        prevalence = overall.n_fake / overall.n
        found += [
            _curve(
                "ROC",
                "Recall of fake against the false-positive rate, over all thresholds; area "
                f"{three_digits(overall.metrics['auc'].value)}.",
                ("false-positive rate", "recall of fake"),
                points.roc,
                [(0, 0), (1, 1)],
            ),
            _curve(
                "Precision and recall",
                "Precision against recall of fake, over all thresholds; average precision "
                f"{three_digits(overall.metrics['average_precision'].value)}.",
                ("recall of fake", "precision of fake"),
                points.precision_recall,
                [(0, prevalence), (1, prevalence)],
            ),
        ]
    if points.det:
        found.append(
            _curve(
                "DET",
                "False-negative against false-positive rate, on normal deviate scales; equal error rate "
                f"{three_digits(overall.metrics['eer'].value)}.",
                ("false-positive rate", "false-negative rate"),
                points.det,
                [(0, 0), (1, 1)],
                DEVIATES,
            )
        )
    if points.reliability:
        found.append(_reliability(points.reliability, overall.metrics["ece"].value))
    return found


def condition_charts(robustness: Robustness) -> list[Chart]:
    """Balanced accuracy over the levels of each family of conditions, and over the tiers."""
    by_family: dict[str, list[ConditionResult]] = {}
    for each in robustness.conditions:
        by_family.setdefault("tiers" if each.family in TIERS else each.family, []).append(each)
    clean = robustness.condition("clean").figures.balanced_accuracy.value
    found = []
    for name, entries in by_family.items():
        existing = [each for each in entries if each.figures.balanced_accuracy.value is not None]
        if len(existing) > 1 and clean is not None:
            tiers = FamilyFacts(about="clean images and named tiers", unit="tier")
            found.append(_conditions(name, robustness.families.get(name, tiers), existing, clean))
    return found


@dataclass(frozen=True)
class SourceHistogram:
    """Distribution of the probability of fake of a source: its name, a sentence, and an outline for each class."""

    name: str
    about: str
    areas: list[Area]


def source_histograms(histograms: Sequence[Histogram]) -> list[SourceHistogram]:
    """One for each source."""
    by_name: dict[str, dict[str, tuple[int, ...]]] = {}
    for each in histograms:
        by_name.setdefault(each.name, {})[each.label] = each.counts
    return [SourceHistogram(name or "(blank)", _above_half(counts), _areas(counts)) for name, counts in by_name.items()]


def _above_half(by_label: dict[str, tuple[int, ...]]) -> str:
    return " ".join(
        f"{sum(counts):,} {label}, {100 * sum(counts[len(counts) // 2 :]) / sum(counts):.0f} % at 0.5 or above."
        for label, counts in by_label.items()
    )


def _areas(by_label: dict[str, tuple[int, ...]]) -> list[Area]:
    return histogram({label[0]: [count / sum(counts) for count in counts] for label, counts in by_label.items()})


def _curve(
    title: str,
    about: str,
    axes: tuple[str, str],
    points: Sequence[tuple[float, float]],
    reference: Sequence[tuple[float, float]],
    scale: Scale = LINEAR,
) -> Chart:
    step = (len(points) - 1) / (_TABLE_ROWS - 1)
    shown = points if len(points) <= _TABLE_ROWS else [points[round(at * step)] for at in range(_TABLE_ROWS)]
    return curves(
        title,
        about,
        {"reference": reference, "curve": points},
        axes,
        [(_percent(x), _percent(y)) for x, y in shown],
        axes=axes,
        scale=scale,
    )


def _reliability(bins: Sequence[ReliabilityBin], error: float | None) -> Chart:
    points = [(each.mean_probability, each.share_fake.value or 0.0) for each in bins]
    most = max(each.n for each in bins)
    firm = [point for point, each in zip(points, bins, strict=True) if each.n >= _FEWEST_IN_BIN]
    axes = ("probability of fake", "proportion of fakes")
    return curves(
        "Reliability",
        "Proportion of fakes against the mean probability of fake, in bins of equal width, with 95 % confidence "
        f"intervals; well-calibrated probabilities lie on the diagonal. The line leaves out bins of fewer than "
        f"{_FEWEST_IN_BIN} images; a larger point stands for more images. Expected calibration error "
        f"{three_digits(error)}.",
        {"reference": [(0, 0), (1, 1)]} | ({"curve": firm} if len(firm) > 1 else {}),
        (*axes, "images"),
        [(_percent(x), _percent(y), str(each.n)) for (x, y), each in zip(points, bins, strict=True)],
        axes=axes,
        marks=[
            Mark(x, y, *_ends(each.share_fake), radius=_LARGEST_DOT * math.sqrt(max(each.n / most, 0.05)))
            for (x, y), each in zip(points, bins, strict=True)
        ],
    )


def _conditions(name: str, about: FamilyFacts, entries: list[ConditionResult], clean: float) -> Chart:
    metrics = [each.figures.balanced_accuracy for each in entries]
    values = [each.value or 0.0 for each in metrics]
    places = [at / (len(entries) - 1) for at in range(len(entries))]
    labels = [each.name if each.family != name or each.level is None else f"{each.level:g}" for each in entries]
    ends = [_ends(each) for each in metrics]
    return curves(
        name,
        f"Balanced accuracy with 95 % confidence intervals: {about.about}. Dashed: clean images, {clean:.3f}.",
        {"reference": [(0, clean), (1, clean)], "curve": list(zip(places, values, strict=True))},
        (about.unit, "balanced accuracy", "interval"),
        [
            (label, _percent(value), f"{_percent(low)} to {_percent(high)}")
            for label, value, (low, high) in zip(labels, values, ends, strict=True)
        ],
        axes=(about.unit, "balanced accuracy"),
        ticks_x=list(zip(places, labels, strict=True)),
        marks=[Mark(x, value, low, high) for x, value, (low, high) in zip(places, values, ends, strict=True)],
    )


def _ends(found: Estimate) -> tuple[float, float]:
    """Ends of a whisker; one without length for a metric without an interval."""
    value = found.value or 0.0
    return (value if found.low is None else found.low, value if found.high is None else found.high)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
