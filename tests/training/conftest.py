"""A toy data set on disk and a recipe that learns it in a second or two an epoch."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are fastest on one thread, above all on a machine that is busy with something else."""
    if importlib.util.find_spec("torch") is None:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


MakeToy = Callable[..., Path]

COLUMNS = ("path", "label", "source", "group", "split")

RECIPE = """
name: toy
summary: a toy
seed: 5
backbone: {name: test_efficientnet, weights: [none]}
preprocessing: {size: 32, faces: null}
augmentation: {rescale: 0, codec: 0.2}
schedule: {epochs: 4, batch_size: 4, learning_rate: 3.0e-3, warmup_epochs: 0.5, patience: 9}
"""


def write_image(path: Path, is_fake: bool, seed: int) -> None:
    """Noise; a fake has stripes in it."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 190, (56, 64, 3))
    if is_fake:
        pixels += 40 * (np.arange(64) // 4 % 2)[None, :, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_table(path: Path, rows: Sequence[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def make_toy() -> MakeToy:
    """Writes images of both classes and a manifest of them; gives the manifest's path.

    Args: folder; train: images to train on; val: images of split ``val``; more: further rows.
    """

    def make(folder: Path, train: int = 16, val: int = 8, more: Sequence[dict[str, str]] = ()) -> Path:
        rows = []
        for number in range(train + val):
            is_fake = number % 2 == 1
            name = f"{number:02}.png"
            write_image(folder / name, is_fake, number)
            rows.append(
                {
                    "path": name,
                    "label": "fake" if is_fake else "real",
                    "source": "camera" if not is_fake else ("gan" if number % 4 == 1 else "swap"),
                    "group": f"person {number}",
                    "split": "train" if number < train else "val",
                }
            )
        write_table(folder / "manifest.csv", [*rows, *more])
        return folder / "manifest.csv"

    return make


@pytest.fixture(scope="session")
def toy_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe's file."""
    path = tmp_path_factory.mktemp("recipe") / "toy.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def toy_manifest(make_toy: MakeToy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen images to train on and eight to validate on; not to be changed."""
    return make_toy(tmp_path_factory.mktemp("toy"))
