"""What a clip's file says of itself, and how to know one by its first bytes."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any, Final

from unmask.imaging.formats import HEAD as HEAD
from unmask.imaging.formats import sniff_container as sniff_container
from unmask.imaging.formats import sniff_format

# Not ts and mts: source files have these names. Clips that have them are known by their content.
_NAMES: Final = "mp4 m4v mov qt 3gp 3g2 mkv webm avi mpg mpeg m2ts vob flv ogv wmv asf ivf"
CLIP_SUFFIXES: Final = frozenset(f".{name}" for name in _NAMES.split())
"""A file with one of these suffixes is treated as a clip whatever it holds, so that its error is shown."""


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a clip's file says of itself. Text comes from the file and is not to be trusted.

    Attributes:
        container: format of the file: ``mov`` (MP4, MOV, 3GP), ``matroska`` (also WebM), ``avi``, ``mpegts``, ``GIF``.
        codec: decoder's name, e.g. ``h264``, ``hevc``, ``vp9``, ``av1``, ``prores``, ``mpeg4``.
        profile: of the codec, e.g. ``High``; '' if unknown.
        pixel_format: e.g. ``yuv420p``.
        encoder: the software that wrote the file, as it says; '' if it does not.
        duration_s: seconds.
        fps: frames per second on average; 0 if unknown.
        frames: number of frames; ``None`` where only reading all would tell.
        size: width and height in pixels of the upright frames.
        coded_size: width and height as stored, before rotation and the shape of pixels.
        rotation: degrees clockwise by which frames are turned to be upright: 0, 90, 180 or 270.
        mirrored: whether they are mirrored, too.
        pixel_aspect: width of a pixel divided by its height; frames are stretched to square pixels.
        streams: number of streams by kind: ``video``, ``audio``, ``subtitle``, ``data``, ``attachment``.
        variable_rate: whether frames last differently long, as phones and screen recorders write them; ``None`` if the
            file has no index that tells.
        key_frames: number of key frames in the index; ``None`` without one.
        bit_rate: bits per second of the file.
        colour: matrix and range by which YUV becomes RGB, e.g. ``BT.709, limited``, with a transfer for HDR.
        interlaced: whether the first frame is interlaced; ``None`` if not decoded.
        metadata: the container's and the stream's own entries, at most ``VideoLimits.max_metadata``.
        hints: sentences on how the file was written, e.g. that it was encoded again.
        notes: sentences about problems in reading.
    """

    container: str
    codec: str
    profile: str
    pixel_format: str
    encoder: str
    duration_s: float
    fps: float
    frames: int | None
    size: tuple[int, int]
    coded_size: tuple[int, int]
    rotation: int
    mirrored: bool
    pixel_aspect: float
    streams: dict[str, int]
    variable_rate: bool | None
    key_frames: int | None
    bit_rate: int | None
    colour: str
    interlaced: bool | None
    metadata: dict[str, str]
    hints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The facts as plain values."""
        content: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        pairs = {name: list(content[name]) for name in ("size", "coded_size", "hints", "notes")}
        rounded = {name: round(content[name], 4) for name in ("duration_s", "fps", "pixel_aspect")}
        return content | pairs | rounded

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ClipFacts:
        """The facts of :meth:`to_json`."""
        pairs = {name: tuple(content[name]) for name in ("size", "coded_size", "hints", "notes")}
        return cls(**(content | pairs))


def is_clip(path: str) -> bool:
    """Whether a file is a clip, by its suffix or else its first bytes. A file that cannot be read is not."""
    suffix = PurePath(path).suffix.lower()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a FIFO must not be opened
            return False
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(HEAD)
    except (OSError, ValueError):
        return suffix in CLIP_SUFFIXES
    if sniff_format(head) is not None:
        return False
    return suffix in CLIP_SUFFIXES or sniff_container(head) is not None
