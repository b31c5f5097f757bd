"""The whole network, from uint8 pixels to a logit and the evidence map behind it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.models.backbones import Weights, create_backbone
from unmask.recipes import Recipe

# timm draws a single-output EfficientNet classifier so wide that training starts at a loss near 4.
_HEAD_STD = 0.01


class LinearHead(nn.Module):
    """Global average pooling and one linear unit.

    The unit applied at every position gives the class activation map (Zhou et al., CVPR 2016); pooling and the unit
    are both linear, so the mean of the map is exactly the logit.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, 1)
        nn.init.normal_(self.linear.weight, std=_HEAD_STD)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [n, c, h, w] to logit [n] and evidence [n, h, w], both towards fake."""
        logit = self.linear(self.dropout(features.mean((2, 3)))).squeeze(1)
        evidence = torch.einsum("nchw,c->nhw", features, self.linear.weight[0]) + self.linear.bias
        return logit, evidence


class FaceNetwork(nn.Module):
    """Backbone and head behind the normalisation that the backbone's weights ask for.

    Attributes:
        weights: where the backbone's starting weights came from.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.backbone, self.weights = create_backbone(recipe.backbone)
        self.head = LinearHead(self.backbone.num_features, recipe.head.dropout)
        self._mirror = recipe.head.mirror
        for name, values in (("mean", self.weights.mean), ("std", self.weights.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels uint8 [n, size, size, 3] to logit [n] and evidence [n, h, w], both towards fake."""
        # A permuted NHWC batch already has the channels-last strides that CPU convolutions like best.
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        logit, evidence = self._answer(images)
        if self._mirror and not self.training:
            mirrored_logit, mirrored_evidence = self._answer(images.flip(3))
            logit, evidence = (logit + mirrored_logit) / 2, (evidence + mirrored_evidence.flip(2)) / 2
        return logit, evidence

    def _answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logit, evidence = self.head(self.backbone.forward_features(images))
        return logit, evidence


def describe(weights: Weights) -> dict[str, str]:
    """The starting weights as the card states them."""
    return {"source": weights.source, "detail": weights.detail}
