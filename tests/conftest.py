"""Fixtures that tests of several packages use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unmask.bundle.bundle import Bundle, run_graph, write_bundle
from unmask.bundle.golden import GoldenCase, golden_pixels
from unmask.bundle.schema import BundleInfo, Threshold, UncertainBand
from unmask.imaging.preprocessing import Preprocessing
from unmask.imaging.session import single_thread_session

MakeGraph = Callable[..., bytes]
MakeBundle = Callable[..., Bundle]

TINY_SIZE = 32
TINY_GRID = 4


@pytest.fixture(scope="session")
def shared_faces() -> Path:
    """The shared images' folder, which holds manifest.csv; without it the test is skipped.

    It is looked for in the folder that UNMASK_SHARED names, or else in ``shared`` beside the repository.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    faces = Path(os.environ.get("UNMASK_SHARED", beside)) / "data" / "faces"
    if not faces.is_dir():
        pytest.skip("the shared images are not here")
    return faces


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    """scikit-image's portrait of Eileen Collins, 512 x 512; her face lies at about (173, 68) to (280, 174)."""
    return Image.fromarray(pytest.importorskip("skimage.data").astronaut())


def _tiny_graph(
    size: int = TINY_SIZE,
    grid: int = TINY_GRID,
    *,
    offset: float = -8.0,
    pixels_name: str = "pixels",
    pixels_type: str = "UINT8",
    outputs: tuple[str, str] = ("logit", "evidence"),
) -> bytes:
    """A detector in four nodes: evidence = mean grey of a cell / 16 + offset, logit = mean of the evidence.

    By default mid grey (128) gives a logit of 0, black -8 and white 7.9375, all without rounding.
    """
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.TensorProto
    cell = size // grid

    def constant(name: str, values: Any, kind: int, shape: list[int]) -> Any:
        return helper.make_tensor(name, kind, shape, values)

    logit, evidence = outputs
    nodes = [
        helper.make_node("Cast", [pixels_name], ["floats"], to=tensor.FLOAT),
        helper.make_node("Reshape", ["floats", "cells"], ["celled"]),
        helper.make_node("ReduceMean", ["celled", "inside"], ["grey"], keepdims=0),
        helper.make_node("Div", ["grey", "sixteen"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], [evidence]),
        helper.make_node("ReduceMean", [evidence, "plane"], [logit], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(pixels_name, getattr(tensor, pixels_type), ["n", size, size, 3])],
        [
            helper.make_tensor_value_info(logit, tensor.FLOAT, ["n"]),
            helper.make_tensor_value_info(evidence, tensor.FLOAT, ["n", grid, grid]),
        ],
        [
            constant("cells", [-1, grid, cell, grid, cell * 3], tensor.INT64, [5]),
            constant("inside", [2, 4], tensor.INT64, [2]),
            constant("plane", [1, 2], tensor.INT64, [2]),
            constant("sixteen", [16.0], tensor.FLOAT, []),
            constant("offset", [offset], tensor.FLOAT, []),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def tiny_info(**changes: Any) -> BundleInfo:
    """The description of a tiny bundle: 32 px, two thresholds, an uncertain band around the half."""
    content: dict[str, Any] = {
        "name": "tiny",
        "preprocessing": Preprocessing(size=TINY_SIZE),
        "thresholds": (
            Threshold(name="fpr_1", false_positive_budget=0.01, fake_probability=0.9, true_positive_rate=0.4),
            Threshold(name="fpr_5", false_positive_budget=0.05, fake_probability=0.5, true_positive_rate=0.8),
        ),
        "default_threshold": "fpr_5",
        "uncertain": UncertainBand(low=0.4, high=0.6, accuracy_outside=0.9, coverage=0.2),
    }
    return BundleInfo(**(content | changes))


@pytest.fixture(scope="session")
def make_graph() -> MakeGraph:
    """Makes the bytes of small ONNX graphs; see :func:`_tiny_graph` for what can be changed."""
    return _tiny_graph


@pytest.fixture(scope="session")
def make_bundle() -> MakeBundle:
    """Makes a bundle in a folder; keywords change fields of its ``bundle.json``, ``model`` and ``golden``."""

    def make(
        folder: Path, *, model: bytes | None = None, golden: tuple[GoldenCase, ...] | None = None, **changes: Any
    ) -> Bundle:
        content = _tiny_graph() if model is None else model
        if golden is None:
            pixels = np.stack([golden_pixels(seed, TINY_SIZE) for seed in range(2)])
            logits, evidence = run_graph(single_thread_session(content), pixels)
            golden = tuple(
                GoldenCase(seed=seed, logit=float(logits[seed]), evidence_mean=float(evidence[seed].mean()))
                for seed in range(2)
            )
        return write_bundle(folder, tiny_info(**changes), content, golden)

    return make


@pytest.fixture(scope="session")
def tiny_bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle whose logit is (mean grey - 128) / 16; not to be changed."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    make_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def whole_image_bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle, but it seeks no faces and judges the whole image; not to be changed."""
    folder = tmp_path_factory.mktemp("bundles") / "whole"
    make_bundle(folder, preprocessing=Preprocessing(size=TINY_SIZE, faces=None))
    return folder
