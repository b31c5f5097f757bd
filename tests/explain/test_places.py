"""Places of a face: by hand on a face whose key points are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.explain.places import PLACES, find_places
from unmask.imaging.faces import Face

CROP = (0.0, 0.0, 160.0, 160.0)
# Eyes 40 apart on the line y = 70, nose at 90, mouth at 110; ears at the box's sides.
FACE = Face(
    (40.0, 30.0, 120.0, 130.0),
    0.9,
    ((60.0, 70.0), (100.0, 70.0), (80.0, 90.0), (80.0, 110.0), (40.0, 75.0), (120.0, 75.0)),
)


def at(x: int, y: int, value: float = 1.0) -> np.ndarray:
    evidence = np.zeros((16, 16), np.float32)
    evidence[y // 10, x // 10] = value
    return evidence


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [
        (60, 70, "eyes"),
        (95, 65, "eyes"),
        (80, 90, "nose"),
        (80, 115, "mouth"),
        (80, 35, "forehead"),
        (45, 100, "cheeks and chin"),
        (5, 5, "around the face"),
        (145, 80, "around the face"),
    ],
)
def test_one_cell_lies_in_its_place(x: int, y: int, place: str) -> None:
    found = find_places(at(x, y), 1, CROP, FACE)
    assert found[0].name == place
    assert found[0].share > 0.5
    assert found[0].density > 1.3


def test_only_evidence_for_the_verdict_counts() -> None:
    evidence = at(80, 115, 5.0) + at(5, 5, -2.0)
    assert find_places(evidence, 1, CROP, FACE)[0].name == "mouth"
    assert find_places(evidence, -1, CROP, FACE)[0].name == "around the face"
    assert find_places(evidence * 0, 1, CROP, FACE) == ()
    assert find_places(-np.abs(evidence), 1, CROP, FACE) == ()


def test_even_evidence_gives_each_place_its_area() -> None:
    for place in find_places(np.ones((6, 6), np.float32), 1, CROP, FACE):
        assert place.share == pytest.approx(place.area)


def test_a_face_without_key_points_has_no_places() -> None:
    assert find_places(np.ones((6, 6), np.float32), 1, CROP, Face(FACE.box, 0.9, ())) == ()


def test_a_face_upside_down_has_its_forehead_below() -> None:
    turned = Face(FACE.box, 0.9, tuple((160 - x, 160 - y) for x, y in FACE.keypoints))
    assert find_places(at(80, 125), 1, CROP, turned)[0].name == "forehead"


points = st.tuples(st.floats(-50, 250), st.floats(-50, 250))


@given(st.lists(points, min_size=6, max_size=6), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, -1]))
def test_shares_and_areas_add_up(keypoints: list[tuple[float, float]], height: int, width: int, towards: int) -> None:
    evidence = np.random.default_rng(height * width).normal(size=(height, width)).astype(np.float32)
    found = find_places(evidence, towards, CROP, Face(FACE.box, 0.9, tuple(keypoints)))
    if found:
        assert sum(place.share for place in found) == pytest.approx(1)
        assert sum(place.area for place in found) == pytest.approx(1)
        assert {place.name for place in found} <= set(PLACES)
    else:
        assert (evidence * towards <= 0).all()
