"""The metadata of AVIF and HEIC files: EXIF, XMP and C2PA manifests in their boxes.

Bounds are checked, nothing is decoded, and every walk ends at the first malformed box and after
:data:`MAX_BOXES` boxes; nothing raises. Sources: ISO/IEC 14496-12 (boxes, items), ISO/IEC 23008-12 (HEIF, EXIF
items), C2PA 2.2 (the box of a manifest), XMP part 3.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

Kind = Literal["exif", "xmp", "jumbf"]

MAX_BOXES = 4096
_MAX_ITEMS, _MAX_READ = 1024, 16  # of all kinds, and those that are read
_C2PA_BOX = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481")
XMP_BOX = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
"""The name of a ``uuid`` box that holds XMP."""
_XMP_TYPE = b"application/rdf+xml"


def bmff_metadata(data: bytes, limit: int, manifest_limit: int) -> Iterator[tuple[Kind, bytes]]:
    """Kind (``"exif"``, ``"xmp"``, ``"jumbf"``) and bytes of each metadata block.

    Args:
        data: the file.
        limit: bytes of one EXIF or XMP block to read.
        manifest_limit: bytes of one manifest store to read.
    """
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"uuid" and data[start : start + 16] == _C2PA_BOX:
            # version and flags, purpose with a NUL, 8 bytes of an offset that manifests do not use
            purpose = data[start + 20 : start + 36].partition(b"\x00")[0]
            at = start + 20 + len(purpose) + 1 + 8
            if purpose == b"manifest":
                yield "jumbf", data[at : min(end, at + manifest_limit)]
        elif kind == b"uuid" and data[start : start + 16] == XMP_BOX:
            yield "xmp", data[start + 16 : min(end, start + 16 + limit)]
        elif kind == b"meta":
            yield from _items(data, start + 4, end, limit)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box; one that is cut ends where the data do."""
    for _ in range(MAX_BOXES):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if at + 8 > end:
            return
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = end - at
        if size < head:
            return
        yield kind, min(at + head, end), min(at + size, end)
        at += size


def _items(data: bytes, start: int, end: int, limit: int) -> Iterator[tuple[Kind, bytes]]:
    """The EXIF and XMP items of a ``meta`` box."""
    kinds: dict[int, Kind] = {}
    places: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    inside = (0, 0)
    for kind, at, until in _boxes(data, start, end):
        if kind == b"iinf":
            kinds = _item_kinds(data, at, until)
        elif kind == b"iloc":
            places = _item_places(data[at : min(until, at + 64 * _MAX_ITEMS)])
        elif kind == b"idat":
            inside = (at, until)
    for item, name in itertools.islice(kinds.items(), _MAX_READ):
        method, extents = places.get(item, (0, []))
        base, stop = inside if method == 1 else (0, len(data))
        body = b""
        for offset, size in extents:
            at = min(base + offset, stop)
            body += data[at : min(at + min(size or stop, limit - len(body)), stop)]
        if name == "exif" and len(body) > 4:  # 4 bytes tell how far on the TIFF structure begins
            body = body[4 + int.from_bytes(body[:4], "big") :]
        if body:
            yield name, body


def _item_kinds(data: bytes, at: int, end: int) -> dict[int, Kind]:
    """The EXIF and XMP items of an ``iinf`` box by their numbers."""
    found: dict[int, Kind] = {}
    at += 6 if data[at : at + 1] == b"\x00" else 8  # version 0: a count of 2 bytes
    for _, (kind, start, stop) in zip(range(_MAX_ITEMS), _boxes(data, at, end), strict=False):
        version = data[start] if start < stop else 0
        if kind != b"infe" or version not in (2, 3):
            continue
        width = 2 if version == 2 else 4
        item = int.from_bytes(data[start + 4 : start + 4 + width], "big")
        rest = data[start + 6 + width : min(stop, start + 6 + width + 256)]  # past the number of a protection scheme
        if rest[:4] == b"Exif":
            found[item] = "exif"
        elif rest[:4] == b"mime" and rest[4:].partition(b"\x00")[2].startswith(_XMP_TYPE + b"\x00"):
            found[item] = "xmp"
    return found


def _item_places(body: bytes) -> dict[int, tuple[int, list[tuple[int, int]]]]:
    """Method (0: in the file, 1: in ``idat``) and extents (offset, size) of each item of an ``iloc`` box."""
    found: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    if len(body) < 8 or body[0] > 2:
        return found
    version, at = body[0], 6
    offset_size, length_size, base_size, index_size = body[4] >> 4, body[4] & 15, body[5] >> 4, body[5] & 15
    index_size = index_size if version else 0

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(body[at - size : at], "big")

    wide = 4 if version == 2 else 2
    for _ in range(min(number(wide), _MAX_ITEMS)):
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)  # the data reference: this file
        base = number(base_size)
        extents = []
        for _ in range(number(2)):
            if at > len(body):
                return found
            number(index_size)
            offset = base + number(offset_size)
            extents.append((offset, number(length_size)))
        found[item] = (method, extents)
    return found
