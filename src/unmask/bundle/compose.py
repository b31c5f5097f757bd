"""Join graphs: a network with a classifier, or the members of an ensemble. Needs the ``train`` extra."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import compose, helper, numpy_helper
from onnx.utils import Extractor

from unmask.bundle.bundle import DISTANCE, QUESTIONS, run_graph
from unmask.imaging.session import single_thread_session

_CLASSIFIER = "classifier/"
_RESIZED = "resized/"
_LEAST_WEIGHTS = 1024
_FLOAT = onnx.TensorProto.FLOAT
_OUTPUTS = ("logit", "evidence")
_FURTHER: dict[str, list[str | int | None]] = {"features": ["n", None], DISTANCE: ["n"], QUESTIONS: ["n", None]}


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Distribution of the training images' features, scaled to length 1.

    Attributes:
        mean: float32 [width].
        directions: float32 [width, k], orthonormal: the leading principal directions.
        variances: float32 [k], along these directions.
        rest: variance along every other direction, above 0.
    """

    mean: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]
    variances: npt.NDArray[np.float32]
    rest: float


def attach_classifier(features_graph: bytes, classifier_graph: bytes) -> bytes:
    """Append a classifier on pooled features: a graph from ``pixels`` to ``logit`` and ``evidence``.

    A classifier that is not a linear function of the features has no class activation map: the evidence is one cell,
    float32 [n, 1, 1], that holds the logit.

    The features stay an output, for :func:`attach_distance`.

    Args:
        features_graph: ``pixels`` to ``features`` float32 [n, width]; parts that only other outputs need are dropped.
        classifier_graph: ``features`` to ``logit`` float32 [n].
    """
    features = Extractor(onnx.load_model_from_string(features_graph)).extract_model(["pixels"], ["features"])
    classifier = compose.add_prefix(onnx.load_model_from_string(classifier_graph), _CLASSIFIER)
    classifier.ir_version = features.ir_version
    joined = compose.merge_models(features, classifier, [("features", f"{_CLASSIFIER}features")])
    joined.graph.node.extend(
        [
            helper.make_node("Identity", [f"{_CLASSIFIER}logit"], ["logit"]),
            helper.make_node("Reshape", ["logit", "cell"], ["evidence"]),
        ]
    )
    joined.graph.initializer.append(numpy_helper.from_array(np.array([-1, 1, 1]), "cell"))
    return _finished(joined.graph, [features, classifier], "features")


def attach_distance(model: bytes, reference: Reference | None) -> bytes:
    """Replace the output ``features`` by ``distance``, the distance of the features from a reference.

    Args:
        model: ``pixels`` to ``logit``, ``evidence`` and ``features`` float32 [n, width].
        reference: the training images' features; ``None`` drops the features and adds no distance.
    """
    if reference is None:
        graph = onnx.load_model_from_string(model)
        bare = Extractor(graph).extract_model(["pixels"], [*_OUTPUTS, *_questions(graph)])
        return bytes(bare.SerializeToString(deterministic=True))
    graph = onnx.load_model_from_string(model)
    width = len(reference.mean)
    constants = {
        "tiny": np.float32(1e-12),
        "mean": reference.mean,
        "directions": reference.directions,
        # How much more or less a leading direction counts than the rest.
        "extra": 1 / reference.variances - np.float32(1 / reference.rest),
        "even": np.float32(1 / reference.rest),
        "width": np.float32(width),
        "last": np.array([-1], np.int64),
        "zero": np.float32(0),
    }
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), f"distance/{name}") for name, value in constants.items()
    )
    steps = [
        ("ReduceL2", ["features", "last"], "length"),
        ("Max", ["length", "tiny"], "divisor"),
        ("Div", ["features", "divisor"], "unit"),
        ("Sub", ["unit", "mean"], "centred"),
        ("MatMul", ["centred", "directions"], "led"),
        ("Mul", ["led", "led"], "led_square"),
        ("MatMul", ["led_square", "extra"], "led_sum"),
        ("ReduceSumSquare", ["centred", "last"], "square"),
        ("Mul", ["square", "even"], "square_sum"),
        ("Add", ["square_sum", "led_sum"], "total"),
        ("Div", ["total", "width"], "mean_square"),
        # Rounding may give a value below 0.
        ("Max", ["mean_square", "zero"], "positive"),
        ("Sqrt", ["positive"], DISTANCE),
    ]
    for kind, inputs, output in steps:
        named = [name if name == "features" else f"distance/{name}" for name in inputs]
        made = output if output == DISTANCE else f"distance/{output}"
        node = helper.make_node(kind, named, [made])
        if kind.startswith("Reduce"):
            node.attribute.append(helper.make_attribute("keepdims", int(output == "length")))
        graph.graph.node.append(node)
    return _finished(graph.graph, [graph], DISTANCE, *_questions(graph))


def combine(graphs: Sequence[bytes], weights: Sequence[float], bias: float) -> bytes:
    """Join graphs into one from ``pixels`` to the weighted sum of their logits plus a bias.

    The evidence is the same sum of the members' maps, resampled to the finest grid: each fine cell takes from the
    coarse cells in proportion to the overlap, which keeps the mean. So the mean of the evidence is the logit, as for
    every member. If every member measures a distance, the result is the mean of these distances. The questions of the
    one member that answers some are answered by the result.

    Args:
        graphs: from ``pixels`` uint8 [n, size, size, 3], all of one size, to ``logit`` and ``evidence``.
        weights: one per graph.
        bias: added to the sum.

    Raises:
        ValueError: two members answer questions.
    """
    members = [onnx.load_model_from_string(graph) for graph in graphs]
    grids = [_grid(graph, member) for graph, member in zip(graphs, members, strict=True)]
    height, width = (max(sides) for sides in zip(*grids, strict=True))
    joined = onnx.GraphProto(name="ensemble")
    joined.input.append(members[0].graph.input[0])
    logits, maps = [], []
    measures = all(any(output.name == DISTANCE for output in member.graph.output) for member in members)
    for number, (member, weight, grid) in enumerate(zip(members, weights, grids, strict=True)):
        prefix = f"member_{number}/"
        renamed = compose.add_prefix(member, prefix)
        _rename_input(renamed.graph, f"{prefix}pixels", "pixels")
        joined.node.extend(renamed.graph.node)
        joined.initializer.extend(renamed.graph.initializer)
        # The resampled map is rows @ map @ columns; the member's weight is part of the rows. Both are stored as vectors
        # because explanations redraw every matrix, and these are not weights of the network.
        rows, columns = np.float32(weight) * _spread(grid[0], height), _spread(grid[1], width).T
        constants = {
            "weight": np.float32(weight),
            "rows/flat": rows.ravel(),
            "rows/shape": np.array(rows.shape),
            "columns/flat": columns.ravel(),
            "columns/shape": np.array(columns.shape),
        }
        joined.initializer.extend(numpy_helper.from_array(np.asarray(v), prefix + k) for k, v in constants.items())
        joined.node.extend(
            [
                helper.make_node("Mul", [f"{prefix}logit", f"{prefix}weight"], [f"{prefix}share"]),
                *(
                    helper.make_node("Reshape", [f"{prefix}{name}/flat", f"{prefix}{name}/shape"], [prefix + name])
                    for name in ("rows", "columns")
                ),
                helper.make_node("MatMul", [f"{prefix}rows", f"{prefix}evidence"], [f"{prefix}tall"]),
                helper.make_node("MatMul", [f"{prefix}tall", f"{prefix}columns"], [f"{prefix}map"]),
            ]
        )
        logits.append(f"{prefix}share")
        maps.append(f"{prefix}map")
    if measures:
        distances = [f"member_{number}/{DISTANCE}" for number in range(len(members))]
        joined.node.append(helper.make_node("Mean", distances, [DISTANCE]))
    asked = [number for number, member in enumerate(members) if _questions(member)]
    if len(asked) > 1:
        raise ValueError("only one member may answer questions")
    joined.node.extend(helper.make_node("Identity", [f"member_{number}/{QUESTIONS}"], [QUESTIONS]) for number in asked)
    joined.initializer.append(numpy_helper.from_array(np.array(bias, np.float32), "bias"))
    joined.node.extend(
        [
            helper.make_node("Sum", [*logits, "bias"], ["logit"]),
            helper.make_node("Sum", [*maps, "bias"], ["evidence"]),
        ]
    )
    return _finished(joined, members, *([DISTANCE] if measures else []), *([QUESTIONS] if asked else []))


def resized(model: bytes, size: int) -> bytes:
    """A graph for pixels of another size, which it resizes: bicubic with antialiasing, as preprocessing does.

    Args:
        model: from ``pixels`` uint8 [n, side, side, 3].
        size: side of the images that the result takes; where it is ``side``, the graph is returned unchanged.
    """
    graph = compose.add_prefix(onnx.load_model_from_string(model), _RESIZED)
    pixels = graph.graph.input[0]
    side = pixels.type.tensor_type.shape.dim[1].dim_value
    if side == size:
        return model
    del graph.graph.input[:]
    graph.graph.input.append(helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["n", size, size, 3]))
    scales = np.array([1, 1, side / size, side / size], np.float32)
    graph.graph.initializer.extend(
        [
            numpy_helper.from_array(scales, f"{_RESIZED}scales"),
            numpy_helper.from_array(np.array(0, np.float32), f"{_RESIZED}least"),
            numpy_helper.from_array(np.array(255, np.float32), f"{_RESIZED}most"),
        ]
    )
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Cast", ["pixels"], "numbers", {"to": _FLOAT}),
        ("Transpose", [f"{_RESIZED}numbers"], "planes", {"perm": [0, 3, 1, 2]}),
        (
            "Resize",
            [f"{_RESIZED}planes", "", f"{_RESIZED}scales"],
            "small",
            # Pillow's bicubic filter has this coefficient.
            {"mode": "cubic", "cubic_coeff_a": -0.5, "antialias": 1, "exclude_outside": 1},
        ),
        # To whole numbers again, which the network was trained on.
        ("Round", [f"{_RESIZED}small"], "whole", {}),
        ("Clip", [f"{_RESIZED}whole", f"{_RESIZED}least", f"{_RESIZED}most"], "clipped", {}),
        ("Transpose", [f"{_RESIZED}clipped"], "rows", {"perm": [0, 2, 3, 1]}),
        ("Cast", [f"{_RESIZED}rows"], "pixels", {"to": onnx.TensorProto.UINT8}),
    ]
    nodes = [helper.make_node(kind, inputs, [f"{_RESIZED}{made}"], **how) for kind, inputs, made, how in steps]
    nodes += graph.graph.node
    names = [output.name.removeprefix(_RESIZED) for output in graph.graph.output]
    nodes += [helper.make_node("Identity", [f"{_RESIZED}{name}"], [name]) for name in names]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return _finished(graph.graph, [graph], *(name for name in names if name not in _OUTPUTS))


def store_half(model: bytes) -> bytes:
    """Store large weight tensors in half precision, which halves the file.

    The graph still computes in single precision: the runtime converts the weights once, when it loads the graph.
    Vectors (normalisation, biases), small tensors and tensors with values out of range stay as they are.

    Args:
        model: any graph.
    """
    graph = onnx.load_model_from_string(model)
    casts = []
    for stored in graph.graph.initializer:
        if stored.data_type != _FLOAT or len(stored.dims) < 2:
            continue
        weights = numpy_helper.to_array(stored)
        if weights.size < _LEAST_WEIGHTS or np.abs(weights).max() > np.finfo(np.float16).max:
            continue
        name, half = stored.name, f"{stored.name}/half"
        stored.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [name], to=_FLOAT))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))


def _questions(model: onnx.ModelProto) -> list[str]:
    """The name of the output that answers questions, if the graph has it."""
    return [output.name for output in model.graph.output if output.name == QUESTIONS]


def _grid(content: bytes, member: onnx.ModelProto) -> tuple[int, int]:
    """Height and width of a member's evidence."""
    size = member.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    evidence = run_graph(single_thread_session(content), np.zeros((1, size, size, 3), np.uint8))[1]
    return evidence.shape[1], evidence.shape[2]


def _spread(cells: int, finer: int) -> npt.NDArray[np.float32]:
    """float32 [finer, cells]: the fraction of each fine cell of one axis that lies in each coarse cell."""
    coarse, fine = np.linspace(0, 1, cells + 1), np.linspace(0, 1, finer + 1)
    overlap = np.minimum(fine[1:, None], coarse[1:]) - np.maximum(fine[:-1, None], coarse[:-1])
    return np.asarray(np.maximum(overlap, 0) * finer, np.float32)


def _rename_input(graph: onnx.GraphProto, name: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if each == name else each for each in node.input]


def _finished(graph: onnx.GraphProto, parts: Iterable[onnx.ModelProto], *further: str) -> bytes:
    """The bytes of a checked model with outputs ``logit``, ``evidence`` and others, in the parts' operator sets."""
    parts = list(parts)
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("logit", _FLOAT, ["n"]),
            helper.make_tensor_value_info("evidence", _FLOAT, ["n", None, None]),
            *(helper.make_tensor_value_info(name, _FLOAT, _FURTHER[name]) for name in further),
        ]
    )
    opsets = {entry.domain: entry.version for part in parts for entry in part.opset_import}
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in sorted(opsets.items())],
        ir_version=max(part.ir_version for part in parts),
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
