"""The report of ``unmask robustness``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unmask.evaluation.reports.charts import condition_charts
from unmask.evaluation.reports.sentences import robustness_headline
from unmask.evaluation.reports.write import Report, command_line
from unmask.evaluation.results.robustness import Robustness


def write_robustness(result: Robustness, folder: Path) -> None:
    """Write ``robustness.json``, ``robustness.html`` and ``robustness.md``; each appears whole or not at all.

    Args:
        result: of :func:`unmask.evaluation.robustness.measure_conditions`.
        folder: an existing folder.

    Raises:
        UsageError: ``cannot_write``.
    """
    Report(result, "robustness", {"robustness": robustness_content(result)}).write(folder, "robustness")


def robustness_content(result: Robustness) -> dict[str, Any]:
    """What templates need of a result, also inside other reports."""
    return {
        "result": result,
        "headline": robustness_headline(result),
        "charts": condition_charts(result),
        "command": command_line(result.run),
    }
