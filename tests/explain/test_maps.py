"""Occlusion and checks of maps, against a detector that adds up cells, for which every answer is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.explain.faithfulness import Curves, Faithfulness, check, mean_curves, rank_correlation, runs
from unmask.explain.maps import EvidenceMap, Score, blurred, occlude, score_without, spread
from unmask.imaging.preprocessing import Pixels

SIZE, GRID = 48, 4
CELL = SIZE // GRID


def image() -> Pixels:
    """Cells with as much fine contrast as their number, on mid grey."""
    rng = np.random.default_rng(1)
    amount = np.arange(GRID * GRID).reshape(GRID, GRID).repeat(CELL, 0).repeat(CELL, 1)
    noise = rng.choice([-1, 1], (SIZE, SIZE)) * amount * 4
    return np.repeat(np.clip(128 + noise, 0, 255).astype(np.uint8)[..., None], 3, 2)


def contrast(pixels: Pixels) -> np.ndarray:
    """What the detector adds up: the mean absolute difference from mid grey, a cell [n, grid, grid]."""
    cells = np.abs(pixels[..., 0].astype(float) - 128).reshape(-1, GRID, CELL, GRID, CELL)
    return np.asarray(cells.mean((2, 4)))


def additive(sign: int = 1, offset: float = 0.0) -> Score:
    return lambda pixels: sign * contrast(pixels).mean((1, 2)) / 8 + offset


def test_occlusion_of_a_detector_that_adds_up_cells_is_what_each_cell_adds() -> None:
    pixels, seen = image(), []
    found = occlude(additive(), pixels, (GRID, GRID), lambda: seen.append(1))
    whole, gone = contrast(pixels[None])[0], contrast(blurred(pixels)[None])[0]
    assert found.method == "occlusion"
    np.testing.assert_allclose(found.values, (whole - gone) / 8, atol=1e-5)
    assert len(seen) == GRID * GRID


def test_pixels_outside_the_removed_cells_stay() -> None:
    pixels = image()
    asked = []

    def score(batch: Pixels) -> np.ndarray:
        asked.append(batch)
        return np.zeros(len(batch))

    removed = np.zeros((1, GRID, GRID), bool)
    removed[0, 1, 2] = True
    score_without(score, pixels, removed)
    [[shown]] = asked
    inside = np.zeros((SIZE, SIZE), bool)
    inside[CELL : 2 * CELL, 2 * CELL : 3 * CELL] = True
    np.testing.assert_array_equal(shown[~inside], pixels[~inside])
    np.testing.assert_array_equal(shown[inside], blurred(pixels)[inside])


@given(st.integers(1, 9), st.integers(1, 9), st.integers(9, 70))
def test_cells_divide_any_square(height: int, width: int, size: int) -> None:
    cells = np.eye(height * width, dtype=bool).reshape(-1, height, width)
    covered = np.sum([spread(each, size) for each in cells], 0)
    assert (covered == 1).all()


def checked(evidence: np.ndarray, towards: int = 1, score: Score | None = None, **options: object) -> Faithfulness:
    values = EvidenceMap(evidence.astype(np.float32), "class_activation")
    return check(score or additive(offset=-3), image(), values, towards, **options)  # type: ignore[arg-type]


def test_the_true_map_beats_every_order_and_its_opposite_none() -> None:
    true = contrast(image()[None])[0]
    right, wrong = checked(true), checked(-true)
    assert right.beaten == len(right.random) == 8
    assert wrong.beaten == 0
    assert right.gain > 0.05 > 0 > -0.05 > wrong.gain
    assert right.deletion_gain > 0
    assert right.insertion_gain > 0
    # The curves begin and end at the whole and the blurred crop.
    whole, gone = (
        1 / (1 + math.exp(3 - float(contrast(each[None]).mean()) / 8)) for each in (image(), blurred(image()))
    )
    assert right.map.deletion[0] == right.map.insertion[-1] == pytest.approx(whole)
    assert right.map.deletion[-1] == right.map.insertion[0] == pytest.approx(gone)
    assert right.fractions == (0, 3 / 16, 5 / 16, 8 / 16, 11 / 16, 13 / 16, 1)


def test_evidence_for_real_is_checked_on_the_probability_of_real() -> None:
    true = contrast(image()[None])[0]
    found = checked(-true, towards=-1, score=additive(-1, 3.0))
    assert found.beaten == 8
    assert found.map.deletion == pytest.approx(checked(true).map.deletion)


def test_the_controls_are_reported() -> None:
    true = contrast(image()[None])[0]
    other = EvidenceMap(true[::-1].astype(np.float32).copy(), "occlusion")
    found = checked(true, redrawn=-true.astype(np.float32), other=other)
    assert found.redrawn_correlation == pytest.approx(-1)
    assert found.redrawn_gain == pytest.approx(checked(-true).gain)
    assert found.agreement == pytest.approx(rank_correlation(true, other.values))
    content = found.to_json()
    assert content["random_orders_beaten"] == 8
    assert content["redrawn"]["deletion_area"] > content["map"]["deletion_area"]
    assert checked(true).redrawn_gain is checked(true).agreement is None


@pytest.mark.parametrize("cells", [(1, 1), (2, 2), (4, 4)])
def test_steps_are_counted(cells: tuple[int, int]) -> None:
    seen: list[int] = []
    evidence = np.arange(cells[0] * cells[1], dtype=float).reshape(cells)
    checked(evidence, redrawn=evidence.astype(np.float32), advance=lambda: seen.append(1))
    assert len(seen) == runs(evidence.size)


def test_the_same_seed_gives_the_same_orders() -> None:
    true = contrast(image()[None])[0]
    assert checked(true, seed=3).random == checked(true, seed=3).random
    assert checked(true, seed=3).random != checked(true, seed=4).random


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.integers(0, 99))
def test_rank_correlation_is_spearmans(values: list[int], seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    first = np.array(values, np.float32)[None]
    second = np.random.default_rng(seed).permutation(first[0])[None]
    ours = rank_correlation(first, second)
    if np.ptp(first) == 0:
        assert ours is None
    else:
        assert ours == pytest.approx(stats.spearmanr(first[0], second[0]).statistic, abs=1e-9)


def test_areas_by_hand() -> None:
    curves = Curves((1.0, 0.5, 0.0), (0.0, 1.0, 1.0))
    assert (curves.deletion_area, curves.insertion_area) == (0.5, 0.75)
    assert mean_curves([curves, Curves((0.0, 0.5, 1.0), (1.0, 0.0, 0.0))]) == Curves((0.5,) * 3, (0.5,) * 3)


FLAT, FALLING, RISING = (0.5, 0.5, 0.5), (0.9, 0.1, 0.1), (0.9, 0.8, 0.1)


@pytest.mark.parametrize(
    ("ours", "random", "gain", "beaten", "is_reliable"),
    [
        # better than all eight, by (0.55 - 0.3) in both areas
        (Curves(FALLING, (0.1, 0.9, 0.9)), [Curves(RISING, (0.1, 0.3, 0.9))] * 8, 0.325, 8, True),
        # better than seven of eight and than their mean
        (
            Curves((0.9, 0.4, 0.1), (0.1, 0.6, 0.9)),
            [*[Curves(RISING, (0.1, 0.5, 0.9))] * 7, Curves((0.9, 0.3, 0.1), (0.1, 0.6, 0.9))],
            0.10625,
            7,
            True,
        ),
        # better than six of eight: chance does this in three of nine maps
        (
            Curves((0.9, 0.4, 0.1), (0.1, 0.6, 0.9)),
            [*[Curves(RISING, (0.1, 0.5, 0.9))] * 6, *[Curves((0.9, 0.3, 0.1), (0.1, 0.6, 0.9))] * 2],
            0.0875,
            6,
            False,
        ),
        # as good as every order
        (Curves(FLAT, FLAT), [Curves(FLAT, FLAT)] * 8, 0.0, 0, False),
        # better than seven by a little, but worse than the mean
        (
            Curves((0.9, 0.5, 0.1), (0.1, 0.5, 0.9)),
            [*[Curves((0.9, 0.51, 0.1), (0.1, 0.5, 0.9))] * 7, Curves((0.9, 0.0, 0.1), (0.1, 1.0, 0.9))],
            -0.0290625,
            7,
            False,
        ),
    ],
)
def test_when_a_map_is_reliable(
    ours: Curves, random: list[Curves], gain: float, beaten: int, is_reliable: bool
) -> None:
    found = Faithfulness(1, (0.0, 0.5, 1.0), ours, tuple(random), None, None, None)
    assert found.gain == pytest.approx(gain, abs=1e-9)
    assert found.beaten == beaten
    assert found.reliable is is_reliable
