"""What :func:`unmask.evaluation.experiments.reproduce.reproduce` found, as one HTML page, as Markdown, and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unmask.evaluation.reports.sentences import with_interval
from unmask.pages.page import render, write_text

NAMES = ("reproduction.json", "reproduction.html", "reproduction.md")


def write_page(result: dict[str, Any], folder: Path, command: Sequence[str] = ()) -> None:
    """Write ``reproduction.json``, ``.html`` and ``.md``; each appears whole or not at all.

    Args:
        result: what was found.
        folder: where to; it must exist.
        command: what was called, to be repeated.
    """
    texts = (
        json.dumps({**result, "command": list(command)}, indent=1, allow_nan=False) + "\n",
        render_page("html", result, command),
        render_page("md", result, command),
    )
    for name, text in zip(NAMES, texts, strict=True):
        write_text(folder / name, text)


def render_page(kind: str, result: dict[str, Any], command: Sequence[str] = ()) -> str:
    """The page as ``html`` or ``md``."""
    return render(
        f"unmask.evaluation.reports/reproduce.{kind}.j2",
        result=result,
        seeds=[{**seed, "shared": shared_departures(seed["systems"])} for seed in result["seeds"]],
        metrics=METRICS,
        ours_and_theirs=ours_and_theirs,
        weights=weights,
        cost=cost,
        counts=counts,
        warnings=warnings(result),
        settings=settings(result["settings"]),
        command=shlex.join(command),
    )


METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "AUC",
}


def ours_and_theirs(system: dict[str, Any], metric: str) -> tuple[str, str]:
    """Our figure with its interval, and the paper's; a dash where there is none."""
    ours = with_interval(system["figures"]["metrics"][metric]) if system["figures"] else "–"
    reported = system["reported"].get(metric)
    return ours, "–" if reported is None else f"{reported:.4g}"


def weights(system: dict[str, Any]) -> str:
    """What was loaded into the system's networks, in words."""
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
    """Epochs and the time of the whole run."""
    if not system["figures"]:
        return "–"
    timing = system["figures"]["timing"]
    seconds = sum(timing.get(f"{part}_seconds", 0.0) for part in ("faces", "cache", "training", "packaging"))
    epochs = system["figures"]["epochs"]
    return f"{f'{epochs} epochs, ' if epochs else ''}{seconds:,.0f} s"


def counts(seed: dict[str, Any]) -> str:
    """How many images each part of a split holds."""
    return "; ".join(
        f"{split} {sum(by_label.values()):,} ({by_label['real']:,} real, {by_label['fake']:,} fake)"
        for split, by_label in seed["data"]["counts"].items()
    )


def shared_departures(systems: list[dict[str, Any]]) -> list[str]:
    """What all systems of a seed depart in, in the first one's order."""
    return [line for line in systems[0]["departs"] if all(line in system["departs"] for system in systems)]


def settings(found: dict[str, Any]) -> list[str]:
    """What the call changed, a sentence each."""
    lines = [f"Rows whose {column} is {' or '.join(values)}." for column, values in found["where"].items()]
    lines += [f"--set {override}, for every recipe." for override in found["set"]]
    if found["epochs"] is not None:
        lines.append(f"At most {found['epochs']} epochs a phase.")
    if found["given"]:
        lines.append("The manifest's own split for all.")
    return [*lines, f"Seed {found['seed']}, of splits and runs."]


def warnings(result: dict[str, Any]) -> list[str]:
    """What must be read before any figure."""
    systems = [system for seed in result["seeds"] for system in seed["systems"]]
    done = [system for system in systems if system["figures"]]
    lines = []
    if bare := [system["recipe"] for system in done if system["figures"]["random_weights"]]:
        lines.append(
            f"RANDOM WEIGHTS: {len(bare)} of {len(done)} systems began, in whole or in part, with random weights in "
            f"place of pretrained ones ({', '.join(bare)}). Their figures say nothing about the papers' systems."
        )
    if failed := [system["recipe"] for system in systems if system["error"]]:
        lines.append(f"FAILED: {len(failed)} of {len(systems)} systems could not be run ({', '.join(failed)}).")
    if result["settings"]["epochs"] is not None:
        lines.append(
            f"CUT SHORT: no phase was trained for more than {result['settings']['epochs']} epochs; what a system "
            "reaches with the recipe's own schedule may be far better."
        )
    return lines
