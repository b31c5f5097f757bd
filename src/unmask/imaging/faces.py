"""The face finder: BlazeFace full range over a short cascade of views of the image.

The network sees 192 x 192 pixels and expects a face that fills between about a tenth and a half of them. In an image
that *is* a face crop the face is too large, so the plain view misses most of them; with a border around the image it
is found. The cascade tries the plain view first and continues only while nothing was found, so a normal photograph
takes one run of the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from unmask.imaging.session import single_thread_session

Box = tuple[float, float, float, float]

# Grows whenever the same image and policy may give other faces, so that stored faces are searched again.
FINDER_VERSION = 2
_VIEW_SIDE = 192
_PADDING_GREY = 0  # black, as in MediaPipe's letterboxing
# Whole-image views are cropped from a copy of at most this side; antialiasing twice changes nothing that matters.
_WORKING_SIDE = 1024
# A box below this many of the network's pixels is coarse, up to twice too large: the face is searched again, closer.
_SMALL = 24
# Bounds on the work that one image can cause.
_MOST_CANDIDATES = 64
_MOST_WINDOWS = 64


class FacePolicy(BaseModel):
    """How faces are searched, as data of a bundle.

    Attributes:
        score_threshold: least BlazeFace score in [0, 1] of a face.
        paddings: borders of the whole-image views, as fractions of the longer side in [0, 2], tried in order until a
            view shows a face; at most 8.
        zoom: whether small faces are searched in overlapping windows of half the side when no view showed any.
        iou_threshold: two boxes that overlap more than this (intersection over union) are one face.
        max_faces: the largest faces kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score_threshold: float = Field(0.5, gt=0, lt=1)
    paddings: tuple[Annotated[float, Field(ge=0, le=2)], ...] = Field((0.0, 0.25, 0.5), max_length=8)
    zoom: bool = True
    iou_threshold: float = Field(0.3, gt=0, lt=1)
    max_faces: int = Field(16, ge=1, le=256)


@dataclass(frozen=True, slots=True, repr=False)
class Face:
    """One face found in an image.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the upright image, clipped to it.
        score: BlazeFace score in [0, 1].
        keypoints: right eye, left eye, nose tip, mouth, right ear, left ear as (x, y) in pixels; may lie outside.
    """

    box: Box
    score: float
    keypoints: tuple[tuple[float, float], ...]

    def scaled(self, factor: float) -> Face:
        """The same face in an image ``factor`` times as large."""
        box = (self.box[0] * factor, self.box[1] * factor, self.box[2] * factor, self.box[3] * factor)
        return Face(box, self.score, tuple((x * factor, y * factor) for x, y in self.keypoints))

    def __repr__(self) -> str:
        x0, y0, x1, y1 = self.box
        return f"<Face {x1 - x0:.0f} x {y1 - y0:.0f} at ({x0:.0f}, {y0:.0f}), score {self.score:.2f}>"

    @property
    def side(self) -> float:
        """The longer side of the box in pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A square of the image's plane that the network sees; it may extend beyond the image."""

    x: float
    y: float
    side: float

    @classmethod
    def around(cls, face: Face) -> _View:
        """The window around a face that fills a quarter of its side."""
        side = 4 * face.side
        centre_x, centre_y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
        return cls(centre_x - side / 2, centre_y - side / 2, side)


class FaceFinder:
    """Finds faces; safe to share between threads.

    Args:
        policy: how to search.
        model: the converted BlazeFace graph; the one in the package by default.
    """

    def __init__(self, policy: FacePolicy | None = None, model: Path | None = None) -> None:
        self.policy = policy or FacePolicy()
        content = (model or files("unmask.assets") / "face_finder.onnx").read_bytes()
        self._session = single_thread_session(content)

    def find(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB image, largest first; empty when there is none.

        Equal sizes are ordered by position, so the same image always gives the same list.
        """
        for views in self._cascade(image.size):
            faces = self._look(image, views)
            if faces:
                return faces
        return []

    def _cascade(self, size: tuple[int, int]) -> Iterator[list[_View]]:
        width, height = size
        long, short = max(size), min(size)
        for padding in self.policy.paddings:
            side = long * (1 + 2 * padding)
            if padding == 0 and long > 2 * short:
                # A panorama squeezed into a square leaves faces of a few pixels: search it in windows instead.
                yield _windows(width, height, short)
            else:
                yield [_View((width - side) / 2, (height - side) / 2, side)]
        if self.policy.zoom and long > 2 * _VIEW_SIDE:
            yield _windows(width, height, min(long / 2, short))

    def _look(self, image: Image.Image, views: list[_View]) -> list[Face]:
        seen = self._run(image, views)
        small = {face: _View.around(face) for face, view in seen.items() if face.side < view.side * _SMALL / _VIEW_SIDE}
        # In the middle of its own window a face is complete; any other face there has its own window too.
        closer = self._run(image, list(small.values())) if small else {}
        faces = [face for face in seen if face not in small]
        for face, view in small.items():
            framed = [other for other, window in closer.items() if window is view and _is_central(other, view)]
            faces.append(max(framed, key=lambda other: (other.score, other.box), default=face))
        kept = _suppress(faces, self.policy.iou_threshold)
        return sorted(kept, key=lambda face: (-_area(face.box), face.box))[: self.policy.max_faces]

    def _run(self, image: Image.Image, views: list[_View]) -> dict[Face, _View]:
        """The faces that the network sees in some views, overlapping ones suppressed, each with its view."""
        factor = min(1.0, _WORKING_SIDE / max(image.size))
        if len(views) == 1 and factor < 1 and views[0].side >= max(image.size):
            target = tuple(max(1, round(side * factor)) for side in image.size)
            source = image.resize((target[0], target[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)
        else:
            source, factor = image, 1.0
        pixels = np.stack([_render(source, view, factor) for view in views])
        boxes, keypoints, scores = self._session.run(["boxes", "keypoints", "scores"], {"image": pixels})
        found: dict[Face, _View] = {}
        for view, view_boxes, view_keypoints, view_scores in zip(views, boxes, keypoints, scores, strict=True):
            origin = np.array([view.x, view.y])
            for index in np.flatnonzero(view_scores >= self.policy.score_threshold):
                corners = view_boxes[index].reshape(2, 2) * view.side + origin
                box = _clip(corners, image.size)
                if box is not None:
                    points = tuple((float(x), float(y)) for x, y in view_keypoints[index] * view.side + origin)
                    found[Face(box, float(view_scores[index]), points)] = view
        kept = _suppress(list(found), self.policy.iou_threshold)[:_MOST_CANDIDATES]
        return {face: found[face] for face in kept}


def square_crop(box: Box, margin: float, size: tuple[int, int]) -> Box:
    """The square around a face that a detector sees.

    Args:
        box: the face, in pixels.
        margin: margin on each side, as a fraction of the longer side of the box.
        size: width and height of the image.

    Returns:
        x0, y0, x1, y1: a square inside the image. Near an edge it moves inwards, and in a tight image it shrinks,
        rather than extending outside: an invented border would separate cropped sources from others.
    """
    x0, y0, x1, y1 = box
    side = min(max(x1 - x0, y1 - y0) * (1 + 2 * margin), *size)
    left = min(max((x0 + x1 - side) / 2, 0.0), size[0] - side)
    top = min(max((y0 + y1 - side) / 2, 0.0), size[1] - side)
    # Floating point may exceed the edge by one unit in the last place, which Pillow refuses.
    return left, top, min(left + side, float(size[0])), min(top + side, float(size[1]))


def _windows(width: int, height: int, side: float) -> list[_View]:
    """Squares of the given side, half overlapping, that cover the image.

    At most 64: strips of more than 32 to 1 are covered with less overlap and then with gaps.
    """

    def starts(length: int) -> list[float]:
        steps = min(max(round((length - side) / (side / 2)), 0), _MOST_WINDOWS - 1)
        return [0.0] if steps == 0 else [(length - side) * step / steps for step in range(steps + 1)]

    return [_View(x, y, side) for y in starts(height) for x in starts(width)][:_MOST_WINDOWS]


def _is_central(face: Face, view: _View) -> bool:
    """Whether the middle of a face lies in the middle half of a view."""
    x, y = (face.box[0] + face.box[2]) / 2 - view.x, (face.box[1] + face.box[3]) / 2 - view.y
    return max(abs(x - view.side / 2), abs(y - view.side / 2)) < view.side / 4


def _render(image: Image.Image, view: _View, factor: float) -> npt.NDArray[np.uint8]:
    """The view at the network's size: uint8 [192, 192, 3], black where it reaches outside the image."""
    scale = _VIEW_SIDE / (view.side * factor)
    x0, y0 = max(view.x * factor, 0.0), max(view.y * factor, 0.0)
    x1 = min((view.x + view.side) * factor, float(image.width))
    y1 = min((view.y + view.side) * factor, float(image.height))
    width, height = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    part = image.resize((width, height), Image.Resampling.BILINEAR, box=(x0, y0, x1, y1))
    canvas = np.full((_VIEW_SIDE, _VIEW_SIDE, 3), _PADDING_GREY, np.uint8)
    left = min(round((x0 - view.x * factor) * scale), _VIEW_SIDE - width)
    top = min(round((y0 - view.y * factor) * scale), _VIEW_SIDE - height)
    canvas[top : top + height, left : left + width] = np.asarray(part)
    return canvas


def _clip(corners: npt.NDArray[np.float64], size: tuple[int, int]) -> Box | None:
    x0, y0 = np.maximum(corners[0], 0.0)
    x1, y1 = np.minimum(corners[1], size)
    if not np.isfinite(corners).all() or x1 - x0 < 1 or y1 - y0 < 1:
        return None
    return float(x0), float(y0), float(x1), float(y1)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(a) + _area(b) - shared)


def _suppress(faces: list[Face], iou_threshold: float) -> list[Face]:
    """Greedy non-maximum suppression: of boxes that overlap, the one with the best score stays."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (-face.score, face.box)):
        if all(overlap(face.box, other.box) <= iou_threshold for other in kept):
            kept.append(face)
    return kept
