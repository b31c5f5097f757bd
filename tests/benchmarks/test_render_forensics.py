"""The documents of the forensic results say what the results hold."""

from __future__ import annotations

from typing import Any

from _render_forensics import forensic_localisation, forensic_ranges
from unmask.explain.views.view import VIEWS


def _share(value: float, n: int = 200) -> dict[str, Any]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": n}


def _cell(quality: list[int] | None, edges: list[int], n: int) -> dict[str, Any]:
    return {"quality": quality, "short_edge": edges, "n": n, "sources": 21, "largest_source": 30}


def test_ranges_with_their_texts_and_how_often_images_lie_outside() -> None:
    figure = {
        "examples": [[0.25, 0.4, 1.75, 340], None],
        "outside": {"92": _share(0.05), "real": _share(0.06), "fake": _share(0.31)},
    }
    names = [measure.name for measure in VIEWS["noise"].measures]
    text = "\n".join(
        forensic_ranges(
            {
                "central": 0.95,
                "min_photographs": 100,
                "examples": ["quality 70–79, 200–255 pixels", "lossless, 360–640 pixels"],
                "classes": [
                    _cell([70, 79], [128, 199], 412),
                    _cell([70, 79], [200, 255], 1390),
                    _cell(None, [128, 199], 300),
                    _cell(None, [200, 255], 301),
                ],
                "held_out": {
                    "n": 200,
                    "sources": {"a": 100, "b": 100},
                    "by_quality": [
                        {
                            "quality": 92,
                            "outside": _share(0.05),
                            "outside_without_source": _share(0.07),
                            "any_outside": _share(0.6),
                            "mean_outside": 1.234,
                            "without_reference": 3,
                        }
                    ],
                },
                "as_they_are": {
                    "real": {"n": 400, "compared": 390, "outside": _share(0.05)},
                    "fake": {"n": 1800, "compared": 1750, "outside": _share(0.08)},
                },
                "views": [{"name": "noise", "figures": [figure | {"name": name} for name in names]}],
            }
        )
    )
    assert "central 95 % of real photographs" in text and "fewer than 100 photographs" in text
    assert "| saved | short edge 128–199 | short edge 200–255 |" in text
    assert "| JPEG quality 70–79 | 412 (21; 30) | 1,390 (21; 30) |" in text
    assert "| lossless | 300 (21; 30) | 301 (21; 30) |" in text
    assert "200 real photographs" in text and "from 2 sources" in text
    assert "| 92 | 5.0 % (3.0–7.0) | 7.0 % (5.0–9.0) | 60.0 % (58.0–62.0) | 1.23 | 3 |" in text
    assert "measurements of 390 real and 8.0 % (6.0–10.0) of those of 1,750 fake images" in text
    # Texts are the library's own.
    view = VIEWS["noise"]
    assert f"### {view.title}" in text and view.look_for[1:] in text and view.cannot_show[1:] in text
    assert "| quality 70–79, 200–255 pixels | lossless, 360–640 pixels | outside: 92 | outside: real |" in text
    assert (
        "levels (`noise_level`) | 0.25 to 1.75 | – | 5.0 % (3.0–7.0) | 6.0 % (4.0–8.0) | 31.0 % (29.0–33.0) |" in text
    )


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
