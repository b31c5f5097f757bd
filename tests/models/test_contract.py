"""Every registered backbone with every kind of head, through training, export and a verdict."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("onnxscript")

from contract_table import HEADS, TOKENS, TOLERANCE, run
from unmask.models.registry import BACKBONES

pytestmark = pytest.mark.train

TRANSFORMERS = ("clip_vit_b16", "vit_small")
LIGHT = {("mobilenet_v1", "linear"), ("mobilenet_v2", "linear"), ("mobilenet_v3_small", "linear")}


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        pytest.param(backbone, head, marks=[] if (backbone, head) in LIGHT else [pytest.mark.nightly])
        for backbone, head in [*itertools.product(BACKBONES, HEADS), *itertools.product(TRANSFORMERS, TOKENS)]
    ],
)
def test_the_contract_holds(backbone: str, head: str) -> None:
    row = run(backbone, head)
    assert row.parity <= TOLERANCE
    assert row.parameters_millions > 0.5
