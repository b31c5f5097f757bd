"""The largest gap between groups: published intervals of two proportions, statsmodels, and whether it covers."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.stats.gaps import gap_of_rates, gap_of_values
from unmask.stats.intervals import effective_size, share_interval, wilson


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
        # By hand: 36 of 40 has Wilson's 0.7695 to 0.9604, 30 of 50 has 0.4618 to 0.7239; the difference is 0.3, its
        # ends 0.3 - sqrt(0.1305² + 0.1239²) and 0.3 + sqrt(0.0604² + 0.1382²).
        ((36, 40), (30, 50), 0.1201, 0.4508),
    ],
)
def test_two_groups_have_newcombes_interval(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    rate = np.array([first[0] / first[1], second[0] / second[1]])
    found = gap_of_rates(rate, np.array([first[1], second[1]], float))
    assert found.ends == pytest.approx((low, high), abs=1e-4)
    assert found.value == pytest.approx(rate[0] - rate[1]) and (found.highest, found.lowest) == (0, 1)
    # The order of the groups does not matter.
    turned = gap_of_rates(rate[::-1], np.array([second[1], first[1]], float))
    assert turned.ends == pytest.approx(found.ends) and (turned.highest, turned.lowest) == (1, 0)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(50, 60, 20, 70), (80, 80, 30, 31), (3, 90, 40, 55)])
def test_two_groups_agree_with_statsmodels(a: int, n: int, b: int, m: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    low, high = proportion.confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
    low, high = (low, high) if a / n > b / m else (-high, -low)
    found = gap_of_rates(np.array([a / n, b / m]), np.array([n, m], float))
    assert found.ends == pytest.approx((max(0.0, low), high), abs=1e-9)


def test_of_several_groups_every_pair_counts() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    successes, sizes = [90, 70, 45], [100, 90, 60]
    # By Bonferroni, three pairs are at the level 1 - 0.05 / 3.
    ends = [
        proportion.confint_proportions_2indep(
            successes[i], sizes[i], successes[j], sizes[j], method="newcomb", compare="diff", alpha=0.05 / 3
        )
        for i in range(3)
        for j in range(3)
        if i != j
    ]
    found = gap_of_rates(np.array(successes) / sizes, np.array(sizes, float))
    assert found.ends == pytest.approx((max(low for low, _ in ends), max(high for _, high in ends)), abs=1e-9)
    # Wider than the pair by itself: it was chosen because it was the largest.
    alone = gap_of_rates(np.array([0.9, 0.75]), np.array([100.0, 60.0]))
    assert found.ends is not None and alone.ends is not None and found.ends[0] < alone.ends[0]


@pytest.mark.parametrize(
    "rates",
    [
        [0.8, 0.8, 0.8, 0.8],  # no gap: it must not be established more often than 1 time in 20
        [0.95, 0.8, 0.85, 0.9],
        [0.99, 0.98, 0.5, 0.6],
    ],
)
def test_the_interval_covers(rates: list[float]) -> None:
    draw = np.random.default_rng(4)
    sizes, truth = np.array([40.0, 60.0, 80.0, 50.0]), max(rates) - min(rates)
    covered = 0
    for _ in range(400):
        found = gap_of_rates(draw.binomial(sizes.astype(int), rates) / sizes, sizes)
        assert found.ends is not None and found.ends[0] <= found.value <= found.ends[1]
        covered += found.ends[0] <= truth <= found.ends[1]
    assert covered >= 0.94 * 400  # two standard errors below 0.95


def test_gaps_of_values_by_their_draws() -> None:
    # Errors of either group are -0.1, 0 or 0.1; the ranges of the errors are 0, 0.1 and 0.2, the largest most often.
    value = np.array([0.9, 0.6])
    drawn = value + np.array([[0.1, -0.1]] * 10 + [[0.0, 0.0]] * 10)
    found = gap_of_values(value, drawn)
    assert found.value == pytest.approx(0.3) and (found.highest, found.lowest) == (0, 1)
    assert found.ends == pytest.approx((0.1, 0.5))
    # Draws without a value are left out; draws that do not vary tell nothing.
    assert gap_of_values(value, np.vstack([drawn, [[np.nan, 0.6]]])).ends == pytest.approx((0.1, 0.5))
    assert gap_of_values(value, np.tile(value, (9, 1))).ends is None


def test_the_effective_size_is_what_the_interval_uses() -> None:
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 5)
    success = np.repeat(draw.random(20) < 0.6, 5)
    # All images of a group agree: 100 images tell as much as about 20.
    size = effective_size(success, group)
    assert 15 < size < 25
    assert share_interval(success, group) == pytest.approx(wilson(success.mean() * size, size))
    assert effective_size(success, np.arange(100)) == 100
    assert effective_size(np.ones(100, bool), group) == 20
