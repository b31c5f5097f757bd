"""The result of an ablation as one HTML page that needs nothing else, as Markdown, and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from unmask.evaluation.reports.sentences import difference, figure, markdown_cell
from unmask.files import write_whole
from unmask.pages.page import render

_NAMES: Final = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}


def write_report(result: dict[str, Any], folder: Path) -> None:
    """Write ``ablation.json``, ``ablation.html`` and ``ablation.md``; each appears whole or not at all."""
    write_whole(folder / "ablation.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_whole(folder / "ablation.html", render("unmask.evaluation.reports/ablation.html.j2", **_content(result)))
    write_whole(folder / "ablation.md", render_markdown(result))


def render_markdown(result: dict[str, Any]) -> str:
    """The same figures as Markdown."""
    return render("unmask.evaluation.reports/ablation.md.j2", **_content(result), cell=markdown_cell)


def sentences(result: dict[str, Any]) -> Iterator[str]:
    """What to read first."""
    yield (
        f"{result['n']:,} test images ({result['n_real']:,} real, {result['n_fake']:,} fake) in {result['groups']:,} "
        f"groups, {len(result['seeds'])} seeds. The whole recipe has AUC {figure(result['whole']['auc']['value'])} and "
        f"balanced accuracy {figure(result['whole']['balanced_accuracy']['value'])}, where always answering "
        f"“{result['baseline']['answer']}” has accuracy {figure(result['baseline']['accuracy'])} and balanced accuracy "
        f"{figure(result['baseline']['balanced_accuracy'])}."
    )
    for name, words in _NAMES.items():
        told = [entry for entry in result["variants"] if entry["effect"][name]["established"]]
        parts = [f"{entry['title']} {difference(entry['effect'][name])}" for entry in told]
        yield f"Established in {words}: {'; '.join(parts) if parts else 'no difference'}."
    for entry in result["not_applicable"]:
        yield f"Not tried {entry['title']}: {entry['why']}."


def _content(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "result": result,
        "sentences": list(sentences(result)),
        "figure": figure,
        "difference": difference,
        "verdict": lambda found: "established" if found["established"] else "not established",
        "chance": lambda found: "–" if found["p_holm"] is None else f"{found['p_holm']:.4f}",
        "command": shlex.join(result["run"]["command"]),
    }
