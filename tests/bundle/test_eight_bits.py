"""Matrices in 8 bits: only where nothing is lost, and the graph still gives the same numbers to the bit."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402

from unmask.bundle.eight_bits import eight_bits_of, store_eight_bits  # noqa: E402
from unmask.bundle.session import checked_session  # noqa: E402

pytestmark = pytest.mark.train

INPUTS, OUTPUTS = 64, 32


def quantised(seed: int = 0, zero_column: bool = False) -> np.ndarray:
    """Weights that are whole steps of a scale per column."""
    draw = np.random.default_rng(seed)
    steps = draw.integers(-126, 127, (INPUTS, OUTPUTS)).astype(np.float32)
    steps[draw.integers(INPUTS, size=OUTPUTS), np.arange(OUTPUTS)] = 127 * draw.choice([-1, 1], OUTPUTS)
    scale = draw.uniform(1e-4, 1e-1, OUTPUTS).astype(np.float32)
    if zero_column:
        steps[:, 3] = 0
    return (steps * scale).astype(np.float32)


def graph(weights: np.ndarray) -> bytes:
    shape = onnx.TensorProto.FLOAT
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", shape, ["n", INPUTS])],
        [helper.make_tensor_value_info("y", shape, ["n", OUTPUTS])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("seed", range(20))
def test_steps_and_scale_give_the_weights_back(seed: int) -> None:
    weights = quantised(seed, zero_column=seed == 0)
    found = eight_bits_of(weights)
    assert found is not None
    steps, scale = found
    assert steps.dtype == np.int8
    np.testing.assert_array_equal(steps.astype(np.float32) * scale, weights)


def test_the_graph_gives_the_same_bits_at_a_third_of_the_size() -> None:
    weights = quantised()
    plain = graph(weights)
    small = store_eight_bits(plain)
    assert len(small) < len(plain) / 3 + 400
    assert {node.op_type for node in onnx.load_model_from_string(small).graph.node} == {"DequantizeLinear", "MatMul"}
    x = np.random.default_rng(1).normal(size=(5, INPUTS)).astype(np.float32)
    # The session must not turn the product into one of 8-bit numbers.
    [expected], [answer] = (checked_session(each).run(["y"], {"x": x}) for each in (plain, small))
    np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize(
    "weights",
    [
        # any float weights
        np.random.default_rng(0).normal(size=(INPUTS, OUTPUTS)).astype(np.float32),
        # one row off its steps
        np.concatenate([quantised()[:-1], quantised()[-1:] + np.float32(1e-6)]),
    ],
)
def test_what_would_lose_something_stays(weights: np.ndarray) -> None:
    assert eight_bits_of(weights) is None
    model = graph(weights)
    assert store_eight_bits(model) is model
