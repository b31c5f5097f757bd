"""Results of ``unmask evaluate``, ``robustness`` and ``bench`` as Markdown, and the shipped model card."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from _markdown import Result
from _markdown import percent as plain
from unmask.bundle.bundle import Bundle
from unmask.detect.detector import load
from unmask.evaluation.regressions import read_cases, run_regressions
from unmask.evaluation.reports.evaluation import bundles_of, report
from unmask.evaluation.reports.model_card import CardResult, model_card
from unmask.evaluation.reports.robustness import robustness_content
from unmask.evaluation.reports.sentences import (
    bench_lines,
    headline,
    markdown_cell,
    percent,
    robustness_headline,
    with_interval,
)
from unmask.evaluation.reports.write import FORMATS
from unmask.evaluation.results import Bench, Evaluation, Regressions, Robustness
from unmask.pages.page import render

_CASES = Path(__file__).resolve().parent.parent / "tests" / "regressions" / "manifest.csv"
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


def evaluation_in_short(content: Result) -> list[str]:
    """How good a detector is, in one line."""
    overall = Evaluation.from_dict(content["result"]).overall
    metrics = overall.metrics
    return [
        f"**AUC {with_interval(metrics['auc'])}** on {overall.n:,} test images. {percent(metrics['recall_fake'])} "
        f"of the fakes are found, and {percent(metrics['specificity'])} of the real images are called real."
    ]


def evaluation_by_source(content: Result) -> list[str]:
    """The metrics of each source."""
    result = Evaluation.from_dict(content["result"])
    return [*_slices(result, ("source",)), _how(result)]


def evaluation(content: Result) -> list[str]:
    """Every metric of the shipped detector on the test images."""
    result = Evaluation.from_dict(content["result"])
    metrics = _part("metrics_table", result=result, **report(result).content)
    columns = [column for column in result.by if column != "seen"]
    return [_list(headline(result)), metrics, *_slices(result, columns), _how(result)]


def _slices(result: Evaluation, columns: Iterable[str]) -> list[str]:
    shown = [column for column in columns if column in result.by]
    return [_part("slice_table", column=each, entries=result.by[each], fairness=result.fairness) for each in shown]


def _how(result: Evaluation) -> str:
    return (
        "*Seen*: training saw other images of the source. *AUC of its fakes*: against all real images; *AUC within*: "
        "against the real images of the same row. 95 % confidence intervals in parentheses: Wilson's with the "
        "design effect of the groups for proportions, a bootstrap over whole groups "
        f"({result.intervals.draws:,} draws) for other metrics."
    )


def robustness_tiers(content: Result) -> list[str]:
    """The tiers on every test image, and in a sentence the worst of the grid, if it was tested."""
    tiers = Robustness.from_dict(content["tiers"])
    worst, sources, images, *_ = robustness_headline(tiers)
    lines = [_list([images, worst, sources]), _conditions(tiers)]
    if "grid" not in content:
        return lines
    grid = Robustness.from_dict(content["grid"])
    return [
        *lines,
        _list([f"One degradation at a time, on {grid.data.n:,} images. {robustness_headline(grid)[0]}"]),
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
        _conditions(grid),
        _list(about),
    ]


def bench(content: Result) -> list[str]:
    """What the models cost."""
    result = Bench.from_dict(content["result"])
    return [_part("bench_table", bench=result), _list(bench_lines(result))]


def evaluation_speed(content: Result) -> list[str]:
    """Time to compute all metrics of a large score table."""
    return [
        f"All metrics of {content['rows']:,} scored images in {content['groups']:,} groups and {content['sources']} "
        f"sources, with {content['draws']:,} bootstrap samples: **{content['seconds']:.1f} s** "
        f"({content['cpu_seconds']:.1f} s of CPU time), of which {content['read_seconds']:.1f} s to read the table "
        f"from CSV; peak memory {content['peak_memory_mb'] * 1e6 / 2**20:.0f} MiB. The load average at the start was "
        f"{content['load_average']:.1f} on {content['run']['cores']} cores."
    ]


def shipped_card(contents: dict[str, Result]) -> str:
    """The model card of the bundle in the package, from the results named in ``CARD_RESULTS`` and the known cases.

    Results of another bundle are left out; the card then says that there are none.
    """
    results: list[CardResult] = [
        Evaluation.from_dict(contents["evaluation-edition-2"]["result"]),
        Evaluation.from_dict(contents["evaluation"]["result"]),
        Robustness.from_dict(contents["robustness"]["tiers"]),
        Robustness.from_dict(contents["robustness"]["grid"]),
        Bench.from_dict(contents["bench"]["result"]),
    ]
    bundle = Bundle.open()
    results.append(_known_cases(bundle.sha256))
    return model_card(bundle, [each for each in results if bundle.sha256 in bundles_of(each)], "apache-2.0")


@cache
def _known_cases(sha256: str) -> Regressions:
    """How the bundle in the package, whose hash is given, fares: judged here and now, which takes half a second."""
    found = run_regressions(load(), read_cases(_CASES))
    assert found.detector.bundle_sha256 == sha256
    return found


def _conditions(result: Robustness) -> str:
    return _part("robustness_table", robustness=robustness_content(result))


def _part(template: str, **content: Any) -> str:
    """A part of the library's Markdown reports."""
    text = render(f"unmask.evaluation.reports/{template}.md.j2", cell=markdown_cell, **FORMATS, **content)
    return text.strip()


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
