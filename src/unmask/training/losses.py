"""The loss of a batch, and the mixing of its images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import sigmoid_focal_loss

from unmask.recipes import Schedule


def batch_loss(logit: Tensor, target: Tensor, schedule: Schedule, class_weights: tuple[float, float]) -> Tensor:
    """Mean loss over a batch.

    Args:
        logit: float [n], towards fake.
        target: float [n] in [0, 1]; between the ends for mixed images.
        schedule: loss and label smoothing.
        class_weights: of real and of fake; a mixed image has a weight in between.
    """
    smoothed = target * (1 - 2 * schedule.label_smoothing) + schedule.label_smoothing
    if schedule.loss == "focal":
        loss = sigmoid_focal_loss(logit, smoothed, alpha=-1, gamma=schedule.focal_gamma, reduction="none")
    else:
        loss = binary_cross_entropy_with_logits(logit, smoothed, reduction="none")
    real, fake = class_weights
    if real != fake:
        loss = loss * (target * fake + (1 - target) * real)
    return loss.mean()


def inverse_frequency(reals: int, fakes: int) -> tuple[float, float]:
    """Weights of real and fake with a mean of 1 over all images and the same sum for both classes."""
    total = reals + fakes
    return total / (2 * reals), total / (2 * fakes)


def mix(pixels: Tensor, target: Tensor, schedule: Schedule, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mix each image of a batch with another image of the batch: mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019).

    Args:
        pixels: uint8 [n, size, size, 3].
        target: float [n].
        schedule: alpha of each kind, 0: off. With both, one is drawn for each batch.
        rng: the only source of randomness.

    Returns:
        Pixels, float for mixup, and targets mixed in the proportion of the two images.
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(schedule, kind)]
    if not kinds:
        return pixels, target
    kind = kinds[int(rng.integers(len(kinds)))]
    alpha = getattr(schedule, kind)
    share = float(rng.beta(alpha, alpha))
    partner = torch.from_numpy(rng.permutation(len(pixels))).to(pixels.device)
    if kind == "mixup":
        mixed = share * pixels.float() + (1 - share) * pixels[partner].float()
    else:
        height, width = pixels.shape[1:3]
        top, bottom = _span(height, share, rng)
        left, right = _span(width, share, rng)
        mixed = pixels.clone()
        mixed[:, top:bottom, left:right] = pixels[partner, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, share * target + (1 - share) * target[partner]


def _span(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """One side of CutMix's box: sqrt(1 - share) of the length, around a random centre, clipped at the ends."""
    half = length * float(np.sqrt(1 - share)) / 2
    centre = float(rng.uniform(0, length))
    return round(max(0.0, centre - half)), round(min(float(length), centre + half))
