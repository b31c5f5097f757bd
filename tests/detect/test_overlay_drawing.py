"""The evidence drawn on an image: where it may draw, in which colours, and on which sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.detect.detector import load
from unmask.detect.overlay import MUTED, TOWARDS_FAKE, TOWARDS_REAL, colour_map, draw_evidence
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.imaging.faces import Box, Face

GREY = (120, 120, 120)


def verdict_of(*regions: RegionVerdict) -> Verdict:
    return Verdict("x", "FAKE", 0.5, "FAKE", regions, None, "m@1", "0", 1.0)


def region(  # type: ignore[type-arg]
    crop: Box, evidence: float | np.ndarray, face: Box | None = None, probability: float = 1.0
) -> RegionVerdict:
    values = np.full((4, 4), evidence, np.float32) if isinstance(evidence, float) else evidence.astype(np.float32)
    return RegionVerdict(None if face is None else Face(face, 0.9, ()), crop, probability, values)


def test_nothing_is_drawn_outside_crop_box_and_label() -> None:
    image = Image.new("RGB", (400, 300), GREY)
    crop, face = (100.0, 50.0, 250.0, 200.0), (130.0, 80.0, 220.0, 170.0)
    drawn = np.asarray(draw_evidence(image, verdict_of(region(crop, 3.0, face))))
    changed = (drawn != 120).any(axis=-1)
    assert changed[50:200, 100:250].mean() > 0.99
    changed[50:200, 100:250] = False
    assert not changed.any()  # the label of about 70 x 15 px begins at the face's corner and fits inside the crop


def test_without_a_face_nothing_is_drawn() -> None:
    image = Image.new("RGB", (200, 200), GREY)
    sought = replace(verdict_of(region((0.0, 0.0, 200.0, 200.0), 5.0)), verdict="NO_FACE")
    assert draw_evidence(image, sought).tobytes() == image.tobytes()


def test_the_image_given_is_not_changed() -> None:
    image = Image.new("RGB", (200, 200), GREY)
    drawn = draw_evidence(image, verdict_of(region((0.0, 0.0, 200.0, 200.0), 5.0)))
    assert drawn is not image
    assert image.tobytes() == Image.new("RGB", (200, 200), GREY).tobytes()


@pytest.mark.parametrize(
    ("evidence", "colour"),
    [
        pytest.param(50.0, TOWARDS_FAKE, id="fake: orange"),
        pytest.param(-50.0, TOWARDS_REAL, id="real: purple"),
    ],
)
def test_strong_evidence_has_the_colour_of_its_sign(evidence: float, colour: tuple[int, int, int]) -> None:
    image = Image.new("RGB", (400, 400), GREY)
    drawn = draw_evidence(image, verdict_of(region((0.0, 0.0, 400.0, 400.0), evidence)))
    # 0.65 of the colour over 0.35 of the image, the opacity being rounded to 166 / 255
    expected = [(166 * part + 89 * 120) / 255 for part in colour]
    assert np.abs(np.subtract(drawn.getpixel((200, 300)), expected)).max() <= 1


def test_no_evidence_leaves_the_image_clear() -> None:
    image = Image.new("RGB", (400, 400), GREY)
    drawn = draw_evidence(image, verdict_of(region((0.0, 0.0, 400.0, 400.0), 0.0)))
    assert drawn.getpixel((200, 300)) == GREY


def test_evidence_lies_where_it_was_found() -> None:
    halves = np.zeros((4, 4))
    halves[:, :2], halves[:, 2:] = 20, -20
    image = Image.new("RGB", (400, 400), GREY)
    drawn = draw_evidence(image, verdict_of(region((0.0, 0.0, 400.0, 400.0), halves)))
    left, right = drawn.getpixel((50, 300)), drawn.getpixel((350, 300))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > left[2] + 50  # orange: red over blue
    assert right[2] > right[0] + 20  # purple: blue over red


def test_the_colour_map_by_hand() -> None:
    evidence = np.array([[0.0, 4.0], [-4.0, 1000.0]], np.float32)
    colours, opacity = colour_map(evidence, 1.0)
    assert colours.dtype == np.uint8
    assert [tuple(colour) for colour in colours.reshape(-1, 3)] == [
        TOWARDS_REAL,  # nothing to see of it
        TOWARDS_FAKE,
        TOWARDS_REAL,
        TOWARDS_FAKE,
    ]
    strong = 0.65 * np.tanh(1)  # 0.495: three quarters of the greatest
    assert opacity == pytest.approx(np.array([[0, strong], [strong, 0.65]]), abs=1e-6)


def test_the_less_sure_the_answer_the_less_opaque_its_evidence() -> None:
    image, crop = Image.new("RGB", (400, 400), GREY), (0.0, 0.0, 400.0, 400.0)

    def distance(probability: float) -> float:
        pixel = draw_evidence(image, verdict_of(region(crop, 5.0, probability=probability))).getpixel((200, 300))
        return float(np.abs(np.subtract(pixel, GREY)).sum())

    assert distance(1.0) > distance(0.8) > distance(0.5) > 0
    assert distance(0.8) == distance(0.2)  # as sure of real as of fake


def test_the_largest_face_lies_on_top() -> None:
    image = Image.new("RGB", (400, 400), GREY)
    large = region((0.0, 0.0, 400.0, 400.0), 50.0, (100.0, 100.0, 300.0, 300.0))
    small = region((150.0, 250.0, 250.0, 350.0), -50.0, (160.0, 260.0, 240.0, 290.0))
    pixel = draw_evidence(image, verdict_of(large, small)).getpixel((200, 330))
    assert isinstance(pixel, tuple)
    assert pixel[0] > pixel[2]  # orange over purple


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((16, 16), (16, 16), id="the least"),
        pytest.param((1600, 900), (1600, 900), id="the greatest that is not shrunk"),
        pytest.param((4000, 3000), (1600, 1200), id="12 megapixels"),
        pytest.param((32768, 16), (1600, 1), id="a strip that shrinks below a pixel"),
        pytest.param((16, 32768), (1, 1600), id="the same upright"),
    ],
)
def test_any_size(size: tuple[int, int], expected: tuple[int, int], tiny_bundle: Path) -> None:
    image = Image.new("RGB", size, GREY)
    drawn = draw_evidence(image, load(tiny_bundle).detect(image))
    assert (drawn.size, drawn.mode) == (expected, "RGB")


def test_a_real_verdict_is_drawn(tiny_bundle: Path, astronaut: Image.Image) -> None:
    verdict = load(tiny_bundle).detect(astronaut)
    drawn = np.asarray(draw_evidence(astronaut, verdict)).astype(int)
    changed = (drawn != np.asarray(astronaut)).any(axis=-1)
    x0, y0, x1, y1 = (round(edge) for edge in verdict.regions[0].crop)
    inside = changed[y0:y1, x0:x1].mean()
    changed[y0:y1, x0:x1] = False
    assert inside > 0.9
    assert not changed.any()


def test_evidence_without_places_is_no_map_and_the_label_says_so() -> None:
    image = Image.new("RGB", (400, 400), GREY)
    crop = (0.0, 0.0, 400.0, 400.0)
    flat = np.asarray(draw_evidence(image, verdict_of(region(crop, np.full((1, 1), 9.0)))))
    with_map = np.asarray(draw_evidence(image, verdict_of(region(crop, 0.0))))  # a map that says nothing
    assert (flat[60:380, 20:380] == 120).all()
    # The label is longer by ", no map"; the rest is the same.
    written = [np.flatnonzero((drawn[1:12, 2:380] != 120).any((0, 2))).max() for drawn in (flat, with_map)]
    assert written[0] > written[1] + 20


def test_a_muted_map_is_grey_and_faint() -> None:
    """Whatever its sign and strength: 0.2 of grey 128 at most, and the same shape as in colour."""
    evidence = np.array([[40.0, -40.0], [0.0, 2.0]], np.float32)
    colours, opacity = colour_map(evidence, 1.0, muted=True)
    assert (colours == MUTED).all()
    assert opacity == pytest.approx(np.array([[0.2, 0.2], [0.0, 0.2 * np.tanh(0.5)]]), abs=1e-6)
    image = Image.new("RGB", (64, 64), (200, 30, 90))
    drawn = np.asarray(draw_evidence(image, verdict_of(region((0.0, 0.0, 64.0, 64.0), 50.0)), muted=True), np.int16)
    inside = drawn[32, 20]  # away from box and label
    assert inside.tolist() == pytest.approx([0.8 * 200 + 0.2 * 128, 0.8 * 30 + 0.2 * 128, 0.8 * 90 + 0.2 * 128], abs=1)
