"""Pruning: what is taken, what is left alone, and a run pruned from end to end."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_pruning")
pytest.importorskip("lightning")

from unmask.bundle.bundle import Bundle, run_graph  # noqa: E402
from unmask.bundle.golden import golden_pixels  # noqa: E402
from unmask.data.manifest import Manifest  # noqa: E402
from unmask.errors import UsageError  # noqa: E402
from unmask.evaluation.prune import prune  # noqa: E402
from unmask.models.network import FaceNetwork  # noqa: E402
from unmask.recipes import Pruning, Recipe  # noqa: E402
from unmask.recipes.parts import Schedule  # noqa: E402
from unmask.stats.resample import Draws  # noqa: E402
from unmask.training.channels import Cutter, cost  # noqa: E402
from unmask.training.fit import fit  # noqa: E402
from unmask.training.folder import read_recipe  # noqa: E402
from unmask.training.prune import PrunedRun, Step  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 32


def network() -> FaceNetwork:
    torch.manual_seed(3)
    backbone = {"name": "test_efficientnet", "weights": ["none"]}
    head = {"kind": "dense", "units": [8], "batch_norm": False}
    recipe = {"name": "t", "backbone": backbone, "preprocessing": {"size": SIZE}, "head": head}
    return FaceNetwork(Recipe.model_validate(recipe)).eval()


class Two(torch.nn.Module):
    """A convolution on float planes: its cost can be worked out by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.layer(pixels.permute(0, 3, 1, 2).float())


def test_the_cost_of_a_convolution() -> None:
    # 3 x 4 filters of 9 weights, at 8 x 8 places.
    assert cost(Two(), 8) == (3 * 4 * 9 * 64, 3 * 4 * 9)


def probe(number: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.from_numpy(np.stack([golden_pixels(seed, SIZE) for seed in range(number)]))
    return pixels, torch.arange(number) % 2 * 1.0


METHODS = ["surgeon", "taylor", "magnitude"]


@pytest.mark.parametrize("method", METHODS)
def test_channels_are_taken_but_not_those_that_the_head_reads(method: str) -> None:
    made = network()
    count, parameters = cost(made, SIZE)
    cutter = Cutter(made, Pruning.model_validate({"method": method, "multiple": 4}), SIZE)
    cutter.cut(0.6 * count, *probe(), Schedule())
    left, fewer = cost(made, SIZE)
    assert 0.4 * count < left <= 0.6 * count
    assert fewer < parameters
    width = made.feature_width
    assert made.pooled(torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8)).shape == (1, width)
    logit, evidence = made(torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8))
    np.testing.assert_allclose(evidence.mean((1, 2)).detach(), logit.detach(), atol=1e-4)


def test_more_than_may_be_taken_is_refused() -> None:
    made = network()
    cutter = Cutter(made, Pruning(method="magnitude", widest=0.2, multiple=4), SIZE)
    with pytest.raises(UsageError, match="no more channels may be taken") as refused:
        cutter.cut(0.3 * cost(made, SIZE)[0], *probe(4), Schedule())
    assert refused.value.code == "too_wide"


def test_what_is_left_gives_about_the_logits_of_the_whole_network() -> None:
    made, (pixels, is_fake) = network(), probe(160)
    with torch.inference_mode():
        for _ in range(20):  # the statistics of these images in place of 0 and 1
            made.train().pooled(pixels)
        whole = made.eval()(pixels)[0]
    target = 0.8 * cost(made, SIZE)[0]
    errors = {}
    for method in METHODS:
        for fitted in (True, False):
            less = deepcopy(made)
            cutter = Cutter(less, Pruning.model_validate({"method": method, "multiple": 4}), SIZE)
            if fitted:
                cutter.cut(target, pixels[:128], is_fake[:128], Schedule())
            elif method == "magnitude":
                while cost(less, SIZE)[0] > target:
                    cutter.pruner.step()
            with torch.inference_mode():
                errors[method, fitted] = float((less(pixels[128:])[0] - whole[128:]).square().mean())
    assert errors["magnitude", True] < errors["magnitude", False]
    assert errors["surgeon", True] < 0.5 * min(errors["magnitude", True], errors["taylor", True])


class Eight(torch.nn.Module):
    """Eight channels between two 1 x 1 convolutions; the head reads what the second one gives."""

    def __init__(self, first: list[float], second: list[float]) -> None:
        super().__init__()
        layers = [torch.nn.Conv2d(3, 8, 1, bias=False), torch.nn.Conv2d(8, 4, 1, bias=False)]
        with torch.no_grad():
            layers[0].weight.copy_(torch.tensor(first)[:, None, None, None].expand(8, 3, 1, 1))
            layers[1].weight.copy_(torch.tensor(second)[None, :, None, None].expand(4, 8, 1, 1))
        self.branches = torch.nn.ModuleList([torch.nn.Sequential(*layers)])
        self.fusion, self.head = torch.nn.Identity(), torch.nn.Linear(4, 1, bias=False)
        torch.nn.init.ones_(self.head.weight)

    def pooled(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.branches[0](pixels.permute(0, 3, 1, 2).float()).mean((2, 3))

    def logit_of(self, features: torch.Tensor) -> torch.Tensor:
        return self.head(features)[:, 0]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.logit_of(self.pooled(pixels))


@pytest.mark.parametrize(("method", "kept"), [("magnitude", [0, 2, 4, 6]), ("taylor", [1, 3, 5, 7])])
def test_the_channels_that_matter_least_are_taken(method: str, kept: list[int]) -> None:
    # Channel i has the weights a in the first layer and b in the second. Magnitude: a^2 and b^2, which is larger in
    # the even channels (at least 3^2 against at most 1.3^2 + 1^2). The loss changes by a * b * pixels without it: at
    # least 1 in the odd channels, at most 3.6 * 0.01 in the even ones.
    first = [3.0, 1.0, 3.2, 1.1, 3.4, 1.2, 3.6, 1.3]
    second = [0.01, 1.0] * 4
    made: Any = Eight(first, second)
    pruner = Cutter(made, Pruning.model_validate({"method": method, "multiple": 1, "widest": 0.5}), 8).pruner
    if method == "taylor":
        made(torch.ones(2, 8, 8, 3, dtype=torch.uint8)).sum().backward()
    layer = made.branches[0][0]
    for _ in range(1000):
        if layer.out_channels == 4:
            break
        pruner.step()
    assert layer.weight[:, 0, 0, 0].tolist() == pytest.approx([first[at] for at in kept])
    assert made.branches[0][1].weight.shape == (4, 4, 1, 1)


def test_a_recipe_may_say_how_and_keeps_its_digest() -> None:
    plain = {"name": "t", "backbone": {"name": "test_efficientnet"}}
    recipe = Recipe.model_validate({**plain, "pruning": {"keep": 0.3, "steps": 2}})
    assert recipe.pruning is not None
    assert (recipe.pruning.keep, recipe.pruning.method) == (0.3, "surgeon")
    assert recipe.digest() == Recipe.model_validate(plain).digest()


@pytest.mark.nightly  # trains twice; the parts are tested above and below
def test_a_run_from_end_to_end(toy_manifest: Path, toy_recipe: Path, tmp_path: Path) -> None:
    table = Manifest.open(toy_manifest)
    run = tmp_path / "run"
    fit(Recipe.load(toy_recipe, ["schedule.epochs=1"]), table, run, workers=0)
    settings = Pruning(keep=0.7, epochs=1, probes=16, multiple=4)
    pruned = PrunedRun(run, table, tmp_path, settings)
    result = prune(pruned, tmp_path / "bundle", max_auc_drop=1.0)
    assert result.networks[0].kept == 1
    assert result.networks[1].kept <= 0.7
    assert result.networks[1].auc >= result.networks[1].auc_before  # training that does not help is undone
    assert result.chosen == 1
    bundle = Bundle.open(tmp_path / "bundle")
    assert bundle.sha256 == result.sha256
    assert bundle.info.name == "toy-pruned"
    assert "surgeon" in bundle.info.card.weights["pruned"]
    pixels = np.stack([golden_pixels(seed, SIZE) for seed in range(3)])
    with torch.inference_mode():
        expected = pruned.network(torch.from_numpy(pixels))[0]
    np.testing.assert_allclose(run_graph(bundle.session(), pixels)[0], expected, atol=1e-4)
    assert len(bundle.model) < len(Bundle.open(run / "bundle").model)
    assert read_recipe(run).pruning is None


class Given:
    """A run whose networks are given: eight validation images in seven groups."""

    recipe = Recipe.model_validate({"name": "t", "backbone": {"name": "test_efficientnet"}})
    settings = Pruning()
    groups = ("a", "a", "b", "c", "d", "e", "f", "g")

    def __init__(self, bundle: Bundle, *logits: list[float]) -> None:
        self.validation = [SimpleNamespace(is_fake=at >= 4) for at in range(8)]
        self.logits, self.bundle, self.packaged = logits, bundle, list[tuple[int, float]]()

    def steps(self) -> Iterator[Step]:
        for at, logits in enumerate(self.logits):
            self.network = at
            values = np.array(logits, np.float32)
            yield Step(1000 - 250 * at, 100, np.zeros(8, np.float32) if at else values, values)

    def package(self, _: Path, network: int, kept: float) -> Bundle:
        self.packaged.append((network, kept))
        return self.bundle


RIGHT = [-4.0, -3, -2, -1, 1, 2, 3, 4]
ONE_PAIR_WRONG = [-4.0, -3, -2, 1.5, 1, 2, 3, 4]  # 15 of 16 pairs in order
FOUR_WRONG = [-4.0, -3, -2, 9, 1, 2, 3, 4]  # 12 of 16


def test_the_last_network_that_keeps_its_auc_becomes_the_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    run: Any = Given(Bundle.open(tiny_bundle), RIGHT, ONE_PAIR_WRONG, FOUR_WRONG, RIGHT)
    result = prune(run, tmp_path, max_auc_drop=0.1, draws=Draws(100))
    assert [network.auc for network in result.networks] == [1, 15 / 16, 12 / 16]
    assert [network.kept for network in result.networks] == [1, 0.75, 0.5]
    assert result.networks[1].auc_before == 0.5  # all logits are equal
    assert result.networks[1].change.value == pytest.approx(-1 / 16)
    assert (result.chosen, run.packaged) == (1, [(1, 0.75)])
    assert result.data.groups == 7


def test_a_first_step_that_loses_too_much_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    run: Any = Given(Bundle.open(tiny_bundle), RIGHT, FOUR_WRONG)
    with pytest.raises(UsageError, match=r"loses 0\.2500 of its AUC") as refused:
        prune(run, tmp_path, max_auc_drop=0.1, draws=Draws(100))
    assert refused.value.code == "too_much_lost"
    assert run.packaged == []
