"""Times spread over scenes, and what counts as a cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from unmask.imaging.video.cuts import is_cut, look_at, spread


@pytest.mark.parametrize(
    ("duration", "count", "cuts", "wanted"),
    [
        (8.0, 4, (), [1.0, 3.0, 5.0, 7.0]),  # the middles of four parts
        (8.0, 1, (), [4.0]),
        (8.0, 4, (6.0,), [1.0, 3.0, 5.0, 7.0]),  # three quarters before the cut, one behind it
        (10.0, 3, (9.5,), [2.375, 7.125, 9.75]),  # a short scene has one, too
        (10.0, 2, (1.0, 9.0), [0.5, 5.0]),  # more scenes than times: the longest, of equal ones the earlier
        (10.0, 2, (0.0, 10.0, 12.0), [2.5, 7.5]),  # cuts at the ends and beyond make no scenes
    ],
)
def test_spread(duration: float, count: int, cuts: tuple[float, ...], wanted: list[float]) -> None:
    assert spread(duration, count, cuts) == pytest.approx(wanted)


def test_every_scene_is_seen() -> None:
    cuts = [1.0, 1.2, 5.0, 5.5]
    times = spread(20.0, 16, cuts)
    assert len(times) == 16 and times == sorted(times)
    edges = [0.0, *cuts, 20.0]
    assert all(any(a < time < b for time in times) for a, b in pairwise(edges))


def _scene(shade: int, shift: int = 0) -> np.ndarray:
    frame = np.full((72, 128), shade, np.uint8)
    frame[20:50, 30 + shift : 60 + shift] = 255 - shade
    return frame


@pytest.mark.parametrize(
    ("before", "after", "adjacent", "wanted"),
    [
        (_scene(40), _scene(40), True, False),
        (_scene(40), _scene(40, 12), True, False),  # a person moves
        (_scene(40), _scene(52), True, False),  # a lamp is switched on
        (_scene(40), _scene(160), True, True),
        (_scene(40), _scene(40, 40), False, False),  # seconds later, elsewhere in the same room
        (_scene(40), _scene(160), False, True),
    ],
)
def test_is_cut(before: np.ndarray, after: np.ndarray, adjacent: bool, wanted: bool) -> None:
    assert is_cut(look_at(before), look_at(after), adjacent=adjacent) is wanted
