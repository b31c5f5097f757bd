"""The learning rate of every step, by hand and against torch."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from unmask.recipes import Schedule  # noqa: E402
from unmask.training.rates import Plateau, rate_factor, warmed_cosine  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("step", "warmup", "total", "factor"),
    [
        # warm-up of four steps: a fifth, two fifths ... so that the first step is not for nothing
        (0, 4, 20, 0.2),
        (3, 4, 20, 0.8),
        # the peak
        (4, 4, 20, 1.0),
        # half-way down the cosine
        (12, 4, 20, 0.5),
        # three quarters down: (1 + cos(3 pi / 4)) / 2
        (16, 4, 20, (1 - math.sqrt(0.5)) / 2),
        # the end, and beyond it
        (20, 4, 20, 0.0),
        (99, 4, 20, 0.0),
        # no warm-up
        (0, 0, 10, 1.0),
        (5, 0, 10, 0.5),
        # a warm-up of half a step
        (0, 0.5, 10, 1 / 1.5),
        (1, 0.5, 10, 0.5 * (1 + math.cos(math.pi * 0.5 / 9.5))),
        # a warm-up as long as the run, and a longer one
        (10, 10, 10, 1.0),
        (9, 20, 10, 10 / 21),
        # a run of one step
        (0, 0, 1, 1.0),
    ],
)
def test_warmed_cosine_by_hand(step: int, warmup: float, total: int, factor: float) -> None:
    assert warmed_cosine(step, warmup, total) == pytest.approx(factor, abs=1e-12)


def test_warmed_cosine_rises_once_and_falls_once() -> None:
    factors = [warmed_cosine(step, 7.5, 60) for step in range(61)]
    peak = int(np.argmax(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert all(factor > 0 for factor in factors[:60])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # three epochs of two steps: without decay or warm-up nothing changes
        ({"decay": "constant"}, [1, 1, 1, 1, 1, 1]),
        # one epoch of warm-up: a third, two thirds
        ({"decay": "constant", "warmup_epochs": 1}, [1 / 3, 2 / 3, 1, 1, 1, 1]),
        # a tenth after every epoch
        ({"decay": "step", "decay_epochs": 1}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
        # a half after every second epoch
        ({"decay": "step", "decay_epochs": 2, "decay_factor": 0.5}, [1, 1, 1, 1, 0.5, 0.5]),
        # a plateau is no matter of steps
        ({"decay": "plateau", "decay_epochs": 1}, [1, 1, 1, 1, 1, 1]),
        # the cosine
        ({"decay": "cosine"}, [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]),
    ],
)
def test_decays_by_hand(settings: dict[str, object], expected: list[float]) -> None:
    schedule = Schedule.model_validate({"warmup_epochs": 0.0} | settings)
    assert [rate_factor(schedule, 3, 2, step) for step in range(6)] == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_plateau_is_torchs(epochs: int, interrupted: bool) -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    # Torch waits for more than its patience.
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=epochs - 1, threshold=0.0, eps=0
    )
    ours = Plateau(0.5, epochs)
    scales = set()
    for loss in np.random.default_rng(3).normal(0, 1, 40) - np.linspace(0, 2, 40):
        oracle.step(loss)
        ours.observe(float(loss))
        assert ours.scale == pytest.approx(optimizer.param_groups[0]["lr"])
        scales.add(ours.scale)
        if interrupted:
            kept, ours = ours.state(), Plateau(0.5, epochs)
            ours.restore(kept)
    assert len(scales) > 3
