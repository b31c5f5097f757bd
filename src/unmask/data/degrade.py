"""Degradations that images suffer when edited, sent and stored, as a recipe that can be saved and applied again."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from unmask.errors import UsageError
from unmask.imaging.preprocessing import RESAMPLERS

_FILTERS = ("box", "bilinear", "hamming", "bicubic", "lanczos")
_LEAST_SIDE = 32
_WEBP_SIDE = 16383  # the longest that the format knows


@dataclass(frozen=True, slots=True)
class Step:
    """One degradation: its name and all that it needs, so that the same step gives the same pixels."""

    name: str
    parameters: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"step": self.name, **self.parameters}


def draw_steps(rng: np.random.Generator, allowed: Sequence[str] | None = None, most: int = 3) -> tuple[Step, ...]:
    """Between one and ``most`` different degradations in a random order.

    Args:
        rng: the only source of randomness.
        allowed: names to choose from; all of :data:`STEPS` by default.
        most: greatest number of degradations.

    Raises:
        UsageError: ``unknown_step``.
    """
    names = list(allowed or STEPS)
    if unknown := [name for name in names if name not in STEPS]:
        raise UsageError("unknown_step", f"Unknown degradation {unknown[0]!r}; choose from {', '.join(STEPS)}.")
    count = int(rng.integers(1, min(most, len(names)), endpoint=True))
    chosen = [names[index] for index in rng.permutation(len(names))[:count]]
    return tuple(Step(name, _STEPS[name][0](rng)) for name in chosen)


def apply_steps(image: Image.Image, steps: Iterable[Step]) -> Image.Image:
    """The degraded image; its size may differ.

    Args:
        image: RGB and upright. It is not changed.
        steps: in this order.

    Returns:
        RGB.
    """
    for step in steps:
        image = _APPLY[step.name](image, step.parameters)
    return image


def _rounded(value: float, digits: int = 3) -> float:
    return round(float(value), digits)


def _draw_rescale(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "factor": _rounded(np.exp(rng.uniform(np.log(0.25), np.log(0.9)))),
        "filter": str(rng.choice(_FILTERS)),
        "restore": bool(rng.random() < 0.5),
    }


def _rescale(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    # The factor applies down to a side of 32 pixels; a smaller image keeps its size.
    factor = max(p["factor"], min(1.0, _LEAST_SIDE / min(image.size)))
    small = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    resampler = RESAMPLERS[p["filter"]]
    reduced = image.resize(small, resampler)
    return reduced.resize(image.size, resampler) if p["restore"] else reduced


def _draw_jpeg(rng: np.random.Generator) -> dict[str, Any]:
    return {"quality": int(rng.integers(25, 91)), "subsampling": ["4:4:4", "4:2:2", "4:2:0"][rng.integers(3)]}


def _jpeg(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    return _through(image, "JPEG", quality=p["quality"], subsampling=p["subsampling"])


def _draw_webp(rng: np.random.Generator) -> dict[str, Any]:
    return {"quality": int(rng.integers(20, 91))}


def _webp(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    return _through(_fit(image, {"side": _WEBP_SIDE}), "WEBP", quality=p["quality"], method=4)


def _avif(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    # One thread and a named speed: the bytes must depend on neither the machine nor the version's defaults.
    return _through(image, "AVIF", quality=p["quality"], subsampling="4:2:0", speed=8, max_threads=1)


def _through(image: Image.Image, format_name: str, **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return Image.open(buffer).convert("RGB")


def _draw_blur(rng: np.random.Generator) -> dict[str, Any]:
    return {"radius": _rounded(rng.uniform(0.5, 3.0))}


def _blur(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(p["radius"]))


def _draw_noise(rng: np.random.Generator) -> dict[str, Any]:
    # The noise has its own seed, so that the step alone is enough to repeat it.
    return {
        "sigma": _rounded(rng.uniform(2, 18)),
        "grey": bool(rng.random() < 0.5),
        "seed": int(rng.integers(2**32)),
    }


def _noise(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    shape = (image.height, image.width, 1 if p["grey"] else 3)
    noise = np.random.default_rng(p["seed"]).normal(0, p["sigma"], shape).astype(np.float32)
    return Image.fromarray(np.clip(np.rint(np.asarray(image, np.float32) + noise), 0, 255).astype(np.uint8))


def _draw_grey(rng: np.random.Generator) -> dict[str, Any]:
    return {}


def _grey(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    return image.convert("L").convert("RGB")


def _draw_screenshot(rng: np.random.Generator) -> dict[str, Any]:
    dark = bool(rng.random() < 0.5)
    shade = int(rng.integers(0, 40) if dark else rng.integers(225, 256))
    return {
        "factor": _rounded(rng.uniform(0.5, 1.6)),
        "border": _rounded(rng.uniform(0, 0.08)),
        "bar": _rounded(rng.uniform(0.04, 0.1)) if rng.random() < 0.6 else 0.0,
        "shade": shade,
    }


def _screenshot(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    """As in a screenshot: scaled without antialiasing, a flat border, a bar with marks."""
    factor = max(p["factor"], min(1.0, _LEAST_SIDE / min(image.size)))
    shown = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    # A graphics card's bilinear reads four texels, however much it shrinks; Pillow's resize would antialias.
    steps = (image.width / shown[0], 0.0, 0.0, 0.0, image.height / shown[1], 0.0)
    scaled = image.transform(shown, Image.Transform.AFFINE, steps, Image.Resampling.BILINEAR)
    border = round(p["border"] * max(shown))
    bar = round(p["bar"] * max(shown))
    canvas = Image.new("RGB", (shown[0] + 2 * border, shown[1] + 2 * border + bar), (p["shade"],) * 3)
    canvas.paste(scaled, (border, border + bar))
    if bar >= 4:
        draw, ink = ImageDraw.Draw(canvas), (255 - p["shade"],) * 3
        third = bar // 3
        draw.rectangle((third, third, third + canvas.width // 5, 2 * third), fill=ink)
        for place in (1, 2, 3):
            right = canvas.width - place * 2 * third
            draw.rectangle((right - third, third, right, 2 * third), fill=ink)
    return canvas


def _fit(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    """Shrunk until the longer side has at most a number of pixels, as platforms do; never enlarged."""
    scale = p["side"] / max(image.size)
    if scale >= 1:
        return image
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), RESAMPLERS["lanczos"]
    )


def _crop(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    left, top, right, bottom = p["box"]  # fractions of width and height
    corners = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    x0, y0, x1, y1 = (round(corner) for corner in corners)
    return image.crop((x0, y0, max(x0 + 1, x1), max(y0 + 1, y1)))


def _rotate(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    """Rotated about the centre and cropped to the largest upright rectangle inside, so that no corner is invented."""
    if p["degrees"] % 90 == 0:
        return image.rotate(p["degrees"], expand=True)
    angle = math.radians(p["degrees"])
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    long, short = max(image.size), min(image.size)
    if short <= 2 * sine * cosine * long:
        # The two corners on the long side touch it, the others lie inside.
        inner = (short / 2 / sine, short / 2 / cosine)
        width, height = inner if image.width >= image.height else inner[::-1]
    else:
        double = cosine * cosine - sine * sine
        width = (image.width * cosine - image.height * sine) / double
        height = (image.height * cosine - image.width * sine) / double
    turned = image.rotate(p["degrees"], Image.Resampling.BICUBIC, expand=True)
    width, height = max(1, math.floor(width)), max(1, math.floor(height))
    left, top = (turned.width - width) // 2, (turned.height - height) // 2
    return turned.crop((left, top, left + width, top + height))


def _brightness(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(p["factor"])


def _occlude(image: Image.Image, p: dict[str, Any]) -> Image.Image:
    """A flat grey rectangle over part of the image."""
    covered = image.copy()
    x0, y0, x1, y1 = (round(edge) for edge in p["box"])  # pixels
    covered.paste((p["shade"],) * 3, (x0, y0, max(x0 + 1, x1), max(y0 + 1, y1)))
    return covered


_Draw = Callable[[np.random.Generator], dict[str, Any]]
_Apply = Callable[[Image.Image, dict[str, Any]], Image.Image]
_STEPS: dict[str, tuple[_Draw, _Apply]] = {
    "rescale": (_draw_rescale, _rescale),
    "jpeg": (_draw_jpeg, _jpeg),
    "webp": (_draw_webp, _webp),
    "blur": (_draw_blur, _blur),
    "noise": (_draw_noise, _noise),
    "grey": (_draw_grey, _grey),
    "screenshot": (_draw_screenshot, _screenshot),
}
STEPS = tuple(_STEPS)
"""The names of all degradations that can be drawn."""

# Steps that are never drawn: tests of robustness set their strength, and made images keep their geometry.
_APPLY: dict[str, _Apply] = {
    **{name: apply for name, (_, apply) in _STEPS.items()},
    "fit": _fit,
    "avif": _avif,
    "crop": _crop,
    "rotate": _rotate,
    "brightness": _brightness,
    "occlude": _occlude,
}
