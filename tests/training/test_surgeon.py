"""The cost of each channel, against taking each one and fitting the rest by least squares."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
tp = pytest.importorskip("torch_pruning")

from torch import nn  # noqa: E402

from unmask.training.refit import Refit  # noqa: E402
from unmask.training.surgeon import Surgeon  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 6


class Small(nn.Module):
    """Six channels between two convolutions, and a head on the means."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        torch.manual_seed(11)
        self.first, self.second = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, kernel, padding=kernel // 2, bias=False)
        nn.init.normal_(self.first.weight)
        self.branches = nn.ModuleList([nn.Sequential(self.first, nn.ReLU(), self.second)])
        self.head = nn.Linear(4, 1)
        nn.init.normal_(self.head.weight)

    def between(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.first(pixels.permute(0, 3, 1, 2) / 255 - 0.5).relu()

    def pooled(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.second(self.between(pixels)).mean((2, 3))

    def logit_of(self, features: torch.Tensor) -> torch.Tensor:
        return self.head(features)[:, 0]


def item(layer: nn.Module, handler: Any, channels: list[int]) -> Any:
    dependency = SimpleNamespace(target=SimpleNamespace(module=layer), handler=handler)
    return SimpleNamespace(dep=dependency, idxs=channels, root_idxs=list(range(len(channels))))


def group(made: Small, left: int) -> list[Any]:
    channels = list(range(left))
    return [
        item(made.first, tp.prune_conv_out_channels, channels),
        item(made.second, tp.prune_conv_in_channels, channels),
    ]


def costs(made: Small, pixels: torch.Tensor, left: list[int]) -> list[float]:
    """What the logit loses without each of the channels that are left: all are taken but those, the rest is fitted."""
    side = made.second.kernel_size[0]
    with torch.no_grad():
        given = nn.functional.unfold(made.between(pixels), side, padding=side // 2)
        rows = given.transpose(1, 2).flatten(0, 1).double().numpy()
        wanted = rows @ made.second.weight.flatten(1).T.double().numpy()
    # The head reads the mean over the places; the squares of its slopes are summed over them.
    slope = np.square(made.head.weight[0].detach().double().numpy()) / SIZE**2
    rows = rows.reshape(len(rows), 6, -1)
    found = []
    for channel in [None, *left]:
        inputs = rows[:, [each for each in left if each != channel]].reshape(len(rows), -1)
        errors = inputs @ np.linalg.lstsq(inputs, wanted, rcond=None)[0] - wanted
        found.append(float(np.square(errors).mean(0) @ slope))
    return [cost - found[0] for cost in found[1:]]


@pytest.mark.parametrize("kernel", [1, 3])
def test_costs_are_those_of_taking_each_channel_and_fitting_the_rest(kernel: int) -> None:
    made: Any = Small(kernel)
    pixels = torch.from_numpy(np.random.default_rng(4).integers(0, 256, (64, SIZE, SIZE, 3), np.uint8))
    refit, surgeon = Refit([made.first, made.second], pixels, made.pooled), Surgeon()
    surgeon.measure(made, pixels, refit)
    multiplications = (3 + kernel**2 * 4) * SIZE**2
    for left in ([0, 1, 2, 3, 4, 5], [0, 2, 3, 5]):
        if len(left) == 4:
            refit.lost_outputs(made.first, [1, 4])
            refit.lost_inputs(made.second, [1, 4])
            made.first.weight = nn.Parameter(made.first.weight[left])  # as torch-pruning leaves it
            made.second.weight = nn.Parameter(made.second.weight[:, left])
        found = surgeon(group(made, len(left)))
        assert found is not None
        whole: Any = Small(kernel)
        expected = np.array(costs(whole, pixels, left)) / multiplications
        # The ridge makes inputs that nearly copy each other dearer than they are.
        np.testing.assert_allclose(found.numpy(), expected, rtol=0.3)
        assert np.argsort(found.numpy()).tolist() == np.argsort(expected).tolist()


def test_channels_that_another_layer_reads_are_left_alone() -> None:
    made: Any = Small(1)
    pixels = torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)
    surgeon = Surgeon()
    surgeon.measure(made, pixels, Refit([made.first, made.second], pixels, made.pooled))
    unknown = item(nn.Linear(6, 2), tp.prune_linear_in_channels, list(range(6)))
    assert surgeon([*group(made, 6), unknown]) is None
    assert surgeon([item(made.first, tp.prune_conv_out_channels, [0])]) is None
