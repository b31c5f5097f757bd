"""Heads: from pooled features to a logit, and the gradient of the logit by each feature."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from unmask.recipes import Head

# timm's initial weights of a single-output EfficientNet classifier are so large that the loss starts near 4.
_HEAD_STD = 0.01


class HiddenLayer(nn.Module):
    """Dropout, a linear layer, optional batch normalisation, and ReLU."""

    def __init__(self, width: int, units: int, settings: Head) -> None:
        super().__init__()
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(width, units)
        self.norm = nn.BatchNorm1d(units) if settings.batch_norm else None

    def forward(self, features: Tensor) -> Tensor:
        """Features [n, width] to [n, units]."""
        weighed = self.linear(self.dropout(features))
        return torch.relu(weighed if self.norm is None else self.norm(weighed))

    def slope(self, activation: Tensor, slope: Tensor) -> Tensor:
        """From the gradient by this layer's output [n, units] to that by its input [n, width].

        Args:
            activation: this layer's output [n, units], which shows the active units.
            slope: [n, units], or [1, units] where it is the same for all.
        """
        slope = slope * (activation > 0)
        if self.norm is not None:
            running_var = self.norm.running_var
            assert running_var is not None
            slope = slope * (self.norm.weight / (running_var + self.norm.eps).sqrt())
        return slope @ self.linear.weight


class ClassificationHead(nn.Module):
    """Hidden layers (none in a linear head) and a linear output: one logit, or one for each class.

    With a softmax over real and fake, the logit of fake is the difference of the two; its binary cross-entropy is the
    categorical cross-entropy of the pair.

    Args:
        width: number of pooled features.
        settings: the recipe's head.
    """

    def __init__(self, width: int, settings: Head) -> None:
        super().__init__()
        widths = (width, *(settings.units if settings.kind == "dense" else ()))
        self.hidden = nn.ModuleList(HiddenLayer(before, after, settings) for before, after in pairwise(widths))
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(widths[-1], 2 if settings.output == "softmax" else 1)
        nn.init.normal_(self.linear.weight, std=_HEAD_STD)
        nn.init.zeros_(self.linear.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """Pooled features [n, width] to logit [n], towards fake."""
        for layer in self.hidden:
            pooled = layer(pooled)
        output = self.linear(self.dropout(pooled))
        return output.squeeze(1) if output.shape[1] == 1 else output[:, 1] - output[:, 0]

    def slope(self, pooled: Tensor) -> Tensor:
        """Gradient of the logit by the pooled features, in evaluation mode.

        The head is piecewise linear, so the gradient is a product of its matrices without the rows of inactive units.
        This needs no automatic differentiation, which an exported graph does not have.

        Args:
            pooled: [n, width].

        Returns:
            [n, width], or [1, width] for a linear head.
        """
        activations = [pooled]
        for layer in self.hidden:
            activations.append(layer(activations[-1]))
        weight = self.linear.weight
        slope = weight if len(weight) == 1 else weight[1:] - weight[:1]
        for layer, activation in zip(reversed(self.hidden), reversed(activations), strict=False):
            assert isinstance(layer, HiddenLayer)
            slope = layer.slope(activation, slope)
        return slope
