"""Tests of differences against statsmodels, scipy, published examples and cases worked by hand."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from unmask.stats import significance
from unmask.stats.metrics import Flags
from unmask.stats.significance import cochran_q, corrected_p, delong, holm, mcnemar, swap


def _answers(both: int, only_first: int, only_second: int, neither: int) -> tuple[Flags, Flags]:
    first = np.repeat([True, True, False, False], [both, only_first, only_second, neither])
    return first, np.repeat([True, False, True, False], [both, only_first, only_second, neither])


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(significance).failed == 0


@pytest.mark.parametrize(
    ("both", "only_first", "only_second", "neither", "form"),
    [
        # No discordant answer; one; five against none (p = 2 / 2^5 = 0.0625).
        (10, 0, 0, 2, "exact"),
        (10, 1, 0, 2, "exact"),
        (10, 5, 0, 2, "exact"),
        # Even; uneven; uneven the other way.
        (0, 7, 7, 0, "exact"),
        (50, 12, 3, 9, "exact"),
        (50, 3, 12, 9, "exact"),
        # Just below the large form, and at it.
        (0, 530, 469, 0, "exact"),
        (0, 530, 470, 0, "corrected"),
        (0, 3000, 2800, 5, "corrected"),
    ],
)
def test_mcnemar_against_statsmodels(both: int, only_first: int, only_second: int, neither: int, form: str) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    found = mcnemar(*_answers(both, only_first, only_second, neither))
    expected = tables.mcnemar([[both, only_first], [only_second, neither]], exact=form == "exact", correction=True)
    assert (found.only_first, found.only_second, found.form) == (only_first, only_second, form)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)


def test_five_against_none() -> None:
    assert mcnemar(*_answers(580, 5, 0, 18)).p == 0.0625


def test_mcnemar_of_groups_by_hand() -> None:
    # Surpluses 3 and 1: of the four ways to swap, two reach 4 in size.
    first = np.array([True] * 4)
    assert mcnemar(first, ~first, np.array([0, 0, 0, 1])).p == 0.5
    # One group, however many images: one discordant unit, no evidence at all.
    assert mcnemar(first, ~first, np.zeros(4, int)).p == 1.0
    # A group whose images cancel out is none.
    assert mcnemar(np.array([True, False]), np.array([False, True]), np.zeros(2, int)).p == 1.0
    # Each alone is the plain test.
    assert mcnemar(first, ~first, np.arange(4)).p == mcnemar(first, ~first).p == 0.125


def test_corrected_form_by_hand() -> None:
    # |12 - 3| - 1 = 8; 64 / 15 = 4.2667.
    chi2 = pytest.importorskip("scipy.stats").chi2
    assert corrected_p(9, 15) == pytest.approx(chi2.sf(64 / 15, 1), abs=1e-12)
    # Nothing, or all even: no difference.
    assert corrected_p(0, 0) == corrected_p(0, 8) == 1.0


def _delong_by_definition(first: np.ndarray, second: np.ndarray, is_fake: Flags) -> tuple[float, float, float]:
    """DeLong, DeLong and Clarke-Pearson (1988), equations 3 to 5, by their double sums."""

    def components(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        psi = (score[is_fake][:, None] > score[~is_fake]) + 0.5 * (score[is_fake][:, None] == score[~is_fake])
        return psi.mean(axis=1), psi.mean(axis=0)

    (v10_a, v01_a), (v10_b, v01_b) = components(first), components(second)
    s10, s01 = np.cov(v10_a, v10_b), np.cov(v01_a, v01_b)
    s = s10 / is_fake.sum() + s01 / (~is_fake).sum()
    deviation = math.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    return v10_a.mean(), v10_b.mean(), deviation


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_delong_by_its_definition(seed: int, ties: bool) -> None:
    norm = pytest.importorskip("scipy.stats").norm
    draw = np.random.default_rng(seed)
    is_fake = draw.random(90) < 0.4
    first = draw.normal(size=90) + is_fake
    second = 0.7 * first + 0.7 * draw.normal(size=90)
    if ties:
        first, second = np.round(first), np.round(second)
    found = delong(first, second, is_fake)
    area_a, area_b, deviation = _delong_by_definition(first, second, is_fake)
    assert (found.first, found.second, found.deviation) == pytest.approx((area_a, area_b, deviation), abs=1e-12)
    assert found.p == pytest.approx(2 * norm.sf(abs(area_a - area_b) / deviation), abs=1e-9)


def test_delong_of_copies_is_no_surer() -> None:
    # Each image five times over, as frames of a video: the deviation stays that of single images (up to n - 1).
    draw = np.random.default_rng(4)
    is_fake = np.arange(80) < 30
    first, second = draw.normal(size=80) + is_fake, draw.normal(size=80) + is_fake
    single = delong(first, second, is_fake)
    copies = [np.repeat(values, 5) for values in (first, second, is_fake)]
    assert delong(*copies, np.repeat(np.arange(80), 5)).deviation == pytest.approx(single.deviation, rel=1e-9)
    assert delong(*copies).deviation < 0.5 * single.deviation


def test_delong_where_nothing_can_be_said() -> None:
    is_fake = np.array([False, False, True, True])
    score = np.array([0.1, 0.3, 0.2, 0.9])
    # The same ranks.
    assert delong(score, score**2, is_fake).p == 1.0
    # One class; one image of a class.
    assert math.isnan(delong(score, -score, np.ones(4, bool)).p)
    assert math.isnan(delong(score, -score, np.arange(4) == 0).p)


def test_delong_keeps_its_level() -> None:
    # Two equally good detectors: 5 % of tests may find a difference.
    draw = np.random.default_rng(9)
    is_fake = np.arange(120) < 60
    shared = [draw.normal(size=120) + is_fake for _ in range(600)]
    found = [delong(each + draw.normal(size=120), each + draw.normal(size=120), is_fake).p < 0.05 for each in shared]
    assert 0.03 < np.mean(found) < 0.075


@pytest.mark.parametrize(
    ("surplus", "expected"),
    [
        # Nothing; one; five alike, of 32 ways two reach so far; 3 and 1, of four ways two do.
        ([0.0, 0.0], 1.0),
        ([1.0], 1.0),
        ([0.1] * 5, 0.0625),
        ([3.0, 1.0], 0.5),
        # 3 and -1: sums of 2 and more in size are all.
        ([3.0, -1.0], 1.0),
    ],
)
def test_swaps_by_hand(surplus: list[float], expected: float) -> None:
    assert swap(np.array(surplus), np.arange(len(surplus)), 2000, 0).p == expected


def test_swap_interval_by_hand() -> None:
    # Five wins of 603: 5 / 603 = 0.00829; variance (5 + 2) / 603² - 0.00829² / 603, half-width 0.00857.
    found = swap(np.repeat([1 / 603, 0.0], [5, 598]), np.arange(603), 2000, 0)
    assert (found.difference, found.low, found.high) == pytest.approx((0.00829, -0.00028, 0.01687), abs=1e-5)


@pytest.mark.parametrize(("only_first", "only_second"), [(30, 12), (700, 620)])
def test_drawn_and_normal_swaps_agree_with_mcnemar(only_first: int, only_second: int) -> None:
    first, second = _answers(0, only_first, only_second, 5)
    found = swap(first.astype(float) - second, np.arange(len(first)), 2000, 3).p
    assert found == pytest.approx(mcnemar(first, second).p, abs=0.01)


@pytest.mark.parametrize(
    "p",
    [[0.01, 0.04, 0.03], [0.2, 0.9, 0.5, 0.001], [0.5], [0.03, 0.03, 0.03], [1.0, 0.0]],
)
def test_holm_against_statsmodels(p: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], abs=1e-12)


def test_holm_passes_over_tests_that_could_not_be_made() -> None:
    assert holm([0.01, math.nan, 0.04])[::2] == holm([0.01, 0.04])
    assert math.isnan(holm([0.01, math.nan])[1])


@pytest.mark.parametrize("seed", range(3))
def test_cochran_q_against_statsmodels(seed: int) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    right = np.random.default_rng(seed).random((60, 4)) < [0.5, 0.6, 0.7, 0.8]
    found, expected = cochran_q(right), tables.cochrans_q(right.astype(int))
    assert (found.q, found.p, found.degrees) == pytest.approx((expected.statistic, expected.pvalue, expected.df))


def test_cochran_q_of_two_is_mcnemar_without_correction() -> None:
    first, second = _answers(20, 12, 3, 9)
    assert cochran_q(np.stack([first, second], axis=1)).q == pytest.approx(9**2 / 15)
    # All alike: no difference.
    assert cochran_q(np.ones((5, 3), bool)).p == 1.0
