"""The parts of JPEG, PNG, WebP, GIF and TIFF files, walked with bounds checked and no pixel decoded.

Every walk ends at the first malformed part, at the image's data (JPEG) or end, and after :data:`MAX_PARTS` parts; it
never raises. Sources: ITU-T T.81, PNG 3rd edition, the WebP container specification, GIF89a, TIFF 6.0, BigTIFF.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Literal

MAX_PARTS = 65_536
"""Segments or chunks walked in one file."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_SUB_BLOCKS = 1 << 18  # of one GIF file, each at most 255 bytes, with the blocks that they belong to
_MAX_ENTRIES = 256  # of one TIFF directory
_BYTE_TYPES = (1, 2, 7, 129)  # the types of TIFF values of one byte an item


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker (the byte after 0xFF) and body of each segment before the scan."""
    at = 2
    for _ in range(MAX_PARTS):
        if len(data) < at + 4 or data[at] != 0xFF:
            return
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a length
            at += 2
        elif marker in (0xD9, 0xDA) or size < 2:  # the image ends, its scan starts, or this is no JPEG
            return
        else:
            yield marker, data[at + 4 : at + 2 + size]
            at += 2 + size


def chunk_places(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and claimed size of the body of each chunk of a PNG or else RIFF (WebP) file.

    A PNG chunk's checksum is not compared.
    """
    png = data.startswith(PNG_SIGNATURE)
    at = 8 if png else 12
    for _ in range(MAX_PARTS):
        first, second = data[at : at + 4], data[at + 4 : at + 8]
        kind, size = (second, int.from_bytes(first, "big")) if png else (first, int.from_bytes(second, "little"))
        if len(second) < 4 or kind == b"IEND":
            return
        yield kind, at + 8, size
        at += 12 + size if png else 8 + size + size % 2


def is_webp(data: bytes) -> bool:
    """Whether this is a RIFF file of kind WebP."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def png_text(kind: bytes, body: bytes) -> tuple[bytes, bytes, bool]:
    """Keyword, value, and whether the value is packed by zlib, of a tEXt, zTXt or iTXt chunk."""
    key, _, value = body.partition(b"\x00")
    packed = kind == b"zTXt"
    if packed:
        value = value[1:]  # past the method; there is only one
    elif kind == b"iTXt":  # flag, method, language, translated key
        packed = value[:1] == b"\x01"
        value = value[2:].partition(b"\x00")[2].partition(b"\x00")[2]
    return key, value, packed


def inflate(packed: bytes, limit: int) -> bytes:
    """Inflate at most ``limit`` bytes; a broken stream gives nothing."""
    try:
        return zlib.decompressobj().decompress(packed, limit)
    except zlib.error:
        return b""


def gif_extensions(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name (11 bytes) and data of each application extension of a GIF file.

    XMP's is not in sub-blocks, but ends so that its bytes can be walked as if it were: its data are given whole.
    """
    at, left = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 128 else 0), _MAX_SUB_BLOCKS
    while data[at : at + 1] in (b"!", b",") and left > 0:
        extension, label = data[at : at + 1] == b"!", data[at + 1 : at + 2]
        left -= 1
        if extension:
            at += 2
        else:  # an image: its position, its colours, one byte, its data
            flags = data[at + 9 : at + 10]
            at += 11 + (3 << (flags[0] & 7) + 1 if flags and flags[0] & 128 else 0)
        parts: list[bytes] = []
        while at < len(data) and data[at] and left > 0:
            if extension and label == b"\xff":
                parts.append(data[at + 1 : at + 1 + data[at]])
            at += 1 + data[at]
            left -= 1
        at += 1
        if parts and parts[0] == b"XMP DataXMP":
            size = sum(len(part) + 1 for part in parts[1:])
            yield parts[0], data[at - 1 - size : max(at - 258, 0)]  # what follows only ends the walk
        elif parts:
            yield parts[0], b"".join(parts[1:])


def tiff_values(block: bytes, start: int, wanted: Mapping[int, int]) -> dict[int, bytes]:
    """The first value of each wanted tag in one directory of a TIFF structure (EXIF is one).

    Args:
        block: the structure from its byte order mark on.
        start: place of the directory.
        wanted: tags, each with the most bytes to read of its value. Values of bytes and text come as they are, offsets
            (LONG, IFD) as the raw bytes of the first; other types are passed over.
    """
    order, wide = tiff_kind(block)
    found: dict[int, bytes] = {}
    if start < 8 or order is None:  # inside the header: no directory
        return found
    head, entry, half = (8, 20, 8) if wide else (2, 12, 4)
    count = min(int.from_bytes(block[start : start + head], order), _MAX_ENTRIES)
    for at in range(start + head, start + head + entry * count, entry):
        raw = block[at : at + entry]
        if len(raw) < entry:
            break
        tag, kind, size = (int.from_bytes(raw[a:b], order) for a, b in ((0, 2), (2, 4), (4, 4 + half)))
        if tag not in wanted or found.get(tag):
            continue
        inline, size = raw[4 + half :], min(size, wanted[tag])
        if kind in (4, 13, 16, 18) and size:
            found[tag] = inline[: 4 if kind in (4, 13) else 8]
        elif kind in _BYTE_TYPES:
            place = int.from_bytes(inline, order)
            found[tag] = inline[:size] if size <= half else block[place : place + size]
    return found


def tiff_kind(block: bytes) -> tuple[Literal["little", "big"] | None, bool]:
    """Byte order of a TIFF structure, ``None`` for other data, and whether it is a BigTIFF."""
    kinds: dict[bytes, tuple[Literal["little", "big"], bool]] = {
        b"II*\x00": ("little", False),
        b"MM\x00*": ("big", False),
        b"II+\x00": ("little", True),
        b"MM\x00+": ("big", True),
    }
    return kinds.get(block[:4], (None, False))


def first_directory(block: bytes) -> int:
    """Place of a TIFF structure's first directory; 0 for other data."""
    order, wide = tiff_kind(block)
    return 0 if order is None else int.from_bytes(block[8:16] if wide else block[4:8], order)
