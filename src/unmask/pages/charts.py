"""Charts of a result as SVG: paths in their own units, with the ticks and words that stand around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

from unmask.evaluation.degradations import TIERS

SIDE: Final = 200.0  # of a square chart's inside
WIDTH: Final = 240.0  # of a histogram
_HEIGHT: Final = 60.0

_SHARE_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5)
_DET_RANGE = (0.0005, 0.6)


@dataclass(frozen=True)
class Chart:
    """A square chart.

    Attributes:
        title: what it is called.
        about: what it says, for those who do not see it.
        x: what runs to the right.
        y: what runs upwards.
        line: the curve, an SVG path.
        reference: what a chance or a perfect detector would draw, an SVG path.
        marks: single points with whiskers: x, y, low, high in units of the chart.
        ticks_x: place and words along x.
        ticks_y: place and words along y.
        header: names of the table's columns.
        rows: the table that says the same in words.
    """

    title: str
    about: str
    x: str
    y: str
    line: str
    reference: str
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    marks: list[tuple[float, float, float, float]]


def charts(result: dict[str, Any]) -> list[Chart]:
    """ROC, precision-recall, DET and reliability, as far as the images have them."""
    curves, overall = result["curves"], result["overall"]
    found = []
    if curves["roc"]:
        area = overall["metrics"]["auc"]["value"]
        found += [
            _curve(
                "ROC",
                f"Share of fakes found against share of reals called fake, over all thresholds; area {area:.3f}.",
                ("reals called fake", "fakes found"),
                curves["roc"],
                [[0, 0], [1, 1]],
            ),
            _curve(
                "Precision and recall",
                "Share of fakes among what is called fake, against share of fakes found; average precision "
                f"{overall['metrics']['average_precision']['value']:.3f}.",
                ("fakes found (recall)", "precision"),
                curves["precision_recall"],
                [[0, overall["n_fake"] / overall["n"]], [1, overall["n_fake"] / overall["n"]]],
            ),
        ]
    if curves["det"]:
        found.append(
            _curve(
                "DET",
                "Share of fakes missed against share of reals called fake, both on the scale of normal deviates; equal "
                f"error rate {overall['metrics']['eer']['value']:.3f}.",
                ("reals called fake", "fakes missed"),
                curves["det"],
                [[_DET_RANGE[0], _DET_RANGE[0]], [_DET_RANGE[1], _DET_RANGE[1]]],
                _deviate,
                _DET_TICKS,
            )
        )
    if curves["reliability"]:
        found.append(_reliability(curves["reliability"], overall["metrics"]["ece"]["value"]))
    return found


def condition_charts(robustness: dict[str, Any]) -> list[Chart]:
    """Balanced accuracy over the levels of each family of conditions, and over the tiers; dashed what clean gives."""
    by_family: dict[str, list[dict[str, Any]]] = {}
    for entry in robustness["conditions"]:
        by_family.setdefault("tiers" if entry["family"] in TIERS else entry["family"], []).append(entry)
    clean = next(entry for entry in robustness["conditions"] if entry["family"] == "clean")
    found = []
    for name, entries in by_family.items():
        existing = [entry for entry in entries if entry["figures"]["balanced_accuracy"]["value"] is not None]
        if len(existing) > 1:
            of = robustness["families"].get(name, {"about": "clean images and named tiers", "unit": "tier"})
            found.append(_conditions(name, of, existing, clean["figures"]["balanced_accuracy"]["value"]))
    return found


def histogram_paths(histograms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each source the outlines of its reals' and fakes' histograms, as shares of that class of the source."""
    by_name: dict[str, dict[str, Any]] = {}
    for entry in histograms:
        total = sum(entry["counts"])
        shares = [count / total for count in entry["counts"]]
        by_name.setdefault(entry["name"], {"name": entry["name"] or "(blank)", "real": None, "fake": None})
        by_name[entry["name"]][entry["label"]] = {
            "n": total,
            "path": _steps(shares),
            "above_half": f"{sum(shares[len(shares) // 2 :]):.0%}",
        }
    return list(by_name.values())


def _curve(
    title: str,
    about: str,
    axes: tuple[str, str],
    points: list[list[float]],
    reference: list[list[float]],
    scale: Callable[[float], float] = lambda value: value,
    ticks: Sequence[float] = _SHARE_TICKS,
) -> Chart:
    def place(value: float) -> tuple[float, str]:
        return SIDE * scale(value), f"{100 * value:g} %"

    shown = [points[round(at * (len(points) - 1) / 10)] for at in range(11)] if len(points) > 11 else points
    return Chart(
        title=title,
        about=about,
        x=axes[0],
        y=axes[1],
        line=_path([(scale(x), scale(y)) for x, y in points]),
        reference=_path([(scale(x), scale(y)) for x, y in reference]),
        ticks_x=[place(value) for value in ticks],
        ticks_y=[place(value) for value in ticks],
        header=axes,
        rows=[(f"{x:.1%}", f"{y:.1%}") for x, y in shown],
        marks=[],
    )


def _reliability(bins: list[dict[str, Any]], error: float | None) -> Chart:
    points = [(entry["mean_probability"], entry["share_fake"]["value"]) for entry in bins]
    ticks = [(SIDE * value, f"{100 * value:g} %") for value in _SHARE_TICKS]
    return Chart(
        title="Reliability",
        about="Share of fakes against the mean probability of fake, in bins of equal width with 95 % intervals; a "
        f"detector whose probabilities hold lies on the diagonal. Expected calibration error {error or 0.0:.3f}.",
        x="probability of fake",
        y="share of fakes",
        line=_path(points),
        reference=_path([(0, 0), (1, 1)]),
        ticks_x=ticks,
        ticks_y=ticks,
        header=("probability of fake", "share of fakes", "pictures"),
        rows=[(f"{x:.1%}", f"{y:.1%}", str(entry["n"])) for (x, y), entry in zip(points, bins, strict=True)],
        marks=[
            (
                SIDE * x,
                SIDE * (1 - y),
                SIDE * (1 - entry["share_fake"]["low"]),
                SIDE * (1 - entry["share_fake"]["high"]),
            )
            for (x, y), entry in zip(points, bins, strict=True)
        ],
    )


def _conditions(name: str, of: dict[str, str], entries: list[dict[str, Any]], clean: float) -> Chart:
    figures = [entry["figures"]["balanced_accuracy"] for entry in entries]
    places = [at / (len(entries) - 1) for at in range(len(entries))]
    labels = [entry["family"] if entry["level"] is None else f"{entry['level']:g}" for entry in entries]
    # A figure that never varied has no ends; its whisker has no length.
    ends = [[found[end] if found[end] is not None else found["value"] for end in ("low", "high")] for found in figures]
    return Chart(
        title=name,
        about=f"Balanced accuracy, with 95 % intervals: {of['about']}. Dashed: clean images, {clean:.3f}.",
        x=of["unit"],
        y="balanced accuracy",
        line=_path([(x, found["value"]) for x, found in zip(places, figures, strict=True)]),
        reference=_path([(0, clean), (1, clean)]),
        ticks_x=[(SIDE * x, label) for x, label in zip(places, labels, strict=True)],
        ticks_y=[(SIDE * value, f"{100 * value:g} %") for value in _SHARE_TICKS],
        header=(of["unit"], "balanced accuracy", "interval"),
        rows=[
            (label, f"{found['value']:.1%}", f"{low:.1%} to {high:.1%}")
            for label, found, (low, high) in zip(labels, figures, ends, strict=True)
        ],
        marks=[
            (SIDE * x, SIDE * (1 - found["value"]), SIDE * (1 - low), SIDE * (1 - high))
            for x, found, (low, high) in zip(places, figures, ends, strict=True)
        ],
    )


def _deviate(share: float) -> float:
    """A share's place on the scale of normal deviates, cut at the chart's ends, in [0, 1]."""
    low, high = (NormalDist().inv_cdf(end) for end in _DET_RANGE)
    return (NormalDist().inv_cdf(min(max(share, _DET_RANGE[0]), _DET_RANGE[1])) - low) / (high - low)


def _path(points: Sequence[Sequence[float]]) -> str:
    return "M" + "L".join(f"{SIDE * x:.1f} {SIDE * (1 - y):.1f}" for x, y in points)


def _steps(shares: Sequence[float]) -> str:
    width, highest = WIDTH / len(shares), max(shares)
    path = [f"M0 {_HEIGHT:g}"]
    for at, share in enumerate(shares):
        path.append(f"V{_HEIGHT * (1 - share / highest):.1f}H{(at + 1) * width:g}")
    return "".join([*path, f"V{_HEIGHT:g}Z"])
