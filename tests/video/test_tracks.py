"""Faces linked into tracks, on boxes drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.detect.verdict import RegionVerdict
from unmask.imaging.faces import Box, Face
from unmask.video.tracks import FaceSeen, TrackBuilder, appearance_of, iou

_EMPTY = np.zeros((0, 0), np.float32)


def _looks(seed: int) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return appearance_of(np.kron(pixels, np.ones((4, 4, 1), np.uint8)))


ANNA, BEN = _looks(1), _looks(2)


def _face(box: Box, looks: np.ndarray) -> FaceSeen:
    return FaceSeen(RegionVerdict(Face(box, 0.9, ()), box, 0.5, _EMPTY, logit=0.0), looks)


def _tracks(frames: list[list[FaceSeen]], cuts: tuple[int, ...] = ()) -> list[list[int]]:
    builder = TrackBuilder()
    for index, faces in enumerate(frames):
        builder.add(index, index / 10, faces, after_cut=index in cuts)
    return [track.indices for track in builder.tracks]


LEFT, RIGHT = (0.0, 0.0, 10.0, 10.0), (60.0, 0.0, 70.0, 10.0)


def test_two_still_faces_are_two_tracks() -> None:
    assert _tracks([[_face(LEFT, ANNA), _face(RIGHT, BEN)]] * 3) == [[0, 1, 2], [0, 1, 2]]


def test_a_cut_ends_a_track_even_in_place() -> None:
    assert _tracks([[_face(LEFT, ANNA)]] * 4, cuts=(2,)) == [[0, 1], [2, 3]]


def test_a_face_that_jumps_is_known_by_its_looks() -> None:
    assert _tracks([[_face(LEFT, ANNA)], [_face(RIGHT, ANNA)]]) == [[0, 1]]


def test_another_face_far_away_is_another_track() -> None:
    assert _tracks([[_face(LEFT, ANNA)], [_face(RIGHT, BEN)]]) == [[0], [1]]


def test_people_who_change_places_keep_their_tracks() -> None:
    frames = [[_face(LEFT, ANNA), _face(RIGHT, BEN)], [_face(LEFT, BEN), _face(RIGHT, ANNA)]]
    builder = TrackBuilder()
    for index, faces in enumerate(frames):
        builder.add(index, index / 10, faces, after_cut=False)
    assert [[face.box for face in track.faces] for track in builder.tracks] == [[LEFT, RIGHT], [RIGHT, LEFT]]


@pytest.mark.parametrize(("missed", "wanted"), [(1, [[0, 2]]), (2, [[0, 3]]), (3, [[0], [4]])])
def test_a_face_may_be_missed_in_two_frames(missed: int, wanted: list[list[int]]) -> None:
    frames: list[list[FaceSeen]] = [[_face(LEFT, ANNA)], *([[]] * missed), [_face(LEFT, ANNA)]]
    assert _tracks(frames) == wanted


def test_a_face_of_another_size_elsewhere_is_another_track() -> None:
    large = (50.0, 0.0, 80.0, 30.0)
    assert _tracks([[_face(LEFT, ANNA)], [_face(large, ANNA)]]) == [[0], [1]]


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (LEFT, 1.0),
        ((5.0, 0.0, 15.0, 10.0), 1 / 3),  # half of each: 50 of 150
        ((10.0, 0.0, 20.0, 10.0), 0.0),  # they touch
        (RIGHT, 0.0),
    ],
)
def test_intersection_over_union(other: Box, wanted: float) -> None:
    assert iou(LEFT, other) == pytest.approx(wanted)


def test_looks_are_a_correlation() -> None:
    assert float(ANNA @ ANNA) == pytest.approx(1, abs=1e-6)
    assert abs(float(ANNA @ BEN)) < 0.3
    assert float(np.abs(appearance_of(np.full((32, 32, 3), 7, np.uint8))).sum()) == 0  # plain: like nothing
