"""Losses and mixing against torch and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from unmask.recipes import Schedule  # noqa: E402
from unmask.training.losses import batch_loss, inverse_frequency, mix  # noqa: E402

pytestmark = pytest.mark.train

LOGIT = torch.tensor([-3.0, -2.0, 0.0, 0.5, 4.0], dtype=torch.float64)
TARGET = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64)


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.2])
def test_cross_entropy_with_smoothed_targets(smoothing: float) -> None:
    # By the definition, with targets written out.
    low, high = smoothing, 1 - smoothing
    smoothed = torch.tensor([low, high, low, high, high], dtype=torch.float64)
    by_hand = -(smoothed * LOGIT.sigmoid().log() + (1 - smoothed) * (-LOGIT).sigmoid().log()).mean()
    loss = batch_loss(LOGIT, TARGET, Schedule(label_smoothing=smoothing), (1.0, 1.0))
    assert float(loss) == pytest.approx(float(by_hand), rel=1e-9)
    assert float(loss) == pytest.approx(float(torch.nn.BCEWithLogitsLoss()(LOGIT, smoothed)), rel=1e-9)


def test_the_loss_is_finite_where_the_network_is_sure_and_wrong() -> None:
    for loss in ("cross_entropy", "focal"):
        value = batch_loss(torch.tensor([-200.0]), torch.tensor([1.0]), Schedule(loss=loss), (1.0, 1.0))
        assert float(value) == pytest.approx(200.0)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
def test_focal_loss_by_its_definition(gamma: float) -> None:
    # Lin et al., equation 4: -(1 - p_t)^gamma log(p_t), p_t the probability of the true class.
    probability = LOGIT.sigmoid()
    of_truth = torch.where(TARGET > 0, probability, 1 - probability)
    by_hand = (-((1 - of_truth) ** gamma) * of_truth.log()).mean()
    loss = batch_loss(LOGIT, TARGET, Schedule(loss="focal", focal_gamma=gamma), (1.0, 1.0))
    assert float(loss) == pytest.approx(float(by_hand), rel=1e-9)
    if gamma == 0:
        assert float(loss) == pytest.approx(float(batch_loss(LOGIT, TARGET, Schedule(), (1.0, 1.0))))


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_class_weights_weigh_images(loss: str) -> None:
    schedule = Schedule(loss=loss, label_smoothing=0.1)
    each = [float(batch_loss(LOGIT[i : i + 1], TARGET[i : i + 1], schedule, (1.0, 1.0))) for i in range(5)]
    weighted = float(batch_loss(LOGIT, TARGET, schedule, (2.0, 0.5)))
    assert weighted == pytest.approx(np.mean(np.array(each) * [2.0, 0.5, 2.0, 0.5, 0.5]))
    # A mixed image weighs in between.
    half = torch.full_like(TARGET, 0.5)
    assert float(batch_loss(LOGIT, half, schedule, (2.0, 0.5))) == pytest.approx(
        1.25 * float(batch_loss(LOGIT, half, schedule, (1.0, 1.0)))
    )


def test_weights_are_scikit_learns_balanced_ones() -> None:
    class_weight = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.repeat([0, 1], [30, 10])
    expected = class_weight.compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    assert inverse_frequency(30, 10) == pytest.approx(tuple(expected))


def batch(count: int = 6, size: int = 16) -> tuple[Any, Any]:
    """Each image has one value everywhere, which tells where a pixel of a mixed one came from."""
    values = torch.arange(count, dtype=torch.uint8) * 40
    return values.view(-1, 1, 1, 1).expand(count, size, size, 3).clone(), (torch.arange(count) % 2).float()


def test_no_mixing_is_no_change() -> None:
    pixels, target = batch()
    mixed = mix(pixels, target, Schedule(), np.random.default_rng(0))
    assert mixed[0] is pixels
    assert mixed[1] is target


def test_mixup_mixes_images_and_targets_in_one_proportion() -> None:
    pixels, target = batch()
    shares = set()
    for seed in range(20):
        mixed, mixed_target = mix(pixels, target, Schedule(mixup=1.0), np.random.default_rng(seed))
        # An oracle that draws in the same order.
        rng = np.random.default_rng(seed)
        rng.integers(1)
        share, order = rng.beta(1.0, 1.0), rng.permutation(6)
        torch.testing.assert_close(mixed, share * pixels.float() + (1 - share) * pixels.float()[order])
        torch.testing.assert_close(mixed_target, (share * target + (1 - share) * target[order]).float())
        shares.add(share)
    assert min(shares) < 0.3 and max(shares) > 0.7


def test_cutmix_pastes_one_box_and_counts_its_pixels() -> None:
    pixels, target = batch()
    areas = []
    for seed in range(60):
        mixed, mixed_target = mix(pixels, target, Schedule(cutmix=1.0), np.random.default_rng(seed))
        assert mixed.dtype == torch.uint8
        changed = (mixed != pixels).any(3)
        # The box is the same in all images, and full.
        rows, columns = changed.any(0).any(1), changed.any(0).any(0)
        box = rows[:, None] & columns[None, :]
        for index in range(6):
            foreign = mixed[index][box]
            if len(foreign) and changed[index].any():
                assert torch.equal(changed[index], box)
                assert len(foreign.unique()) == 1
                partner = int(foreign.unique()) // 40
                share = 1 - float(box.float().mean())
                expected = share * float(target[index]) + (1 - share) * float(target[partner])
                assert float(mixed_target[index]) == pytest.approx(expected, abs=1e-6)
        areas.append(float(box.float().mean()))
    # Of a uniform share in [0, 1], less what the image's edge cuts off.
    assert 0.2 < np.mean(areas) < 0.5
    assert max(areas) > 0.6


def test_with_both_each_batch_draws_one() -> None:
    pixels, target = batch()
    schedule = Schedule(mixup=0.4, cutmix=1.0)
    kinds = [mix(pixels, target, schedule, np.random.default_rng(seed))[0].dtype for seed in range(60)]
    assert 15 <= sum(kind == torch.uint8 for kind in kinds) <= 45
