"""Charts: where points, ticks, marks and bars lie, and that pages draw them with a table of the same values."""

from __future__ import annotations

import ast
from pathlib import Path

import jinja2
import pytest

import unmask.pages
from unmask.pages.charts import DEVIATES, LINEAR, Area, Mark, curves, histogram
from unmask.pages.page import render


def test_points_ticks_and_marks_lie_where_they_should() -> None:
    chart = curves(
        "Curve", "About.", {"curve": [(0, 0), (0.5, 0.75), (1, 1)]}, ("x", "y"), [("0", "0")],
        axes=("x", "y"), marks=[Mark(0.5, 0.75, 0.6, 0.8)],
    )  # fmt: skip
    # 200 units wide and high, y from the top.
    assert chart.lines == {"curve": "M0.0 200.0L100.0 50.0L200.0 0.0"}
    assert chart.ticks_x[0] == (0.0, "0 %") and chart.ticks_x[-1] == (200.0, "100 %")
    assert chart.ticks_y[0] == (200.0, "0 %") and chart.ticks_y[-1] == (0.0, "100 %")
    assert chart.marks == [pytest.approx((100.0, 50.0, 80.0, 40.0, 3.0))]


def test_own_ticks_and_height() -> None:
    chart = curves(
        "Curve", "About.", {"map": [(0, 1), (1, 0.5)]}, ("x",), [], ticks_x=[(1.0, "all")], ticks_y=[], height=100
    )
    assert chart.lines == {"map": "M0.0 0.0L200.0 50.0"}
    assert chart.ticks_x == [(200.0, "all")] and chart.ticks_y == []


@pytest.mark.parametrize(
    ("value", "place"),
    [
        # Both ends of the scale, and what lies beyond them.
        (0.0005, 0.0),
        (0.6, 1.0),
        (0.0, 0.0),
        (1.0, 1.0),
        # By tables of the normal quantile: (-1.6449 + 3.2905) / (0.2533 + 3.2905).
        (0.05, 0.46436),
    ],
)
def test_normal_deviate_scale(value: float, place: float) -> None:
    assert DEVIATES.place(value) == pytest.approx(place, abs=1e-4)
    assert LINEAR.place(value) == value


def test_histograms_by_hand() -> None:
    # Four bins of 60 units; the highest reaches the top, half of it half way down.
    assert histogram({"r": (0.5, 0.25, 0, 0.25)}) == [Area("r", "M0 60V0.0H60V30.0H120V60.0H180V30.0H240V60Z")]
    # One scale for both, or each its own.
    both = {"r": (1.0, 0.0), "f": (0.5, 0.5)}
    assert [area.path for area in histogram(both, shared_height=True)] == [
        "M0 60V0.0H120V60.0H240V60Z", "M0 60V30.0H120V30.0H240V60Z",
    ]  # fmt: skip
    assert histogram(both)[1].path == "M0 60V0.0H120V0.0H240V60Z"
    # Nothing in any bin lies on the ground line.
    assert histogram({"r": (0.0, 0.0)})[0].path == "M0 60V60.0H120V60.0H240V60Z"


def test_charts_are_drawn_with_their_table_and_escaped() -> None:
    chart = curves("A & B", "Less < more.", {"curve": [(0, 0), (1, 1)]}, ("x", "y"), [("1 <", "2")], axes=("x", "y"))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(unmask.pages.__file__).parent), autoescape=True, trim_blocks=True
    )
    page = environment.from_string(
        '{% import "charts.html.j2" as drawn %}{{ drawn.draw(charts) }}{{ drawn.histogram(areas, "0", "<1", "a") }}'
    ).render(charts=[chart], areas=histogram({"f": (1.0,)}))
    assert 'aria-label="A &amp; B: Less &lt; more.' in page and '<path class="curve" d="M0.0 200.0L200.0 0.0"/>' in page
    assert '<th scope="row">1 &lt;</th><td>2</td>' in page
    assert '<path class="area f" d="M0 60V0.0H240V60Z"/>' in page and ">&lt;1</text>" in page


def test_base_page_renders() -> None:
    assert render("unmask.pages/base.html.j2").startswith("<!doctype html>")


def test_pages_import_no_other_package() -> None:
    for module in Path(unmask.pages.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            others = [name for name in names if name.startswith("unmask") and not name.startswith("unmask.pages")]
            assert set(others) <= {"unmask.text"}  # of the ground floor
