"""The group bootstrap: its draws, whether its intervals cover, and that both stay what published numbers came from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unmask.stats import metrics
from unmask.stats.images import Images
from unmask.stats.intervals import group_codes, interval
from unmask.stats.metrics import Flags, Floats
from unmask.stats.registry import MetricValues
from unmask.stats.resample import (
    Draws,
    centred_interval,
    distance_interval,
    draw_groups,
    percentile_interval,
    resample,
)


def test_areas_cover_where_images_share_groups() -> None:
    # Half the groups are fake and shifted by 1; two thirds of the variance is the group's: AUC = Phi(1 / sqrt 2).
    draw = np.random.default_rng(5)
    truth = 0.5 * (1 + math.erf(0.5))
    group = np.repeat(np.arange(60), 4)
    is_fake = group % 2 == 0
    covered = alone = 0
    rounds = 150
    for seed in range(rounds):
        score = math.sqrt(2 / 3) * draw.normal(size=60)[group] + math.sqrt(1 / 3) * draw.normal(size=240) + is_fake
        ranking = metrics.Ranking(score, is_fake)

        def figure(weight: Floats, ranking: metrics.Ranking = ranking) -> Floats:
            return np.array([ranking.roc(weight).auc()])

        for codes in (group, np.arange(240)):
            ends = resample(codes, figure, Draws(200, seed, 1)).interval(0)
            assert ends is not None
            if codes is group:
                covered += ends[0] <= truth <= ends[1]
            else:
                alone += ends[0] <= truth <= ends[1]
    assert 0.89 <= covered / rounds <= 0.99
    # Taking images as independent would miss far more often.
    assert alone / rounds < 0.85


def test_whole_groups_are_drawn() -> None:
    drawn = draw_groups(group_codes(["a", "a", "b", "b", "c"]), lambda weight: weight, Draws(120))
    assert drawn.shape == (120, 5)
    assert (drawn[:, 0] == drawn[:, 1]).all() and (drawn[:, 2] == drawn[:, 3]).all()
    # As many groups as there are, in each draw.
    assert (drawn[:, 0] + drawn[:, 2] + drawn[:, 4] == 3).all()
    assert len(np.unique(drawn, axis=0)) > 5


def test_draws_are_repeatable_whatever_the_threads() -> None:
    group = group_codes([str(index // 2) for index in range(40)])
    one, four = (draw_groups(group, lambda weight: weight, Draws(130, 7, workers)) for workers in (1, 4))
    assert (one == four).all()
    assert (one != draw_groups(group, lambda weight: weight, Draws(130, 8, 1))).any()
    # The first of more draws are the same draws.
    assert (one == draw_groups(group, lambda weight: weight, Draws(150, 7, 1))[:130]).all()


def test_what_does_not_vary_has_no_interval() -> None:
    assert percentile_interval(np.full(100, 0.7)) is None
    assert percentile_interval(np.full(100, math.nan)) is None
    assert percentile_interval(np.array([math.nan, 0.0, 1.0])) == pytest.approx((0.025, 0.975))


def test_draws_are_those_of_the_published_intervals() -> None:
    # How often each image was drawn in draws 0, 49, 50 and 51 at commit e1a864b; two blocks of random numbers.
    drawn = draw_groups(_GROUP, lambda weight: weight, Draws(52, 3, 1))[[0, 49, 50, 51]]
    assert ["".join(map(str, each.astype(int))) for each in drawn] == [
        "11222211110111002110",
        "33011112210002111001",
        "11000021111660001000",
        "11011112212112001110",
    ]


_GROUP = np.array([0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 9, 10, 11, 11, 12])


@pytest.mark.parametrize(
    ("name", "value", "low", "high"),
    [
        # As computed at commit e1a864b.
        ("balanced_accuracy", 0.6, 0.3478219697, 0.8034974747),
        ("f1_fake", 0.6, 0.25, 0.7777777778),
        ("f1_real", 0.6, 0.2925, 0.8),
        ("f1_weighted", 0.6, 0.3388419913, 0.7907017544),
        ("precision_weighted", 0.6, 0.3501831502, 0.8198863636),
        ("mcc", 0.2, -0.3066903855, 0.6213286705),
        ("auc", 0.68, 0.3236111111, 0.8652272727),
        ("average_precision", 0.7003769841, 0.4345107996, 0.8802897334),
        ("eer", 0.4, 0.2222222222, 0.6573529412),
        ("tpr_at_fpr_1", 0.2, 0.0, 0.6666666667),
        ("tpr_at_fpr_5", 0.2, 0.0, 0.6666666667),
        ("log_loss", 0.6385420465, 0.4648667578, 0.8767778791),
        ("brier", 0.2296, 0.14968, 0.3294378947),
    ],
)
def test_intervals_are_the_published_ones(name: str, value: float, low: float | None, high: float | None) -> None:
    at = np.arange(20)
    is_fake = at % 2 == 0
    probability = (at * 7) % 20 / 25 + 0.2 * is_fake
    images = Images(is_fake, probability, probability >= 0.5, _GROUP)
    found = resample(images.group, MetricValues(images, (name,)), Draws(100, 3, 1))
    assert interval(found.values[0], found.interval(0)) == {"value": value, "low": low, "high": high}


# --- distances, which chance can only add to ----------------------------------------------------------------


def _error_and_ends(probability: Floats, is_fake: Flags, draws: Draws) -> tuple[float, tuple[float, float] | None]:
    images = Images(is_fake, probability, probability >= 0.5, np.arange(len(is_fake)))
    values = MetricValues(images, ("ece",))
    found = resample(images.group, lambda weight: np.array([*values(weight), values.calibration_noise(weight)]), draws)
    return float(found.values[0]), distance_interval(float(found.values[0]), found.drawn[:, 1])


def test_a_distance_by_hand() -> None:
    # Two bins with two images each; drawn: the first image twice, the third and fourth once.
    probability, is_fake = np.array([0.1, 0.12, 0.9, 0.92]), np.array([False, True, True, True])
    values = MetricValues(Images(is_fake, probability, probability >= 0.5, np.arange(4)), ("ece",))
    # All: surplus (0.1 + 0.12 - 1) / 4 = -0.195 and (0.9 + 0.92 - 2) / 4 = -0.045. Drawn: 0.2 / 4 = 0.05 and -0.045.
    assert values(np.ones(4))[0] == pytest.approx(0.24)
    assert values.calibration_noise(np.array([2.0, 0.0, 1.0, 1.0])) == pytest.approx(0.245)
    assert values.calibration_noise(np.ones(4)) == 0
    noise = np.linspace(0, 0.1, 101)
    assert distance_interval(0.24, noise) == pytest.approx((0.145, 0.335))
    assert distance_interval(0.02, noise) == pytest.approx((0.0, 0.115))
    assert distance_interval(0.97, noise) == pytest.approx((0.875, 1.0))
    assert distance_interval(0.2, np.array([math.nan, 0.1])) == pytest.approx((0.1, 0.3))
    assert distance_interval(0.2, np.zeros(9)) is None and distance_interval(0.2, np.full(9, math.nan)) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_calibration_error_lies_in_its_interval(seed: int) -> None:
    """Where the bins happen to match: every drawn set is then further off, and a percentile interval lies above."""
    rng = np.random.default_rng(seed)
    probability = rng.random(40)
    is_fake = rng.random(40) < probability
    if seed == 0:  # an exact match in every bin: as many fakes as the probabilities say
        probability = np.repeat([0.25, 0.75], 20)
        is_fake = np.tile([True, False, False, False], 5).tolist() + np.tile([False, True, True, True], 5).tolist()
        is_fake = np.array(is_fake)
    value, ends = _error_and_ends(probability, is_fake, Draws(200, seed, 1))
    assert ends is not None and 0 <= ends[0] <= value <= ends[1] <= 1
    if seed == 0:
        assert value == 0 and ends[0] == 0 and ends[1] > 0.05


@pytest.mark.parametrize("wrong_by", [0.0, 0.05, 0.2])
def test_the_interval_covers_the_true_calibration_error(wrong_by: float) -> None:
    """Oracle: probabilities at the middle of each bin, wrong by as much in each, so the truth is known."""
    middles = (np.arange(2, 13) + 0.5) / 15
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng([7, seed])
        probability = rng.choice(middles, 120)
        is_fake = rng.random(120) < probability - wrong_by * np.where(probability > 0.5, 1, -1)
        value, ends = _error_and_ends(probability, is_fake, Draws(100, seed, 1))
        assert ends is not None and ends[0] <= value <= ends[1]
        covered += ends[0] <= wrong_by <= ends[1]
    assert covered >= 93  # of 100 at 95 %: below 93 in one of ten such tests if it were exact, and it is wider


def test_a_difference_lies_in_its_interval() -> None:
    drawn = np.linspace(0.2, 0.4, 101)
    assert centred_interval(0.1, drawn) == pytest.approx((0.005, 0.195))
    assert centred_interval(0.3, drawn) == pytest.approx(percentile_interval(drawn))
    assert centred_interval(0.1, np.full(9, 0.3)) is None
