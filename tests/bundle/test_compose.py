"""Joined graphs: what comes out is what the parts say, and its evidence adds up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("skl2onnx")

import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402
from PIL import Image  # noqa: E402

from unmask.bundle.bundle import run_graph  # noqa: E402
from unmask.bundle.compose import attach_classifier, attach_distance, combine, resized, store_half  # noqa: E402
from unmask.bundle.golden import golden_pixels  # noqa: E402
from unmask.bundle.session import checked_session  # noqa: E402
from unmask.imaging.session import single_thread_session  # noqa: E402
from unmask.models.classical import build_estimator, classifier_graph, classifier_logit, fit_estimator  # noqa: E402
from unmask.models.network import FaceNetwork  # noqa: E402
from unmask.recipes import Classifier, Recipe  # noqa: E402
from unmask.training.export import export_features, export_onnx  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 32
PIXELS = np.stack([golden_pixels(seed, SIZE) for seed in range(40)])


def network() -> FaceNetwork:
    torch.manual_seed(5)
    backbone = {"name": "test_efficientnet", "weights": ["none"]}
    made = FaceNetwork(Recipe.model_validate({"name": "t", "backbone": backbone, "preprocessing": {"size": SIZE}}))
    torch.nn.init.normal_(made.head.linear.weight, std=0.5)
    return made.eval()


@pytest.fixture(scope="module")
def tiny() -> FaceNetwork:
    return network()


@pytest.mark.parametrize("estimator", ["random_forest", "rbf_svm", "naive_bayes", "mlp"])
def test_a_classifier_on_the_networks_features(tiny: FaceNetwork, estimator: Any) -> None:
    with torch.inference_mode():
        features = tiny.pooled(torch.from_numpy(PIXELS)).numpy()
    parameters = {"random_forest": {"n_estimators": 7}, "mlp": {"max_iter": 20}}.get(estimator, {})
    pipeline = build_estimator(Classifier(estimator=estimator, parameters=parameters), 1)
    fit_estimator(pipeline, features, np.arange(len(features)) % 3 == 0)
    model = attach_classifier(export_features(tiny, SIZE), classifier_graph(pipeline, tiny.feature_width))
    logit, evidence = run_graph(single_thread_session(model), PIXELS)
    # A feature that is rounded otherwise may fall on the other side of a tree's threshold: in one of 40 images.
    difference = np.abs(logit - classifier_logit(pipeline, features))
    assert np.sort(difference)[-2] <= 1e-3
    assert np.ptp(logit) > 0.5
    np.testing.assert_array_equal(evidence, logit[:, None, None])


def test_a_graph_with_a_classifier_is_whole(tiny: FaceNetwork) -> None:
    rng = np.random.default_rng(0)
    pipeline = build_estimator(Classifier(estimator="decision_tree"), 1)
    fit_estimator(pipeline, rng.normal(size=(20, tiny.feature_width)).astype(np.float32), np.arange(20) < 10)
    features = export_features(tiny, SIZE)
    content = attach_classifier(features, classifier_graph(pipeline, tiny.feature_width))
    assert content == attach_classifier(features, classifier_graph(pipeline, tiny.feature_width))
    model = onnx.load_model_from_string(content)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert versions.pop("ai.onnx.ml") <= 3
    assert versions == {"": 18}
    # The network's own head is not in it: fewer weights than the features' graph with its evidence.
    names = [initializer.name for initializer in model.graph.initializer]
    assert not any("head.linear" in name for name in names)
    whole = onnx.load_model_from_string(export_onnx(tiny, SIZE)).graph.initializer
    assert any("head.linear" in initializer.name for initializer in whole)
    session = single_thread_session(content)
    assert [(item.name, item.type) for item in session.get_inputs()] == [("pixels", "tensor(uint8)")]
    assert [item.name for item in session.get_outputs()] == ["logit", "evidence", "features"]
    bare = single_thread_session(attach_distance(content, None))
    assert [item.name for item in bare.get_outputs()] == ["logit", "evidence"]


def test_half_precision_rounds_large_weights_only(tiny: FaceNetwork) -> None:
    whole = export_onnx(tiny, SIZE)
    half = store_half(whole)
    assert half == store_half(whole)
    assert store_half(half) == half  # nothing is left to round
    assert len(half) < 0.6 * len(whole)
    kept = {each.name: numpy_helper.to_array(each) for each in onnx.load_model_from_string(half).graph.initializer}
    rounded = 0
    for stored in onnx.load_model_from_string(whole).graph.initializer:
        weights = numpy_helper.to_array(stored)
        if weights.ndim >= 2 and weights.size >= 1024 and weights.dtype == np.float32:
            np.testing.assert_array_equal(kept[f"{stored.name}/half"], weights.astype(np.float16))
            rounded += 1
        else:
            np.testing.assert_array_equal(kept[stored.name], weights)
    assert rounded > 5
    # The oracle: torch with its weights rounded the same way.
    again = network()
    with torch.no_grad():
        for parameter in again.parameters():
            if parameter.ndim >= 2 and parameter.numel() >= 1024:
                parameter.copy_(parameter.half().float())
        expected = again(torch.from_numpy(PIXELS))[0].numpy()
    np.testing.assert_allclose(run_graph(single_thread_session(half), PIXELS)[0], expected, atol=1e-3)


def test_weights_beyond_half_precision_stay_whole() -> None:
    weights = np.full((40, 40), 7e4, np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 40]) for name in "xy"]
    graph = helper.make_graph([node], "large", values[:1], values[1:], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString(deterministic=True)
    assert store_half(model) == model


def test_members_are_summed_by_weight(make_graph: Callable[..., bytes]) -> None:
    # By hand: grids of 4, 8 and 2 cells over 32 pixels; a cell is its mean grey / 16 + offset.
    offsets, weights, grids = (-8.0, -6.0, -9.0), (0.5, 0.3, -0.25), (4, 8, 2)
    graphs = [make_graph(grid=grid, offset=offset) for grid, offset in zip(grids, offsets, strict=True)]
    logit, evidence = run_graph(single_thread_session(combine(graphs, weights, 0.75)), PIXELS)
    grey = PIXELS.astype(float).mean((1, 2, 3)) / 16
    by_hand = sum(weight * (grey + offset) for weight, offset in zip(weights, offsets, strict=True)) + 0.75
    np.testing.assert_allclose(logit, by_hand, atol=1e-5)
    assert evidence.shape == (40, 8, 8)
    # Coarse cells repeat where the finer grid is a whole multiple.
    expected = np.full((40, 8, 8), 0.75)
    for weight, offset, grid in zip(weights, offsets, grids, strict=True):
        cells = PIXELS.reshape(40, grid, 32 // grid, grid, -1).astype(float).mean((2, 4)) / 16 + offset
        expected += weight * cells.repeat(8 // grid, 1).repeat(8 // grid, 2)
    np.testing.assert_allclose(evidence, expected, atol=1e-5)


@pytest.mark.parametrize(
    "grids",
    [
        # one inside the other, side by side with no common measure, and a single cell as classifiers have
        (2, 4), (4, 5), (3, 7), (1, 6),
    ],
)  # fmt: skip
def test_the_mean_of_the_evidence_is_the_logit(make_graph: Callable[..., bytes], grids: tuple[int, int]) -> None:
    graphs = [make_graph(size=420, grid=grid, offset=offset) for grid, offset in zip(grids, (-8.0, -5.0), strict=True)]
    pixels = np.stack([golden_pixels(seed, 420) for seed in range(3)])
    logit, evidence = run_graph(single_thread_session(combine(graphs, [0.6, 0.4], -0.2)), pixels)
    assert evidence.shape == (3, max(grids), max(grids))
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, atol=1e-4)
    assert np.ptp(evidence[0]) > 0.1  # and the map is not flat


def test_networks_and_classifiers_combine(tiny: FaceNetwork) -> None:
    rng = np.random.default_rng(0)
    pipeline = build_estimator(Classifier(estimator="random_forest", parameters={"n_estimators": 5}), 1)
    fit_estimator(pipeline, rng.normal(size=(20, tiny.feature_width)).astype(np.float32), np.arange(20) < 10)
    features = export_features(tiny, SIZE)
    graphs = [
        export_onnx(tiny, SIZE),
        attach_classifier(features, classifier_graph(pipeline, tiny.feature_width)),
    ]
    alone = [run_graph(single_thread_session(graph), PIXELS)[0] for graph in graphs]
    joined = combine(graphs, [0.7, 0.3], 0.1)
    assert joined == combine(graphs, [0.7, 0.3], 0.1)
    logit, evidence = run_graph(single_thread_session(joined), PIXELS)
    np.testing.assert_allclose(logit, 0.7 * alone[0] + 0.3 * alone[1] + 0.1, atol=1e-5)
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, atol=1e-5)


def test_smaller_pixels_inside_the_graph(tiny: FaceNetwork) -> None:
    """The resized graph on 48 px says what the plain one says of Pillow's resized images, up to rounding of pixels."""
    plain = export_onnx(tiny, SIZE)
    model = resized(plain, 48)
    large = np.stack([golden_pixels(seed, 48) for seed in range(12)])
    small = np.stack(
        [np.asarray(Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for pixels in large]
    )
    logit, evidence = run_graph(checked_session(model), large)
    expected, maps = run_graph(single_thread_session(plain), small)
    assert np.ptp(expected) > 0.04
    np.testing.assert_allclose(logit, expected, atol=0.002)
    np.testing.assert_allclose(evidence, maps, atol=0.01)
    assert resized(plain, SIZE) is plain


def test_members_of_two_sizes(tiny: FaceNetwork) -> None:
    small = export_onnx(tiny, SIZE)
    members = [resized(small, 48), export_onnx(tiny, 48)]
    large = np.stack([golden_pixels(seed, 48) for seed in range(4)])
    logits = [run_graph(single_thread_session(member), large)[0] for member in members]
    logit, evidence = run_graph(checked_session(combine(members, [1.0, 0.5], 0.25)), large)
    np.testing.assert_allclose(logit, logits[0] + 0.5 * logits[1] + 0.25, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, rtol=1e-4, atol=1e-4)
