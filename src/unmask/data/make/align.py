"""Similarity transforms between faces, and images warped by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.errors import UsageError
from unmask.imaging.faces import Face

Points = npt.NDArray[np.float64]

# Where a frontal face has right eye, left eye and mouth in the face finder's square box, as fractions of it: medians
# over 250 portraits of four collections, made symmetric.
TEMPLATE = np.array([(0.295, 0.300), (0.705, 0.300), (0.500, 0.755)])
_ALIGNED = [0, 1, 3]  # right eye, left eye, mouth: the key points that change least with the pose


@dataclass(frozen=True, slots=True)
class Similarity:
    """Turn, scale and move: ``target = scale * rotation @ source + shift``, points as (x, y) in pixels.

    Attributes:
        scale: above 0.
        angle: of the rotation in radians; positive turns x towards y, clockwise on a screen.
        shift: x, y.
    """

    scale: float
    angle: float
    shift: tuple[float, float]

    @property
    def matrix(self) -> Points:
        """float64 [2, 3], to be applied to (x, y, 1)."""
        cosine, sine = self.scale * math.cos(self.angle), self.scale * math.sin(self.angle)
        return np.array([(cosine, -sine, self.shift[0]), (sine, cosine, self.shift[1])])

    def apply(self, points: Points) -> Points:
        """Map points, float [n, 2]."""
        return points @ self.matrix[:, :2].T + self.shift


def umeyama(source: Points, target: Points) -> Similarity:
    """The similarity transform that maps points onto points with the least squared error, without mirroring.

    After Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI
    13(4), 1991, equations 40 to 42.

    Args:
        source: float [n, 2], n at least 2.
        target: float [n, 2].

    Raises:
        UsageError: ``degenerate_points``: fewer than two different points on either side, or not finite.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1:] != (2,):
        raise UsageError("degenerate_points", f"Two equal lists of points are needed, not {source.shape}.")
    if len(source) < 2 or not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise UsageError("degenerate_points", "At least two finite points are needed.")
    source_mean, target_mean = source.mean(0), target.mean(0)
    from_mean, to_mean = source - source_mean, target - target_mean
    variance = float((from_mean**2).sum() / len(source))
    covariance = to_mean.T @ from_mean / len(source)
    left, singular, right = np.linalg.svd(covariance)
    sign = np.array([1.0, 1.0 if np.linalg.det(left) * np.linalg.det(right) > 0 else -1.0])
    scale = float(singular @ sign) / variance if variance > 1e-12 else 0.0
    if scale <= 1e-9:
        raise UsageError("degenerate_points", "The points coincide, so they define no transform.")
    rotation = left @ np.diag(sign) @ right
    shift = target_mean - scale * rotation @ source_mean
    angle = math.atan2(rotation[1, 0], rotation[0, 0])
    return Similarity(scale, angle, (float(shift[0]), float(shift[1])))


def face_alignment(face: Face, side: int, margin: float) -> Similarity:
    """The transform from the image to an upright square crop with eyes and mouth at fixed places.

    Args:
        face: the face in the image.
        side: of the crop, in pixels.
        margin: margin around the finder's box on each side, as a fraction of the box's side.

    Raises:
        UsageError: ``degenerate_points``.
    """
    points = np.asarray(face.keypoints, np.float64)[_ALIGNED]
    return umeyama(points, (TEMPLATE + margin) / (1 + 2 * margin) * side)


def warp(image: Image.Image, transform: Similarity, size: tuple[int, int]) -> Image.Image:
    """An image warped by a transform: bicubic, antialiased where it shrinks, black outside the image.

    Args:
        image: the source, mode RGB or L.
        transform: from the source's pixels to those of the result.
        size: width and height of the result.
    """
    if transform.scale < 1:
        # Pillow's transform reads 4 x 4 pixels whatever the scale, which aliases; its resize does not.
        small = (max(1, round(image.width * transform.scale)), max(1, round(image.height * transform.scale)))
        stretch = np.array([image.width / small[0], image.height / small[1]])
        image = image.resize(small, Image.Resampling.BICUBIC)
    else:
        stretch = np.ones(2)
    linear = np.linalg.inv(transform.matrix[:, :2])
    moved = -linear @ np.asarray(transform.shift)
    # Pillow needs the inverse: from a pixel of the result to one of the source.
    back = np.column_stack([linear, moved]) / stretch[:, None]
    coefficients = tuple(float(value) for value in back.ravel())
    return image.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)


def coverage(source: tuple[int, int], transform: Similarity, size: tuple[int, int]) -> Image.Image:
    """The part of a warped image that has pixels: mode L, 255 inside and 0 outside."""
    return warp(Image.new("L", source, 255), transform, size).point([0] * 250 + [255] * 6)
