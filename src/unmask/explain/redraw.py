"""A network with random weights: what explanations look like when nothing was learned.

An evidence map that looks the same for a network with random weights shows the image, not the network (Adebayo et al.,
NeurIPS 2018). Weights are replaced inside the bytes of the ONNX file, so the onnx package is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unmask.bundle.protobuf import BYTES, Reader, read_varints
from unmask.errors import BundleError

# Field numbers of onnx.proto3: ModelProto.graph, GraphProto.initializer, TensorProto.dims, .data_type, .raw_data.
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE, _RAW_DATA = 7, 5, 1, 2, 9
_MAX_DIMS_BYTES = 160
_NUMBERS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 3: np.dtype("i1"), 10: np.dtype("<f2")}


def redrawn(model: bytes, seed: int) -> bytes:
    """The same graph with random weights: each matrix and filter drawn from a normal distribution like its own.

    Mean and standard deviation are kept, also of weights in 8 bits. Vectors (biases, normalisation) and other integers
    stay: without them the outputs
    could be out of range.

    Args:
        model: an ONNX graph.
        seed: random seed; the same seed gives the same weights.

    Raises:
        BundleError: ``bad_model``: the file is malformed or has no weights.
    """
    generator = np.random.default_rng(seed)
    content = bytearray(model)
    changed = 0
    for kind, (start, end) in _weights(model):
        count = (end - start) // kind.itemsize
        weights = np.frombuffer(model, kind, count, start).astype(np.float32)
        drawn = weights.mean() + weights.std() * generator.standard_normal(count, np.float32)
        if kind.kind == "i":
            drawn = drawn.round()
        largest = np.iinfo(kind).max if kind.kind == "i" else np.finfo(kind).max
        content[start : start + count * kind.itemsize] = drawn.clip(-largest, largest).astype(kind).tobytes()
        changed += 1
    if not changed:
        raise BundleError("bad_model", "The model has no weights to replace by random ones.")
    return bytes(content)


def _weights(model: bytes) -> Iterator[tuple[np.dtype[Any], tuple[int, int]]]:
    """Number type, start and end of each floating-point tensor with at least two dimensions."""
    reader = Reader(model)
    for graph in _parts(reader, 0, len(model), _GRAPH):
        for tensor in _parts(reader, *graph, _INITIALIZER):
            dimensions, kind, data = 0, 0, (0, 0)
            for field in reader.fields(*tensor):
                number, _, value, start, end = field
                if number == _DIMS:
                    dimensions += len(read_varints(model, field, _MAX_DIMS_BYTES) or ())
                elif number == _DATA_TYPE:
                    kind = value
                elif number == _RAW_DATA:
                    data = start, end
            if kind in _NUMBERS and dimensions > 1 and data[1] - data[0] >= 2 * _NUMBERS[kind].itemsize:
                yield _NUMBERS[kind], data


def _parts(reader: Reader, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    fields = reader.fields(start, end)
    return ((begin, stop) for number, wire, _, begin, stop in fields if number == wanted and wire == BYTES)
