"""Loss, learning rate and optimiser, against torch and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from unmask.recipes import Recipe  # noqa: E402
from unmask.training.losses import batch_loss  # noqa: E402
from unmask.training.module import DetectorModule  # noqa: E402
from unmask.training.rates import warmed_cosine  # noqa: E402

pytestmark = pytest.mark.train


def module(**schedule: Any) -> DetectorModule:
    torch.manual_seed(0)
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "backbone": {"name": "test_efficientnet", "weights": ["none"]},
            "head": {"dropout": 0.0},
            "schedule": {"epochs": 4, **schedule},
        }
    )
    made = DetectorModule(recipe, steps_per_epoch=5)
    made.log = lambda *_, **__: None  # type: ignore[method-assign]
    return made


def test_training_takes_the_recipes_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(label_smoothing=0.1, loss="focal")
    logit, target = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64), torch.tensor([0.0, 1.0, 0.0])
    monkeypatch.setattr(made.network, "forward", lambda _: (logit, None))
    loss = made.training_step((torch.zeros(3), target), 0)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(batch_loss(logit, target, made.recipe.schedule, (1.0, 1.0))), rel=1e-6)


def test_mixing_is_drawn_from_seed_epoch_and_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(mixup=1.0)
    pixels, target = torch.arange(4.0).view(4, 1, 1, 1), torch.tensor([0.0, 1.0, 0.0, 1.0])
    seen = {}
    monkeypatch.setattr(made.network, "forward", lambda mixed: (mixed.flatten(), None))

    def spy(logit: Any, mixed: Any, *_: Any) -> Any:
        return logit.tolist() + mixed.tolist()

    monkeypatch.setattr("unmask.training.module.batch_loss", spy)
    for epoch in (0, 1):
        monkeypatch.setattr(DetectorModule, "current_epoch", epoch)
        for index in (0, 1):
            torch.rand(epoch + 3 * index)
            first = made.training_step((pixels, target), index)
            assert made.training_step((pixels, target), index) == first
            seen[epoch, index] = tuple(first)
    assert len(set(seen.values())) == 4


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
            made.validation_step((torch.zeros(len(part)), torch.tensor(target[start : start + 8]).float()), 0)
        made.on_validation_epoch_end()
        assert logged["val_auc"] == [pytest.approx(metrics.roc_auc_score(target, logit), abs=1e-6)]
        assert logged["val_accuracy"] == [pytest.approx(np.mean((logit > 0) == (target > 0)), abs=1e-6)]
        assert logged["val_f1"] == [pytest.approx(metrics.f1_score(target, logit > 0), abs=1e-6)]
        # Over all images, though the last batch is smaller.
        whole = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(logit), torch.tensor(target))
        assert logged["val_loss"] == [pytest.approx(float(whole), rel=1e-5)]


def test_weight_decay_is_for_filters_and_matrices_only() -> None:
    made = module(weight_decay=0.3, learning_rate=0.01)
    optimizer = made.configure_optimizers()
    decayed, free = optimizer.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.3, 0.0)
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert all(parameter.ndim <= 1 for parameter in free["params"])
    names = {id(parameter): name for name, parameter in made.network.named_parameters()}
    grouped = [names[id(parameter)] for group in (decayed, free) for parameter in group["params"]]
    assert sorted(grouped) == sorted(names.values())
    assert any(name.startswith("head.") for name in [names[id(parameter)] for parameter in free["params"]])


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)],
)
def test_the_optimiser_is_the_one_asked_for(name: str, kind: type) -> None:
    optimizer = module(optimizer=name).configure_optimizers()
    assert type(optimizer) is kind
    if name == "sgd":
        assert all(group["momentum"] == 0.9 and group["nesterov"] for group in optimizer.param_groups)


def test_every_step_has_the_rate_of_its_place_in_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    phases = [{"epochs": 1, "learning_rate": 0.5, "train": "head"}, {"epochs": 2, "learning_rate": 0.02}]
    made = module(warmup_epochs=0.4, phases=phases)  # 2 steps of 10 in the second phase
    made.begin_phase(1, first_epoch=1)
    optimizer = made.configure_optimizers()
    rates = []
    for epoch in (0, 1):  # Lightning counts the epochs of the phase
        monkeypatch.setattr(DetectorModule, "current_epoch", epoch)
        assert made.epoch == 1 + epoch
        for index in range(5):
            made.on_train_batch_start(None, index)
            rates.append({group["lr"] for group in optimizer.param_groups})
    assert [max(each) for each in rates] == pytest.approx([0.02 * warmed_cosine(step, 2.0, 10) for step in range(10)])
    assert all(len(each) == 1 for each in rates)


def test_a_phase_trains_what_it_says_and_decays_anew() -> None:
    phases = [{"epochs": 1, "learning_rate": 0.5, "train": "head"}, {"epochs": 2, "learning_rate": 0.02}]
    made = module(phases=phases, decay="plateau", decay_epochs=1, decay_factor=0.1, warmup_epochs=0)
    whole = {name for name, _ in made.network.named_parameters()}

    def trained() -> set[str]:
        groups = made.configure_optimizers().param_groups
        ids = {id(parameter) for group in groups for parameter in group["params"]}
        return {name for name, parameter in made.network.named_parameters() if id(parameter) in ids}

    assert trained() == {name for name in whole if name.startswith("head.")}
    for _ in range(2):
        made._loss.update(1.0)
        made._metrics.update(torch.tensor([0.2, 0.7]), torch.tensor([0, 1]))
        made._train_accuracy.update(torch.tensor([0.2]), torch.tensor([0]))
        made.on_validation_epoch_end()
    assert made.learning_rate(1, 0) == pytest.approx(0.05)
    # A checkpoint brings the plateau back.
    checkpoint: dict[str, Any] = {}
    made.on_save_checkpoint(checkpoint)
    assert checkpoint["phase"] == {"index": 0, "first_epoch": 0, "counted_from": 0}
    other = module(phases=phases, decay="plateau", decay_epochs=1, decay_factor=0.1, warmup_epochs=0)
    other.on_load_checkpoint(checkpoint)
    assert other.learning_rate(1, 0) == pytest.approx(0.05)
    made.begin_phase(1, first_epoch=1)
    assert made.learning_rate(1, 0) == 0.02
    assert trained() == whole


@pytest.mark.parametrize(
    ("counted_from", "epoch"),
    [
        # a phase whose trainer counts its own epochs
        (None, 5 + 2),
        # one of a version whose trainers counted over the whole run
        (0, 2),
    ],
)
def test_epochs_are_counted_over_the_whole_run(
    counted_from: int | None, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = module(phases=[{"epochs": 5, "learning_rate": 0.5}, {"epochs": 9, "learning_rate": 0.5}])
    made.begin_phase(1, 5, counted_from)
    monkeypatch.setattr(DetectorModule, "current_epoch", 2)
    assert made.epoch == epoch
    checkpoint: dict[str, Any] = {"epoch": 2}
    made.on_save_checkpoint(checkpoint)
    assert checkpoint["epoch"] == epoch


def test_an_epoch_draws_its_dropout_from_seed_and_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = {}
    for seed in (1, 2):
        made = module()
        made.recipe = made.recipe.model_copy(update={"seed": seed})
        made.configure_optimizers()
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
