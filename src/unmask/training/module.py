"""The Lightning module: loss, optimiser, schedule and the figures of every epoch."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC

from unmask.models.network import FaceNetwork
from unmask.recipes import Recipe


class DetectorModule(pl.LightningModule):
    """Trains a :class:`FaceNetwork` with binary cross-entropy.

    Args:
        recipe: the experiment.
        steps_per_epoch: optimiser steps an epoch, which the learning-rate schedule needs.
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = FaceNetwork(recipe)
        self._steps_per_epoch = steps_per_epoch
        self._auc = BinaryAUROC()
        self._accuracy = BinaryAccuracy()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Dropout of an epoch depends on the seed and the epoch alone, so a resumed run draws the same."""
        if batch_idx > 0:
            return
        # Not at the epoch's start: between it and the first batch the loader draws a seed for its workers, save in
        # the first epoch of a run, fresh or resumed.
        torch.manual_seed(self.recipe.seed * 10_007 + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Loss of one batch."""
        loss = self._step(batch, smoothing=self.recipe.schedule.label_smoothing)[0]
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch[1]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Adds one batch to the validation figures."""
        loss, logit = self._step(batch, smoothing=0.0)
        target = batch[1].int()
        probability = logit.sigmoid()
        self._auc.update(probability, target)
        self._accuracy.update(probability, target)
        self.log("val_loss", loss, on_epoch=True, prog_bar=True, batch_size=len(target))

    def on_validation_epoch_end(self) -> None:
        """Logs AUC and accuracy over the whole validation split."""
        for name, metric in (("val_auc", self._auc), ("val_accuracy", self._accuracy)):
            self.log(name, metric.compute(), prog_bar=name == "val_auc")
            metric.reset()

    def configure_optimizers(self) -> Any:
        """AdamW, with weight decay on matrices and filters only, under a warmed-up cosine."""
        schedule = self.recipe.schedule
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": schedule.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate)
        warmup = schedule.warmup_epochs * self._steps_per_epoch
        total = schedule.epochs * self._steps_per_epoch
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmed_cosine(step, warmup, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _step(self, batch: tuple[Tensor, Tensor], smoothing: float) -> tuple[Tensor, Tensor]:
        pixels, target = batch
        # Batch, pixels and labels come as plain tensors; the loss is taken in fp32 whatever the network ran in.
        logit = self.network(pixels)[0].float()
        smoothed = target * (1 - 2 * smoothing) + smoothing
        return nn.functional.binary_cross_entropy_with_logits(logit, smoothed), logit


def warmed_cosine(step: int, warmup: float, total: int) -> float:
    """Factor in (0, 1] on the peak learning rate: linear to 1 over ``warmup`` steps, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))
