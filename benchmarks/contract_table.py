"""Every registered backbone with every kind of head, through everything that a recipe needs of a network.

    python benchmarks/contract_table.py --out benchmarks/results/contract.json
    python benchmarks/contract_table.py --backbones mobilenet_v2 vgg16 --heads linear se --out some.json
    python benchmarks/contract_table.py --resume --out benchmarks/results/contract.json

Forward pass, two training steps, pooled features, export, parity of the graph with torch for logits and evidence,
features of the exported graph, and a verdict of the bundle. Weights are random and images are noise of the smallest
size that the backbone accepts, so this does not measure how well a network detects fakes.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _report import argument_parser, describe_run, write_json
from unmask import load
from unmask.bundle.bundle import write_bundle
from unmask.bundle.schema import BundleInfo
from unmask.imaging.session import single_thread_session
from unmask.models.network import FaceNetwork
from unmask.models.registry import BACKBONES
from unmask.recipes import Recipe
from unmask.training.export import export_features, export_onnx, parity, record_golden

TOLERANCE = 1e-4
HEADS: dict[str, dict[str, Any]] = {
    "linear": {},
    "dense": {"head": {"kind": "dense", "units": [16], "batch_norm": True, "output": "softmax"}},
    "se": {"attention": "se"},
    "cbam": {"attention": "cbam"},
    "gated": {
        "fusion": {
            "kind": "gated",
            "width": 32,
            "branches": [{"name": "mobilenet_v3_small", "weights": ["none"], "input": "fft"}],
        }
    },
    "spectrum": {"input": "dct"},
}
# Of transformers only, so not a column of the table; the contract's test runs it.
TOKENS: dict[str, dict[str, Any]] = {"tokens": {"tokens": [6, 9, 11]}}
_PACKAGES = ("unmask", "torch", "timm", "onnx", "onnxscript", "onnxruntime", "numpy")
_SIDE = 64
# The smallest it takes is 75 px, and the block spectrum has half the side of the image.
_SIDES = {"inception_resnet_v2": 160}


@dataclass(frozen=True)
class Row:
    """What one network did.

    Attributes:
        backbone: name in the registry.
        head: name in ``HEADS``.
        side: of the images, in pixels.
        parameters_millions: of the whole network.
        parity: largest absolute difference between torch and the exported graph.
        seconds: all of it, wall clock.
    """

    backbone: str
    head: str
    side: int
    parameters_millions: float
    parity: float
    seconds: float


def run(backbone: str, head: str) -> Row:
    """Take one network through the contract.

    Raises:
        AssertionError: a part of it does not hold.
    """
    started = time.perf_counter()
    torch.manual_seed(0)
    recipe = _recipe(backbone, head)
    side = recipe.preprocessing.size
    network = FaceNetwork(recipe)
    pixels = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), np.uint8)
    _train(network, torch.from_numpy(pixels))
    network.eval()
    with torch.inference_mode():
        logit, evidence = network(torch.from_numpy(pixels))
        pooled = network.pooled(torch.from_numpy(pixels))
        torch.testing.assert_close(evidence.mean((1, 2)), logit, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network.logit_of(pooled), logit, rtol=1e-4, atol=1e-4)
    assert pooled.shape == (len(pixels), network.feature_width)
    model = export_onnx(network, side)
    difference = parity(network, model, pixels[:3])
    assert difference <= TOLERANCE, f"the graph differs by {difference:.2g}"
    [features] = single_thread_session(export_features(network, side)).run(["features"], {"pixels": pixels[:3]})
    np.testing.assert_allclose(features, pooled[:3].numpy(), rtol=1e-3, atol=1e-3)
    _judge(recipe, model)
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    return Row(backbone, head, side, round(millions, 3), difference, round(time.perf_counter() - started, 1))


def _recipe(backbone: str, head: str) -> Recipe:
    changes = dict((HEADS | TOKENS)[head])
    of_backbone = {key: changes.pop(key) for key in ("attention", "input", "tokens") if key in changes}
    return Recipe.model_validate(
        {
            "name": "contract",
            "backbone": {"name": backbone, "weights": ["none"]} | of_backbone,
            "preprocessing": {"size": _SIDES.get(backbone, _SIDE)},
        }
        | changes
    )


def _train(network: FaceNetwork, pixels: torch.Tensor) -> None:
    """Two steps: residual branches that begin with a scale of zero get no slope in the first one."""
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    target = torch.tensor([0.0, 1.0, 0.0, 1.0])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    network.train()
    for _ in range(2):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(pixels)[0], target)
        assert loss.isfinite()
        loss.backward()
        optimizer.step()
    still = [name for name, value in network.named_parameters() if torch.equal(value, before[name])]
    assert not still, f"not trained: {', '.join(still[:5])}"


def _judge(recipe: Recipe, model: bytes) -> None:
    cut = {"name": "fpr_5", "false_positive_budget": 0.05, "fake_probability": 0.5, "true_positive_rate": 0.5}
    info = BundleInfo.model_validate(
        {
            "name": recipe.name,
            "preprocessing": recipe.preprocessing,
            "thresholds": [cut],
            "default_threshold": "fpr_5",
            "uncertain": {"low": 0.4, "high": 0.6, "accuracy_outside": 1, "coverage": 0},
        }
    )
    image = np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        golden = record_golden(model, recipe.preprocessing.size)
        write_bundle(Path(folder) / "bundle", info, model, golden).verify()
        verdict = load(Path(folder) / "bundle").detect(image)
    assert verdict.result in {"REAL", "FAKE"}, verdict


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the table and write it."""
    parser = argument_parser(__doc__)
    parser.add_argument("--backbones", nargs="+", choices=sorted(BACKBONES), default=list(BACKBONES))
    parser.add_argument("--heads", nargs="+", choices=sorted(HEADS), default=list(HEADS))
    parser.add_argument("--resume", action="store_true", help="keep the rows that are already in the file")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    kept = (
        json.loads(options.out.read_text(encoding="utf-8"))["rows"] if options.resume and options.out.exists() else []
    )
    rows = {(row["backbone"], row["head"]): row for row in kept}
    for backbone in options.backbones:
        for head in options.heads:
            if (backbone, head) not in rows:
                row = run(backbone, head)
                print(f"{row.backbone:22} {row.head:10} {row.parity:9.2g} {row.seconds:7.1f} s", flush=True)
                rows[backbone, head] = asdict(row)
        whole = [rows[key] for key in product(BACKBONES, HEADS) if key in rows]
        described = describe_run(_PACKAGES, bundle_sha256="", smoke=len(whole) < len(BACKBONES) * len(HEADS))
        write_json(options.out, {"run": described, "tolerance": TOLERANCE, "rows": whole})


if __name__ == "__main__":
    main()
