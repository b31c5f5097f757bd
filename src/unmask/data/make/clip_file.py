"""Write frames as a clip, with PyAV (extra ``video``). Only frames of our own are encoded; clips are read elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, Literal

import numpy as np
from PIL import Image

from unmask.errors import MissingExtraError, UsageError
from unmask.imaging.video.frames import has_video
from unmask.text import quote

_HD_HEIGHT = 720  # from here up BT.709, as cameras write it
_FORM = re.compile(r"h264:([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class ClipEncoding:
    """How clips are written; the same frames always give the same bytes (for one version of PyAV).

    Attributes:
        codec: ``h264``, in MP4, 4:2:0; ``ffv1``, without loss, in Matroska.
        crf: of h264: 0 (best) to 51; 23 is x264's own.
    """

    codec: Literal["h264", "ffv1"] = "h264"
    crf: int = 18

    @classmethod
    def parse(cls, text: str) -> ClipEncoding:
        """From ``h264:18``, ``h264`` (18) or ``ffv1``.

        Raises:
            UsageError: ``bad_format``.
        """
        name = text.strip().lower()
        if name == "ffv1":
            return cls("ffv1")
        found = _FORM.fullmatch(name if name != "h264" else "h264:18")
        if found is None or int(found[1]) > 51:
            raise UsageError(
                "bad_format", f"The format of clips must be h264:CRF (0 to 51) or ffv1, not {quote(text)}."
            )
        return cls("h264", int(found[1]))

    def __str__(self) -> str:
        return self.codec if self.codec == "ffv1" else f"{self.codec}:{self.crf}"

    @property
    def suffix(self) -> str:
        """The suffix of file names, with the dot."""
        return ".mp4" if self.codec == "h264" else ".mkv"


def encode_clip(frames: Iterable[Image.Image], fps: float, encoding: ClipEncoding) -> bytes:
    """The bytes of a clip of constant rate, without sound.

    Args:
        frames: RGB, all of the first one's size; of an odd side the last row or column of pixels is left out.
        fps: frames per second.
        encoding: how they are written.

    Raises:
        MissingExtraError: the extra ``video`` is not installed.
        UsageError: ``no_frames``; ``no_encoder``: this build of FFmpeg cannot write the format.
    """
    if not has_video():
        raise MissingExtraError("video", "Writing clips")
    import av
    import av.error
    from av.video.reformatter import ColorRange, Colorspace

    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise UsageError("no_frames", "There are no frames to write.")
    width, height = (side - side % 2 for side in first.size)
    is_hd = height >= _HD_HEIGHT
    buffer = io.BytesIO()
    # Without the writer's version: the bytes depend on the frames alone.
    with av.open(
        buffer,
        "w",
        format="mp4" if encoding.codec == "h264" else "matroska",
        options={"fflags": "+bitexact"},
    ) as container:
        name = "libx264" if encoding.codec == "h264" else "ffv1"
        try:
            stream: Any = container.add_stream(name, rate=Fraction(fps).limit_denominator(1001))
        except (av.error.FFmpegError, ValueError):
            raise UsageError("no_encoder", f"The FFmpeg of this PyAV has no encoder {name}.") from None
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if encoding.codec == "h264" else "bgr0"
        if encoding.codec == "h264":
            # One thread: their number is part of what x264 decides.
            stream.options = {"crf": str(encoding.crf), "preset": "medium", "threads": "1"}
            stream.codec_context.colorspace = 1 if is_hd else 6
            stream.codec_context.color_range = 1
        for image in _even(chain([first], rest), (width, height)):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            if encoding.codec == "h264":
                frame = frame.reformat(
                    format="yuv420p",
                    dst_colorspace=Colorspace.ITU709 if is_hd else Colorspace.ITU601,
                    dst_color_range=ColorRange.MPEG,
                )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _even(frames: Iterable[Image.Image], size: tuple[int, int]) -> Iterator[Image.Image]:
    for image in frames:
        yield image if image.size == size else image.crop((0, 0, *size))
