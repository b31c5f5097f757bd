"""Results of ``unmask evaluate``, ``robustness`` and ``bench`` on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from unmask.evaluation.reports.fairness import NOTE, fairness_lines
from unmask.evaluation.reports.sentences import (
    bench_lines,
    difference,
    headline,
    metric_name,
    percent,
    robustness_headline,
    three_digits,
    with_interval,
)
from unmask.evaluation.results import Bench, Evaluation, Robustness, Slice
from unmask.text import printable

_WIDTH = 130


def print_result(result: Evaluation, folder: Path | None) -> None:
    """The headline, all metrics, and the metrics by source and every other column."""
    console = _console()
    detector = result.detector
    _say(console, f"{detector.model}, threshold {detector.threshold:.3f}", bold=True)
    for line in headline(result):
        _say(console, line)
    table = Table("metric", "value", "95 % confidence interval", "n", box=None, header_style="dim", pad_edge=False)
    for name, found in result.overall.metrics.items():
        ends = "–" if found.low is None else f"{three_digits(found.low)} to {three_digits(found.high)}"
        table.add_row(metric_name(name), three_digits(found.value), ends, str(found.n))
    console.print(table)
    for column, entries in result.by.items():
        if column in result.fairness:
            console.print(_group_table(column, entries))
            for line in fairness_lines(result, column):
                _say(console, line)
        else:
            console.print(_by_table(column, entries))
    if result.fairness:
        _say(console, NOTE)
    if result.by_group is not None:
        metrics = result.by_group.metrics
        text = ", ".join(
            f"{metric_name(name)} {three_digits(metrics[name].value)}" for name in ("auc", "balanced_accuracy")
        )
        console.print(f"By whole groups (n = {result.by_group.n}): {text}.")
    if folder is not None:
        _say(console, f"Report: {folder / 'report.html'}")


def print_robustness(result: Robustness, folder: Path) -> None:
    """The headline, and a row per condition."""
    console = _console()
    _say(console, result.detector.model, bold=True)
    for line in robustness_headline(result):
        _say(console, line)
    table = Table(
        "condition", "AUC", "balanced accuracy", "drop", "flips", "face found",
        box=None, header_style="dim", pad_edge=False,
    )  # fmt: skip
    for condition in result.conditions:
        metrics = condition.figures
        table.add_row(
            condition.name,
            with_interval(metrics.auc),
            with_interval(metrics.balanced_accuracy),
            difference(metrics.balanced_accuracy.drop),
            percent(condition.flips.all),
            percent(condition.face_found),
        )
    console.print(table)
    _say(console, f"Report: {folder / 'robustness.html'}")


def print_bench(result: Bench, file: Path) -> None:
    """A row per engine and model, and the cost."""
    console = _console()
    table = Table(
        "model", "engine", "parameters", "MACs", "file", "load", "p50", "p95", "p99", "images/s", "peak memory",
        box=None, header_style="dim", pad_edge=False,
    )  # fmt: skip
    for model in result.models:
        for engine, found in model.engines.items():
            latency = found.latency
            table.add_row(
                model.name,
                engine,
                f"{model.parameters / 1e6:.2f} M",
                f"{model.macs / 1e6:.0f} M",
                f"{model.model_bytes / 2**20:.1f} MiB",
                f"{found.load_ms:.0f} ms",
                *(f"{time:.2f} ms" for time in (latency.p50_ms, latency.p95_ms, latency.p99_ms)),
                f"{found.images_per_second:.1f}",
                f"{found.peak_memory_mb * 1e6 / 2**20:.0f} MiB",
            )
    console.print(table)
    for line in bench_lines(result):
        _say(console, line)
    _say(console, f"Written to {file}")


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)  # long lines read better than folded cells
    return console


def _say(console: Console, line: str, *, bold: bool = False) -> None:
    """Print a line in which names from files cannot command the terminal."""
    console.print(Text(printable(line), style="bold" if bold else ""))


def _group_table(column: str, entries: Sequence[Slice]) -> Table:
    table = Table(
        Column(Text(printable(column))), "real", "fake", "called real", "called fake",
        "uncertain, real", "uncertain, fake", "AUC within", box=None, header_style="dim", pad_edge=False,
    )  # fmt: skip
    for entry in entries:
        table.add_row(
            Text(printable(entry.value or "(blank)")),
            str(entry.n_real),
            str(entry.n_fake),
            percent(entry.specificity),
            percent(entry.recall_fake),
            percent(entry.uncertain_real),
            percent(entry.uncertain_fake),
            with_interval(entry.auc_within),
        )
    return table


def _by_table(column: str, entries: Sequence[Slice]) -> Table:
    table = Table(
        Column(Text(printable(column))), "real", "fake", "called real", "called fake", "AUC of fakes", "unreadable",
        box=None, header_style="dim", pad_edge=False,
    )  # fmt: skip
    for entry in entries:
        mark = " (seen)" if entry.seen else ""
        table.add_row(
            Text(printable(f"{entry.value or '(blank)'}{mark}")),
            str(entry.n_real),
            str(entry.n_fake),
            percent(entry.specificity),
            percent(entry.recall_fake),
            "–" if entry.auc_of_fakes is None else three_digits(entry.auc_of_fakes.value),
            str(entry.failures),
        )
    return table
