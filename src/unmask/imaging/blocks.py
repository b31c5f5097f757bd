"""The metadata blocks of an image file of any format that can be read, found without decoding a pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from unmask.imaging.bmff import bmff_metadata
from unmask.imaging.containers import (
    PNG_SIGNATURE,
    chunk_places,
    first_directory,
    gif_extensions,
    is_webp,
    jpeg_segments,
    tiff_values,
)
from unmask.imaging.formats import sniff_format

Kind = Literal["exif", "tiff", "xmp", "photoshop", "iim", "jumbf", "tEXt", "zTXt", "iTXt"]

MAX_BLOCK = 1 << 20
"""Bytes of one block that are read; a longer one is cut there."""
MAX_MANIFEST = 32 << 20
"""Bytes of a C2PA manifest store that are read: it may hold thumbnails of several images."""

_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\x00"
PHOTOSHOP = b"Photoshop 3.0\x00"
"""The first bytes of the APP13 segment of a JPEG file."""
_CHUNKS: dict[bytes, Kind] = {
    b"caBX": "jumbf",
    b"eXIf": "exif",
    b"tEXt": "tEXt",
    b"zTXt": "zTXt",
    b"iTXt": "iTXt",
}
_WEBP_CHUNKS: dict[bytes, Kind] = {b"C2PA": "jumbf", b"EXIF": "exif", b"XMP ": "xmp"}
_TIFF_TAGS: dict[int, Kind] = {700: "xmp", 33723: "iim", 52545: "jumbf"}
_EXIF_HEAD = b"Exif\x00\x00"


def metadata_blocks(data: bytes) -> Iterator[tuple[Kind, bytes]]:
    """Kind and bytes of each metadata block up to the first malformed part of the file. Never raises.

    ``exif`` begins with the byte order mark; ``tiff`` is a whole TIFF file, of which EXIF's tags are a part;
    ``photoshop`` holds Photoshop's image resources and ``iim`` bare IPTC records; ``jumbf`` is a JUMBF superbox, whose
    segments in a JPEG file are joined; ``tEXt``, ``zTXt`` and ``iTXt`` are PNG chunks.
    """
    if data.startswith(b"\xff\xd8"):
        yield from _jpeg(data)
    elif data.startswith(PNG_SIGNATURE) or is_webp(data):
        kinds = _CHUNKS if data.startswith(PNG_SIGNATURE) else _WEBP_CHUNKS
        for name, start, size in chunk_places(data):
            if kind := kinds.get(name):
                body = data[start : start + min(size, MAX_MANIFEST if kind == "jumbf" else MAX_BLOCK)]
                yield kind, body.removeprefix(_EXIF_HEAD) if kind == "exif" else body
    elif data[:4] == b"GIF8":
        for name, body in gif_extensions(data):
            if name == b"XMP DataXMP":
                yield "xmp", body[:MAX_BLOCK]
            elif name[:8] == b"C2PA_GIF":
                yield "jumbf", body[:MAX_MANIFEST]
    elif start := first_directory(data):
        yield "tiff", data
        limits = {tag: MAX_MANIFEST if kind == "jumbf" else MAX_BLOCK for tag, kind in _TIFF_TAGS.items()}
        for tag, body in tiff_values(data, start, limits).items():
            yield _TIFF_TAGS[tag], body
    elif sniff_format(data) in ("AVIF", "HEIC"):
        for item, body in bmff_metadata(data, MAX_BLOCK, MAX_MANIFEST):
            yield item, body.removeprefix(_EXIF_HEAD) if item == "exif" else body


def _jpeg(data: bytes) -> Iterator[tuple[Kind, bytes]]:
    boxes: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for marker, body in jpeg_segments(data):
        if marker == 0xEB and body[:2] == b"JP" and len(body) >= 16:
            boxes.setdefault(body[2:4], []).append((body[4:8], body[8:]))
        elif marker == 0xE1 and body.startswith(_EXIF_HEAD):
            yield "exif", body[len(_EXIF_HEAD) :]
        elif marker == 0xE1 and body.startswith(_XMP_JPEG):
            yield "xmp", body[len(_XMP_JPEG) :]
        elif marker == 0xED and body.startswith(PHOTOSHOP):
            yield "photoshop", body[len(PHOTOSHOP) :]
    for parts in boxes.values():
        yield "jumbf", _joined(parts)


def _joined(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A box from its JPEG segments, by their numbers; each segment repeats the box's header (ISO/IEC 18477-3)."""
    parts.sort(key=lambda part: part[0])
    first = parts[0][1]
    head = first[: 16 if first[:4] == b"\x00\x00\x00\x01" else 8]
    pieces, size = [first], len(first)
    for _, body in parts[1:]:
        if size > MAX_MANIFEST:
            break
        pieces.append(body.removeprefix(head))
        size += len(body)
    return b"".join(pieces)[:MAX_MANIFEST]
