"""The per-epoch table of a run."""

from __future__ import annotations

import csv
import io
import platform
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from unmask.files import write_whole

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_FIGURES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_f1", "val_auc")
_COLUMNS = (
    "epoch",
    "phase",
    *_FIGURES,
    "val_loss_improvement_percent",
    "learning_rate",
    "next_learning_rate",
    "seconds",
    "peak_memory_mb",
)


class History(pl.Callback):
    """Writes one CSV row an epoch and logs it; a resumed run keeps the rows of the epochs before it.

    ``val_loss_improvement_percent`` is against the lowest validation loss of the epochs before. The rate is that of the
    epoch's last step, the next one that of the next epoch's first, were there no new phase.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock of the epoch, and drops rows of epochs that will be run again."""
        self._started = time.monotonic()
        kept = [row for row in read_history(self._path) if int(row["epoch"]) < trainer.current_epoch]
        self._write(kept)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Adds the row of the epoch."""
        before = read_history(self._path)
        figures = {name: float(trainer.callback_metrics[name]) for name in _FIGURES if name in trainer.callback_metrics}
        row: dict[str, Any] = {"epoch": trainer.current_epoch, "phase": pl_module.phase_index + 1}
        row |= {name: f"{value:.6f}" for name, value in figures.items()}
        losses = [float(row["val_loss"]) for row in before if row["val_loss"]]
        if losses and "val_loss" in figures:
            row["val_loss_improvement_percent"] = f"{100 * (1 - figures['val_loss'] / min(losses)):.2f}"
        row["learning_rate"] = f"{trainer.optimizers[0].param_groups[0]['lr']:.3g}"
        row["next_learning_rate"] = f"{pl_module.learning_rate(trainer.current_epoch + 1, 0):.3g}"
        row["seconds"] = f"{time.monotonic() - self._started:.1f}"
        row["peak_memory_mb"] = peak_memory_mb()
        self._write([*before, row])
        if not trainer.progress_bar_callback:
            print(" ".join(f"{name}={value}" for name, value in row.items()), file=sys.stderr, flush=True)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        table = io.StringIO(newline="")
        # A run that began with fewer columns goes on; what it did not note stays empty.
        writer = csv.DictWriter(table, _COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self._path, table.getvalue())


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's ``history.csv``, as text by column; empty before the first epoch."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def peak_memory_mb() -> int:
    """Most memory that this process has held so far, in MB (10^6 bytes); 0 where the system does not say."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource else 0
    return round(usage / 1e6 if platform.system() == "Darwin" else usage * 1024 / 1e6)  # macOS counts bytes, Linux KiB
