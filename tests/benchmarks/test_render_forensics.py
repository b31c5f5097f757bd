"""The documents of the forensic results say what the results hold."""

from __future__ import annotations

from typing import Any

from _render_forensics import forensic_localisation, forensic_ranges
from unmask.explain.views.view import VIEWS


def _share(value: float, n: int = 200) -> dict[str, Any]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": n}


def test_ranges_with_their_texts_and_how_often_images_lie_outside() -> None:
    figure = {
        "low": 0.25,
        "median": 0.4,
        "high": 1.75,
        "n": 3940,
        "outside": {"real": _share(0.05), "fake": _share(0.31)},
    }
    names = [measure.name for measure in VIEWS["noise"].measures]
    text = "\n".join(
        forensic_ranges(
            {
                "n": 3942,
                "sources": {"a": 1, "b": 2},
                "longest_side": {"low": 178.0, "median": 250.0, "high": 1024.0},
                "test": {"real": 1122, "fake": 828},
                "any_outside": {"real": _share(0.6), "fake": _share(0.7)},
                "views": [
                    {
                        "name": "noise",
                        "figures": [figure | {"name": name} for name in names],
                    }
                ],
            }
        )
    )
    assert "3,942 real photographs" in text and "2 sources" in text and "178 to 1024 pixels" in text
    assert "60.0 % (58.0–62.0) of the real" in text
    # Texts are the library's own.
    view = VIEWS["noise"]
    assert f"### {view.title}" in text and view.look_for[1:] in text and view.cannot_show[1:] in text
    assert "levels (`noise_level`) | 0.25 to 1.75 | 0.4 | 3940 | 5.0 % (3.0–7.0) | 31.0 % (29.0–33.0) |" in text


def test_localisation_beside_chance_and_the_untouched_image() -> None:
    row = {
        "manipulation": "face swapped in",
        "state": "JPEG 85",
        "map": "ela",
        "inside": _share(0.64, 298),
        "untouched": _share(0.25),
        "chance": 0.255,
    }
    text = "\n".join(forensic_localisation({"pictures": 300, "split": "test", "mask": "half", "rows": [row]}))
    assert "300 real images of the test split" in text
    assert (
        "| face swapped in | JPEG 85 | error level analysis | 298 | 64.0 % (62.0–66.0) | 25.0 % (23.0–27.0) | 25.5 % |"
    ) in text
