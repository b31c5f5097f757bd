"""Facts of one image: properties of its file, and trivial statistics of its pixels."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.data.audit.duplicates import perceptual_hash
from unmask.errors import ImageError
from unmask.imaging.decode import decode_image, read_bytes, read_header
from unmask.imaging.faces import FaceFinder
from unmask.imaging.formats import sniff_format
from unmask.imaging.jpeg import SUBSAMPLINGS, read_compression
from unmask.imaging.preprocessing import Preprocessing, crop_of, render

CONTAINERS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC")
COMMON_QUALITY: Final = 90
"""JPEG quality (Pillow's, 4:2:0) at which every image is saved again for the common reading."""

_SIDE: Final = 256  # pixels: images are compared at this size squared, whatever their own
_THUMB_SIDE: Final = 16
_GREY_SPREAD: Final = 10.0  # levels between channels up to which a pixel passes for grey after JPEG

_CORNERS: Final = ("top_left", "top_right", "bottom_left", "bottom_right")
FILE_FACTS: Final[dict[str, tuple[str, ...]]] = {
    "container": ("container",),
    "size": ("width", "height"),
    "bytes per pixel": ("bytes_per_pixel",),
    "JPEG tables": ("jpeg_quality", "jpeg_quality_chroma", "jpeg_table_error", "jpeg_progressive"),
    "channels and chroma": ("channels", "chroma_subsampling"),
    "metadata": ("exif", "icc_profile", "jfif", "xmp"),
}
"""Facts of the file, by topic."""
PIXEL_FACTS: Final[dict[str, tuple[str, ...]]] = {
    "mean colour": ("red", "green", "blue"),
    "contrast": ("contrast",),
    "sharpness": ("sharpness",),
    "greyness": ("saturation", "grey_share"),
    **{f"{name.replace('_', ' ')} corner": (f"{name}_mean", f"{name}_contrast") for name in _CORNERS},
}
"""Trivial statistics of the pixels, by topic."""
COMMON_FACTS: Final[dict[str, tuple[str, ...]]] = {
    "bytes per pixel": ("common_bytes_per_pixel",),
    **{name: tuple(f"common_{fact}" for fact in facts) for name, facts in PIXEL_FACTS.items()},
}
"""The same after the common face crop and re-encoding, after which the bytes are the only file fact left."""
FACTS: Final = tuple(
    fact for groups in (FILE_FACTS, PIXEL_FACTS, COMMON_FACTS) for item in groups.values() for fact in item
)
"""Every fact's name, in the order of :attr:`ImageFacts.values`."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The facts of one image, from one pass over its file.

    Attributes:
        sha256: of the file's bytes, 32 bytes.
        values: a number for each of :data:`FACTS`; NaN where a fact does not apply (the JPEG quality of a PNG).
            Yes and no are 1 and 0; ``container`` is an index into :data:`CONTAINERS`, ``chroma_subsampling`` one into
            :data:`~unmask.imaging.jpeg.SUBSAMPLINGS`.
        hash: the perceptual hash, 4 words of 64 bits.
        thumb: 16 x 16 grey levels, 256 bytes, to check whether two copies are the same everywhere.
        error: ``None``, or why the image could not be read, ``code: message``; all other facts are then empty or NaN.
    """

    sha256: bytes
    values: tuple[float, ...]
    hash: tuple[int, ...]
    thumb: bytes
    error: str | None = None


def measure(path: Path, common: Preprocessing | None = None, finder: FaceFinder | None = None) -> ImageFacts:
    """Measure one image.

    Args:
        path: its file.
        common: how to crop it for the common reading; ``None`` leaves those facts NaN.
        finder: finder for ``common.faces``.

    Returns:
        The facts; for an image that cannot be read, the error.
    """
    try:
        content = read_bytes(path)
        image = decode_image(content)
        facts = _file_facts(content) | pixel_facts(image)
        if common is not None:
            facts |= _common_facts(image, common, finder)
    except ImageError as error:
        blank = (math.nan,) * len(FACTS)
        return ImageFacts(bytes(32), blank, (0,) * 4, bytes(_THUMB_SIDE**2), f"{error.code}: {error.message}")
    return ImageFacts(
        sha256=hashlib.sha256(content).digest(),
        values=tuple(facts.get(name, math.nan) for name in FACTS),
        hash=tuple(int(word) for word in perceptual_hash(image)),
        thumb=image.convert("L").resize((_THUMB_SIDE, _THUMB_SIDE), Image.Resampling.BOX).tobytes(),
    )


def _file_facts(content: bytes) -> dict[str, float]:
    # The image was decoded within our limits before, so opening it here costs only reading its header.
    container = str(sniff_format(content))
    with read_header(container, content, []) as image:
        width, height = image.size
        compression = read_compression(image) if container == "JPEG" else None
        facts = {
            "container": float(CONTAINERS.index(container)),
            "width": float(width),
            "height": float(height),
            "bytes_per_pixel": len(content) / (width * height),
            "channels": float(len(image.getbands())),
            "exif": float("exif" in image.info),
            "icc_profile": float(bool(image.info.get("icc_profile"))),
            "jfif": float("jfif" in image.info),
            "xmp": float("xmp" in image.info),
        }
    if compression is not None:
        facts |= {
            "jpeg_quality": compression.quality,
            "jpeg_quality_chroma": compression.quality_chroma,
            "jpeg_table_error": compression.table_error,
            "jpeg_progressive": float(compression.progressive),
            "chroma_subsampling": float(SUBSAMPLINGS.index(compression.subsampling)),
        }
    return facts


def pixel_facts(image: Image.Image) -> dict[str, float]:
    """Trivial statistics of an upright RGB image, taken at a common area of 256 x 256 pixels.

    Levels are 0 to 255. ``red``, ``green``, ``blue``: means. ``contrast``: standard deviation of the luma (BT.601).
    ``sharpness``: log10 of 1 plus the variance of its Laplacian (4 neighbours), after Pech-Pacheco et al., "Diatom
    autofocusing in brightfield microscopy", 2000; the common area makes small and large images comparable.
    ``saturation``: mean difference of the largest and smallest channel. ``grey_share``: pixels, 0 to 1, where that is
    at most 10 levels. ``<corner>_mean`` and ``<corner>_contrast``: luma of the corner's square, an eighth of the
    shorter side.
    """
    scale = _SIDE / math.sqrt(image.width * image.height)
    size = max(8, round(image.width * scale)), max(8, round(image.height * scale))
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0), np.float32)
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    red, green, blue = pixels.mean(axis=(0, 1), dtype=np.float64)
    facts = {
        "red": float(red),
        "green": float(green),
        "blue": float(blue),
        "contrast": float(luma.std(dtype=np.float64)),
        "sharpness": math.log10(1 + float(laplacian.var(dtype=np.float64))),
        "saturation": float(spread.mean(dtype=np.float64)),
        "grey_share": float((spread <= _GREY_SPREAD).mean()),
    }
    edge = max(1, min(size) // 8)
    for name in _CORNERS:
        vertical, horizontal = name.split("_")
        rows = slice(None, edge) if vertical == "top" else slice(-edge, None)
        columns = slice(None, edge) if horizontal == "left" else slice(-edge, None)
        corner = luma[rows, columns]
        facts[f"{name}_mean"] = float(corner.mean(dtype=np.float64))
        facts[f"{name}_contrast"] = float(corner.std(dtype=np.float64))
    return facts


def brightness(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Mean luma (BT.601), 0 to 255, from facts of shape [n, len(FACTS)]."""
    colours = [values[:, FACTS.index(name)].astype(np.float64) for name in ("red", "green", "blue")]
    return 0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2]


def _common_facts(image: Image.Image, common: Preprocessing, finder: FaceFinder | None) -> dict[str, float]:
    faces = finder.find(image) if finder is not None else []
    crop = crop_of(faces[0] if faces else None, image.size, common)
    encoded = io.BytesIO()
    Image.fromarray(render(image, crop, common)).save(encoded, "JPEG", quality=COMMON_QUALITY, subsampling="4:2:0")
    content = encoded.getvalue()
    facts = {f"common_{name}": value for name, value in pixel_facts(decode_image(content)).items()}
    return facts | {"common_bytes_per_pixel": len(content) / common.size**2}
