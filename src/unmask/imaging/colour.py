"""Every Pillow mode and colour profile to sRGB of mode RGB; second half of :mod:`unmask.imaging.decode`."""

from __future__ import annotations

import functools
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms

from unmask.errors import ImageError

BACKDROP = (128, 128, 128)
"""The mid grey that transparent images are composited over."""

_MAX_PROFILE_BYTES = 8 * 1024 * 1024


def to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """Convert a loaded image of any mode to sRGB of mode RGB; the result may be ``image`` itself.

    An ICC profile in ``image.info`` is converted with relative colorimetric intent and black point
    compensation, unless it says that it is sRGB. Transparency is composited over :data:`BACKDROP`. 16-bit
    grey is divided by 257 and rounded. Mode ``I`` counts as 8 bits where no value exceeds 255, else as 16
    bits; mode ``F`` counts as 0..1 where every value lies there, else as 0..255. Values outside are
    clipped, NaN is black.

    Raises:
        ImageError: ``bad_icc_profile``, ``unsupported_format``.
    """
    colour, alpha = _colour_and_alpha(image)
    if (profile := image.info.get("icc_profile", b"")) == b"":
        rgb = colour.convert("RGB") if colour.mode != "RGB" else colour
    elif isinstance(profile, bytes):
        rgb = _to_srgb(colour, profile)
    else:
        raise _bad_profile("cannot be read")
    if alpha is None or alpha.getextrema() == (255, 255):
        return rgb
    canvas = PIL.Image.new("RGB", rgb.size, BACKDROP)
    canvas.paste(rgb, mask=alpha)
    return canvas


def _colour_and_alpha(image: PIL.Image.Image) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Reduce every Pillow mode to L, RGB, CMYK or LAB, with the opacity (L) beside it where there is one."""
    mode, transparent = image.mode, image.info.get("transparency")
    if mode == "F" or mode.startswith("I"):
        values = np.asarray(image)
        opaque = values != transparent if mode != "F" and isinstance(transparent, int) else None
        alpha = None if opaque is None else PIL.Image.fromarray(opaque.astype(np.uint8) * np.uint8(255))
        return PIL.Image.fromarray(_to_8_bits(values, sixteen=mode.startswith("I;"))), alpha
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


def _to_8_bits(values: NDArray[Any], *, sixteen: bool) -> NDArray[np.uint8]:
    """Scale ints and floats of any width as :func:`to_rgb` says."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0)
        unit = 255.0 if values.min() >= 0 and values.max() <= 1 else 1.0
        scaled = np.floor(np.clip(values * unit, 0, 255) + 0.5)
    elif not sixteen and values.max() <= 255:
        scaled = np.clip(values, 0, 255)
    else:
        scaled = (np.clip(values, 0, 65535).astype(np.uint32) + 128) // 257
    return np.asarray(scaled, dtype=np.uint8)


def _bad_profile(why: str) -> ImageError:
    return ImageError("bad_icc_profile", f"The image's embedded colour profile {why}.")


def _to_srgb(colour: PIL.Image.Image, profile: bytes) -> PIL.Image.Image:
    if len(profile) > _MAX_PROFILE_BYTES:
        raise _bad_profile(f"has {len(profile):,} bytes; at most {_MAX_PROFILE_BYTES:,} are accepted")
    try:
        working_mode, transform = _transform(profile, colour.mode)
        if colour.mode != working_mode:
            colour = colour.convert(working_mode)
        return colour.convert("RGB") if transform is None else transform.apply(colour)
    except (ImageError, MemoryError):
        raise
    except Exception:
        raise _bad_profile("is damaged") from None


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """The mode that the profile's transform takes, and the transform; None where the profile is sRGB."""
    opened = ImageCms.ImageCmsProfile(BytesIO(profile))
    space = opened.profile.xcolor_space.strip()
    working_mode = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}.get(space, "")
    grey_in_rgb = mode == "L" and working_mode == "RGB"  # common, and clear in meaning
    if mode != working_mode and not grey_in_rgb:
        raise _bad_profile(f"describes {space} channels, but the image has {mode}")
    description = (opened.profile.profile_description or "").lower()
    if mode == "LAB" or (space == "RGB" and "srgb" in description and "linear" not in description):
        return ("LAB" if mode == "LAB" else "RGB"), None
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return working_mode, ImageCms.ImageCmsTransform(opened, srgb, working_mode, "RGB", intent, flags=flags)
