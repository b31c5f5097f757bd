"""Images from anywhere to upright sRGB pixels, or one clear error.

Everything that unmask looks at comes through :func:`decode_image`: paths, bytes, Pillow images and numpy
arrays take the same way, so the same image gives the same pixels in training, evaluation, command and
service. A source is hostile until decoded: the format is decided by content, sizes are checked from the
header before a pixel is decoded, and every failure is an :class:`~unmask.errors.ImageError` with one of
these codes:

- ``not_found``, ``is_directory``, ``permission_denied``, ``read_error`` (the operating system failed);
- ``not_a_file``: a FIFO, a socket or a device, which is never opened;
- ``empty``, ``file_too_large``: the encoded bytes, by ``DecodeLimits.max_bytes``;
- ``unsupported_format``: not JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or (with the extra ``heic``) HEIC, or a variant
  that cannot be read;
- ``truncated``: the data ends too early; ``corrupt``: it is damaged in another way;
- ``too_many_pixels``, ``side_too_long``, ``too_small``: the pixels, by ``DecodeLimits``;
- ``too_complex``: more parts (segments, scans, chunks, strips, metadata) than ``DecodeLimits`` allows;
- ``bad_array``: a numpy array that is not uint8 of shape HxW, HxWx3 (RGB) or HxWx4 (RGBA);
- ``out_of_memory``: decoding needs more memory than there is.

Pillow's readers are called directly, not through ``Image.open``, whose check against ``Image.MAX_IMAGE_PIXELS``
warns below our limit. The readers may still warn of odd metadata (TIFF directories, APNG headers); whether to hear
that is the host program's choice. For TIFF and WebP Pillow's own limit stays in force at twice that number (179
million): above it they fail as ``too_many_pixels`` even where ``DecodeLimits.max_pixels`` allows more.
"""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
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
from unmask.imaging.budget import DECODING
from unmask.imaging.formats import HEAD, canvas_size, ends_early, first_directory_fits, sniff_container, sniff_format
from unmask.imaging.limits import DecodeLimits, default_limits
from unmask.imaging.scaling import choose_reduction, draft, scaled_to_rgb
from unmask.imaging.walk import check_container

ImageSource = str | os.PathLike[str] | bytes | PIL.Image.Image | NDArray[Any]


def _read_heic(file: BytesIO) -> ImageFile:
    from pi_heif import HeifImageFile  # an extra

    opened: ImageFile = HeifImageFile(file)
    return opened


_READERS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "JPEG": JpegImageFile,  # also MPO, whose first frame is an ordinary JPEG
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImageFile,
    "HEIC": _read_heic,
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
_BAD_EXIF = "The EXIF data is damaged and was ignored: the image is taken as upright."
_TRUNCATED = re.compile(r"truncated|premature|unexpected end|end of file", re.IGNORECASE)
_UNSUPPORTED = re.compile(r"(un|not )supported|not installed|unknown (pixel|data)|cannot handle", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded image and how it was read.

    Attributes:
        image: upright sRGB of mode RGB; shares no memory with the source.
        reduction: the factor by which its sides are smaller than the file's: 1, 2, 4 or 8. Above 1 only if decoding at
            full size would take more memory than ``DecodeLimits.max_memory``.
        notes: sentences about problems in the file: damaged metadata that was ignored, a reduced size.
    """

    image: PIL.Image.Image
    reduction: int = 1
    notes: tuple[str, ...] = ()


def decode_image(source: ImageSource, limits: DecodeLimits | None = None) -> PIL.Image.Image:
    """Decode an image as :func:`decode` does, and return it alone."""
    return decode(source, limits).image


def decode(source: ImageSource, limits: DecodeLimits | None = None) -> Decoded:
    """Decode any accepted source to an upright sRGB image of mode RGB, which shares no memory with it.

    Damaged metadata never keeps the pixels from being read: it is ignored, as browsers do, and noted. The first
    frame of animations and multi-page files is taken (of a Pillow image: its current frame). The EXIF (or else XMP)
    orientation is applied, an embedded ICC profile is converted to sRGB, transparency is composited over mid grey, and
    deeper pixels are reduced to 8 bits: see :func:`unmask.imaging.colour.to_rgb`.

    Args:
        source: a path, the bytes of an image file, a Pillow image (left as it is, apart from being loaded;
            not to be shared between threads before that), or a uint8 array of shape HxW (grey), HxWx3 (RGB)
            or HxWx4 (RGBA).
        limits: limits beyond which an image is refused before it is decoded (default: ``default_limits()``).

    Raises:
        ImageError: for every failure; the module's table lists the codes.
    """
    limits = limits or default_limits()
    try:
        return _decode(source, limits)
    except ImageError as error:
        failure = ImageError(error.code, error.message)
    except MemoryError:
        failure = ImageError("out_of_memory", "Decoding the image needs more memory than there is.")
    except Exception as error:
        failure = _explain(error, "image", b"")
    raise failure  # out here, so that no Pillow exception (and no image in its frames) hangs on it


def read_bytes(source: str | os.PathLike[str], limits: DecodeLimits | None = None) -> bytes:
    """Read a regular file of at most ``limits.max_bytes`` bytes, through links; nothing else is ever opened.

    Raises:
        ImageError: ``not_found``, ``is_directory``, ``not_a_file``, ``permission_denied``, ``read_error``,
            ``empty``, ``file_too_large``.
    """
    limits = limits or default_limits()
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
        raise ImageError("empty", "The image file is empty.")
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


def _decode(source: ImageSource, limits: DecodeLimits) -> Decoded:
    notes: list[str] = []
    if isinstance(source, str | os.PathLike):
        source = read_bytes(source, limits)
    if isinstance(source, bytes):
        _check_byte_count(len(source), limits)
        opened, plan = _open(source, limits, notes)
        with DECODING.held(plan.memory):
            _load(opened, plan, limits)
            return _upright(opened, notes, plan)
    image: PIL.Image.Image
    if isinstance(source, np.ndarray):
        image = _from_array(source, limits)
    elif isinstance(source, PIL.Image.Image):
        _check_size(source.size, limits)
        source.load()
        image = source
    else:
        raise _unsupported(f"An image is a path, bytes, a Pillow image or an array, not {type(source).__name__}.")
    return _upright(image, notes)


def _upright(image: PIL.Image.Image, notes: list[str], plan: _Plan | None = None) -> Decoded:
    """Convert and rotate a loaded image. With a plan, the image was opened here and is closed here."""
    turn = _TRANSPOSITIONS.get(_orientation(image, notes))
    rgb = scaled_to_rgb(image, 1 if plan is None else plan.left, notes)
    if plan is not None and rgb is not image:
        image.close()  # free its memory before rotating makes another copy
    if turn is not None:
        rgb = rgb.transpose(turn)
    elif rgb is image:
        # Of a file opened here nobody else has the pixels: they are taken over, not copied.
        rgb = image.copy() if plan is None else image._new(image.im)
    rgb.info = {}
    reduction = 1 if plan is None else plan.reduction
    if reduction > 1:
        notes.append(f"The image is so large that it was read at 1/{reduction} of its width and height.")
    return Decoded(rgb, reduction, tuple(notes))


def _from_array(array: NDArray[Any], limits: DecodeLimits) -> PIL.Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        shape = "x".join(str(n) for n in array.shape) or "scalar"
        wanted = "uint8 of shape HxW (grey), HxWx3 (RGB) or HxWx4 (RGBA)"
        raise ImageError("bad_array", f"The array is {array.dtype} of shape {shape}; an image is {wanted}.")
    _check_size((array.shape[1], array.shape[0]), limits)
    return PIL.Image.fromarray(np.ascontiguousarray(array))


@dataclass(frozen=True, slots=True)
class _Plan:
    """How an opened file will be decoded.

    Attributes:
        name: its format.
        data: its bytes.
        reduction: the factor by which the result is smaller than the file's image.
        left: the factor that remains to be applied after loading.
        memory: peak memory of decoding in bytes.
    """

    name: str
    data: bytes
    reduction: int
    left: int
    memory: int


def _open(data: bytes, limits: DecodeLimits, notes: list[str]) -> tuple[ImageFile, _Plan]:
    """Check a file against the limits and open it; no pixel is decoded."""
    name = sniff_format(data)
    if name is None:
        if sniff_container(data[:HEAD]) is not None:
            raise _unsupported("This is a video, not an image: unmask detect and unmask explain read it.")
        raise _unsupported("This is not a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC image.")
    if name == "HEIC" and importlib.util.find_spec("pi_heif") is None:
        raise _unsupported(
            "HEIC images, which many phones write, need the extra heic (the package pi-heif). Without it, convert the "
            "image to JPEG first."
        )
    try:
        check_container(name, data, limits)
        if declared := canvas_size(name, data):
            _check_size(declared, limits)
            choose_reduction(declared, "P" if name == "GIF" else "RGB", name, data, limits)
        image = read_header(name, data, notes)
        _check_size(image.size, limits)
        reduction, memory = choose_reduction(image.size, image.mode, name, data, limits)
        return image, _Plan(name, data, reduction, draft(image, reduction), memory)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise _explain(error, name, data) from None


def _load(image: ImageFile, plan: _Plan, limits: DecodeLimits) -> None:
    """Decode the first frame, in whatever mode it has."""
    try:
        image.load()
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise _explain(error, plan.name, plan.data, image) from None
    _check_size(image.size, limits)


def read_header(name: str, data: bytes, notes: list[str]) -> ImageFile:
    """Open an image file with its format's reader, without decoding it. Use it only on files that ``decode`` accepts.

    Args:
        name: the format, as ``sniff_format`` names it.
        data: the bytes of the file.
        notes: problems found are appended.
    """
    try:
        return _READERS[name](BytesIO(data))
    except Exception:
        if name != "AVIF" or b"Exif" not in data:
            raise
    # The AVIF library and reader parse the EXIF item on opening; renamed, they ignore it.
    image = _READERS[name](BytesIO(data.replace(b"Exif", b"free")))
    notes.append(_BAD_EXIF)
    return image


def _explain(error: Exception, name: str, data: bytes, image: ImageFile | None = None) -> ImageError:
    """Say in our terms why Pillow failed; ``image`` is what was opened before it failed."""
    said = str(error)
    if isinstance(error, PIL.Image.DecompressionBombError):
        most = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0)
        return ImageError("too_many_pixels", f"The image has over {most:,} pixels, Pillow's own limit.")
    if _TRUNCATED.search(said) or ends_early(name, data, image):
        return ImageError("truncated", f"The {name} data ends too early; the file is incomplete.")
    if _UNSUPPORTED.search(said):
        return _unsupported(f"This variant of {name} is not supported.")
    return ImageError("corrupt", f"The {name} data is damaged and cannot be decoded.")


def _unsupported(message: str) -> ImageError:
    return ImageError("unsupported_format", message)


def _orientation(image: PIL.Image.Image, notes: list[str]) -> int:
    """The loaded image's orientation, else 1; Pillow's TIFF reader has applied and removed it already."""
    try:
        block = image.info.get("exif")
        if block:
            body = re.sub(rb"^(Exif\0\0){1,2}", b"", block)
            if body and not first_directory_fits(body):
                raise ValueError("the first directory is cut")
            PIL.Image.Exif().load(block)  # the JPEG reader has swallowed this one's exceptions
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except MemoryError:
        raise
    except Exception:
        notes.append(_BAD_EXIF)
        return 1
    return value if isinstance(value, int) else 1
