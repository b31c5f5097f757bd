"""One face through the frames of a clip: without the finder's own tremor, or with one put in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from unmask.imaging.faces import Face

_REACH: Final = 2  # frames on each side that are averaged
_FAR: Final = 0.6  # in sides of the face: a larger step from frame to frame is another face

Floats = npt.NDArray[np.float64]


def follow(found: Sequence[Sequence[Face]]) -> list[Face | None]:
    """The largest face of a clip in each of its frames, smoothed; ``None`` where it is not seen.

    It begins with the largest face of all frames and is followed forwards and backwards, in each frame to the nearest
    face, until none is near enough. Frames after a scene cut are thereby left out.

    Args:
        found: the faces of each frame.
    """
    sizes = [max((face.side for face in faces), default=0.0) for faces in found]
    if not any(sizes):
        return [None] * len(found)
    start = int(np.argmax(sizes))
    chosen: list[Face | None] = [None] * len(found)
    chosen[start] = max(found[start], key=lambda face: face.side)
    for order in (range(start + 1, len(found)), range(start - 1, -1, -1)):
        last = max(found[start], key=lambda face: face.side)
        for at in order:
            near = min(found[at], key=partial(_step, last), default=None)
            if near is None or _step(last, near) > _FAR:
                break
            chosen[at] = last = near
    return _smoothed(chosen)


def tremble(face: Face, amount: float, rng: np.random.Generator) -> Face:
    """The face a little off its place and size, as frame-wise generators find it in each frame.

    Args:
        face: the face.
        amount: standard deviation of the error, as a fraction of the face's side; 0 changes nothing.
        rng: the only source of randomness; three draws.
    """
    right, down, growth = rng.normal(0, amount, 3)
    shift = np.array([right, down]) * face.side
    corners = np.array(face.box).reshape(2, 2)
    centre = corners.mean(0)

    def moved(points: Floats) -> Floats:
        return np.asarray(centre + (points - centre) * (1 + growth) + shift)

    return _face(moved(corners).ravel(), moved(np.array(face.keypoints)), face.score)


def _smoothed(faces: Sequence[Face | None]) -> list[Face | None]:
    """Box and key points as the mean over the frames around, as far as the face is seen without a gap."""
    smooth: list[Face | None] = []
    for at, face in enumerate(faces):
        if face is None:
            smooth.append(None)
            continue
        # The same number on both sides, so that a steady motion stays as it is.
        reach = next((r - 1 for r in range(1, _REACH + 1) if not _seen(faces, at - r, at + r)), _REACH)
        around = [each for each in faces[at - reach : at + reach + 1] if each is not None]
        box = np.mean([each.box for each in around], 0)
        smooth.append(_face(box, np.mean([each.keypoints for each in around], 0), face.score))
    return smooth


def _seen(faces: Sequence[Face | None], first: int, last: int) -> bool:
    return first >= 0 and last < len(faces) and None not in (faces[first], faces[last])


def _step(before: Face, after: Face) -> float:
    """The way from one face's centre to another's, in sides."""
    centres = [np.array(face.box).reshape(2, 2).mean(0) for face in (before, after)]
    return float(np.hypot(*(centres[1] - centres[0]))) / max(before.side, 1e-6)


def _face(box: Floats, points: Floats, score: float) -> Face:
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return Face((x0, y0, x1, y1), score, tuple((float(x), float(y)) for x, y in points))
