"""Store matrices in 8 bits where nothing is lost by it. Needs the ``train`` extra."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_FLOAT = onnx.TensorProto.FLOAT
_LEAST_WEIGHTS = 1024
_TOP = np.float32(127)
# A stored scale may differ from largest / 127 in its last bits, which dividing rounds once more.
_LAST_BITS = 4


def store_eight_bits(model: bytes) -> bytes:
    """Store matrices that came from 8 bits in 8 bits again: int8 and one scale per output channel.

    Only matrices of matrix products are stored so, and only where ``int8 * scale`` gives back every weight to the bit,
    as in networks whose weights were quantised once; a graph without any is returned unchanged. The graph still
    computes in single precision: the runtime restores the weights once, when it loads the graph.

    Args:
        model: any graph.
    """
    graph = onnx.load_model_from_string(model)
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    names = {node.input[1] for node in graph.graph.node if node.op_type == "MatMul" and node.input[1] in stored}
    restoring = []
    for name in sorted(names):
        tensor = stored[name]
        if tensor.data_type != _FLOAT or len(tensor.dims) != 2:
            continue
        weights = numpy_helper.to_array(tensor)
        found = eight_bits_of(weights) if weights.size >= _LEAST_WEIGHTS else None
        if found is None:
            continue
        steps, scale = found
        tensor.CopyFrom(numpy_helper.from_array(steps, f"{name}/int8"))
        graph.graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
        restoring.append(helper.make_node("DequantizeLinear", [f"{name}/int8", f"{name}/scale"], [name], axis=1))
    if not restoring:
        return model
    nodes = [*restoring, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))


def is_small(model: bytes) -> bool:
    """Whether a graph has weights in 8 bits."""
    return any(node.op_type == "DequantizeLinear" for node in onnx.load_model_from_string(model).graph.node)


def eight_bits_of(weights: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]] | None:
    """Whole numbers from -127 to 127 and a scale per column whose products are these weights to the bit.

    ``None`` where there are none. The largest weight of a column must be 127 of its steps.

    Args:
        weights: float32 [in, out].

    Returns:
        int8 [in, out] and float32 [out].
    """
    largest = np.abs(weights).max(0)
    scale = np.where(largest > 0, largest / _TOP, np.float32(1)).astype(np.float32)
    tried = [scale]
    above = below = scale
    for _ in range(_LAST_BITS):
        above, below = np.nextafter(above, np.float32(np.inf)), np.nextafter(below, np.float32(0))
        tried += [above, below]
    scale, right = scale.copy(), np.zeros(len(scale), bool)
    for each in tried:
        fits = ~right & (np.rint(weights / each) * each == weights).all(0)
        scale[fits], right = each[fits], right | fits
        if right.all():
            return np.rint(weights / scale).astype(np.int8), scale
    return None
