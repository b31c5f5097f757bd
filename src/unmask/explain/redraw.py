"""A network with random weights: what explanations look like when nothing was learned.

An evidence map that looks the same for a network with random weights shows the image, not the network (Adebayo et al.,
NeurIPS 2018). Weights are replaced inside the bytes of the ONNX file, so the onnx package is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unmask.errors import BundleError

# Field numbers of onnx.proto3: ModelProto.graph, GraphProto.initializer, TensorProto.dims, .data_type, .raw_data.
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE, _RAW_DATA = 7, 5, 1, 2, 9
_NUMBERS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2")}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def redrawn(model: bytes, seed: int) -> bytes:
    """The same graph with random weights: each matrix and filter drawn from a normal distribution like its own.

    Mean and standard deviation are kept. Vectors (biases, normalisation) and integers stay: without them the outputs
    could be out of range.

    Args:
        model: an ONNX graph.
        seed: random seed; the same seed gives the same weights.

    Raises:
        BundleError: ``bad_model``: the file is malformed or has no weights in single or half precision.
    """
    generator = np.random.default_rng(seed)
    content = bytearray(model)
    changed = 0
    for kind, (start, end) in _weights(model):
        count = (end - start) // kind.itemsize
        weights = np.frombuffer(model, kind, count, start).astype(np.float32)
        drawn = weights.mean() + weights.std() * generator.standard_normal(count, np.float32)
        largest = np.finfo(kind).max
        content[start : start + count * kind.itemsize] = drawn.clip(-largest, largest).astype(kind).tobytes()
        changed += 1
    if not changed:
        raise BundleError("bad_model", "The model has no weights to replace by random ones.")
    return bytes(content)


def _weights(model: bytes) -> Iterator[tuple[np.dtype[Any], tuple[int, int]]]:
    """Number type, start and end of each floating-point tensor with at least two dimensions."""
    for graph in _parts(model, 0, len(model), _GRAPH):
        for tensor in _parts(model, *graph, _INITIALIZER):
            dimensions, kind, data = 0, 0, (0, 0)
            for number, wire, value, place in _fields(model, *tensor):
                if number == _DIMS:  # one by one, or packed: a byte below 0x80 ends each
                    dimensions += 1 if wire == _VARINT else sum(byte < 0x80 for byte in model[slice(*place)])
                elif number == _DATA_TYPE:
                    kind = value
                elif number == _RAW_DATA:
                    data = place
            if kind in _NUMBERS and dimensions > 1 and data[1] - data[0] >= 2 * _NUMBERS[kind].itemsize:
                yield _NUMBERS[kind], data


def _parts(data: bytes, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    return (place for number, wire, _, place in _fields(data, start, end) if number == wanted and wire == _BYTES)


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, tuple[int, int]]]:
    """Fields of a protocol buffer message: number, wire type, value of a varint, place of the bytes of others."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        wire = key & 7
        value, length = 0, {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _VARINT:
            value, at = _varint(data, at, end)
        elif wire == _BYTES:
            length, at = _varint(data, at, end)
        elif not length:
            raise BundleError("bad_model", "The graph's file is malformed.")
        if at + length > end:
            raise BundleError("bad_model", "The graph's file is malformed.")
        yield key >> 3, wire, value, (at, at + length)
        at += length


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BundleError("bad_model", "The graph's file is malformed.")
