"""Small sets of images in which both labels are made by one process, and faults that are planted in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow

SPLITS = ("train", "train", "train", "val", "test")


def make_image(seed: int, side: int = 112) -> Image.Image:
    """An image of its own: a coarse random scene with some grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    scene = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float64)
    grain = rng.normal(0, rng.uniform(2, 12), scene.shape)
    return Image.fromarray(np.clip(scene * rng.uniform(0.6, 1.2) + grain, 0, 255).astype(np.uint8))


class ImageSet:
    """Rows and files that a test changes before it makes a manifest of them."""

    def __init__(self, folder: Path, count: int = 80, seed: int = 0) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        self.rows: list[ManifestRow] = []
        self.images: list[Image.Image] = []
        folder.mkdir(parents=True, exist_ok=True)
        labels = self.rng.permutation(np.arange(count) % 2)
        for at, label in enumerate(labels):
            image = make_image(seed * 100_000 + at, int(self.rng.integers(96, 129)))
            self.add(image, "fake" if label else "real", f"g{at}", SPLITS[at % len(SPLITS)])

    def add(self, image: Image.Image, label: str, group: str, split: str, **cells: str) -> int:
        """Save an image as the others are, and list it; its row."""
        at = len(self.rows)
        path = f"p{at:04d}.jpg"
        image.save(self.folder / path, quality=int(self.rng.integers(75, 96)))
        generator, kind = ("gan-1", "gan") if label == "fake" else ("camera", "real")
        cells = {"source": ("web", "studio")[at // 2 % 2], "generator": generator, "kind": kind} | cells
        self.rows.append(ManifestRow(path=path, label=label, group=group, split=split, **cells))  # type: ignore[arg-type]
        self.images.append(image)
        return at

    def change(self, at: int, **cells: str) -> None:
        """Change cells of a row."""
        self.rows[at] = replace(self.rows[at], **cells)

    def of(self, label: str) -> list[int]:
        """The rows of a label."""
        return [at for at, row in enumerate(self.rows) if row.label == label]

    @property
    def manifest(self) -> Manifest:
        """The set as it is now."""
        return Manifest.from_rows(self.rows, self.folder)


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., ImageSet]:
    """Makes clean sets of images."""
    return lambda count=80, seed=0: ImageSet(tmp_path / f"set-{seed}", count, seed)
