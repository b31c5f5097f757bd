"""Training a network to do what another one does that was larger: its features and its probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.models.network import FaceNetwork
from unmask.recipes import Recipe
from unmask.training.losses import batch_loss
from unmask.training.module import DetectorModule


class TaughtModule(DetectorModule):
    """Trains a network on the labels and on what its teacher makes of the same images.

    The targets lie between the labels and the teacher's probabilities (Hinton et al., 2015), and the pooled features
    are to be near the teacher's (Romero et al., ICLR 2015), whose mean square is 1 in this part of the loss.

    Args:
        recipe: the experiment.
        network: to train.
        steps_per_epoch: optimiser steps per epoch.
        teacher: a network with the same number of features.
        weight: of the teacher, from 0 (labels alone) to 1 (the teacher alone).
    """

    def __init__(
        self, recipe: Recipe, network: FaceNetwork, steps_per_epoch: int, teacher: FaceNetwork, weight: float
    ) -> None:
        super().__init__(recipe, steps_per_epoch)
        self.network, self._weight = network, weight
        # Not a part of the module: its weights are not trained and do not belong into checkpoints.
        self._teacher = (teacher.eval().requires_grad_(False),)
        self.begin_phase(0, 0)

    def _learn(self, pixels: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        teacher = self._teacher[0].to(pixels.device)
        with torch.no_grad():
            wanted = teacher.pooled(pixels)
            probability = teacher.logit_of(wanted).float().sigmoid()
        features = self.network.pooled(pixels)
        logit = self.network.logit_of(features).float()
        target = target + self._weight * (probability - target)
        apart = nn.functional.mse_loss(features, wanted) / wanted.square().mean().clamp(min=1e-12)
        return logit, batch_loss(logit, target, self.recipe.schedule, (1, 1)) + self._weight * apart
