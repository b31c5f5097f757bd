"""The report of ``unmask reproduce``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from unmask.evaluation.reports.sentences import with_interval
from unmask.evaluation.reports.write import Report
from unmask.evaluation.results.base import Metric
from unmask.evaluation.results.reproduction import (
    ReportedMetrics,
    ReproducedPaper,
    Reproduction,
    ReproductionSettings,
    System,
)

METRICS: Final = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "AUC",
}


def write_page(result: Reproduction, folder: Path) -> None:
    """Write ``reproduction.json``, ``.html`` and ``.md``; each appears whole or not at all.

    Args:
        result: of :func:`unmask.evaluation.experiments.reproduce.reproduce`.
        folder: an existing folder.

    Raises:
        UsageError: ``cannot_write``.
    """
    report(result).write(folder, "reproduction")


def report(result: Reproduction) -> Report:
    """The page and the Markdown."""
    content = {
        "papers": [_ShownPaper(paper, shared_departures(paper.systems)) for paper in result.papers],
        "metrics": METRICS,
        "ours_and_theirs": ours_and_theirs,
        "weights": weights,
        "cost": cost,
        "counts": counts,
        "warnings": warnings(result),
        "settings": settings(result.settings),
        "command": shlex.join(result.command),
    }
    return Report(result, "reproduce", content)


@dataclass(frozen=True)
class _ShownPaper:
    """A paper, and the departures that all of its systems have in common."""

    found: ReproducedPaper
    shared: tuple[str, ...]


def ours_and_theirs(system: System, metric: str) -> tuple[str, str]:
    """Our result with its interval, and the paper's; a dash where there is none."""
    ours = "–" if system.figures is None else with_interval(_metric(system.figures.metrics, metric))
    reported = system.reported.get(metric)
    return ours, "–" if reported is None else f"{reported:.4g}"


def _metric(found: ReportedMetrics, name: str) -> Metric:
    metric: Metric = getattr(found, name)
    return metric


def weights(system: System) -> str:
    """Where the weights of the system's networks came from, in words."""
    if system.figures is None:
        return "–"
    sources = [
        f"{key.removesuffix('_source') or 'weights'}: {value}"
        for key, value in system.figures.weights.items()
        if "source" in key
    ]
    if all(source.endswith(": none") for source in sources):
        return "RANDOM"
    text = "; ".join(source.removeprefix("source: ") for source in sources)
    return text.replace(": none", ": RANDOM")


def cost(system: System) -> str:
    """Number of epochs, and the time of the whole run in seconds."""
    if system.figures is None:
        return "–"
    timing, epochs = system.figures.timing, system.figures.epochs
    seconds = sum(timing.get(f"{part}_seconds", 0.0) for part in ("faces", "cache", "training", "packaging"))
    return f"{f'{epochs} epochs, ' if epochs else ''}{seconds:,.0f} s"


def counts(paper: ReproducedPaper) -> str:
    """Number of images in each part of a split."""
    return "; ".join(
        f"{split} {found.real + found.fake:,} ({found.real:,} real, {found.fake:,} fake)"
        for split, found in paper.data.counts.items()
    )


def shared_departures(systems: Sequence[System]) -> tuple[str, ...]:
    """The departures that all systems of a paper have in common, in the first one's order."""
    return tuple(line for line in systems[0].departs if all(line in system.departs for system in systems))


def settings(found: ReproductionSettings) -> list[str]:
    """What the call changed, one sentence each."""
    lines = [f"Only rows whose {column} is {' or '.join(values)}." for column, values in found.where.items()]
    lines += [f"--set {override}, for every recipe." for override in found.overrides]
    if found.epochs is not None:
        lines.append(f"At most {found.epochs} epochs per phase.")
    if found.given:
        lines.append("The manifest's own split for all papers.")
    return [*lines, f"Random seed {found.seed} for splits and runs."]


def warnings(result: Reproduction) -> list[str]:
    """What must be read before any result."""
    systems = [system for paper in result.papers for system in paper.systems]
    done = [(system, system.figures) for system in systems if system.figures is not None]
    lines = []
    if bare := [system.recipe for system, figures in done if figures.random_weights]:
        lines.append(
            f"RANDOM WEIGHTS: {len(bare)} of {len(done)} systems started, in whole or in part, from random weights "
            f"in place of pretrained ones ({', '.join(bare)}). Their results say nothing about the papers' systems."
        )
    if failed := [system.recipe for system in systems if system.error is not None]:
        lines.append(f"FAILED: {len(failed)} of {len(systems)} systems could not be run ({', '.join(failed)}).")
    if result.settings.epochs is not None:
        lines.append(
            f"SHORTENED: no phase was trained for more than {result.settings.epochs} epochs; with the recipes' "
            "own schedules the systems may do far better."
        )
    return lines
