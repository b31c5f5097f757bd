"""Results of ``unmask evaluate``, ``robustness`` and ``bench`` as Markdown, and the shipped model card."""

from __future__ import annotations

from typing import Any

from _markdown import Result, table
from unmask.bundle.bundle import Bundle
from unmask.evaluation.reports.evaluation import of_bundles
from unmask.evaluation.reports.model_card import model_card
from unmask.evaluation.reports.sentences import (
    METRIC_NAMES,
    bench_lines,
    difference,
    headline,
    percent,
    robustness_headline,
    with_interval,
)

CARD_RESULTS = ("evaluation", "robustness", "bench")


def evaluation(content: Result) -> list[str]:
    """Every figure of the shipped detector on the test images."""
    result = content["result"]
    further = {
        name: block
        for name, block in (("whole groups", result["by_group"]), ("single faces", result["by_face"]))
        if block is not None
    }
    figures = table(
        ("figure", "pictures", "n", *(cell for name in further for cell in (name, "n"))),
        (
            (
                METRIC_NAMES[name],
                with_interval(found),
                found["n"],
                *(
                    cell
                    for block in further.values()
                    for cell in (with_interval(block["metrics"][name]), block["metrics"][name]["n"])
                ),
            )
            for name, found in result["overall"]["metrics"].items()
        ),
    )
    slices = [
        table(
            (column, "real", "fake", "reals called real", "fakes called fake", "AUC of its fakes", "AUC within"),
            (
                (
                    (entry["value"] or "(blank)") + (" (seen)" if entry.get("seen") else ""),
                    entry["n_real"],
                    entry["n_fake"],
                    percent(entry["specificity"]),
                    percent(entry["recall_fake"]),
                    with_interval(entry["auc_of_fakes"]),
                    with_interval(entry["auc_within"]),
                )
                for entry in entries
            ),
        )
        for column, entries in result["by"].items()
        if column != "seen"
    ]
    return [_list(headline(result)), figures, *slices]


def robustness_tiers(content: Result) -> list[str]:
    """The tiers on every test image, and in a sentence the worst of the grid."""
    lines = robustness_headline(content["tiers"])[:2] + robustness_headline(content["grid"])[:1]
    return [_list(lines), _conditions(content["tiers"]["conditions"])]


def robustness(content: Result) -> list[str]:
    """The tiers, and the grid on a sample."""
    grid = content["grid"]
    about = [
        f"{name}: {family['about']}{'; ' + family['unit'] if family['unit'] else ''}"
        for name, family in grid["families"].items()
    ]
    return [
        *robustness_tiers(content),
        f"The grid, on {grid['data']['n']} images drawn with seed {grid['seed']}:",
        _conditions(grid["conditions"]),
        _list(about),
    ]


def bench(content: Result) -> list[str]:
    """What the models cost."""
    result = content["result"]
    rows: list[tuple[Any, ...]] = []
    for model in result["models"]:
        for engine, found in model["engines"].items():
            latency = found["latency"]
            rows.append(
                (
                    f"{model['name']}, {model['size']} px",
                    engine,
                    f"{model['parameters']:,}",
                    f"{model['macs'] / 1e6:,.0f} M",
                    f"{model['model_bytes'] / 1e6:.1f} MB",
                    f"{found['load_ms']:.0f} ms",
                    *(f"{latency[name]:.1f} ms" for name in ("p50_ms", "p95_ms", "p99_ms")),
                    f"{found['pictures_per_second']:.1f}",
                    f"{found['peak_memory_mb']:.0f} MB",
                )
            )
    header = (
        "model", "engine", "parameters", "MACs", "graph", "load", "p50", "p95", "p99", "images/s", "peak memory",
    )  # fmt: skip
    return [table(header, rows), _list(bench_lines(result))]


def evaluation_speed(content: Result) -> list[str]:
    """How long the figures themselves take."""
    return [
        f"All figures of {content['rows']:,} scored images in {content['groups']:,} groups and {content['sources']} "
        f"sources, with {content['draws']:,} bootstrap draws: **{content['seconds']:.1f} s** of wall clock and "
        f"{content['cpu_seconds']:.1f} s of processor time, of which reading the table from CSV is "
        f"{content['read_seconds']:.1f} s; at most {content['peak_memory_mb']:.0f} MB. When it began the machine had a "
        f"load average of {content['load_average']:.1f} on {content['run']['cores']} cores."
    ]


def shipped_card(contents: dict[str, Result]) -> str:
    """The model card of the bundle in the package, from the results named in ``CARD_RESULTS``.

    A result of another bundle is left out: until it is measured anew, the card says that there is none.
    """
    results = [
        contents["evaluation"]["result"],
        contents["robustness"]["tiers"],
        contents["robustness"]["grid"],
        contents["bench"]["result"],
    ]
    bundle = Bundle.open()
    return model_card(bundle, [each for each in results if bundle.sha256 in of_bundles(each)], "apache-2.0")


def _conditions(entries: list[Result]) -> str:
    return table(
        (
            "condition",
            "AUC",
            "balanced accuracy",
            "its drop",
            "reals called real",
            "fakes called fake",
            "verdicts that flip",
            "face found",
        ),
        (
            (
                entry["name"],
                with_interval(entry["figures"]["auc"]),
                with_interval(entry["figures"]["balanced_accuracy"]),
                difference(entry["figures"]["balanced_accuracy"]["drop"]),
                with_interval(entry["figures"]["specificity"]),
                with_interval(entry["figures"]["recall_fake"]),
                percent(entry["flips"]["all"]),
                percent(entry["face_found"]),
            )
            for entry in entries
        ),
    )


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
