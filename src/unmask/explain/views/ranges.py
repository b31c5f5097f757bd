"""The ranges of the figures in real photographs, as ``benchmarks/forensic_ranges.py`` measured them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Range:
    """The central 95 % of a figure in n real photographs; ``None`` where it was not measured."""

    low: float | None
    high: float | None
    n: int


@cache
def reference() -> dict[str, Any]:
    """The content of ``ranges.json``: figures by name, the radial curve, what was measured, and on what."""
    source = files("unmask.explain.views") / "ranges.json"
    if not source.is_file():
        return {"figures": {}, "radial": None}
    content: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return content


def figure_range(name: str) -> Range:
    """The range of one figure; an empty one for a figure that was not measured."""
    found = reference()["figures"].get(name)
    return Range(None, None, 0) if found is None else Range(found["low"], found["high"], found["n"])
