"""Where on a face the evidence lies, using the face finder's key points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unmask.imaging.faces import Box, Face

PLACES: Final = ("eyes", "nose", "mouth", "forehead", "cheeks and chin", "around the face")
"""All places; where two overlap, the first one wins."""

_SAMPLES = 96
# Radius of a place, in units of the distance between the eyes.
_REACH = {"eyes": 0.45, "nose": 0.4, "mouth": 0.5}


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a crop.

    Attributes:
        name: one of :data:`PLACES`.
        share: its proportion of the evidence for the verdict, in [0, 1]; the proportions of all places sum to 1.
        area: its proportion of the crop's area, in [0, 1].
    """

    name: str
    share: float
    area: float

    @property
    def density(self) -> float:
        """Proportion of the evidence over that of the area; 1 is what the place's size gives by chance."""
        return self.share / self.area

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"name": self.name, "share": round(self.share, 4), "area": round(self.area, 4)}


def find_places(evidence: npt.NDArray[np.float32], towards: int, crop: Box, face: Face) -> tuple[Place, ...]:
    """Divide the evidence for a verdict among places of a face, the largest proportion first.

    Pixels within about half the eye distance of an eye, the nose tip or the mouth belong to that place; the rest of the
    face's box is forehead above the eyes, or cheeks and chin.

    Args:
        evidence: float32 [h, w] over the crop.
        towards: +1 to count evidence for fake, -1 for real; evidence for the other class counts as 0.
        crop: x0, y0, x1, y1 in pixels of the image.
        face: the face in the crop.

    Returns:
        Places with any area in the crop; empty without evidence for the verdict or without key points.
    """
    if len(face.keypoints) < 4:
        return ()
    across, down = (
        np.linspace(start, end, _SAMPLES, endpoint=False) + (end - start) / (2 * _SAMPLES)
        for start, end in ((crop[0], crop[2]), (crop[1], crop[3]))
    )
    x, y = np.meshgrid(across, down)
    owner = _owners(x, y, face)
    rows, columns = (np.arange(_SAMPLES) * side // _SAMPLES for side in evidence.shape)
    weight = np.maximum(evidence[np.ix_(rows, columns)].astype(np.float64) * towards, 0)
    total = weight.sum()
    if total == 0:
        return ()
    found = [
        Place(name, float(weight[owner == number].sum() / total), float((owner == number).mean()))
        for number, name in enumerate(PLACES)
        if (owner == number).any()
    ]
    return tuple(sorted(found, key=lambda place: -place.share))


def _owners(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], face: Face) -> npt.NDArray[np.intp]:
    """The index in :data:`PLACES` of each point."""
    right_eye, left_eye, nose, mouth = (np.array(point) for point in face.keypoints[:4])
    eyes = (right_eye + left_eye) / 2
    # In profile the eyes coincide; a face is about two and a half distances between the eyes wide.
    unit = max(float(np.hypot(*(left_eye - right_eye))), face.side / 4)
    down = mouth - eyes
    down = down / max(float(np.hypot(*down)), 1e-9)
    above = (x - eyes[0]) * down[0] + (y - eyes[1]) * down[1] < 0
    x0, y0, x1, y1 = face.box
    owner = np.full(x.shape, PLACES.index("around the face"))
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    owner[inside] = PLACES.index("cheeks and chin")
    owner[(inside & above)] = PLACES.index("forehead")
    for name, points in (("mouth", (mouth,)), ("nose", (nose,)), ("eyes", (right_eye, left_eye))):
        near = np.minimum.reduce([np.hypot(x - point[0], y - point[1]) for point in points]) <= _REACH[name] * unit
        owner[near] = PLACES.index(name)
    return owner
