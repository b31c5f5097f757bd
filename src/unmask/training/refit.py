"""New weights for layers that have lost inputs: what is left is to give what the whole layer gave.

The weights are a least-squares fit on images, as in channel pruning by He, Zhang and Sun (ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from unmask.training.hooks import hooked

# Places of an image at which a layer is fitted, at most.
_PLACES: Final = 64
# Images whose inputs are laid out side by side at a time.
_PART: Final = 16
# Weights of the present weights against the images, relative to the mean square of the inputs, that are tried.
_RIDGES: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
# One image in five is not fitted to, and shows which of them is best.
_HELD_OUT: Final = 5


@dataclass(frozen=True, slots=True)
class _Given:
    """What a layer gave: float [rows, channels], at these places of each image: int64 [places]."""

    output: Tensor
    places: Tensor


class Refit:
    """The outputs of a network's layers before it loses channels, and the weights that come closest to them after.

    Args:
        layers: of the network; those that can be fitted are convolutions of one group whose padding is their own. The
            rest keep their weights.
        pixels: uint8 [n, size, size, 3].
        run: runs the network on pixels.

    Attributes:
        outputs: of each layer the output channels that are left, counted as they were at first.
        inputs: of each layer the input channels that are left.
        width: of each layer the number of input channels at first.
    """

    def __init__(self, layers: Sequence[nn.Module], pixels: Tensor, run: Callable[[Tensor], Any]) -> None:
        self._pixels, self._run = pixels, run
        self._layers = [layer for layer in layers if type(layer) is nn.Conv2d and layer.groups == 1]
        self.outputs: dict[nn.Module, Tensor] = {layer: torch.arange(layer.out_channels) for layer in self._layers}
        self.inputs: dict[nn.Module, Tensor] = {layer: torch.arange(layer.in_channels) for layer in self._layers}
        self.width: dict[nn.Module, int] = {layer: layer.in_channels for layer in self._layers}
        self._given: dict[nn.Module, _Given] = {}
        draw = torch.Generator().manual_seed(0)

        def look(layer: nn.Module, _: Any, output: Tensor) -> None:
            places = chosen_rows(output.shape[2] * output.shape[3], draw)
            self._given[layer] = _Given(_rows(output.flatten(2), places), places)

        with torch.inference_mode(), hooked([layer.register_forward_hook(look) for layer in self._layers]):
            run(pixels)

    def lost_outputs(self, layer: nn.Module, channels: Sequence[int]) -> None:
        """Note that a layer has lost outputs, counted as they are now."""
        _lose(self.outputs, layer, channels)

    def lost_inputs(self, layer: nn.Module, channels: Sequence[int]) -> None:
        """Note that a layer has lost inputs, counted as they are now."""
        _lose(self.inputs, layer, channels)

    def fit(self) -> None:
        """Fit the layers in their order, each to the outputs of the whole network on what the layers before it give."""

        def solve(layer: Any, inputs: tuple[Tensor]) -> None:
            before = self._given[layer]
            given = torch.cat([inputs_of(layer, part, before.places) for part in inputs[0].split(_PART)])
            wanted = before.output[:, self.outputs[layer]]
            if layer.bias is not None:
                wanted = wanted - layer.bias
            found = _fitted(given.double(), wanted.double(), layer.weight.flatten(1).T.double())
            layer.weight.copy_(found.T.reshape(layer.weight.shape))

        with torch.no_grad(), hooked([layer.register_forward_pre_hook(solve) for layer in self._layers]):
            self._run(self._pixels)


def chosen_rows(area: int, draw: torch.Generator) -> Tensor:
    """Places of a map with this area, int64: all of them, or some drawn at random."""
    return torch.randperm(area, generator=draw)[:_PLACES]


def inputs_of(layer: nn.Conv2d, given: Tensor, places: Tensor) -> Tensor:
    """What a convolution computes its outputs at some places from.

    Args:
        layer: of one group.
        given: float [n, channels, height, width].
        places: int64 [places] of the output map.

    Returns:
        float [n * places, channels * kernel places], images one after the other.
    """
    how: Any = layer.kernel_size, layer.dilation, layer.padding, layer.stride
    return _rows(nn.functional.unfold(given, *how), places)


def _lose(left: dict[nn.Module, Tensor], layer: nn.Module, channels: Sequence[int]) -> None:
    if layer in left:
        stays = torch.ones(len(left[layer]), dtype=torch.bool)
        stays[list(channels)] = False
        left[layer] = left[layer][stays]


def _fitted(given: Tensor, wanted: Tensor, old: Tensor) -> Tensor:
    """The weights that make the outputs of the inputs, or the old ones if those are better on images held out.

    Args:
        given: float64 [rows, inputs], images one after the other.
        wanted: float64 [rows, outputs].
        old: float64 [inputs, outputs], which the weights stay near.
    """
    cut = len(given) - len(given) // _HELD_OUT
    square, product = given[:cut].T @ given[:cut], given[:cut].T @ wanted[:cut]
    scale, one = square.diagonal().mean().clamp(min=1e-12), torch.eye(len(square), dtype=square.dtype)
    tried = [old]
    for ridge in _RIDGES:
        tried.append(torch.linalg.solve(square + ridge * scale * one, product + ridge * scale * old))
    return min(tried, key=lambda each: float((given[cut:] @ each - wanted[cut:]).square().sum()))


def _rows(values: Tensor, places: Tensor) -> Tensor:
    """[n, channels, area] to [n * places, channels]."""
    return values[:, :, places].transpose(1, 2).flatten(0, 1)
