"""A frame as the child process reads it."""

from __future__ import annotations

from dataclasses import dataclass

import PIL.Image


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame as the child reads it: see :class:`~unmask.imaging.video.frames.Frame`."""

    index: int
    time_s: float
    key_frame: bool
    after_cut: bool
    image: PIL.Image.Image
