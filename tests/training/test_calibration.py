"""From logits to probabilities, thresholds and the uncertain band, against oracles and by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy")
pytest.importorskip("torch")

from scipy.optimize import minimize

from unmask.training.calibration import fit_platt, thresholds, uncertain_band

pytestmark = pytest.mark.train

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def scores(seed: int, reals: int, fakes: int, gap: float = 1.5, scale: float = 1.0) -> tuple[Array, Flags]:
    rng = np.random.default_rng(seed)
    logit = np.concatenate([rng.normal(0, 1, reals), rng.normal(gap, 1.3, fakes)]) * scale
    return logit, np.repeat([False, True], [reals, fakes])


def platt_loss(slope: float, bias: float, logit: Array, is_fake: Flags) -> float:
    """Oracle: Platt's smoothed targets, each class weighing one half, written as plainly as can be."""
    fakes, reals = is_fake.sum(), (~is_fake).sum()
    loss = 0.0
    for value, fake in zip(logit, is_fake, strict=True):
        target = (fakes + 1) / (fakes + 2) if fake else 1 / (reals + 2)
        weight = 0.5 / (fakes if fake else reals)
        scaled = slope * value + bias
        loss += weight * (target * np.logaddexp(0, -scaled) + (1 - target) * np.logaddexp(0, scaled))
    return float(loss)


@pytest.mark.parametrize(
    ("seed", "reals", "fakes", "gap", "scale"),
    [
        # even classes
        (0, 60, 60, 1.5, 1.0),
        # ten reals to a fake
        (1, 150, 15, 1.5, 1.0),
        # ten fakes to a real
        (2, 15, 150, 1.5, 1.0),
        # a network that is far too sure of itself
        (3, 60, 60, 1.5, 30.0),
        # one that is far too timid
        (4, 60, 60, 1.5, 0.01),
        # hardly better than chance
        (5, 100, 100, 0.2, 1.0),
        # two images in all
        (6, 1, 1, 4.0, 1.0),
    ],
)
def test_platt_finds_the_minimum(seed: int, reals: int, fakes: int, gap: float, scale: float) -> None:
    logit, is_fake = scores(seed, reals, fakes, gap, scale)
    fitted = fit_platt(logit, is_fake, "words")
    assert fitted.method == "platt"
    assert fitted.provenance == "words"
    reached = platt_loss(fitted.slope, fitted.bias, logit, is_fake)
    # Without a gradient, from several starts: the best that another method finds.
    best = min(
        minimize(
            lambda p: platt_loss(p[0] / scale, p[1], logit, is_fake),
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000},
        ).fun
        for start in ([1.0, 0.0], [0.1, -1.0])
    )
    assert reached <= best + 1e-7


def test_platt_agrees_with_scikit_learn_on_many_images() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    logit, is_fake = scores(7, 6000, 2000)
    fitted = fit_platt(logit, is_fake)
    oracle = linear_model.LogisticRegression(C=1e9, class_weight="balanced").fit(logit[:, None], is_fake)
    # Smoothing of the targets fades with the number of images.
    assert fitted.slope == pytest.approx(float(oracle.coef_[0, 0]), rel=0.01)
    assert fitted.bias == pytest.approx(float(oracle.intercept_[0]), abs=0.01)


def test_the_mix_of_classes_does_not_move_probabilities() -> None:
    logit, is_fake = scores(8, 3000, 3000)
    few = is_fake & (np.random.default_rng(0).random(6000) < 0.2)
    kept = ~is_fake | few
    whole, thinned = fit_platt(logit, is_fake), fit_platt(logit[kept], is_fake[kept])
    for value in (-2.0, 0.0, 1.0, 3.0):
        assert whole.probability(value) == pytest.approx(thinned.probability(value), abs=0.05)


@pytest.mark.parametrize("spread", [0.001, 1.0, 100.0, 1e4])
def test_separated_classes_have_a_finite_answer(spread: float) -> None:
    logit = np.array([-2.0, -1.5, -1.0, 1.0, 1.5, 2.0]) * spread
    is_fake = np.array([False] * 3 + [True] * 3)
    fitted = fit_platt(logit, is_fake)
    assert np.isfinite([fitted.slope, fitted.bias]).all()
    # Platt's targets for three of each: 4/5 and 1/5.
    assert fitted.probability(1.5 * spread) == pytest.approx(0.8, abs=0.02)
    assert fitted.probability(-1.5 * spread) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    "logit",
    [
        # the wrong way round
        [3.0, 2.5, 2.0, -2.0, -2.5, -3.0],
        # far the wrong way round
        [3e3, 2.5e3, 2e3, -2e3, -2.5e3, -3e3],
        # all the same
        [1.0] * 6,
        # all zero
        [0.0] * 6,
    ],
)
def test_scores_that_tell_nothing_give_even_odds_and_never_turn_round(logit: list[float]) -> None:
    fitted = fit_platt(np.array(logit), np.array([False] * 3 + [True] * 3))
    assert fitted.slope > 0
    assert np.isfinite(fitted.bias)
    for value in logit:
        assert fitted.probability(value) == pytest.approx(0.5, abs=0.02)


@settings(max_examples=80, deadline=None)
@given(
    logit=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40),
    seed=st.integers(0, 9),
)
def test_platt_keeps_the_order_whatever_the_scores(logit: list[float], seed: int) -> None:
    is_fake = np.random.default_rng(seed).random(len(logit)) < 0.5
    is_fake[0], is_fake[1] = True, False
    fitted = fit_platt(np.array(logit), is_fake)
    assert fitted.slope > 0
    assert np.isfinite([fitted.slope, fitted.bias]).all()
    probability = [fitted.probability(value) for value in sorted(logit)]
    assert probability == sorted(probability)
    assert 0 <= probability[0] <= probability[-1] <= 1


def rates(probability: Array, is_fake: Flags, cut: float) -> tuple[float, float]:
    called_fake = probability >= cut
    return float(called_fake[~is_fake].mean()), float(called_fake[is_fake].mean())


def test_thresholds_by_hand() -> None:
    # 100 reals at 0.000 ... 0.495, and fakes around the cuts: one real may be called fake, or five.
    reals = np.arange(100) / 200
    fakes = np.array([0.2, 0.47, 0.471, 0.4901, 0.8])
    probability = np.concatenate([reals, fakes])
    is_fake = np.repeat([False, True], [100, 5])
    one, five = thresholds(probability, is_fake)
    assert (one.name, one.false_positive_budget) == ("fpr_1", 0.01)
    assert one.fake_probability == np.nextafter(98 / 200, 1)
    assert one.true_positive_rate == 0.4
    assert (five.name, five.false_positive_budget) == ("fpr_5", 0.05)
    assert five.fake_probability == np.nextafter(94 / 200, 1)
    assert five.true_positive_rate == 0.6


@pytest.mark.parametrize(
    ("reals", "expected"),
    [
        # nineteen reals: the budget of 5 % allows none, so the cut is above the highest
        (np.arange(19) / 40, np.nextafter(18 / 40, 1)),
        # twenty: it allows one
        (np.arange(20) / 40, np.nextafter(18 / 40, 1)),
        # twenty, the three highest tied: none of them may be called fake
        (np.append(np.arange(17) / 40, [0.9] * 3), np.nextafter(0.9, 1)),
        # all tied
        (np.full(40, 0.3), np.nextafter(0.3, 1)),
        # all at the lowest end
        (np.zeros(40), np.nextafter(0.0, 1)),
        # one real only
        (np.array([0.6]), np.nextafter(0.6, 1)),
    ],
)
def test_thresholds_on_few_or_tied_reals(reals: Array, expected: float) -> None:
    probability = np.append(reals, [0.99])
    is_fake = np.repeat([False, True], [len(reals), 1])
    assert thresholds(probability, is_fake)[1].fake_probability == expected


@pytest.mark.parametrize("budget_index", [0, 1])
@pytest.mark.parametrize("count", [20, 100, 140, 2900, 5800, 5700])
def test_the_whole_budget_is_spent(count: int, budget_index: int) -> None:
    """Where the budget is a whole number of reals, floating point must not round it down."""
    probability = np.append(np.arange(count) / (count + 1), [0.5])
    is_fake = np.repeat([False, True], [count, 1])
    cut = thresholds(probability, is_fake)[budget_index]
    per_cent = (1, 5)[budget_index]
    assert int((probability[~is_fake] >= cut.fake_probability).sum()) == count * per_cent // 100


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_thresholds_keep_their_budget_and_are_the_lowest_that_do(data: st.DataObject) -> None:
    # Few distinct values make ties; 1 itself is left out, for no cut up to 1 can stand above it.
    value = data.draw(
        st.sampled_from([st.floats(0, 1, exclude_max=True), st.integers(0, 9).map(lambda tenth: tenth / 10)])
    )
    reals = np.array(data.draw(st.lists(value, min_size=1, max_size=150)))
    fakes = np.array(data.draw(st.lists(value, min_size=1, max_size=30)))
    probability = np.concatenate([reals, fakes])
    is_fake = np.repeat([False, True], [len(reals), len(fakes)])
    for threshold in thresholds(probability, is_fake):
        cut, budget = threshold.fake_probability, threshold.false_positive_budget
        false_positive, true_positive = rates(probability, is_fake, cut)
        assert false_positive <= budget
        assert threshold.true_positive_rate == true_positive
        lower = reals[reals < cut]
        if len(lower):
            assert rates(probability, is_fake, float(lower.max()))[0] > budget


def test_uncertain_band_by_hand() -> None:
    # Logits of -5 ... 5 in steps of 0.1, without 0, around a cut of one half; three nearest images are wrong.
    logit = np.concatenate([-np.arange(1, 51), np.arange(1, 51)]) / 10
    is_fake = logit > 0
    for wrong in (0.1, 0.2, -0.3, 1.0, -2.0, 3.0):
        is_fake[np.isclose(logit, wrong)] ^= True
    probability = 1 / (1 + np.exp(-logit))
    band = uncertain_band(probability, is_fake, 0.5)
    # 6 of 100 are wrong. Outside the band up to 0.3 in logits, 3 of 94 or 95 are, which is 96.8 %; it takes the
    # one at 1.0 too to pass 97 %: then 2 of 80 or 81.
    assert 0.9 < np.log(band.high / (1 - band.high)) < 1.05
    assert band.low == pytest.approx(1 - band.high)
    outside = (probability < band.low) | (probability > band.high)
    right = (probability >= 0.5) == is_fake
    assert band.accuracy_outside == pytest.approx(right[outside].mean(), abs=1e-9)
    assert band.coverage == pytest.approx(1 - outside.mean(), abs=1e-9)


def test_no_band_when_all_is_right_already() -> None:
    probability = np.array([0.1, 0.2, 0.7, 0.9])
    band = uncertain_band(probability, np.array([False, False, True, True]), 0.5)
    assert (band.low, band.high) == (0.5, 0.5)
    assert (band.accuracy_outside, band.coverage) == (1.0, 0.0)


def test_the_band_gives_up_at_a_quarter() -> None:
    # Every second verdict is wrong, near or far: no band helps, and the widest allowed says what it left.
    logit = np.linspace(-4, 4, 80)
    is_fake = np.arange(80) % 2 == 0
    band = uncertain_band(1 / (1 + np.exp(-logit)), is_fake, 0.5)
    assert band.coverage == 0.25
    assert band.accuracy_outside == pytest.approx(0.5, abs=0.05)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_band_holds_what_it_claims(data: st.DataObject) -> None:
    value = data.draw(st.sampled_from([st.floats(0, 1), st.integers(0, 10).map(lambda tenth: tenth / 10)]))
    probability = np.array(data.draw(st.lists(value, min_size=1, max_size=80)))
    is_fake = np.array(data.draw(st.lists(st.booleans(), min_size=len(probability), max_size=len(probability))))
    threshold = data.draw(st.one_of(st.floats(0, 1), st.sampled_from(probability.tolist())))
    band = uncertain_band(probability, is_fake, threshold)
    assert 0 <= band.low <= threshold <= band.high <= 1
    outside = (probability < band.low) | (probability > band.high)
    right = (probability >= threshold) == is_fake
    assert band.coverage == pytest.approx(1 - outside.mean())
    assert band.accuracy_outside == pytest.approx(right[outside].mean() if outside.any() else 0.0)
    # More than a quarter only where that many stand at the threshold itself (in logits no further than rounding).
    if band.coverage > 0.25:
        at_cut = np.abs(probability - threshold) <= 1e-8
        assert band.coverage <= at_cut.mean() + 1e-9


def test_the_band_is_the_narrowest_that_is_enough() -> None:
    """Oracle: all bands by brute force, on scores without ties."""
    for seed in range(30):
        logit, is_fake = scores(seed, 60, 60, gap=2.6)
        probability = 1 / (1 + np.exp(-logit))
        band = uncertain_band(probability, is_fake, 0.6)
        centre = np.log(0.6 / 0.4)
        right = (probability >= 0.6) == is_fake
        distance = np.abs(logit - centre)
        enough = [
            count / 120
            for count, reach in enumerate([0.0, *sorted(distance)])
            if count <= 30 and right[distance > reach + 1e-12].mean() >= 0.97
        ]
        assert band.coverage == pytest.approx(enough[0] if enough else 0.25)
