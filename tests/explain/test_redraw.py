"""Re-drawn weights: to ONNX's own reader the same graph, with other numbers in its matrices."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import BundleError
from unmask.explain.redraw import redrawn

onnx = pytest.importorskip("onnx")


def model() -> bytes:
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    rng = np.random.default_rng(0)
    weights = {
        "matrix": rng.normal(2, 3, (40, 50)).astype(np.float32),
        "vector": rng.normal(size=50).astype(np.float32),
        "counts": np.arange(6).reshape(2, 3),
        "half": rng.normal(1, 2, (30, 40)).astype(np.float16),
        "large": np.full((2, 2), 6e4, np.float16) * np.array([1, -1], np.float16),
    }
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "matrix"], ["m"]), helper.make_node("Add", ["m", "vector"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 40])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 50])],
        [array(value, name) for name, value in weights.items()],
    )
    return bytes(helper.make_model(graph).SerializeToString())


def weights_of(content: bytes) -> dict[str, np.ndarray]:
    graph = onnx.load_model_from_string(content).graph
    return {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}


def test_matrices_are_drawn_anew_and_all_else_stays() -> None:
    before, after = weights_of(model()), weights_of(redrawn(model(), 1))
    assert list(before) == list(after)
    np.testing.assert_array_equal(before["vector"], after["vector"])
    np.testing.assert_array_equal(before["counts"], after["counts"])
    assert abs(np.corrcoef(before["matrix"].ravel(), after["matrix"].ravel())[0, 1]) < 0.1
    assert after["matrix"].mean() == pytest.approx(2, abs=0.3)
    assert after["matrix"].std() == pytest.approx(3, abs=0.3)
    assert abs(np.corrcoef(before["half"].ravel(), after["half"].ravel())[0, 1]) < 0.1
    assert after["half"].dtype == np.float16
    assert after["half"].astype(float).mean() == pytest.approx(1, abs=0.2)
    assert after["half"].astype(float).std() == pytest.approx(2, abs=0.2)
    # Half precision's range is kept to.
    assert (before["large"] != after["large"]).any() and np.isfinite(after["large"]).all()
    onnx.checker.check_model(onnx.load_model_from_string(redrawn(model(), 1)))


def test_the_seed_decides() -> None:
    assert redrawn(model(), 1) == redrawn(model(), 1) != redrawn(model(), 2)


def test_the_shipped_detector_can_be_drawn_anew() -> None:
    content = (files("unmask.assets") / "unmask-default" / "model.onnx").read_bytes()
    before, after = weights_of(content), weights_of(redrawn(content, 0))
    changed = [name for name, value in before.items() if not np.array_equal(value, after[name])]
    kinds = (np.float32, np.float16)
    expected = [n for n, v in before.items() if v.dtype in kinds and v.ndim > 1 and v.size > 1 and np.ptp(v) > 0]
    assert changed == expected
    assert len(changed) > 40


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_bytes_that_are_no_graph_are_refused(junk: bytes, cut: int) -> None:
    for content in (junk, model()[:cut], model()[:cut] + junk):
        try:
            assert len(redrawn(content, 0)) == len(content)
        except BundleError as error:
            assert error.code == "bad_model"
