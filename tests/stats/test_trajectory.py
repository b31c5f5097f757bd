"""The path of features: values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unmask.stats.trajectory import STATISTICS, jitter, trajectory


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # a straight line in steps of 5: no turn at all
        ([(0, 0), (3, 4), (6, 8)], (5, 0, 5, 5, 0, 0, 0, 0, 1)),
        # a right angle: from (0, 0) to (1, 1) on a path of 2
        ([(0, 0), (1, 0), (1, 1)], (1, 0, 1, 1, 90, 0, 90, 90, math.sqrt(2) / 2)),
        # there and back: the end is the start
        ([(0, 0), (2, 0), (0, 0)], (2, 0, 2, 2, 180, 0, 180, 180, 0)),
        # steps of 1 and 3, then a turn of 0 and one of 90 degrees
        ([(0, 0), (1, 0), (4, 0), (4, 3)], (7 / 3, 8 / 9, 1, 3, 45, 2025, 0, 90, 5 / 7)),
        # nothing moves: steps have no direction
        ([(1, 1), (1, 1), (1, 1)], (0, 0, 0, 0, 0, 0, 0, 0, 1)),
        # two frames have no turn, one has no step
        ([(0, 0), (0, 2)], (2, 0, 2, 2, 0, 0, 0, 0, 1)),
        ([(5, 5)], (0, 0, 0, 0, 0, 0, 0, 0, 1)),
    ],
)
def test_a_path_by_hand(points: list[tuple[float, float]], expected: tuple[float, ...]) -> None:
    found = trajectory(points)
    assert tuple(found) == STATISTICS
    assert tuple(found.values()) == pytest.approx(expected, abs=1e-4)


def test_a_path_does_not_depend_on_where_it_lies() -> None:
    path = np.random.default_rng(0).normal(size=(9, 5))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    assert trajectory(path @ turn + 3) == pytest.approx(trajectory(path))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # an even rise does not tremble
        ([1.0, 2.0, 3.0, 4.0], 0.0),
        # up and down by 1: every second difference is 2
        ([0.0, 1.0, 0.0, 1.0], 2.0),
        # in two dimensions the length of the bend, (3, 4)
        ([(0.0, 0.0), (0.0, 0.0), (3.0, 4.0)], 5.0),
        # too few
        ([1.0, 5.0], 0.0),
    ],
)
def test_jitter_by_hand(values: list[float], expected: float) -> None:
    assert jitter(values) == expected
