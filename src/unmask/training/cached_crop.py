"""The part of an image that training needs: the crop around the face, and the margin that augmentation may use."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from unmask.imaging.faces import Box, Face, FacePolicy
from unmask.imaging.preprocessing import Preprocessing, crop_of

# The window of a self-blend around the face's box, in sides of the box; see ``synthesis.face_window``.
_BLEND_REACH = 2 / 3


class CropPolicy(BaseModel):
    """Which part of an image is kept.

    Attributes:
        faces: how faces are detected; ``None``: the whole image is kept.
        margin: of the crop around the face, as ``Preprocessing.face_margin``.
        native: which crops are taken at the image's own resolution, as ``Preprocessing.native``.
        size: side of those crops, as ``Preprocessing.size``.
        reach: margin kept around the crop, as a fraction of its side; at least the ``crop_jitter`` of training.
        max_side: a region with a longer side is reduced to it, so that its pixels change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    faces: FacePolicy | None = FacePolicy()
    margin: float = Field(0.3, ge=0, le=2)
    native: float = Field(1.0, ge=1, le=2)
    size: int = Field(Preprocessing().size, ge=32, le=1024)
    reach: float = Field(0.35, ge=0, le=2)
    max_side: int = Field(1024, ge=64, le=8192)

    @classmethod
    def of(cls, preprocessing: Preprocessing, **changes: Any) -> CropPolicy:
        """The policy for a recipe's preprocessing."""
        if preprocessing.native > 1:  # else one cache serves every size
            changes |= {"native": preprocessing.native, "size": preprocessing.size}
        return cls(faces=preprocessing.faces, margin=preprocessing.face_margin, **changes)


class CachedCrop(NamedTuple):
    """The part of an image that training needs.

    Attributes:
        image: RGB: the crop and its surroundings.
        crop: the network's input: x0, y0, x1, y1 in pixels of ``image``.
        face: the face in pixels of ``image``; ``None``: no face.
    """

    image: Image.Image
    crop: Box
    face: Face | None


def region_of(image: Image.Image, face: Face | None, policy: CropPolicy) -> CachedCrop:
    """Crop the part around a face that training needs, or keep the whole image where there is no face.

    Args:
        image: RGB and upright.
        face: the face in it.
        policy: how much to keep.
    """
    preprocessing = Preprocessing(size=policy.size, face_margin=policy.margin, native=policy.native, faces=policy.faces)
    crop = crop_of(face, image.size, preprocessing)
    if face is None:
        region = (0, 0, image.width, image.height)
    else:
        x0, y0, x1, y1 = crop
        reach_x, reach_y = policy.reach * (x1 - x0), policy.reach * (y1 - y0)
        blend = _BLEND_REACH * face.side + 2
        # The origin is even, so that rounding half to even gives the same pixels here as in the image.
        region = (
            2 * math.floor(max(0.0, min(x0 - reach_x, face.box[0] - blend)) / 2),
            2 * math.floor(max(0.0, min(y0 - reach_y, face.box[1] - blend)) / 2),
            min(image.width, math.ceil(max(x1 + reach_x, face.box[2] + blend))),
            min(image.height, math.ceil(max(y1 + reach_y, face.box[3] + blend))),
        )
    left, top = region[:2]
    part = image if region == (0, 0, *image.size) else image.crop(region)
    factor_x = factor_y = 1.0
    if max(part.size) > policy.max_side:
        factor = policy.max_side / max(part.size)
        small = (max(1, round(part.width * factor)), max(1, round(part.height * factor)))
        factor_x, factor_y = small[0] / part.width, small[1] / part.height
        part = part.resize(small, Image.Resampling.BICUBIC)

    def moved(x: float, y: float) -> tuple[float, float]:
        return (x - left) * factor_x, (y - top) * factor_y

    def moved_box(box: Box) -> Box:
        x0, y0 = moved(box[0], box[1])
        x1, y1 = moved(box[2], box[3])
        # Rounding may put a product just beyond the edge, which Pillow refuses.
        return x0, y0, min(x1, float(part.width)), min(y1, float(part.height))

    shown = face and Face(moved_box(face.box), face.score, tuple(moved(x, y) for x, y in face.keypoints))
    return CachedCrop(part, moved_box(crop), shown)
