"""Starting from a bundle: the network computes what the graph does, with the batch statistics of real images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("lightning")

from unmask.bundle.bundle import run_graph  # noqa: E402
from unmask.bundle.compose import combine, store_half  # noqa: E402
from unmask.bundle.golden import golden_pixels  # noqa: E402
from unmask.data.manifest import Manifest  # noqa: E402
from unmask.errors import BundleError, UsageError  # noqa: E402
from unmask.imaging.session import single_thread_session  # noqa: E402
from unmask.models.network import FaceNetwork  # noqa: E402
from unmask.recipes import Classifier, DataPolicy, Ensemble, Recipe  # noqa: E402
from unmask.training.export import export_with_features  # noqa: E402
from unmask.training.fit import fit  # noqa: E402
from unmask.training.start import Start, fill_from_graph  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 64
PIXELS = np.stack([golden_pixels(seed, SIZE) for seed in range(24)])


def network(seed: int, **changes: Any) -> FaceNetwork:
    """A small network whose statistics and weights are no network's defaults."""
    torch.manual_seed(seed)
    content = {"name": "tiny", "backbone": {"name": "test_efficientnet", "weights": ["none"]}}
    made = FaceNetwork(Recipe.model_validate(content | changes))
    torch.nn.init.normal_(made.head.linear.weight, std=0.5)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
    return made.eval()


def logits(made: FaceNetwork) -> np.ndarray:
    with torch.inference_mode():
        return made(torch.from_numpy(PIXELS))[0].numpy()


@pytest.fixture(scope="module")
def members() -> list[FaceNetwork]:
    return [network(1), network(2)]


@pytest.fixture(scope="module")
def graphs(members: list[FaceNetwork]) -> list[bytes]:
    return [export_with_features(member, SIZE) for member in members]


def test_a_network_starts_from_the_graph_of_one(members: list[FaceNetwork], graphs: list[bytes]) -> None:
    made = network(9).train()
    fill_from_graph(made, graphs[0], 0, PIXELS)
    assert made.training  # as it was
    np.testing.assert_allclose(logits(made.eval()), logits(members[0]), atol=2e-5)
    assert np.abs(logits(members[0]) - logits(members[1])).max() > 0.01


def test_a_network_starts_from_a_member_of_an_ensemble(members: list[FaceNetwork], graphs: list[bytes]) -> None:
    combined = combine([store_half(graph) for graph in graphs], [0.5, 0.5], 0.0)
    for place, member in enumerate(members):
        made = network(9)
        fill_from_graph(made, combined, place, PIXELS)
        np.testing.assert_allclose(logits(made), logits(member), atol=1e-3)  # the half precision of the weights
    both = run_graph(single_thread_session(combined), PIXELS)[0]
    np.testing.assert_allclose((logits(members[0]) + logits(members[1])) / 2, both, atol=1e-3)


def test_its_statistics_are_those_of_the_images(graphs: list[bytes]) -> None:
    """In training mode, a batch of the same images normalises as the running statistics do."""
    made = network(9)
    fill_from_graph(made, graphs[0], 0, PIXELS)
    running = logits(made)
    made.train()
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    with torch.inference_mode():
        batch = made.logit_of(made.pooled(torch.from_numpy(PIXELS))).numpy()
    np.testing.assert_allclose(batch, running, atol=2e-3)
    # The statistics of the network that was exported are others: nothing was measured on these images.
    plain = network(1).train()
    with torch.inference_mode():
        assert np.abs(plain.logit_of(plain.pooled(torch.from_numpy(PIXELS))).numpy() - running).max() > 0.05


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"backbone": {"name": "test_resnet", "weights": ["none"]}}, 0),  # another architecture
        ({"head": {"kind": "dense", "units": [8]}}, 0),  # another head
        ({}, 1),  # no such member
    ],
)
def test_another_network_is_refused(changes: dict[str, Any], member: int, graphs: list[bytes]) -> None:
    with pytest.raises(UsageError) as caught:
        fill_from_graph(network(9, **changes), graphs[0], member, PIXELS)
    assert caught.value.code == "other_network"


def test_a_run_starts_from_a_bundle_and_an_ensemble_from_its_members(
    toy_manifest: Path, toy_recipe: Path, tmp_path: Path
) -> None:
    """At a vanishing learning rate what is exported answers as the bundle that it started from."""
    manifest = Manifest.open(toy_manifest)
    still = ["schedule.epochs=1", "schedule.learning_rate=1e-12"]
    first = fit(Recipe.load(toy_recipe, ["seed=5", *still]), manifest, tmp_path / "first", workers=0)
    recipe = Recipe.load(toy_recipe, ["seed=6", *still])
    second = fit(recipe, manifest, tmp_path / "second", start=Start(tmp_path / "first" / "bundle"), workers=0)
    size = recipe.preprocessing.size
    pixels = np.stack([golden_pixels(seed, size) for seed in range(6)])
    found, expected = (run_graph(single_thread_session(bundle.model), pixels)[0] for bundle in (second, first))
    # An epoch moves the batch statistics a little.
    np.testing.assert_allclose(found, expected, atol=0.1)
    assert second.info.card.weights["started_from"] == f"member 1 of toy@1, bundle sha256 {first.sha256}"
    other = Recipe.load(toy_recipe, ["preprocessing.face_margin=0.2", *still])
    with pytest.raises(UsageError, match="another preprocessing"):
        fit(other, manifest, tmp_path / "third", start=Start(tmp_path / "first" / "bundle"), workers=0)
    (tmp_path / "text.zip").write_text("no bundle")
    with pytest.raises(BundleError):
        fit(recipe, manifest, tmp_path / "fourth", start=Start(tmp_path / "text.zip"), workers=0)


def test_a_member_that_takes_its_backbone_as_it_comes_starts_from_nothing(
    toy_manifest: Path, toy_recipe: Path, tmp_path: Path
) -> None:
    manifest = Manifest.open(toy_manifest)
    toy = Recipe.load(toy_recipe, ["schedule.epochs=1"])
    probe = Recipe(
        name="probe",
        backbone=toy.backbone,
        preprocessing=toy.preprocessing,
        classifier=Classifier(estimator="logistic_regression"),
        data=DataPolicy(balance="none"),
    )
    for recipe in (toy, probe):
        (tmp_path / f"{recipe.name}.yaml").write_text(recipe.to_yaml())
    both = Recipe(
        name="both",
        preprocessing=toy.preprocessing,
        ensemble=Ensemble(members=(str(tmp_path / "toy.yaml"), str(tmp_path / "probe.yaml"))),
    )
    first = fit(both, manifest, tmp_path / "first", workers=0)
    second = fit(both, manifest, tmp_path / "second", start=Start(tmp_path / "first" / "bundle"), workers=0)
    weights = second.info.card.weights
    assert weights["toy_started_from"] == f"member 1 of both@1, bundle sha256 {first.sha256}"
    assert "probe_started_from" not in weights
    assert {key for key in weights if key.startswith("probe_")} >= {"probe_source", "probe_detail"}
    probes = [(tmp_path / run / "members" / "probe" / "bundle" / "model.onnx") for run in ("first", "second")]
    assert probes[0].read_bytes() == probes[1].read_bytes()
