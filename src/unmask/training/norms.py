"""Batch normalisation over the whole batch, when each process has a part of it."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.plugins.layer_sync import LayerSync
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


class WholeBatchNorms(LayerSync):
    """Gives every normalisation of a network the statistics of the whole batch while it trains.

    On GPUs by torch's own synchronised layers, which refuse to compute on a CPU; there by sums over the processes.
    """

    def apply(self, model: nn.Module) -> Any:
        """Replace the layers; their parameters and names stay."""
        model = convert_sync_batchnorm(model)
        for layer in model.modules():
            if isinstance(layer, nn.SyncBatchNorm) and all(value.device.type == "cpu" for value in layer.buffers()):
                # Its parameters and, of timm's layers, the activation that is part of them stay as they are.
                layer.__class__ = _WholeBatchNorm  # type: ignore[assignment]
        return model

    def revert(self, model: nn.Module) -> Any:
        """Leave the layers: in evaluation they do the same as those they replaced."""
        return model


class _WholeBatchNorm(_BatchNorm):
    """As ``SyncBatchNorm`` of torch or timm, on a CPU. Every process must have the same number of images."""

    def forward(self, x: Tensor) -> Tensor:
        x = self._normalised(x) if self.training else super().forward(x)
        for part in ("drop", "act"):
            if hasattr(self, part):
                x = getattr(self, part)(x)
        return x

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def _normalised(self, x: Tensor) -> Tensor:
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        world = torch.distributed.get_world_size()
        mean = all_reduce(x.mean(axes)) / world
        centred = x - mean.reshape(shape)
        variance = all_reduce(centred.square().mean(axes)) / world
        self._follow(mean.detach(), variance.detach(), world * x.numel() // x.shape[1])
        x = centred * (variance + self.eps).rsqrt().reshape(shape)
        return x * self.weight.reshape(shape) + self.bias.reshape(shape) if self.affine else x

    def _follow(self, mean: Tensor, variance: Tensor, values: int) -> None:
        """Move the running statistics as torch does, whose running variance is the unbiased one."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        rate = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(variance * values / max(1, values - 1), rate)
