"""Check an image file's container, before any reader sees the file, to bound what reading it will cost.

Pillow and the libraries below it do work that the file's size and its number of pixels do not bound: EXIF segments
are joined one by one, each scan of a progressive JPEG visits every pixel, each compressed text chunk is inflated, each
strip of a TIFF becomes a Python object. The walk counts such parts and refuses a file that has more than
:class:`~unmask.imaging.limits.DecodeLimits` allows. It decodes nothing, takes time linear in the number of parts, and
only counts what a reader would read: malformed files are left to the reader, whose error says what is wrong.

Sources: ITU-T T.81, PNG 3rd edition, the WebP container specification, TIFF 6.0 and BigTIFF, the GIF89a
specification, ISO 14496-12.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from unmask.errors import ImageError
from unmask.imaging.limits import DecodeLimits

# A marker inside entropy-coded data: not a stuffed zero, a restart marker or a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SEQUENTIAL_FRAMES = frozenset({0xC0, 0xC1})
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_PACKED_CHUNKS = frozenset({b"zTXt", b"iTXt", b"iCCP"})
_PNG_DATA_CHUNKS = frozenset({b"IDAT", b"fdAT"})
_WEBP_DATA_CHUNKS = frozenset({b"VP8 ", b"VP8L", b"ANMF", b"ALPH"})
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TIFF_BYTES = frozenset({1, 2, 6, 7})
_BMP_RLE = frozenset({1, 2})


class TiffTag(NamedTuple):
    """One entry of a TIFF directory.

    Attributes:
        kind: the type of its values, 1 to 18.
        values: how many there are.
        first: the first value where the entry itself holds it as an integer, else 0 or an offset.
    """

    kind: int
    values: int
    first: int


def check_container(name: str, data: bytes, limits: DecodeLimits) -> None:
    """Reject a file whose parts would cost its reader more than its size and pixels justify.

    Args:
        name: the format, as :func:`~unmask.imaging.decode.sniff_format` names it.
        data: the file's bytes, of any content.
        limits: the limits.

    Raises:
        ImageError: ``too_complex``; the message names the part, how many there are and how many are allowed.
    """
    walk = _WALKS.get(name)
    if walk is not None:
        walk(data, limits)


def _refuse_above(found: int, most: int, name: str, what: str) -> None:
    if found > most:
        raise ImageError("too_complex", f"The {name} file has {found:,} {what}; at most {most:,} are read.")


class _Part(NamedTuple):
    """A segment of a JPEG file up to its first scan, or a byte between segments.

    Attributes:
        marker: the byte after 0xFF; 0x00 and 0xFF where no segment begins.
        start: where the 0xFF lies.
        end: where the next part may begin.
        body: what follows the length.
        skipped: bytes before it that belong to nothing.
    """

    marker: int
    start: int
    end: int
    body: bytes
    skipped: int


def _jpeg_parts(data: bytes) -> Iterator[_Part]:
    at = 2
    while (start := data.find(b"\xff", at)) >= 0 and start + 4 <= len(data):
        marker, skipped = data[start + 1], start - at
        if marker in (0x00, 0xFF):  # junk and fill bytes, which the reader passes over one by one
            at = start + 1
            yield _Part(marker, start, at, b"", skipped + 1)
        elif marker in (0x01, 0xD8, 0xD9) or 0xD0 <= marker <= 0xD7:  # no length follows
            at = start + 2
            yield _Part(marker, start, at, b"", skipped)
        else:
            at = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
            yield _Part(marker, start, at, data[start + 4 : at], skipped)
            if marker == 0xDA:
                return


class _Frame(NamedTuple):
    """What the header of a JPEG file's frame says, where the frame has several scans.

    Attributes:
        pixels: width times height.
        coefficient_bytes: of the coefficients that a decoder holds until the last scan.
        scans_from: where its first scan's data begins.
    """

    pixels: int
    coefficient_bytes: int
    scans_from: int


def _frame_of_scans(parts: list[_Part]) -> _Frame | None:
    """The frame, or None where the decoder is done after one scan or the headers are cut."""
    frames = [part for part in parts if part.marker in _FRAMES and len(part.body) >= 6]
    if not frames or parts[-1].marker != 0xDA:
        return None
    marker, body, scan = frames[-1].marker, frames[-1].body, parts[-1]
    in_first_scan = scan.body[0] if scan.body else 0
    if marker in _SEQUENTIAL_FRAMES and in_first_scan >= body[5]:
        return None
    height, width = struct.unpack(">HH", body[1:5])
    samplings = [(byte >> 4, byte & 15) for byte in body[7::3][: body[5]]]
    across, down = (max((pair[at] for pair in samplings), default=1) or 1 for at in (0, 1))
    samples = sum(x * y for x, y in samplings) / (across * down)
    return _Frame(width * height, int(2 * width * height * samples), scan.end)


def coefficient_bytes(data: bytes) -> int:
    """Bytes of the coefficients that a decoder holds for a JPEG file of several scans; 0 for a file of one scan."""
    frame = _frame_of_scans(list(_jpeg_parts(data)))
    return 0 if frame is None else frame.coefficient_bytes


def _check_jpeg(data: bytes, limits: DecodeLimits) -> None:
    """Count what lies before the first scan, and the scans of a file that has several."""
    parts: list[_Part] = []
    metadata = exif = iptc = fill = 0
    for part in _jpeg_parts(data):
        fill += part.skipped
        _refuse_above(fill, limits.max_fill_bytes, "JPEG", "bytes outside its segments")
        if part.marker in (0x00, 0xFF):
            continue
        parts.append(part)
        _refuse_above(len(parts), limits.max_segments, "JPEG", "segments")
        if 0xE0 <= part.marker <= 0xEF or part.marker == 0xFE:
            metadata += len(part.body)
            exif += len(part.body) if part.marker == 0xE1 and part.body.startswith(b"Exif\0\0") else 0
            iptc += len(part.body) if part.marker == 0xED else 0
    _refuse_above(exif, limits.max_exif_bytes, "JPEG", "bytes of EXIF data")
    _refuse_above(iptc, limits.max_iptc_bytes, "JPEG", "bytes of IPTC data")
    _refuse_above(metadata, limits.max_metadata_bytes, "JPEG", "bytes of metadata")
    if frame := _frame_of_scans(parts):
        _check_scans(data, frame, limits)


def _check_scans(data: bytes, frame: _Frame, limits: DecodeLimits) -> None:
    at, scans, segments = frame.scans_from, 1, 0
    while found := _MARKER.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            return
        if marker in (0x01, 0xD8):
            continue
        at += int.from_bytes(data[at : at + 2], "big")
        segments += 1
        scans += marker == 0xDA
        _refuse_above(scans, limits.max_scans, "JPEG", "scans")
        _refuse_above(scans * frame.pixels, limits.max_scan_pixels, "JPEG", "pixels in all its scans")
        _refuse_above(segments, limits.max_segments + limits.max_scans, "JPEG", "segments between its scans")


def _check_png(data: bytes, limits: DecodeLimits) -> None:
    at, parts, packed, image_data, metadata, exif = 8, 0, 0, 0, 0, 0
    most_data = limits.max_data_chunks + len(data) // 4096
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IEND":
            break
        if kind in _PNG_DATA_CHUNKS:
            image_data += 1
        else:
            parts += 1
            packed += kind in _PACKED_CHUNKS
            metadata += min(size, len(data) - at)
            exif += size if kind == b"eXIf" else 0
        at += 12 + size
        _refuse_above(parts, limits.max_segments, "PNG", "chunks")
        _refuse_above(packed, limits.max_packed_texts, "PNG", "compressed chunks of text or profiles")
        _refuse_above(image_data, most_data, "PNG", "chunks of image data")
    _refuse_above(min(exif, len(data)), limits.max_exif_bytes, "PNG", "bytes of EXIF data")
    _refuse_above(metadata, limits.max_metadata_bytes, "PNG", "bytes of metadata")


def _check_webp(data: bytes, limits: DecodeLimits) -> None:
    at, parts, metadata, exif = 12, 0, 0, 0
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        parts += 1
        if kind not in _WEBP_DATA_CHUNKS:
            metadata += min(size, len(data) - at)
            exif += size if kind == b"EXIF" else 0
        at += 8 + size + size % 2
        _refuse_above(parts, limits.max_segments, "WEBP", "chunks")
    _refuse_above(min(exif, len(data)), limits.max_exif_bytes, "WEBP", "bytes of EXIF data")
    _refuse_above(metadata, limits.max_metadata_bytes, "WEBP", "bytes of metadata")


def _check_gif(data: bytes, limits: DecodeLimits) -> None:
    """Count the blocks before the first frame, which is all that the reader looks at."""
    if len(data) < 13:
        return
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)
    parts = metadata = 0
    while data[at : at + 1] == b"!":
        at += 2
        while at < len(data) and data[at]:
            parts += 1
            metadata += data[at]
            at += data[at] + 1
            _refuse_above(parts, limits.max_segments, "GIF", "blocks before its first frame")
        at += 1
        parts += 1
        _refuse_above(parts, limits.max_segments, "GIF", "blocks before its first frame")
    _refuse_above(metadata, limits.max_metadata_bytes, "GIF", "bytes of metadata")


def _check_bmp(data: bytes, limits: DecodeLimits) -> None:
    if len(data) < 34 or int.from_bytes(data[14:18], "little") < 40:
        return
    width, height = struct.unpack_from("<ii", data, 18)
    if int.from_bytes(data[30:34], "little") in _BMP_RLE:
        _refuse_above(abs(width * height), limits.max_rle_pixels, "BMP", "run-length encoded pixels")


def _check_tiff(data: bytes, limits: DecodeLimits) -> None:
    tags: dict[int, TiffTag] = {}
    for at, (number, tag) in enumerate(tiff_directory(data), 1):
        _refuse_above(at, limits.max_tags, "TIFF", "tags")
        if tag.kind not in _TIFF_BYTES:
            _refuse_above(tag.values, limits.max_tag_values, "TIFF", f"values of tag {number}")
        tags[number] = tag
    needed = _parts_needed(tags)
    for number in (273, 279, 324, 325):  # offsets and sizes of strips and tiles: one Python object for each
        if number in tags:
            what = "tiles" if number > 300 else "strips"
            _refuse_above(tags[number].values, needed, "TIFF", f"{what}, more than its size needs")


def _parts_needed(tags: dict[int, TiffTag]) -> int:
    """The most strips or tiles that an image of this size can have."""

    def value(number: int, default: int) -> int:
        return max(1, tags[number].first if number in tags else default)

    width, height, planes = value(256, 1), value(257, 1), value(277, 1)
    if 324 in tags or 322 in tags:
        per_plane = -(-width // value(322, width)) * -(-height // value(323, height))
    else:
        per_plane = -(-height // min(value(278, height), height))
    return per_plane * (planes if value(284, 1) == 2 else 1)


def tiff_directory(data: bytes) -> Iterator[tuple[int, TiffTag]]:
    """Number and entry of each tag in the first directory of a TIFF or BigTIFF file; ends where the data does."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        (start,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)
        (entries,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, start)
    except struct.error:
        return
    first, size = start + (8 if big else 2), 20 if big else 12
    for at in range(first, min(first + size * entries, len(data) - size + 1), size):
        number, kind, count = struct.unpack_from(f"{order}HH{'Q' if big else 'I'}", data, at)
        place = data[at + size - (8 if big else 4) : at + size]
        width = _TIFF_SIZES.get(kind, 0)
        value = int.from_bytes(place[:width], "little" if order == "<" else "big") if 0 < width <= len(place) else 0
        yield number, TiffTag(kind, count, value)


def tiff_part_bytes(data: bytes) -> int:
    """Bytes of one strip or tile of a compressed TIFF file once it is unpacked, which libtiff holds whole."""
    tags = dict(tiff_directory(data))
    if tags.get(259, TiffTag(3, 1, 1)).first == 1:
        return 0

    def value(number: int, default: int) -> int:
        return max(1, tags[number].first if number in tags else default)

    width, height = value(256, 1), value(257, 1)
    part = value(322, 1) * value(323, 1) if 322 in tags else width * min(value(278, height), height)
    # The number of bits is kept elsewhere where there are several samples; 16 is the most that is supported then.
    bits = value(258, 1) if 258 in tags and tags[258].values == 1 else 16
    samples = 1 if value(284, 1) == 2 else value(277, 1)
    return part * bits * samples // 8


def _check_boxes(name: str) -> Callable[[bytes, DecodeLimits], None]:
    return lambda data, limits: _count_boxes(name, data, limits)


def _count_boxes(name: str, data: bytes, limits: DecodeLimits) -> None:
    """Count the boxes at the top and in ``meta`` and its tables, where all that describes the image lies."""
    parts = 0
    stack = [(0, len(data))]
    while stack:
        at, end = stack.pop()
        while at + 8 <= end:
            size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            head = 8
            if size == 1:
                size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
            size = end - at if size == 0 else max(size, head)
            parts += 1
            _refuse_above(parts, limits.max_segments, name, "boxes")
            inside = _AVIF_CONTAINERS.get(kind)
            if inside is not None:
                stack.append((at + head + inside, min(at + size, end)))
            at += size


# Boxes that hold boxes, and the bytes before the first of them: version and flags, and a count of entries.
_AVIF_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": 6, b"iref": 4, b"moov": 0, b"trak": 0, b"mdia": 0}

_WALKS: dict[str, Callable[[bytes, DecodeLimits], None]] = {
    "JPEG": _check_jpeg,
    "PNG": _check_png,
    "WEBP": _check_webp,
    "GIF": _check_gif,
    "BMP": _check_bmp,
    "TIFF": _check_tiff,
    "AVIF": _check_boxes("AVIF"),
    "HEIC": _check_boxes("HEIC"),
}
