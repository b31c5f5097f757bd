"""How a result of ``unmask evaluate`` is shown on a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from unmask.evaluation.wording import METRIC_NAMES, figure, headline, percent

_WIDTH = 130


def print_result(result: dict[str, Any], folder: Path | None) -> None:
    """The headline, all metrics, and the figures by source and every other column."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)  # folded cells are harder to read than long lines
    detector = result["detector"]
    console.print(
        f"{detector['model']}, FAKE from a probability of {detector['threshold']:.3f}", style="bold", markup=False
    )
    for line in headline(result):
        console.print(line, markup=False)
    table = Table("metric", "value", "95 % interval", "n", box=None, header_style="dim", pad_edge=False)
    for name, found in result["overall"]["metrics"].items():
        ends = "–" if found["low"] is None else f"{figure(found['low'])} to {figure(found['high'])}"
        table.add_row(METRIC_NAMES[name], figure(found["value"]), ends, str(found["n"]))
    console.print(table)
    for column, entries in result["by"].items():
        console.print(_by_table(column, entries))
    if result["by_group"] is not None:
        metrics = result["by_group"]["metrics"]
        text = ", ".join(
            f"{METRIC_NAMES[name]} {figure(metrics[name]['value'])}" for name in ("auc", "balanced_accuracy")
        )
        console.print(f"By whole groups (n = {result['by_group']['n']}): {text}.")
    if folder is not None:
        console.print(f"More in {folder / 'report.html'}", markup=False)


def _by_table(column: str, entries: list[dict[str, Any]]) -> Table:
    table = Table(
        column, "real", "fake", "called real", "called fake", "AUC of fakes", "unreadable",
        box=None, header_style="dim", pad_edge=False,
    )  # fmt: skip
    for entry in entries:
        mark = " (seen)" if entry.get("seen") else ""
        area = entry["auc_of_fakes"]
        table.add_row(
            f"{entry['value'] or '(blank)'}{mark}".replace("[", r"\["),
            str(entry["n_real"]),
            str(entry["n_fake"]),
            percent(entry["specificity"]),
            percent(entry["recall_fake"]),
            "–" if area is None else figure(area["value"]),
            str(entry["failures"]),
        )
    return table
