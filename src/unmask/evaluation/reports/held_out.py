"""The result of a protocol as one HTML page that needs nothing else, as Markdown, and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from unmask.evaluation.reports.sentences import figure, markdown_cell, percent, with_interval
from unmask.files import write_whole
from unmask.pages.page import render

_WHAT: Final = {"loso": "each source", "logo": "each generator", "kfold": "folds"}
_MATRICES: Final = (
    ("auc", "AUC"),
    ("specificity", "Real images called real, %"),
    ("recall_fake", "Fakes called fake, %"),
)


def write_report(result: dict[str, Any], folder: Path) -> None:
    """Write ``protocol.json``, ``protocol.html`` and ``protocol.md``; each appears whole or not at all."""
    write_whole(folder / "protocol.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_whole(folder / "protocol.html", render("unmask.evaluation.reports/held_out.html.j2", **_content(result)))
    write_whole(folder / "protocol.md", render_markdown(result))


def render_markdown(result: dict[str, Any]) -> str:
    """The same figures as Markdown."""
    return render("unmask.evaluation.reports/held_out.md.j2", **_content(result), cell=markdown_cell)


def sentences(result: dict[str, Any]) -> Iterator[str]:
    """What to read first."""
    base = result["rows"][0]["baseline"]
    if result["protocol"] == "kfold":
        found = result["folds"]
        yield (
            f"{len(result['rows'])} folds, every image tested once by a detector that saw nothing of its group. AUC "
            f"{with_interval(found['auc'])} on average, {figure(found['auc']['least'])} to "
            f"{figure(found['auc']['most'])} by fold; balanced accuracy {percent(found['balanced_accuracy'])}."
        )
    else:
        mean, column = result["mean"], result["column"]
        yield (
            f"{len(result['held_out'])} {column}s left out in turn. Mean AUC of a {column} that training saw: "
            f"{figure(mean['in_distribution']['auc'])}; of the same images where it did not: "
            f"{figure(mean['held_out']['auc'])}."
        )
        for name, of, what in (
            ("auc", "AUC", figure),
            ("specificity", "real images called real", _share),
            ("recall_fake", "fakes called fake", _share),
        ):
            having = [entry for entry in result["held_out"] if entry["held_out"][name]["value"] is not None]
            if having and not (result["protocol"] == "logo" and name == "specificity"):
                worst = min(having, key=lambda entry: entry["held_out"][name]["value"])
                yield (
                    f"Worst left out, {of}: {worst['value'] or '(blank)'}, {what(worst['held_out'][name]['value'])}, "
                    f"where it was {what(worst['in_distribution'][name]['value'])} with training on it."
                )
    yield (
        f"Always answering “{base['answer']}” is right on {100 * base['accuracy']:.1f} % "
        f"{'of the first fold' if result['protocol'] == 'kfold' else 'of the test images'}."
    )
    yield from (f"{notice}." for notice in result["notices"])


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _content(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "result": result,
        "what": _WHAT[result["protocol"]],
        "sentences": list(sentences(result)),
        "matrices": [
            {
                "title": title,
                "rows": [(row, [_entry(row, value, name) for value in result["columns"]]) for row in result["rows"]],
            }
            for name, title in _MATRICES
            if any(_entry(row, value, name)["text"] != "–" for row in result["rows"] for value in result["columns"])
        ],
        "one_class": [value for value in result["columns"] if _against_all(result, value)],
        "with_interval": with_interval,
        "percent": percent,
        "command": shlex.join(result["run"]["command"]),
    }


def _against_all(result: dict[str, Any], value: str) -> bool:
    return any(
        row["cells"][value]["against"] == "all" and row["cells"][value]["auc"] is not None for row in result["rows"]
    )


def _entry(row: dict[str, Any], value: str, name: str) -> dict[str, Any]:
    """A cell of a matrix, and whether its row was trained without its column."""
    found = row["cells"][value][name]
    if name == "auc":
        text = "–" if found is None else figure(found)
    else:
        text = "–" if found is None else f"{100 * found['value']:.1f}"
    return {"text": text, "held_out": row["name"] == value}
