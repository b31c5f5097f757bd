"""One branch of a network: its input, backbone and attention."""

from __future__ import annotations

from typing import Any, Literal

import torch
from timm.layers.create_attn import create_attn
from timm.models import EfficientNet, MobileNetV3, group_parameters
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models.backbones import create_backbone
from unmask.models.registry import BACKBONES
from unmask.models.spectrum import CosineSpectrum, FourierSpectrum, Pixels, seen_side
from unmask.recipes import Backbone

_SPECTRUM_CHANNELS = {"pixels": Pixels.channels, "fft": FourierSpectrum.channels, "dct": CosineSpectrum.channels}


class Branch(nn.Module):
    """From uint8 pixels to a feature map.

    Attributes:
        weights: where the backbone's initial weights came from.
        width: channels of the feature map.
        localised: whether positions of the feature map correspond to places in the image.

    Args:
        spec: the recipe's backbone.
        size: side of the images in pixels.
    """

    def __init__(self, spec: Backbone, size: int) -> None:
        super().__init__()
        self.backbone, self.weights = create_backbone(spec, seen_side(spec.input, size), _SPECTRUM_CHANNELS[spec.input])
        self._blocks = _keep_blocks(self.backbone, spec)
        self._stages, widths = _keep_stages(self.backbone, spec)
        self.width = sum(widths) if widths else int(self.backbone.num_features) * max(1, len(self._blocks))
        # Tokens are named for their [CLS]; the registry says which networks decide by it anyway.
        self.by_class_token = bool(self._blocks) or (spec.name in BACKBONES and BACKBONES[spec.name].class_token)
        self.view = self._view(spec.input, size)
        self.localised = self.view.localised
        self.attention = nn.Identity() if spec.attention == "none" else create_attn(spec.attention, self.width)

    def _view(self, kind: str, size: int) -> Pixels | FourierSpectrum | CosineSpectrum:
        if kind == "fft":
            return FourierSpectrum(size)
        return CosineSpectrum() if kind == "dct" else Pixels(self.weights.mean, self.weights.std)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 [n, size, size, 3] to features [n, width, h, w]."""
        seen = self.view(pixels)
        if self._blocks:
            # Without the last norm, which knows the scale of the last block only.
            listed = self.backbone.forward_intermediates(
                seen, indices=self._blocks, output_fmt="NLC", return_prefix_tokens=True, intermediates_only=True
            )
            maps = [self._as_map(torch.cat([prefix, places], 1)) for places, prefix in listed]
            found: Tensor = self.attention(torch.cat(maps, 1))
            return found
        if self._stages:
            maps = self.backbone.forward_intermediates(
                seen, indices=self._stages, extra_blocks=True, intermediates_only=True
            )
            grid = tuple(maps[-1].shape[2:])
            joined: Tensor = self.attention(torch.cat([nn.functional.adaptive_avg_pool2d(m, grid) for m in maps], 1))
            return joined
        features: Tensor = self.attention(self._as_map(self.backbone.forward_features(seen)))
        return features

    def _as_map(self, features: Tensor) -> Tensor:
        """Any backbone's output as [n, width, h, w]: a transformer's tokens without those that have no place.

        Where the [CLS] token is the pooled feature, it is the mean of the map, and the patches say what differs from
        place to place.
        """
        if features.ndim == 3:
            height, width = self.backbone.patch_embed.grid_size
            places = features[:, self.backbone.num_prefix_tokens :]
            if self.by_class_token:
                places = places + (features[:, :1] - places.mean(1, keepdim=True))
            return places.transpose(1, 2).unflatten(2, (height, width))
        return features.permute(0, 3, 1, 2) if getattr(self.backbone, "output_fmt", "NCHW") == "NHWC" else features

    def blocks(self) -> list[list[nn.Parameter]]:
        """The backbone's parameters by block, in order, as timm groups them for layer-wise learning rates."""
        groups = group_parameters(self.backbone, self.backbone.group_matcher(), return_values=True)
        return [groups[position] for position in sorted(groups)]

    def set_trainable(self, train: Literal["head", "all"] | int) -> None:
        """Train none of the backbone's parameters, all of them, or those of the last ``train`` blocks."""
        self.backbone.requires_grad_(train == "all")
        if isinstance(train, int):
            blocks = self.blocks()
            if train > len(blocks):
                raise UsageError("too_many_blocks", f"The backbone has {len(blocks)} blocks, not {train}.")
            for block in blocks[len(blocks) - train :]:
                for parameter in block:
                    parameter.requires_grad_(True)

    def train(self, mode: bool = True) -> Branch:
        """Set training mode, except for frozen parts: they and their batch normalisation stay in evaluation mode."""
        super().train(mode)
        _rest_frozen(self.backbone)
        return self


def _keep_blocks(backbone: Any, spec: Backbone) -> list[int]:
    """The blocks of the recipe's tokens, from 0; the network loses what follows the last of them.

    Raises:
        UsageError: ``bad_tokens``: the network has no [CLS] token, or fewer blocks.
    """
    if not spec.tokens:
        return []
    blocks = getattr(backbone, "blocks", ())
    if getattr(backbone, "cls_token", None) is None or not hasattr(backbone, "prune_intermediate_layers"):
        raise UsageError("bad_tokens", f"backbone.tokens: {spec.name} has no [CLS] token after each block.")
    if spec.tokens[-1] > len(blocks):
        raise UsageError("bad_tokens", f"backbone.tokens: {spec.name} has {len(blocks)} blocks, not {spec.tokens[-1]}.")
    places = [block - 1 for block in spec.tokens]
    backbone.prune_intermediate_layers(places, prune_norm=True, prune_head=False)
    return places


def _keep_stages(backbone: Any, spec: Backbone) -> tuple[list[int], list[int]]:
    """The recipe's stages and their numbers of channels; the network loses what follows the last of them.

    Raises:
        UsageError: ``bad_stages``: the network is not made of stages, or has fewer.
    """
    if not spec.stages:
        return [], []
    if not isinstance(backbone, EfficientNet | MobileNetV3):
        raise UsageError("bad_stages", f"backbone.stages: {spec.name} is neither an EfficientNet nor a MobileNetV3.")
    stages: list[Any] = list(backbone.blocks)
    if spec.stages[-1] > len(stages):
        raise UsageError("bad_stages", f"backbone.stages: {spec.name} has {len(stages)} stages, not {spec.stages[-1]}.")
    kept = list(spec.stages)
    widths = [int(stages[stage - 1][-1].feature_info("bottleneck")["num_chs"]) for stage in kept]
    backbone.prune_intermediate_layers(kept, prune_norm=True, prune_head=False, extra_blocks=True)
    return kept, widths


def _rest_frozen(module: nn.Module) -> None:
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
    else:
        for child in module.children():
            _rest_frozen(child)
