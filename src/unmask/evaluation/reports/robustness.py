"""A result of ``unmask robustness`` as an HTML page that needs nothing else, as Markdown, and as JSON."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from unmask.evaluation.reports.charts import condition_charts
from unmask.evaluation.reports.sentences import difference, markdown_cell, percent, robustness_headline, with_interval
from unmask.files import write_whole
from unmask.pages.page import render

NAME = "robustness.json"


def write_robustness(result: dict[str, Any], folder: Path) -> None:
    """Write ``robustness.json``, ``robustness.html`` and ``robustness.md``; each appears whole or not at all.

    Args:
        result: of :func:`unmask.evaluation.robustness.measure_conditions`.
        folder: where to; it must exist.

    Raises:
        OSError: a file cannot be written.
    """
    content = {"robustness": robustness_content(result)}
    page = render("unmask.evaluation.reports/robustness.html.j2", **content)
    markdown = render("unmask.evaluation.reports/robustness.md.j2", **content, cell=markdown_cell)
    write_whole(folder / NAME, json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_whole(folder / "robustness.html", page)
    write_whole(folder / "robustness.md", markdown)


def robustness_content(result: dict[str, Any]) -> dict[str, Any]:
    """What the templates name of a result."""
    return {
        "result": result,
        "headline": robustness_headline(result),
        "charts": condition_charts(result),
        "with_interval": with_interval,
        "difference": difference,
        "percent": percent,
        "command": shlex.join(result["run"]["command"]),
    }
