"""The table of a run's epochs, and the progress bar of each."""

from __future__ import annotations

import csv
import io
import platform
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from unmask.files import write_whole
from unmask.progress import progress_bar
from unmask.training.state import read_history

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_f1", "val_auc")
_COLUMNS = (
    "epoch",
    "phase",
    *_METRICS,
    "val_loss_improvement_percent",
    "learning_rate",
    "next_learning_rate",
    "seconds",
    "peak_memory_mb",
)


class History(pl.Callback):
    """Writes one CSV row per epoch and logs it; a resumed run keeps the rows of the epochs before it.

    The column ``epoch`` counts from 0; :func:`shown_epoch` gives the number that people see.
    ``val_loss_improvement_percent`` is relative to the lowest validation loss of the epochs before. ``learning_rate``
    is the rate of the epoch's last step, ``next_learning_rate`` that of the next epoch's first step in the same phase.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Start the epoch's clock, and drop rows of epochs that are trained again."""
        self._started = time.monotonic()
        if not trainer.is_global_zero:
            return
        kept = [row for row in read_history(self._path) if int(row["epoch"]) < pl_module.epoch]
        self._write(kept)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Add the row of the epoch."""
        if not trainer.is_global_zero:
            return
        before = read_history(self._path)
        metrics = {name: float(trainer.callback_metrics[name]) for name in _METRICS if name in trainer.callback_metrics}
        row: dict[str, Any] = {"epoch": pl_module.epoch, "phase": pl_module.phase_index + 1}
        row |= {name: f"{value:.6f}" for name, value in metrics.items()}
        losses = [float(row["val_loss"]) for row in before if row["val_loss"]]
        if losses and "val_loss" in metrics:
            row["val_loss_improvement_percent"] = f"{100 * (1 - metrics['val_loss'] / min(losses)):.2f}"
        row["learning_rate"] = f"{trainer.optimizers[0].param_groups[0]['lr']:.3g}"
        row["next_learning_rate"] = f"{pl_module.learning_rate(pl_module.epoch + 1, 0):.3g}"
        row["seconds"] = f"{time.monotonic() - self._started:.1f}"
        row["peak_memory_mb"] = peak_memory_mb()
        self._write([*before, row])
        shown = row | {"epoch": shown_epoch(row)}
        print(" ".join(f"{name}={value}" for name, value in shown.items()), file=sys.stderr, flush=True)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        table = io.StringIO(newline="")
        # A run of an earlier version may have fewer columns; the missing cells stay empty.
        writer = csv.DictWriter(table, _COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self._path, table.getvalue())


class EpochBar(pl.Callback):
    """A progress bar for each epoch, on a terminal."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Open the bar of the epoch."""
        batches = int(trainer.num_training_batches) + int(sum(trainer.num_val_batches))
        self._advance = self._open.enter_context(
            progress_bar(f"epoch {pl_module.epoch + 1}", batches, show=None if trainer.is_global_zero else False)
        )

    def on_train_batch_end(self, *_: Any) -> None:
        """Advance the bar."""
        self._advance()

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """Advance the bar."""
        self._advance()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._open.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar, so that the message stands on a line of its own."""
        self._open.close()


def shown_epoch(row: Mapping[str, Any]) -> int:
    """The number of an epoch as people see it, counted from 1; ``history.csv`` counts from 0."""
    return int(row["epoch"]) + 1


def peak_memory_mb() -> int:
    """Peak memory of this process so far, in MB (10^6 bytes); 0 where the system does not report it."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource else 0
    return round(usage / 1e6 if platform.system() == "Darwin" else usage * 1024 / 1e6)  # macOS counts bytes, Linux KiB
