"""Intervals against published tables and statsmodels, and whether they cover what they claim to."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.stats.intervals import group_codes, share_interval, wilson


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
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_rejects_what_is_no_proportion() -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(3, 2)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (3, 7), (561, 603), (99_000, 100_000)])
def test_shares_of_single_images_are_wilsons(successes: int, n: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    expected = proportion.proportion_confint(successes, n, method="wilson")
    assert share_interval(np.arange(n) < successes, np.arange(n)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("share_right", "most_exact"),
    [(0.5, 0.96), (0.9, 0.97), (0.98, 0.99)],
)
def test_wilson_covers(share_right: float, most_exact: float) -> None:
    # No simulation: all outcomes of 100 images, weighted by how often they come about.
    binom = pytest.importorskip("scipy.stats").binom
    covered = sum(
        binom.pmf(k, 100, share_right) for k in range(101) if wilson(k, 100)[0] <= share_right <= wilson(k, 100)[1]
    )
    assert 0.93 < covered < most_exact


def test_identical_images_of_a_group_count_once() -> None:
    # 40 groups of 10 equal images: nearly the interval of 40 images, and far from that of 400.
    right = np.repeat(np.arange(40) < 30, 10)
    low, high = share_interval(right, np.repeat(np.arange(40), 10))
    assert (low, high) == pytest.approx(wilson(30, 40), abs=0.01)
    # All right: no variance to see, so each group is one.
    assert share_interval(np.ones(400, bool), np.repeat(np.arange(40), 10)) == wilson(40, 40)
    # One group says as much as one image, at whatever share.
    assert share_interval(np.arange(10) < 5, np.zeros(10, int)) == wilson(0.5, 1)


def test_proportions_cover_where_images_share_groups() -> None:
    # Each group has a share of its own, so 300 images are worth far fewer; Wilson's own interval misses often.
    draw = np.random.default_rng(11)
    group = np.repeat(np.arange(60), 5)
    covered = naive = 0
    for _ in range(400):
        right = draw.random(300) < draw.beta(1.6, 0.4, 60)[group]  # 0.8 on average
        low, high = share_interval(right, group)
        covered += low <= 0.8 <= high
        low, high = wilson(int(right.sum()), 300)
        naive += low <= 0.8 <= high
    assert 0.92 <= covered / 400 <= 0.98
    assert naive / 400 < 0.85


def test_blank_groups_are_single_images() -> None:
    codes = group_codes(["", "a", "", "a", "b"])
    assert sorted(set(codes.tolist())) == [0, 1, 2, 3]
    assert codes[1] == codes[3] and codes[0] != codes[2]
    # Codes need no blank either.
    assert group_codes(["b", "a", "b"]).tolist() == [1, 0, 1]
