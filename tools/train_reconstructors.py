"""Train the small autoencoders behind ``unmask data synthesize --kind reconstruct`` and ``data.reconstructed``.

    python tools/train_reconstructors.py --manifest faces.csv --out src/unmask/assets/reconstructors

They learn to encode real images into a narrow code and decode them again, each with a different way of up-sampling, so
that the output has the content and pixels of its source plus the traces of up-sampling. Only real rows of the training
split are used. Each network is written as ONNX: ``picture`` uint8 [height, width, 3], sides multiples of four, to
``reconstruction`` of the same shape; weights are stored in half precision. Prints each network's mean error on rows of
the validation split. The same manifest, seed and machine give the same files.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from unmask.data.manifest import Manifest
from unmask.imaging.decode import decode_image
from unmask.training.memory import keep_freed_memory

# Name: way of up-sampling, number of halvings, channels of the code. An image has 12 values per 2 x 2 pixels and 48
# per 4 x 4, so every code holds between a third and two thirds of it.
NETWORKS: Final = {
    "nearest-2": ("nearest", 1, 8),
    "nearest-4": ("nearest", 2, 20),
    "transposed-4": ("transposed", 2, 20),
    "shuffle-4": ("shuffle", 2, 20),
}
_WIDTH: Final = 16
_PATCH: Final = 96
_BATCH: Final = 16


class Autoencoder(nn.Module):
    """Strided convolutions down to a code, and up-sampling back: float [n, 3, h, w], centred on 0."""

    def __init__(self, upsampling: str, levels: int, code: int) -> None:
        super().__init__()
        channels = [_WIDTH * 2**level for level in range(levels + 1)]
        layers = [_block(3, channels[0])]
        for before, after in pairwise(channels):
            layers += [_block(before, after, stride=2), _block(after, after)]
        layers += [nn.Conv2d(channels[-1], code, 1), _block(code, channels[-1])]
        for before, after in pairwise(channels[::-1]):
            layers += [_up(upsampling, before, after), nn.SiLU(), _block(after, after)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[0], 3, 3, padding=1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Reconstruct images: float [n, 3, h, w], h and w multiples of 2 to the power of the levels."""
        return self.layers(images)  # type: ignore[no-any-return]


class _Bytes(nn.Module):
    """The network with bytes as input and output pixels."""

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        shown = self.network(image.permute(2, 0, 1)[None].float() / 127.5 - 1)
        return ((shown[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _block(before: int, after: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.SiLU())


def _up(kind: str, before: int, after: int) -> nn.Module:
    if kind == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(before, after, 3, padding=1))
    if kind == "transposed":
        return nn.ConvTranspose2d(before, after, 4, 2, 1)
    return nn.Sequential(nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2))


def train(images: list[np.ndarray], settings: tuple[str, int, int], steps: int, seed: int) -> Autoencoder:
    """Train one network on the mean absolute error of pixels and of differences between neighbours."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Autoencoder(*settings)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        batch = _normalised(np.stack([_patch(images, rng) for _ in range(_BATCH)]))
        shown = network(batch)
        loss = (shown - batch).abs().mean()
        for axis in (-1, -2):
            loss = loss + (shown.diff(dim=axis) - batch.diff(dim=axis)).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rates.step()
    return network.eval()


def _patch(images: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    image = images[rng.integers(len(images))]
    top, left = (int(rng.integers(side - _PATCH + 1)) for side in image.shape[:2])
    patch = image[top : top + _PATCH, left : left + _PATCH]
    return patch[:, ::-1] if rng.random() < 0.5 else patch


def _normalised(batch: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float() / 127.5 - 1


def error(network: Autoencoder, images: list[np.ndarray], seed: int) -> float:
    """Measure the loss of a network: mean peak signal-to-noise ratio over a patch of each image, in dB."""
    rng = np.random.default_rng(seed)
    batch = _normalised(np.stack([_patch([image], rng) for image in images]))
    with torch.inference_mode():
        squared = ((network(batch).clamp(-1, 1) - batch) / 2).square().mean((1, 2, 3))
    return float((-10 * squared.clamp_min(1e-8).log10()).mean())


def export(network: Autoencoder, path: Path) -> None:
    """Write a network as ONNX, with weights in half precision that the graph widens again."""
    dims = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.onnx.export(
        _Bytes(network).eval(),
        (torch.zeros(128, 64, 3, dtype=torch.uint8),),
        dynamo=True,
        input_names=["picture"],
        output_names=["reconstruction"],
        dynamic_shapes=(dims,),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    halves = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
            half = numpy_helper.to_array(tensor).astype(np.float16)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            halves.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(halves):
        model.graph.node.insert(0, node)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Train, export and test the networks that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=[*NETWORKS], default=[*NETWORKS])
    parser.add_argument("--steps", type=int, default=1500, help="number of steps, of 16 patches of 96 px each")
    parser.add_argument("--images", type=int, default=2000, help="use a random sample of at most this many real images")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    keep_freed_memory()
    manifest = Manifest.open(arguments.manifest)
    images: dict[str, list[np.ndarray]] = {}
    for split, most in (("train", arguments.images), ("val", 200)):
        paths = [manifest.resolve(row) for row in manifest if row.label == "real" and row.split == split]
        np.random.default_rng(arguments.seed).shuffle(paths)  # type: ignore[arg-type]
        read = (np.asarray(decode_image(path)) for path in paths[:most])
        images[split] = [image for image in read if min(image.shape[:2]) >= _PATCH]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        begun = time.monotonic()
        network = train(images["train"], NETWORKS[name], arguments.steps, arguments.seed)
        export(network, arguments.out / f"{name}.onnx")
        size = (arguments.out / f"{name}.onnx").stat().st_size
        quality = error(network, images["val"], arguments.seed)
        print(f"{name}: {quality:.1f} dB, {size} bytes, {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
