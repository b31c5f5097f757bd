"""Augmentation for training: the same random changes for real and fake images.

Detectors learn the cheapest difference between the classes, and in collected data that is how files were made: their
size, sharpness, codec, colour. Every step here is drawn for both classes from the same distribution, so it cannot
separate them. All steps use Pillow, as the preprocessing at inference does.
"""

from __future__ import annotations

import io
import math
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unmask.imaging.faces import Box
from unmask.imaging.preprocessing import RESAMPLERS, Pixels

_SMOOTH_RESAMPLERS = ("box", "bilinear", "hamming", "bicubic", "lanczos")


class Augmentation(BaseModel):
    """How strongly training images are varied. Probabilities are per image.

    Written as data, a mapping may begin with ``preset``: ``plain`` (every step off) or the augmentation of a paper,
    ``s0``, ``s1``, ``s2``, ``s4``. Other keys change settings of the preset. The result has plain settings only.

    Attributes:
        crop_jitter: how much the crop moves and grows or shrinks, as a fraction of its side.
        keep_scale: probability that a crop which needs no resizing only moves, by whole pixels.
        flip: probability of a horizontal flip.
        intact: probability that none of the steps from here to ``noise`` is drawn, so that the finest traces stay.
        rescale: probability of a resize to a random side before anything else is done to the pixels.
        rescale_sides: least and greatest side of that resize in pixels; drawn log-uniformly.
        codec: probability of a JPEG or WebP round; the second round has half of it.
        codec_quality: least and greatest quality.
        blur: probability of a Gaussian blur.
        sharpen: probability of an unsharp mask.
        smooth: probability of a median filter, as retouching and denoising leave.
        noise: probability of Gaussian sensor-like noise.
        colour: probability of a change of brightness, contrast, saturation and gamma.
        grey: probability of losing all colour.
        move: probability that rotation, shift and zoom are applied.
        rotate: greatest rotation of the crop, to either side, in degrees.
        shift: greatest shift of the crop's content, along each axis, as a fraction of the side.
        zoom: greatest enlargement or reduction of the crop's content, as a fraction.
        fill: what rotation, shift and reduction uncover: the ``nearest`` pixel, or the content's ``reflect``-ion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_jitter: float = Field(0.1, ge=0, le=0.5)
    keep_scale: float = Field(0.0, ge=0, le=1)
    flip: float = Field(0.5, ge=0, le=1)
    intact: float = Field(0.0, ge=0, le=1)
    rescale: float = Field(0.6, ge=0, le=1)
    rescale_sides: tuple[int, int] = (90, 320)
    codec: float = Field(0.7, ge=0, le=1)
    codec_quality: tuple[int, int] = (30, 98)
    blur: float = Field(0.15, ge=0, le=1)
    sharpen: float = Field(0.15, ge=0, le=1)
    smooth: float = Field(0.05, ge=0, le=1)
    noise: float = Field(0.15, ge=0, le=1)
    colour: float = Field(0.4, ge=0, le=1)
    grey: float = Field(0.05, ge=0, le=1)
    move: float = Field(1.0, ge=0, le=1)
    rotate: float = Field(0.0, ge=0, le=180)
    shift: float = Field(0.0, ge=0, le=0.5)
    zoom: float = Field(0.0, ge=0, le=0.5)
    fill: Literal["nearest", "reflect"] = "nearest"

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "preset" not in content:
            return content
        preset = content["preset"]
        if not isinstance(preset, str) or preset not in _PRESETS:
            raise ValueError(f"unknown preset {preset!r}; choose from {', '.join(_PRESETS)}")
        changes = {name: value for name, value in content.items() if name != "preset"}
        return _OFF | _PRESETS[preset] | changes

    @classmethod
    def off(cls) -> Augmentation:
        """No augmentation at all."""
        return cls(**_OFF)


_STEPS = ("crop_jitter", "flip", "rescale", "codec", "blur", "sharpen", "smooth", "noise", "colour", "grey")
_OFF: dict[str, Any] = dict.fromkeys(_STEPS, 0.0)
# Kinds of steps as in the papers. Where a paper gives no number, the recipe that uses the preset notes it.
_PRESETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "s0": {"rotate": 15.0, "shift": 0.15, "zoom": 0.15},
    "s1": {"flip": 0.5, "rotate": 10.0, "shift": 0.1, "zoom": 0.1},
    "s2": {"flip": 0.5, "rotate": 15.0, "zoom": 0.15},
    "s4": {"zoom": 0.2},
}


def augment(image: Image.Image, crop: Box, size: int, config: Augmentation, rng: np.random.Generator) -> Pixels:
    """One training view of an image.

    Args:
        image: RGB and upright.
        crop: the region that the network would see without augmentation, in pixels.
        size: side of the result in pixels.
        config: how strongly to vary.
        rng: the only source of randomness.

    Returns:
        uint8 [size, size, 3], RGB.
    """
    native = (crop[2] - crop[0], crop[3] - crop[1]) == (size, size)
    if native and config.keep_scale and rng.random() < config.keep_scale:
        part = _moved_crop(image, crop, config.crop_jitter, rng)
    else:
        part = _jittered_crop(image, crop, config.crop_jitter, rng)
    if (config.rotate or config.shift or config.zoom) and (config.move == 1 or rng.random() < config.move):
        part = _move(part, config, rng)
    if rng.random() < config.colour:
        part = _recolour(part, rng)
    if rng.random() < config.grey:
        part = part.convert("L").convert("RGB")
    if not config.intact or rng.random() >= config.intact:
        part = _wear(part, config, rng)
    if rng.random() < config.flip:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    # Half the time the filter used at inference, else any: the network must not depend on one filter's trace.
    resampler = "bicubic" if rng.random() < 0.5 else str(rng.choice(_SMOOTH_RESAMPLERS))
    return np.asarray(part.resize((size, size), RESAMPLERS[resampler]))


def _wear(part: Image.Image, config: Augmentation, rng: np.random.Generator) -> Image.Image:
    """Changes of the finest detail, as by editing, sending and storing."""
    if rng.random() < config.smooth:
        part = part.filter(ImageFilter.MedianFilter(3))
    if rng.random() < config.rescale:
        part = _rescale(part, config.rescale_sides, rng)
    if rng.random() < config.blur:
        part = part.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    if rng.random() < config.sharpen:
        percent, radius = int(rng.integers(40, 180)), float(rng.uniform(0.5, 2))
        part = part.filter(ImageFilter.UnsharpMask(radius, percent, 2))
    if rng.random() < config.noise:
        part = _add_noise(part, rng)
    if rng.random() < config.codec:
        part = recompress(part, config.codec_quality, rng)
        if rng.random() < 0.5:
            part = recompress(_rescale(part, config.rescale_sides, rng), config.codec_quality, rng)
    return part


def recompress(image: Image.Image, quality: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Save once as JPEG (probability 3/4) or WebP, at a quality drawn from the closed range."""
    buffer = io.BytesIO()
    level = int(rng.integers(quality[0], quality[1], endpoint=True))
    if rng.random() < 0.75:
        image.save(buffer, "JPEG", quality=level, subsampling=int(rng.integers(0, 3)))
    else:
        image.save(buffer, "WEBP", quality=level, method=1)
    decoded = Image.open(buffer)
    return decoded.convert("RGB")


def _jittered_crop(image: Image.Image, crop: Box, jitter: float, rng: np.random.Generator) -> Image.Image:
    x0, y0, x1, y1 = crop
    if jitter:
        width, height = x1 - x0, y1 - y0
        growth = float(rng.uniform(1 - jitter, 1 + jitter))
        x0 += width * (1 - growth) / 2 + float(rng.uniform(-jitter, jitter)) * width / 2
        y0 += height * (1 - growth) / 2 + float(rng.uniform(-jitter, jitter)) * height / 2
        x1, y1 = x0 + width * growth, y0 + height * growth
    left, right = _whole_pixels(x0, x1, image.width)
    top, bottom = _whole_pixels(y0, y1, image.height)
    return image.crop((left, top, right, bottom))


def _moved_crop(image: Image.Image, crop: Box, jitter: float, rng: np.random.Generator) -> Image.Image:
    """A crop at the image's own resolution: moved by whole pixels, never resized."""
    side = round(crop[2] - crop[0])
    left, top = (
        min(max(0, round(start + float(rng.uniform(-jitter, jitter)) * side / 2)), length - side)
        for start, length in zip(crop[:2], image.size, strict=True)
    )
    return image.crop((left, top, left + side, top + side))


def _whole_pixels(start: float, end: float, length: int) -> tuple[int, int]:
    """The nearest whole pixels inside the image, at least one: nothing would be a black image."""
    first = min(max(0, round(start)), length - 1)
    return first, max(first + 1, min(length, round(end)))


def _move(image: Image.Image, config: Augmentation, rng: np.random.Generator) -> Image.Image:
    """Rotate, shift and zoom the content about the centre, in one bicubic resampling."""
    angle = math.radians(float(rng.uniform(-config.rotate, config.rotate)))
    shift_x = float(rng.uniform(-config.shift, config.shift)) * image.width
    shift_y = float(rng.uniform(-config.shift, config.shift)) * image.height
    zoom = float(rng.uniform(1 - config.zoom, 1 + config.zoom))
    # From a place in the result to its origin in the image: Pillow needs the inverse transform.
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    centre_x, centre_y = image.width / 2, image.height / 2

    def origin(x: float, y: float) -> tuple[float, float]:
        x, y = x - centre_x - shift_x, y - centre_y - shift_y
        return cosine * x + sine * y + centre_x, cosine * y - sine * x + centre_y

    corners = np.array([origin(x, y) for x in (0, image.width) for y in (0, image.height)])
    # Two pixels more than the corners reach, for the filter's support.
    left, top = (2 + max(0, math.ceil(-low)) for low in corners.min(0))
    right, bottom = (2 + max(0, math.ceil(high - side)) for high, side in zip(corners.max(0), image.size, strict=True))
    mode: Literal["edge", "reflect"] = "edge" if config.fill == "nearest" else "reflect"
    padded = Image.fromarray(np.pad(np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode))
    start_x, start_y = origin(0, 0)
    inverse = (cosine, sine, start_x + left, -sine, cosine, start_y + top)
    return padded.transform(image.size, Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC)


def _rescale(image: Image.Image, sides: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Resize to a random longer side with a random filter; the aspect ratio varies by up to 3 %."""
    side = float(np.exp(rng.uniform(np.log(sides[0]), np.log(sides[1]))))
    scale = side / max(image.size)
    width = max(8, round(image.width * scale * float(rng.uniform(0.97, 1.03))))
    height = max(8, round(image.height * scale))
    return image.resize((width, height), RESAMPLERS[str(rng.choice(_SMOOTH_RESAMPLERS))])


def _recolour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(float(rng.uniform(0.7, 1.3)))
    gamma = float(np.exp(rng.uniform(-0.3, 0.3)))
    curve = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return image.point([int(level) for level in curve] * 3)


def _add_noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    # Half of the noise is grey, as luminance noise is; half has a colour of its own.
    channels = 1 if rng.random() < 0.5 else 3
    noise = rng.normal(0, rng.uniform(1, 10), (*pixels.shape[:2], channels)).astype(np.float32)
    return Image.fromarray(np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8))
