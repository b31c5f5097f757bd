"""Hints on how a clip was written, from its metadata and its first packet."""

from __future__ import annotations

import re
from typing import Final

from unmask.imaging.video.facts import ClipFacts

# x264 and x265 leave their settings in the first packet.
_X26: Final = re.compile(rb"x26([45])[^\x00]{0,40}?(?:core|build) (\d{1,5})")
_CRF: Final = re.compile(rb"\bcrf=(\d{1,2}(?:\.\d{1,2})?)")
_FFMPEG: Final = re.compile(r"^(Lavf|Lavc|FFmpeg|HandBrake)", re.IGNORECASE)
_CAMERA: Final = ("com.apple.quicktime.make", "com.apple.quicktime.model", "com.android.manufacturer", "make", "model")
_LOW_BITS: Final = 0.03  # bits per pixel and frame, below which H.264 shows its blocks

CAMERA: Final = "The file names the make or model of a camera or phone."
"""The one hint that does not say that the clip was encoded again or strongly."""


def writing_hints(facts: ClipFacts, first_packet: bytes) -> tuple[str, ...]:
    """Sentences on how the file was written; none holds text from the file.

    Args:
        facts: of the clip.
        first_packet: the start of its first packet of video.
    """
    hints: list[str] = []
    if _FFMPEG.match(facts.encoder):
        hints.append("The file was written by FFmpeg or a tool built on it, so it is not as a camera wrote it.")
    if found := _X26.search(first_packet):
        crf = _CRF.search(first_packet)
        at = f" at CRF {float(crf[1]):g}" if crf else ""
        hints.append(f"The clip was encoded by x26{found[1].decode()}{at}: by software, not by a camera or a phone.")
    if any(facts.metadata.get(name) for name in _CAMERA):
        hints.append(CAMERA)
    pixels = facts.coded_size[0] * facts.coded_size[1] * facts.fps
    if facts.bit_rate and pixels and facts.bit_rate / pixels < _LOW_BITS:
        hints.append("The clip is strongly compressed, which may hide or imitate traces of manipulation.")
    return tuple(hints)
