"""Image files that cost more to read than their size justifies, made by code: one generator a case.

Each case is small (4 MiB at most) and names what it tries to exhaust. ``CASES`` maps names to generators of bytes.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

Case = Callable[[], bytes]
CASES: dict[str, Case] = {}
SIZE = 4 * 2**20
"""Bytes that repeated parts fill."""
SIDE = 8_000
"""Side of an image of 64 megapixels, the default limit."""


def case(make: Case) -> Case:
    """Register a generator under its name."""
    CASES[make.__name__.replace("_", "-")] = make
    return make


def variants(**made: Case) -> None:
    """Register generators that differ in a parameter."""
    CASES.update({name.replace("_", "-"): make for name, make in made.items()})


# --- JPEG --------------------------------------------------------------------------------------------------


def jpeg(size: tuple[int, int] = (64, 64), mode: str = "RGB", **options: object) -> bytes:
    """A small good JPEG file."""
    out = io.BytesIO()
    Image.new(mode, size, 100 if mode == "L" else None or 0).save(out, "JPEG", **options)  # type: ignore[arg-type]
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment of at most 65,533 bytes of body."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(parts: bytes, **options: object) -> bytes:
    """A good JPEG file with ``parts`` right after its start."""
    good = jpeg(**options)  # type: ignore[arg-type]
    return good[:2] + parts + good[2:]


def filled(part: bytes, size: int = SIZE) -> bytes:
    """As many copies of a part as fit into ``size`` bytes."""
    return part * (size // len(part))


def exif_directory(entries: int, kind: int = 3) -> bytes:
    """An EXIF block whose first directory has many entries."""
    body = b"".join(struct.pack("<HHII", 0x8000 + n % 0x4000, kind, 1, 1) for n in range(entries))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", entries) + body + b"\0\0\0\0"


def frame_of(data: bytes) -> int:
    """Where the frame header's marker lies in a JPEG file."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def resized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG file that claims another size."""
    at = frame_of(data)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def last_scan(data: bytes) -> bytes:
    """The last scan of a JPEG file, with its header."""
    return data[data.rindex(b"\xff\xda") : data.rindex(b"\xff\xd9")]


def scans_repeated(side: int, size: int = SIZE, *, subsampling: int = 2) -> bytes:
    """A progressive JPEG file whose last scan comes again and again."""
    good = jpeg((side, side), progressive=True, subsampling=subsampling)
    return good[:-2] + filled(last_scan(good), size) + b"\xff\xd9"


def empty_progressive(side: int, mode: str = "RGB", subsampling: int = 2) -> bytes:
    """A progressive JPEG file of a large size with the data of a small one."""
    options = {} if mode == "CMYK" else {"subsampling": subsampling}
    return resized(jpeg((64, 64), mode, progressive=True, **options), side, side)


variants(
    jpeg_exif_many_small=lambda: jpeg_with(filled(segment(0xE1, b"Exif\0\0" + bytes(58)))),
    jpeg_exif_many_large=lambda: jpeg_with(filled(segment(0xE1, b"Exif\0\0" + bytes(65_000)))),
    jpeg_exif_one_byte=lambda: jpeg_with(filled(segment(0xE1, b"Exif\0\0"))),
    jpeg_exif_many_tags=lambda: jpeg_with(segment(0xE1, exif_directory(5_000))),
    jpeg_exif_endless_directory=lambda: jpeg_with(
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 8))
    ),
    jpeg_icc_many_parts=lambda: jpeg_with(filled(segment(0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(64)))),
    jpeg_icc_large=lambda: jpeg_with(
        b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes((n, 64)) + bytes(65_000)) for n in range(1, 65))
    ),
    jpeg_xmp_many=lambda: jpeg_with(filled(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<" * 64))),
    jpeg_xmp_large=lambda: jpeg_with(filled(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<a " * 20_000))),
    jpeg_photoshop_resources=lambda: jpeg_with(
        filled(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\0\0\0\0" * 5_400))
    ),
    jpeg_comments=lambda: jpeg_with(filled(segment(0xFE, b"x"))),
    jpeg_empty_applications=lambda: jpeg_with(filled(segment(0xE4, b""))),
    jpeg_quantisation_tables=lambda: jpeg_with(filled(segment(0xDB, b"\0" + bytes(range(1, 65))))),
    jpeg_restart_intervals=lambda: jpeg_with(filled(segment(0xDD, b"\0\0"))),
    jpeg_fill_bytes=lambda: jpeg_with(b"\xff" * SIZE),
    jpeg_junk_bytes=lambda: jpeg_with(b"\x00" * SIZE),
    jpeg_stuffed_zeros=lambda: jpeg_with(b"\xff\x00" * (SIZE // 2)),
    jpeg_restart_markers=lambda: jpeg_with(b"\xff\xd0" * (SIZE // 2)),
    jpeg_scans_small=lambda: scans_repeated(64),
    jpeg_scans_medium=lambda: scans_repeated(1_024),
    jpeg_scans_444=lambda: scans_repeated(512, subsampling=0),
    jpeg_scans_large=lambda: resized(scans_repeated(64), SIDE, SIDE),
    jpeg_scans_under_the_count=lambda: resized(scans_repeated(64, 400 * 90), 3_000, 3_000),
    jpeg_no_data_sequential=lambda: resized(jpeg(), SIDE, SIDE),
    jpeg_no_data_grey=lambda: resized(jpeg(mode="L"), SIDE, SIDE),
    jpeg_no_data_444=lambda: resized(jpeg(subsampling=0), SIDE, SIDE),
    jpeg_no_data_progressive=lambda: empty_progressive(SIDE),
    jpeg_no_data_progressive_444=lambda: empty_progressive(SIDE, subsampling=0),
    jpeg_no_data_progressive_cmyk=lambda: empty_progressive(SIDE, "CMYK"),
    jpeg_no_data_wide=lambda: resized(jpeg(), 32_768, 1_953),
    jpeg_tables_between_scans=lambda: scans_with_tables(),
)


def scans_with_tables() -> bytes:
    """A progressive JPEG file with many tables before its last scan."""
    good = jpeg(progressive=True)
    at = good.rindex(b"\xff\xda")
    return good[:at] + filled(segment(0xDB, b"\x03" + bytes(range(1, 65)))) + good[at:]


# --- PNG ---------------------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    size: tuple[int, int] = (64, 64),
    colour: int = 2,
    depth: int = 8,
    *,
    before: bytes = b"",
    after: bytes = b"",
    interlace: int = 0,
    pieces: int = 1,
) -> bytes:
    """A PNG file of zeros, with chunks before and after its data."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = 1 + -(-size[0] * channels * depth // 8)
    packer = zlib.compressobj(9)
    rows = size[1] * (2 if interlace else 1)  # an interlaced image has more filter bytes
    data = b"".join(packer.compress(bytes(row * min(64, rows - at))) for at in range(0, rows, 64)) + packer.flush()
    step = -(-len(data) // pieces)
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlace))
        + before
        + palette
        + b"".join(chunk(b"IDAT", data[at : at + step]) for at in range(0, len(data), step))
        + after
        + chunk(b"IEND")
    )


def bomb(size: int = 64 * 2**20) -> bytes:
    """A zlib stream that inflates to many zeros."""
    return zlib.compress(bytes(size), 9)


def animation(frames: int) -> bytes:
    """The chunks of an APNG's further frames."""
    control = struct.pack(">IIIIIHHBB", 1, 64, 64, 0, 0, 1, 10, 0, 0)
    return (chunk(b"fcTL", control) + chunk(b"fdAT", b"\0\0\0\1" + bytes(8))) * frames


variants(
    png_icc_many=lambda: png(before=filled(chunk(b"iCCP", b"p\0\0" + bomb(2**20)))),
    png_icc_bomb=lambda: png(before=chunk(b"iCCP", b"p\0\0" + bomb())),
    png_packed_text_many=lambda: png(before=filled(chunk(b"zTXt", b"k\0\0" + bomb(2**20)))),
    png_packed_text_bomb=lambda: png(before=chunk(b"zTXt", b"k\0\0" + bomb())),
    png_international_text_many=lambda: png(before=filled(chunk(b"iTXt", b"k\0\1\0\0\0" + bomb(2**20)))),
    png_text_many=lambda: png(before=filled(chunk(b"tEXt", b"k\0v"))),
    png_text_after_data=lambda: png(after=filled(chunk(b"tEXt", b"k\0v"))),
    png_empty_data_chunks=lambda: png(before=filled(chunk(b"IDAT"))),
    png_one_byte_data_chunks=lambda: png((2_000, 2_000), pieces=2_000),
    png_empty_data_after=lambda: png(after=filled(chunk(b"IDAT"))),
    png_private_chunks=lambda: png(before=filled(chunk(b"prVt", b"x"))),
    png_exif_many=lambda: png(before=filled(chunk(b"eXIf", exif_directory(100)[6:]))),
    png_exif_large=lambda: png(before=chunk(b"eXIf", b"II*\0\x08\0\0\0" + bytes(SIZE))),
    png_palettes=lambda: png(before=filled(chunk(b"PLTE", bytes(3)))),
    png_animation_frames=lambda: png(
        before=chunk(b"acTL", struct.pack(">II", 40_000, 0))
        + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 10, 0, 0)),
        after=animation(40_000),
    ),
    png_rgb_64_megapixels=lambda: png((SIDE, SIDE)),
    png_rgba_64_megapixels=lambda: png((SIDE, SIDE), 6),
    png_rgba_16_bits_64_megapixels=lambda: png((SIDE, SIDE), 6, 16),
    png_grey_16_bits_64_megapixels=lambda: png((SIDE, SIDE), 0, 16),
    png_palette_64_megapixels=lambda: png((SIDE, SIDE), 3),
    png_bits_64_megapixels=lambda: png((SIDE, SIDE), 0, 1),
    png_interlaced_64_megapixels=lambda: png((SIDE, SIDE), 2, 8, interlace=1),
)


# --- WebP --------------------------------------------------------------------------------------------------


def riff(chunks: bytes) -> bytes:
    """A WebP file of these chunks."""
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def riff_chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A RIFF chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp_image(size: tuple[int, int] = (64, 64), *, lossless: bool = True) -> bytes:
    """The image chunk of a good WebP file."""
    out = io.BytesIO()
    Image.new("RGB", size).save(out, "WEBP", lossless=lossless)
    return out.getvalue()[12:]


def extended(flags: int, side: int) -> bytes:
    """The header of an extended WebP file."""
    side3 = struct.pack("<I", side - 1)[:3]
    return riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + side3 + side3)


variants(
    webp_lossless_64_megapixels=lambda: riff(webp_image((SIDE, SIDE))),
    webp_lossy_64_megapixels=lambda: riff(webp_image((SIDE, SIDE), lossless=False)),
    webp_canvas_64_megapixels=lambda: riff(
        extended(2, SIDE)
        + riff_chunk(b"ANIM", bytes(6))
        + riff_chunk(b"ANMF", bytes(6) + b"\x3f\0\0\x3f\0\0" + bytes(4) + webp_image())
    ),
    webp_unknown_chunks=lambda: riff(extended(0, 64) + webp_image() + filled(riff_chunk(b"junk", b"xx"))),
    webp_animation_frames=lambda: riff(
        extended(2, 64)
        + riff_chunk(b"ANIM", bytes(6))
        + filled(riff_chunk(b"ANMF", bytes(6) + b"\x3f\0\0\x3f\0\0" + bytes(4) + webp_image()))
    ),
    webp_exif_large=lambda: riff(extended(8, 64) + webp_image() + riff_chunk(b"EXIF", bytes(SIZE))),
    webp_icc_large=lambda: riff(extended(32, 64) + riff_chunk(b"ICCP", bytes(SIZE)) + webp_image()),
)


# --- TIFF --------------------------------------------------------------------------------------------------


def tiff(tags: dict[int, tuple[int, list[int] | bytes]], data: bytes = b"", *, big: bool = False) -> bytes:
    """A TIFF file: tags by number with type and values; ``data`` lies right after the header, at 8 (BigTIFF: 16)."""
    pointer, count, head = ("Q", "Q", 16) if big else ("I", "I", 8)
    codes = {1: "B", 3: "H", 4: "I", 16: "Q"}
    start = head + len(data)
    entries, extra = b"", b""
    place = start + (8 if big else 2) + len(tags) * (20 if big else 12) + (8 if big else 4)
    for number, (kind, values) in sorted(tags.items()):
        if isinstance(values, bytes):
            packed, n = values, len(values)
        else:
            packed, n = struct.pack(f"<{len(values)}{codes[kind]}", *values), len(values)
        room = 8 if big else 4
        if len(packed) <= room:
            held = packed.ljust(room, b"\0")
        else:
            held = struct.pack(f"<{pointer}", place + len(extra))
            extra += packed
        entries += struct.pack(f"<HH{count}", number, kind, n) + held
    magic = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) if big else struct.pack("<2sHI", b"II", 42, start)
    length = struct.pack("<Q" if big else "<H", len(tags))
    return magic + data + length + entries + struct.pack(f"<{pointer}", 0) + extra


def tiff_tags(
    side: int, *, bits: int = 8, samples: int = 1, compression: int = 1, **more: tuple[int, list[int] | bytes]
) -> dict[int, tuple[int, list[int] | bytes]]:
    """The usual tags of a square image in one strip."""
    tags: dict[int, tuple[int, list[int] | bytes]] = {
        256: (4, [side]),
        257: (4, [side]),
        258: (3, [bits] * samples),
        259: (3, [compression]),
        262: (3, [2 if samples >= 3 else 1]),
        273: (4, [8]),
        277: (3, [samples]),
        278: (4, [side]),
        279: (4, [side * side * samples * bits // 8]),
    }
    return tags | {int(number[1:]): value for number, value in more.items()}


def deflated(side: int, bytes_per_pixel: int) -> bytes:
    """Zeros of an image, packed by zlib."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(side * bytes_per_pixel)) for _ in range(side)) + packer.flush()


def tiff_deflated(side: int, *, bits: int, samples: int, **more: tuple[int, list[int] | bytes]) -> bytes:
    """A TIFF file of zeros in one packed strip."""
    data = deflated(side, bits * samples // 8)
    tags = tiff_tags(side, bits=bits, samples=samples, compression=8, **more)
    return tiff(tags | {279: (4, [len(data)])}, data)


def tiff_parts(side: int, tile: int | None) -> bytes:
    """A TIFF file in as many packed parts as its size allows: tiles of one plane, or rows of four planes."""
    data = zlib.compress(bytes(side if tile is None else tile * tile))
    if tile is None:
        count = 4 * side
        tags = tiff_tags(side, samples=4, compression=8, t278=(4, [1]), t284=(3, [2]))
        return tiff(tags | {273: (4, [8] * count), 279: (4, [len(data)] * count)}, data)
    count = (-(-side // tile)) ** 2
    tags = tiff_tags(side, compression=8, t322=(3, [tile]), t323=(3, [tile]))
    return tiff(tags | {324: (4, [8] * count), 325: (4, [len(data)] * count)}, data)


def tiff_fax(side: int = 2_000) -> bytes:
    """A bilevel TIFF file whose fax data is noise."""
    data = np.random.default_rng(0).integers(0, 256, 2_500, np.uint8).tobytes()
    return tiff(tiff_tags(side, bits=1, compression=4) | {262: (3, [0]), 279: (4, [len(data)])}, data)


variants(
    tiff_strips_of_bytes=lambda: tiff(tiff_tags(64, t273=(1, bytes(SIZE // 2)), t279=(1, bytes(SIZE // 2)))),
    tiff_strips_too_many=lambda: tiff(tiff_tags(64, t273=(4, [8] * (SIZE // 8)), t279=(4, [1] * (SIZE // 8)))),
    tiff_strips_of_no_rows=lambda: tiff(tiff_tags(64, t278=(4, [0]), t273=(4, [8] * 500_000))),
    tiff_big_strips_too_many=lambda: tiff(tiff_tags(64, t273=(16, [16] * (SIZE // 8))), big=True),
    tiff_tiles_too_many=lambda: tiff(
        tiff_tags(64, t322=(3, [16]), t323=(3, [16]), t324=(4, [8] * 500_000), t325=(4, [1] * 500_000))
    ),
    tiff_tiles_of_one_pixel=lambda: tiff(
        tiff_tags(1_000, t322=(3, [1]), t323=(3, [1]), t324=(4, [8] * 500_000), t325=(4, [1] * 500_000))
    ),
    tiff_bits_of_many_samples=lambda: tiff(tiff_tags(64, t258=(3, [8] * (SIZE // 2)))),
    tiff_many_tags=lambda: tiff({n: (4, [n]) for n in range(1_000, 61_000)} | tiff_tags(64)),
    tiff_colour_map_large=lambda: tiff(tiff_tags(64, t262=(3, [3]), t320=(3, [0] * (SIZE // 2)))),
    tiff_xmp_large=lambda: tiff(tiff_tags(64, t700=(1, b"<a " * (SIZE // 3))), bytes(64 * 64)),
    tiff_fax_damaged=tiff_fax,
    tiff_float_64_megapixels=lambda: tiff_deflated(SIDE, bits=32, samples=1, t339=(3, [3])),
    tiff_rgb_64_megapixels=lambda: tiff_deflated(SIDE, bits=8, samples=3),
    tiff_rgba_16_bits_64_megapixels=lambda: tiff_deflated(SIDE, bits=16, samples=4, t338=(3, [2])),
    tiff_tiles_of_16_pixels_64_megapixels=lambda: tiff_parts(SIDE, 16),
    tiff_rows_in_planes_64_megapixels=lambda: tiff_parts(SIDE, None),
    tiff_next_directory_is_itself=lambda: cyclic(tiff(tiff_tags(64), bytes(64 * 64))),
)


def cyclic(data: bytes) -> bytes:
    """A TIFF file whose directory is followed by itself."""
    start = int.from_bytes(data[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    return data[:end] + data[4:8] + data[end + 4 :]


# --- GIF, BMP, AVIF ----------------------------------------------------------------------------------------


def gif(before: bytes = b"", after: bytes = b"", side: int = 64, data: bytes | None = None) -> bytes:
    """A GIF file with blocks before and after its first frame."""
    out = io.BytesIO()
    Image.new("L", (64, 64)).save(out, "GIF")
    good = out.getvalue()
    start = good.index(b",")
    frame = good[start:-1] if data is None else good[start : start + 11] + data
    header = good[:6] + struct.pack("<HH", side, side) + good[10:start]
    if side != 64:
        frame = frame[:5] + struct.pack("<HH", side, side) + frame[9:]
    return header + before + frame + after + b";"


def gif_of(side: int) -> bytes:
    """A GIF file of zeros."""
    out = io.BytesIO()
    Image.new("P", (side, side)).save(out, "GIF")
    return out.getvalue()


def bmp_rle(side: int, data: bytes, bits: int = 8) -> bytes:
    """A run-length encoded BMP file."""
    palette = bytes(4 * 2**bits)
    start = 54 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, bits, 1 if bits == 8 else 2, len(data), 0, 0, 2**bits, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data


def avif(side: int) -> bytes:
    """An AVIF file of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 60)).save(out, "AVIF", quality=10, speed=10)
    return out.getvalue()


def box(kind: bytes, body: bytes = b"") -> bytes:
    """An ISO box."""
    return struct.pack(">I", len(body) + 8) + kind + body


variants(
    gif_comments=lambda: gif(b"!\xfe" + filled(b"\x01x") + b"\0"),
    gif_extensions=lambda: gif(filled(b"!\xfe\x01x\0")),
    gif_extensions_after=lambda: gif(after=filled(b"!\xfe\x01x\0")),
    gif_frames=lambda: gif(after=filled(gif()[gif().index(b",") : -1])),
    gif_whole_64_megapixels=lambda: gif_of(SIDE),
    gif_64_megapixels=lambda: gif(side=SIDE),
    gif_sub_blocks_of_one_byte=lambda: gif(data=b"\x01\x00" * (SIZE // 2) + b"\0"),
    bmp_runs_ends_of_lines=lambda: bmp_rle(SIDE, b"\x01\x00\x00\x00" * SIDE),
    bmp_runs_of_one_pixel=lambda: bmp_rle(2_000, b"\x01\x05" * (SIZE // 2)),
    bmp_runs_of_4_bits=lambda: bmp_rle(2_000, b"\xff\x55" * (SIZE // 256), 4),
    bmp_runs_deltas=lambda: bmp_rle(SIDE, b"\0\x02\0\x01" * SIDE),
    avif_64_megapixels=lambda: avif(SIDE),
    avif_boxes=lambda: avif(64)[:-1] + filled(box(b"free")),
    avif_boxes_first=lambda: _after_type(avif(64), filled(box(b"free"))),
    avif_nested_boxes=lambda: _after_type(avif(64), _nested(4_000)),
)


def _after_type(data: bytes, boxes: bytes) -> bytes:
    end = int.from_bytes(data[:4], "big")
    return data[:end] + boxes + data[end:]


def _nested(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = box(b"iprp", body)
    return body


def all_cases() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each case."""
    for name, make in CASES.items():
        yield name, make()
