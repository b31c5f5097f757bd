"""Taking whole channels out of a network.

torch-pruning finds which channels of which layers belong together (Fang et al., CVPR 2023).
"""

from __future__ import annotations

from typing import Any, Final

import torch
import torch_pruning as tp
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models.network import FaceNetwork
from unmask.recipes import Pruning
from unmask.recipes.parts import Schedule
from unmask.training.hooks import hooked
from unmask.training.losses import batch_loss
from unmask.training.refit import Refit
from unmask.training.surgeon import Surgeon

# Parts in which channels are taken until the multiplications have fallen far enough.
_FINE: Final = 60


class Cutter:
    """Takes channels from a network, but none of those that its head reads: their number is the width of the features.

    Args:
        network: pruned in place.
        settings: how.
        size: side of the images in pixels.
    """

    def __init__(self, network: FaceNetwork, settings: Pruning, size: int) -> None:
        self._network, self._method = network, settings.method
        self._surgeon = Surgeon()
        importance = {
            "surgeon": self._surgeon,
            "taylor": tp.importance.GroupTaylorImportance(),
            "magnitude": tp.importance.GroupMagnitudeImportance(p=2),
        }[settings.method]
        example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
        network.requires_grad_(True).eval()
        self.pruner: Any = tp.pruner.BasePruner(
            network,
            example,
            importance,
            global_pruning=True,
            pruning_ratio=settings.widest,
            max_pruning_ratio=settings.widest,
            iterative_steps=_FINE,
            ignored_layers=_read_by_the_head(network, example),
            round_to=settings.multiple,
            forward_fn=_logit,
        )

    def cut(self, target: float, pixels: Tensor, is_fake: Tensor, schedule: Schedule) -> None:
        """Take channels until the multiplications are no more than the target, and fit the layers that are left.

        Args:
            target: multiplications of one image.
            pixels: uint8 [n, size, size, 3]: training images that show which channels go and that layers are fitted on.
            is_fake: float [n], 0 or 1.
            schedule: the loss and the size of a batch, for ``taylor``.

        Raises:
            UsageError: ``too_wide``: the target cannot be reached.
        """
        network, size = self._network, pixels.shape[1]
        network.requires_grad_(True).eval()
        refit = Refit(list(network.branches.modules()), pixels, network.pooled)
        if self._method == "surgeon":
            self._surgeon.measure(network, pixels, refit)
        if self._method == "taylor":
            self._find_gradients(pixels, is_fake, schedule)  # what is left keeps its gradients
        for _ in range(_FINE + 1):
            if (left := cost(network, size)[0]) <= target:
                break
            self._take(refit)
        else:
            raise UsageError(
                "too_wide",
                f"{left / 1e6:.0f} million multiplications are left, and no more channels may be taken: keep more, set "
                "pruning.widest higher in the recipe, or use another method.",
            )
        network.zero_grad(set_to_none=True)
        refit.fit()

    def _take(self, refit: Refit) -> None:
        for group in self.pruner.step(interactive=True):
            for dependency, channels in group:
                layer = dependency.target.module
                if dependency.handler == tp.prune_conv_out_channels:
                    refit.lost_outputs(layer, channels)
                elif dependency.handler == tp.prune_conv_in_channels:
                    refit.lost_inputs(layer, channels)
            group.prune()

    def _find_gradients(self, pixels: Tensor, is_fake: Tensor, schedule: Schedule) -> None:
        self._network.zero_grad()
        for part, target in zip(pixels.split(schedule.batch_size), is_fake.split(schedule.batch_size), strict=True):
            batch_loss(_logit(self._network, part), target, schedule, (1, 1)).backward()


def cost(network: nn.Module, size: int) -> tuple[int, int]:
    """Multiplications of convolutions and linear layers for one image, and number of parameters."""
    count = 0

    def add(layer: nn.Module, _: Any, made: Tensor) -> None:
        nonlocal count
        weight: Any = layer.weight  # [outputs, inputs of one output...]
        count += made.numel() * int(weight[0].numel())

    hooks = [
        layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with hooked(hooks), torch.inference_mode():
        network(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    return count, sum(parameter.numel() for parameter in network.parameters())


def _logit(network: FaceNetwork, pixels: Tensor) -> Tensor:
    return network.logit_of(network.pooled(pixels))


def _read_by_the_head(network: FaceNetwork, example: Tensor) -> list[nn.Module]:
    graph = tp.DependencyGraph().build_dependency(network, example, forward_fn=_logit)
    behind = {*network.head.modules(), *network.fusion.modules()}
    found: list[nn.Module] = [*behind]
    for layer in network.branches.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, [0])
            if any(dependency.target.module in behind for dependency, _ in group):
                found.append(layer)
    return found
