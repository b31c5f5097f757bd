"""Conditions to test detectors under: named tiers, and a grid of single degradations at several levels.

What a condition does to an image is a list of :class:`unmask.data.degrade.Step`, a function of the seed, the
image's path and the condition alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from PIL import Image, features

from unmask.data.degrade import Step, apply_steps
from unmask.errors import UsageError
from unmask.imaging.faces import Box, FaceFinder, FacePolicy

Rng = np.random.Generator
FindFace = Callable[[], Box | None]
_MakeSteps = Callable[[float, Image.Image, Rng, FindFace], list[Step]]

CLEAN: Final = "clean"
FACES: Final = (128.0, 96.0, 64.0)
"""Sides in pixels that the largest face is shrunk to."""


@dataclass(frozen=True)
class Condition:
    """One way in which images are changed before a detector sees them.

    Attributes:
        family: ``clean``, ``web``, ``hard``, ``face``, or what is varied, e.g. ``jpeg``.
        level: in the family's unit; ``None`` for a family without levels.
    """

    family: str
    level: float | None = None

    @property
    def name(self) -> str:
        """What files and tables call it, e.g. ``jpeg-40``."""
        return self.family if self.level is None else f"{self.family}-{self.level:g}"

    def steps(self, image: Image.Image, path: str, seed: int, find_face: FindFace) -> list[Step]:
        """The steps that degrade an image.

        Args:
            image: RGB and upright; crops and occlusions depend on it.
            path: what the image is known by.
            seed: random seed.
            find_face: box of the image's largest face; called only where a step depends on it.
        """
        # Not hash(): that differs from run to run.
        key = hashlib.sha256(f"{seed}\n{self.name}\n{path}".encode(errors="surrogatepass")).digest()
        rng = np.random.default_rng(np.frombuffer(key, np.uint32))
        return _FAMILIES[self.family].make(self.level or 0.0, image, rng, find_face)


@dataclass(frozen=True)
class Family:
    """Conditions that differ in strength.

    Attributes:
        about: the degradation in words.
        unit: of the level; '' where there is none.
        levels: in the order of a curve; empty where there is only one condition.
        make: steps of a level.
    """

    about: str
    unit: str
    levels: tuple[float, ...]
    make: _MakeSteps


def tiers() -> list[Condition]:
    """The tiers, mildest first within each family."""
    return _of_each(TIERS)


def grid(names: Sequence[str] = ()) -> list[Condition]:
    """The conditions of the named families, or of all that this installation can make.

    Raises:
        UsageError: ``unknown_condition``; ``unavailable_condition``, Pillow was built without that format.
    """
    for name in names:
        if name not in GRID:
            known = ", ".join(GRID)
            raise UsageError("unknown_condition", f"Unknown degradation {name!r} in the grid; there are {known}.")
        if name in unavailable():
            raise UsageError("unavailable_condition", f"This Pillow was built without {name.upper()}.")
    chosen = names or [name for name in GRID if name not in unavailable()]
    return _of_each(dict.fromkeys(chosen))


def clip_grid(names: Sequence[str] = ()) -> list[Condition]:
    """The clean clips, and the conditions of the named families of clips, or of all.

    Raises:
        UsageError: ``unknown_condition``.
    """
    for name in names:
        if name not in CLIP_GRID:
            known = ", ".join(CLIP_GRID)
            raise UsageError("unknown_condition", f"Unknown degradation {name!r} of clips; there are {known}.")
    chosen = names or tuple(CLIP_GRID)
    varied = [Condition(name, level) for name in dict.fromkeys(chosen) for level in (CLIP_GRID[name].levels or (None,))]
    return [Condition(CLEAN), *varied]


@cache
def unavailable() -> tuple[str, ...]:
    """Families of the grid for which Pillow lacks the codec."""
    return tuple(name for name in ("webp", "avif") if not features.check(name))


def family(condition: Condition) -> Family:
    """The family of a condition."""
    return _FAMILIES[condition.family]


def degrade(image: Image.Image, condition: Condition, path: str, seed: int, find_face: FindFace) -> Image.Image:
    """The image under a condition; arguments as for :meth:`Condition.steps`."""
    return apply_steps(image, condition.steps(image, path, seed, find_face))


class FaceOf:
    """The largest face of an image, searched at most once, with the default policy whatever the detector's is."""

    def __init__(self, image: Image.Image, finder: FaceFinder) -> None:
        self._image, self._finder = image, finder
        self._found: list[Box | None] = []

    def __call__(self) -> Box | None:
        """x0, y0, x1, y1 in pixels, or ``None``."""
        if not self._found:
            faces = self._finder.find(self._image)
            self._found.append(faces[0].box if faces else None)
        return self._found[0]


def default_finder() -> FaceFinder:
    """What :class:`FaceOf` searches with."""
    return FaceFinder(FacePolicy())


def _of_each(names: Iterable[str]) -> list[Condition]:
    """All conditions of some families."""
    return [Condition(name, level) for name in names for level in (_FAMILIES[name].levels or (None,))]


def _given(name: str, parameter: str, *, whole: bool = False, **fixed: Any) -> _MakeSteps:
    """One step whose parameter is the level."""

    def make(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
        return [Step(name, {parameter: round(level) if whole else level, **fixed})]

    return make


def _platform(side: int, quality: int) -> _MakeSteps:
    def make(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
        return [Step("fit", {"side": side}), Step("jpeg", {"quality": quality, "subsampling": "4:2:0"})]

    return make


def _face(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    # Without a face the whole image stands for it, as it does for the detector.
    x0, y0, x1, y1 = find_face() or (0.0, 0.0, float(image.width), float(image.height))
    factor = level / max(x1 - x0, y1 - y0)
    return [Step("rescale", {"factor": factor, "filter": "lanczos", "restore": False})] if factor < 1 else []


def _noise(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    return [Step("noise", {"sigma": level, "grey": False, "seed": int(rng.integers(2**32))})]


def _crop(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    left, top = (float(offset) for offset in rng.uniform(0, level, 2))
    return [Step("crop", {"box": [left, top, left + 1 - level, top + 1 - level]})]


def _rotate(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    return [Step("rotate", {"degrees": level if rng.random() < 0.5 else -level})]


def _grey(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    return [Step("grey", {})]


def _screenshot(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    steps = []
    for _ in range(round(level)):
        shown = {"factor": round(float(rng.uniform(0.6, 0.95)), 3), "border": 0.0, "bar": 0.0, "shade": 0}
        steps += [
            Step("screenshot", shown),
            Step("jpeg", {"quality": int(rng.integers(60, 86)), "subsampling": "4:2:0"}),
        ]
    return steps


def _occlude(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    # Without a face the whole image stands for it, as it does for the detector.
    x0, y0, x1, y1 = find_face() or (0.0, 0.0, float(image.width), float(image.height))
    width, height = (math.sqrt(level) * length for length in (x1 - x0, y1 - y0))
    left = x0 + float(rng.random()) * (x1 - x0 - width)
    top = y0 + float(rng.random()) * (y1 - y0 - height)
    box = [left, top, left + width, top + height]
    return [Step("occlude", {"box": [round(edge, 1) for edge in box], "shade": int(rng.integers(256))})]


def _no_steps(level: float, image: Image.Image, rng: Rng, find_face: FindFace) -> list[Step]:
    return []


TIERS: Final[dict[str, Family]] = {
    CLEAN: Family("the images as they are", "", (), _no_steps),
    "web": Family("longest side at most 768 px, JPEG 60", "", (), _platform(768, 60)),
    "hard": Family("longest side at most 512 px, JPEG 40", "", (), _platform(512, 40)),
    "face": Family("shrunk until the largest face has this side; smaller ones stay as they are", "px", FACES, _face),
}
GRID: Final[dict[str, Family]] = {
    "jpeg": Family(
        "JPEG, 4:2:0", "quality", (90, 75, 60, 40, 20), _given("jpeg", "quality", whole=True, subsampling="4:2:0")
    ),
    "webp": Family("WebP", "quality", (90, 75, 50, 25), _given("webp", "quality", whole=True)),
    "avif": Family("AVIF, 4:2:0", "quality", (80, 60, 40, 20), _given("avif", "quality", whole=True)),
    "rescale": Family(
        "shrunk with a bicubic filter",
        "of the side",
        (0.75, 0.5, 0.25),
        _given("rescale", "factor", filter="bicubic", restore=False),
    ),
    "blur": Family("Gaussian blur", "px radius", (1, 2, 4), _given("blur", "radius")),
    "noise": Family("Gaussian noise in each channel", "of 255, sigma", (4, 8, 16), _noise),
    "crop": Family("cropped at a random place", "of the side cropped", (0.1, 0.2, 0.4), _crop),
    "rotation": Family("rotated to a random side, corners cropped", "degrees", (5, 15, 30, 90), _rotate),
    "brightness": Family(
        "darkened or brightened, highlights clipped",
        "times as bright",
        (0.3, 0.5, 0.7, 1.4, 2.0),
        _given("brightness", "factor"),
    ),
    "grey": Family("without colour", "", (), _grey),
    "screenshot": Family(
        "scaled without antialiasing by 0.6 to 0.95 and re-encoded as JPEG 60 to 85", "times", (1, 2), _screenshot
    ),
    "occlusion": Family("a grey rectangle in the face's box", "of the box covered", (0.1, 0.25, 0.5), _occlude),
}
CLIP_GRID: Final[dict[str, Family]] = {
    "h264": Family("encoded again as H.264", "CRF", (23, 32, 40), _no_steps),
    "half-size": Family("shrunk to half the side, then encoded as H.264 at CRF 23", "", (), _no_steps),
}
"""Of clips; what they do is in :mod:`unmask.evaluation.clip_robustness`."""
_FAMILIES: Final = {**TIERS, **GRID, **CLIP_GRID}
