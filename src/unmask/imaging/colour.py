"""Every Pillow mode and colour profile to sRGB of mode RGB; second half of :mod:`unmask.imaging.decode`."""

from __future__ import annotations

import functools
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageChops, ImageCms

from unmask.errors import ImageError

BACKDROP = (128, 128, 128)
"""The mid grey that transparent images are composited over."""

_MAX_PROFILE_BYTES = 8 * 1024 * 1024


Extremes = tuple[float, float]
"""The smallest and the largest value of an image of mode I or F; NaN counts as 0."""


def to_rgb(image: PIL.Image.Image, notes: list[str], extremes: Extremes | None = None) -> PIL.Image.Image:
    """Convert a loaded image of any mode to sRGB of mode RGB; the result may be ``image`` itself.

    An ICC profile in ``image.info`` is converted with relative colorimetric intent and black point compensation, unless
    it says that it is sRGB. A profile that cannot be used is ignored, as browsers do, and noted; the values are then
    taken as sRGB. Transparency is composited over :data:`BACKDROP`. 16-bit grey is divided by 257 and rounded. Mode
    ``I`` is taken as 8 bits if no value exceeds 255, else as 16 bits; mode ``F`` as 0..1 if every value is in that
    range, else as 0..255. Values outside are clipped, NaN is black.

    Args:
        image: loaded.
        notes: problems found are appended, each once.
        extremes: extremes of the whole image, if this is a part of one.

    Raises:
        ImageError: ``unsupported_format``.
    """
    colour, alpha = _colour_and_alpha(image, extremes)
    profile = image.info.get("icc_profile", b"")
    try:
        rgb = _to_srgb(colour, profile) if profile != b"" else _as_rgb(colour)
    except _BadProfileError as error:
        note = f"The colour profile {error} and was ignored: the colours are taken as sRGB."
        if note not in notes:
            notes.append(note)
        rgb = _as_rgb(colour)
    if rgb.mode == image.mode and profile == b"" and alpha is None:
        rgb = image
    if alpha is None or alpha.getextrema() == (255, 255):
        return rgb
    canvas = PIL.Image.new("RGB", rgb.size, BACKDROP)
    canvas.paste(rgb, mask=alpha)
    return canvas


def _as_rgb(colour: PIL.Image.Image) -> PIL.Image.Image:
    return colour if colour.mode == "RGB" else colour.convert("RGB")  # which would copy


def extremes_of(image: PIL.Image.Image) -> Extremes:
    """The extremes of an image of mode I or F."""
    values = np.nan_to_num(np.asarray(image), nan=0.0)
    return float(values.min()), float(values.max())


def _colour_and_alpha(
    image: PIL.Image.Image, extremes: Extremes | None
) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Reduce every Pillow mode to L, RGB, CMYK or LAB, with the opacity (L) beside it where there is one."""
    mode, transparent = image.mode, image.info.get("transparency")
    if mode == "F" or mode.startswith("I"):
        values = np.asarray(image)
        opaque = values != transparent if mode != "F" and isinstance(transparent, int) else None
        alpha = None if opaque is None else PIL.Image.fromarray(opaque.astype(np.uint8) * np.uint8(255))
        extremes = extremes or extremes_of(image)
        return PIL.Image.fromarray(_to_8_bits(values, extremes, sixteen=mode.startswith("I;"))), alpha
    if mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        transparent = None  # of a 16-bit PNG, which Pillow has reduced to 8 bits
    if mode in ("1", "L", "La", "LA"):
        wanted = "LA" if mode in ("La", "LA") or transparent is not None else "L"
    elif mode in ("P", "RGB", "PA", "RGBA", "RGBa", "RGBX", "YCbCr", "HSV"):
        wanted = "RGBA" if mode in ("PA", "RGBA", "RGBa") or transparent is not None else "RGB"
    elif mode in ("CMYK", "LAB"):
        wanted = mode
    else:
        raise ImageError("unsupported_format", f"Images of Pillow's mode {mode} are not supported.")
    if mode != wanted:
        image = image.convert(wanted)
    if wanted == "LA":
        return image.getchannel("L"), image.getchannel("A")
    return (image.convert("RGB"), image.getchannel("A")) if wanted == "RGBA" else (image, None)


def _to_8_bits(values: NDArray[Any], extremes: Extremes, *, sixteen: bool) -> NDArray[np.uint8]:
    """Scale ints and floats of any width as :func:`to_rgb` says."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0)
        unit = 255.0 if extremes[0] >= 0 and extremes[1] <= 1 else 1.0
        scaled = np.floor(np.clip(values * unit, 0, 255) + 0.5)
    elif not sixteen and extremes[1] <= 255:
        scaled = np.clip(values, 0, 255)
    else:
        scaled = (np.clip(values, 0, 65535).astype(np.uint32) + 128) // 257
    return np.asarray(scaled, dtype=np.uint8)


class _BadProfileError(Exception):
    """A colour profile that cannot be used; the text continues after "The colour profile"."""


def _to_srgb(colour: PIL.Image.Image, profile: object) -> PIL.Image.Image:
    if not isinstance(profile, bytes):
        raise _BadProfileError("cannot be read")
    if len(profile) > _MAX_PROFILE_BYTES:
        raise _BadProfileError(f"has {len(profile):,} bytes, more than {_MAX_PROFILE_BYTES:,},")
    if colour.mode == "RGB" and profile[16:20] == b"GRAY" and _is_grey(colour):
        colour = colour.getchannel("R")  # grey with alpha of 16 bits, which Pillow opens as RGBA
    try:
        working_mode, transform = _transform(profile, colour.mode)
        if colour.mode != working_mode:
            colour = colour.convert(working_mode)
        return _as_rgb(colour) if transform is None else transform.apply(colour)
    except (_BadProfileError, MemoryError):
        raise
    except Exception:
        raise _BadProfileError("is damaged") from None


def _is_grey(colour: PIL.Image.Image) -> bool:
    red, green, blue = colour.split()
    return all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue))


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode that the profile's transform takes, and the transform; None where the profile is sRGB."""
    opened = ImageCms.ImageCmsProfile(BytesIO(profile))
    space = opened.profile.xcolor_space.strip()
    working_mode = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}.get(space, "")
    grey_in_rgb = mode == "L" and working_mode == "RGB"  # common, and clear in meaning
    if mode != working_mode and not grey_in_rgb:
        raise _BadProfileError(f"describes {space} channels where the image has {mode}")
    description = (opened.profile.profile_description or "").lower()
    if mode == "LAB" or (space == "RGB" and "srgb" in description and "linear" not in description):
        return ("LAB" if mode == "LAB" else "RGB"), None
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return working_mode, ImageCms.ImageCmsTransform(opened, srgb, working_mode, "RGB", intent, flags=flags)
