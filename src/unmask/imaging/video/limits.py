"""Limits on what one clip may cost, checked before a frame is decoded."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Final

from unmask.errors import UsageError

MAX_VIDEO_MIB: Final = "UNMASK_MAX_VIDEO_MIB"
MAX_VIDEO_SECONDS: Final = "UNMASK_MAX_VIDEO_SECONDS"
"""Variables of the environment that change the default limits."""


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """Limits on one clip; a file that exceeds one is refused before it is decoded.

    Attributes:
        max_bytes: bytes of the file; of an animation, which is read whole, see ``max_animation_bytes``.
        max_duration_s: seconds.
        max_pixels: pixels of a frame.
        max_side: pixels of a frame's longer side.
        min_side: pixels of a frame's shorter side, at least.
        max_streams: streams of all kinds.
        max_frames: frames that the file says it has, and packets that are read.
        max_judged: frames that one call may ask for.
        max_decoded_pixels: pixels of all frames decoded on the way to the wanted ones. Beyond it only key frames are
            decoded, and a note says so. 2e10 are 21,700 frames of 1280 x 720.
        max_metadata: entries of the container's metadata that are kept; each is cut at 200 characters.
        max_animation_bytes: bytes of an animated GIF, WebP or PNG file.
        max_animation_frames: frames of one.
        cpu_seconds: CPU time until the next frame, after which the child that reads the file is stopped.
        memory_bytes: memory that the child may use on top of what it uses when idle.
    """

    max_bytes: int = 4 * 2**30
    max_duration_s: float = 4 * 3600.0
    max_pixels: int = 36_000_000
    max_side: int = 8_192
    min_side: int = 16
    max_streams: int = 64
    max_frames: int = 2_000_000
    max_judged: int = 4_096
    max_decoded_pixels: int = 20_000_000_000
    max_metadata: int = 64
    max_animation_bytes: int = 256 * 2**20
    max_animation_frames: int = 20_000
    cpu_seconds: float = 120.0
    memory_bytes: int = 1536 * 2**20


def default_video_limits() -> VideoLimits:
    """The limits of this process: those of :class:`VideoLimits`, changed by the environment.

    Raises:
        UsageError: ``bad_setting``, a variable is not a number above 0.
    """
    limits = VideoLimits()
    mebibytes, seconds = os.environ.get(MAX_VIDEO_MIB), os.environ.get(MAX_VIDEO_SECONDS)
    if mebibytes is not None:
        limits = replace(limits, max_bytes=round(2**20 * _above_0(MAX_VIDEO_MIB, mebibytes)))
    if seconds is not None:
        limits = replace(limits, max_duration_s=_above_0(MAX_VIDEO_SECONDS, seconds))
    return limits


def _above_0(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise UsageError("bad_setting", f"{name} must be a number above 0, not {text[:80]!r}.")
    return value
