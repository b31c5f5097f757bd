"""The per-epoch table of a run."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

_COLUMNS = ("epoch", "train_loss", "val_loss", "val_accuracy", "val_auc", "learning_rate", "seconds")


class History(pl.Callback):
    """Writes one CSV row an epoch and logs it; a resumed run keeps the rows of the epochs before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock of the epoch, and drops rows of epochs that will be run again."""
        self._started = time.monotonic()
        kept = [row for row in read_history(self._path) if int(row["epoch"]) < trainer.current_epoch]
        self._write(kept)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adds the row of the epoch."""
        row: dict[str, Any] = {"epoch": trainer.current_epoch}
        for name in _COLUMNS[1:5]:
            if name in trainer.callback_metrics:
                row[name] = f"{float(trainer.callback_metrics[name]):.6f}"
        row["learning_rate"] = f"{trainer.optimizers[0].param_groups[0]['lr']:.3g}"
        row["seconds"] = f"{time.monotonic() - self._started:.1f}"
        self._write([*read_history(self._path), row])
        if not trainer.progress_bar_callback:
            print(" ".join(f"{name}={value}" for name, value in row.items()), file=sys.stderr, flush=True)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        temporary = self._path.with_suffix(".partial")
        with temporary.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        temporary.replace(self._path)


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's ``history.csv``, as text by column; empty before the first epoch."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))
