"""The images that an explanation shows: the whole image, and the region that decides close up."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from PIL import Image

from unmask.detect.verdict import RegionVerdict, Verdict

SHOWN_SIDE: Final = 1024
"""Largest side of the whole image, in pixels."""
_CLOSE_UP_SIDE: Final = 480


def shown(image: Image.Image) -> Image.Image:
    """A copy of an image, at most :data:`SHOWN_SIDE` pixels per side."""
    copy = image.copy()
    copy.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return copy


def close_up(image: Image.Image, region: RegionVerdict) -> Image.Image:
    """The crop of a region, its longer side 480 pixels."""
    left, top, right, bottom = region.crop
    scale = _CLOSE_UP_SIDE / max(right - left, bottom - top)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    return image.resize(size, Image.Resampling.BICUBIC, box=region.crop)


def zoomed(verdict: Verdict, region: RegionVerdict, size: tuple[int, int]) -> Verdict:
    """The verdict as if its region were a whole image of that size."""
    whole = replace(region, face=None, crop=(0.0, 0.0, float(size[0]), float(size[1])))
    return replace(verdict, regions=(whole,), size=size)
