"""Gradients of a trained network: saliency, SmoothGrad and its strongest features. Needs the ``train`` extra.

These use the torch network of a run. They show which pixels the logit is sensitive to, not how much each contributes;
the evidence map shows that, without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unmask.imaging.preprocessing import Pixels

if TYPE_CHECKING:
    from unmask.models.network import FaceNetwork

Map = npt.NDArray[np.float32]

SAMPLES = 25
NOISE = 0.1
"""Standard deviation of SmoothGrad's noise, as a fraction of the pixel range; the paper advises 0.1 to 0.2."""
_SHOWN_FEATURES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One channel of the last feature maps.

    Attributes:
        channel: its number.
        share: its mean contribution to the logit, before calibration; above 0 towards fake.
        activation: float32 [h, w], where it responds.
    """

    channel: int
    share: float
    activation: Map


@dataclass(frozen=True, slots=True, eq=False)
class GradientMaps:
    """Gradients of one crop.

    Attributes:
        saliency: float32 [size, size], see :func:`saliency`.
        smoothgrad: float32 [size, size], see :func:`smoothgrad`.
        features: the features that move the logit most, strongest first.
    """

    saliency: Map
    smoothgrad: Map
    features: tuple[Feature, ...]


def gradient_maps(network: FaceNetwork, pixels: Pixels, seed: int = 0) -> GradientMaps:
    """Saliency, SmoothGrad and strongest features of a crop uint8 [size, size, 3]; the seed is SmoothGrad's."""
    return GradientMaps(
        saliency(network, pixels), smoothgrad(network, pixels, seed), strongest_features(network, pixels)
    )


def saliency(network: FaceNetwork, pixels: Pixels) -> Map:
    """Magnitude of the logit's gradient by each pixel, the largest of the channels (Simonyan et al., ICLR 2014).

    Args:
        network: in evaluation mode.
        pixels: uint8 [size, size, 3].

    Returns:
        float32 [size, size], in logits a unit of pixel (0 to 255).
    """
    return _magnitude(_gradient(network, torch.tensor(pixels)[None].float()))


def smoothgrad(
    network: FaceNetwork, pixels: Pixels, seed: int = 0, samples: int = SAMPLES, noise: float = NOISE
) -> Map:
    """Saliency of the mean gradient over noisy copies of the crop (Smilkov et al., 2017).

    Args:
        network: in evaluation mode.
        pixels: uint8 [size, size, 3].
        seed: random seed of the noise.
        samples: number of copies.
        noise: standard deviation of the noise, as a fraction of the pixel range.

    Returns:
        float32 [size, size], as :func:`saliency`.
    """
    generator = torch.Generator().manual_seed(seed)
    plain = torch.tensor(pixels)[None].float()
    total = torch.zeros_like(plain)
    for _ in range(samples):
        total += _gradient(network, plain + 255 * noise * torch.randn(plain.shape, generator=generator))
    return _magnitude(total / samples)


def strongest_features(network: FaceNetwork, pixels: Pixels, count: int = _SHOWN_FEATURES) -> tuple[Feature, ...]:
    """The channels of the last feature maps with the largest contributions to the logit, of either sign.

    Args:
        network: in evaluation mode.
        pixels: uint8 [size, size, 3].
        count: number of channels.
    """
    with torch.no_grad():
        maps, shares = network.contributions(torch.tensor(pixels)[None])
    strongest = shares[0].abs().argsort(descending=True, stable=True)[:count]
    found = []
    for channel in strongest.tolist():
        at, place = 0, channel
        while place >= maps[at].shape[1]:
            at, place = at + 1, place - maps[at].shape[1]
        found.append(Feature(channel, float(shares[0, channel]), np.asarray(maps[at][0, place].numpy(), np.float32)))
    return tuple(found)


def _gradient(network: FaceNetwork, pixels: Tensor) -> Tensor:
    pixels = pixels.requires_grad_(True)
    with torch.enable_grad():
        logit, _ = network(pixels)
        [gradient] = torch.autograd.grad(logit.sum(), pixels)
    return gradient


def _magnitude(gradient: Tensor) -> Map:
    return np.asarray(gradient[0].abs().amax(2).numpy(), np.float32)
