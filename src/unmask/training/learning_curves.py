"""The curves of a run as an image."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unmask.files import whole_file
from unmask.training.history import shown_epoch
from unmask.training.state import read_history

# Okabe and Ito's colours, which colour-blind readers can distinguish; lines differ in style as well.
_BLUE, _VERMILION, _GREEN = "#0072B2", "#D55E00", "#009E73"
_PANELS = (
    ("loss", (("train_loss", "training", _BLUE, "--"), ("val_loss", "validation", _VERMILION, "-"))),
    ("accuracy", (("train_accuracy", "training", _BLUE, "--"), ("val_accuracy", "validation", _VERMILION, "-"))),
    ("validation score", (("val_f1", "F1", _VERMILION, "-"), ("val_auc", "AUC", _GREEN, ":"))),
)


def best_row(history: Path, monitor: str) -> dict[str, Any] | None:
    """The row of the best epoch, the first one if several are equal; ``None`` before the first epoch.

    Args:
        history: a run's ``history.csv``.
        monitor: ``val_auc`` or ``val_loss``.
    """
    sign = 1 if monitor == "val_auc" else -1
    rows = [row for row in read_history(history) if row[monitor] and math.isfinite(float(row[monitor]))]
    return max(rows, key=lambda row: sign * float(row[monitor]), default=None)


def draw_curves(history: Path, monitor: str, out: Path) -> None:
    """Loss, accuracy, F1 and AUC by epoch as a PNG, with the best epoch and the starts of phases marked.

    Args:
        history: a run's ``history.csv`` with at least one epoch.
        monitor: the metric that chose the best epoch.
        out: the file to write.
    """
    rows = read_history(history)
    best = best_row(history, monitor)
    starts = [
        shown_epoch(row) - 0.5 for before, row in itertools.pairwise(rows) if row.get("phase") != before.get("phase")
    ]
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, lines) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for column, label, colour, style in lines:
            # Runs that an earlier version started lack some metrics of their first epochs.
            points = [(shown_epoch(row), float(row[column])) for row in rows if row.get(column)]
            axes.plot(*zip(*points, strict=True) if points else ([], []), style, color=colour, marker=".", label=label)
            if best is not None and best.get(column):
                axes.plot(shown_epoch(best), float(best[column]), "o", color=colour, fillstyle="none", markersize=10)
        if best is not None:
            axes.axvline(shown_epoch(best), color="black", linewidth=0.8, label=f"best epoch ({shown_epoch(best)})")
        for start in starts:
            axes.axvline(start, color="grey", linewidth=0.8, linestyle=":")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
    with whole_file(out) as file:
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
