"""Child processes that decode: the same pixels, and no file that harms more than its child."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tests.imaging import hostile

from unmask.errors import ImageError
from unmask.imaging.decode import decode
from unmask.imaging.decode_pool import DecodePool
from unmask.imaging.limits import DecodeLimits

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="CPU and memory limits need POSIX")


def encoded(kind: str, seed: int = 0, size: tuple[int, int] = (120, 90)) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(2) as made:
        yield made


def refused(pool: DecodePool, data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        pool.decode(data)
    return caught.value


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_the_pixels_are_the_same(pool: DecodePool, kind: str) -> None:
    data = encoded(kind)
    found, expected = pool.decode(data), decode(data)
    np.testing.assert_array_equal(np.asarray(found.image), np.asarray(expected.image))
    assert (found.reduction, found.notes) == (1, ())


def test_notes_and_reductions_come_along() -> None:
    out = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(out, "PNG", icc_profile=b"no profile")
    limits = DecodeLimits(max_memory=5_000_000)
    with DecodePool(1, limits) as small:
        found, expected = small.decode(out.getvalue()), decode(out.getvalue(), limits)
    assert (found.reduction, found.notes) == (expected.reduction, expected.notes) == (2, expected.notes)
    assert len(found.notes) == 2


@pytest.mark.parametrize("data", [b"no image", encoded("JPEG")[:500], hostile.CASES["jpeg-comments"](), b"x"])
def test_errors_are_the_same(pool: DecodePool, data: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        decode(data)
    found = refused(pool, data)
    assert (found.code, found.message) == (caught.value.code, caught.value.message)


def test_a_file_that_takes_too_long_is_stopped_and_the_next_is_read() -> None:
    with DecodePool(1, cpu_seconds=0.2) as pool:
        slow = hostile.CASES["png-rgba-64-megapixels"]()
        started = time.monotonic()
        assert refused(pool, slow).code == "decode_stopped"
        assert time.monotonic() - started < 10  # it would take longer than a second, and never ten
        assert pool.decode(encoded("PNG")).image.size == (120, 90)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set on top of what /proc tells")
def test_a_file_that_takes_too_much_memory_fails_and_the_next_is_read() -> None:
    with DecodePool(1, memory_bytes=100 * 2**20) as pool:
        assert refused(pool, hostile.CASES["png-rgb-64-megapixels"]()).code in ("out_of_memory", "decode_stopped")
        assert pool.decode(encoded("PNG")).image.size == (120, 90)


def test_native_libraries_do_not_write_to_our_standard_error(
    pool: DecodePool, capfd: pytest.CaptureFixture[str]
) -> None:
    pool.decode(hostile.CASES["tiff-fax-damaged"]())
    assert capfd.readouterr() == ("", "")


def test_a_child_that_was_killed_is_replaced() -> None:
    with DecodePool(1) as pool:
        before = pool._children[0]._process.pid
        os.kill(before, signal.SIGKILL)
        assert refused(pool, encoded("PNG")).code == "decode_stopped"
        assert pool.decode(encoded("PNG")).image.size == (120, 90)
        assert pool._children[0]._process.pid != before


def test_many_threads_share_the_children(pool: DecodePool) -> None:
    files = [encoded("PNG", seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(pool.decode, files))
    for data, each in zip(files, found, strict=True):
        np.testing.assert_array_equal(np.asarray(each.image), np.asarray(decode(data).image))


def test_closing_ends_the_children_even_at_work() -> None:
    pool = DecodePool(1)
    child = pool._children[0]._process
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.decode, hostile.CASES["png-rgba-64-megapixels"]())
        time.sleep(0.3)
        pool.close()
        error = waiting.exception(timeout=10)
    assert isinstance(error, ImageError) and error.code == "decode_stopped"
    assert child.poll() is not None
