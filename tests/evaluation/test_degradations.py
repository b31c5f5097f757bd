"""What conditions do to images: sizes, shares, draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask.data.degrade import Step, apply_steps
from unmask.errors import UsageError
from unmask.evaluation import degradations as conditions
from unmask.evaluation.degradations import GRID, Condition, degrade, grid, tiers, unavailable
from unmask.imaging.faces import Box


def _make_image(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def _no_face() -> Box | None:
    return None


def _bytes(image: Image.Image) -> tuple[tuple[int, int], bytes]:
    return image.size, image.tobytes()


def _all() -> list[Condition]:
    return tiers() + grid()


def test_the_tiers_are_what_they_are_called() -> None:
    assert [each.name for each in tiers()] == ["clean", "web", "hard", "face-128", "face-96", "face-64"]
    steps = {each.name: each.steps(_make_image(), "a", 0, _no_face) for each in tiers()}
    assert steps["clean"] == []
    for name, side, quality in (("web", 768, 60), ("hard", 512, 40)):
        assert steps[name] == [
            Step("fit", {"side": side}),
            Step("jpeg", {"quality": quality, "subsampling": "4:2:0"}),
        ]
    assert degrade(_make_image(1000, 500), Condition("web"), "a", 0, _no_face).size == (768, 384)
    assert degrade(_make_image(300, 1024), Condition("hard"), "a", 0, _no_face).size == (150, 512)
    # Small images are not enlarged.
    assert degrade(_make_image(200, 100), Condition("hard"), "a", 0, _no_face).size == (200, 100)


@pytest.mark.parametrize(
    ("face", "level", "size"),
    [
        ((40.0, 20.0, 120.0, 100.0), 64, (128, 96)),  # a face of 80 px in 160 x 120
        ((40.0, 20.0, 120.0, 110.0), 64, (114, 85)),  # its longer side counts: 90 px
        ((40.0, 20.0, 120.0, 100.0), 96, (160, 120)),  # smaller already: never enlarged
        (None, 96, (96, 72)),  # the whole image stands for a face
    ],
)
def test_the_largest_face_is_shrunk_to_a_side(face: Box | None, level: float, size: tuple[int, int]) -> None:
    image = _make_image()
    shrunk = degrade(image, Condition("face", level), "a", 0, lambda: face)
    assert shrunk.size == size
    assert (shrunk.tobytes() == image.tobytes()) == (size == image.size)


def test_names_are_unique_and_the_grid_is_whole() -> None:
    names = [each.name for each in _all()]
    assert len(set(names)) == len(names)
    wanted = {"jpeg", "webp", "avif", "rescale", "blur", "noise", "crop", "rotation", "brightness", "grey"}
    assert set(GRID) == wanted | {"screenshot", "occlusion"}
    assert {each.family for each in grid()} == set(GRID) - set(unavailable())
    assert [each.name for each in grid(["blur", "grey", "blur"])] == ["blur-1", "blur-2", "blur-4", "grey"]


@pytest.mark.parametrize("condition", _all(), ids=lambda each: each.name)
def test_every_condition_gives_the_same_pixels_again(condition: Condition) -> None:
    image = _make_image()
    before = image.tobytes()
    first, again = (degrade(image, condition, "a/b.png", 3, _no_face) for _ in range(2))
    assert first.mode == "RGB" and _bytes(first) == _bytes(again)
    assert image.tobytes() == before
    assert (_bytes(first) == _bytes(image)) == (condition.name == "clean")


@pytest.mark.parametrize("name", ["noise-8", "crop-0.2", "rotation-15", "screenshot-2", "occlusion-0.25"])
def test_draws_depend_on_seed_and_path_and_condition(name: str) -> None:
    condition = next(each for each in grid() if each.name == name)
    image = _make_image()
    drawn = {(seed, path): repr(condition.steps(image, path, seed, _no_face)) for seed in range(6) for path in "abcdef"}
    assert len(set(drawn.values())) > (1 if name.startswith("rotation") else 30)
    # Another level has draws of its own: its noise is not the same noise, only stronger.
    other = Condition(condition.family, (condition.level or 0) / 2)
    one, two = (each.steps(image, "a", 0, _no_face) for each in (condition, other))
    assert one != two
    if name.startswith("noise"):
        assert one[0].parameters["seed"] != two[0].parameters["seed"]


def test_unknown_and_unavailable_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"'fog'.*jpeg") as caught:
        grid(["fog"])
    assert caught.value.code == "unknown_condition"
    monkeypatch.setattr(conditions, "unavailable", lambda: ("avif",))
    with pytest.raises(UsageError, match="without AVIF") as caught:
        grid(["avif"])
    assert caught.value.code == "unavailable_condition"
    assert "avif" not in {each.family for each in grid()}


@given(width=st.integers(40, 300), height=st.integers(40, 300), level=st.sampled_from([0.1, 0.2, 0.4]))
@settings(max_examples=30, deadline=None)
def test_crops_cut_their_share_away(width: int, height: int, level: float) -> None:
    cut = degrade(_make_image(width, height), Condition("crop", level), f"{width}x{height}", 0, _no_face)
    assert abs(cut.width - (1 - level) * width) <= 1 and abs(cut.height - (1 - level) * height) <= 1


@given(width=st.integers(20, 200), height=st.integers(20, 200), degrees=st.floats(-90, 90))
@settings(max_examples=60, deadline=None)
def test_rotation_invents_no_corner(width: int, height: int, degrees: float) -> None:
    # Black is what rotation would fill corners with; a white image must stay white.
    turned = apply_steps(Image.new("RGB", (width, height), (255, 255, 255)), [Step("rotate", {"degrees": degrees})])
    pixels = np.asarray(turned)
    assert pixels[1:-1, 1:-1].min(initial=255) == 255
    # Bicubic resampling may dim the outermost pixel.
    assert pixels.min() > 100
    # The largest such rectangle: of a square it has the side 1 / (sin + cos).
    if width == height:
        angle = math.radians(abs(degrees))
        assert turned.width == pytest.approx(width / (math.sin(angle) + math.cos(angle)), abs=2)


def test_a_quarter_turn_loses_nothing() -> None:
    image = _make_image()
    turned = apply_steps(image, [Step("rotate", {"degrees": -90.0})])
    assert turned.size == (120, 160)
    assert apply_steps(turned, [Step("rotate", {"degrees": 90.0})]).tobytes() == image.tobytes()


@pytest.mark.parametrize("level", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("face", [(40.0, 20.0, 120.0, 100.0), None])
def test_occlusion_covers_its_share_of_the_face(level: float, face: Box | None) -> None:
    white = Image.new("RGB", (160, 120), (255, 255, 255))
    for path in "abcd":
        (step,) = Condition("occlusion", level).steps(white, path, 0, lambda: face)
        x0, y0, x1, y1 = step.parameters["box"]
        box = face or (0.0, 0.0, 160.0, 120.0)
        assert (x1 - x0) * (y1 - y0) == pytest.approx(level * (box[2] - box[0]) * (box[3] - box[1]), rel=0.01)
        assert box[0] - 0.1 <= x0 and x1 <= box[2] + 0.1 and box[1] - 0.1 <= y0 and y1 <= box[3] + 0.1


def test_brightness_by_hand() -> None:
    grey = Image.new("RGB", (4, 4), (100, 150, 200))
    assert degrade(grey, Condition("brightness", 0.5), "a", 0, _no_face).getpixel((0, 0)) == (50, 75, 100)
    assert degrade(grey, Condition("brightness", 2.0), "a", 0, _no_face).getpixel((0, 0)) == (200, 255, 255)


def test_the_face_is_searched_once_and_only_when_needed(astronaut: Image.Image) -> None:
    finder = conditions.default_finder()
    calls = []

    class Counting:
        def find(self, image: Image.Image) -> object:
            calls.append(image)
            return finder.find(image)

    face = conditions.FaceOf(astronaut, Counting())  # type: ignore[arg-type]
    degrade(astronaut, Condition("blur", 2), "a", 0, face)
    assert not calls
    for level in (0.1, 0.5):
        degrade(astronaut, Condition("occlusion", level), "a", 0, face)
    assert len(calls) == 1
    x0, y0, x1, y1 = face() or (0, 0, 0, 0)
    assert 150 < x0 < 190 and 50 < y0 < 90 and 270 < x1 < 300 and 150 < y1 < 195


def test_webp_takes_images_longer_than_it_knows() -> None:
    long = Image.new("RGB", (17000, 32))
    assert apply_steps(long, [Step("webp", {"quality": 20})]).width == 16383
