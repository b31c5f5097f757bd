"""Limits on what one image file may cost, checked before a reader sees the file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Final

from unmask.errors import UsageError

MAX_MEGAPIXELS: Final = "UNMASK_MAX_MEGAPIXELS"
MAX_DECODE_MIB: Final = "UNMASK_MAX_DECODE_MIB"
"""Variables of the environment that change the default limits, also those of child processes."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits on one image file; a file that exceeds one is rejected before it is decoded.

    Attributes:
        max_bytes: bytes of the file.
        max_pixels: pixels of the image.
        max_memory: peak memory of decoding in bytes, without the file itself; larger images are decoded at half, a
            quarter or an eighth of their size.
        max_side: pixels of its longer side.
        min_side: pixels of its shorter side, at least.
        max_segments: JPEG segments, PNG chunks other than image data, WebP chunks, GIF and AVIF blocks before the
            image data. Photographs have fewer than 100.
        max_exif_bytes: bytes of EXIF data, all parts together.
        max_iptc_bytes: bytes of Photoshop's resources in a JPEG file, which hold its IPTC fields.
        max_metadata_bytes: bytes of all metadata: EXIF, XMP, ICC, IPTC, comments, application data.
        max_packed_texts: compressed PNG chunks (zTXt, iTXt, iCCP), each of which may inflate to 1 MiB.
        max_fill_bytes: bytes between JPEG segments that belong to none.
        max_scans: scans of a JPEG file. Progressive encoders write 10 to 17.
        max_scan_pixels: pixels times scans of a JPEG file of several scans: each scan visits every pixel.
        max_data_chunks: PNG image data chunks, on top of one for each 4 KiB of the file.
        max_tags: tags in the first directory of a TIFF file.
        max_tag_values: values of one TIFF tag that is not plain bytes.
        max_rle_pixels: pixels of a run-length encoded BMP file, whose decoder is slow.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 200_000_000
    max_memory: int = 384 * 1024 * 1024
    max_side: int = 32_768
    min_side: int = 16
    max_segments: int = 2_048
    max_exif_bytes: int = 1024 * 1024
    max_iptc_bytes: int = 1024 * 1024
    max_metadata_bytes: int = 64 * 1024 * 1024
    max_packed_texts: int = 64
    max_fill_bytes: int = 64 * 1024
    max_scans: int = 500
    max_scan_pixels: int = 1_600_000_000
    max_data_chunks: int = 8_192
    max_tags: int = 1_024
    max_tag_values: int = 262_144
    max_rle_pixels: int = 4_000_000


def default_limits() -> DecodeLimits:
    """The limits of this process: those of :class:`DecodeLimits`, changed by the environment.

    Raises:
        UsageError: ``bad_setting``, a variable is not a number above 0.
    """
    limits = DecodeLimits()
    megapixels, mebibytes = os.environ.get(MAX_MEGAPIXELS), os.environ.get(MAX_DECODE_MIB)
    if megapixels is None and mebibytes is None:
        return limits
    return replace(
        limits,
        max_pixels=limits.max_pixels if megapixels is None else round(1e6 * _above_0(MAX_MEGAPIXELS, megapixels)),
        max_memory=limits.max_memory if mebibytes is None else round(2**20 * _above_0(MAX_DECODE_MIB, mebibytes)),
    )


def _above_0(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise UsageError("bad_setting", f"{name} must be a number above 0, not {text[:80]!r}.")
    return value
