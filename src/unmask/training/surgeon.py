"""Which channels a network misses least when the layers that read them are fitted again.

Optimal Brain Surgeon (Hassibi and Stork, 1993) for whole channels: what the best weights without a channel cost has a
closed form, so nothing has to be trained to know it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch_pruning as tp
from torch import Tensor, nn

from unmask.models.network import FaceNetwork
from unmask.training.hooks import hooked
from unmask.training.refit import Refit, chosen_rows, inputs_of

_BATCH: Final = 32
# Added to the mean square of each input, relative to their mean, so that there is an inverse when inputs are copies.
_RIDGE: Final = 1e-3
_OUTPUTS: Final = (tp.prune_conv_out_channels, tp.prune_depthwise_conv_out_channels)
_INPUTS: Final = (tp.prune_conv_in_channels, tp.prune_linear_in_channels)


@dataclass
class _Measured:
    """A layer on the images: sums at first, means at the end.

    Attributes:
        square: float64 [inputs, inputs], mean products of the values that one output is computed from.
        slope: float64 [outputs], mean square of the logit's gradient by an output, summed over places.
        product: float64 [inputs, outputs], ``square`` times the weights.
        rows: number of values in ``square``.
    """

    square: Tensor
    slope: Tensor
    product: Tensor
    rows: int = 0


class Surgeon:
    """The importance of channels for torch-pruning: how far the logit moves without one, per multiplication saved.

    A channel costs each layer that reads it the error of its outputs after a fit without the channel; outputs count by
    the logit's slope. Channels that another kind of layer reads than a convolution of one group are left alone.
    """

    def measure(self, network: FaceNetwork, pixels: Tensor, refit: Refit) -> None:
        """Look at the network as it is now.

        Args:
            network: the network.
            pixels: uint8 [n, size, size, 3].
            refit: of the same network; knows what is taken after this call.
        """
        self._refit = refit
        self._known: dict[nn.Module, tuple[tuple[int, int], Tensor]] = {}
        self._seen: dict[nn.Module, _Measured] = {}
        self._area: dict[nn.Module, int] = {}
        draw = torch.Generator().manual_seed(1)

        def look(layer: Any, given: tuple[Tensor], output: Tensor) -> None:
            self._area[layer] = output.shape[2] * output.shape[3]
            if layer not in refit.outputs:
                return
            rows = inputs_of(layer, given[0].detach(), chosen_rows(self._area[layer], draw)).double()
            if layer not in self._seen:
                empty = rows.new_zeros(rows.shape[1], rows.shape[1])
                self._seen[layer] = _Measured(empty, rows.new_zeros(output.shape[1]), empty)
            seen = self._seen[layer]
            seen.square += rows.T @ rows
            seen.rows += len(rows)

            def add(slope: Tensor) -> None:
                seen.slope += slope.double().square().sum((0, 2, 3))

            output.register_hook(add)

        layers = [layer for layer in network.branches.modules() if isinstance(layer, nn.Conv2d)]
        network.requires_grad_(True).eval()
        with hooked([layer.register_forward_hook(look) for layer in layers]):
            for part in pixels.split(_BATCH):
                network.logit_of(network.pooled(part)).sum().backward()
        network.zero_grad(set_to_none=True)
        for layer, seen in self._seen.items():
            weight: Any = layer.weight
            seen.square /= seen.rows
            seen.slope /= len(pixels)
            seen.square.diagonal().add_(_RIDGE * seen.square.diagonal().mean())
            seen.product = seen.square @ weight.detach().flatten(1).T.double()

    def __call__(self, group: Iterable[Any], **_: Any) -> Tensor | None:
        """The importance of each channel of a group of layers, float [channels]; ``None``: it must stay as it is."""
        costs: list[tuple[Tensor, Tensor]] = []
        saved = 0
        for item in group:
            layer: Any = item.dep.target.module
            if item.dep.handler in _OUTPUTS:
                saved += layer.weight[0].numel() * self._area[layer]
            elif item.dep.handler in _INPUTS:
                if layer not in self._seen:
                    return None
                saved += layer.weight[:, 0].numel() * self._area[layer]
                costs.append((torch.as_tensor(item.root_idxs), self._costs(layer)[item.idxs]))
        if not costs:
            return None
        total = torch.zeros(max(int(at.max()) for at, _ in costs) + 1, dtype=torch.float64)
        for at, cost in costs:
            total.index_add_(0, at, cost)
        return (total / saved).float()

    def _costs(self, layer: nn.Module) -> Tensor:
        """Mean square error of the logit without each input channel of a layer, to first order: float64 [inputs]."""
        inputs, outputs = self._refit.inputs[layer], self._refit.outputs[layer]
        state = len(inputs), len(outputs)
        if layer not in self._known or self._known[layer][0] != state:
            seen, each = self._seen[layer], len(self._seen[layer].square) // self._refit.width[layer]
            columns = (inputs[:, None] * each + torch.arange(each)).flatten()
            inverse = torch.linalg.inv(seen.square[columns][:, columns])
            weights = (inverse @ seen.product[columns][:, outputs]).reshape(len(inputs), each, -1)
            # A kernel's places of one channel go together: a block of the inverse.
            blocks = inverse.reshape(len(inputs), each, len(inputs), each).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
            errors = (torch.linalg.solve(blocks, weights) * weights).sum(1)
            self._known[layer] = state, errors @ seen.slope[outputs]
        return self._known[layer][1]
