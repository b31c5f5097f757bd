"""Tiny clips, encoded when a test asks for them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def moving(index: int, size: tuple[int, int] = (96, 64), shade: int = 60) -> Pixels:
    """A frame with a bright square that moves 2 pixels a frame over a plain ground: uint8 [h, w, 3]."""
    width, height = size
    frame = np.full((height, width, 3), shade, np.uint8)
    left = (2 * index) % (width - 16)
    frame[height // 2 - 8 : height // 2 + 8, left : left + 16] = (230, 80, 40)
    return frame


def encode(
    path: Path,
    frames: Sequence[Pixels] | int = 24,
    *,
    codec: str = "libx264",
    fps: int = 12,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    rotation: float | None = None,
    mirrored: bool = False,
    container: str | None = None,
    container_options: dict[str, str] | None = None,
    change: Callable[[Any], None] | None = None,
    keys: Container[int] = (),
) -> Path:
    """Write a clip and return its path.

    Args:
        path: its suffix names the container.
        frames: uint8 [h, w, 3] each, or how many of :func:`moving`.
        codec: an encoder of the wheel.
        fps: frames per second.
        times: presentation time of each frame in frames (default: 0, 1, 2 ...), for a variable rate.
        rotation: degrees counterclockwise by which players turn the frames.
        mirrored: whether players mirror them.
        container: its name, where the suffix does not tell.
        change: is called with the stream before the first frame.
        keys: frames that must be key frames.
    """
    import av

    pixels = [moving(i) for i in range(frames)] if isinstance(frames, int) else list(frames)
    with av.open(str(path), "w", format=container, options=container_options or {}) as output:
        stream: Any = output.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = pixels[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        if rotation is not None or mirrored:
            stream.set_display_rotation(rotation or 0, hflip=mirrored)
        if change is not None:
            change(stream)
        for at, array in enumerate(pixels):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = at if times is None else times[at]
            frame.time_base = Fraction(1, fps)
            if at in keys:
                frame.pict_type = av.video.frame.PictureType.I
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path
