"""The preprocessing, pinned bit for bit: training, evaluation and every way to ask must see the same pixels.

A hash that changes here means that shipped bundles see other pixels than they were trained on: not a test to
update, but a change to undo, unless Pillow itself has changed.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from unmask.imaging.decode import decode_image
from unmask.imaging.faces import Box, Face, FaceFinder
from unmask.imaging.preprocessing import RESAMPLERS, Preprocessing, crop_of, preprocess, render


def pattern(width: int = 301, height: int = 203) -> npt.NDArray[np.uint8]:
    """Ramps, rings and a checkerboard from whole numbers only: the same on every machine."""
    y, x = np.mgrid[:height, :width]
    red = (x * 255) // (width - 1)
    green = ((x - width // 2) ** 2 + (y - height // 2) ** 2) // 16 % 256
    blue = ((x // 7 + y // 5) % 2) * 200 + y * 55 // height
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def digest(pixels: npt.NDArray[np.uint8]) -> str:
    assert pixels.dtype == np.uint8
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:32]


WHOLE: Box = (0.0, 0.0, 301.0, 203.0)
FRACTIONAL: Box = (50.25, 31.5, 170.75, 152.0)
SMALL: Box = (10.0, 20.0, 50.0, 60.0)
CORNER: Box = (200.7, 102.7, 301.0, 203.0)

GOLDEN = [
    (WHOLE, 192, "bicubic", "26215094e3e5b6448963cb80c044c65b"),
    (WHOLE, 224, "bilinear", "3f502081e846c75d62a35a32c9119788"),
    (FRACTIONAL, 192, "bicubic", "b76e387f7e6c0d32bedb45e476693fe6"),
    (FRACTIONAL, 64, "box", "74adebf13f7d8e0d58b3001b8d773b79"),
    (FRACTIONAL, 64, "hamming", "879812fc113877ec55627b7256f94b1f"),
    (SMALL, 192, "bicubic", "d8a62520ee0973bd63720f3f81bd80ac"),
    (SMALL, 192, "lanczos", "03fdc65153502e4a4e9910fb450078b4"),
    (SMALL, 33, "bilinear", "4a891a54a00dc8ae5242b5e886f40058"),
    (CORNER, 192, "bicubic", "c4d5b5a91b8b96aaf9fd8e2ab3728f0e"),
    (CORNER, 32, "lanczos", "47172e98499ed2c718418f309bafa6c2"),
]


def test_the_pattern_is_the_one_that_was_hashed() -> None:
    assert digest(pattern()) == "41dd7d9b8cb8f7d8875c9402e9ca4d39"


@pytest.mark.parametrize(("crop", "size", "resample", "expected"), GOLDEN)
def test_render_is_pinned_bit_for_bit(crop: Box, size: int, resample: str, expected: str) -> None:
    preprocessing = Preprocessing.model_validate({"size": size, "resample": resample})
    pixels = render(Image.fromarray(pattern()), crop, preprocessing)
    assert pixels.shape == (size, size, 3)
    assert digest(pixels) == expected


def turned_png() -> bytes:
    """A PNG that is stored turned by 90 degrees, as its EXIF says."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(pattern()).transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def test_from_bytes_to_pixels_is_pinned_bit_for_bit() -> None:
    (region,) = preprocess(decode_image(turned_png()), Preprocessing(faces=None), None)
    assert (region.crop, region.face) == (WHOLE, None)
    assert digest(region.pixels) == "26215094e3e5b6448963cb80c044c65b"  # that of the whole image above


def test_from_a_face_to_pixels_is_pinned(astronaut: Image.Image) -> None:
    """The finder's box is a network's floating-point answer, so only its rounded crop is pinned."""
    preprocessing = Preprocessing()
    (region,) = preprocess(astronaut, preprocessing, FaceFinder())
    assert region.face is not None
    # The face of about 106 px at (226.5, 121.2), with 30 % of its side added all round: 170 px
    assert np.abs(np.subtract(region.crop, (141.5, 36.1, 311.7, 206.3))).max() < 2
    assert digest(region.pixels) == digest(render(astronaut, region.crop, preprocessing))


def test_a_crop_at_the_networks_size_is_copied() -> None:
    """With nothing to resample every filter must leave the pixels alone."""
    image = Image.fromarray(pattern())
    for name in ("box", "bilinear", "hamming", "bicubic", "lanczos"):
        pixels = render(image, (10.0, 20.0, 42.0, 52.0), Preprocessing.model_validate({"size": 32, "resample": name}))
        assert (pixels == pattern()[20:52, 10:42]).all()


def test_shrinking_by_two_with_the_box_filter_averages() -> None:
    array = np.zeros((64, 64, 3), np.uint8)
    array[::2, ::2] = 200  # one of every four pixels: mean 50
    pixels = render(Image.fromarray(array), (0.0, 0.0, 64.0, 64.0), Preprocessing(size=32, resample="box"))
    assert (pixels == 50).all()


@pytest.mark.parametrize(
    ("face", "margin", "expected"),
    [
        pytest.param(None, 0.3, (0.0, 0.0, 301.0, 203.0), id="no face: the whole image, not squared"),
        pytest.param(Face((100.0, 50.0, 140.0, 90.0), 0.9, ()), 0.25, (90.0, 40.0, 150.0, 100.0), id="a face"),
    ],
)
def test_crop_of(face: Face | None, margin: float, expected: Box) -> None:
    assert crop_of(face, (301, 203), Preprocessing(face_margin=margin)) == expected


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"size": 31}, id="too small"),
        pytest.param({"size": 1025}, id="too large"),
        pytest.param({"resample": "nearest"}, id="a filter that aliases"),
        pytest.param({"face_margin": -0.1}, id="a negative margin"),
        pytest.param({"mean": [0.5, 0.5, 0.5]}, id="an unknown key"),
        pytest.param({"faces": {"score_threshold": 1.5}}, id="a bad policy inside"),
    ],
)
def test_bad_parameters_are_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate(content)


def face_of(x0: float, y0: float, side: float) -> Face:
    return Face((x0, y0, x0 + side, y0 + side), 0.9, ((x0, y0),) * 6)


@pytest.mark.parametrize(
    ("face", "expected"),
    [
        # A face of 60 px has a crop of 96 px, one and a half times the size: just that many pixels about its middle.
        (face_of(100, 70, 60), (98.0, 68.0, 162.0, 132.0)),
        # Of 28 px, 44.8 px: the crop is widened, and stays inside the image.
        (face_of(2.2, 170, 28), (0.0, 139.0, 64.0, 203.0)),
        # Farther from the size than the factor allows, the crop is that of the face.
        (face_of(100, 70, 61), None),
        (face_of(100, 70, 26), None),
    ],
)
def test_native_crops_are_whole_pixels_of_the_image(face: Face, expected: Box | None) -> None:
    image = Image.fromarray(pattern())
    native, resized = (Preprocessing(size=64, native=factor) for factor in (1.5, 1.0))
    crop = crop_of(face, image.size, native)
    if expected is None:
        assert crop == crop_of(face, image.size, resized)
        return
    assert crop == expected
    x0, y0, x1, y1 = (int(edge) for edge in crop)
    for resample in RESAMPLERS:
        if resample != "nearest":
            pixels = render(image, crop, native.model_copy(update={"resample": resample}))
            assert np.array_equal(pixels, pattern()[y0:y1, x0:x1])


@given(
    x=st.floats(-20, 300),
    y=st.floats(-20, 200),
    side=st.floats(4, 250),
    size=st.integers(32, 260),
    native=st.floats(1, 2),
)
def test_native_crops_lie_in_the_image_and_are_chosen_by_the_side_alone(
    x: float, y: float, side: float, size: int, native: float
) -> None:
    face = face_of(x, y, side)
    usual = crop_of(face, (301, 203), Preprocessing(size=size))
    crop = crop_of(face, (301, 203), Preprocessing(size=size, native=native))
    assert 0 <= crop[0] < crop[2] <= 301
    assert 0 <= crop[1] < crop[3] <= 203
    factor = max(size / (usual[2] - usual[0]), (usual[2] - usual[0]) / size)
    if native > 1 and factor <= native * (1 - 1e-9) and size <= 203:
        assert crop[2] - crop[0] == crop[3] - crop[1] == size
        assert all(edge == int(edge) for edge in crop)
    elif factor > native * (1 + 1e-9) or size > 203:
        assert crop == usual


def test_without_a_face_native_changes_nothing() -> None:
    assert crop_of(None, (64, 64), Preprocessing(size=64, native=2.0)) == (0, 0, 64, 64)
