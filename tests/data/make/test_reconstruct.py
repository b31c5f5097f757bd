"""Reconstructions: near the real image, local, deterministic, and with the trace of up-sampling in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.make.test_self_blend import FACE, WINDOW, face_at, make_image

from unmask.data.make.reconstruct import NETWORKS, reconstruct
from unmask.data.make.self_blend import face_window
from unmask.imaging.faces import Face


def run(seed: int, image: Image.Image, face: Face = FACE) -> tuple[np.ndarray, np.ndarray, str]:
    result = reconstruct(image, face, np.random.default_rng(seed))
    return np.asarray(result.image).astype(int), result.mask, result.network


def test_same_seed_same_image_and_every_network_is_drawn() -> None:
    image = make_image()
    first = [run(seed, image) for seed in range(24)]
    for seed, (pixels, mask, network) in enumerate(first):
        again = run(seed, image)
        assert np.array_equal(pixels, again[0])
        assert np.array_equal(mask, again[1])
        assert network == again[2]
    assert {network for _, _, network in first} == {*NETWORKS}
    assert image.tobytes() == make_image().tobytes()


@pytest.mark.parametrize("seed", range(24))
def test_only_what_the_mask_shows_changes_and_nothing_outside_the_window(seed: int) -> None:
    image = make_image()
    pixels, mask, _ = run(seed, image)
    real = np.asarray(image).astype(int)
    changed = np.abs(pixels - real).max(2)
    assert not changed[mask == 0].any()
    assert changed[mask > 0.4].mean() > 1
    x0, y0, x1, y1 = WINDOW
    inside = np.zeros(mask.shape, bool)
    inside[y0:y1, x0:x1] = True
    assert not mask[~inside].any()
    assert 0.49 < mask.max() <= 1


def test_a_third_changes_only_a_part_of_the_face() -> None:
    x0, y0, x1, y1 = WINDOW
    partly = [(run(seed, make_image())[1][y0:y1, x0:x1] == 0).any() for seed in range(200)]
    assert 40 < sum(partly) < 95


def test_a_photograph_comes_back_almost_as_it_was(astronaut: Image.Image) -> None:
    """Above 25 dB everywhere: what tells it from the real one is its trace, not its content."""
    image = astronaut.crop((120, 10, 340, 230))
    real = np.asarray(image).astype(int)
    for seed in range(12):
        pixels, mask, _ = run(seed, image, face_at(60, 60, 100))
        squared = ((pixels - real)[mask > 0] ** 2).mean()
        assert 10 * np.log10(255**2 / squared) > 25


def test_colours_and_sharpness_do_not_give_it_away(astronaut: Image.Image) -> None:
    image = astronaut.crop((120, 10, 340, 230))
    means, sharpness = [], []
    for seed in range(30):
        pixels, mask, _ = run(seed, image, face_at(60, 60, 100))
        inside = mask > 0
        shown, real = (np.asarray(Image.fromarray(p.astype(np.uint8))) for p in (pixels, np.asarray(image)))
        means.append(shown[inside].mean(0) - real[inside].mean(0))
        steps = [np.abs(np.diff(p.astype(float), axis=1))[inside[:, 1:]].mean() for p in (shown, real)]
        sharpness.append(steps[0] / steps[1])
    assert np.abs(means).max() < 1
    # Some are nearly as sharp as the image and some are softer.
    assert min(sharpness) > 0.6
    assert max(sharpness) > 0.93


def test_the_place_in_a_larger_image_makes_no_difference() -> None:
    large = make_image(400, 380)
    face = face_at(180, 170, 60)
    x0, y0, x1, y1 = face_window(face, large.size)
    for seed in range(8):
        whole, mask, _ = run(seed, large, face)
        moved = face_at(180 - x0 + 2, 170 - y0 + 2, 60)
        part, part_mask, _ = run(seed, large.crop((x0 - 2, y0 - 2, x1 + 4, y1 + 6)), moved)
        assert np.array_equal(whole[y0 - 2 : y1 + 6, x0 - 2 : x1 + 4], part)
        assert np.array_equal(mask[y0 - 2 : y1 + 6, x0 - 2 : x1 + 4], part_mask)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    x=st.floats(0, 1, exclude_max=True),
    y=st.floats(0, 1, exclude_max=True),
    side=st.floats(2, 80),
    seed=st.integers(0, 2**32),
)
def test_any_size_and_place_keeps_the_size(width: int, height: int, x: float, y: float, side: float, seed: int) -> None:
    face = face_at(x * width, y * height, side, (width, height))
    pixels, mask, _ = run(seed, make_image(width, height), face)
    assert pixels.shape == (height, width, 3)
    assert mask.shape == (height, width)
    assert 0 <= mask.min() <= mask.max() <= 1
