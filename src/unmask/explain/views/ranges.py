"""Ranges of the measurements in real photographs of the same compression and size.

The same photograph has other noise, sharpness and spectra at another JPEG quality or size, so a measurement is compared
with photographs of its own class only. The classes and their ranges are ``ranges.json``, from
``benchmarks/forensic_ranges.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

MIN_PHOTOGRAPHS: Final = 100
"""Least number of photographs that a range is made of: the quantiles of fewer are too uncertain."""

Saved = Literal["jpeg", "lossless", "lossy", "unknown"]
"""How an image was saved last; ``lossy``: in another format than JPEG, ``unknown``: a JPEG of unknown quality."""

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Range:
    """The central part of a measurement in n real photographs, both ends included."""

    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Real photographs of one compression and size.

    Attributes:
        quality: lowest and highest JPEG quality, both included; ``None`` for lossless files.
        short_edge: smallest and largest short edge in pixels, both included.
        n: number of photographs.
        figures: ranges by name of the measurement; those with too few photographs or without spread are missing.
        radial: lower and upper end of the radial spectrum, float64 [32] each.
    """

    quality: tuple[int, int] | None
    short_edge: tuple[int, int]
    n: int
    figures: Mapping[str, Range]
    radial: tuple[Curve, Curve]

    def __str__(self) -> str:
        saved = "lossless" if self.quality is None else "JPEG quality {}–{}".format(*self.quality)
        return f"{saved}, short edge {self.short_edge[0]}–{self.short_edge[1]} pixels"


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """All classes of real photographs.

    Attributes:
        central: the proportion of photographs inside each range, e.g. 0.95.
        classes: the classes; no image belongs to two.
    """

    central: float
    classes: tuple[Reference, ...]

    def find(self, saved: Saved, quality: float | None, short_edge: int) -> Reference | str:
        """The class of an image, or why there is none.

        Args:
            saved: how it was saved last.
            quality: its JPEG quality; heeded for ``"jpeg"`` only.
            short_edge: its shorter side in pixels.

        Returns:
            The class, or what is unusual about the image, as part of a sentence.
        """
        if saved == "lossy":
            return "its format is neither JPEG nor lossless"
        if saved == "unknown":
            return "its JPEG quality is unknown"
        qualities = [each.quality for each in self.classes if each.quality is not None]
        wanted = None if saved == "lossless" else quality
        if wanted is not None and qualities and not _spans(qualities, wanted):
            return f"its JPEG quality is {wanted:.0f}; the photographs have {_ends(qualities)}"
        sizes = [each.short_edge for each in self.classes]
        if sizes and not _spans(sizes, short_edge):
            return f"its short edge has {short_edge} pixels; the photographs have {_ends(sizes)}"
        for each in self.classes:
            fits = (
                each.quality is None if wanted is None else each.quality is not None and _spans([each.quality], wanted)
            )
            if fits and _spans([each.short_edge], short_edge):
                return each
        return "there are too few photographs like it"


@cache
def references() -> References:
    """The content of ``ranges.json``; without the file no classes."""
    source = files("unmask.explain.views") / "ranges.json"
    return parse(json.loads(source.read_text(encoding="utf-8"))) if source.is_file() else References(0.95, ())


def parse(content: Mapping[str, Any]) -> References:
    """Classes from the content of ``ranges.json``; those of fewer than :data:`MIN_PHOTOGRAPHS` are left out."""
    return References(
        content["central"],
        tuple(
            Reference(
                None if each["quality"] is None else (each["quality"][0], each["quality"][1]),
                (each["short_edge"][0], each["short_edge"][1]),
                each["n"],
                MappingProxyType(
                    {
                        name: Range(low, high, n)
                        for name, (low, _, high, n) in each["figures"].items()
                        if n >= MIN_PHOTOGRAPHS and low < high
                    }
                ),
                (np.array(each["radial"]["low"]), np.array(each["radial"]["high"])),
            )
            for each in content["classes"]
            if each["n"] >= MIN_PHOTOGRAPHS
        ),
    )


def _spans(ranges: list[tuple[int, int]], value: float) -> bool:
    return min(low for low, _ in ranges) <= value <= max(high for _, high in ranges)


def _ends(ranges: list[tuple[int, int]]) -> str:
    return f"{min(low for low, _ in ranges)} to {max(high for _, high in ranges)}"
