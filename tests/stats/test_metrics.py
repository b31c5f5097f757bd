"""The metrics against scikit-learn, against values worked by hand, and against what must hold of any."""

from __future__ import annotations

import doctest
import math
import warnings
from typing import Any

import numpy as np
import pytest

from unmask.stats import metrics
from unmask.stats.metrics import Confusion, Flags, Floats

EXACT = 1e-9


def _case(seed: int, n: int = 200, ties: bool = True) -> tuple[Floats, Flags]:
    draw = np.random.default_rng(seed)
    probability = draw.random(n)
    is_fake = draw.random(n) < 0.4
    return (np.round(probability, 1) if ties else probability), is_fake


def _same(ours: float, theirs: float) -> bool:
    return ours == pytest.approx(float(theirs), abs=EXACT, rel=0, nan_ok=True)


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(metrics).failed == 0


@pytest.mark.parametrize(
    ("probability", "is_fake"),
    [
        # Ties: one digit only.
        *(_case(seed) for seed in range(4)),
        # No ties.
        *(_case(seed, ties=False) for seed in range(4, 8)),
        # All scores equal, both classes.
        (np.full(10, 0.5), np.arange(10) < 4),
        # All equal at the ends, where a logarithm would be infinite.
        (np.array([0.0, 1.0, 1.0, 0.0]), np.array([True, False, True, False])),
        # Perfectly separated.
        (np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])),
        # Perfectly wrong.
        (np.array([0.9, 0.8, 0.2, 0.1]), np.array([False, False, True, True])),
        # One image a class.
        (np.array([0.3, 0.6]), np.array([False, True])),
    ],
)
def test_against_scikit_learn(probability: Floats, is_fake: Flags) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    for weight in (None, np.random.default_rng(len(is_fake)).integers(1, 4, len(is_fake)).astype(float)):
        given: dict[str, Any] = {} if weight is None else {"sample_weight": weight}
        called = probability >= 0.5
        counts = Confusion.of(called, is_fake, weight)
        assert _same(metrics.auc(probability, is_fake, weight), sk.roc_auc_score(is_fake, probability, **given))
        assert _same(
            metrics.average_precision(probability, is_fake, weight),
            sk.average_precision_score(is_fake, probability, **given),
        )
        for budget in (0.01, 0.05, 0.3, 1.0):
            false_positives, found, _ = sk.roc_curve(is_fake, probability, drop_intermediate=False, **given)
            assert _same(
                metrics.tpr_at_fpr(probability, is_fake, budget, weight),
                found[false_positives <= budget + 1e-12].max(),
            )
        assert _same(metrics.brier(probability, is_fake, weight), sk.brier_score_loss(is_fake, probability, **given))
        assert _same(metrics.log_loss(probability, is_fake, weight), sk.log_loss(is_fake, probability, **given))
        assert _same(counts.accuracy, sk.accuracy_score(is_fake, called, **given))
        assert _same(counts.balanced_accuracy, sk.balanced_accuracy_score(is_fake, called, **given))
        assert _same(counts.mcc, sk.matthews_corrcoef(is_fake, called, **given))
        for label, own in (
            (True, ("precision_fake", "recall_fake", "f1_fake")),
            (False, ("precision_real", "specificity", "f1_real")),
        ):
            theirs = sk.precision_recall_fscore_support(
                is_fake, called, pos_label=label, average="binary", zero_division=np.nan, **given
            )
            assert all(_same(getattr(counts, name), value) for name, value in zip(own, theirs, strict=False)), own
        # Where a class was never called its precision does not exist, so neither does a mean with it.
        theirs = sk.precision_recall_fscore_support(is_fake, called, average="weighted", zero_division=0.0, **given)
        assert _same(counts.f1_weighted, theirs[2])
        if called.any() and not called.all():
            assert _same(counts.precision_weighted, theirs[0])
        else:
            assert math.isnan(counts.precision_weighted)


@pytest.mark.parametrize("seed", range(6))
def test_equal_error_rate_is_where_the_curve_crosses(seed: int) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    from scipy.optimize import brentq

    probability, is_fake = _case(seed, ties=seed % 2 == 0)
    x, y, _ = sk.roc_curve(is_fake, probability, drop_intermediate=False)
    # By its length along the curve, since on an upright piece one x has many y.
    along = np.linspace(0, 1, len(x))
    at = brentq(lambda t: np.interp(t, along, x) + np.interp(t, along, y) - 1, 0, 1, xtol=1e-14)
    assert _same(metrics.equal_error_rate(probability, is_fake), np.interp(at, along, x))


@pytest.mark.parametrize(
    ("probability", "is_fake", "expected"),
    [
        # Separated: no errors. Upside down: all. All equal: the diagonal's middle.
        ([0.1, 0.9], [False, True], 0.0),
        ([0.9, 0.1], [False, True], 1.0),
        ([0.5, 0.5, 0.5], [False, True, True], 0.5),
        # Reals .1 .4, fakes .3 .8: at .4 half the reals are called fake, half the fakes missed.
        ([0.1, 0.4, 0.3, 0.8], [False, False, True, True], 0.5),
        # Reals 0 0 0 .5, fakes 1 .5: from (0, 1/2) straight to (1/4, 1); x = 1 - y at (1/6, 5/6).
        ([0.0, 0.0, 0.0, 0.5, 1.0, 0.5], [False] * 4 + [True] * 2, 1 / 6),
    ],
)
def test_equal_error_rate_by_hand(probability: list[float], is_fake: list[bool], expected: float) -> None:
    assert _same(metrics.equal_error_rate(np.array(probability), np.array(is_fake)), expected)


@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("n", [1, 3])
def test_one_class(label: bool, n: int) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    is_fake, probability = np.full(n, label), np.linspace(0.2, 0.9, n)
    called = probability >= 0.5
    counts = Confusion.of(called, is_fake)
    # What sets one class against the other does not exist.
    for figure in (metrics.auc, metrics.equal_error_rate, lambda p, y: metrics.tpr_at_fpr(p, y, 0.05)):
        assert math.isnan(figure(probability, is_fake))
    assert math.isnan(counts.balanced_accuracy)
    assert math.isnan(counts.specificity if label else counts.recall_fake)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert math.isnan(sk.roc_auc_score(is_fake, probability))
        assert _same(counts.mcc, sk.matthews_corrcoef(is_fake, called))
        assert _same(counts.f1_weighted, sk.f1_score(is_fake, called, average="weighted", zero_division=0))
    assert counts.mcc == 0
    # Fakes alone: whatever is called fake is right. Reals alone: there is no fake to find.
    assert metrics.average_precision(probability, is_fake) == 1 if label else True
    assert label or math.isnan(metrics.average_precision(probability, is_fake))
    # What speaks of single images does exist.
    assert _same(metrics.brier(probability, is_fake), sk.brier_score_loss(is_fake, probability, labels=[False, True]))
    assert _same(metrics.log_loss(probability, is_fake), sk.log_loss(is_fake, probability, labels=[False, True]))
    assert _same(counts.accuracy, sk.accuracy_score(is_fake, called))


def test_budgets_count_whole_images() -> None:
    # 100 reals at 0.01 ... 1.00: 1 % allows one of them, whatever 0.01 * 100 rounds to, so cuts above 0.99 count.
    probability = np.append(np.arange(1, 101) / 100, [0.995, 0.985, 0.5, 0.1])
    is_fake = np.arange(104) >= 100
    assert metrics.tpr_at_fpr(probability, is_fake, 0.01) == 0.25
    # 5 % allows cuts above 0.95.
    assert metrics.tpr_at_fpr(probability, is_fake, 0.05) == 0.5
    # 10 reals: 5 % of them is none.
    assert metrics.tpr_at_fpr(np.append(np.arange(10) / 10, [0.95, 0.85]), np.arange(12) >= 10, 0.05) == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_repetitions(seed: int) -> None:
    probability, is_fake = _case(seed)
    times = np.random.default_rng(seed + 50).integers(0, 4, len(is_fake))
    repeated, labels = np.repeat(probability, times), np.repeat(is_fake, times)
    for figure in (
        metrics.auc,
        metrics.average_precision,
        metrics.equal_error_rate,
        metrics.brier,
        metrics.log_loss,
        metrics.expected_calibration_error,
    ):
        assert _same(figure(probability, is_fake, times.astype(float)), figure(repeated, labels)), figure.__name__


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_the_sum_over_bins(seed: int) -> None:
    probability, is_fake = _case(seed, ties=False)
    expected = 0.0
    for index in range(15):
        inside = (probability >= index / 15) & (probability < (index + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(probability[inside].mean() - is_fake[inside].mean())
    assert _same(metrics.expected_calibration_error(probability, is_fake), expected)


def test_calibration_error_of_certainties() -> None:
    # 1.0 belongs to the last bin; right every time.
    assert metrics.expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
    # Wrong every time.
    assert metrics.expected_calibration_error(np.array([1.0, 0.0]), np.array([False, True])) == 1


def test_placements_average_to_the_area() -> None:
    probability, is_fake = _case(3)
    ranking = metrics.Ranking(probability, is_fake)
    of_fake, of_real = ranking.roc().placements()
    area = metrics.auc(probability, is_fake)
    assert _same(of_fake[ranking.score_of][is_fake].mean(), area)
    assert _same(of_real[ranking.score_of][~is_fake].mean(), area)
