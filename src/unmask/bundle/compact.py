"""Store the constants of a graph that computes in 8 bits in as few bytes as they need. Needs the ``train`` extra."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count

import numpy as np
import onnx
from onnx import helper, numpy_helper

from unmask.bundle.small_weights import FourBits, four_bits, raise_version, restore_eight, restore_whole

_LEAST_MATRIX = 4096


def refine(graph: onnx.ModelProto, names: Collection[str]) -> dict[str, FourBits]:
    """Weights as 4 bits and whole factors, by name; the graph's are replaced by what is left of them."""
    found = {}
    for tensor in graph.graph.initializer:
        if tensor.name in names:
            found[tensor.name] = four_bits(numpy_helper.to_array(tensor), whole=True)
            tensor.CopyFrom(numpy_helper.from_array(found[tensor.name].weights(), tensor.name))
    return found


def compact(graph: onnx.ModelProto, refined: Mapping[str, FourBits]) -> bytes:
    """Store each constant in as few bytes as it needs, under a short name."""
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    made: list[onnx.TensorProto] = []
    drop = set[str]()
    scales = {node.output[0]: node.input[1] for node in graph.graph.node if node.op_type == "DequantizeLinear"}
    # A bias has the scale of input times weights, which need not be stored.
    parts = {
        node.input[2]: [scales[name] for name in node.input[:2]]
        for node in graph.graph.node
        if node.op_type == "Conv" and len(node.input) > 2 and set(node.input) <= set(scales)
    }
    matrices = {
        node.input[1]: matrix
        for node in graph.graph.node
        if node.op_type == "MatMul" and node.input[1] in stored
        for matrix in [numpy_helper.to_array(stored[node.input[1]])]
        if matrix.ndim == 2 and matrix.size >= _LEAST_MATRIX and matrix.dtype == np.float32
    }
    for node in graph.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in stored:
            if node.output[0] in parts:
                drop.add(node.input[1])
                nodes.append(helper.make_node("Mul", parts[node.output[0]], [node.input[1]]))
            if not numpy_helper.to_array(stored[node.input[2]]).any():  # a zero point of 0 need not be stored
                del node.input[2:]
            steps = refined.get(node.input[0].removesuffix("_quantized"))
            if steps is not None:
                drop |= {node.input[0], node.input[1]}
                put_back = restore_whole(steps, node.input[0])
                nodes += put_back.nodes
                made += [*put_back.tensors, numpy_helper.from_array(steps.scale, node.input[1])]
        for name in node.input:
            if name in matrices and name not in drop:  # before its first use, which may be of another kind
                drop.add(name)
                put_back = restore_eight(matrices[name], name)
                nodes += put_back.nodes
                made += put_back.tensors
        nodes.append(node)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    kept = [tensor for tensor in graph.graph.initializer if tensor.name not in drop] + made
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    drop_unused(graph)
    _shorten_names(graph)
    del graph.graph.value_info[:]
    if refined:
        raise_version(graph)
    return checked_bytes(graph)


def drop_unused(graph: onnx.ModelProto) -> None:
    """Drop nodes and constants that no output depends on."""
    wanted = {output.name for output in graph.graph.output}
    kept = []
    for node in reversed(graph.graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    del graph.graph.node[:]
    graph.graph.node.extend(reversed(kept))
    constants = [tensor for tensor in graph.graph.initializer if tensor.name in wanted]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(constants)


def _shorten_names(graph: onnx.ModelProto) -> None:
    """Number what has names of its own. A small graph has hundreds of them, of a hundred characters."""
    fixed = {value.name for value in [*graph.graph.input, *graph.graph.output]} | {""}
    numbers = count()
    short: dict[str, str] = {}
    for name in [*(t.name for t in graph.graph.initializer), *(o for n in graph.graph.node for o in n.output)]:
        if name not in fixed and name not in short:
            short[name] = f"t{next(numbers)}"
    for node in graph.graph.node:
        node.name = ""
        for field in (node.input, node.output):
            field[:] = [short.get(name, name) for name in field]
    for tensor in graph.graph.initializer:
        tensor.name = short.get(tensor.name, tensor.name)


def checked_bytes(graph: onnx.ModelProto) -> bytes:
    """The bytes of a graph that passes onnx's check, without operator sets that it does not use."""
    unused = [entry for entry in graph.opset_import if entry.domain not in {node.domain for node in graph.graph.node}]
    for entry in unused:
        graph.opset_import.remove(entry)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))
