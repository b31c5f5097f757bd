"""Face swaps between two real images: the oldest way to fake a face, without a network.

The donor's six key points are mapped onto the target's by a similarity transform, the donor's colours are matched to
the target's, and the face is blended in with a soft mask. The pose is not changed, so donors must look the same way:
:func:`misfit` measures how well two faces match.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from unmask.data.make.align import Points, coverage, umeyama, warp
from unmask.errors import UsageError
from unmask.imaging.faces import Face

_MIRRORED = [1, 0, 2, 3, 5, 4]  # right and left are exchanged in a mirror image
_LEAST_SPREAD, _MOST_SPREAD = 0.5, 2.0  # how far a colour transfer may compress or stretch a channel
_LEAST_COVERED = 0.97  # of the mask must be inside the donor's image

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FaceSwap:
    """An image with another person's face, and where it was changed.

    Attributes:
        image: RGB, of the size of the target.
        mask: float32 [height, width] in [0, 1]: the opacity of the donor's face.
        parameters: all random draws, as plain values.
    """

    image: Image.Image
    mask: npt.NDArray[np.float32]
    parameters: dict[str, Any]


def misfit(donor: Face, target: Face) -> tuple[float, bool]:
    """How badly a donor's face fits, and whether it fits better mirrored.

    Returns:
        Root mean square distance of the key points after the best similarity transform, in units of the target's
        reach (the distance between its eyes or, in a face seen from the side, an estimate from its height); and whether
        to mirror. Infinite where no transform exists.
    """
    points, goal = np.asarray(donor.keypoints, np.float64), np.asarray(target.keypoints, np.float64)
    distances = []
    for mirrored in (False, True):
        candidate = points[_MIRRORED] * (-1, 1) if mirrored else points
        try:
            fitted = umeyama(candidate, goal).apply(candidate)
        except UsageError:
            return float("inf"), False
        distances.append(float(np.sqrt(((fitted - goal) ** 2).sum(1).mean())) / _reach(goal))
    return min(distances), distances[1] < distances[0]


def swap_faces(
    target: Image.Image,
    target_face: Face,
    donor: Image.Image,
    donor_face: Face,
    rng: np.random.Generator,
    mirrored: bool | None = None,
) -> FaceSwap:
    """Replace the target's face by the donor's.

    Args:
        target: RGB and upright. It is not changed, and keeps every pixel outside the mask.
        target_face: the face in it to replace.
        donor: RGB and upright.
        donor_face: the face in it to take.
        rng: the only source of randomness.
        mirrored: whether to mirror the donor; by default whichever fits better.

    Raises:
        UsageError: ``swap_impossible``: key points that define no transform, or a donor whose image ends too close to
            its face to cover the target's.
    """
    goal = np.asarray(target_face.keypoints, np.float64)
    reach = _reach(goal)
    window = _window(goal, reach, target.size)
    size = (window[2] - window[0], window[3] - window[1])
    if min(size) < 2 or reach < 2:
        raise UsageError("swap_impossible", "The target's face is outside its image or too small.")
    if mirrored is None:
        mirrored = misfit(donor_face, target_face)[1]
    part, points = _donor_part(donor, donor_face, mirrored)
    try:
        transform = umeyama(points, goal - window[:2])
    except UsageError as error:
        raise UsageError("swap_impossible", error.message) from None
    if not 0.02 < transform.scale < 50:
        raise UsageError("swap_impossible", "The two faces differ too much in size.")
    grow, feather = float(rng.uniform(0.9, 1.08)), float(rng.uniform(0.06, 0.2))
    opacity = 1.0 if rng.random() < 0.75 else float(rng.uniform(0.8, 1.0))
    strength = float(rng.uniform(0.75, 1.0))

    mask = _face_mask(goal - window[:2], reach, size, grow, feather)
    core = np.asarray(mask) > 127
    covered = coverage(part.size, transform, size)
    if not core.any() or (np.asarray(covered)[core] > 0).mean() < _LEAST_COVERED:
        raise UsageError("swap_impossible", "The donor's face is too close to the edge of its image.")
    # The donor's own edge must not show where the mask extends to it.
    soft = covered.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(max(1.0, 0.03 * reach)))
    inside = np.asarray(soft, np.float64) / 255 * (np.asarray(covered) > 0)
    blend = np.rint(np.asarray(mask, np.float64) * inside * opacity).astype(np.uint8)

    original = target.crop(window)
    pasted = np.asarray(warp(part, transform, size))
    coloured = transfer_colour(pasted, np.asarray(original), blend > 127, strength)
    result = target.copy()
    result.paste(Image.composite(Image.fromarray(coloured), original, Image.fromarray(blend)), window[:2])
    opacities = np.zeros((target.height, target.width), np.float32)
    opacities[window[1] : window[3], window[0] : window[2]] = blend.astype(np.float32) / 255
    parameters = {
        "scale": round(transform.scale, 4),
        "turn_degrees": round(float(np.degrees(transform.angle)), 2),
        "mirrored": mirrored,
        "mask_size": round(grow, 4),
        "feather": round(feather, 4),
        "opacity": round(opacity, 4),
        "colour_strength": round(strength, 4),
    }
    return FaceSwap(result, opacities, parameters)


def transfer_colour(
    pixels: npt.NDArray[np.uint8],
    reference: npt.NDArray[np.uint8],
    region: npt.NDArray[np.bool_],
    strength: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """Give pixels the mean and standard deviation of others, channel by channel.

    After Reinhard et al., "Color Transfer between Images", IEEE CG&A 21(5), 2001, in JPEG's YCbCr instead of their
    l-alpha-beta: it is linear in RGB, so the statistics match up to rounding and clipping.

    Args:
        pixels: uint8 [h, w, 3], RGB, to be changed.
        reference: uint8 [h, w, 3], RGB.
        region: bool [h, w], where both are measured; where it is empty, nothing changes.
        strength: 0 changes nothing, 1 matches the statistics.

    Returns:
        uint8 [h, w, 3], RGB. A channel's spread is at most halved or doubled.
    """
    if not region.any():
        return pixels.copy()
    values, wanted = _to_ycbcr(pixels), _to_ycbcr(reference)[region]
    own = values[region]
    spread = np.clip((wanted.std(0) + 1e-6) / (own.std(0) + 1e-6), _LEAST_SPREAD, _MOST_SPREAD)
    matched = (values - own.mean(0)) * spread + wanted.mean(0)
    mixed = values + strength * (matched - values)
    changed: npt.NDArray[np.uint8] = np.clip(np.rint(mixed @ _FROM_YCBCR.T), 0, 255).astype(np.uint8)
    return changed


# BT.601 full range without the offset of the colour channels, which a mean takes out anyway.
_TO_YCBCR = np.array(
    [(0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)],
)
_FROM_YCBCR: Floats = np.linalg.inv(_TO_YCBCR)


def _to_ycbcr(pixels: npt.NDArray[np.uint8]) -> Floats:
    return np.asarray(pixels @ _TO_YCBCR.T, np.float64)


def _reach(points: Points) -> float:
    """The distance between the eyes; estimated from the height of a face seen from the side, whose eyes are close."""
    right_eye, left_eye, _, mouth = points[:4]
    return max(float(np.hypot(*(left_eye - right_eye))), 0.85 * float(np.hypot(*(mouth - (right_eye + left_eye) / 2))))


def _window(points: Points, reach: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    x, y = points[:4].mean(0)
    far = 2.5 * reach
    return (
        min(max(0, int(x - far)), size[0]),
        min(max(0, int(y - far)), size[1]),
        max(min(size[0], int(x + far) + 1), 0),
        max(min(size[1], int(y + far) + 1), 0),
    )


def _donor_part(donor: Image.Image, face: Face, mirrored: bool) -> tuple[Image.Image, Points]:
    """The donor's face with a face's side around it, and the key points in it."""
    points = np.asarray(face.keypoints, np.float64)
    x0, y0, x1, y1 = face.box
    left, top = max(0, int(x0 - face.side)), max(0, int(y0 - face.side))
    part = donor.crop(
        (left, top, min(donor.width, int(x1 + face.side) + 1), min(donor.height, int(y1 + face.side) + 1))
    )
    points = points - (left, top)
    if mirrored:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        points = points[_MIRRORED] * (-1, 1) + (part.width, 0)
    return part, points


def _face_mask(points: Points, reach: float, size: tuple[int, int], grow: float, feather: float) -> Image.Image:
    """From the brows to the chin, soft: mode L."""
    right_eye, left_eye, _, mouth = points[:4]
    eyes = (right_eye + left_eye) / 2
    down = mouth - eyes
    length = float(np.hypot(*down))
    down = down / length if length > 1e-6 else np.array([0.0, 1.0])
    across = np.array([down[1], -down[0]])
    # In units of the reach: a superellipse from 0.45 above the eyes to 1.65 below them, and 1.9 wide in a frontal
    # face; a turned one is narrower, with background next to it.
    narrow = min(1.0, max(0.75, float(np.hypot(*(left_eye - right_eye))) / reach))
    centre, half_width, half_height = eyes + 0.6 * reach * down, 0.95 * narrow, 1.05
    turns = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    cosine, sine = np.cos(turns), np.sin(turns)
    x = np.sign(cosine) * np.abs(cosine) ** 0.85 * half_width
    y = np.sign(sine) * np.abs(sine) ** 0.85 * half_height
    # Narrower at the chin than at the brows, as faces are.
    x *= 1 - 0.14 * np.clip(y / half_height, -0.2, 1)
    shrink = (grow - feather / 2) * reach
    outline = centre + (x[:, None] * across + y[:, None] * down) * shrink
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(float(px), float(py)) for px, py in outline], fill=255)
    return mask.filter(ImageFilter.GaussianBlur(feather * reach / 2))
