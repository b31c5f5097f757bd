"""Fake twins of real training photographs, both sides encoded alike, for ``clip_probe.py``.

recoded   the photograph's face crop, made a little smaller and saved as JPEG; real
rebuilt   the same after a small autoencoder (of the latent space of a generator) has drawn the crop
blended   the same of a self-blended copy of the photograph

Size and quality are drawn from the photograph's SHA-256, so the three differ in nothing but the manipulation.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from _clip_features import PREPROCESSING, SIZE, Encode, in_order, shard_file, write_shard
from unmask.data.make.self_blend import self_blend
from unmask.data.manifest import Manifest
from unmask.imaging.decode import decode_image, read_bytes
from unmask.imaging.faces import Box, Face, FaceFinder
from unmask.imaging.preprocessing import Pixels, crop_of

TWINS: Final = ("recoded", "rebuilt", "blended")
_SHARD: Final = 128
_GRID: Final = 8  # the autoencoder's latent space is an eighth of the side
_MOST: Final = 320

Rebuild = Callable[[Image.Image], Image.Image]


def extract_twins(
    manifest: Manifest, count: int, rebuild: Rebuild, folder: Path, encode: Encode, report: Callable[[str], object]
) -> None:
    """Compute the shards that the folder lacks, of the first photographs of the training split that show a face."""
    rows = [row for row in in_order(manifest) if row.label == "real" and row.split == "train"][:count]
    finder = FaceFinder(PREPROCESSING.faces)
    for start in range(0, len(rows), _SHARD):
        if all(shard_file(folder, view, start).exists() for view in TWINS):
            continue
        paths, seen = [], {view: [] for view in TWINS}  # type: tuple[list[str], dict[str, list[Pixels]]]
        for row in rows[start : start + _SHARD]:
            data = read_bytes(manifest.resolve(row))
            image = decode_image(data)
            if not (faces := finder.find(image)):
                continue
            paths.append(row.path)
            for view in TWINS:
                seen[view].append(twin(image, faces[0], view, hashlib.sha256(data).digest(), rebuild))
        for view in TWINS:
            write_shard(shard_file(folder, view, start), paths, seen[view], encode)
        report(f"twins: {start + len(paths)} of {len(rows)}")


def twin(image: Image.Image, face: Face, view: str, digest: bytes, rebuild: Rebuild) -> Pixels:
    """One side of a pair: uint8 [224, 224, 3]."""
    crop: Box = crop_of(face, image.size, PREPROCESSING)
    draw = np.random.default_rng(int.from_bytes(digest[8:16]))
    scale, quality = draw.uniform(0.7, 1.0), int(draw.integers(60, 96))
    if view == "blended":
        image = self_blend(image, face, np.random.default_rng(int.from_bytes(digest[16:24]))).image
    side = max(_GRID * 4, int(min(crop[2] - crop[0], crop[3] - crop[1])) // _GRID * _GRID)
    left, top = min(int(crop[0]), image.width - side), min(int(crop[1]), image.height - side)
    part = image.crop((left, top, left + side, top + side))
    if side > _MOST:
        part, side = part.resize((_MOST, _MOST), Image.Resampling.BICUBIC), _MOST
    if view == "rebuilt":
        part = rebuild(part)
    part = part.resize((max(32, round(side * scale)),) * 2, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    part.save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))


class TinyAutoencoder:
    """The tiny autoencoder of FLUX.2's latent space (taef2, O. Boer Bohan, MIT).

    Args:
        folder: where ``taef2_encoder.pth`` and ``taef2_decoder.pth`` lie.
    """

    def __init__(self, folder: Path) -> None:
        self._encoder = _filled(_encoder(), folder / "taef2_encoder.pth")
        self._decoder = _filled(_decoder(), folder / "taef2_decoder.pth")

    def __call__(self, image: Image.Image) -> Image.Image:
        """The image drawn again; its sides must be multiples of 8."""
        pixels = torch.from_numpy(np.array(image, np.float32) / 255).permute(2, 0, 1)[None]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            latent = self._encoder(pixels.contiguous(memory_format=torch.channels_last))
            drawn = self._decoder(torch.tanh(latent.float() / 3) * 3)
        values = drawn.float().clamp(0, 1)[0].permute(1, 2, 0).numpy()
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))


class _Block(nn.Module):
    def __init__(self, *, gated: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*layers[:-1])
        wide, narrow = nn.Conv2d(64, 256, 1, bias=False), nn.Conv2d(256, 64, 1, bias=False)
        self.pool = nn.Sequential(wide, nn.GroupNorm(4, 256), nn.ReLU(), narrow) if gated else None

    def forward(self, features: Tensor) -> Tensor:
        if self.pool is not None:
            features = features + self.pool(features)
        return torch.relu(self.conv(features) + features)


def _encoder() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, padding=1), _Block(gated=False)]
    for level in range(3):
        layers.append(nn.Conv2d(64, 64, 3, padding=1, stride=2, bias=False))
        layers += [_Block(gated=level == 2) for _ in range(3)]
    return nn.Sequential(*layers, nn.Conv2d(64, 32, 3, padding=1))


def _decoder() -> nn.Module:
    layers: list[nn.Module] = [nn.Identity(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()]
    for level in range(3):
        layers += [_Block(gated=level == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(64, 64, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, _Block(gated=False), nn.Conv2d(64, 3, 3, padding=1))


def _filled(network: nn.Module, path: Path) -> Any:
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict({name: value.float() for name, value in state.items()})
    whole: Any = network.eval()
    return whole.to(memory_format=torch.channels_last)
