"""The JPEG quality estimate: exact for the IJG library's own tables, nearest otherwise."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unmask.imaging.jpeg import SUBSAMPLINGS, estimate_quality, read_compression

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))


def saved(image: Image.Image = NOISE, **options: object) -> Image.Image:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", **options)
    return Image.open(io.BytesIO(encoded.getvalue()))


@pytest.mark.parametrize("quality", [*range(1, 101)])
def test_every_quality_that_pillow_saves_is_told_exactly(quality: int) -> None:
    found = read_compression(saved(quality=quality))
    assert found is not None
    assert (found.quality, found.table_error) == (quality, 0.0)
    # Below 4 all steps of the chrominance table are at the limit of 255, whatever the quality.
    assert found.quality_chroma == quality or (quality < 4 and found.quality_chroma <= quality)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"subsampling": "4:4:4"}, ("4:4:4", False)),
        ({"subsampling": "4:2:2"}, ("4:2:2", False)),
        ({"subsampling": "4:2:0", "progressive": True}, ("4:2:0", True)),
    ],
)
def test_chroma_and_progressive(options: dict[str, object], expected: tuple[str, bool]) -> None:
    found = read_compression(saved(**options))
    assert found is not None and (found.subsampling, found.progressive) == expected
    assert found.subsampling in SUBSAMPLINGS


def test_grey_files_have_no_chroma() -> None:
    found = read_compression(saved(NOISE.convert("L"), quality=80))
    assert found is not None
    assert (found.subsampling, found.quality) == ("grey", 80.0)
    assert np.isnan(found.quality_chroma)


def test_other_tables_get_the_nearest_quality_and_an_error() -> None:
    found = read_compression(saved(qtables=[[8] * 64, [12] * 64]))
    assert found is not None and found.table_error > 1
    assert 70 <= found.quality <= 95


def test_a_header_without_tables_is_not_judged() -> None:
    assert read_compression(NOISE) is None


@given(st.lists(st.integers(0, 65535), min_size=64, max_size=64), st.booleans())
def test_any_table_gives_a_quality(table: list[int], chroma: bool) -> None:
    quality, error = estimate_quality(table, chroma=chroma)
    assert 1 <= quality <= 100 and error >= 0


@given(st.integers(2, 100), st.integers(-1, 1), st.integers(0, 63))
def test_one_changed_step_does_not_change_the_estimate_much(quality: int, change: int, at: int) -> None:
    table = list(saved(quality=quality).quantization[0])  # type: ignore[attr-defined]
    table[at] = max(1, table[at] + change)
    assert abs(estimate_quality(table)[0] - quality) <= 1


def test_bytes_and_pillow_say_the_same() -> None:
    saved = io.BytesIO()
    Image.new("RGB", (24, 24), (200, 40, 90)).save(saved, "JPEG", quality=71, progressive=True)
    data = saved.getvalue()
    found = read_compression(data)
    assert found is not None and found.quality == 71 and found.progressive
    assert found == read_compression(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff\xe0" + bytes(40), b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_bytes_without_tables(data: bytes) -> None:
    assert read_compression(data) is None
