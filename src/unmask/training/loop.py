"""The phases of a run, each starting from the best epoch so far. A run that was killed can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from unmask.errors import UsageError
from unmask.recipes import Recipe
from unmask.training.devices import Devices
from unmask.training.folder import read_checkpoint, write_checkpoint
from unmask.training.history import EpochBar, History
from unmask.training.module import DetectorModule


def train_phases(
    module: DetectorModule,
    data: pl.LightningDataModule,
    out: Path,
    devices: Devices | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> None:
    """Train all phases of a recipe's schedule, or the rest of them in a run that was interrupted.

    A phase starts from the best epoch of the phases before it, with a new optimiser and a trainer of its own, which
    counts the phase's epochs; ``module.epoch`` counts over the whole run. ``checkpoints/last.ckpt`` is the latest
    epoch, and ``best.ckpt`` the best one by ``schedule.monitor``.

    Args:
        module: with the initial weights; a resumed run replaces them by those of its checkpoint.
        data: the images, or their features.
        out: the run folder.
        devices: where it is trained; default: in this process.
        callbacks: more of them, called after the history of each epoch is written.
    """
    newest = out / "checkpoints" / "last.ckpt"
    for index, phase in enumerate(module.recipe.schedule.all_phases):
        state = read_checkpoint(newest) if newest.exists() else None
        if state is not None:
            _check_fits(state, module, newest)
        # Checkpoints of early versions do not name their phase; their runs have only one.
        reached = state.get("phase", {"index": 0, "first_epoch": 0}) if state else {"index": -1}
        if reached["index"] > index:
            continue
        begun = reached["index"] == index
        if begun:
            # Without "counted_from": a version whose trainers counted epochs over the whole run.
            module.begin_phase(index, reached["first_epoch"], reached.get("counted_from", 0))
        else:
            module.begin_phase(index, state["epoch"] + 1 if state else 0)
        trainer = _trainer(module, out, devices or Devices(), callbacks)
        if state is not None and begun:
            patience: Any = trainer.early_stopping_callback
            lost_patience = state["callbacks"][patience.state_key]["wait_count"] >= patience.patience
            if lost_patience or state["epoch"] + 1 >= module.first_epoch + phase.epochs:
                continue
        elif state is not None:
            module.load_state_dict(_start_of_phase(out, module, index))
            best: Any = trainer.checkpoint_callback
            # An epoch of this phase becomes the best one only if it beats those of the phases before.
            best.load_state_dict(state["callbacks"][best.state_key])
        trainer.fit(module, data, ckpt_path=newest if begun else None, weights_only=True)


def keep_weights(module: DetectorModule, out: Path) -> None:
    """Save the weights of a network that is not trained as if they were of the best epoch."""
    best = out / "checkpoints" / "best.ckpt"
    if best.exists():
        return
    write_checkpoint(best, {"state_dict": module.state_dict()}, out, module.recipe)


class _WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all; Lightning moves them from another disk, which is no rename."""

    def __init__(self, run: Path, recipe: Recipe) -> None:
        self._run, self._recipe = run, recipe

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        write_checkpoint(Path(path), checkpoint, self._run, self._recipe)


def _check_fits(state: dict[str, Any], module: DetectorModule, path: Path) -> None:
    """Refuse the checkpoint of another network, which early versions did not name."""
    theirs = {name: getattr(value, "shape", None) for name, value in state["state_dict"].items()}
    if theirs != {name: value.shape for name, value in module.state_dict().items()}:
        raise UsageError("other_run", f"{path}: belongs to a run of another network.")


def _start_of_phase(out: Path, module: DetectorModule, index: int) -> dict[str, Any]:
    """The weights of the best epoch before a phase; saved, since an epoch of the phase may replace ``best.ckpt``."""
    kept = out / "checkpoints" / f"phase-{index + 1}.ckpt"
    if not kept.exists():
        best = read_checkpoint(out / "checkpoints" / "best.ckpt")["state_dict"]
        write_checkpoint(kept, {"state_dict": best}, out, module.recipe)
    weights: dict[str, Any] = read_checkpoint(kept)["state_dict"]
    return weights


def _trainer(module: DetectorModule, out: Path, devices: Devices, callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    schedule = module.recipe.schedule
    monitor, mode = schedule.monitor, "max" if schedule.monitor == "val_auc" else "min"
    checkpoints = out / "checkpoints"
    phase = f"phase-{module.phase_index + 1}" if len(schedule.all_phases) > 1 else ""
    return pl.Trainer(
        max_epochs=module.first_epoch + module.phase.epochs - module.counted_from,
        precision=schedule.precision,
        gradient_clip_val=schedule.gradient_clip,
        logger=TensorBoardLogger(out, "tensorboard", phase),
        **devices.trainer_options(module.recipe),
        plugins=[_WholeCheckpoints(out, module.recipe), *devices.plugins()],
        callbacks=[
            EpochBar(),
            History(out / "history.csv"),
            *callbacks,
            EarlyStopping(monitor, mode=mode, patience=schedule.patience),
            ModelCheckpoint(
                checkpoints,
                filename="best",
                monitor=monitor,
                mode=mode,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            ),
            # Not ``save_last`` above, which Lightning updates only when there is a new best epoch. This one comes
            # second, so that its checkpoint knows the best epoch.
            ModelCheckpoint(checkpoints, filename="last", save_on_train_epoch_end=True, enable_version_counter=False),
            *([_averaging(schedule.average)] if schedule.average else []),
        ],
        deterministic="warn",
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=10,
    )


def _averaging(decay: float) -> WeightAveraging:
    """Validate and save a moving average of the weights and batch statistics; training continues from the latest."""
    return WeightAveraging(avg_fn=partial(_average, decay))


def _average(decay: float, kept: Tensor, newest: Tensor, averaged: Tensor | int) -> Tensor:
    # After few steps only about the last tenth of them counts: the first weights are the worst.
    return kept + (newest - kept) * max(1 - decay, 9 / (9 + int(averaged)))
