"""Facts about encoded images and clips without decoding: the format, the size of the canvas, where the data ends."""

from __future__ import annotations

import struct
from typing import Final

from PIL import TiffImagePlugin
from PIL.ImageFile import ImageFile

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}

HEAD: Final = 1024
"""First bytes of a file that tell its format."""

_MOV_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_STARTS: Final = {
    b"\x1a\x45\xdf\xa3": "matroska",
    b"\x00\x00\x01\xba": "mpeg",
    b"\x00\x00\x01\xb3": "mpegvideo",
    b"FLV\x01": "flv",
    b"OggS": "ogg",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"DKIF": "ivf",
    b"YUV4MPEG2": "yuv4mpegpipe",
}
_TS_PACKETS: Final = {188: 0, 192: 4, 204: 0}  # size of a packet, and where its first byte lies


def sniff_format(data: bytes) -> str | None:
    """Name the format by its first bytes; ``None`` for none of those that can be read."""
    if data[4:8] == b"ftyp":
        box = data[8 : min(max(int.from_bytes(data[:4], "big"), 12), 1024)]
        brands = {box[i : i + 4] for i in range(0, len(box), 4) if i != 4}  # bytes 4..8 are a version
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        return "HEIC" if brands & (_HEIC_BRANDS | {b"mif1", b"msf1"}) else None
    if data[:2] == b"BM":
        return "BMP" if int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES else None
    if data[:4] == b"RIFF":
        return "WEBP" if data[8:12] == b"WEBP" else None
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    starts = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF"}
    return next((name for start, name in starts.items() if data.startswith(start)), None)


def sniff_container(data: bytes) -> str | None:
    """Name the container of a video file by its first :data:`HEAD` bytes; ``None`` for none that is read as one.

    Images are none, and neither are animations: they are images unless clips are asked for.
    """
    if sniff_format(data) is not None:
        return None
    if data[4:8] in _MOV_BOXES:
        return "mov"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "avi"
    for start, name in _STARTS.items():
        if data.startswith(start):
            return name
    for size, at in _TS_PACKETS.items():
        if len(data) > at + 2 * size and data[at] == data[at + size] == data[at + 2 * size] == 0x47:
            return "mpegts"
    return None


def canvas_size(name: str, data: bytes) -> tuple[int, int] | None:
    """The size of WebP and GIF canvases, for which Pillow's readers allocate memory on opening."""
    if name == "WEBP" and len(data) >= 30:
        if data[12:16] == b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        if data[12:16] == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        width, height = struct.unpack_from("<HH", data, 26)
        return (width & 0x3FFF, height & 0x3FFF) if data[23:26] == b"\x9d\x01\x2a" else None
    if name != "GIF" or len(data) < 13:
        return None
    width, height = struct.unpack_from("<HH", data, 6)
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)
    while data[at : at + 1] == b"!":  # extensions before the first frame, which may reach beyond the canvas
        at += 2
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
    if data[at : at + 1] == b"," and len(data) >= at + 9:
        left, top, frame_width, frame_height = struct.unpack_from("<4H", data, at + 1)
        width, height = max(width, left + frame_width), max(height, top + frame_height)
    return width, height


def ends_early(name: str, data: bytes, image: ImageFile | None) -> bool:
    """Whether data that failed to decode lacks its format's end."""
    tail = data[-1024:]
    if name == "JPEG":
        return b"\xff\xd9" not in tail
    if name == "PNG":
        return b"IEND" not in tail
    if name == "GIF":
        return not tail.rstrip(b"\0").endswith(b";")
    if name == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if name == "BMP":
        return int.from_bytes(data[2:6], "little") > len(data)
    if name == "TIFF":
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            offsets, counts = (image.tag_v2.get(tag, ()) for tag in (273, 279))
            if isinstance(offsets, tuple) and isinstance(counts, tuple):
                return any(o + n > len(data) for o, n in zip(offsets, counts, strict=False))
        return not first_directory_fits(data)
    at = 0  # AVIF: a row of boxes, each with its size in front; 0 means "to the end", 1 a size of 64 bits
    while name == "AVIF" and at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:
            return False
        at += max(size, 8)
    return at > len(data)


def first_directory_fits(block: bytes) -> bool:
    """Whether the first directory of a TIFF structure (EXIF is one) lies inside it; BigTIFF is not judged."""
    if block[2:4] in (b"+\0", b"\0+"):
        return True
    order = "<" if block[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start)
    except struct.error:
        return False
    return bool(start + 2 + 12 * entries <= len(block))
