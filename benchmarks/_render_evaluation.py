"""Results of ``unmask evaluate``, ``robustness`` and ``bench`` as Markdown, and the shipped model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from _markdown import Result, table
from _markdown import percent as plain
from unmask.bundle.bundle import Bundle
from unmask.evaluation.reports.evaluation import bundles_of
from unmask.evaluation.reports.model_card import model_card
from unmask.evaluation.reports.sentences import (
    bench_lines,
    difference,
    headline,
    metric_name,
    percent,
    robustness_headline,
    with_interval,
)
from unmask.evaluation.results import Bench, Evaluation, Robustness, Slice
from unmask.evaluation.results.robustness import ConditionResult

CARD_RESULTS = ("evaluation-edition-2", "evaluation", "robustness", "bench")


def evaluation_headline(content: Result) -> list[str]:
    """How good the shipped detector is, in three paragraphs."""
    result = Evaluation.from_dict(content["result"])
    overall, head, metrics = result.overall, result.headline, result.overall.metrics
    worst, always = head.worst_source, overall.baseline
    seen, sources = head.sources_seen, head.sources
    training = (
        "Training saw other images of every source."
        if seen == sources
        else "Training saw no image of any of these sources."
        if not seen
        else f"Training saw other images of {seen} of the {sources} sources."
    )
    return [
        f"**AUC {with_interval(metrics['auc'])}** on {overall.n:,} test images ({overall.n_real:,} real, "
        f"{overall.n_fake:,} fake) from {sources} sources. {training} Always predicting “{always.answer}” has "
        f"AUC 0.5, balanced accuracy 50.0 % and accuracy {plain(always.accuracy)}.",
        f"At the default threshold ({result.detector.threshold:.3f}): balanced accuracy "
        f"{percent(metrics['balanced_accuracy'])}, accuracy {percent(metrics['accuracy'])}. "
        f"{percent(metrics['specificity'])} of the real images are called real, and {percent(metrics['recall_fake'])} "
        f"of the fakes are found. Worst sources: {percent(worst.fake)} of the {worst.fake.n} fakes of "
        f"{worst.fake.source} are found, and {percent(worst.real)} of the {worst.real.n} real images of "
        f"{worst.real.source} are called real.",
        f"{percent(metrics['uncertain_rate'])} of the predictions are uncertain; accuracy outside the uncertain band "
        f"is {percent(metrics['accuracy_outside_band'])}. Expected calibration error {with_interval(metrics['ece'])}, "
        f"Brier score {with_interval(metrics['brier'])}. A face was found in {percent(result.data.face_found)} "
        "of the images.",
    ]


def evaluation_by_source(content: Result) -> list[str]:
    """The metrics of each source, and of each kind of fake."""
    result = Evaluation.from_dict(content["result"])
    return [_slices("source", result.by["source"]), _slices("kind", result.by["kind"]), _how(result)]


def evaluation(content: Result) -> list[str]:
    """Every metric of the shipped detector on the test images."""
    result = Evaluation.from_dict(content["result"])
    further = {
        name: block
        for name, block in (("whole groups", result.by_group), ("single faces", result.by_face))
        if block is not None
    }
    metrics = table(
        ("metric", "images", "n", *(cell for name in further for cell in (name, "n"))),
        (
            (
                metric_name(name),
                with_interval(found),
                found.n,
                *(
                    cell
                    for block in further.values()
                    for cell in (with_interval(block.metrics[name]), block.metrics[name].n)
                ),
            )
            for name, found in result.overall.metrics.items()
        ),
    )
    slices = [_slices(column, entries) for column, entries in result.by.items() if column != "seen"]
    return [_list(headline(result)), metrics, *slices, _how(result)]


def _slices(column: str, entries: Sequence[Slice]) -> str:
    return table(
        (column, "real", "fake", "recall of real", "recall of fake", "AUC", "AUC within"),
        (
            (
                (entry.value or "(blank)") + (" (seen)" if entry.seen else ""),
                entry.n_real,
                entry.n_fake,
                percent(entry.specificity),
                percent(entry.recall_fake),
                with_interval(entry.auc_of_fakes),
                with_interval(entry.auc_within),
            )
            for entry in entries
        ),
    )


def _how(result: Evaluation) -> str:
    return (
        "*Seen*: training saw other images of the source. *AUC*: the fakes of the row against all real images; *AUC "
        "within*: against the real images of the same row. 95 % confidence intervals in parentheses: Wilson's with the "
        "design effect of the groups for proportions, a bootstrap over whole groups "
        f"({result.intervals.draws:,} draws) for other metrics."
    )


def robustness_tiers(content: Result) -> list[str]:
    """The tiers on every test image, and in a sentence the worst of the grid."""
    tiers, grid = (Robustness.from_dict(content[name]) for name in ("tiers", "grid"))
    worst, sources, images, *_ = robustness_headline(tiers)
    return [
        _list([images, worst, sources]),
        _conditions(tiers.conditions),
        _list([f"On {grid.data.n:,} images, every single degradation. {robustness_headline(grid)[0]}"]),
    ]


def robustness(content: Result) -> list[str]:
    """The tiers, and the grid on a sample."""
    grid = Robustness.from_dict(content["grid"])
    about = [
        f"{name}: {family.about}{'; ' + family.unit if family.unit else ''}" for name, family in grid.families.items()
    ]
    return [
        *robustness_tiers(content),
        f"Every degradation, on a random sample of {grid.data.n} images (seed {grid.seed}):",
        _conditions(grid.conditions),
        _list(about),
    ]


def bench(content: Result) -> list[str]:
    """What the models cost."""
    result = Bench.from_dict(content["result"])
    rows: list[tuple[Any, ...]] = []
    for model in result.models:
        for engine, found in model.engines.items():
            latency = found.latency
            rows.append(
                (
                    f"{model.name}, {model.size} px",
                    engine,
                    f"{model.parameters:,}",
                    f"{model.macs / 1e6:,.0f} M",
                    f"{model.model_bytes / 2**20:.1f} MiB",
                    f"{found.load_ms:.0f} ms",
                    *(f"{time:.1f} ms" for time in (latency.p50_ms, latency.p95_ms, latency.p99_ms)),
                    f"{found.images_per_second:.1f}",
                    f"{found.peak_memory_mb * 1e6 / 2**20:.0f} MiB",
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
        f"{content['read_seconds']:.1f} s; at most {content['peak_memory_mb'] * 1e6 / 2**20:.0f} MiB. When it began the machine had a "
        f"load average of {content['load_average']:.1f} on {content['run']['cores']} cores."
    ]


def shipped_card(contents: dict[str, Result]) -> str:
    """The model card of the bundle in the package, from the results named in ``CARD_RESULTS``.

    A result of another bundle is left out: until it is measured anew, the card says that there is none.
    """
    results = [
        Evaluation.from_dict(contents["evaluation-edition-2"]["result"]),
        Evaluation.from_dict(contents["evaluation"]["result"]),
        Robustness.from_dict(contents["robustness"]["tiers"]),
        Robustness.from_dict(contents["robustness"]["grid"]),
        Bench.from_dict(contents["bench"]["result"]),
    ]
    bundle = Bundle.open()
    return model_card(bundle, [each for each in results if bundle.sha256 in bundles_of(each)], "apache-2.0")


def _conditions(entries: Sequence[ConditionResult]) -> str:
    return table(
        (
            "condition",
            "AUC",
            "balanced accuracy",
            "its drop",
            "recall of real",
            "recall of fake",
            "changed verdicts",
            "face found",
        ),
        (
            (
                entry.name,
                with_interval(entry.figures.auc),
                with_interval(entry.figures.balanced_accuracy),
                difference(entry.figures.balanced_accuracy.drop),
                percent(entry.figures.specificity),
                percent(entry.figures.recall_fake),
                percent(entry.flips.all),
                percent(entry.face_found),
            )
            for entry in entries
        ),
    )


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
