"""Small tables of scores, and a small set of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.evaluation.scores import Scores

MakeScores = Callable[..., Scores]


@pytest.fixture(scope="session")
def make_scores() -> MakeScores:
    """Makes a table from truths and probabilities (NaN for a failure); columns by keyword."""

    def make(
        is_fake: Sequence[bool],
        probability: Sequence[float],
        *,
        model: str = "made",
        threshold: float = 0.5,
        paths: Sequence[str] | None = None,
        **columns: Sequence[str],
    ) -> Scores:
        values = np.asarray(probability, float)
        by_name: Mapping[str, tuple[str, ...]] = {name: tuple(cells) for name, cells in columns.items()}
        return Scores(
            name=f"{model}.csv",
            model=model,
            path=tuple(paths) if paths is not None else tuple(f"{at}.png" for at in range(len(values))),
            is_fake=np.asarray(is_fake, bool),
            fake_probability=values,
            error=tuple("truncated" if missing else "" for missing in np.isnan(values)),
            threshold=threshold,
            columns=by_name,
        )

    return make


@pytest.fixture(scope="session")
def from_matrix(make_scores: MakeScores) -> MakeScores:
    """Makes a table from a confusion matrix; the wrong answers of a class come first, reals before fakes."""

    def make(real_right: int, real_wrong: int, fake_right: int, fake_wrong: int, **given: str) -> Scores:
        called_fake = [True] * real_wrong + [False] * (real_right + fake_wrong) + [True] * fake_right
        is_fake = [False] * (real_right + real_wrong) + [True] * (fake_right + fake_wrong)
        return make_scores(is_fake, [float(called) for called in called_fake], **given)

    return make


@pytest.fixture(scope="session")
def striped_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 24 images of noise for training, 12 for validation, 12 for testing; fakes have stripes."""
    folder = tmp_path_factory.mktemp("striped")
    lines = ["path,label,source,group,split"]
    for number, split in enumerate(["train"] * 24 + ["val"] * 12 + ["test"] * 12):
        pixels = np.random.default_rng(number).integers(60, 190, (40, 40, 3))
        if number % 2:
            pixels += 40 * (np.arange(40) // 4 % 2)[None, :, None]
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
        label, source = ("fake", "gan") if number % 2 else ("real", "camera")
        lines.append(f"{number:02}.png,{label},{source},person {number},{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "manifest.csv"
