"""The parts of JPEG, PNG and WebP files, walked with bounds checked and no pixel decoded.

Every walk ends at the first malformed part, at the image's data (JPEG) or end, and after :data:`MAX_PARTS` parts; it
never raises. Sources: ITU-T T.81, PNG 3rd edition, the WebP container specification.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MAX_PARTS = 65_536
"""Segments or chunks walked in one file."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


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


def chunks(data: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body, of at most ``limit`` bytes, of each chunk of a PNG or else RIFF (WebP) file.

    A PNG chunk's checksum is not compared.
    """
    png = data.startswith(PNG_SIGNATURE)
    at = 8 if png else 12
    for _ in range(MAX_PARTS):
        first, second = data[at : at + 4], data[at + 4 : at + 8]
        kind, size = (second, int.from_bytes(first, "big")) if png else (first, int.from_bytes(second, "little"))
        if len(second) < 4 or kind == b"IEND":
            return
        yield kind, data[at + 8 : at + 8 + min(size, limit)]
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
