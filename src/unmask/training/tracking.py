"""Report a run to an experiment tracker, besides the files of its own folder, by Lightning's loggers.

``tensorboard`` is always on: its files are in every run folder. ``mlflow:URI`` takes any tracking address of MLflow, a
folder too; ``wandb`` goes by that package's own conventions
(``WANDB_MODE=offline``, ``WANDB_API_KEY``, ...). A run that is resumed is continued there, too. Needs the extra
``track``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl

from unmask.errors import MissingExtraError, UsageError
from unmask.files import write_whole
from unmask.recipes import Recipe
from unmask.text import quote
from unmask.training.history import shown_epoch
from unmask.training.state import read_history, read_json

PROJECT: Final = "unmask"
"""Name of the project, or experiment, that runs are reported to."""

ALWAYS: Final = "tensorboard"
"""A tracker that needs no asking: Lightning writes its files in every run."""

_KEPT: Final = "tracking.json"
_MLFLOW: Final = "mlflow:"


class Reported(pl.Callback):
    """Reports each row of ``history.csv`` to trackers, with the epoch from 1 as step."""

    def __init__(self, loggers: Sequence[Any], history: Path) -> None:
        self._loggers, self._history = loggers, history

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Report the newest row, which the history has written before."""
        if not trainer.is_global_zero or not self._loggers:
            return
        row = read_history(self._history)[-1]
        metrics = {name: float(value) for name, value in row.items() if value and name not in ("epoch", "phase")}
        for logger in self._loggers:
            logger.log_metrics(metrics, step=shown_epoch(row))


def check_trackers(trackers: Sequence[str]) -> None:
    """Refuse what is no tracker, before any work.

    Raises:
        UsageError: ``bad_tracker``.
        MissingExtraError: the extra ``track`` is not installed.
    """
    for tracker in trackers:
        if tracker == ALWAYS:
            continue
        if tracker != "wandb" and not (tracker.startswith(_MLFLOW) and tracker != _MLFLOW):
            raise UsageError(
                "bad_tracker", f"{quote(tracker)} is no tracker; there are tensorboard, mlflow:URI and wandb."
            )
        try:
            __import__("wandb" if tracker == "wandb" else "mlflow")
        except ImportError as error:
            raise MissingExtraError("track", f"--log {tracker.partition(':')[0]}") from error


@contextmanager
def open_trackers(trackers: Sequence[str], run: Path, recipe: Recipe) -> Iterator[list[Any]]:
    """Loggers that report a run under the name of its folder, with all settings of its recipe.

    Args:
        trackers: as :func:`check_trackers` accepts them.
        run: the run folder, which keeps what the run is called there.
        recipe: the experiment.
    """
    kept = read_json(run / _KEPT) if (run / _KEPT).exists() else {}
    trackers = [tracker for tracker in trackers if tracker != ALWAYS]
    loggers = [_logger(tracker, run, kept.get(tracker)) for tracker in trackers]
    settings = recipe.published() | {"recipe_digest": recipe.digest()}
    state = "failed"
    try:
        for tracker, logger in zip(trackers, loggers, strict=True):
            logger.log_hyperparams(settings)
            kept[tracker] = str(logger.version if tracker == "wandb" else logger.run_id)
        if loggers:
            write_whole(run / _KEPT, json.dumps(kept, indent=2))
        yield loggers
        state = "success"
    finally:
        for tracker, logger in zip(trackers, loggers, strict=True):
            logger.finalize(state)
            if tracker == "wandb":
                logger.experiment.finish(exit_code=int(state != "success"))


def _logger(tracker: str, run: Path, kept: str | None) -> Any:
    name = run.absolute().name
    if tracker == "wandb":
        from lightning.pytorch.loggers import WandbLogger

        return WandbLogger(name=name, save_dir=run, project=PROJECT, id=kept, resume="allow", log_model=False)
    from lightning.pytorch.loggers import MLFlowLogger

    # MLflow keeps runs in plain folders only if it is asked to in this way; a database is its own recommendation.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = tracker.removeprefix(_MLFLOW)
    return MLFlowLogger(experiment_name=PROJECT, run_name=name, tracking_uri=uri, run_id=kept, log_model=False)
