"""The metrics against scikit-learn, against values worked by hand, and against what must hold of any."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

import _metrics as metrics


def _case(seed: int, n: int = 200, ties: bool = True) -> tuple[metrics.Floats, metrics.Flags]:
    draw = np.random.default_rng(seed)
    probability = draw.random(n)
    is_fake = draw.random(n) < 0.4
    return (np.round(probability, 1) if ties else probability), is_fake


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(metrics).failed == 0


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Half of ten, by hand with z² = 3.8415: centre 0.5, half-width 1.96 / 13.8415 * sqrt(2.5 + 0.96037) = 0.2634.
        (5, 10, 0.2366, 0.7634),
        # None of ten, by hand: low 0, high z² / (n + z²) = 3.8415 / 13.8415.
        (0, 10, 0.0, 0.2775),
        # All of ten: the mirror image.
        (10, 10, 0.7225, 1.0),
        # Newcombe 1998, table I: 81 of 263.
        (81, 263, 0.2553, 0.3662),
        # Newcombe 1998, table I: 15 of 148.
        (15, 148, 0.0624, 0.1605),
        # Newcombe 1998, table I: 1 of 29.
        (1, 29, 0.0061, 0.1718),
        # Nothing counted: nothing known.
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_by_hand(successes: int, n: int, low: float, high: float) -> None:
    assert metrics.wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="not a share"):
        metrics.wilson(3, 2)


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_against_scikit_learn(seed: int, ties: bool) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    probability, is_fake = _case(seed, ties=ties)
    weight = np.random.default_rng(seed + 100).integers(0, 4, len(is_fake))
    called_fake = probability >= 0.45
    assert metrics.auc(probability, is_fake) == pytest.approx(sklearn.roc_auc_score(is_fake, probability))
    assert metrics.auc(probability, is_fake, weight) == pytest.approx(
        sklearn.roc_auc_score(is_fake, probability, sample_weight=weight)
    )
    assert metrics.balanced_accuracy(called_fake, is_fake) == pytest.approx(
        sklearn.balanced_accuracy_score(is_fake, called_fake)
    )
    assert metrics.balanced_accuracy(called_fake, is_fake, weight) == pytest.approx(
        sklearn.balanced_accuracy_score(is_fake, called_fake, sample_weight=weight)
    )
    assert metrics.brier(probability, is_fake) == pytest.approx(sklearn.brier_score_loss(is_fake, probability))


@pytest.mark.parametrize("label", [True, False])
def test_one_class_has_no_area(label: bool) -> None:
    is_fake = np.array([label, label])
    assert math.isnan(metrics.auc(np.array([0.1, 0.9]), is_fake))
    assert math.isnan(metrics.balanced_accuracy(is_fake, is_fake))


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_the_sum_over_bins(seed: int) -> None:
    probability, is_fake = _case(seed, ties=False)
    expected = 0.0
    for index in range(15):
        inside = (probability >= index / 15) & (probability < (index + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(probability[inside].mean() - is_fake[inside].mean())
    assert metrics.expected_calibration_error(probability, is_fake) == pytest.approx(expected)


def test_calibration_error_of_certainties() -> None:
    # 1.0 belongs to the last bin; right every time.
    assert metrics.expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
    # Wrong every time.
    assert metrics.expected_calibration_error(np.array([1.0, 0.0]), np.array([False, True])) == 1


def test_bootstrap_draws_whole_groups() -> None:
    groups = ["a", "a", "b", "b", "c"]
    drawn: list[metrics.Weights] = []

    def keep(weight: metrics.Weights) -> float:
        drawn.append(weight)
        return 0.0

    metrics.group_bootstrap(groups, keep, draws=50)
    weights = np.array(drawn)
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 2] == weights[:, 3]).all()
    # As many groups as there are, in each draw.
    assert (weights[:, 0] + weights[:, 2] + weights[:, 4] == 3).all()


def test_bootstrap_is_repeatable_and_holds_the_figure() -> None:
    probability, is_fake = _case(0)
    probability = np.clip(probability + 0.2 * is_fake, 0, 1)
    groups = [str(index // 2) for index in range(len(is_fake))]

    def figure(weight: metrics.Weights) -> float:
        return metrics.auc(probability, is_fake, weight)

    interval = metrics.group_bootstrap(groups, figure, draws=300, seed=7)
    assert interval == metrics.group_bootstrap(groups, figure, draws=300, seed=7)
    assert interval[0] < metrics.auc(probability, is_fake) < interval[1]


def test_bootstrap_is_wider_when_pictures_hang_together() -> None:
    # Ten pictures of one group say no more than one: copies must not narrow the interval.
    probability, is_fake = _case(1, n=40)
    copies, copied_label = np.repeat(probability, 10), np.repeat(is_fake, 10)

    def width(groups: list[str]) -> float:
        low, high = metrics.group_bootstrap(groups, lambda weight: metrics.auc(copies, copied_label, weight), 300)
        return high - low

    assert width([str(index // 10) for index in range(400)]) > 2 * width([str(index) for index in range(400)])


def test_bootstrap_without_any_figure() -> None:
    with pytest.raises(ValueError, match="no draw"):
        metrics.group_bootstrap(["a"], lambda weight: math.nan, draws=3)
