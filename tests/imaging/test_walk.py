"""What a container may hold before its reader is let in."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from tests.imaging import hostile
from tests.imaging.hostile import chunk, gif, jpeg, jpeg_with, png, riff, riff_chunk, segment, tiff, tiff_tags

from unmask.errors import ImageError
from unmask.imaging.decode import decode_image
from unmask.imaging.formats import sniff_format
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.walk import check_container

# Cases whose parts are what costs; the others of the corpus cost by their pixels or are cheap to begin with.
REPEATED = [
    name
    for name in hostile.CASES
    if "megapixels" not in name
    and "no-data" not in name
    and name
    not in {
        "jpeg-exif-many-tags",  # the reader looks at the first few
        "jpeg-exif-endless-directory",  # the reader does not follow it
        "jpeg-icc-large",  # 4 MiB, as a large profile may have
        "jpeg-xmp-large",
        "jpeg-junk-bytes",  # not taken for a JPEG file
        "png-icc-bomb",  # Pillow inflates at most 1 MiB of it
        "png-packed-text-bomb",
        "png-one-byte-data-chunks",  # 30 kB
        "webp-icc-large",
        "tiff-xmp-large",
        "tiff-fax-damaged",
        "tiff-next-directory-is-itself",  # the reader looks at the first
        "gif-extensions-after",  # after the first frame, where the reader stops
        "gif-frames",
        "gif-sub-blocks-of-one-byte",
        "bmp-runs-of-one-pixel",  # few enough pixels
        "bmp-runs-of-4-bits",
        "avif-boxes",  # after the image
    }
]


def refusal(data: bytes, limits: DecodeLimits = DecodeLimits()) -> str | None:
    """The message of the walk, or None where it lets the file pass."""
    try:
        check_container(sniff_format(data) or "", data, limits)
    except ImageError as error:
        assert error.code == "too_complex"
        return error.message
    return None


@pytest.mark.parametrize("name", REPEATED)
def test_repeated_parts_are_refused_at_once(name: str) -> None:
    data = hostile.CASES[name]()
    started = time.process_time()
    with pytest.raises(ImageError) as caught:
        decode_image(data)
    assert caught.value.code == "too_complex", caught.value.message
    assert "at most" in caught.value.message
    # About 20 ms here; this only shows that no reader saw the file.
    assert time.process_time() - started < 1


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(mode: str, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((300, 200), 60).convert(mode).save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        saved("RGB", "JPEG"),
        saved("L", "JPEG", progressive=True),
        saved("CMYK", "JPEG", progressive=True, quality=95),
        saved("RGB", "JPEG", icc_profile=SRGB, exif=hostile.exif_directory(1) + bytes(60_000), comment=b"x" * 60_000),
        saved("RGB", "PNG"),
        saved("LA", "PNG"),
        saved("P", "PNG", bits=4),
        saved("RGB", "WEBP"),
        saved("RGB", "WEBP", lossless=True, exif=hostile.exif_directory(1) + bytes(50_000), icc_profile=SRGB),
        saved("RGB", "TIFF"),
        saved("RGB", "TIFF", compression="tiff_lzw"),
        saved("CMYK", "TIFF", compression="tiff_adobe_deflate", tile=(64, 64)),
        saved("1", "TIFF", compression="group4"),
        saved("RGB", "TIFF", compression="jpeg", big_tiff=True),
        saved("P", "GIF"),
        saved("RGB", "BMP"),
        saved("P", "BMP"),
        saved("RGB", "AVIF"),
    ],
)
def test_ordinary_files_pass(data: bytes) -> None:
    assert refusal(data) is None
    assert decode_image(data).size == (300, 200)


@pytest.mark.parametrize(
    ("make", "limit", "most"),
    [
        # the file's own segments are APP0, two DQT, SOF, four DHT and SOS
        (lambda n: jpeg_with(segment(0xFE, b"x") * n), "max_segments", 9),
        # bytes of EXIF data, with the six of its name
        (lambda n: jpeg_with(segment(0xE1, b"Exif\0\0" + bytes(n - 6))), "max_exif_bytes", 0),
        (lambda n: jpeg_with(segment(0xED, bytes(n))), "max_iptc_bytes", 0),
        (lambda n: jpeg_with(b"\xff" * n), "max_fill_bytes", 0),
        # chunks other than data: the header is one
        (lambda n: png(before=chunk(b"tEXt", b"k\0v") * n), "max_segments", 1),
        (lambda n: png(after=chunk(b"zTXt", b"k\0\0x") * n), "max_packed_texts", 0),
        (lambda n: png(before=chunk(b"eXIf", bytes(n))), "max_exif_bytes", 0),
        (lambda n: riff(riff_chunk(b"junk") * n), "max_segments", 0),
        (lambda n: riff(riff_chunk(b"EXIF", bytes(n))), "max_exif_bytes", 0),
        # an extension is its blocks and one for itself
        (lambda n: gif(b"!\xfe" + b"\x01x" * n + b"\0"), "max_segments", 1),
        (lambda n: tiff(tiff_tags(64) | {40_000 + at: (4, [1]) for at in range(n)}), "max_tags", 9),
        (lambda n: tiff(tiff_tags(64) | {320: (3, [0] * n)}), "max_tag_values", 0),
    ],
)
def test_limits_hold_to_the_unit(make: Callable[[int], bytes], limit: str, most: int) -> None:
    allowed = 40
    limits = DecodeLimits(**{limit: allowed + most})  # type: ignore[arg-type]
    assert refusal(make(allowed), limits) is None
    assert refusal(make(allowed + 1), limits) is not None


def test_scans_are_counted() -> None:
    good = jpeg(progressive=True)
    scans = good.count(b"\xff\xda")
    assert refusal(good, DecodeLimits(max_scans=scans)) is None
    assert refusal(good, DecodeLimits(max_scans=scans - 1)) == (
        f"The JPEG file has {scans} scans; at most {scans - 1} are read."
    )
    # 64 x 64 pixels, each visited by each scan
    assert refusal(good, DecodeLimits(max_scan_pixels=scans * 4096)) is None
    assert refusal(good, DecodeLimits(max_scan_pixels=scans * 4096 - 1)) is not None
    # A sequential file is done after its one scan, whatever follows.
    assert refusal(jpeg() + hostile.filled(hostile.last_scan(good), 100_000), DecodeLimits(max_scans=1)) is None


@pytest.mark.parametrize(
    ("tags", "passes"),
    [
        # 64 rows of one strip each
        ({278: (4, [1]), 273: (4, [8] * 64), 279: (4, [64] * 64)}, True),
        ({278: (4, [1]), 273: (4, [8] * 65), 279: (4, [64] * 65)}, False),
        # rows beyond the image's height, as libtiff writes where all rows are in one strip
        ({278: (4, [2**32 - 1])}, True),
        # 5 rows a strip: 13 strips
        ({278: (3, [5]), 273: (4, [8] * 13), 279: (4, [64] * 13)}, True),
        ({278: (3, [5]), 273: (4, [8] * 14), 279: (4, [64] * 14)}, False),
        # three planes, each with its strips
        ({277: (3, [3]), 284: (3, [2]), 273: (4, [8] * 3), 279: (4, [64] * 3)}, True),
        ({277: (3, [3]), 284: (3, [1]), 273: (4, [8] * 3), 279: (4, [64] * 3)}, False),
        # 48-pixel tiles: 2 x 2
        ({322: (3, [48]), 323: (3, [48]), 324: (4, [8] * 4), 325: (4, [9] * 4)}, True),
        ({322: (3, [48]), 323: (3, [48]), 324: (4, [8] * 5), 325: (4, [9] * 5)}, False),
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_has_no_more_strips_than_its_size_needs(
    tags: dict[int, tuple[int, list[int] | bytes]], passes: bool, big: bool
) -> None:
    assert (refusal(tiff(tiff_tags(64) | tags, big=big)) is None) is passes


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(["jpeg", "png", "webp", "tiff", "gif", "bmp", "avif"]),
    at=st.integers(0, 10**6),
    new=st.binary(min_size=1, max_size=12),
)
def test_changed_files_raise_nothing_else(name: str, at: int, new: bytes) -> None:
    data = {
        "jpeg": jpeg(progressive=True),
        "png": png(),
        "webp": riff(hostile.webp_image()),
        "tiff": tiff(tiff_tags(64), bytes(4096)),
        "gif": gif(),
        "bmp": hostile.bmp_rle(64, b"\x40\x05\0\0" * 64),
        "avif": AVIF,
    }[name]
    at %= len(data)
    changed = data[:at] + new + data[at + len(new) :]
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"):
        try:
            check_container(kind, changed, DecodeLimits())
        except ImageError as error:
            assert error.code == "too_complex"


AVIF = hostile.avif(64)
