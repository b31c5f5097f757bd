"""Results in words, for the terminal, the page and the Markdown report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unmask.evaluation.results.base import Estimate
from unmask.evaluation.results.cost import Bench, ModelCost
from unmask.evaluation.results.evaluation import Evaluation
from unmask.evaluation.results.regressions import RegressionCase, Regressions
from unmask.evaluation.results.robustness import Robustness
from unmask.stats.registry import METRICS

METRIC_NAMES: Final = {name: metric.title for name, metric in METRICS.items()}


def metric_name(name: str) -> str:
    """The title of a metric; its key where a file holds a metric that is not known here."""
    return METRIC_NAMES.get(name, name)


def three_digits(value: float | None) -> str:
    """A value with three digits after the point."""
    return "undefined" if value is None else f"{value:.3f}"


def with_interval(found: Estimate | None) -> str:
    """A value and its interval."""
    if found is None or found.value is None:
        return "–"
    ends = "" if found.low is None else f" ({three_digits(found.low)}–{three_digits(found.high)})"
    return three_digits(found.value) + ends


def percent(found: Estimate | None) -> str:
    """A proportion and its interval in percent."""
    if found is None or found.value is None:
        return "–"
    ends = "" if found.low is None or found.high is None else f" ({100 * found.low:.1f}–{100 * found.high:.1f})"
    return f"{100 * found.value:.1f} %{ends}"


def difference(found: Estimate | None) -> str:
    """A signed difference and its interval."""
    if found is None or found.value is None:
        return "–"
    ends = "" if found.low is None else f" ({found.low:+.3f} to {found.high:+.3f})"
    return f"{found.value:+.3f}{ends}"


def markdown_cell(text: str) -> str:
    """Text of a table made safe for a cell of a Markdown table."""
    escaped = "".join(f"\\{char}" if char in r"\`*_[]<>|#" else char for char in text)
    return " ".join(escaped.split())


def headline(result: Evaluation) -> list[str]:
    """The sentences to read first."""
    overall, head, trivial = result.overall, result.headline, result.overall.baseline
    lines = [
        f"{overall.n:,} images ({overall.n_real:,} real, {overall.n_fake:,} fake) in {overall.groups:,} groups. AUC "
        f"{with_interval(head.auc)}, balanced accuracy {percent(head.balanced_accuracy)}, accuracy "
        f"{percent(head.accuracy)}.",
        f"Always predicting “{trivial.answer}” is right on {100 * trivial.accuracy:.1f} %: the accuracy is "
        f"{'above' if head.above_baseline else 'not shown to be above'} that.",
    ]
    if head.uncertain_rate is not None:
        lines.append(
            f"Uncertain: {percent(head.uncertain_rate)} of the verdicts; accuracy of the others "
            f"{percent(head.accuracy_outside_band)}."
        )
    for label, worst, what in (
        ("fake", head.worst_source.fake, "fakes found"),
        ("real", head.worst_source.real, "real images called real"),
    ):
        if worst is not None and head.sources > 1:
            seen = ", seen in training" if worst.seen else ""
            lines.append(
                f"Worst source of {label}: {worst.source or '(blank)'}{seen}: {percent(worst)} of {worst.n} {what}."
            )
    if head.unseen is not None:
        area = head.unseen.auc_within
        lines.append(
            f"Sources not seen in training: {percent(head.unseen.accuracy)} of {head.unseen.n:,} images right"
            f"{'' if area is None else f', AUC {with_interval(area)}'}."
        )
    elif head.sources_seen:
        lines.append("All sources were seen in training: accuracy on images from elsewhere is unknown.")
    if overall.failures:
        lines.append(f"Unreadable, counted as mistakes: {overall.failures:,} images.")
    detector = result.detector
    if detector.calibrated_on and detector.calibrated_on == detector.manifest_digest:
        lines.append("The detector was calibrated on these images: its thresholds and probabilities fit them too well.")
    if "train" in result.data.splits:
        lines.append("Images of the split “train” are among these: the detector may have learned them.")
    return lines


def robustness_headline(result: Robustness) -> list[str]:
    """The sentences to read first: the worst tier, and the worst of the grid."""
    clean = result.condition("clean").figures
    lines = []
    for what, name in (
        ("Worst tier", result.headline.worst_tier),
        ("Worst of the grid", result.headline.worst_of_grid),
    ):
        if name is None or name == "clean":  # older files may name the clean images
            continue
        found = result.condition(name)
        family = result.families[found.family]
        level = "" if found.level is None else f" ({found.level:g} {family.unit})"
        balanced = found.figures.balanced_accuracy
        lines.append(
            f"{what}: {name}{level}, {family.about}: balanced accuracy {with_interval(balanced)} where clean images "
            f"have {three_digits(clean.balanced_accuracy.value)}, {_drop(balanced.drop)}; AUC "
            f"{with_interval(found.figures.auc)}. {percent(found.flips.all)} of the verdicts flip."
        )
        worst = [
            f"{percent(of)} of the {label} images of {of.source or '(no source)'}"
            for label, of in (("fake", found.worst_source.fake), ("real", found.worst_source.real))
            if of is not None
        ]
        lines.append(f"Worst sources under {name}: right on {', on '.join(worst)}.")
    data = result.data
    lines.append(
        f"{data.n:,} images ({data.n_real:,} real, {data.n_fake:,} fake) in {data.groups:,} groups, the same under "
        f"every condition and at the same threshold ({result.detector.threshold:.3f})."
    )
    if result.unavailable:
        lines.append(f"Not tested, because this Pillow lacks the format: {', '.join(result.unavailable)}.")
    return lines


def _drop(found: Estimate) -> str:
    if found.value is None:
        return "a drop that is undefined"
    if found.low is not None and found.low > 0:
        return f"a drop of {difference(found)}"
    return f"no significant drop: {difference(found)}"


def regression_lines(result: Regressions) -> list[str]:
    """How many cases pass, then those that do not, and those that now do."""

    def names(cases: tuple[RegressionCase, ...]) -> str:
        return ", ".join(case.path for case in cases)

    failed, missed, fixed, absent = (result.of_status(status) for status in ("failed", "known_miss", "fixed", "absent"))
    passed = len(result.of_status("passed"))
    lines = [f"{passed} of {passed + len(failed)} cases that must pass do, {len(missed)} known misses."]
    if failed:
        lines.append(f"Failed: {names(failed)}.")
    if fixed:
        lines.append(f"Known misses that pass now: {names(fixed)}. Clear their known_miss, so that they stay right.")
    if absent:
        lines.append(f"Left out, because the image is not here: {len(absent)}.")
    return lines


def bench_lines(result: Bench) -> list[str]:
    """What the table of a bench does not show: the comparison with PyTorch, cost and training time."""
    lines = [line for model in result.models for line in _of_model(model)]
    load, cores = result.run.load_average, result.run.cores
    if load is not None and cores is not None and load > cores / 2:
        lines.append(
            f"The machine was busy with other work: a load average of {load:.1f} on {cores} cores. Times are longer "
            "than on an idle machine; those of the two engines were equally affected."
        )
    return lines


def _of_model(model: ModelCost) -> Iterator[str]:
    name, cost, ratios, whole = model.name, model.cost, model.torch_over_onnx, model.images
    if ratios is None:
        yield f"{name}: not compared with PyTorch, because {model.no_torch}."
    else:
        yield (
            f"{name}: PyTorch (eager, random weights) takes {ratios.latency_p50:.1f} times as long per image and "
            f"{ratios.peak_memory:.1f} times the memory."
        )
    if whole is not None:
        yield (
            f"{name}: a whole detection, from the file's bytes to the verdict, takes {whole.p50_ms:.1f} ms (p50), "
            f"{whole.p95_ms:.1f} ms (p95), {whole.p99_ms:.1f} ms (p99), over {whole.n:,} images."
        )
    price = (
        ""
        if cost.per_million is None
        else f", which cost {cost.per_million:.2f} at {cost.price_per_core_hour:g} per core-hour"
    )
    yield f"{name}: a million images take {cost.core_hours_per_million:.1f} core-hours ({cost.of}){price}."
    if model.uncounted:
        yield f"{name}: the MACs leave out {', '.join(model.uncounted)}."
    if model.training is not None and "training_seconds" in model.training:
        yield f"{name}: trained in {model.training['training_seconds'] / 60:.1f} minutes."
