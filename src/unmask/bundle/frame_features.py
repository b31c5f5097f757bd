"""Make a detector's graph give the features that a temporal head needs of each frame. Needs the ``train`` extra.

No network is added: the graph already measures how far its pooled features are from those of the training images, by
their coordinates along the leading directions of these features. The first of these coordinates, in standard deviations
of the training images, become the output ``features``.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from unmask.bundle.bundle import FEATURES
from unmask.errors import BundleError

_COORDINATES = "distance/led"


def give_features(model: bytes, directions: int = 16) -> bytes:
    """The graph with a further output ``features`` float32 [n, k]; its other outputs do not change.

    Args:
        model: a bundle's graph, of one network or of an ensemble.
        directions: how many leading directions of each member count; fewer where it has fewer.

    Raises:
        BundleError: ``no_features``: the graph does not measure a distance from its training images.
    """
    graph = onnx.load_model_from_string(model)
    constants = {tensor.name: tensor for tensor in graph.graph.initializer}
    found = [name for node in graph.graph.node for name in node.output if name.endswith(_COORDINATES)]
    if not found:
        text = "The detector does not measure the distance from its training images, so it has no features for clips."
        raise BundleError("no_features", text)
    joined = []
    for name in found:
        prefix = name.removesuffix(_COORDINATES)
        # 1 / variance of each direction, as the distance weighs it.
        extra, even = (numpy_helper.to_array(constants[f"{prefix}distance/{part}"]) for part in ("extra", "even"))
        scale = np.sqrt(np.maximum(extra.astype(np.float64) + float(even), 0))[:directions].astype(np.float32)
        made = f"{prefix}{FEATURES}/"
        graph.graph.initializer.extend(
            [
                numpy_helper.from_array(np.array([0], np.int64), f"{made}first"),
                numpy_helper.from_array(np.array([len(scale)], np.int64), f"{made}end"),
                numpy_helper.from_array(np.array([1], np.int64), f"{made}axis"),
                numpy_helper.from_array(scale, f"{made}scale"),
            ]
        )
        leading = [name, f"{made}first", f"{made}end", f"{made}axis"]
        graph.graph.node.append(helper.make_node("Slice", leading, [f"{made}leading"]))
        graph.graph.node.append(helper.make_node("Mul", [f"{made}leading", f"{made}scale"], [f"{made}scaled"]))
        joined.append(f"{made}scaled")
    # A single network calls its pooled features by the name of the output.
    for node in graph.graph.node:
        node.input[:] = [f"pooled/{FEATURES}" if name == FEATURES else name for name in node.input]
        node.output[:] = [f"pooled/{FEATURES}" if name == FEATURES else name for name in node.output]
    graph.graph.node.append(helper.make_node("Concat", joined, [FEATURES], axis=1))
    graph.graph.output.append(helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, ["n", None]))
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))
