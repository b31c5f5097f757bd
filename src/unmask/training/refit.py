"""New weights for layers that have lost inputs: what is left is to give what the whole layer gave.

The weights are a least-squares fit on images, as in channel pruning by He, Zhang and Sun (ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

# Values of each layer's output that it is fitted to, per channel, and how many of them an image gives at most.
_ROWS: Final = 16_384
_PLACES: Final = 64
# Images whose inputs are laid out side by side at a time.
_PART: Final = 16
# Weights of the present weights against the images, relative to the mean square of the inputs, that are tried.
_RIDGES: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
# One image of so many is not fitted to, and shows which of them is best.
_HELD_OUT: Final = 5


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a layer gave: float [rows, channels], at these places of each image: int64 [places]."""

    output: Tensor
    places: Tensor


class Refit:
    """The outputs of a network's layers before it loses channels, and the weights that come closest to them after.

    Args:
        layers: of the network; those that can be fitted are convolutions of one group without padding, or with one of
            their own. The rest keeps its weights.
        pixels: uint8 [n, size, size, 3].
        run: the network.
    """

    def __init__(self, layers: Sequence[nn.Module], pixels: Tensor, run: Any) -> None:
        self._pixels, self._run = pixels, run
        self._layers = [layer for layer in layers if type(layer) is nn.Conv2d and layer.groups == 1]
        self.kept = {layer: torch.arange(layer.out_channels) for layer in self._layers}
        """Of each layer the outputs that are left, counted as they were at first."""
        self._seen: dict[nn.Module, _Seen] = {}
        draw = torch.Generator().manual_seed(0)

        def look(layer: nn.Module, _: Any, output: Tensor) -> None:
            area = output.shape[2] * output.shape[3]
            each = min(_PLACES, area, max(1, _ROWS // len(output)))
            places = torch.randperm(area, generator=draw)[:each]
            self._seen[layer] = _Seen(_rows(output.flatten(2), places), places)

        with torch.inference_mode(), _hooked([layer.register_forward_hook(look) for layer in self._layers]):
            run(pixels)

    def lost(self, layer: nn.Module, outputs: Sequence[int]) -> None:
        """Note that a layer has lost outputs, counted as they are now."""
        if layer in self.kept:
            left = torch.ones(len(self.kept[layer]), dtype=torch.bool)
            left[list(outputs)] = False
            self.kept[layer] = self.kept[layer][left]

    def fit(self) -> None:
        """Fit the layers in their order, each to the outputs of the whole network on what the layers before it give."""

        def solve(layer: Any, inputs: tuple[Tensor]) -> None:
            seen = self._seen[layer]
            how = layer.kernel_size, layer.dilation, layer.padding, layer.stride
            parts = [_rows(nn.functional.unfold(part, *how), seen.places) for part in inputs[0].split(_PART)]
            wanted = seen.output[:, self.kept[layer]]
            if layer.bias is not None:
                wanted = wanted - layer.bias
            found = _fitted(torch.cat(parts).double(), wanted.double(), layer.weight.flatten(1).T.double())
            layer.weight.copy_(found.T.reshape(layer.weight.shape))

        with torch.no_grad(), _hooked([layer.register_forward_pre_hook(solve) for layer in self._layers]):
            self._run(self._pixels)


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


@contextmanager
def _hooked(hooks: Sequence[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
