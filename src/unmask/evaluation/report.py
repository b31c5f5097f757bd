"""A result as one HTML page that needs nothing else, as Markdown, and as JSON."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Final

from unmask.evaluation.charts import charts, histogram_paths
from unmask.evaluation.wording import METRIC_NAMES, figure, headline, percent, with_interval
from unmask.pages.page import render, root_manifest, thumbnail, write_text

_SHOWN_FAILURES: Final = 20


def write_report(result: dict[str, Any], folder: Path, *, thumbnails_from: Path | None = None) -> None:
    """Write ``result.json``, ``report.html`` and ``report.md``; each appears whole or not at all.

    Args:
        result: of :func:`unmask.evaluation.evaluate.evaluate`.
        folder: where to; it must exist.
        thumbnails_from: the folder that paths are relative to, to put pictures of mistakes into the page; by default
            there are none, for a page that holds pictures is a copy of them.

    Raises:
        OSError: a file cannot be written.
    """
    page, markdown = render_html(result, thumbnails_from), render_markdown(result)
    write_text(folder / "result.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_text(folder / "report.html", page)
    write_text(folder / "report.md", markdown)


def render_html(result: dict[str, Any], thumbnails_from: Path | None = None) -> str:
    """The page; every text of the scores is escaped."""
    root = None if thumbnails_from is None else root_manifest(thumbnails_from)
    mistakes = {
        name: [{**entry, "data": "" if root is None else thumbnail(root, entry["path"])} for entry in entries]
        for name, entries in result["mistakes"].items()
    }
    return render(
        "unmask.evaluation/report.html.j2",
        **_content(result),
        charts=charts(result),
        histograms=histogram_paths(result["curves"]["histograms"]),
        mistakes=mistakes,
    )


def render_markdown(result: dict[str, Any]) -> str:
    """The same figures as Markdown, without charts."""
    return render("unmask.evaluation/report.md.j2", **_content(result), mistakes=result["mistakes"], cell=_cell)


def _content(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "result": result,
        "headline": headline(result),
        "names": METRIC_NAMES,
        "figure": figure,
        "percent": percent,
        "with_interval": with_interval,
        "command": shlex.join(result["run"]["command"]),
        "failures": result["failures"][:_SHOWN_FAILURES],
    }


def _cell(text: str) -> str:
    """Text of the scores made safe for a cell of a Markdown table."""
    escaped = "".join(f"\\{char}" if char in r"\`*_[]<>|#" else char for char in text)
    return " ".join(escaped.split())
