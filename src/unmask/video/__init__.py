"""From a clip to a verdict: faces in frames, linked into tracks, pooled into one probability.

Reading clips is :mod:`unmask.imaging.video`, whose names are here, too. Needs the extra ``video``. May import
``unmask.detect``, ``unmask.bundle``, ``unmask.imaging`` and the ground floor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.lazy import lazy_names

if TYPE_CHECKING:
    from unmask.imaging.video.facts import ClipFacts
    from unmask.imaging.video.frames import ClipReader, Frame, frames_at, probe, sample_frames
    from unmask.imaging.video.limits import VideoLimits
    from unmask.video.detector import ClipDetector
    from unmask.video.pooling import POOLINGS, pool
    from unmask.video.verdict import ClipVerdict, Track

__all__ = [
    "POOLINGS",
    "ClipDetector",
    "ClipFacts",
    "ClipReader",
    "ClipVerdict",
    "Frame",
    "Track",
    "VideoLimits",
    "frames_at",
    "pool",
    "probe",
    "sample_frames",
]

_HOME = {
    "POOLINGS": "unmask.video.pooling",
    "ClipDetector": "unmask.video.detector",
    "ClipFacts": "unmask.imaging.video.facts",
    "ClipReader": "unmask.imaging.video.frames",
    "ClipVerdict": "unmask.video.verdict",
    "Frame": "unmask.imaging.video.frames",
    "Track": "unmask.video.verdict",
    "VideoLimits": "unmask.imaging.video.limits",
    "frames_at": "unmask.imaging.video.frames",
    "pool": "unmask.video.pooling",
    "probe": "unmask.imaging.video.frames",
    "sample_frames": "unmask.imaging.video.frames",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
