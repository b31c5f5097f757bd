"""Layers fitted again after channels were taken, against least squares worked out by numpy."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from unmask.training.refit import Refit  # noqa: E402

pytestmark = pytest.mark.train


def pixels(number: int = 8, size: int = 12) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (number, size, size, 3), np.uint8))


class Pair(nn.Module):
    """Two convolutions with a rectifier between them."""

    def __init__(self, second: nn.Conv2d) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Conv2d(3, 8, 1), second
        nn.init.normal_(self.first.weight)
        nn.init.normal_(self.second.weight)

    def between(self, given: torch.Tensor) -> torch.Tensor:
        return self.first(given.permute(0, 3, 1, 2) / 255 - 0.5).relu()

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.second(self.between(given))

    def keep(self, channels: list[int]) -> None:
        """Take the other channels between the two."""
        self.first.weight, self.first.bias = (
            nn.Parameter(value[channels]) for value in (self.first.weight, self.first.bias)
        )
        self.second.weight = nn.Parameter(self.second.weight[:, channels])


def test_a_layer_gets_the_weights_of_least_squares() -> None:
    made, given = Pair(nn.Conv2d(8, 4, 1, bias=False)), pixels()
    with torch.no_grad():
        wanted = made(given).permute(0, 2, 3, 1).reshape(-1, 4).numpy()
    refit = Refit([made.second], given, made)
    made.keep([0, 2, 3, 5, 6])
    with torch.no_grad():
        inputs = made.between(given).permute(0, 2, 3, 1).reshape(-1, 5).numpy()
        cut = made(given).permute(0, 2, 3, 1).reshape(-1, 4).numpy()
        refit.fit()
        found = made(given).permute(0, 2, 3, 1).reshape(-1, 4).numpy()
    best = inputs @ np.linalg.lstsq(inputs, wanted, rcond=None)[0]
    errors = [float(np.square(each - wanted).mean()) for each in (best, found, cut)]
    # Only some places of each image are used, so not quite the best of all places.
    assert errors[0] <= errors[1] < 1.05 * errors[0]
    assert errors[1] < 0.5 * errors[2]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 4, 1),
        nn.Conv2d(8, 4, 3, padding=1),
        nn.Conv2d(8, 4, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(8, 4, (3, 1), dilation=2, padding=(2, 0)),
    ],
)
def test_a_layer_that_lost_a_copy_of_a_channel_gives_the_same(layer: nn.Conv2d) -> None:
    made, given = Pair(layer), pixels()
    with torch.no_grad():
        made.first.weight[7], made.first.bias[7] = made.first.weight[2], made.first.bias[2]
        wanted = made(given)
        refit = Refit([made.first, made.second], given, made)
        before = layer.weight.clone()
        refit.fit()
        torch.testing.assert_close(layer.weight, before)  # nothing is lost yet
        refit.lost_outputs(made.first, [7])
        made.keep(list(range(7)))
        cut = made(given)
        refit.fit()
        found = made(given)
    assert (found - wanted).abs().max() < 0.01 * (cut - wanted).abs().max()


def test_outputs_are_counted_as_they_are_now_when_they_are_lost() -> None:
    made = Pair(nn.Conv2d(8, 4, 1))
    refit = Refit([made.first, made.second], pixels(), made)
    refit.lost_outputs(made.first, [0, 2])
    refit.lost_outputs(made.first, [1, 5])
    refit.lost_outputs(nn.Identity(), [0])
    refit.lost_inputs(made.second, [0, 2])
    assert refit.outputs[made.first].tolist() == [1, 4, 5, 6]
    assert refit.outputs[made.second].tolist() == [0, 1, 2, 3]
    assert refit.inputs[made.second].tolist() == [1, 3, 4, 5, 6, 7]


def test_layers_of_groups_keep_their_weights() -> None:
    made, given = Pair(nn.Conv2d(8, 8, 3, groups=8)), pixels()
    before = made.second.weight.clone()
    refit = Refit([made.second], given, made)
    with torch.no_grad():
        made.first.weight.mul_(0.5)
    refit.fit()
    assert torch.equal(made.second.weight, before)
