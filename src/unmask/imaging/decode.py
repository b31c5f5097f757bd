"""Images from anywhere to upright sRGB pixels, or one clear error.

Everything that unmask looks at comes through :func:`decode_image`: paths, bytes, Pillow images and numpy
arrays take the same way, so the same image gives the same pixels in training, evaluation, command and
service. A source is hostile until decoded: the format is decided by content, sizes are checked from the
header before a pixel is decoded, and every failure is an :class:`~unmask.errors.ImageError` with one of
these codes:

- ``not_found``, ``is_directory``, ``permission_denied``, ``read_error`` (the operating system failed);
- ``not_a_file``: a FIFO, a socket or a device, which is never opened;
- ``empty``, ``file_too_large``: the encoded bytes, by ``DecodeLimits.max_bytes``;
- ``unsupported_format``: not JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, or a variant that Pillow cannot read;
- ``truncated``: the data ends too early; ``corrupt``: it is damaged in another way;
- ``too_many_pixels``, ``side_too_long``, ``too_small``: the pixels, by ``DecodeLimits``;
- ``too_complex``: more parts (segments, scans, chunks, strips, metadata) than ``DecodeLimits`` allows;
- ``bad_icc_profile``: the colour profile is unreadable or describes other channels than the image has;
- ``bad_exif``: the EXIF block's header or first directory is unreadable;
- ``bad_array``: a numpy array that is not uint8 of shape HxW, HxWx3 (RGB) or HxWx4 (RGBA);
- ``out_of_memory``: decoding needs more memory than there is.

Pillow's readers are called directly, not through ``Image.open``, whose check against ``Image.MAX_IMAGE_PIXELS``
warns below our limit. The readers may still warn of odd metadata (TIFF directories, APNG headers); whether to hear
that is the host program's choice. For TIFF and WebP Pillow's own limit stays in force at twice that number (179
million): above it they fail as ``too_many_pixels`` even where ``DecodeLimits.max_pixels`` allows more.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ExifTags, PngImagePlugin, TiffImagePlugin
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile

from unmask.errors import ImageError
from unmask.imaging.colour import to_rgb
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.walk import check_container

ImageSource = str | os.PathLike[str] | bytes | PIL.Image.Image | NDArray[Any]

_READERS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "JPEG": JpegImageFile,  # also MPO, whose first frame is an ordinary JPEG
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImageFile,
}
_OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_TRANSPOSITIONS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}
_TRUNCATED = re.compile(r"truncated|premature|unexpected end|end of file", re.IGNORECASE)
_UNSUPPORTED = re.compile(r"(un|not )supported|not installed|unknown (pixel|data)|cannot handle", re.IGNORECASE)


def decode_image(source: ImageSource, limits: DecodeLimits = DecodeLimits()) -> PIL.Image.Image:
    """Decode any accepted source to an upright sRGB image of mode RGB, which shares no memory with it.

    The first frame of animations and multi-page files is taken (of a Pillow image: its current frame). The
    EXIF (or else XMP) orientation is applied, an embedded ICC profile is converted to sRGB, transparency is
    composited over mid grey, and deeper pixels are reduced to 8 bits: see
    :func:`unmask.imaging.colour.to_rgb`.

    Args:
        source: a path, the bytes of an image file, a Pillow image (left as it is, apart from being loaded;
            not to be shared between threads before that), or a uint8 array of shape HxW (grey), HxWx3 (RGB)
            or HxWx4 (RGBA).
        limits: sizes beyond which an image is refused before it is decoded.

    Raises:
        ImageError: for every failure; the module's table lists the codes.
    """
    try:
        return _decode(source, limits)
    except ImageError as error:
        failure = ImageError(error.code, error.message)
    except MemoryError:
        failure = ImageError("out_of_memory", "Decoding the image needs more memory than there is.")
    except Exception as error:
        failure = _explain(error, "picture", b"")
    raise failure  # out here, so that no Pillow exception (and no image in its frames) hangs on it


def read_bytes(source: str | os.PathLike[str], limits: DecodeLimits = DecodeLimits()) -> bytes:
    """Read a regular file of at most ``limits.max_bytes`` bytes, through links; nothing else is ever opened.

    Raises:
        ImageError: ``not_found``, ``is_directory``, ``not_a_file``, ``permission_denied``, ``read_error``,
            ``empty``, ``file_too_large``.
    """
    try:
        path = os.fsdecode(source)
        if not path:
            raise FileNotFoundError  # pathlib would take it for the current folder
        _check_regular_file(Path(path).stat(), limits)
        with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as file:
            status = os.fstat(file.fileno())  # again: the path may have been replaced since
            _check_regular_file(status, limits)
            data = file.read(min(status.st_size, limits.max_bytes) + 1)
    except PermissionError:
        failure = ImageError("permission_denied", "The file may not be read (permission denied).")
    except (FileNotFoundError, NotADirectoryError, ValueError):
        failure = ImageError("not_found", "There is no such file.")
    except IsADirectoryError:
        failure = ImageError("is_directory", "The path is a folder, not an image.")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        failure = ImageError("read_error", f"The file could not be read ({reason}).")
    else:
        _check_byte_count(len(data), limits)  # again: it may have grown or shrunk since
        return data
    raise failure


def _check_regular_file(status: os.stat_result, limits: DecodeLimits) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("is_directory", "The path is a folder, not an image.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not_a_file", "The path is a FIFO, a socket or a device, not a regular file.")
    _check_byte_count(status.st_size, limits)


def _check_byte_count(count: int, limits: DecodeLimits) -> None:
    if count == 0:
        raise ImageError("empty", "The image has no bytes.")
    if count > limits.max_bytes:
        most = f"{limits.max_bytes:,}"
        raise ImageError("file_too_large", f"The image has {count:,} bytes; at most {most} are read.")


def _check_size(size: tuple[int, int], limits: DecodeLimits) -> None:
    width, height = size
    found = f"The image has {width:,} x {height:,} pixels"
    if max(size) > limits.max_side:
        raise ImageError("side_too_long", f"{found}; a side may have at most {limits.max_side:,}.")
    if width * height > limits.max_pixels:
        message = f"{found}, {width * height:,} in all; at most {limits.max_pixels:,} are decoded."
        raise ImageError("too_many_pixels", message)
    if min(size) < limits.min_side:
        raise ImageError("too_small", f"{found}; a side must have at least {limits.min_side:,}.")


def _decode(source: ImageSource, limits: DecodeLimits) -> PIL.Image.Image:
    if isinstance(source, str | os.PathLike):
        image = _load(read_bytes(source, limits), limits)
    elif isinstance(source, bytes):
        _check_byte_count(len(source), limits)
        image = _load(source, limits)
    elif isinstance(source, np.ndarray):
        image = _from_array(source, limits)
    elif isinstance(source, PIL.Image.Image):
        _check_size(source.size, limits)
        source.load()
        image = source
    else:
        raise _unsupported(f"An image is a path, bytes, a Pillow image or an array, not {type(source).__name__}.")
    turn = _TRANSPOSITIONS.get(_orientation(image))
    rgb = to_rgb(image)
    if turn is not None:
        rgb = rgb.transpose(turn)
    elif rgb is image:
        rgb = image.copy()
    rgb.info = {}
    return rgb


def _from_array(array: NDArray[Any], limits: DecodeLimits) -> PIL.Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        shape = "x".join(str(n) for n in array.shape) or "scalar"
        wanted = "uint8 of shape HxW (grey), HxWx3 (RGB) or HxWx4 (RGBA)"
        raise ImageError("bad_array", f"The array is {array.dtype} of shape {shape}; an image is {wanted}.")
    _check_size((array.shape[1], array.shape[0]), limits)
    return PIL.Image.fromarray(np.ascontiguousarray(array))


def sniff_format(data: bytes) -> str | None:
    """Name the format by its first bytes; ``"HEIC"`` is recognised only to say what to do about it."""
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


def _load(data: bytes, limits: DecodeLimits) -> PIL.Image.Image:
    """Decode the first frame of an encoded image, in whatever mode it has."""
    name = sniff_format(data)
    if name == "HEIC":
        raise _unsupported("HEIC and HEIF images are not supported; convert the image to JPEG or PNG first.")
    if name is None:
        raise _unsupported("This is not a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF image.")
    image: ImageFile | None = None
    try:
        if declared := _canvas_size(name, data):
            _check_size(declared, limits)
        check_container(name, data, limits)
        image = _READERS[name](BytesIO(data))
        _check_size(image.size, limits)
        image.load()
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise _explain(error, name, data, image) from None
    _check_size(image.size, limits)
    return image


def _canvas_size(name: str, data: bytes) -> tuple[int, int] | None:
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


def _explain(error: Exception, name: str, data: bytes, image: ImageFile | None = None) -> ImageError:
    """Say in our terms why Pillow failed; ``image`` is what was opened before it failed."""
    said = str(error)
    if isinstance(error, PIL.Image.DecompressionBombError):
        most = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0)
        return ImageError("too_many_pixels", f"The image has over {most:,} pixels, Pillow's own limit.")
    if name != "TIFF" and "not a TIFF file" in said:  # the AVIF reader parses EXIF on opening
        return _bad_exif()
    if _TRUNCATED.search(said) or _ends_early(name, data, image):
        return ImageError("truncated", f"The {name} data ends too early; the file is incomplete.")
    if _UNSUPPORTED.search(said):
        return _unsupported(f"This variant of {name} is not supported.")
    return ImageError("corrupt", f"The {name} data is damaged and cannot be decoded.")


def _ends_early(name: str, data: bytes, image: ImageFile | None) -> bool:
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
        return not _first_directory_fits(data)
    at = 0  # AVIF: a row of boxes, each with its size in front; 0 means "to the end", 1 a size of 64 bits
    while name == "AVIF" and at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:
            return False
        at += max(size, 8)
    return at > len(data)


def _first_directory_fits(block: bytes) -> bool:
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


def _unsupported(message: str) -> ImageError:
    return ImageError("unsupported_format", message)


def _bad_exif() -> ImageError:
    return ImageError("bad_exif", "The image's EXIF block is damaged; save the image without it first.")


def _orientation(image: PIL.Image.Image) -> int:
    """The loaded image's orientation, else 1; Pillow's TIFF reader has applied and removed it already."""
    try:
        block = image.info.get("exif")
        if block:
            body = re.sub(rb"^(Exif\0\0){1,2}", b"", block)
            if body and not _first_directory_fits(body):
                raise _bad_exif()
            PIL.Image.Exif().load(block)  # the JPEG reader has swallowed this one's exceptions
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (ImageError, MemoryError):
        raise
    except Exception:
        raise _bad_exif() from None
    return value if isinstance(value, int) else 1
