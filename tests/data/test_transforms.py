"""Training augmentation: a function of its seed, robust to any crop, and strong where it says so."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from pydantic import ValidationError

from unmask.data.transforms import Augmentation, augment, recompress
from unmask.imaging.preprocessing import RESAMPLERS

SMOOTH = ("box", "bilinear", "hamming", "bicubic", "lanczos")
STEPS = ("flip", "rescale", "codec", "blur", "sharpen", "smooth", "noise", "colour", "grey")


def make_image(width: int = 80, height: int = 64, seed: int = 0) -> Image.Image:
    """Soft coloured blobs with fine noise, so that every step has something to change."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray(np.clip(smooth + rng.integers(-20, 21, smooth.shape), 0, 255).astype(np.uint8))


def run(config: Augmentation, seed: int, image: Image.Image | None = None, size: int = 32) -> np.ndarray:
    crop = (10.0, 6.0, 70.0, 58.0)
    return augment(image or make_image(), crop, size, config, np.random.default_rng(seed))


def only(step: str, probability: float = 1.0) -> Augmentation:
    return Augmentation.off().model_copy(update={step: probability})


def plain_views(image: Image.Image, box: tuple[int, int, int, int], size: int = 32) -> dict[str, np.ndarray]:
    """Oracle: crop and resize, by each filter that may be drawn."""
    part = image.crop(box)
    return {name: np.asarray(part.resize((size, size), RESAMPLERS[name])) for name in SMOOTH}


def test_same_seed_same_bytes_and_other_seeds_differ() -> None:
    first = [run(Augmentation(), seed).tobytes() for seed in range(20)]
    assert first == [run(Augmentation(), seed).tobytes() for seed in range(20)]
    assert len(set(first)) == 20


def test_the_image_itself_is_not_changed() -> None:
    image = make_image()
    before = image.tobytes()
    for seed in range(10):
        run(Augmentation(), seed, image)
    assert image.tobytes() == before


def test_off_is_a_plain_crop_and_resize() -> None:
    image = make_image()
    views = plain_views(image, (10, 6, 70, 58))
    drawn = []
    for seed in range(60):
        pixels = run(Augmentation.off(), seed, image)
        drawn.append([name for name, view in views.items() if np.array_equal(pixels, view)])
    assert all(len(names) == 1 for names in drawn)
    # Half the time the filter of detection, else one of five: 0.6 on average.
    assert 24 <= sum(names == ["bicubic"] for names in drawn) <= 48
    assert {names[0] for names in drawn} == set(SMOOTH)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_alone_changes_pixels(step: str) -> None:
    image = make_image()
    views = plain_views(image, (10, 6, 70, 58)).values()
    changed = [not any(np.array_equal(run(only(step), seed, image), view) for view in views) for seed in range(8)]
    assert all(changed)
    # With probability 0 nothing is done.
    assert any(np.array_equal(run(only(step, 0.0), 3, image), view) for view in views)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_happens_as_often_as_it_says(step: str) -> None:
    image = make_image()
    views = list(plain_views(image, (10, 6, 70, 58)).values())
    happened = sum(
        not any(np.array_equal(run(only(step, 0.3), seed, image), view) for view in views) for seed in range(200)
    )
    assert 40 <= happened <= 80  # 60 +- 3 standard deviations


def test_flip_is_the_mirror_image_and_grey_has_no_colour() -> None:
    image = make_image()
    mirrored = plain_views(image.crop((10, 6, 70, 58)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), (0, 0, 60, 52))
    pixels = run(only("flip"), 0, image)
    assert any(np.array_equal(pixels, view) for view in mirrored.values())
    grey = run(only("grey"), 0, image)
    assert (grey == grey[..., :1]).all()


def test_smooth_is_a_median_of_three() -> None:
    image = make_image()
    views = plain_views(image.crop((10, 6, 70, 58)).filter(ImageFilter.MedianFilter(3)), (0, 0, 60, 52))
    assert any(np.array_equal(run(only("smooth"), 5, image), view) for view in views.values())


def test_crop_jitter_moves_and_scales_within_its_bounds() -> None:
    # An image whose red is x and whose green is y tells where its crop was.
    ramp = np.zeros((200, 200, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(200)[None, :], np.arange(200)[:, None]
    image = Image.fromarray(ramp)
    config = Augmentation.off().model_copy(update={"crop_jitter": 0.2})
    centres, widths = [], []
    for seed in range(200):
        pixels = augment(image, (60.0, 60.0, 140.0, 140.0), 64, config, np.random.default_rng(seed)).astype(float)
        centres.append(pixels[..., :2].mean((0, 1)))
        widths.append(pixels[..., 0].max() - pixels[..., 0].min())
    assert np.abs(np.array(centres) - 99.5).max() < 0.2 * 80 / 2 + 1.5
    assert np.ptp(centres, axis=0).min() > 12
    assert 0.8 * 80 - 4 < min(widths) < 70
    assert 90 < max(widths) < 1.2 * 80 + 3


@pytest.mark.parametrize(
    ("size", "crop"),
    [
        # a crop narrower than one pixel, in the middle
        ((50, 40), (20.2, 20.2, 20.9, 20.9)),
        # one pixel, at the right edge
        ((50, 40), (49.0, 39.0, 50.0, 40.0)),
        # one pixel, at the left edge
        ((50, 40), (0.0, 0.0, 1.0, 1.0)),
        # the whole of an image of one pixel
        ((1, 1), (0.0, 0.0, 1.0, 1.0)),
        # the whole of a line
        ((90, 1), (0.0, 0.0, 90.0, 1.0)),
        # a square of 1.6 pixels, the smallest that a face can give
        ((50, 40), (48.4, 38.4, 50.0, 40.0)),
        # a crop that fills the image, so that jitter reaches outside on all sides
        ((50, 50), (0.0, 0.0, 50.0, 50.0)),
    ],
)
@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.5])
def test_odd_crops(size: tuple[int, int], crop: tuple[float, float, float, float], jitter: float) -> None:
    config = Augmentation(crop_jitter=jitter)
    for seed in range(40):
        pixels = augment(make_image(*size), crop, 32, config, np.random.default_rng(seed))
        assert pixels.shape == (32, 32, 3)
        assert pixels.dtype == np.uint8


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_crop_inside_any_image(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 120)), data.draw(st.integers(1, 120))
    x0, y0 = data.draw(st.floats(0, width - 1)), data.draw(st.floats(0, height - 1))
    crop = (x0, y0, data.draw(st.floats(x0 + 0.5, width)), data.draw(st.floats(y0 + 0.5, height)))
    probabilities = {step: data.draw(st.sampled_from([0.0, 0.5, 1.0])) for step in STEPS}
    config = Augmentation(crop_jitter=data.draw(st.floats(0, 0.5)), **probabilities)
    size = data.draw(st.sampled_from([32, 47]))
    pixels = augment(
        make_image(width, height), crop, size, config, np.random.default_rng(data.draw(st.integers(0, 99)))
    )
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8


def test_recompress_is_one_jpeg_or_webp_round(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[tuple[str, int]] = []
    save = Image.Image.save

    def spy(self: Image.Image, target: io.BytesIO, kind: str, **options: int) -> None:
        saved.append((kind, options["quality"]))
        save(self, target, kind, **options)

    monkeypatch.setattr(Image.Image, "save", spy)
    image = make_image(16, 12)
    rng = np.random.default_rng(0)
    for _ in range(400):
        result = recompress(image, (40, 45), rng)
        assert result.mode == "RGB"
        assert result.size == image.size
        assert result.tobytes() != image.tobytes()
    assert {quality for _, quality in saved} == set(range(40, 46))  # the closed range
    jpeg = sum(kind == "JPEG" for kind, _ in saved)
    assert {kind for kind, _ in saved} == {"JPEG", "WEBP"}
    assert 270 <= jpeg <= 330  # three in four, +- 3.5 standard deviations


def test_low_quality_harms_more_than_high() -> None:
    image = make_image()
    pixels = np.asarray(image, float)

    def harm(quality: int) -> float:
        rng = np.random.default_rng(1)
        rounds = [np.asarray(recompress(image, (quality, quality), rng), float) for _ in range(20)]
        return float(np.mean([np.abs(result - pixels).mean() for result in rounds]))

    assert harm(20) > 1.5 * harm(95)


@pytest.mark.parametrize(
    "wrong",
    [
        # a probability beyond 1
        {"flip": 1.5},
        # a negative probability
        {"blur": -0.1},
        # jitter that could lose the whole crop
        {"crop_jitter": 0.6},
        # a key that does not exist
        {"turn": 0.5},
        # a shift that could lose the whole crop
        {"shift": 0.6},
        # a zoom down to nothing
        {"zoom": 1.0},
        # a fill that does not exist
        {"fill": "black"},
        # a preset that does not exist
        {"preset": "s3"},
        # a preset that is no name
        {"preset": {"flip": 1}},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Augmentation(**wrong)


def test_no_crop_is_ever_empty() -> None:
    """An empty crop would become a black image without a word."""
    white = Image.new("RGB", (50, 40), (255, 255, 255))
    config = Augmentation.off().model_copy(update={"crop_jitter": 0.5})
    for crop in ((49.0, 39.0, 50.0, 40.0), (0.0, 0.0, 1.0, 1.0), (20.2, 20.2, 20.9, 20.9)):
        for seed in range(150):
            assert augment(white, crop, 32, config, np.random.default_rng(seed)).min() == 255


def test_views_without_movement_are_what_they_always_were() -> None:
    """Runs go on across versions: neither the draws nor their order may change. Codecs depend on libraries."""
    config = Augmentation(rotate=0, shift=0, zoom=0, fill="reflect", noise=0, codec=0, blur=0)
    ours = [run(config, seed) for seed in range(6)]
    # The same settings by the fields that there were before.
    assert [view.tobytes() for view in ours] == [
        run(Augmentation(noise=0, codec=0, blur=0), seed).tobytes() for seed in range(6)
    ]
    assert hashlib.sha256(b"".join(view.tobytes() for view in ours)).hexdigest() == (
        "3962786b79ffafb15aa6d9b7ea093afb4e2d0686a7aa0887997d8927a3a33a46"
    )


def moved(image: Image.Image, seed: int, size: int = 64, **settings: Any) -> np.ndarray:
    config = Augmentation.off().model_copy(update=settings)
    return augment(
        image, (0.0, 0.0, float(image.width), float(image.height)), size, config, np.random.default_rng(seed)
    )


def test_movement_is_the_affine_one_of_scikit_image() -> None:
    transform = pytest.importorskip("skimage.transform")
    coarse = Image.fromarray(np.random.default_rng(5).integers(0, 256, (5, 5, 3), np.uint8))
    image = coarse.resize((64, 64), Image.Resampling.BICUBIC)
    for seed in range(12):
        for fill, mode in (("nearest", "edge"), ("reflect", "reflect")):
            ours = moved(image, seed, rotate=40.0, shift=0.2, zoom=0.3, fill=fill).astype(float)
            rng = np.random.default_rng(seed)
            angle, dx, dy = np.radians(rng.uniform(-40, 40)), rng.uniform(-0.2, 0.2) * 64, rng.uniform(-0.2, 0.2) * 64
            zoom = rng.uniform(0.7, 1.3)
            # In pixel centres: to the middle, turn and zoom, and back with the shift.
            centre = transform.SimilarityTransform(translation=(-31.5, -31.5))
            turn = transform.SimilarityTransform(scale=zoom, rotation=angle)
            back = transform.SimilarityTransform(translation=(31.5 + dx, 31.5 + dy))
            expected = transform.warp(
                np.asarray(image).astype(float), (centre + turn + back).inverse, order=3, mode=mode, preserve_range=True
            )
            assert np.abs(ours - np.clip(expected, 0, 255)).mean() < 2.0, (seed, fill)


def test_movement_happens_as_often_as_it_says() -> None:
    image = make_image(64, 64)
    for often, least, most in ((0.0, 0, 0), (0.25, 25, 80), (1.0, 200, 200)):
        views = [moved(image, seed, move=often, rotate=20.0) for seed in range(200)]
        changed = sum(not np.array_equal(view, np.asarray(image)) for view in views)
        assert least <= changed <= most


def test_a_crop_that_needs_no_resizing_may_be_only_moved() -> None:
    image = make_image(120, 100)
    pixels = np.asarray(image)
    config = Augmentation.off().model_copy(update={"crop_jitter": 0.2, "keep_scale": 0.5})
    native = {pixels[y : y + 64, x : x + 64].tobytes(): (x, y) for x in range(57) for y in range(37)}
    places = []
    for seed in range(200):
        view = augment(image, (30.0, 34.0, 94.0, 98.0), 64, config, np.random.default_rng(seed))
        places += [native[view.tobytes()]] if view.tobytes() in native else []
    # A jittered crop has the right size by chance now and then.
    assert 75 < len(places) < 135
    # Moved by up to a tenth of its side in each direction, and never out of the image.
    x, y = np.transpose(places)
    assert 24 <= x.min() < 27
    assert 33 < x.max() <= 36
    assert 28 <= y.min() < 31
    assert y.max() == 36
    assert len(set(places)) > 40


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_intact_views_keep_every_pixel(share: float) -> None:
    image = make_image(64, 64)
    worn = {"rescale": 1.0, "codec": 1.0, "blur": 1.0, "sharpen": 1.0, "smooth": 1.0, "noise": 1.0}
    views = [moved(image, seed, intact=share, **worn) for seed in range(120)]
    intact = sum(np.array_equal(view, np.asarray(image)) for view in views)
    assert intact == 120 if share == 1 else 20 < intact < 54


def test_movement_keeps_its_bounds() -> None:
    """A white square in the middle of black tells by its mass where it went and how large it became."""
    image = Image.new("RGB", (64, 64))
    image.paste((255, 255, 255), (24, 24, 40, 40))
    positions = np.arange(64) + 0.5

    def place(pixels: np.ndarray) -> tuple[float, float, float]:
        mass = pixels[..., 0].astype(float) / 255
        return float(mass.sum(0) @ positions / mass.sum()), float(mass.sum(1) @ positions / mass.sum()), mass.sum()

    shifted = np.array([place(moved(image, seed, shift=0.25)) for seed in range(80)])
    assert np.abs(shifted[:, :2] - 32).max() <= 16.5
    assert (np.abs(shifted[:, :2] - 32).max(0) > 13).all()
    assert shifted[:, 2] == pytest.approx(256, rel=0.03)
    zoomed = np.array([place(moved(image, seed, zoom=0.2)) for seed in range(80)])
    assert np.abs(zoomed[:, :2] - 32).max() < 0.3
    assert 0.62 * 256 < zoomed[:, 2].min() < 0.7 * 256
    assert 1.38 * 256 < zoomed[:, 2].max() < 1.47 * 256
    turned = np.array([place(moved(image, seed, rotate=180.0)) for seed in range(20)])
    assert np.abs(turned[:, :2] - 32).max() < 0.3
    assert turned[:, 2] == pytest.approx(256, rel=0.03)


@pytest.mark.parametrize("fill", ["nearest", "reflect"])
def test_nothing_is_invented_at_the_border(fill: str) -> None:
    for size in ((64, 64), (7, 3), (1, 1)):
        white = Image.new("RGB", size, (255, 255, 255))
        for seed in range(20):
            assert moved(white, seed, 32, rotate=180.0, shift=0.5, zoom=0.5, fill=fill).min() == 255


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # every step off
        ({"preset": "plain"}, Augmentation.off()),
        # a paper's
        ({"preset": "s4"}, Augmentation.off().model_copy(update={"zoom": 0.2})),
        # a paper's with a change, and one of its settings taken back
        (
            {"preset": "s1", "flip": 0, "codec": 0.5},
            Augmentation.off().model_copy(update={"rotate": 10.0, "shift": 0.1, "zoom": 0.1, "codec": 0.5}),
        ),
    ],
)
def test_presets_become_plain_settings(content: dict[str, Any], expected: Augmentation) -> None:
    resolved = Augmentation.model_validate(content)
    assert resolved == expected
    assert "preset" not in resolved.model_dump()


@pytest.mark.parametrize("name", ["s0", "s1", "s2", "s4"])
def test_no_paper_flips_upside_down_or_recodes(name: str) -> None:
    preset = Augmentation.model_validate({"preset": name})
    assert preset.codec == preset.rescale == preset.noise == preset.colour == 0
    assert preset.zoom > 0
    assert preset.fill == "nearest"
    assert (preset.flip > 0) == (name in {"s1", "s2"})
    assert (preset.rotate > 0) == (name != "s4")
