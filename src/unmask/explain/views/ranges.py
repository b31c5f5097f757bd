"""Ranges of the measurements in real photographs, from ``benchmarks/forensic_ranges.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Range:
    """The central 95 % of a measurement in n real photographs; ``None`` if there is none."""

    low: float | None
    high: float | None
    n: int


@cache
def reference() -> dict[str, Any]:
    """The content of ``ranges.json``: measurements by name, the radial curve, and the data they come from."""
    source = files("unmask.explain.views") / "ranges.json"
    if not source.is_file():
        return {"figures": {}, "radial": None}
    content: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return content


def figure_range(name: str) -> Range:
    """The range of one measurement; an empty one if it is unknown."""
    found = reference()["figures"].get(name)
    return Range(None, None, 0) if found is None else Range(found["low"], found["high"], found["n"])
