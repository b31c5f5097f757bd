"""Graphs in 8 bits: hand-worked scales, ONNX Runtime's own tool as the oracle, and what stays exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

import onnxruntime as ort  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from unmask.bundle import quantize, small_weights  # noqa: E402
from unmask.bundle.bundle import ask_graph  # noqa: E402
from unmask.bundle.compose import combine  # noqa: E402
from unmask.bundle.golden import golden_pixels  # noqa: E402
from unmask.bundle.session import checked_session  # noqa: E402
from unmask.imaging import session  # noqa: E402

pytestmark = pytest.mark.train

SIZE = 32
FLOAT, BYTE = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
PIXELS = [golden_pixels(seed, SIZE) for seed in range(24)]


def tiny(seed: int = 0, centre: float = 127.5, spread: float = 127.5, channels: int = 16) -> bytes:
    """A detector of three convolutions with a sum, clipped at 6, and a linear head with its evidence."""
    draw = np.random.default_rng(seed)

    def weights(*sides: int) -> np.ndarray:
        return draw.normal(0, 1.5 / np.sqrt(np.prod(sides[1:])), sides).astype(np.float32)

    constants = {
        "centre": np.full((1, 3, 1, 1), centre, np.float32),
        "spread": np.full((1, 3, 1, 1), spread, np.float32),
        "zero": np.float32(0),
        "six": np.float32(6),
        "w1": weights(channels, 3, 3, 3),
        "b1": draw.normal(0, 0.3, channels).astype(np.float32),
        "w2": weights(channels, channels, 1, 1),
        "b2": draw.normal(0, 0.3, channels).astype(np.float32),
        "w3": weights(channels, channels, 1, 1),
        "b3": draw.normal(0, 0.3, channels).astype(np.float32),
        "head": draw.normal(0, 2, (1, channels, 1, 1)).astype(np.float32),
        "plane": np.array([1, 2], np.int64),
        "one": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=FLOAT),
        helper.make_node("Sub", ["floats", "centre"], ["centred"]),
        helper.make_node("Div", ["centred", "spread"], ["normal"]),
        helper.make_node("Conv", ["normal", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c1", "zero", "six"], ["a1"]),
        helper.make_node("Conv", ["a1", "w2", "b2"], ["c2"]),
        helper.make_node("Add", ["c2", "a1"], ["sum"]),
        helper.make_node("Conv", ["sum", "w3", "b3"], ["c3"]),
        helper.make_node("Clip", ["c3", "zero", "six"], ["a3"]),
        helper.make_node("Mul", ["a3", "head"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "one"], ["evidence"], keepdims=0),
        helper.make_node("ReduceMean", ["evidence", "plane"], ["logit"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", BYTE, ["n", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("logit", FLOAT, ["n"]),
            helper.make_tensor_value_info("evidence", FLOAT, ["n", None, None]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(made.SerializeToString())


@pytest.fixture(scope="module")
def ranges() -> quantize.Ranges:
    return quantize.activation_ranges(tiny(), PIXELS[:12])


def answer(model: bytes, pixels: list[np.ndarray] = PIXELS) -> tuple[np.ndarray, np.ndarray]:
    found = ask_graph(checked_session(model), np.stack(pixels))
    return found.logit, found.evidence


def operators(model: bytes, tmp_path: Path) -> list[str]:
    """What ONNX Runtime makes of a graph."""
    options = session.session_options()
    options.optimized_model_filepath = str(tmp_path / "made.onnx")
    session.open_session(model, options)
    return [node.op_type for node in onnx.load(tmp_path / "made.onnx").graph.node]


def test_the_scale_of_a_channel_is_its_largest_weight_over_127() -> None:
    # Channel 0: the largest is 1.27, so a step is 0.01. Channel 1: 2.54, a step is 0.02. Channel 2 is empty.
    weights = np.array([[1.27, -0.014, 0.5], [-2.54, 0.03, 1.0], [0, 0, 0]], np.float32)
    steps, scale = small_weights.eight_bits(weights, 0)
    np.testing.assert_allclose(scale, [0.01, 0.02, 1], rtol=1e-6)
    np.testing.assert_array_equal(steps, [[127, -1, 50], [-127, 2, 50], [0, 0, 0]])


def test_four_bits_by_hand() -> None:
    # The largest weight is 126, so that a step of the channel is 1. Its group needs the factor 18 for it (7 * 18); a
    # group of 0 to 7 is stored without loss by the factor 1.
    row = np.zeros(16, np.float32)
    row[0], row[1] = 126, -54
    row[8:] = np.arange(8)
    stored = small_weights.four_bits(row[None], whole=True)
    np.testing.assert_array_equal(stored.scale, [1])
    # All 16 inputs share a group: 126 and -54 are 7 and -3 steps of 18; 0 to 7 are none of them.
    assert stored.factor.shape == (1, 1, 1)
    wide = np.concatenate([row[:8], np.zeros(24, np.float32), row[8:], np.zeros(24, np.float32)])
    stored = small_weights.four_bits(wide[None], whole=True)
    np.testing.assert_array_equal(stored.factor.ravel(), [18, 1])
    np.testing.assert_array_equal(stored.steps[0, 0, :2], [7, -3])
    np.testing.assert_array_equal(stored.steps[0, 1, :8], np.arange(8))
    np.testing.assert_array_equal(stored.weights()[0], wide)


@pytest.mark.parametrize("inputs, group", [(320, 32), (80, 16), (24, 8), (27, 0)])
def test_groups_divide_the_inputs(inputs: int, group: int) -> None:
    assert small_weights.group_of(inputs) == group


def test_ranges_are_those_of_the_values(ranges: quantize.Ranges) -> None:
    everything = quantize.activation_ranges(tiny(), PIXELS[:12], "minmax")
    narrow = quantize.activation_ranges(tiny(), PIXELS[:12], "percentile", percentile=95)
    assert everything["a1"][0] == 0
    assert everything["a1"][1] <= 6
    for low, high in (narrow["c2"], quantize.activation_ranges(tiny(), PIXELS[:12], "entropy")["c2"]):
        assert everything["c2"][0] <= low < high <= everything["c2"][1] * 1.01
    assert ranges["c2"][1] <= everything["c2"][1] * 1.01


def test_static_agrees_with_the_float_graph(ranges: quantize.Ranges, tmp_path: Path) -> None:
    model = tiny()
    small = quantize.static_eight_bits(model, ranges)
    (logit, evidence), (expected, maps) = answer(small), answer(model)
    assert np.ptp(expected) > 1
    assert np.abs(logit - expected).max() < 0.05 * np.ptp(expected)
    assert np.corrcoef(evidence.ravel(), maps.ravel())[0, 1] > 0.995
    # The head is exact: the mean of the evidence is the logit.
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, atol=1e-5)
    made = operators(small, tmp_path)
    assert made.count("QLinearConv") == 3
    assert made.count("QLinearAdd") == 1
    # The pixels enter as they are, and only the head's input is turned into floats.
    assert not {"Conv", "Cast", "Sub", "Div", "QuantizeLinear", "Clip"} & set(made)
    assert made.count("DequantizeLinear") == 1


@pytest.mark.parametrize(
    "head",
    [
        {"kind": "dense", "units": [128, 64]},
        {"kind": "dense", "units": [128], "output": "softmax", "batch_norm": True},
        {"kind": "linear"},
    ],
)
def test_static_takes_every_head(head: dict[str, Any]) -> None:
    """A dense head's matrices are used twice: for the logit, and for the evidence at each place."""
    torch = pytest.importorskip("torch")
    from unmask.models.network import FaceNetwork
    from unmask.recipes import Recipe
    from unmask.training.export import export_with_features

    torch.manual_seed(3)
    backbone = {"name": "test_efficientnet", "weights": ["none"]}
    parts = {"name": "t", "backbone": backbone, "head": head, "preprocessing": {"size": SIZE}}
    network = FaceNetwork(Recipe.model_validate(parts)).eval()
    for layer in network.head.modules():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=0.3)
    small = quantize.static_eight_bits(
        model := export_with_features(network, SIZE), quantize.activation_ranges(model, PIXELS)
    )
    logit, evidence = answer(small)
    with torch.inference_mode():
        expected = network(torch.from_numpy(np.stack(PIXELS)))[0].numpy()
    assert np.corrcoef(logit, expected)[0, 1] > 0.98
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, atol=1e-4)


def test_static_against_the_tool_of_onnx_runtime(ranges: quantize.Ranges, tmp_path: Path) -> None:
    """The oracle rounds the normalised pixels as well, and all sums; so both are compared with the float graph."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    left = list(PIXELS[:12])

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return {"pixels": left.pop(0)[None]} if left else None

    (tmp_path / "float.onnx").write_bytes(tiny())
    quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "oracle.onnx",
        Reader(),
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        op_types_to_quantize=["Conv", "Add", "Clip"],
    )
    expected, theirs = answer(tiny())[0], answer((tmp_path / "oracle.onnx").read_bytes())[0]
    ours = answer(quantize.static_eight_bits(tiny(), ranges))[0]
    assert np.abs(ours - theirs).max() < 0.05 * np.ptp(expected)
    assert np.abs(ours - expected).mean() <= 1.2 * np.abs(theirs - expected).mean()


@pytest.mark.parametrize(
    "centre, spread, joins",
    [(127.5, 127.5, True), (128.0, 64.0, True), (0.0, 255.0, True), (300.0, 50.0, False)],
    ids=["half a level", "a level", "no centre", "centre beyond the pixels"],
)
def test_pixels_enter_without_rounding(centre: float, spread: float, joins: bool) -> None:
    model = tiny(centre=centre, spread=spread)
    small = onnx.load_model_from_string(
        quantize.static_eight_bits(model, quantize.activation_ranges(model, PIXELS[:12]))
    )
    assert ("Div" not in {node.op_type for node in small.graph.node}) == joins
    (logit, _), (expected_logit, _) = answer(bytes(small.SerializeToString())), answer(model)
    # Where all inputs are positive, what the rounding of weights adds does not cancel.
    assert np.abs(logit - expected_logit).max() < 0.03 * np.abs(expected_logit).max()
    if not joins:
        return
    pixels, weights, bias = first_layer(small)
    scale, zero = pixels
    # Every one of the 256 levels is a step of its own; what the centre is off by is the same for all.
    levels = np.arange(256)
    off = (zero - centre) / spread
    assert abs(off) <= 0.5 / spread
    np.testing.assert_allclose((levels - zero) * scale + off, (levels - centre) / spread, rtol=0, atol=256 * 2**-23)
    # The bias takes up what the centre is off by, rounded to steps of its own: the products'.
    original = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_model_from_string(model).graph.initializer
    }
    expected = original["b1"] + off * original["w1"].sum((1, 2, 3))
    step = scale * weights
    assert (np.abs(bias * step - expected) <= step / 2 + 1e-6).all()


def first_layer(graph: Any) -> tuple[tuple[float, int], np.ndarray, np.ndarray]:
    """Scale and zero of the pixels, scales of the weights by channel, and the bias in steps."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    made_by = {output: node for node in graph.graph.node for output in node.output}
    layer = next(node for node in graph.graph.node if node.op_type == "Conv")
    pixels, weights, bias = (made_by[name] for name in layer.input)
    assert made_by[pixels.input[0]].op_type == "Transpose"  # the pixels, as they are
    scale, zero = (stored[name] for name in pixels.input[1:])
    return (float(scale), int(zero)), stored[weights.input[1]], stored[bias.input[0]]


def test_a_layer_that_is_kept_computes_in_single_precision(ranges: quantize.Ranges, tmp_path: Path) -> None:
    names = [layer.name for layer in quantize.layers(tiny())]
    assert names == ["w1", "w2", "w3"]
    one = operators(quantize.static_eight_bits(tiny(), ranges, keep=["w2"]), tmp_path)
    assert (one.count("QLinearConv"), sum(kind.endswith("Conv") and kind != "QLinearConv" for kind in one)) == (2, 1)
    everything = quantize.static_eight_bits(tiny(), ranges, keep=names)
    np.testing.assert_allclose(answer(everything)[0], answer(tiny())[0], atol=0.03 * np.ptp(answer(tiny())[0]))


def test_weights_in_four_bits_still_multiply_in_eight(ranges: quantize.Ranges, tmp_path: Path) -> None:
    small = quantize.static_eight_bits(tiny(), ranges)
    smaller = quantize.static_eight_bits(tiny(), ranges, four_bits_of=["w2", "w3"])
    made = operators(smaller, tmp_path)
    assert made.count("QLinearConv") == 3
    assert "Cast" not in made  # restored once, when the graph is loaded
    expected = answer(tiny())[0]
    drift = [np.abs(answer(model)[0] - expected).mean() for model in (small, smaller)]
    assert drift[0] < drift[1]
    # The float graph with the weights that 4 bits hold: what is left is what 8 bits round, with their bound.
    alike = answer(replaced(tiny(), lambda weights: small_weights.four_bits(weights, whole=True).weights()))[0]
    assert np.abs(answer(smaller)[0] - alike).max() < 0.05 * np.ptp(expected)


def replaced(model: bytes, stored: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """The graph with other weights in its 1 x 1 convolutions."""
    graph = onnx.load_model_from_string(model)
    for tensor in graph.graph.initializer:
        if tensor.name in ("w2", "w3"):
            tensor.CopyFrom(numpy_helper.from_array(stored(numpy_helper.to_array(tensor)), tensor.name))
    return bytes(graph.SerializeToString())


@pytest.mark.parametrize("whole", [True, False])
def test_four_bits_are_off_by_no_more_than_half_a_step(whole: bool) -> None:
    weights = np.random.default_rng(4).normal(0, 1, (24, 64)).astype(np.float32)
    stored = small_weights.four_bits(weights, whole=whole)
    groups = weights.reshape(24, 2, 32)
    # A factor of a seventh of the largest weight clips nothing, so no weight is off by more than half a step of it. A
    # whole factor may have to be the next larger one; a factor in half precision is off by 2^-11 of itself, up to seven
    # steps away. The factor that is chosen has a squared error that is no larger.
    scale = stored.scale[:, None, None]
    least = np.abs(groups).max(2, keepdims=True) / 7
    step = np.ceil(least / scale - 1e-5) * scale if whole else least
    most = step / 2 + (0 if whole else 7 * 2**-11 * step)
    off = ((stored.weights().reshape(24, 2, 32) - groups) ** 2).sum(2, keepdims=True)
    assert (off <= 32 * most**2).all()


def test_members_of_an_ensemble_are_rounded_alike() -> None:
    model = combine([tiny(1), tiny(2)], [0.5, 0.5], 0.1)
    small = quantize.static_eight_bits(model, quantize.activation_ranges(model, PIXELS[:8]))
    (logit, evidence), (expected, _) = answer(small), answer(model)
    assert np.abs(logit - expected).max() < 0.05 * np.ptp(expected)
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, atol=1e-4)
    assert len(quantize.layers(model)) == 6


@pytest.mark.parametrize("bits", [8, 4])
def test_weights_alone(bits: int) -> None:
    model = tiny(channels=64)
    small = small_weights.store_weights(model, bits)  # type: ignore[arg-type]
    (logit, _), (expected, _) = answer(small), answer(model)
    assert np.abs(logit - expected).max() > 0
    assert not session.computes_in_eight_bits(small)
    # 8,192 of 9,920 weights are in 1 x 1 convolutions.
    assert len(small) < len(model) / (3 if bits == 8 else 4)

    def stored(weights: np.ndarray) -> np.ndarray:
        if bits == 4:
            held = small_weights.four_bits(weights, whole=False)
            factors = (held.factor * held.scale[:, None, None]).astype(np.float16).astype(np.float32)
            return (held.steps * factors).reshape(weights.shape)
        steps, scale = small_weights.eight_bits(weights, 0)
        return steps.astype(np.float32) * scale[:, None, None, None]

    # Nothing else is rounded: the float graph with the weights that are held gives the same, but for the order of sums.
    alike = onnx.load_model_from_string(replaced(model, stored))
    for tensor in alike.graph.initializer:
        if tensor.name == "w1":  # no 1 x 1 convolution: in 8 bits for both
            weights = numpy_helper.to_array(tensor)
            if weights.size >= small_weights.LEAST_WEIGHTS:
                steps, scale = small_weights.eight_bits(weights, 0)
                tensor.CopyFrom(numpy_helper.from_array(steps * scale[:, None, None, None], "w1"))
    np.testing.assert_allclose(logit, answer(bytes(alike.SerializeToString()))[0], rtol=0, atol=1e-4)


def test_the_steps_that_are_stored_are_those_that_are_restored() -> None:
    graph = small_weights.restored(small_weights.store_weights(tiny(channels=64), 8))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    original = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_model_from_string(tiny(channels=64)).graph.initializer
    }
    steps, scale = small_weights.eight_bits(original["w2"], 0)
    np.testing.assert_array_equal(stored["w2"], (steps * scale[:, None, None, None]).astype(np.float32))
    np.testing.assert_array_equal(stored["b2"], original["b2"])


def test_dynamic_rounds_matrix_products() -> None:
    draw = np.random.default_rng(0)
    graph = onnx.load_model_from_string(tiny())
    matrix = draw.normal(0, 0.3, (16, 16)).astype(np.float32)
    graph.graph.initializer.append(numpy_helper.from_array(matrix, "matrix"))
    for node in graph.graph.node:
        if node.output[0] == "evidence":
            node.output[0] = "before"
    place = next(at for at, node in enumerate(graph.graph.node) if node.output[0] == "logit")
    graph.graph.node.insert(place, helper.make_node("MatMul", ["before", "matrix"], ["evidence"]))
    model = bytes(graph.SerializeToString())
    small = quantize.dynamic_eight_bits(model)
    kinds = {node.op_type for node in onnx.load_model_from_string(small).graph.node}
    assert {"DynamicQuantizeLinear", "MatMulInteger"} <= kinds
    (logit, _), (expected, _) = answer(small), answer(model)
    assert 0 < np.abs(logit - expected).max() < 0.05 * np.ptp(expected)


def test_a_graph_in_eight_bits_is_not_quantised_again(ranges: quantize.Ranges) -> None:
    small = quantize.static_eight_bits(tiny(), ranges)
    with pytest.raises(ValueError, match="already"):
        quantize.layers(small)


def test_the_same_images_give_the_same_bytes(ranges: quantize.Ranges) -> None:
    again = quantize.activation_ranges(tiny(), PIXELS[:12])
    assert again == ranges
    assert quantize.static_eight_bits(tiny(), again) == quantize.static_eight_bits(tiny(), ranges)


def test_only_graphs_that_round_activations_compute_in_eight_bits(ranges: quantize.Ranges) -> None:
    small = quantize.static_eight_bits(tiny(), ranges)
    assert session.computes_in_eight_bits(small)
    assert not session.computes_in_eight_bits(tiny())


def test_products_of_bytes_are_exact_in_every_graph() -> None:
    """Also on processors where ONNX Runtime, unasked, lets sums of such products overflow (AVX2 without VNNI)."""
    product = 64 * 255 * 127
    inputs = [helper.make_tensor_value_info("pixels", FLOAT, [1, 64])]
    outputs = [helper.make_tensor_value_info("logit", FLOAT, [1, 16])]
    weights = [numpy_helper.from_array(np.full((64, 16), 127, np.int8), "weights")]
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["pixels"], ["bytes", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["bytes", "weights", "zero"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["floats"], to=FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["logit"]),
    ]
    made = helper.make_model(
        helper.make_graph(nodes, "dynamic", inputs, outputs, weights),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    opened = session.single_thread_session(bytes(made.SerializeToString()))
    found = opened.run(None, {"pixels": np.full((1, 64), 255, np.float32)})[0]
    np.testing.assert_array_equal(found, np.full((1, 16), product, np.float32))


def test_a_processor_that_overflows_gets_exact_products(
    ranges: quantize.Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = quantize.static_eight_bits(tiny(), ranges)
    expected = answer(small)[0]
    monkeypatch.setattr(session, "_products_overflow", lambda: True)
    np.testing.assert_array_equal(answer(small)[0], expected)


def test_the_probe_is_one_product_of_bytes() -> None:
    graph = onnx.load_model_from_string(session._PRODUCT)
    onnx.checker.check_model(graph, full_check=True)
    assert [node.op_type for node in graph.graph.node] == ["MatMulInteger"]
    product = ort.InferenceSession(session._PRODUCT, providers=["CPUExecutionProvider"])
    small = {"a": np.array([[3, 200]], np.uint8), "b": np.array([[-2], [1]], np.int8)}
    np.testing.assert_array_equal(product.run(None, small)[0], [[194]])
