"""Large images in little memory."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import PIL.Image
import pytest

from unmask.errors import ImageError, UsageError
from unmask.imaging import scaling
from unmask.imaging.colour import to_rgb
from unmask.imaging.decode import decode
from unmask.imaging.limits import DecodeLimits, default_limits


def noise(mode: str, size: tuple[int, int] = (211, 173)) -> PIL.Image.Image:
    rng = np.random.default_rng(3)
    if mode == "F":
        return PIL.Image.fromarray(rng.random(size[::-1], np.float32))
    if mode in ("I", "I;16"):
        values = rng.integers(0, 60_000, size[::-1])
        return PIL.Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.int32))
    bands = {"1": 1, "L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    made = [PIL.Image.fromarray(rng.integers(0, 256, size[::-1], np.uint8)) for _ in range(bands)]
    if mode == "1":
        return made[0].convert("1")
    if mode == "P":
        image = PIL.Image.fromarray(np.asarray(made[0]))
        image.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
        return image
    return PIL.Image.merge(mode, made) if bands > 1 else made[0]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
def test_bands_give_the_pixels_of_the_whole(mode: str, reduction: int, monkeypatch: Any) -> None:
    image = noise(mode)
    whole = to_rgb(image, [])
    expected = whole if reduction == 1 else whole.reduce(reduction)
    # Bands of about ten rows, of which the last is shorter.
    monkeypatch.setattr(scaling, "_BAND", 2_110)
    monkeypatch.setattr(scaling, "_WHOLE", 0)
    found = scaling.scaled_to_rgb(image, reduction, [])
    assert found.size == expected.size == (-(-211 // reduction), -(-173 // reduction))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_what_is_odd_is_noted_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(scaling, "_BAND", 211)
    monkeypatch.setattr(scaling, "_WHOLE", 0)
    image = noise("RGB")
    image.info["icc_profile"] = b"no profile"
    notes: list[str] = []
    scaling.scaled_to_rgb(image, 1, notes)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("kind", "options", "mode", "mebibytes", "reduction"),
    [
        # 1 megapixel of RGB is 4 MB loaded and 4 MB converted.
        ("PNG", {}, "RGB", 7.7, 1),
        ("PNG", {}, "RGB", 7.6, 2),
        # loaded in full, converted at a quarter: 4 + 4 / 16
        ("PNG", {}, "RGB", 4.1, 4),
        # a byte a pixel, and 4 converted
        ("PNG", {}, "L", 4.8, 1),
        ("BMP", {}, "L", 4.7, 2),
        # A JPEG file is reduced while it is decoded: (4 + 4) / 4.
        ("JPEG", {}, "RGB", 2.0, 2),
        ("JPEG", {}, "RGB", 1.9, 4),
        # A progressive one holds its coefficients besides: 1.5 x 2 bytes.
        ("JPEG", {"progressive": True}, "RGB", 10.5, 1),
        ("JPEG", {"progressive": True}, "RGB", 10.4, 2),
        ("JPEG", {"progressive": True, "subsampling": 0}, "RGB", 13.3, 2),
        # WebP's decoder holds 12 bytes a pixel.
        ("WEBP", {}, "RGB", 19.1, 1),
        ("WEBP", {}, "RGB", 19.0, 2),
        # A packed TIFF strip is unpacked whole: 3 bytes a pixel, counted as 6 for it may be 16 bits deep.
        ("TIFF", {"compression": "tiff_adobe_deflate", "tiffinfo": {278: 1000}}, "RGB", 13.4, 1),
        ("TIFF", {"compression": "tiff_adobe_deflate", "tiffinfo": {278: 1000}}, "RGB", 13.3, 2),
        ("TIFF", {}, "RGB", 7.7, 1),
    ],
)
def test_memory_decides_the_reduction(
    kind: str, options: dict[str, Any], mode: str, mebibytes: float, reduction: int
) -> None:
    out = io.BytesIO()
    PIL.Image.new(mode, (1000, 1000), 100).save(out, kind, **options)
    limits = DecodeLimits(max_memory=round(mebibytes * 2**20))
    decoded = decode(out.getvalue(), limits)
    assert decoded.reduction == reduction
    assert decoded.image.size == (1000 // reduction, 1000 // reduction)
    words = f"The image is so large that it was read at 1/{reduction} of its width and height."
    assert decoded.notes == ((words,) if reduction > 1 else ())


def test_what_cannot_be_reduced_enough_is_refused() -> None:
    out = io.BytesIO()
    PIL.Image.new("RGB", (1000, 1000)).save(out, "PNG")
    with pytest.raises(ImageError) as caught:
        decode(out.getvalue(), DecodeLimits(max_memory=3_000_000))
    assert caught.value.code == "too_many_pixels"
    assert caught.value.message == (
        "The PNG image has 1,000 x 1,000 pixels, for which decoding takes 4 MiB of memory; at most 3 MiB are used."
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (200_000_000, 384 * 2**20)),
        ({"UNMASK_MAX_MEGAPIXELS": "300"}, (300_000_000, 384 * 2**20)),
        ({"UNMASK_MAX_MEGAPIXELS": "0.5", "UNMASK_MAX_DECODE_MIB": "64"}, (500_000, 64 * 2**20)),
    ],
)
def test_the_environment_changes_the_defaults(
    variables: dict[str, str], expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = default_limits()
    assert (found.max_pixels, found.max_memory) == expected
    out = io.BytesIO()
    PIL.Image.new("L", (900, 900)).save(out, "PNG")
    if found.max_pixels < 810_000:
        with pytest.raises(ImageError):
            decode(out.getvalue())
    else:
        assert decode(out.getvalue()).reduction == 1


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "nan", "inf", "1e99"])
def test_a_variable_that_is_no_limit_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_MAX_MEGAPIXELS", value)
    with pytest.raises(UsageError) as caught:
        default_limits()
    assert caught.value.code == "bad_setting"


def test_a_reduced_photograph_looks_as_it_would(astronaut: PIL.Image.Image) -> None:
    out = io.BytesIO()
    astronaut.save(out, "JPEG", quality=95)
    found = decode(out.getvalue(), DecodeLimits(max_memory=600_000)).image
    assert found.size == (256, 256)
    difference = np.asarray(found, float) - np.asarray(astronaut.reduce(2), float)
    assert np.abs(difference).mean() < 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize(
    "name", ["png-rgba-16-bits-64-megapixels", "tiff-float-64-megapixels", "jpeg-no-data-progressive-444"]
)
def test_memory_stays_within_its_limit(name: str) -> None:
    """In a process of its own, the peak of memory above where it stood before."""
    code = f"""
from pathlib import Path
from tests.imaging import hostile
from unmask.errors import ImageError, UsageError
from unmask.imaging.decode import decode_image

def held(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) // 1024

decode_image(hostile.jpeg())
data = hostile.CASES[{name!r}]()
Path("/proc/self/clear_refs").write_text("5")
before = held("VmRSS")
try:
    decode_image(data)
except ImageError as error:
    assert error.code == "too_many_pixels"
print(held("VmHWM") - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 400
