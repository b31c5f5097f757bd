"""Small tables of scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

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
