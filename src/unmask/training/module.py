"""The Lightning module: the network, its optimiser in each phase, and the metrics of every epoch."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.aggregation import MeanMetric
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC, BinaryF1Score

from unmask.models.network import FaceNetwork
from unmask.recipes import Phase, Recipe
from unmask.training.losses import batch_loss, mix
from unmask.training.memory import keep_freed_memory
from unmask.training.rates import Plateau, rate_factor


class DetectorModule(pl.LightningModule):
    """Trains a :class:`FaceNetwork`, one phase of its schedule at a time.

    Args:
        recipe: the experiment.
        steps_per_epoch: optimiser steps per epoch, for the learning rate schedule.
        class_weights: weights of real and of fake images in the loss.
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int, class_weights: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = FaceNetwork(recipe)
        self._steps_per_epoch = steps_per_epoch
        self._class_weights = class_weights
        self._metrics = MetricCollection({"auc": BinaryAUROC(), "accuracy": BinaryAccuracy(), "f1": BinaryF1Score()})
        self._loss = MeanMetric()
        self._train_accuracy = BinaryAccuracy()
        self.begin_phase(0, 0)

    def begin_phase(self, index: int, first_epoch: int, counted_from: int | None = None) -> None:
        """Set which parameters are trained, and restart decay and warm-up.

        Args:
            index: of the phase, from 0.
            first_epoch: of the phase, counted from 0 over the whole run.
            counted_from: epoch of the run that the phase's trainer counts as its epoch 0; default: ``first_epoch``.
        """
        schedule = self.recipe.schedule
        self.phase_index, self.first_epoch = index, first_epoch
        self.counted_from = first_epoch if counted_from is None else counted_from
        self._plateau = Plateau(schedule.decay_factor, schedule.decay_epochs)
        self.network.set_trainable(self.phase.train)
        self.network.train()

    @property
    def epoch(self) -> int:
        """The current epoch, counted from 0 over the whole run. Lightning's ``current_epoch`` counts one phase."""
        return self.counted_from + self.current_epoch

    @property
    def phase(self) -> Phase:
        """The current phase."""
        return self.recipe.schedule.all_phases[self.phase_index]

    def learning_rate(self, epoch: int, batch: int) -> float:
        """The learning rate of one step of the phase.

        Args:
            epoch: counted from 0 over the whole run.
            batch: of the epoch, from 0.
        """
        step = (epoch - self.first_epoch) * self._steps_per_epoch + batch
        factor = rate_factor(self.recipe.schedule, self.phase.epochs, self._steps_per_epoch, step)
        return self.phase.learning_rate * factor * self._plateau.scale

    def on_fit_start(self) -> None:
        """Prepare the processes that train, which may not be the one that started them."""
        keep_freed_memory()
        # They share the module's memory with it and with each other: what one adds to a metric would be there for all,
        # and for the next phase.
        self._reset_metrics()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the rate, and seed the epoch's dropout by seed and epoch, so that a resumed run draws the same."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate(self.epoch, batch_idx)
        if batch_idx > 0:
            return
        # Not at the start of the epoch: between it and the first batch the loader draws a seed for its workers, except
        # in the first epoch of a new or resumed run.
        # Each process drops other features.
        torch.manual_seed(self.recipe.seed * 10_007 + self.epoch + self.global_rank * 1_000_000_007)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch."""
        rng = np.random.default_rng([self.recipe.seed, self.epoch, batch_idx])
        pixels, target = mix(*batch, self.recipe.schedule, rng)
        logit, loss = self._learn(pixels, target)
        self._train_accuracy.update(logit.detach().sigmoid(), (target > 0.5).int())
        self.log(
            "train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(target), sync_dist=True
        )
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Add one batch to the validation metrics; the loss is plain cross-entropy, whatever the recipe's is."""
        pixels, target = batch
        logit = self._logit(pixels)
        self._metrics.update(logit.sigmoid(), target.int())
        self._loss.update(nn.functional.binary_cross_entropy_with_logits(logit, target), weight=len(target))

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation split, and the training accuracy of the epoch."""
        loss = self._loss.compute()
        self.log("val_loss", loss, prog_bar=True)
        for name, value in self._metrics.compute().items():
            self.log(f"val_{name}", value, prog_bar=name == "auc")
        self.log("train_accuracy", self._train_accuracy.compute())
        self._reset_metrics()
        if self.recipe.schedule.decay == "plateau":
            self._plateau.observe(float(loss))

    def _reset_metrics(self) -> None:
        for metric in (self._loss, self._metrics, self._train_accuracy):
            metric.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """A new optimiser of the phase's trained parameters, with weight decay on matrices and filters only."""
        schedule = self.recipe.schedule
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": schedule.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        rate = self.phase.learning_rate
        if schedule.optimizer == "sgd":
            self._optimizer: torch.optim.Optimizer = torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True)
        else:
            kind = torch.optim.Adam if schedule.optimizer == "adam" else torch.optim.AdamW
            self._optimizer = kind(groups, rate)
        return self._optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the position in the schedule."""
        checkpoint["phase"] = {
            "index": self.phase_index,
            "first_epoch": self.first_epoch,
            "counted_from": self.counted_from,
        }
        # Lightning writes the epoch of the phase here, and reads it from its loops.
        checkpoint["epoch"] = self.epoch
        checkpoint["plateau"] = self._plateau.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of the plateau schedule."""
        if "plateau" in checkpoint:
            self._plateau.restore(checkpoint["plateau"])

    def _learn(self, pixels: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of a batch, and what is minimised."""
        logit = self._logit(pixels)
        return logit, batch_loss(logit, target, self.recipe.schedule, self._class_weights)

    def _logit(self, pixels: Tensor) -> Tensor:
        # The loss is computed in fp32, whatever the precision of the network.
        return self.network(pixels)[0].float()
