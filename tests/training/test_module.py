"""Loss, learning rate and optimiser, against torch and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from unmask.recipes import Recipe  # noqa: E402
from unmask.training.module import DetectorModule, warmed_cosine  # noqa: E402

pytestmark = pytest.mark.train


def module(**schedule: Any) -> DetectorModule:
    torch.manual_seed(0)
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "backbone": {"name": "mobilenetv3_small_050", "weights": ["none"]},
            "head": {"dropout": 0.0},
            "schedule": {"epochs": 4, **schedule},
        }
    )
    made = DetectorModule(recipe, steps_per_epoch=5)
    made.log = lambda *_, **__: None  # type: ignore[method-assign]
    return made


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


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.2])
def test_the_loss_is_binary_cross_entropy_with_smoothed_targets(
    smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = module(label_smoothing=smoothing)
    logit = torch.tensor([-30.0, -2.0, 0.0, 0.5, 40.0], dtype=torch.float64)
    target = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0])
    monkeypatch.setattr(made.network, "forward", lambda _: (logit, None))
    # By the definition, with targets written out.
    smoothed = torch.where(target > 0, 1 - smoothing, smoothing).double()
    by_hand = -(smoothed * logit.sigmoid().log() + (1 - smoothed) * (-logit).sigmoid().log()).mean()
    loss = made.training_step((torch.zeros(5), target), 0)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(by_hand), rel=1e-6)
    oracle = torch.nn.BCEWithLogitsLoss()(logit, smoothed)
    assert float(loss) == pytest.approx(float(oracle), rel=1e-6)


def test_validation_is_not_smoothed_and_its_figures_are_over_the_whole_split(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    made = module(label_smoothing=0.2)
    logged: dict[str, list[float]] = {}
    made.log = lambda name, value, **_: logged.setdefault(name, []).append(float(value))  # type: ignore[method-assign]
    rng = np.random.default_rng(0)
    for _ in range(2):  # a second epoch must not see the first
        logit, target = rng.normal(0, 2, 30), (rng.random(30) < 0.4).astype(float)
        logged.clear()
        for start in range(0, 30, 8):
            part = torch.tensor(logit[start : start + 8])
            monkeypatch.setattr(made.network, "forward", lambda _, part=part: (part, None))
            made.validation_step((torch.zeros(len(part)), torch.tensor(target[start : start + 8])), 0)
        made.on_validation_epoch_end()
        assert logged["val_auc"] == [pytest.approx(metrics.roc_auc_score(target, logit), abs=1e-6)]
        assert logged["val_accuracy"] == [pytest.approx(np.mean((logit > 0) == (target > 0)), abs=1e-6)]
        first = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(logit[:8]), torch.tensor(target[:8]))
        assert logged["val_loss"][0] == pytest.approx(float(first), rel=1e-5)


def test_weight_decay_is_for_filters_and_matrices_only() -> None:
    made = module(weight_decay=0.3, learning_rate=0.01)
    optimizer = made.configure_optimizers()["optimizer"]
    decayed, free = optimizer.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.3, 0.0)
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert all(parameter.ndim <= 1 for parameter in free["params"])
    names = {id(parameter): name for name, parameter in made.network.named_parameters()}
    grouped = [names[id(parameter)] for group in (decayed, free) for parameter in group["params"]]
    assert sorted(grouped) == sorted(names.values())
    assert "head.linear.bias" in [names[id(parameter)] for parameter in free["params"]]


def test_the_learning_rate_follows_the_cosine() -> None:
    made = module(warmup_epochs=0.4, learning_rate=0.02)  # 2 steps of 20
    configured = made.configure_optimizers()
    assert configured["lr_scheduler"]["interval"] == "step"
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([0.02 * warmed_cosine(step, 2.0, 20) for step in range(20)])


def test_an_epoch_draws_its_dropout_from_seed_and_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = {}
    for seed in (1, 2):
        made = module()
        made.recipe = made.recipe.model_copy(update={"seed": seed})
        for epoch in (0, 1):
            monkeypatch.setattr(DetectorModule, "current_epoch", epoch)
            made.on_train_batch_start(None, 0)
            first = torch.rand(3).tolist()
            torch.rand(100)
            made.on_train_batch_start(None, 0)
            assert torch.rand(3).tolist() == first
            # Only an epoch's first batch starts afresh.
            made.on_train_batch_start(None, 1)
            assert torch.rand(3).tolist() != first
            draws[seed, epoch] = tuple(first)
    assert len(set(draws.values())) == 4
