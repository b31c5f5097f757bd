"""Weights in 8 or 4 bits: how they are rounded, stored, and put back when the graph is loaded.

Needs the ``train`` extra.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Floats = npt.NDArray[np.float32]
Steps = npt.NDArray[np.int8]

LEAST_WEIGHTS: Final = 1024
"""Smaller tensors stay as they are."""

_TYPE = onnx.TensorProto
_MOST = 7
# Largest factor of a group: 18 x 7 steps are the most that 8 bits hold.
_MOST_FACTOR = 18
_GROUPS = (32, 16, 8)


@dataclass(frozen=True, slots=True)
class Stored:
    """Nodes and constants that put a tensor back when a graph is loaded."""

    nodes: tuple[onnx.NodeProto, ...]
    tensors: tuple[onnx.TensorProto, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FourBits:
    """Weights as steps of 4 bits, with a factor per group of inputs and a scale per output channel.

    Attributes:
        steps: int8 [outputs, groups, group], from -7 to 7.
        factor: float32 [outputs, groups, 1].
        scale: float32 [outputs].
        sides: of the weights.
    """

    steps: Steps
    factor: Floats
    scale: Floats
    sides: tuple[int, ...] = field(default=())

    def weights(self) -> Floats:
        """The weights that are stored: float32 of ``sides``."""
        whole = self.steps * self.factor * self.scale[:, None, None]
        return whole.reshape(self.sides).astype(np.float32)


def group_of(inputs: int) -> int:
    """Number of inputs that share a factor: 32 or the next smaller that divides them; 0 where there is none."""
    return next((size for size in _GROUPS if inputs % size == 0), 0)


def four_bits(weights: Floats, *, whole: bool) -> FourBits:
    """Round weights to 4 bits, each group with the factor that leaves the smallest squared error.

    Args:
        weights: float32 [outputs, inputs, ...]; the inputs fill whole groups, see :func:`group_of`.
        whole: let the factors be whole numbers, so that factor times step is a whole number of 8 bits.
    """
    rows = weights.reshape(len(weights), -1)
    group = group_of(rows.shape[1])
    groups = rows.reshape(len(rows), -1, group)
    largest = np.abs(rows).max(1)
    scale = np.where(largest > 0, largest / (_MOST * _MOST_FACTOR), 1).astype(np.float32)
    scaled = groups / scale[:, None, None]
    if whole:
        tried = [np.full((*scaled.shape[:2], 1), float(factor), np.float32) for factor in range(1, _MOST_FACTOR + 1)]
    else:
        top = np.maximum(np.abs(scaled).max(2, keepdims=True), 1e-6)
        tried = [(top * shrink / _MOST).astype(np.float16).astype(np.float32) for shrink in np.linspace(0.7, 1.0, 13)]
    best = np.full((*scaled.shape[:2], 1), np.inf, np.float32)
    factor = tried[-1].copy()
    for each in tried:
        off = ((_nearest(scaled, each) * each - scaled) ** 2).sum(2, keepdims=True)
        better = off < best
        factor[better], best[better] = each[better], off[better]
    return FourBits(_nearest(scaled, factor).astype(np.int8), factor, scale, weights.shape)


def _nearest(scaled: Floats, factor: Floats) -> Floats:
    found: Floats = np.clip(np.rint(scaled / factor), -_MOST, _MOST)
    return found


def eight_bits(weights: Floats, axis: int) -> tuple[Steps, Floats]:
    """Weights as int8 from -127 to 127, and a scale for each place along an axis."""
    others = tuple(each for each in range(weights.ndim) if each != axis)
    largest = np.abs(weights).max(others)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    sides = [1] * weights.ndim
    sides[axis] = -1
    return np.rint(weights / scale.reshape(sides)).astype(np.int8), scale


def restore_whole(stored: FourBits, name: str) -> Stored:
    """The tensor ``name``, int8, from steps with whole factors."""
    return _restored_four(stored, name, stored.factor.astype(np.int8), _TYPE.INT8)


def restore_eight(weights: Floats, name: str) -> Stored:
    """The matrix ``name``, float32 [in, out], from 8 bits and a scale per column."""
    steps, scale = eight_bits(weights, 1)
    return Stored(
        (
            helper.make_node("Cast", [f"{name}/steps"], [f"{name}/floats"], to=_TYPE.FLOAT),
            helper.make_node("Mul", [f"{name}/floats", f"{name}/scale"], [name]),
        ),
        (numpy_helper.from_array(steps, f"{name}/steps"), numpy_helper.from_array(scale, f"{name}/scale")),
    )


def store_weights(model: bytes, bits: Literal[8, 4]) -> bytes:
    """Store large weights in fewer bits. The graph computes in single precision.

    With 4 bits, weights of matrix products and of 1 x 1 convolutions are stored so, the others in 8.

    Args:
        model: any graph.
        bits: of a weight.
    """
    graph = restored(model)
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = []
    done = set[str]()
    for node in graph.graph.node:
        axis = _output_axis(node)
        name = node.input[1] if axis is not None else ""
        if name in tensors and name not in done and _is_large(tensors[name]):
            done.add(name)
            weights = numpy_helper.to_array(tensors[name])
            made = _in_few_bits(weights, name, axis or 0, bits)
            nodes += made.nodes
            added += made.tensors
        nodes.append(node)
    kept = [tensor for tensor in graph.graph.initializer if tensor.name not in done] + added
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    if bits == 4:
        raise_version(graph)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))


def restored(model: bytes) -> onnx.ModelProto:
    """The graph with weights in single precision that are stored in half precision or in 8 bits."""
    graph = onnx.load_model_from_string(model)
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    kept = []
    for node in graph.graph.node:
        values = _restored_values(node, tensors)
        if values is None:
            kept.append(node)
            continue
        tensor = tensors[node.input[0]]
        tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
        tensors[node.output[0]] = tensor
    del graph.graph.node[:]
    graph.graph.node.extend(kept)
    wanted = {name for node in kept for name in node.input} | {output.name for output in graph.graph.output}
    constants = [tensor for tensor in graph.graph.initializer if tensor.name in wanted]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(constants)
    return graph


def raise_version(graph: onnx.ModelProto) -> None:
    """Declare the operator set that has 4-bit tensors; the operators of detectors do the same in it."""
    for entry in graph.opset_import:
        if entry.domain == "":
            entry.version = max(entry.version, 21)


def _restored_values(node: onnx.NodeProto, tensors: dict[str, onnx.TensorProto]) -> Floats | None:
    if not node.input or any(name not in tensors for name in node.input):
        return None
    values = numpy_helper.to_array(tensors[node.input[0]])
    if node.op_type == "Cast" and values.dtype == np.float16:
        return values.astype(np.float32)
    if node.op_type == "DequantizeLinear" and values.dtype == np.int8:
        scale = numpy_helper.to_array(tensors[node.input[1]])
        axis = next((entry.i for entry in node.attribute if entry.name == "axis"), 1)
        sides = [1] * values.ndim
        sides[axis] = -1
        found: Floats = (values * (scale.reshape(sides) if scale.ndim else scale)).astype(np.float32)
        return found
    return None


def _output_axis(node: onnx.NodeProto) -> int | None:
    """The axis of a layer's weights along which its outputs lie; ``None`` for other nodes."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "MatMul":
        return 1
    if node.op_type == "Gemm":
        return 0 if any(entry.name == "transB" and entry.i for entry in node.attribute) else 1
    return None


def _is_large(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == _TYPE.FLOAT and len(tensor.dims) >= 2 and np.prod(tensor.dims) >= LEAST_WEIGHTS


def _in_few_bits(weights: Floats, name: str, axis: int, bits: int) -> Stored:
    turned = axis == 1 and weights.ndim == 2
    rows = weights.T if turned else weights
    fits = weights.ndim == 2 or (rows.shape[1] > 1 and set(rows.shape[2:]) == {1})
    if bits == 4 and fits and group_of(int(rows[0].size)):
        stored = four_bits(np.ascontiguousarray(rows), whole=False)
        factor = (stored.factor * stored.scale[:, None, None]).astype(np.float16)
        if not turned:
            return _restored_four(stored, name, factor, _TYPE.FLOAT)
        made = _restored_four(stored, f"{name}/rows", factor, _TYPE.FLOAT)
        turn = helper.make_node("Transpose", [f"{name}/rows"], [name], perm=[1, 0])
        return Stored((*made.nodes, turn), made.tensors)
    steps, scale = eight_bits(weights, axis)
    node = helper.make_node("DequantizeLinear", [f"{name}/int8", f"{name}/scale"], [name], axis=axis)
    tensors = numpy_helper.from_array(steps, f"{name}/int8"), numpy_helper.from_array(scale, f"{name}/scale")
    return Stored((node,), tensors)


def _restored_four(stored: FourBits, name: str, factor: npt.NDArray[np.generic], kind: int) -> Stored:
    """Steps times factors in the given type. The runtime computes it once, when it loads the graph."""
    nodes = [
        helper.make_node("Cast", [f"{name}/steps"], [f"{name}/floats"], to=_TYPE.FLOAT),
        helper.make_node("Cast", [f"{name}/factor"], [f"{name}/factors"], to=_TYPE.FLOAT),
        helper.make_node("Mul", [f"{name}/floats", f"{name}/factors"], [f"{name}/groups"]),
    ]
    if kind == _TYPE.FLOAT:
        nodes.append(helper.make_node("Reshape", [f"{name}/groups", f"{name}/sides"], [name]))
    else:
        nodes.append(helper.make_node("Reshape", [f"{name}/groups", f"{name}/sides"], [f"{name}/shaped"]))
        nodes.append(helper.make_node("Cast", [f"{name}/shaped"], [name], to=kind))
    tensors = (
        _packed(stored.steps, f"{name}/steps"),
        numpy_helper.from_array(factor, f"{name}/factor"),
        numpy_helper.from_array(np.array(stored.sides, np.int64), f"{name}/sides"),
    )
    return Stored(tuple(nodes), tensors)


def _packed(steps: Steps, name: str) -> onnx.TensorProto:
    """Two steps per byte, the first one in its lower half, as ONNX stores INT4."""
    halves = steps.ravel().astype(np.uint8) & 15
    pairs = halves[0::2] | (halves[1::2] << 4)
    return onnx.TensorProto(name=name, dims=steps.shape, data_type=_TYPE.INT4, raw_data=pairs.tobytes())
