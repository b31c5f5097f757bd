"""Fakes made from real faces alone: self-blended images.

A face is blended onto a slightly changed copy of itself, as a face swap is onto another person. Camera, codec,
background and person are those of the real image, so only the blending is left to learn. After Shiohara and
Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022; masks here come from the face finder's six key
points instead of 81 landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from unmask.data.transforms import recompress
from unmask.imaging.faces import Face

# Opacities from the paper's appendix; full opacity is the most likely, as in a real swap.
_BLEND_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class SelfBlend:
    """A self-blended image and where it was changed.

    Attributes:
        image: RGB, of the size of the real image.
        mask: float32 [height, width] in [0, 1]: the opacity of the pasted face.
    """

    image: Image.Image
    mask: npt.NDArray[np.float32]


def self_blend(image: Image.Image, face: Face, rng: np.random.Generator) -> SelfBlend:
    """Blend a face onto a changed copy of itself.

    Args:
        image: the real image, RGB and upright. It is not changed.
        face: the face in it to manipulate.
        rng: the only source of randomness.
    """
    window = face_window(face, image.size)
    original = image.crop(window)
    pasted, background = original, original
    if rng.random() < 0.5:
        pasted = _vary(pasted, rng)
    else:
        background = _vary(background, rng)
    pasted = _shift(pasted, rng)
    ratio = float(rng.choice(_BLEND_RATIOS))
    mask = face_mask(face, window, rng).point([round(level * ratio) for level in range(256)])
    blended = Image.composite(pasted, background, mask)
    if background is not original:
        # The image stays unchanged outside the window around the face, and the window's edge must not show.
        blended = Image.composite(blended, original, _fade(original.size))
    result = image.copy()
    result.paste(blended, window[:2])
    opacity = np.zeros((image.height, image.width), np.float32)
    opacity[window[1] : window[3], window[0] : window[2]] = np.asarray(mask, np.float32) / 255
    return SelfBlend(result, opacity)


def face_window(face: Face, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of an image that is changed, in pixels: the face's box with two thirds of its side around it."""
    x0, y0, x1, y1 = face.box
    reach = face.side * 2 / 3
    return (
        max(0, int(x0 - reach)),
        max(0, int(y0 - reach)),
        min(size[0], int(x1 + reach) + 1),
        min(size[1], int(y1 + reach) + 1),
    )


def _vary(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change colour and sharpness a little, as a generator or another camera would."""
    red, green, blue = (
        channel.point([max(0, min(255, level + shift)) for level in range(256)])
        for channel, shift in zip(image.split(), rng.integers(-20, 21, 3).tolist(), strict=True)
    )
    image = Image.merge("RGB", (red, green, blue))
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(float(rng.uniform(0.85, 1.15)))
    draw = rng.random()
    if draw < 0.4:
        scale = float(rng.uniform(0.25, 0.7))
        small = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
        image = image.resize(small, Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.BICUBIC)
    elif draw < 0.6:
        image = image.filter(ImageFilter.UnsharpMask(2, int(rng.integers(60, 200)), 0))
    elif draw < 0.8:
        image = recompress(image, (30, 90), rng)
    return image


def _shift(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Move and scale by a few percent, so that features no longer match at the seam."""
    scale = float(rng.uniform(0.95, 1 / 0.95))
    move_x = float(rng.uniform(-0.03, 0.03)) * image.width
    move_y = float(rng.uniform(-0.015, 0.015)) * image.height
    centre_x, centre_y = image.width / 2, image.height / 2
    matrix = (
        scale, 0.0, centre_x - scale * (centre_x + move_x),
        0.0, scale, centre_y - scale * (centre_y + move_y),
    )  # fmt: skip
    moved = image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    # The original stays where the transform reaches outside.
    covered = Image.new("L", image.size, 255).transform(image.size, Image.Transform.AFFINE, matrix)
    return Image.composite(moved, image, covered)


def face_mask(face: Face, window: tuple[int, int, int, int], rng: np.random.Generator) -> Image.Image:
    """A soft, irregular mask of the whole face or of a part of it.

    Args:
        face: the face, in pixels of the image.
        window: the part of the image that the mask is for, as :func:`face_window` gives it.
        rng: the only source of randomness.

    Returns:
        Mode L, of the window's size; 255 is full opacity.
    """
    size = (window[2] - window[0], window[3] - window[1])
    points = np.asarray(face.keypoints, np.float64) - window[:2]
    right_eye, left_eye, _, mouth = points[:4]
    eyes = (right_eye + left_eye) / 2
    across = left_eye - right_eye
    angle = float(np.arctan2(across[1], across[0]))
    # In a face seen from the side the eyes are close together; its height still gives its size.
    reach = max(float(np.hypot(*across)), 0.8 * float(np.hypot(*(mouth - eyes))), 4.0)
    down = np.array([-np.sin(angle), np.cos(angle)])
    parts = {
        "face": (eyes + down * 0.45 * reach, 1.15, 1.5),
        "inner": (eyes + down * 0.5 * reach, 0.95, 1.1),
        "mouth": (mouth, 0.7, 0.5),
        "eyes": (eyes, 1.0, 0.45),
    }
    name = str(rng.choice(["face", "face", "inner", "mouth", "eyes"]))
    centre, half_width, half_height = parts[name]
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    # A few low harmonics make the outline irregular but smooth.
    wobble = 1 + sum(
        float(rng.normal(0, 0.05)) * np.cos(k * turns + float(rng.uniform(0, 2 * np.pi))) for k in (2, 3, 5)
    )
    grow = float(rng.uniform(0.85, 1.15))
    x = np.cos(turns) * half_width * reach * wobble * grow
    y = np.sin(turns) * half_height * reach * wobble * grow
    outline = np.stack(
        [
            centre[0] + x * np.cos(angle) - y * np.sin(angle),
            centre[1] + x * np.sin(angle) + y * np.cos(angle),
        ],
        1,
    )
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(float(px), float(py)) for px, py in outline], fill=255)
    softness = reach * float(rng.uniform(0.02, 0.15))
    return mask.filter(ImageFilter.GaussianBlur(softness))


def _fade(size: tuple[int, int]) -> Image.Image:
    """255 inside, falling to 0 over the outer eighth of the window: mode L."""
    width, height = size
    reach_x, reach_y = max(1, width // 8), max(1, height // 8)
    row = np.minimum(np.arange(width), np.arange(width)[::-1]) / reach_x
    column = np.minimum(np.arange(height), np.arange(height)[::-1]) / reach_y
    horizontal = Image.fromarray(np.broadcast_to(_ramp(row), (height, width)).copy())
    vertical = Image.fromarray(np.broadcast_to(_ramp(column)[:, None], (height, width)).copy())
    return ImageChops.multiply(horizontal, vertical)


def _ramp(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.rint(255 * np.clip(distance, 0, 1)).astype(np.uint8)
