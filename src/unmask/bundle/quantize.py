"""Graphs that compute in 8 bits: ranges of activations from images, and the graph with its layers rounded.

ONNX Runtime calibrates, and places QuantizeLinear and DequantizeLinear (``onnxruntime.quantization``). Here is decided
which nodes are rounded: layers with weights and what lies before them. What comes after the last of them, the head, the
evidence and the distance, stays in single precision, so that the mean of the evidence is the logit.
Needs the ``train`` extra.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from unmask.bundle.compact import checked_bytes, compact, drop_unused, refine
from unmask.bundle.small_weights import restored
from unmask.imaging.session import computes_in_eight_bits

Method = Literal["percentile", "entropy", "minmax"]
METHODS: Final[tuple[Method, ...]] = ("percentile", "entropy", "minmax")
Ranges = dict[str, tuple[float, float]]
"""The smallest and the largest value that each tensor is to hold, by its name."""

PERCENTILE: Final = 99.999
"""Proportion of a tensor's values, in percent, that lie within its range."""

_LAYERS: Final = ("Conv",)
_BETWEEN: Final = ("Conv", "Add", "Clip", "Relu", "MaxPool", "GlobalAveragePool", "AveragePool", "Concat", "Mul")
"""What is rounded where it lies before a layer."""
_ACTIVATIONS: Final = ("Clip", "Relu")
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with weights.

    Attributes:
        name: of its weights in the graph.
        weights: how many.
        inputs: weights per output.
        pointwise: whether it is a 1 x 1 convolution: most weights of a small network are in these.
    """

    name: str
    weights: int
    inputs: int
    pointwise: bool


def layers(model: bytes) -> tuple[Layer, ...]:
    """The layers that can be rounded, in the graph's order.

    Raises:
        ValueError: the graph computes in 8 bits already.
    """
    graph = restored(_checked(model))
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    found = []
    for node in graph.graph.node:
        if node.op_type in _LAYERS and node.input[1] in stored:
            sides = tuple(stored[node.input[1]].dims)
            pointwise = sides[1] > 1 and set(sides[2:]) == {1}
            found.append(Layer(node.input[1], int(np.prod(sides)), int(np.prod(sides[1:])), pointwise))
    return tuple(found)


def activation_ranges(
    model: bytes,
    pixels: Sequence[npt.NDArray[np.uint8]],
    method: Method = "percentile",
    *,
    percentile: float = PERCENTILE,
    progress: Callable[[], None] = lambda: None,
) -> Ranges:
    """The range of every tensor that is to be rounded, over some images.

    Args:
        model: a graph from ``pixels`` that computes in single precision.
        pixels: uint8 [size, size, 3] each.
        method: ``percentile``: nearly all values; ``entropy``: the range whose 8-bit histogram has least divergence
            from the true one (Migacz, 2017); ``minmax``: all values.
        percentile: for that method, in percent.
        progress: called after each image.
    """
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    graph = _prepared(model)
    rounded = _rounded_nodes(graph)
    kinds = sorted({node.op_type for node in graph.graph.node if node.name in rounded})
    kind, options = {
        "percentile": (CalibrationMethod.Percentile, {"percentile": percentile, "symmetric": False}),
        "entropy": (CalibrationMethod.Entropy, {}),
        "minmax": (CalibrationMethod.MinMax, {}),
    }[method]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        file = Path(folder) / "float.onnx"
        file.write_bytes(graph.SerializeToString())
        calibrator = create_calibrator(file, kinds, str(Path(folder) / "seen.onnx"), kind, extra_options=options)
        for start in range(0, len(pixels), _BATCH):  # so that the tensors of a few images are in memory at once
            calibrator.collect_data(_Reader(pixels[start : start + _BATCH], progress))
        found = calibrator.compute_data()
    return {name: tuple(float(np.ravel(end)[0]) for end in found[name].range_value) for name in found.keys()}  # type: ignore[misc]  # noqa: SIM118 - not a dict


def static_eight_bits(
    model: bytes, ranges: Ranges, *, keep: Collection[str] = (), four_bits_of: Collection[str] = ()
) -> bytes:
    """A graph that multiplies 8-bit numbers: weights with a scale per output channel, activations with one per tensor.

    The first layer reads the pixels as they are, which have 8 bits already, where normalisation is the same for each
    colour; half a level by which its centre may be off is moved into the bias.

    Args:
        model: a graph that computes in single precision.
        ranges: of :func:`activation_ranges`.
        keep: names of layers that stay in single precision.
        four_bits_of: names of layers whose weights are stored in 4 bits; products still have 8.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    graph = _prepared(model)
    first = _first_layers(graph, keep)
    refined = refine(graph, four_bits_of)
    rounded = _rounded_nodes(graph)
    kept = {node.name for node in graph.graph.node if node.name not in rounded or (set(node.input[1:2]) & set(keep))}
    kinds = sorted({node.op_type for node in graph.graph.node if node.name in rounded})
    data = {name: tuple(np.float32(end) for end in ends) for name, ends in ranges.items()}
    for node, steps in first.items():
        data[node] = (np.float32(-steps.zero * steps.scale), np.float32((255 - steps.zero) * steps.scale))
    with _quiet():
        quantizer = QDQQuantizer(
            graph,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, data),
            nodes_to_quantize=[],
            nodes_to_exclude=sorted(kept),
            op_types_to_quantize=kinds,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        quantised = quantizer.model.model
    _join_pixels(quantised, first)
    return compact(quantised, refined)


def dynamic_eight_bits(model: bytes) -> bytes:
    """A graph whose matrix products have 8-bit numbers, with the range of activations found for each image.

    It needs no images to calibrate on. Convolutions stay in single precision, where it would make them slower.

    Args:
        model: a graph that computes in single precision.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        file, made = Path(folder) / "float.onnx", Path(folder) / "dynamic.onnx"
        file.write_bytes(_prepared(model).SerializeToString())
        quantize_dynamic(file, made, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
        graph = onnx.load(made)
    # Its own shape inference names tensors that need not exist.
    del graph.graph.value_info[:]
    return checked_bytes(graph)


@dataclass(frozen=True, slots=True)
class _Steps:
    """How pixels enter a layer: ``(pixel - zero) * scale``; ``pixels`` names the tensor uint8 [n, 3, h, w]."""

    pixels: str
    scale: float
    zero: int


class _Reader:
    """Images in the form that ONNX Runtime's calibration reads them."""

    def __init__(self, pixels: Sequence[npt.NDArray[np.uint8]], progress: Callable[[], None]) -> None:
        self._left, self._progress = list(pixels), progress

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        if not self._left:
            return None
        self._progress()
        return {"pixels": self._left.pop(0)[None]}


def _checked(model: bytes) -> bytes:
    if computes_in_eight_bits(model):
        raise ValueError("the graph computes in 8 bits already")
    return model


def _prepared(model: bytes) -> onnx.ModelProto:
    """The graph in single precision, its nodes named."""
    graph = restored(_checked(model))
    for number, node in enumerate(graph.graph.node):
        node.name = f"node_{number}"
    return graph


def _rounded_nodes(graph: onnx.ModelProto) -> set[str]:
    """Names of the nodes to round: the layers, what lies before one of them, and the activations right after."""
    stored = {tensor.name for tensor in graph.graph.initializer}
    made_by = {output: node for node in graph.graph.node for output in node.output}
    uses: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            uses.setdefault(name, []).append(node)
    rounded = {node.name for node in graph.graph.node if node.op_type in _LAYERS and node.input[1] in stored}
    open_ = [node for node in graph.graph.node if node.name in rounded]
    seen = set(rounded)
    while open_:
        for name in open_.pop().input:
            before = made_by.get(name)
            if before is not None and before.name not in seen:
                seen.add(before.name)
                open_.append(before)
    between = {node.name for node in graph.graph.node if node.name in seen and node.op_type in _BETWEEN}
    # Normalisation of the pixels lies before every layer, and is not rounded: nothing of it has been a layer's output.
    after_layer: set[str] = set()
    for node in graph.graph.node:  # in the order of computation
        if node.name in rounded or any(name in after_layer for name in node.input):
            after_layer.update(node.output)
    rounded |= {
        node.name for node in graph.graph.node if node.name in between and any(i in after_layer for i in node.input)
    }
    rounded |= {
        use.name
        for node in graph.graph.node
        if node.name in rounded and node.op_type in _LAYERS
        for use in uses.get(node.output[0], [])
        if use.op_type in _ACTIVATIONS
    }
    return rounded


def _first_layers(graph: onnx.ModelProto, keep: Collection[str]) -> dict[str, _Steps]:
    """Layers that can read the pixels themselves, by the name of their input; their biases are moved accordingly."""
    constants = {tensor.name: tensor for tensor in graph.graph.initializer}
    made_by = {output: node for node in graph.graph.node for output in node.output}
    found: dict[str, _Steps] = {}
    for node in graph.graph.node:
        if node.op_type not in _LAYERS or len(node.input) < 3 or node.input[1] in keep or node.input[0] in found:
            continue
        steps, off = _normalisation(node.input[0], made_by, constants)
        users = [other for other in graph.graph.node if node.input[0] in other.input]
        if steps is None or len(users) > 1 or sum(node.input[2] in other.input for other in graph.graph.node) > 1:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]])
        bias = numpy_helper.to_array(constants[node.input[2]])
        # (pixel - centre) * scale = (pixel - zero) * scale + off, which the padding lacks: at most half a level there.
        moved = bias + np.float32(off) * weights.sum((1, 2, 3))
        constants[node.input[2]].CopyFrom(numpy_helper.from_array(moved.astype(np.float32), node.input[2]))
        found[node.input[0]] = steps
    return found


def _normalisation(
    name: str, made_by: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> tuple[_Steps | None, float]:
    """How a tensor comes from the pixels, if it is ``(pixel - centre) / spread`` with the same numbers everywhere."""
    centre, scale = 0.0, 1.0
    while (node := made_by.get(name)) is not None:
        if node.op_type == "Cast":
            source = node.input[0]
            transpose = made_by.get(source)
            if transpose is None or transpose.op_type != "Transpose" or transpose.input[0] != "pixels":
                return None, 0.0
            zero = round(centre)
            if not 0 <= zero <= 255:
                return None, 0.0
            return _Steps(source, scale, zero), (zero - centre) * scale
        if node.op_type not in ("Sub", "Div", "Mul") or node.input[1] not in constants:
            return None, 0.0
        values = numpy_helper.to_array(constants[node.input[1]])
        if not np.allclose(values, values.flat[0], rtol=1e-6, atol=0):
            return None, 0.0
        value = float(values.flat[0])
        # So far the tensor is (name - centre) * scale.
        if node.op_type == "Sub":
            centre += value
        else:
            factor = value if node.op_type == "Mul" else 1 / value
            centre, scale = centre / factor, scale * factor
        name = node.input[0]
    return None, 0.0


def _join_pixels(graph: onnx.ModelProto, first: dict[str, _Steps]) -> None:
    """Let the first layers read the pixels, and drop what normalised them."""
    for name, steps in first.items():
        quantised = next(n for n in graph.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == name)
        for node in graph.graph.node:
            if node.op_type == "DequantizeLinear" and node.input[0] == quantised.output[0]:
                node.input[0] = steps.pixels
    drop_unused(graph)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what ONNX Runtime's tools print and log."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logger.setLevel(level)
