"""Refuse a graph that could read files, run without end or fill the memory, before ONNX Runtime sees it.

Only the few fields of onnx.proto3 that matter are read, each occurrence of them; the onnx package is not needed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final

from unmask.bundle.protobuf import BYTES, VARINT, Reader, read_varints
from unmask.errors import BundleError
from unmask.text import quote

MAX_NODES: Final = 20_000
MAX_TENSORS: Final = 20_000
MAX_TENSOR_BYTES: Final = 1 << 30
"""Bytes of one constant, stored or filled in when the graph runs."""
MAX_DIMENSIONS: Final = 16

# What the exports of backbones, heads, ensembles and classifiers consist of, the arithmetic of other networks of timm,
# and the GRU of temporal heads. Left out: loops and branches (If, Loop, Scan, SequenceMap), sequences and optional
# values, text, random numbers, image files, and all that a detector has no use for.
ALLOWED: Final[dict[str, frozenset[str]]] = {
    "": frozenset(
        [
            "Abs",
            "Add",
            "And",
            "ArgMax",
            "ArgMin",
            "AveragePool",
            "BatchNormalization",
            "Cast",
            "CastLike",
            "Ceil",
            "Celu",
            "Clip",
            "Concat",
            "Constant",
            "ConstantOfShape",
            "Conv",
            "ConvInteger",
            "ConvTranspose",
            "Cos",
            "CumSum",
            "DepthToSpace",
            "DequantizeLinear",
            "Div",
            "Dropout",
            "DynamicQuantizeLinear",
            "Einsum",
            "Elu",
            "Equal",
            "Erf",
            "Exp",
            "Expand",
            "Flatten",
            "Floor",
            "GRU",
            "Gather",
            "GatherElements",
            "GatherND",
            "Gelu",
            "Gemm",
            "GlobalAveragePool",
            "GlobalMaxPool",
            "Greater",
            "GreaterOrEqual",
            "GroupNormalization",
            "HardSigmoid",
            "HardSwish",
            "Identity",
            "InstanceNormalization",
            "LayerNormalization",
            "LeakyRelu",
            "Less",
            "LessOrEqual",
            "Log",
            "LogSoftmax",
            "LpNormalization",
            "LpPool",
            "MatMul",
            "MatMulInteger",
            "Max",
            "MaxPool",
            "Mean",
            "Min",
            "Mish",
            "Mod",
            "Mul",
            "Neg",
            "Not",
            "Or",
            "PRelu",
            "Pad",
            "Pow",
            "QuantizeLinear",
            "RMSNormalization",
            "Range",
            "Reciprocal",
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSum",
            "ReduceSumSquare",
            "Relu",
            "Reshape",
            "Resize",
            "Round",
            "ScatterElements",
            "ScatterND",
            "Selu",
            "Shape",
            "Sigmoid",
            "Sign",
            "Sin",
            "Size",
            "Slice",
            "Softmax",
            "Softplus",
            "Softsign",
            "SpaceToDepth",
            "Split",
            "Sqrt",
            "Squeeze",
            "Sub",
            "Sum",
            "Swish",
            "Tanh",
            "ThresholdedRelu",
            "Tile",
            "TopK",
            "Transpose",
            "Trilu",
            "Unsqueeze",
            "Where",
            "Xor",
        ]
    ),
    "ai.onnx.ml": frozenset(["TreeEnsembleClassifier", "TreeEnsembleRegressor"]),
}
_FILLING: Final = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}
"""Operators that make a tensor as large as one of their inputs says, and the place of this input."""

# Field numbers: ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto.
_GRAPH, _TRAINING, _FUNCTIONS = 7, 20, 25
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_INPUT, _OUTPUT, _OP_TYPE, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS = 5, 6, 10, 11, 22, 23
_INTS = 8
_DIMS, _DATA_TYPE, _INT64_DATA, _NAME, _RAW_DATA, _EXTERNAL, _LOCATION = 1, 2, 7, 8, 9, 13, 14
_INT64, _WIDEST = 7, 16
_BYTES_OF: Final = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
_MAX_SHAPE_BYTES = 8 * MAX_DIMENSIONS
_MAX_PACKED = 10 * MAX_DIMENSIONS
# Lists of numbers in an attribute, one field each: a forest has millions of them.
_NUMBERS = re.compile(rb"(?:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f])++", re.DOTALL)


def check_graph(model: bytes) -> None:
    """Check an ONNX file.

    Raises:
        BundleError: ``bad_model``: it is malformed, names external data, uses an operator that detectors do without, or
            has too many or too large parts.
    """
    graph = _Graph(model, Reader(model))
    for number, wire, _, start, end in graph.reader.fields(0, len(model)):
        if number == _GRAPH and wire == BYTES:
            graph.read(start, end)
        elif number in (_TRAINING, _FUNCTIONS) and end > start:
            raise _refuse("It has functions or training steps of its own.")
    graph.check_filled()


@dataclass
class _Graph:
    model: bytes
    reader: Reader
    nodes: int = 0
    tensors: int = 0
    shapes: dict[str, list[int]] = field(default_factory=dict)
    filled: list[tuple[str, str]] = field(default_factory=list)

    def read(self, start: int, end: int) -> None:
        for number, wire, _, begin, stop in self.reader.fields(start, end):
            if wire != BYTES:
                continue
            if number == _NODE:
                self._read_node(begin, stop)
            elif number == _INITIALIZER:
                self._read_tensor(begin, stop)
            elif number == _SPARSE:
                raise _refuse("It has sparse tensors.")

    def check_filled(self) -> None:
        """Check what operators fill in by constant shapes; computed shapes are left to the limit on memory."""
        for operator, name in self.filled:
            shape = self.shapes.get(name, [])
            # A value may have 8 bytes.
            if any(side < -1 for side in shape) or 8 * math.prod(map(abs, shape)) > MAX_TENSOR_BYTES:
                raise _refuse(f"{operator} makes a tensor of more than {_shown(MAX_TENSOR_BYTES)}.")

    def _read_node(self, start: int, end: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _refuse(f"It has more than {MAX_NODES:,} nodes.")
        model = self.model
        operator = domain = b""
        inputs: list[bytes] = []
        output = b""
        attributes: list[tuple[int, int]] = []
        for number, wire, _, begin, stop in self.reader.fields(start, end):
            if wire != BYTES:
                continue
            if number == _INPUT:
                inputs.append(model[begin:stop])
            elif number == _OUTPUT:
                output = output or model[begin:stop]
            elif number == _OP_TYPE:
                operator = model[begin:stop]
            elif number == _DOMAIN:
                domain = model[begin:stop]
            elif number == _ATTRIBUTE:
                attributes.append((begin, stop))
        name = operator.decode(errors="replace")
        allowed = ALLOWED.get("" if domain == b"ai.onnx" else domain.decode(errors="replace"), frozenset())
        if name not in allowed:
            of = f" of {quote(domain.decode(errors='replace'))}" if domain else ""
            raise _refuse(f"The operator {quote(name)}{of} is not among those that detectors use.")
        for begin, stop in attributes:
            self._read_attribute(begin, stop, output if name == "Constant" else b"")
        at = _FILLING.get(name)
        if at is not None and at < len(inputs):
            self.filled.append((name, inputs[at].decode(errors="replace")))

    def _read_attribute(self, start: int, end: int, constant: bytes) -> None:
        ints: list[int] = []
        for entry in self.reader.fields(start, end, None if constant else _NUMBERS):
            number, wire, _, begin, stop = entry
            if number == _INTS and constant:
                ints += read_varints(self.model, entry, _MAX_PACKED) or ()
            elif wire != BYTES:
                continue
            elif number in (_TENSOR, _TENSORS):
                self._read_tensor(begin, stop, constant)
            elif number in (_SUBGRAPH, _SUBGRAPHS):
                raise _refuse("It has graphs inside of nodes.")
            elif number in (_SPARSE_TENSOR, _SPARSE_TENSORS):
                raise _refuse("It has sparse tensors.")
        if ints:
            self._note_shape(constant, [_signed(value) for value in ints])

    def _read_tensor(self, start: int, end: int, constant: bytes = b"") -> None:
        self.tensors += 1
        if self.tensors > MAX_TENSORS:
            raise _refuse(f"It has more than {MAX_TENSORS:,} tensors.")
        sides: list[int] = []
        values: list[int] = []
        kind, name, raw = 0, constant, (0, 0)
        for entry in self.reader.fields(start, end):
            number, wire, value, begin, stop = entry
            if number == _DIMS:
                packed = read_varints(self.model, entry, _MAX_PACKED)
                if packed is None or len(sides) + len(packed) > MAX_DIMENSIONS:
                    raise _refuse("It has a tensor of an impossible shape.")
                sides += packed
            elif number == _DATA_TYPE and wire == VARINT:
                kind = value & 0xFFFFFFFF
            elif number == _NAME and wire == BYTES and not constant:
                name = self.model[begin:stop]
            elif number == _RAW_DATA and wire == BYTES:
                raw = begin, stop
            elif number == _INT64_DATA:
                values += read_varints(self.model, entry, _MAX_PACKED) or ()
            elif number == _EXTERNAL or (number == _LOCATION and value & 0xFFFFFFFF):
                raise _refuse("It names data in another file, which no hash of the bundle covers.")
        if any(side >= 2**31 for side in sides):
            raise _refuse("It has a tensor of an impossible shape.")
        if math.prod(sides) * _BYTES_OF.get(kind, _WIDEST) > MAX_TENSOR_BYTES:
            raise _refuse(f"It has a tensor of more than {_shown(MAX_TENSOR_BYTES)}.")
        if kind == _INT64 and len(sides) <= 1:
            if 0 < raw[1] - raw[0] <= _MAX_SHAPE_BYTES:
                whole = raw[0] + (raw[1] - raw[0]) // 8 * 8
                places = range(raw[0], whole, 8)
                values = [int.from_bytes(self.model[at : at + 8], "little") for at in places]
            self._note_shape(name, [_signed(value) for value in values])

    def _note_shape(self, name: bytes, values: list[int]) -> None:
        self.shapes[name.decode(errors="replace")] = values


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _shown(count: int) -> str:
    return f"{count >> 20} MiB"


def _refuse(why: str) -> BundleError:
    return BundleError("bad_model", f"The graph is refused. {why}")
