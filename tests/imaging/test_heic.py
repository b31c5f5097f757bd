"""HEIC, which phones write, by the extra ``heic``."""

from __future__ import annotations

import base64
import importlib.util

import numpy as np
import pytest

from unmask.errors import ImageError
from unmask.imaging.decode import decode
from unmask.imaging.formats import sniff_format
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.walk import check_container

# 64 x 48 pixels: red grows from left to right, green falls, blue is 90. Made with libheif's encoder at quality 50.
PLAIN = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAA"
    "AERAAAEAAQAAAAABoQABAAAAAAAAADkAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADd"
    "aXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAA"
    "AwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xh"
    "cAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAEFtZGF0AAAA"
    "NSgBrxOA9ZzaD8jC/F/M6u7LoN/yKyKKOHu77Skug5FkyPoneywvu370VnpjVlGwf0hRbRof"
)
# The same turned by a quarter, by EXIF and by its own box, as phones do.
TURNED = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAA"
    "AERAAAIAAQAAAAAB7AABAAAAAAAAADkAAgAAAAACJQABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZl"
    "AgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH/"
    "/wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29s"
    "cm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAA"
    "AwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAGVtZGF0AAAANSgBrxOA9Zza"
    "D8jC/F/M6u7LoN/yKyKKOHu77Skug5FkyPoneywvu370VnpjVlGwf0hRbRofAAAABkV4aWYAAE1NACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA"
)
with_extra = pytest.mark.skipif(importlib.util.find_spec("pi_heif") is None, reason="needs the extra heic")


@with_extra
def test_the_pixels_are_those_that_were_encoded() -> None:
    decoded = decode(PLAIN)
    assert decoded.image.size == (64, 48)
    assert decoded.notes == ()
    red, green, blue = np.moveaxis(np.asarray(decoded.image, float), 2, 0)
    ramp = np.linspace(0, 255, 64)
    assert np.abs(red - ramp).max() < 24  # lossy, but a ramp
    assert np.abs(green - ramp[::-1]).max() < 24
    assert np.abs(blue - 90).mean() < 8


@with_extra
def test_the_orientation_is_applied_once() -> None:
    turned = np.asarray(decode(TURNED).image, float)
    assert turned.shape == (64, 48, 3)
    # Orientation 6: what was on the left is at the top.
    np.testing.assert_allclose(turned, np.rot90(np.asarray(decode(PLAIN).image, float), -1), atol=2)


@with_extra
@pytest.mark.parametrize("end", [40, 200, 400, len(PLAIN) - 20])
def test_a_cut_file_is_an_error(end: int) -> None:
    with pytest.raises(ImageError) as caught:
        decode(PLAIN[:end])
    assert caught.value.code in ("truncated", "corrupt")


def test_it_is_known_by_its_content_and_walked() -> None:
    assert sniff_format(PLAIN) == sniff_format(TURNED) == "HEIC"
    boxes = PLAIN[:28] + b"\0\0\0\x08free" * 3000 + PLAIN[28:]
    with pytest.raises(ImageError) as caught:
        check_container("HEIC", boxes, DecodeLimits())
    assert caught.value.code == "too_complex"
