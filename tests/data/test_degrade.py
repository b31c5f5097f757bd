"""Degradations: what they change, that they can be applied again, and that nothing breaks them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from unmask.data.degrade import STEPS, Step, apply_steps, draw_steps
from unmask.errors import UsageError


def make_image(width: int = 120, height: int = 90) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("name", STEPS)
def test_each_step_changes_the_image_and_can_be_applied_again_from_json(name: str) -> None:
    image = make_image()
    before = image.tobytes()
    for seed in range(8):
        (step,) = draw_steps(np.random.default_rng(seed), [name], most=1)
        content = json.loads(json.dumps(step.to_json()))
        again = Step(content.pop("step"), content)
        first, second = apply_steps(image, [step]), apply_steps(image, [again])
        assert first.mode == "RGB"
        assert (first.size, first.tobytes()) == (second.size, second.tobytes())
        assert first.tobytes() != before
    assert image.tobytes() == before


@pytest.mark.parametrize("size", [(16, 16), (17, 300), (1, 1)])
def test_small_images(size: tuple[int, int]) -> None:
    for seed in range(40):
        result = apply_steps(make_image(*size), draw_steps(np.random.default_rng(seed)))
        assert min(result.size) >= min(*size, 16)


def test_steps_are_drawn_once_each_and_all_of_them_occur() -> None:
    drawn = [[step.name for step in draw_steps(np.random.default_rng(seed))] for seed in range(200)]
    assert all(1 <= len(names) <= 3 and len(set(names)) == len(names) for names in drawn)
    assert {name for names in drawn for name in names} == set(STEPS)


def test_grey_is_grey_and_noise_has_its_strength() -> None:
    grey = np.asarray(apply_steps(make_image(), [Step("grey", {})]))
    assert (grey[..., 0] == grey[..., 1]).all()
    flat = Image.new("RGB", (200, 200), (128, 128, 128))
    noisy = np.asarray(apply_steps(flat, [Step("noise", {"sigma": 9.0, "grey": False, "seed": 1})]), float)
    assert noisy.std() == pytest.approx(9, rel=0.03)


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        draw_steps(np.random.default_rng(0), ["jpeg", "melt"])
    assert caught.value.code == "unknown_step"
