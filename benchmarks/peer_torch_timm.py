"""Baseline of ``speed.py``: the same job as a plain torch and timm script, as such detectors are often published.

    python benchmarks/peer_torch_timm.py portrait.jpg
    python benchmarks/peer_torch_timm.py folder/ --batch 32 --threads 2

The networks are the shipped detector's (two EfficientNet-Lite0 and a linear head on the stages of a third, at 160 px)
with random weights, because only time is compared. It does less than ``unmask detect``: it detects no face, reads no
provenance and makes no evidence map.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import timm
import torch
from PIL import Image
from torchvision import transforms

SIZE = 160
TO_TENSOR = transforms.Compose(
    [
        transforms.Resize((SIZE, SIZE)),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ]
)


class SumNetwork(torch.nn.Module):
    """The weighted sum of two networks' logits and of a linear head on the maps of a third's stages."""

    def __init__(self) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(
            timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1) for _ in range(2)
        )
        self.frozen = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        self.stages = self.frozen.prune_intermediate_layers([3, 4, 5, 6], prune_norm=True, extra_blocks=True)
        self.head = torch.nn.Linear(40 + 80 + 112 + 192, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels float32 [n, 3, 160, 160] to logits [n]."""
        maps = self.frozen.forward_intermediates(
            pixels, indices=self.stages, intermediates_only=True, extra_blocks=True
        )
        probe = self.head(torch.cat([each.mean((2, 3)) for each in maps], 1))[:, 0]
        return torch.stack([member(pixels)[:, 0] for member in self.members]).mean(0) + 0.3 * probe


def read(path: Path) -> torch.Tensor:
    """One image as float32 [3, 160, 160] in [-1, 1]."""
    with Image.open(path) as image:
        pixels: torch.Tensor = TO_TENSOR(image.convert("RGB"))
    return pixels


def batches(paths: list[Path], batch: int) -> Iterator[list[Path]]:
    """The paths in batches."""
    for start in range(0, len(paths), batch):
        yield paths[start : start + batch]


def main() -> None:
    """Print one JSON line an image."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path, help="an image, or a folder of JPEG files")
    parser.add_argument("--batch", type=int, default=1, help="batch size (default: 1)")
    parser.add_argument("--threads", type=int, help="threads for decoding and for torch (default: torch's choice)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = SumNetwork().eval()
    path = arguments.path
    paths = sorted(path.glob("*.jpg")) if path.is_dir() else [path]
    with torch.inference_mode(), ThreadPoolExecutor(arguments.threads) as pool:
        for chosen in batches(paths, arguments.batch):
            pixels = torch.stack(list(pool.map(read, chosen)))
            for name, probability in zip(chosen, torch.sigmoid(model(pixels)).tolist(), strict=True):
                print(json.dumps({"path": str(name), "fake_probability": probability}))


if __name__ == "__main__":
    main()
