"""Counts against torch's own, and what a measurement says; times are not judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask.bundle.bundle import Bundle
from unmask.errors import UsageError
from unmask.evaluation.cost import bench as bench_bundle
from unmask.evaluation.cost import count, random_recipe, why_no_torch

MakeBundle = Callable[..., Bundle]
MakeGraph = Callable[..., bytes]


def bench(*given: Any, **named: Any) -> dict[str, Any]:
    """The costs of one model as the file holds them."""
    costs: dict[str, Any] = json.loads(bench_bundle(*given, **named).model_dump_json())
    return costs


SMALL: dict[str, Any] = {
    "name": "small",
    "backbone": {"name": "test_efficientnet", "weights": ["pip", "hub"]},
    "preprocessing": {"size": 32, "faces": None},
}


@pytest.fixture(scope="module")
def small(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small network with random weights, and its recipe on the card."""
    pytest.importorskip("timm")
    from unmask.bundle.schema import Card
    from unmask.models.network import FaceNetwork
    from unmask.training.export import export_onnx, record_golden

    recipe = random_recipe(SMALL)
    model = export_onnx(FaceNetwork(recipe), 32)
    folder = tmp_path_factory.mktemp("small") / "bundle"
    make_bundle(
        folder,
        model=model,
        golden=record_golden(model, 32),
        preprocessing=recipe.preprocessing,
        card=Card(recipe=recipe.model_dump(mode="json")),
    )
    return folder


@pytest.mark.train
@pytest.mark.parametrize(
    ("changes", "twice"),
    [
        # Depth-wise convolutions and squeeze-and-excitation; the image and its mirror image.
        ({"head": {"mirror": True}}, 0),
        # A dense head. Eager computes its hidden layers, 256 to 16 to 8, once more for the slopes; the graph does not.
        ({"head": {"kind": "dense", "units": [16, 8], "output": "softmax"}}, 256 * 16 + 16 * 8),
        # Wide convolutions.
        ({"backbone": {"name": "resnet10t", "weights": ["none"]}}, 0),
        # Attention: products of activations.
        ({"backbone": {"name": "test_vit", "weights": ["none"]}, "preprocessing": {"size": 160, "faces": None}}, 0),
    ],
)
def test_macs_are_half_of_torchs_flops(changes: dict[str, Any], twice: int) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from unmask.models.network import FaceNetwork
    from unmask.training.export import export_onnx

    recipe = random_recipe(SMALL | changes)
    network, size = FaceNetwork(recipe).eval(), recipe.preprocessing.size
    counted = count(export_onnx(network, size))
    # Torch does not count its fused attention on a CPU, so it is taken apart.
    with FlopCounterMode(display=False) as flops, torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
        network(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    # An addition and a multiplication are two operations to torch.
    assert counted.macs == flops.get_total_flops() // 2 - twice
    assert counted.uncounted == {}
    # The exporter may fold normalisation into convolutions; nothing else is lost, and only constants are added.
    stored = sum(value.numel() for value in network.state_dict().values() if value.is_floating_point())
    weights = sum(value.numel() for value in network.parameters() if value.ndim > 1)
    assert weights <= counted.parameters <= 1.02 * stored


def test_counts_by_hand() -> None:
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto

    def graph(nodes: list[Any], weights: dict[str, tuple[int, ...]], shape: list[Any]) -> bytes:
        made = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", kinds.FLOAT, shape)],
            [helper.make_tensor_value_info("y", kinds.FLOAT, None)],
            [
                helper.make_tensor(name, kinds.FLOAT, dims, np.zeros(dims).ravel().tolist())
                for name, dims in weights.items()
            ],
        )
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        return bytes(model.SerializeToString())

    # 6 filters of 4 x 3 x 3 over 8 x 8 places, padded.
    conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    found = count(graph([conv], {"w": (6, 4, 3, 3)}, ["n", 4, 8, 8]))
    assert (found.macs, found.parameters) == (8 * 8 * 6 * 4 * 9, 6 * 4 * 9)
    # The same in two groups and with a stride of two: half the channels, a quarter of the places.
    conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], group=2, strides=[2, 2])
    assert count(graph([conv], {"w": (6, 2, 3, 3)}, ["n", 4, 8, 8])).macs == 4 * 4 * 6 * 2 * 9
    # A layer of 10 to 5, stored either way round, and a product of matrices.
    gemm = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    assert count(graph([gemm], {"w": (5, 10)}, ["n", 10])).macs == 50
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    assert count(graph([product], {"w": (10, 5)}, ["n", 7, 10])).macs == 7 * 50
    # What is not counted is named, also where a length depends on the input.
    unknown = helper.make_node("MatMul", ["x", "w"], ["y"])
    assert count(graph([unknown], {"w": (10, 5)}, ["n", "tokens", 10])).uncounted == {"MatMul": 1}
    deconv = helper.make_node("ConvTranspose", ["x", "w"], ["y"])
    assert count(graph([deconv], {"w": (4, 2, 3, 3)}, ["n", 4, 8, 8])).uncounted == {"ConvTranspose": 1}


@pytest.mark.train
def test_a_measurement_has_all_its_parts(small: Path, tmp_path: Path, astronaut: Any) -> None:
    astronaut.save(tmp_path / "a.jpg")
    run = tmp_path / "run"
    run.mkdir()
    (run / "timing.json").write_text(json.dumps({"training_seconds": 90.0}))
    rounds: list[int] = []
    found = bench(
        small,
        run=run,
        images=[tmp_path / "a.jpg"],
        price=0.5,
        calls=20,
        batch=2,
        progress=lambda: rounds.append(1),
    )
    assert len(rounds) == 20
    assert found["bundle_sha256"] == Bundle.open(small).sha256 and found["model_bytes"] == len(Bundle.open(small).model)
    assert set(found["engines"]) == {"onnx", "torch"} and found["no_torch"] is None
    for engine in found["engines"].values():
        latency = engine["latency"]
        assert latency["calls"] == 20 and 0 < latency["p50_ms"] <= latency["p95_ms"] <= latency["p99_ms"]
        assert engine["images_per_second"] > 0 and engine["load_ms"] > 0 and engine["peak_memory_mb"] > 10
    # Each process has a memory of its own: torch's is not ONNX Runtime's.
    assert found["engines"]["torch"]["peak_memory_mb"] > found["engines"]["onnx"]["peak_memory_mb"]
    assert found["images"]["calls"] == 20 and found["images"]["n"] == 1
    cost = found["cost"]
    assert cost["of"] == "whole detections"
    assert cost["core_hours_per_million"] == pytest.approx(found["images"]["mean_ms"] * 1e3 / 3600, rel=1e-3)
    assert cost["per_million"] == pytest.approx(0.5 * cost["core_hours_per_million"], rel=1e-3)
    assert found["training"] == {"training_seconds": 90.0}
    json.dumps(found, allow_nan=False)


def test_what_has_no_counterpart_says_why(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    assert why_no_torch(bundle) == "its card holds no recipe"


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"name": "a", "classifier": {"estimator": "random_forest"}}, "classical"),
        ({"name": "a", "head": {"kind": "of another version"}}, "this version reads"),
    ],
)
def test_recipes_that_are_no_network(
    recipe: dict[str, Any], reason: str, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    from unmask.bundle.schema import Card

    assert reason in (why_no_torch(make_bundle(tmp_path / "b", card=Card(recipe=recipe))) or "")


def test_a_measurement_without_torch(tiny_bundle: Path) -> None:
    pytest.importorskip("onnx")
    found = bench(tiny_bundle, calls=20, batch=2)
    assert set(found["engines"]) == {"onnx"} and found["torch_over_onnx"] is None
    assert found["cost"]["of"] == "the network alone" and found["cost"]["per_million"] is None


def test_a_process_that_fails_is_named(small: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UsageError, match="not a JPEG") as caught:
        bench(small, images=[tmp_path / "a.jpg"], calls=20, batch=2)
    assert caught.value.code == "bench_failed"


def test_a_run_without_its_time_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        bench(tiny_bundle, run=tmp_path, calls=20, batch=2)
    assert caught.value.code == "no_run"
