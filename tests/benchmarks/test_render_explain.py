"""The document of the map's check says what the result holds."""

from __future__ import annotations

from typing import Any

from _render_explain import map_check


def _share(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 80}


def test_how_often_maps_pass_and_how_long_it_takes() -> None:
    row = {
        "name": "all",
        "n": 80,
        "reliable": _share(0.7),
        "as_full": _share(0.98),
        "as_thorough": _share(0.9),
        "quick_cpu_seconds": {"median": 0.614, "high": 0.7},
        "full_cpu_seconds": {"median": 1.25, "high": 1.5},
    }
    rows = [row, {"name": "verdict UNCERTAIN", "n": 0}]
    text = "\n".join(map_check({"split": "val", "orders": 8, "thorough_orders": 32, "rows": rows}))
    assert "80 images of the val split" in text and "8 random orders" in text and "32 other random orders" in text
    cells = "70.0 % (68.0–72.0) | 98.0 % (96.0–100.0) | 90.0 % (88.0–92.0) | 0.61 s (0.70 s) | 1.25 s (1.50 s)"
    assert f"| all | 80 | {cells} |" in text
    # no row for a verdict that no image got
    assert "UNCERTAIN" not in text
