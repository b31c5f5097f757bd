"""The charts of an evaluation and of a robustness study."""

from __future__ import annotations

from typing import Any, Final

from unmask.evaluation.degradations import TIERS
from unmask.pages.charts import DEVIATES, LINEAR, Area, Chart, Mark, Scale, curves, histogram

_TABLE_ROWS: Final = 11


def charts(result: dict[str, Any]) -> list[Chart]:
    """ROC, precision-recall, DET and reliability, as far as the images allow them."""
    points, overall = result["curves"], result["overall"]
    found = []
    if points["roc"]:
        prevalence = overall["n_fake"] / overall["n"]
        found += [
            _curve(
                "ROC",
                "Fakes found against real images called fake, over all thresholds; area "
                f"{overall['metrics']['auc']['value']:.3f}.",
                ("false-positive rate", "recall of fake"),
                points["roc"],
                [[0, 0], [1, 1]],
            ),
            _curve(
                "Precision and recall",
                "Precision against recall of fake, over all thresholds; average precision "
                f"{overall['metrics']['average_precision']['value']:.3f}.",
                ("recall of fake", "precision of fake"),
                points["precision_recall"],
                [[0, prevalence], [1, prevalence]],
            ),
        ]
    if points["det"]:
        found.append(
            _curve(
                "DET",
                "Fakes missed against real images called fake, on normal deviate scales; equal error rate "
                f"{overall['metrics']['eer']['value']:.3f}.",
                ("false-positive rate", "false-negative rate"),
                points["det"],
                [[0, 0], [1, 1]],
                DEVIATES,
            )
        )
    if points["reliability"]:
        found.append(_reliability(points["reliability"], overall["metrics"]["ece"]["value"]))
    return found


def condition_charts(robustness: dict[str, Any]) -> list[Chart]:
    """Balanced accuracy over the levels of each family of conditions, and over the tiers."""
    by_family: dict[str, list[dict[str, Any]]] = {}
    for entry in robustness["conditions"]:
        by_family.setdefault("tiers" if entry["family"] in TIERS else entry["family"], []).append(entry)
    clean = next(entry for entry in robustness["conditions"] if entry["family"] == "clean")
    found = []
    for name, entries in by_family.items():
        existing = [entry for entry in entries if entry["figures"]["balanced_accuracy"]["value"] is not None]
        if len(existing) > 1:
            about = robustness["families"].get(name, {"about": "clean images and named tiers", "unit": "tier"})
            found.append(_conditions(name, about, existing, clean["figures"]["balanced_accuracy"]["value"]))
    return found


def source_histograms(histograms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Distribution of the probability of fake by source: its name, a sentence, and an outline for each class."""
    by_name: dict[str, dict[str, list[int]]] = {}
    for entry in histograms:
        by_name.setdefault(entry["name"], {})[entry["label"]] = entry["counts"]
    return [
        {"name": name or "(blank)", "about": _above_half(counts), "areas": _areas(counts)}
        for name, counts in by_name.items()
    ]


def _above_half(by_label: dict[str, list[int]]) -> str:
    return " ".join(
        f"{sum(counts):,} {label}, {sum(counts[len(counts) // 2 :]) / sum(counts):.0%} at one half or above."
        for label, counts in by_label.items()
    )


def _areas(by_label: dict[str, list[int]]) -> list[Area]:
    return histogram({label[0]: [count / sum(counts) for count in counts] for label, counts in by_label.items()})


def _curve(
    title: str,
    about: str,
    axes: tuple[str, str],
    points: list[list[float]],
    reference: list[list[float]],
    scale: Scale = LINEAR,
) -> Chart:
    step = (len(points) - 1) / (_TABLE_ROWS - 1)
    shown = points if len(points) <= _TABLE_ROWS else [points[round(at * step)] for at in range(_TABLE_ROWS)]
    return curves(
        title,
        about,
        {"reference": reference, "curve": points},
        axes,
        [(f"{x:.1%}", f"{y:.1%}") for x, y in shown],
        axes=axes,
        scale=scale,
    )


def _reliability(bins: list[dict[str, Any]], error: float | None) -> Chart:
    points = [(entry["mean_probability"], entry["share_fake"]["value"]) for entry in bins]
    axes = ("probability of fake", "proportion of fakes")
    return curves(
        "Reliability",
        "Proportion of fakes against the mean probability of fake, in bins of equal width, with 95 % confidence "
        f"intervals; well-calibrated probabilities lie on the diagonal. Expected calibration error {error or 0.0:.3f}.",
        {"reference": [(0, 0), (1, 1)], "curve": points},
        (*axes, "images"),
        [(f"{x:.1%}", f"{y:.1%}", str(entry["n"])) for (x, y), entry in zip(points, bins, strict=True)],
        axes=axes,
        marks=[
            Mark(x, y, entry["share_fake"]["low"], entry["share_fake"]["high"])
            for (x, y), entry in zip(points, bins, strict=True)
        ],
    )


def _conditions(name: str, about: dict[str, str], entries: list[dict[str, Any]], clean: float) -> Chart:
    metrics = [entry["figures"]["balanced_accuracy"] for entry in entries]
    places = [at / (len(entries) - 1) for at in range(len(entries))]
    labels = [entry["family"] if entry["level"] is None else f"{entry['level']:g}" for entry in entries]
    # A metric that no resampled set changes has no interval: its whisker has no length.
    ends = [[found["value"] if found[end] is None else found[end] for end in ("low", "high")] for found in metrics]
    return curves(
        name,
        f"Balanced accuracy with 95 % confidence intervals: {about['about']}. Dashed: clean images, {clean:.3f}.",
        {
            "reference": [(0, clean), (1, clean)],
            "curve": [(x, found["value"]) for x, found in zip(places, metrics, strict=True)],
        },
        (about["unit"], "balanced accuracy", "interval"),
        [
            (label, f"{found['value']:.1%}", f"{low:.1%} to {high:.1%}")
            for label, found, (low, high) in zip(labels, metrics, ends, strict=True)
        ],
        axes=(about["unit"], "balanced accuracy"),
        ticks_x=list(zip(places, labels, strict=True)),
        marks=[Mark(x, found["value"], low, high) for x, found, (low, high) in zip(places, metrics, ends, strict=True)],
    )
