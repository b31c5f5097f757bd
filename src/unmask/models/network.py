"""The whole network, from uint8 pixels to a logit and the evidence map behind it."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from unmask.models.backbones import Weights
from unmask.models.branch import Branch
from unmask.models.fusion import create_fusion
from unmask.models.heads import ClassificationHead
from unmask.models.questions import QuestionHead
from unmask.recipes import Recipe


class FaceNetwork(nn.Module):
    """Branches on the same pixels, a fusion of their pooled features, and a head.

    The evidence is gradient-weighted class activation (Selvaraju et al., ICCV 2017): the gradient of the logit by each
    pooled feature, applied to the feature map at every position, plus a constant that makes the mean of the map equal
    to the logit. For a linear head it is the class activation map itself (Zhou et al., CVPR 2016). A branch on the
    Fourier spectrum has no locations: its part is spread evenly over the map, and so is a gate's.

    Attributes:
        branch_weights: where the initial weights of each branch came from.
        feature_width: number of pooled features of all branches.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(spec, recipe.preprocessing.size) for spec in recipe.branches)
        self._widths = [branch.width for branch in self._each_branch()]
        self.feature_width = sum(self._widths)
        self.fusion = create_fusion(recipe.fusion, self._widths)
        self.head: ClassificationHead | QuestionHead = ClassificationHead(self.fusion.width, recipe.head)
        self.branch_weights = [branch.weights for branch in self._each_branch()]
        self._mirror = recipe.head.mirror
        self.register_load_state_dict_pre_hook(_name_branch)

    @property
    def weights(self) -> Weights:
        """Where the initial weights of the first branch came from."""
        return self.branch_weights[0]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels uint8 [n, size, size, 3] to logit [n] and evidence [n, h, w], both towards fake.

        In training mode the evidence ignores dropout and batch statistics.
        """
        logit, evidence, _ = self.answer(pixels)
        return logit, evidence

    @property
    def asks(self) -> bool:
        """Whether the head answers several questions."""
        return isinstance(self.head, QuestionHead)

    def questions_of(self, pooled: Tensor) -> Tensor:
        """Pooled features [n, feature_width] to the logit of each question [n, q], of a network that :attr:`asks`."""
        assert isinstance(self.head, QuestionHead)
        return self.head.questions(self.fusion(pooled))

    def answer(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`forward`, and the pooled features [n, feature_width] behind the logit.

        With ``head.mirror`` all three are means over the image and its mirror image.
        """
        logit, evidence, pooled = self._answer(pixels)
        if self._mirror and not self.training:
            mirrored = self._answer(pixels.flip(2))
            logit, pooled = (logit + mirrored[0]) / 2, (pooled + mirrored[2]) / 2
            evidence = (evidence + mirrored[1].flip(2)) / 2
        return logit, evidence, pooled

    def pooled(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 [n, size, size, 3] to the concatenated pooled features of all branches [n, feature_width]."""
        return _pool(self._features(pixels))

    def contributions(self, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
        """The contribution of each feature to the logit of pixels uint8 [n, size, size, 3], without mirroring.

        Returns:
            The branches' feature maps [n, width, h, w], and gradient times pooled feature [n, feature_width].
        """
        features = self._features(pixels)
        pooled = _pool(features)
        return features, self._slope(pooled) * pooled

    def logit_of(self, pooled: Tensor) -> Tensor:
        """Pooled features [n, feature_width] to logit [n], towards fake."""
        logit: Tensor = self.head(self.fusion(pooled))
        return logit

    def set_trainable(self, train: Literal["head", "all"] | int) -> None:
        """Freeze the backbones except their last ``train`` blocks. Head, fusion and attention are always trained.

        Frozen parts stay in evaluation mode from the next ``train()`` on.

        Raises:
            UsageError: ``too_many_blocks``.
        """
        for branch in self._each_branch():
            branch.set_trainable(train)

    def _each_branch(self) -> list[Branch]:
        return [branch for branch in self.branches if isinstance(branch, Branch)]

    def _features(self, pixels: Tensor) -> list[Tensor]:
        return [branch(pixels) for branch in self.branches]

    def _answer(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self._features(pixels)
        pooled = _pool(features)
        logit = self.logit_of(pooled)
        return logit, self._evidence(features, pooled, logit), pooled

    def _slope(self, pooled: Tensor) -> Tensor:
        return self.fusion.slope(pooled, self.head.slope(self.fusion(pooled)))

    def _evidence(self, features: list[Tensor], pooled: Tensor, logit: Tensor) -> Tensor:
        slope = self._slope(pooled)
        height, width = max(tuple(each.shape[2:]) for each in features)
        total = features[0].new_zeros((pooled.shape[0], height, width))
        for branch, each, part in zip(self._each_branch(), features, slope.split(self._widths, dim=1), strict=True):
            if branch.localised:
                total = total + _resized((each * part[:, :, None, None]).sum(1), height, width)
        return total + (logit - total.mean((1, 2)))[:, None, None]


def _pool(features: list[Tensor]) -> Tensor:
    return torch.cat([each.mean((2, 3)) for each in features], 1)


def _resized(evidence: Tensor, height: int, width: int) -> Tensor:
    if tuple(evidence.shape[1:]) == (height, width):
        return evidence
    return nn.functional.interpolate(evidence[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]


def _name_branch(network: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Checkpoints of early versions name their only backbone without a branch number."""
    for key in [key for key in state if key.startswith(f"{prefix}backbone.")]:
        state[f"{prefix}branches.0.{key.removeprefix(prefix)}"] = state.pop(key)


def describe(weights: Weights, *further: Weights) -> dict[str, str]:
    """Where the initial weights of a network's branches came from, for the card."""
    stated = {"source": weights.source, "detail": weights.detail}
    for number, other in enumerate(further, 2):
        stated |= {f"branch_{number}_source": other.source, f"branch_{number}_detail": other.detail}
    return stated
