"""The result of :func:`unmask.evaluation.experiments.reproduce.reproduce` as an HTML page, Markdown and JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unmask.evaluation.reports.sentences import with_interval
from unmask.files import write_whole
from unmask.pages.page import render

NAMES = ("reproduction.json", "reproduction.html", "reproduction.md")


def write_page(result: dict[str, Any], folder: Path, command: Sequence[str] = ()) -> None:
    """Write ``reproduction.json``, ``.html`` and ``.md``; each appears whole or not at all.

    Args:
        result: of :func:`unmask.evaluation.experiments.reproduce.reproduce`.
        folder: existing folder to write to.
        command: the call, so that it can be repeated.
    """
    texts = (
        json.dumps({**result, "command": list(command)}, indent=1, allow_nan=False) + "\n",
        render_page("html", result, command),
        render_page("md", result, command),
    )
    for name, text in zip(NAMES, texts, strict=True):
        write_whole(folder / name, text)


def render_page(kind: str, result: dict[str, Any], command: Sequence[str] = ()) -> str:
    """The page as ``html`` or ``md``; results of earlier versions are accepted."""
    result = with_papers(result)
    return render(
        f"unmask.evaluation.reports/reproduce.{kind}.j2",
        result=result,
        papers=[{**paper, "shared": shared_departures(paper["systems"])} for paper in result["papers"]],
        metrics=METRICS,
        ours_and_theirs=ours_and_theirs,
        weights=weights,
        cost=cost,
        counts=counts,
        warnings=warnings(result),
        settings=settings(result["settings"]),
        command=shlex.join(command),
    )


def with_papers(result: dict[str, Any]) -> dict[str, Any]:
    """A result of schema 1, which called papers seeds and gave no references, in the form of schema 2."""
    if "seeds" not in result:
        return result
    papers = [
        {**found, "paper": found["seed"], "reference": "", "protocol": found.get("paper")} for found in result["seeds"]
    ]
    return {**result, "papers": papers}


METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "AUC",
}


def ours_and_theirs(system: dict[str, Any], metric: str) -> tuple[str, str]:
    """Our result with its interval, and the paper's; a dash where there is none."""
    ours = with_interval(system["figures"]["metrics"][metric]) if system["figures"] else "–"
    reported = system["reported"].get(metric)
    return ours, "–" if reported is None else f"{reported:.4g}"


def weights(system: dict[str, Any]) -> str:
    """Where the weights of the system's networks came from, in words."""
    if not system["figures"]:
        return "–"
    found = system["figures"]["weights"]
    sources = [
        f"{key.removesuffix('_source') or 'weights'}: {value}" for key, value in found.items() if "source" in key
    ]
    if all(source.endswith(": none") for source in sources):
        return "RANDOM"
    text = "; ".join(source.removeprefix("source: ") for source in sources)
    return text.replace(": none", ": RANDOM")


def cost(system: dict[str, Any]) -> str:
    """Number of epochs, and the time of the whole run in seconds."""
    if not system["figures"]:
        return "–"
    timing = system["figures"]["timing"]
    seconds = sum(timing.get(f"{part}_seconds", 0.0) for part in ("faces", "cache", "training", "packaging"))
    epochs = system["figures"]["epochs"]
    return f"{f'{epochs} epochs, ' if epochs else ''}{seconds:,.0f} s"


def counts(paper: dict[str, Any]) -> str:
    """Number of images in each part of a split."""
    return "; ".join(
        f"{split} {sum(by_label.values()):,} ({by_label['real']:,} real, {by_label['fake']:,} fake)"
        for split, by_label in paper["data"]["counts"].items()
    )


def shared_departures(systems: list[dict[str, Any]]) -> list[str]:
    """The departures that all systems of a paper have in common, in the first one's order."""
    return [line for line in systems[0]["departs"] if all(line in system["departs"] for system in systems)]


def settings(found: dict[str, Any]) -> list[str]:
    """What the call changed, one sentence each."""
    lines = [f"Only rows whose {column} is {' or '.join(values)}." for column, values in found["where"].items()]
    lines += [f"--set {override}, for every recipe." for override in found["set"]]
    if found["epochs"] is not None:
        lines.append(f"At most {found['epochs']} epochs per phase.")
    if found["given"]:
        lines.append("The manifest's own split for all papers.")
    return [*lines, f"Random seed {found['seed']} for splits and runs."]


def warnings(result: dict[str, Any]) -> list[str]:
    """What must be read before any result."""
    systems = [system for paper in result["papers"] for system in paper["systems"]]
    done = [system for system in systems if system["figures"]]
    lines = []
    if bare := [system["recipe"] for system in done if system["figures"]["random_weights"]]:
        lines.append(
            f"RANDOM WEIGHTS: {len(bare)} of {len(done)} systems started, in whole or in part, from random weights "
            f"in place of pretrained ones ({', '.join(bare)}). Their results say nothing about the papers' systems."
        )
    if failed := [system["recipe"] for system in systems if system["error"]]:
        lines.append(f"FAILED: {len(failed)} of {len(systems)} systems could not be run ({', '.join(failed)}).")
    if result["settings"]["epochs"] is not None:
        lines.append(
            f"SHORTENED: no phase was trained for more than {result['settings']['epochs']} epochs; with the recipes' "
            "own schedules the systems may do far better."
        )
    return lines
