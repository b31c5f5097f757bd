"""Decoding: every failure code, every mode with pixel values worked out by hand, and mutated files."""

from __future__ import annotations

import errno
import importlib.util
import io
import os
import socket
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageCms, PngImagePlugin
from PIL.Image import Image

from unmask.errors import ImageError
from unmask.imaging import decode
from unmask.imaging.decode import decode_image, read_bytes
from unmask.imaging.formats import canvas_size
from unmask.imaging.limits import DecodeLimits

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
TINY = DecodeLimits(min_side=1)
NOISE = np.random.default_rng(7).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def encode(image: Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def refused(source: Any, limits: DecodeLimits = DecodeLimits()) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_image(source, limits)
    error = caught.value
    assert error.message.endswith(".")
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def code(source: Any, limits: DecodeLimits = DecodeLimits()) -> str:
    return refused(source, limits).code


def pixels(source: Any, limits: DecodeLimits = TINY) -> list[list[list[int]]]:
    image = decode_image(source, limits)
    assert type(image) is Image
    assert image.mode == "RGB"
    assert image.info == {}
    return np.asarray(image).tolist()  # type: ignore[no-any-return]


def noise(format_name: str = "PNG", **options: Any) -> bytes:
    return encode(PIL.Image.fromarray(NOISE), format_name, **options)


# --- sources -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", FORMATS)
def test_path_bytes_pillow_and_array_agree(format_name: str, tmp_path: Path) -> None:
    data = noise(format_name)
    path = tmp_path / "image.txt"  # the extension says nothing
    path.write_bytes(data)
    reference = PIL.Image.open(io.BytesIO(data)).convert("RGB").tobytes()
    for source in (
        data,
        path,
        str(path),
        PIL.Image.open(path),
        np.asarray(PIL.Image.open(path).convert("RGB")),
    ):
        assert decode_image(source).tobytes() == reference


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(noise())
    (tmp_path / "link").symlink_to("real")
    assert decode_image(tmp_path / "link").size == (24, 20)


def test_sources_stay_as_they_are() -> None:
    image = PIL.Image.fromarray(NOISE)
    image.getexif()[0x0112] = 6
    image.info["note"] = "kept"
    result = decode_image(image)
    assert result.size == (20, 24)
    assert image.size == (24, 20)
    assert image.info == {"note": "kept"}
    array = NOISE.copy()
    decode_image(array).paste((0, 0, 0), (0, 0, 24, 20))
    plain = PIL.Image.fromarray(array)
    decode_image(plain).paste((0, 0, 0), (0, 0, 24, 20))
    assert (array == NOISE).all()
    assert (np.asarray(plain) == NOISE).all()


def test_arrays_of_any_layout() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert pixels(grey)[2][3] == [11, 11, 11]
    rgb = NOISE[::-1, ::2]  # neither contiguous nor in order
    assert pixels(rgb) == rgb.tolist()
    rgba = np.full((2, 2, 4), (255, 0, 0, 0), dtype=np.uint8)
    assert pixels(rgba)[0][0] == [128, 128, 128]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((20, 20), dtype=bool),
        np.zeros((20, 20, 3), dtype=np.float32),
        np.zeros((20, 20, 3), dtype=np.uint16),
        np.zeros((20, 20, 3), dtype=object),
        np.zeros((20, 20, 2), dtype=np.uint8),
        np.zeros((20, 20, 1), dtype=np.uint8),
        np.zeros((1, 20, 20, 3), dtype=np.uint8),
        np.zeros(20, dtype=np.uint8),
        np.array(3, dtype=np.uint8),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_bad_arrays(array: np.ndarray[Any, Any]) -> None:
    assert code(array) == "bad_array"


def test_bad_array_says_what_is_wanted() -> None:
    message = refused(np.zeros((20, 30, 3), dtype=np.float32)).message
    assert "float32 of shape 20x30x3" in message
    assert "uint8 of shape HxW" in message


# --- files that never get as far as Pillow -----------------------------------------------------------------


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "not_found"),
        (lambda path: path.symlink_to("nowhere"), "not_found"),
        (lambda path: path.symlink_to(path.name), "read_error"),  # a link to itself
        (lambda path: path.mkdir(), "is_directory"),
        (make_fifo, "not_a_file"),
        (make_socket, "not_a_file"),
        (lambda path: path.symlink_to("/dev/zero"), "not_a_file"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(bytes(1001)), "file_too_large"),
        (lambda path: path.write_bytes(bytes(1000)), "unsupported_format"),  # just small enough to be read
    ],
)
def test_paths(make: Callable[[Path], object], expected: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    make(Path("x"))
    assert code("x", DecodeLimits(max_bytes=1000)) == expected


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000, "nofolder/x.png"])
def test_impossible_paths(path: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert code(path) in ("not_found", "read_error")


def test_a_file_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    assert code(tmp_path / "x" / "y") == "not_found"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(noise())
    path.chmod(0)
    assert code(path) == "permission_denied"


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EACCES, "permission_denied"), (errno.EIO, "read_error"), (errno.ENOENT, "not_found")],
)
def test_open_fails(number: int, expected: str, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(noise())

    def fail(*_args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    assert code(path) == expected


def test_a_fifo_put_in_the_files_place_does_not_hang(tmp_path: Path, monkeypatch: Any) -> None:
    path, fifo = tmp_path / "x.png", tmp_path / "fifo"
    path.write_bytes(noise())
    os.mkfifo(fifo)
    real_open = os.open
    monkeypatch.setattr(os, "open", lambda _path, flags: real_open(fifo, flags))
    assert code(path) == "not_a_file"


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)
    tracemalloc.start()
    try:
        error = refused(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert error.code == "file_too_large"
    assert error.message == "The image has 10,737,418,240 bytes; at most 268,435,456 are read."


def test_read_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert read_bytes(tmp_path / "x", DecodeLimits(max_bytes=3)) == b"abc"


def test_bytes_have_the_same_limits() -> None:
    assert code(b"") == "empty"
    assert code(noise(), DecodeLimits(max_bytes=100)) == "file_too_large"


# --- formats -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"hello, I am text",
        b"BMW is a maker of cars, not of bitmaps, and this is text",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",  # a film
        encode(PIL.Image.fromarray(NOISE), "PPM"),  # Pillow would read these
        encode(PIL.Image.fromarray(NOISE), "TGA"),
        encode(PIL.Image.fromarray(NOISE), "JPEG2000"),
    ],
)
def test_unsupported_formats(data: bytes) -> None:
    assert code(data) == "unsupported_format"


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic", b"heix\0\0\0\0mif1miaf"])
def test_heic_without_its_extra_says_what_is_missing(brands: bytes, monkeypatch: Any) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    error = refused(struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(100))
    assert error.code == "unsupported_format"
    assert "the extra heic" in error.message and "convert" in error.message


@pytest.mark.parametrize("source", [None, 3, [1, 2], io.BytesIO(b"x")])
def test_things_that_are_no_source(source: Any) -> None:
    assert code(source) == "unsupported_format"


@pytest.mark.parametrize("format_name", [*FORMATS, "lzw"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated(format_name: str, share: float) -> None:
    big = PIL.Image.fromarray(np.tile(NOISE, (5, 5, 1)))
    data = encode(big, "TIFF", compression="tiff_lzw") if format_name == "lzw" else encode(big, format_name)
    assert code(data[: int(len(data) * share)]) == "truncated"


def chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def png(width: int, height: int, *extra: bytes, colour_type: int = 0, rows: bytes = b"", depth: int = 8) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + chunk(b"IEND", b"")


def test_corrupt() -> None:
    data = bytearray(noise())
    data[data.index(b"IDAT") + 20] ^= 255  # the checksum no longer fits
    assert code(bytes(data)) in ("corrupt", "truncated")
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000)))
    assert code(png(20, 20, bomb, rows=bytes(21 * 20))) == "corrupt"
    webp = bytearray(noise("WEBP"))
    webp[20:60] = bytes(40)
    assert code(bytes(webp)) == "corrupt"


def test_first_frame_only() -> None:
    frames = [PIL.Image.new("RGB", (20, 20), colour) for colour in ("red", "lime")]
    for format_name in ("GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF"):
        data = encode(frames[0], format_name, save_all=True, append_images=frames[1:])
        red, green, blue = pixels(data)[10][10]
        assert red >= 250, format_name
        assert max(green, blue) <= 5, format_name


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_pillow_image_of_a_file_stays_open(mode: str) -> None:
    opened = PIL.Image.open(io.BytesIO(encode(PIL.Image.new(mode, (20, 20), 90 if mode == "L" else None), "TIFF")))
    decode_image(opened)
    assert opened.getpixel((0, 0)) is not None
    assert decode_image(opened).size == (20, 20)


@pytest.mark.parametrize("appended", [b"\0\0\0\x18ftypmp42" + bytes(5_000), b"\xff\xd8\xff\xe0" + bytes(2_000)])
def test_what_follows_the_first_image_is_not_looked_at(appended: bytes) -> None:
    """Motion photos append a clip, Ultra HDR and MPO a second JPEG file."""
    photo = noise("JPEG", quality=90)
    assert decode.decode(photo + appended).notes == ()
    assert pixels(photo + appended) == pixels(photo)


# --- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected", "words"),
    [
        ((100_000, 1), "side_too_long", "100,000 x 1 pixels; a side may have at most 32,768."),
        ((1, 32_769), "side_too_long", "1 x 32,769"),
        ((20_001, 10_000), "too_many_pixels", "200,010,000 in all; at most 200,000,000"),
        ((15, 400), "too_small", "15 x 400 pixels; a side must have at least 16."),
    ],
)
def test_sizes_are_refused_from_the_header(size: tuple[int, int], expected: str, words: str, monkeypatch: Any) -> None:
    def load(_image: object) -> None:
        pytest.fail("the image was decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    error = refused(png(*size))
    assert error.code == expected
    assert words in error.message


def test_sizes_at_the_limits() -> None:
    limits = DecodeLimits(max_pixels=480, max_side=24, min_side=20)
    assert decode_image(noise(), limits).size == (24, 20)
    assert code(noise(), DecodeLimits(max_pixels=479)) == "too_many_pixels"
    assert code(NOISE, DecodeLimits(max_side=23)) == "side_too_long"
    assert code(PIL.Image.fromarray(NOISE), DecodeLimits(min_side=21)) == "too_small"
    assert code(np.zeros((0, 20), dtype=np.uint8)) == "too_small"


def webp_header(width: int, height: int) -> bytes:
    body = (
        b"WEBPVP8X" + struct.pack("<II", 10, 0) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_header(width: int, height: int, frame: tuple[int, int, int, int]) -> bytes:
    control = b"!\xf9\x04\x08\0\0\0\0"  # disposal 2: Pillow would allocate the frame on opening
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"!\xfe\x03abc\0" + control + b"," + struct.pack("<4HB", *frame, 0) + b"\x02\0;"


@pytest.mark.parametrize(
    ("format_name", "data"),
    [
        ("WEBP", webp_header(16_000, 16_000)),
        ("GIF", gif_header(30_000, 30_000, (0, 0, 20, 20))),
        ("GIF", gif_header(20, 20, (0, 0, 30_000, 30_000))),  # the first frame is larger than the canvas
    ],
)
def test_readers_that_allocate_on_opening_are_not_opened(format_name: str, data: bytes, monkeypatch: Any) -> None:
    monkeypatch.setitem(decode._READERS, format_name, lambda _data: pytest.fail("the image was opened"))
    assert code(data) == "too_many_pixels"


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}]
)
def test_webp_size_from_every_kind_of_header(options: dict[str, Any]) -> None:
    assert canvas_size("WEBP", noise("WEBP", **options)) == (24, 20)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "GIF", "BMP", "JPEG", "WEBP", "AVIF"])
def test_pillows_own_limit(format_name: str, monkeypatch: Any) -> None:
    """Over its limit Pillow would warn; over twice the limit, TIFF and WebP fail there, others don't."""
    data = noise(format_name)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 300)
    assert decode_image(data).size == (24, 20)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    if format_name in ("TIFF", "WEBP"):
        assert code(data) == "too_many_pixels"
    else:
        assert decode_image(data).size == (24, 20)
    assert PIL.Image.MAX_IMAGE_PIXELS == 100


def test_out_of_memory(monkeypatch: Any) -> None:
    def load(_image: object) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert code(noise()) == "out_of_memory"


def test_an_interrupt_is_no_failure_of_the_image(monkeypatch: Any) -> None:
    def load(_image: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    with pytest.raises(KeyboardInterrupt):
        decode_image(noise())


# --- modes -------------------------------------------------------------------------------------------------


def palette_image(mode: str, **info: Any) -> Image:
    image = PIL.Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putdata([0, 1])
    image = image if mode == "P" else image.convert(mode)
    image.info.update(info)
    return image


def with_info(image: Image, **info: Any) -> Image:
    image.info.update(info)
    return image


def deep(values: list[float], kind: str) -> Image:
    return PIL.Image.fromarray(np.array([values], dtype=kind))


MODES = [
    ("1", PIL.Image.new("1", (1, 1), 1), [[255, 255, 255]]),
    ("L", PIL.Image.new("L", (1, 1), 77), [[77, 77, 77]]),
    ("L, 77 transparent", with_info(PIL.Image.new("L", (1, 1), 77), transparency=77), [[128, 128, 128]]),
    # (200*128 + 128*127) / 255 = 164.1
    ("LA", PIL.Image.new("LA", (1, 1), (200, 128)), [[164, 164, 164]]),
    # 100 is 199 before its multiplication by 128/255; (199*128 + 128*127) / 255 = 163.6
    ("La", PIL.Image.new("La", (1, 1), (100, 128)), [[164, 164, 164]]),
    ("P", palette_image("P"), [[0, 0, 0], [10, 20, 30]]),
    ("P, index 1 transparent", palette_image("P", transparency=1), [[0, 0, 0], [128, 128, 128]]),
    ("P, all opacities", palette_image("P", transparency=b"\0\xff"), [[128, 128, 128], [10, 20, 30]]),
    ("PA", palette_image("PA"), [[0, 0, 0], [10, 20, 30]]),
    ("RGB", PIL.Image.new("RGB", (1, 1), (1, 2, 3)), [[1, 2, 3]]),
    (
        "RGB, keyed",
        with_info(PIL.Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3)),
        [[128, 128, 128]],
    ),
    # (255*128 + 128*127) / 255 = 191.7; 128*127 / 255 = 63.7
    ("RGBA", PIL.Image.new("RGBA", (1, 1), (255, 0, 0, 128)), [[192, 64, 64]]),
    ("RGBA, opaque", PIL.Image.new("RGBA", (1, 1), (9, 8, 7, 255)), [[9, 8, 7]]),
    ("RGBA, clear", PIL.Image.new("RGBA", (1, 1), (9, 8, 7, 0)), [[128, 128, 128]]),
    ("RGBa", PIL.Image.new("RGBa", (1, 1), (128, 0, 0, 128)), [[192, 64, 64]]),
    ("RGBX", PIL.Image.new("RGBX", (1, 1), (9, 8, 7, 0)), [[9, 8, 7]]),
    # red 255 - 255 = 0; the others 255 - 128 (black) = 127
    ("CMYK", PIL.Image.new("CMYK", (1, 1), (255, 0, 0, 128)), [[0, 127, 127]]),
    # red 76 + 1.402*127 = 254; green 76 + 0.344*43 - 0.714*127 = 0; blue 76 - 1.772*43 = 0
    ("YCbCr", PIL.Image.new("YCbCr", (1, 1), (76, 85, 255)), [[254, 0, 0]]),
    ("HSV, a third round", PIL.Image.new("HSV", (1, 1), (85, 255, 255)), [[0, 255, 0]]),
    # 25,828 / 257 = 100.498; 25,829 / 257 = 100.502
    ("I;16", deep([0, 25828, 25829, 65535], "<u2"), [[v] * 3 for v in (0, 100, 101, 255)]),
    ("I;16B", deep([0, 25828, 25829, 65535], ">u2"), [[v] * 3 for v in (0, 100, 101, 255)]),
    ("I;16, dark", deep([0, 128, 129, 255], "<u2"), [[v] * 3 for v in (0, 0, 1, 1)]),
    ("I;16, 7 transparent", with_info(deep([7, 65535], "<u2"), transparency=7), [[128] * 3, [255] * 3]),
    ("I of 8 bits", deep([-3, 0, 100, 255], "<i4"), [[v] * 3 for v in (0, 0, 100, 255)]),
    ("I of 16 bits", deep([-3, 256, 25700, 65535], "<i4"), [[v] * 3 for v in (0, 1, 100, 255)]),
    ("I of more bits", deep([-(2**31), 25700, 2**31 - 1], "<i4"), [[v] * 3 for v in (0, 100, 255)]),
    ("F, unit", deep([0, 0.5, 1], "<f4"), [[v] * 3 for v in (0, 128, 255)]),
    ("F, unit with NaN", deep([float("nan"), 0.2, 1], "<f4"), [[v] * 3 for v in (0, 51, 255)]),
    ("F, bytes", deep([-1, 100.4, 100.5, 300], "<f4"), [[v] * 3 for v in (0, 100, 101, 255)]),
    ("F, infinite", deep([-np.inf, np.inf, 2, np.nan], "<f4"), [[v] * 3 for v in (0, 255, 2, 0)]),
]


@pytest.mark.parametrize(("image", "expected"), [case[1:] for case in MODES], ids=[case[0] for case in MODES])
def test_modes(image: Image, expected: list[list[int]]) -> None:
    assert pixels(image) == [expected]


def test_every_mode_of_pillow_is_tested() -> None:
    tested = {case[1].mode for case in MODES} | {"LAB", "I;16L", "I;16N"}
    assert tested >= set(PIL.Image.MODES)
    for mode in ("I;16L", "I;16N"):
        assert pixels(PIL.Image.new(mode, (1, 1), 25700)) == [[[100, 100, 100]]]


@pytest.mark.parametrize(("lightness", "expected"), [(0, 0), (255, 255), (136, 127)])
def test_lab(lightness: int, expected: int) -> None:
    """L* 136 / 2.55 = 53.3 is Y = ((53.3 + 16) / 116) ** 3 = 0.213, or 127 in sRGB; Pillow is within 2."""
    result = np.asarray(decode_image(PIL.Image.new("LAB", (16, 16), (lightness, 128, 128)))).astype(int)
    assert np.abs(result - expected).max() <= 2


def test_16_bit_files() -> None:
    grey = deep([0, 25700, 65535], "<u2")
    for data in (encode(grey, "PNG"), encode(grey, "TIFF"), encode(deep([0, 25700, 65535], ">u2"), "TIFF")):
        assert pixels(data) == [[[0] * 3, [100] * 3, [255] * 3]]
    assert pixels(encode(deep([0, 0.5, 1], "<f4"), "TIFF")) == [[[0] * 3, [128] * 3, [255] * 3]]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)) + chunk(
        b"tRNS", struct.pack(">3H", 999, 9, 9)
    )
    body = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">3H", 65535, 25700, 0)))
    assert pixels(b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")) == [[[255, 100, 0]]]


def test_cmyk_jpeg() -> None:
    """Adobe stores inverted values and Pillow inverts them back: no ink is white."""
    data = encode(PIL.Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG")
    assert pixels(data)[8][8] == [255, 255, 255]


# --- orientation -------------------------------------------------------------------------------------------


def exif(orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)


UPRIGHT = np.zeros((16, 32, 3), dtype=np.uint8)
UPRIGHT[:8, :16] = (250, 0, 0)
UPRIGHT[:8, 16:] = (0, 250, 0)
UPRIGHT[8:, :16] = (0, 0, 250)
# What a camera stores, by the EXIF standard's table of where row 0 and column 0 lie.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT, 1),  # row 0 is the right side
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),  # row 0 is the left side
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "format_name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "tiff_lzw", "xmp", "pillow", "reopened"]
)
def test_orientation(format_name: str, orientation: int) -> None:
    stored = PIL.Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    source: Any
    if format_name.lower().startswith("tiff"):
        tags = PIL.Image.Exif()
        tags[0x0112] = orientation
        source = encode(stored, "TIFF", exif=tags, compression="tiff_lzw" if "_" in format_name else None)
    elif format_name == "pillow":
        source = stored
        source.getexif()[0x0112] = orientation
    elif format_name == "reopened":
        source = PIL.Image.open(io.BytesIO(encode(stored, "PNG", exif=exif(orientation))))
    elif format_name == "xmp":
        source = encode(stored, "WEBP", lossless=True, xmp=f'<x tiff:Orientation="{orientation}"/>'.encode())
    else:
        source = encode(stored, format_name, exif=exif(orientation), quality=100, lossless=True)
    result = np.asarray(decode_image(source)).astype(int)
    assert result.shape == UPRIGHT.shape
    for row, column in ((3, 7), (3, 24), (12, 7), (12, 24)):
        assert np.abs(result[row, column] - UPRIGHT[row, column]).max() < 12


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_orientations_that_do_not_exist_are_ignored(orientation: int) -> None:
    assert pixels(noise(exif=exif(orientation))) == NOISE.tolist()


def test_orientation_of_another_type_is_ignored() -> None:
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHI4s", 0x0112, 2, 4, b"six\0") + bytes(4)
    assert pixels(noise(exif=block)) == NOISE.tolist()


# Blocks after the "Exif\0\0" mark that no reader can make sense of.
BAD_EXIF = {
    "no TIFF header": b"garbage that is no TIFF structure",
    "zeros": bytes(32),
    "wrong byte order mark": b"MI\0*\0\0\0\x08\0\0\0\0\0\0",
    "cut in the header": b"MM\0*\0\0",
    "directory beyond the end": b"MM\0*\0\0\x10\0" + bytes(20),
    "more entries than bytes": b"MM\0*\0\0\0\x08\xff\xff" + bytes(40),
}


@pytest.mark.parametrize("name", BAD_EXIF)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_bad_exif(name: str, format_name: str) -> None:
    decoded = decode.decode(noise(format_name, exif=b"Exif\0\0" + BAD_EXIF[name]))
    assert decoded.notes == ("The EXIF data is damaged and was ignored: the image is taken as upright.",)
    # Every browser shows such a file, and so the pixels are judged.
    plain = pixels(noise(format_name))
    assert np.asarray(decoded.image).tolist() == plain


def test_bad_exif_of_other_kinds() -> None:
    for info in ({"exif": "text"}, {"Raw profile type exif": "\nexif\n8\nnot hexadecimal"}):
        decoded = decode.decode(with_info(PIL.Image.fromarray(NOISE), **info))
        assert np.asarray(decoded.image).tolist() == NOISE.tolist()
        assert ["EXIF" in note for note in decoded.notes] == [True]


def test_exif_that_the_avif_reader_cannot_open() -> None:
    block = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI4s", 0x0131, 2, 4, b"abc\0") + bytes(4)  # Software
    good = noise("AVIF", exif=b"Exif\0\0" + block)
    assert decode.decode(good).notes == ()
    start = good.index(b"II*\0")
    broken = good[:start] + b"junk" + good[start + 4 :]
    decoded = decode.decode(broken)
    assert decoded.notes == ("The EXIF data is damaged and was ignored: the image is taken as upright.",)
    assert np.asarray(decoded.image).tolist() == pixels(good)


# Blocks with faults that real cameras and editors make; Pillow reads what is sound.
HARMLESS_EXIF = {
    "nothing": b"",
    "no next directory": b"MM\0*\0\0\0\x08\0\0",
    "value beyond the end": b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHII", 0x010F, 2, 99, 9999) + bytes(4),
    "unknown type": b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHII", 0x010F, 99, 1, 0) + bytes(4),
    "little endian": b"II*\0\x08\0\0\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("name", HARMLESS_EXIF)
def test_harmless_exif(name: str) -> None:
    assert pixels(noise(exif=b"Exif\0\0" + HARMLESS_EXIF[name])) == NOISE.tolist()


# --- colour profiles ---------------------------------------------------------------------------------------

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LINEAR_CURVE = b"para" + bytes(4) + struct.pack(">HHi", 0, 0, 1 << 16)


def tags_of(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    rows = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(count)]
    return {name: profile[start : start + size] for name, start, size in rows}


def profile_of(tags: dict[bytes, bytes], space: bytes = b"RGB ", connection: bytes = b"XYZ ") -> bytes:
    """Lay out an ICC profile with sRGB's header but other tags."""
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, payload in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(payload))
        body += payload + bytes(-len(payload) % 4)
    header = SRGB[4:16] + space + connection + SRGB[24:84] + bytes(44)
    return struct.pack(">I", start + len(body)) + header + struct.pack(">I", len(tags)) + table + body


def named(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded


SRGB_TAGS = tags_of(SRGB)
LINEAR_TAGS = {**SRGB_TAGS, b"rTRC": LINEAR_CURVE, b"gTRC": LINEAR_CURVE, b"bTRC": LINEAR_CURVE}
LINEAR = profile_of({**LINEAR_TAGS, b"desc": named("linear light")})
SWAPPED = profile_of({**SRGB_TAGS, b"desc": named("swapped"), b"rXYZ": SRGB_TAGS[b"gXYZ"], b"gXYZ": SRGB_TAGS[b"rXYZ"]})
# Four inks by a table of 2x2x2x2: no ink is black and any full ink white, the reverse of Pillow's own rule.
RAMP = bytes(range(256))
INK_CORNERS = b"\0\x80\x80" + b"\xff\x80\x80" * 15
INK_TABLE = b"".join(
    [
        b"mft1" + bytes(4) + bytes([4, 3, 2, 0]),  # channels in, channels out, points a side
        struct.pack(">9i", *(np.eye(3, dtype=int) << 16).ravel()),
        RAMP * 4 + INK_CORNERS + RAMP * 3,
    ]
)
SHARED_TAGS = {name: SRGB_TAGS[name] for name in (b"cprt", b"wtpt")}
GREY = profile_of({**SHARED_TAGS, b"desc": named("grey"), b"kTRC": LINEAR_CURVE}, b"GRAY")
INKS = profile_of({**SHARED_TAGS, b"desc": named("inks"), b"A2B0": INK_TABLE}, b"CMYK", b"Lab ")


def flat(mode: str, colour: Any, profile: bytes) -> Image:
    return with_info(PIL.Image.new(mode, (16, 16), colour), icc_profile=profile)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (flat("RGB", (128, 9, 200), SRGB), (128, 9, 200)),  # its description says sRGB: not touched
        (flat("RGB", (255, 0, 0), SWAPPED), (0, 255, 0)),
        # 128/255 = 0.502 in linear light is 1.055 * 0.502 ** (1 / 2.4) - 0.055 = 0.737, or 188
        (flat("RGB", (128, 128, 128), LINEAR), (188, 188, 188)),
        (flat("L", 128, GREY), (188, 188, 188)),
        (flat("L", 128, LINEAR), (188, 188, 188)),  # grey with an RGB profile
        (flat("L", 128, SRGB), (128, 128, 128)),
        (flat("LA", (128, 0), GREY), (128, 128, 128)),  # clear: only the backdrop is seen, which is sRGB
        (flat("RGBA", (128, 128, 128, 255), LINEAR), (188, 188, 188)),
        (flat("RGBA", (128, 128, 128, 0), LINEAR), (128, 128, 128)),
        (flat("YCbCr", (128, 128, 128), LINEAR), (188, 188, 188)),
        (flat("I;16", 128 * 257, GREY), (188, 188, 188)),
        (flat("CMYK", (0, 0, 0, 0), INKS), (0, 0, 0)),
        (flat("CMYK", (0, 0, 0, 255), INKS), (255, 255, 255)),
        (flat("RGB", (1, 2, 3), b""), (1, 2, 3)),
        # sRGB's primaries without its curve are not sRGB, whatever they are called
        (
            flat("RGB", (128, 128, 128), profile_of({**LINEAR_TAGS, b"desc": named("linear sRGB")})),
            (188, 188, 188),
        ),
    ],
)
def test_profiles(image: Image, expected: tuple[int, int, int]) -> None:
    result = np.asarray(decode_image(image)).astype(int)
    assert np.abs(result - expected).max() <= 1


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_profiles_in_files(format_name: str) -> None:
    data = encode(PIL.Image.new("RGB", (16, 16), (128, 128, 128)), format_name, icc_profile=LINEAR)
    assert np.abs(np.asarray(decode_image(data)).astype(int) - 188).max() <= 2
    broken = encode(PIL.Image.new("RGB", (16, 16)), format_name, icc_profile=b"no profile at all" * 10)
    decoded = decode.decode(broken)
    assert decoded.notes == ("The colour profile is damaged and was ignored: the colours are taken as sRGB.",)
    assert np.asarray(decoded.image).max() <= 1


@pytest.mark.parametrize(
    ("image", "words"),
    [
        # Coloured values cannot be grey ones.
        (with_info(PIL.Image.new("RGB", (16, 16), (9, 90, 200)), icc_profile=GREY), "describes GRAY channels"),
        (flat("L", 0, INKS), "describes CMYK channels"),
        (flat("CMYK", 0, SRGB), "describes RGB channels"),
        (flat("RGB", 0, SRGB[:300]), "is damaged"),
        (flat("RGB", 0, b"\xff" * len(SRGB)), "is damaged"),
        (flat("RGB", 0, profile_of({b"desc": named("no curves")})), "is damaged"),
        (flat("RGB", 0, bytes(9 * 1024 * 1024)), "has 9,437,184 bytes"),
        # Pillow's word for one that it could not unpack
        (with_info(PIL.Image.new("RGB", (16, 16)), icc_profile=None), "cannot be read"),
        (with_info(PIL.Image.new("RGB", (16, 16)), icc_profile="text"), "cannot be read"),
    ],
)
def test_profiles_that_cannot_be_used_are_ignored_and_noted(image: Image, words: str) -> None:
    decoded = decode.decode(image)
    (note,) = decoded.notes
    assert words in note
    assert note.endswith("and was ignored: the colours are taken as sRGB.")
    image.info.pop("icc_profile")
    assert np.asarray(decoded.image).tolist() == pixels(image)


def test_grey_with_alpha_of_16_bits_and_a_grey_profile() -> None:
    """Pillow opens it as RGBA, to which the profile would not fit."""
    rows = (b"\0" + struct.pack(">HH", 0x8000, 0xFFFF) * 20) * 20
    packed = chunk(b"iCCP", b"grey\0\0" + zlib.compress(GREY))
    data = png(20, 20, packed, rows=rows, depth=16, colour_type=4)
    decoded = decode.decode(data)
    assert decoded.notes == ()
    # as the same values without alpha
    grey = with_info(PIL.Image.new("L", (20, 20), 0x80), icc_profile=GREY)
    assert np.asarray(decoded.image).tolist() == pixels(grey)


def test_an_unpackable_png_profile() -> None:
    broken = chunk(b"iCCP", b"name\0\0this is not deflated")
    decoded = decode.decode(png(20, 20, broken, rows=bytes(21 * 20)))
    assert decoded.notes == ("The colour profile cannot be read and was ignored: the colours are taken as sRGB.",)


# --- anything at all ---------------------------------------------------------------------------------------


def seeds() -> list[bytes]:
    colour, grey = PIL.Image.fromarray(NOISE), PIL.Image.fromarray(NOISE[..., 0])
    found = [noise(format_name) for format_name in FORMATS]
    found += [noise(format_name, exif=exif(6), icc_profile=LINEAR) for format_name in ("JPEG", "PNG", "WEBP", "AVIF")]
    found += [encode(colour, "TIFF", compression=c) for c in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")]
    found += [encode(colour.convert(mode), "PNG") for mode in ("P", "RGBA", "LA", "1")]
    found += [
        encode(colour, name, save_all=True, append_images=[colour.rotate(180)])
        for name in ("PNG", "GIF", "MPO", "WEBP")
    ]
    found += [
        encode(grey, "GIF", transparency=3),
        encode(colour.convert("CMYK"), "JPEG"),
        noise("JPEG", progressive=True),
    ]
    return [
        *found,
        encode(colour.convert("P"), "BMP"),
        encode(grey.convert("1"), "TIFF", compression="group4"),
    ]


SEEDS = seeds()
PLACE = st.floats(0, 1, exclude_max=True)
CHANGE = st.one_of(
    st.tuples(st.just("set"), PLACE, st.binary(min_size=1, max_size=4)),
    st.tuples(st.just("early"), PLACE, st.binary(min_size=1, max_size=4)),  # the first 200 bytes hold the headers
    st.tuples(st.just("cut"), PLACE, st.just(b"")),
    st.tuples(st.just("insert"), PLACE, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("remove"), PLACE, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("splice"), PLACE, st.sampled_from(SEEDS)),
)


def mutate(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, payload in changes:
        at = int(place * (min(len(data), 200) if kind == "early" else len(data)))
        if kind in ("set", "early"):
            data = data[:at] + payload + data[at + len(payload) :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + payload + data[at:]
        elif kind == "remove":
            data = data[:at] + data[at + len(payload) :]
        else:
            data = data[:at] + payload[int(place * len(payload)) :]
    return data


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(SEEDS), st.lists(CHANGE, min_size=1, max_size=4))
def test_mutated_files_give_an_image_or_an_error(seed: bytes, changes: list[tuple[str, float, bytes]]) -> None:
    try:
        image = decode_image(mutate(seed, changes), DecodeLimits(max_pixels=1_000_000))
    except ImageError as error:
        assert error.message.endswith(".")
    else:
        assert image.mode == "RGB"
        assert image.width * image.height <= 1_000_000


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data)


# --- threads -----------------------------------------------------------------------------------------------

# A TIFF tag that claims two values where there can be one: Pillow warns on reading it.
ODD_TIFF = noise("TIFF").replace(struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 256, 3, 2))


def test_threads_get_the_same_pixels() -> None:
    linear = [noise(f, icc_profile=p) for f in ("JPEG", "PNG", "WEBP") for p in (LINEAR, SWAPPED)]
    sources = [*SEEDS, ODD_TIFF, *linear, exif(6), b"text"] * 6

    def outcome(data: bytes) -> bytes:
        try:
            return decode_image(data).tobytes()
        except ImageError as error:
            return error.code.encode()

    alone = [outcome(data) for data in sources]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, sources)) == alone


def test_pixels_of_a_file_are_taken_over_and_those_of_an_image_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    image = PIL.Image.fromarray(np.random.default_rng(5).integers(0, 256, (40, 30, 3), np.uint8))
    data = encode(image, "PNG")
    copied = []
    copy = Image.copy
    monkeypatch.setattr(Image, "copy", lambda self: copied.append(self) or copy(self))
    decoded = decode.decode(data).image
    assert not copied
    assert type(decoded) is Image
    assert decoded.tobytes() == image.tobytes()
    decoded.putpixel((0, 0), (1, 2, 3))  # the file's image is gone, and another reading is not changed
    assert decode.decode(data).image.tobytes() == image.tobytes()
    again = decode.decode(image).image
    assert copied == [image]
    again.putpixel((0, 0), (1, 2, 3))
    assert image.getpixel((0, 0)) == tuple(np.asarray(image)[0, 0])
