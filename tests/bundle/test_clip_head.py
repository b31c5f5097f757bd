"""Bundles with a temporal head: what is checked, and what stays as it was."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask.bundle.bundle import CLIPS, Bundle, write_bundle
from unmask.bundle.clip_head import MAX_FRAMES, ClipHead
from unmask.bundle.schema import Calibration, Clips, Threshold, UncertainBand
from unmask.errors import BundleError

onnx = pytest.importorskip("onnx")
MakeBundle = Callable[..., Bundle]
POLICY = Clips(
    pooling="temporal",
    calibration=Calibration(method="temperature", slope=2.0),
    thresholds=(Threshold(name="fpr_5", false_positive_budget=0.05, fake_probability=0.7, true_positive_rate=0.5),),
    default_threshold="fpr_5",
    uncertain=UncertainBand(low=0.6, high=0.8, accuracy_outside=0.9, coverage=0.1),
)


def head_graph(outputs: tuple[str, ...] = ("logit",), factor: float = 1.0) -> bytes:
    """The mean of the frames' logits plus the last second, times a factor: [1]."""
    helper, float_ = onnx.helper, onnx.TensorProto.FLOAT

    def constant(name: str, values: list[Any], kind: int = onnx.TensorProto.INT64) -> Any:
        return helper.make_tensor(name, kind, [len(values)], values)

    nodes = [
        helper.make_node("Gather", ["frames", "first"], ["logits"], axis=1),
        helper.make_node("ReduceMean", ["logits", "frame"], ["mean"], keepdims=0),
        helper.make_node("Gather", ["seconds", "last"], ["end"], axis=0),
        helper.make_node("Add", ["mean", "end"], ["sum"]),
        helper.make_node("Mul", ["sum", "factor"], ["logit"]),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [
            helper.make_tensor_value_info("frames", float_, ["t", 3]),
            helper.make_tensor_value_info("seconds", float_, ["t"]),
        ],
        [helper.make_tensor_value_info(name, float_, [1]) for name in outputs],
        [constant("first", [0]), constant("frame", [0]), constant("last", [-1]), constant("factor", [factor], float_)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def with_features(model: bytes) -> bytes:
    """The tiny detector with two features: the evidence's first row's two first cells."""
    helper = onnx.helper
    graph = onnx.load_model_from_string(model)
    graph.graph.initializer.extend(
        [
            helper.make_tensor("row", onnx.TensorProto.INT64, [], [0]),
            helper.make_tensor("two", onnx.TensorProto.INT64, [2], [0, 1]),
        ]
    )
    graph.graph.node.extend(
        [
            helper.make_node("Gather", ["evidence", "row"], ["top"], axis=1),
            helper.make_node("Gather", ["top", "two"], ["features"], axis=1),
        ]
    )
    graph.graph.output.append(helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", 2]))
    return bytes(graph.SerializeToString())


@pytest.fixture
def clip_bundle(make_bundle: MakeBundle, make_graph: Callable[..., bytes], tmp_path: Path) -> Bundle:
    plain = make_bundle(tmp_path / "plain")
    info = plain.info.model_copy(update={"clips": POLICY})
    return write_bundle(tmp_path / "clips", info, with_features(make_graph()), plain.golden, head_graph())


def test_a_head_is_read_run_and_pickled(clip_bundle: Bundle) -> None:
    clip_bundle.verify()
    for bundle in (clip_bundle, pickle.loads(pickle.dumps(clip_bundle))):
        assert bundle.sha256 == clip_bundle.sha256
        assert bundle.info.clips == POLICY
        head = ClipHead.of(bundle)
        assert head is not None
        # (1 + 2 + 6) / 3 + 4
        assert head.logit([1, 2, 6], np.zeros((3, 2)), [0, 1, 4]) == pytest.approx(7)


def test_a_track_that_is_longer_than_a_head_takes_is_thinned_out(clip_bundle: Bundle) -> None:
    head = ClipHead.of(clip_bundle)
    assert head is not None
    count = 2 * MAX_FRAMES + 1
    rising = np.arange(count, dtype=float)
    # Evenly from the first to the last, so the mean of a line stays.
    assert head.logit(rising, np.zeros((count, 2)), np.zeros(count)) == pytest.approx(rising.mean(), abs=0.5)


def test_the_head_is_covered_by_the_sums(clip_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "clips" / CLIPS).write_bytes(head_graph(factor=2.0))
    with pytest.raises(BundleError) as caught:
        Bundle.open(tmp_path / "clips")
    assert caught.value.code == "wrong_hash"
    (tmp_path / "clips" / CLIPS).unlink()
    with pytest.raises(BundleError) as caught:
        Bundle.open(tmp_path / "clips")
    assert caught.value.code == "broken_bundle"


def test_a_head_needs_features(make_bundle: MakeBundle, tmp_path: Path) -> None:
    plain = make_bundle(tmp_path / "plain")
    info = plain.info.model_copy(update={"clips": POLICY})
    bundle = write_bundle(tmp_path / "clips", info, plain.model, plain.golden, head_graph())
    with pytest.raises(BundleError, match="features"):
        bundle.session()


@pytest.mark.parametrize(
    "model",
    [
        # not a graph
        b"no graph",
        # a graph with other inputs and outputs
        head_graph(("logit", "mean")),
    ],
)
def test_what_is_no_head_is_refused(model: bytes) -> None:
    with pytest.raises(BundleError) as caught:
        ClipHead(model)
    assert caught.value.code == "bad_model"


def test_a_logit_that_is_not_finite_is_refused() -> None:
    with pytest.raises(BundleError, match="finite"):
        ClipHead(head_graph(factor=float("inf"))).logit([1.0], [[0.0, 0.0]], [0.0])


def test_a_bundle_without_clips_has_no_such_key(tiny_bundle: Path) -> None:
    assert "clips" not in json.loads((tiny_bundle / "bundle.json").read_text())
    assert Bundle.open(tiny_bundle).info.clips is None
    assert ClipHead.of(Bundle.open(tiny_bundle)) is None


def test_a_default_threshold_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="default_threshold"):
        Clips(**{**POLICY.model_dump(), "default_threshold": "fpr_9"})


def test_features_of_the_shipped_detector_leave_its_other_outputs_alone() -> None:
    from unmask.bundle.bundle import ask_graph
    from unmask.bundle.frame_features import give_features
    from unmask.bundle.golden import golden_pixels
    from unmask.imaging.session import single_thread_session

    bundle = Bundle.open()
    pixels = np.stack([golden_pixels(seed, bundle.info.preprocessing.size) for seed in range(2)])
    before = ask_graph(single_thread_session(bundle.model), pixels)
    after = ask_graph(single_thread_session(give_features(bundle.model, 5)), pixels)
    assert before.features is None
    assert after.features is not None
    # Three members of five directions each.
    assert after.features.shape == (2, 15)
    assert np.abs(after.features).max() > 0.1
    for name in ("logit", "evidence", "distance"):
        assert (getattr(before, name) == getattr(after, name)).all()


def test_a_detector_without_a_distance_has_no_features(make_graph: Callable[..., bytes]) -> None:
    from unmask.bundle.frame_features import give_features

    with pytest.raises(BundleError) as caught:
        give_features(make_graph())
    assert caught.value.code == "no_features"
