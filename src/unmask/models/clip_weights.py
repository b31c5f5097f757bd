"""CLIP's image encoder out of an ONNX file whose matrices are quantised to 8 bits, as weights of timm's network.

The file computes with 8-bit activations as well, which ruins its output: on natural images the embedding's cosine with
the true one can fall to 0.4. The stored weights are good all the same, because each output channel has its own scale:
``(q - zero point) * scale`` restores them to within half a step of 1/127 of the channel's largest weight. Convolution,
embeddings and norms are stored in float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float32]

_TOWER = "vision_model"
_BLOCK_LAYERS = {"attn.proj": "self_attn.out_proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}


def read_quantised_clip(path: Path) -> dict[str, Tensor]:
    """The weights under the names of timm's ``vit_base_patch16_clip_quickgelu_224``, its projection as ``head``.

    Args:
        path: an ONNX export of Hugging Face's ``CLIPVisionModelWithProjection``, quantised dynamically by ONNX Runtime
            with one scale per output channel.

    Raises:
        ImportError: onnx is not installed.
        ValueError: the file is not such an export.
    """
    try:
        tensors, matrices = _read(path)
        return {
            name: torch.from_numpy(np.array(value, np.float32)) for name, value in _rename(tensors, matrices).items()
        }
    except KeyError as error:
        raise ValueError(f"the file has no {error.args[0]}: it is not CLIP's image encoder") from None


def _read(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Floats]]:
    """All stored tensors, and the float matrix [out, in] of each quantised product by the product's place."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path), load_external_data=False).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    matrices = {}
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        _, quantised, _, zero_point = node.input
        scale = tensors[f"{quantised.removesuffix('_quantized')}_scale"]
        steps = tensors[quantised].astype(np.float32) - tensors[zero_point].astype(np.float32)
        matrices[node.name.strip("/").removesuffix("/MatMul_quant").replace("/", ".")] = (steps * scale).T
    return tensors, matrices


def _rename(tensors: dict[str, npt.NDArray[Any]], matrices: dict[str, Floats]) -> dict[str, npt.NDArray[Any]]:
    embeddings = f"{_TOWER}.embeddings"
    state = {
        "cls_token": tensors[f"{embeddings}.class_embedding"].reshape(1, 1, -1),
        "pos_embed": tensors[f"{embeddings}.position_embedding.weight"][np.newaxis],
        "patch_embed.proj.weight": tensors[f"{embeddings}.patch_embedding.weight"],
    }
    norms = {"norm_pre": f"{_TOWER}.pre_layrnorm", "norm": f"{_TOWER}.post_layernorm"}
    for block in range(_blocks(matrices)):
        ours, theirs = f"blocks.{block}", f"{_TOWER}.encoder.layers.{block}"
        attention = [f"{theirs}.self_attn.{part}_proj" for part in "qkv"]
        state[f"{ours}.attn.qkv.weight"] = np.concatenate([matrices[part] for part in attention])
        state[f"{ours}.attn.qkv.bias"] = np.concatenate([tensors[f"{part}.bias"] for part in attention])
        for own, their in _BLOCK_LAYERS.items():
            state[f"{ours}.{own}.weight"] = matrices[f"{theirs}.{their}"]
            state[f"{ours}.{own}.bias"] = tensors[f"{theirs}.{their}.bias"]
        norms |= {f"{ours}.norm1": f"{theirs}.layer_norm1", f"{ours}.norm2": f"{theirs}.layer_norm2"}
    for own, their in norms.items():
        state |= {f"{own}.{part}": tensors[f"{their}.{part}"] for part in ("weight", "bias")}
    projection = matrices["visual_projection"]
    return {**state, "head.weight": projection, "head.bias": np.zeros(len(projection), np.float32)}


def _blocks(matrices: dict[str, Floats]) -> int:
    return sum(name.endswith(".mlp.fc1") for name in matrices)
