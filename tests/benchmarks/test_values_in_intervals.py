"""No published value lies outside its own interval."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RESULTS = sorted((Path(__file__).resolve().parents[2] / "benchmarks" / "results").glob("*.json"))


def intervals(content: Any, place: str = "") -> Iterator[tuple[str, float, float, float]]:
    """Every value with both ends of its interval, and where it stands."""
    if isinstance(content, dict):
        found = [content.get(name) for name in ("value", "low", "high")]
        if all(isinstance(number, int | float) for number in found):
            yield place, *found
    if isinstance(content, dict | list):
        for name, part in content.items() if isinstance(content, dict) else enumerate(content):
            yield from intervals(part, f"{place}/{name}")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_values_lie_in_their_intervals(path: Path) -> None:
    found = intervals(json.loads(path.read_text(encoding="utf-8")))
    assert [each for each in found if not each[2] - 1e-9 <= each[1] <= each[3] + 1e-9] == []


def test_an_outsider_is_found() -> None:
    content = {"a": [{"value": 0.015, "low": 0.021, "high": 0.169}, {"value": 1, "low": None, "high": 2}]}
    assert list(intervals(content)) == [("/a/0", 0.015, 0.021, 0.169)]
