"""Link the faces of frames into tracks: one person in one scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.detect.verdict import RegionVerdict
from unmask.imaging.faces import Box
from unmask.imaging.preprocessing import Pixels

_SIDE: Final = 8  # of the thumbnail that an appearance is made from
_MISSED: Final = 2  # frames that a face may be absent from and still be the same track
# Two faces of frames in turn are one person if they overlap and are not unlike, or are close and alike, or very alike.
_OVERLAP, _UNLIKE = 0.2, 0.0
_REACH, _ALIKE = 1.5, 0.4  # in sides of the face
_VERY_ALIKE: Final = 0.8
_LARGEST_RATIO: Final = 2.0  # of their sides


@dataclass(frozen=True, slots=True, eq=False)
class FaceSeen:
    """A face in a frame.

    Attributes:
        region: its verdict.
        appearance: float32 [192], see :func:`appearance_of`.
    """

    region: RegionVerdict
    appearance: npt.NDArray[np.float32]

    @property
    def box(self) -> Box:
        """Its place: x0, y0, x1, y1 in pixels of the upright frame."""
        face = self.region.face
        assert face is not None
        return face.box


@dataclass(slots=True, eq=False)
class RawTrack:
    """A track before its verdict.

    Attributes:
        indices: of its frames among those judged.
        times: of its frames, in seconds.
        faces: one for each of its frames.
    """

    indices: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    faces: list[FaceSeen] = field(default_factory=list)


class TrackBuilder:
    """Takes frames in order, and links each face to the track that it continues.

    Attributes:
        tracks: in order of their first frame, larger faces first.
    """

    def __init__(self) -> None:
        self.tracks: list[RawTrack] = []
        self._open: list[RawTrack] = []

    def add(self, index: int, time_s: float, faces: Sequence[FaceSeen], *, after_cut: bool) -> None:
        """Take a frame.

        Args:
            index: rising, without gaps.
            time_s: of the frame.
            faces: in it, largest first.
            after_cut: whether a scene cut lies before it, which ends every track.
        """
        self._open = [] if after_cut else [track for track in self._open if index - track.indices[-1] <= _MISSED + 1]
        pairs = [
            (score, -track_at, -face_at)
            for track_at, track in enumerate(self._open)
            for face_at, face in enumerate(faces)
            if (score := link_score(track.faces[-1], face)) is not None
        ]
        taken: dict[int, RawTrack] = {}
        used: set[int] = set()
        for _, track_at, face_at in sorted(pairs, reverse=True):
            if -track_at not in used and -face_at not in taken:
                used.add(-track_at)
                taken[-face_at] = self._open[-track_at]
        for at, face in enumerate(faces):
            track = taken.get(at)
            if track is None:
                track = RawTrack()
                self.tracks.append(track)
                self._open.append(track)
            track.indices.append(index)
            track.times.append(time_s)
            track.faces.append(face)


def link_score(before: FaceSeen, after: FaceSeen) -> float | None:
    """How well a face continues a track, more is better; ``None`` if it does not."""
    overlap, likeness = iou(before.box, after.box), float(before.appearance @ after.appearance)
    sides = sorted((_side(before.box), _side(after.box)))
    distance = float(np.hypot(*(_centre(before.box) - _centre(after.box)))) / max(sides[1], 1e-9)
    similar_size = sides[1] <= _LARGEST_RATIO * sides[0]
    if (
        (overlap >= _OVERLAP and likeness >= _UNLIKE)
        or (similar_size and distance <= _REACH and likeness >= _ALIKE)
        or (similar_size and likeness >= _VERY_ALIKE)
    ):
        return overlap + likeness
    return None


def appearance_of(pixels: Pixels) -> npt.NDArray[np.float32]:
    """What a face looks like, coarsely: a thumbnail of mean 0 and length 1, whose dot product is a correlation.

    Args:
        pixels: uint8 [size, size, 3], as the network sees the face; size at least 8.
    """
    side = pixels.shape[0] // _SIDE
    blocks = pixels[: side * _SIDE, : side * _SIDE].reshape(_SIDE, side, _SIDE, side, 3).mean(axis=(1, 3))
    flat = (blocks - blocks.mean(axis=(0, 1))).ravel().astype(np.float32)
    unit: npt.NDArray[np.float32] = flat / np.float32(np.linalg.norm(flat) or 1.0)
    return unit


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(other) - both)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _centre(box: Box) -> npt.NDArray[np.float64]:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
