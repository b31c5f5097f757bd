"""Forensic ranges: which photographs they are made of, and their quantiles."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from _shared import draw_balanced, draw_capped
from forensic_ranges import (
    QUALITIES,
    SHORT_EDGES,
    _Compared,
    _Measured,
    central_range,
    compact,
    draw_class,
    make_ranges,
    save_as,
)
from unmask.data.rows import ManifestRow
from unmask.explain.views.ranges import parse
from unmask.explain.views.view import VIEWS

NAMES = [measure.name for view in VIEWS.values() for measure in view.measures]


def photograph(number: int, source: str, width: int, height: int) -> ManifestRow:
    size = {"width": str(width), "height": str(height)}
    return ManifestRow(path=f"{source}/{number}.jpg", label="real", source=source, split="train", extra=size)


def measured(value: float | None, source: str = "a", edge: int = 150) -> _Measured:
    return _Measured(source, "real", f"{value}", dict.fromkeys(NAMES, value), [0.0] * 32, "jpeg", 75.0, edge)


@example([0.0, 0.0, *[1.4000000000000001] * 58])
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
def test_ends_are_numpys_quantiles_rounded_outwards(values: list[float]) -> None:
    low, middle, high = central_range(values)
    exact = np.quantile(values, [0.025, 0.5, 0.975])
    assert low <= exact[0] <= exact[2] <= high
    assert [low, middle, high] == pytest.approx(exact, abs=2e-5)


def test_ends_by_hand() -> None:
    # 0 to 40: the quantiles 0.025 and 0.975 are the second smallest and the second largest
    assert central_range([float(each) for each in range(41)]) == [1.0, 20.0, 39.0]
    # no spread stays none, so that the reader can drop it
    assert central_range([1 / 3] * 9) == [1 / 3] * 3


def test_classes_do_not_overlap_and_leave_no_gap() -> None:
    for classes in ([each for each in QUALITIES if each], SHORT_EDGES):
        assert all(next_[0] == each[1] + 1 for each, next_ in pairwise(classes))
    assert QUALITIES[-1] is None
    assert QUALITIES[-2] == (94, 100)


def test_every_source_gives_so_many_of_the_size_and_half_as_many_shrunk_to_it() -> None:
    rows = [photograph(number, "large", 500, 400) for number in range(50)]
    rows += [photograph(number, "fitting", 250, 300) for number in range(60)]
    rows += [photograph(number, "small", 255, 900) for number in range(3)]
    rows += [photograph(number, "tiny", 130, 130) for number in range(9)]
    found = draw_class(rows, (200, 255), 20, seed=3)
    kept = Counter(each.row.source for each in found if each.side is None)
    shrunk = Counter(each.row.source for each in found if each.side is not None)
    # of the small source all three are of this size; tiny photographs are never enlarged
    assert kept == {"fitting": 20, "small": 3}
    assert shrunk == {"large": 10, "fitting": 10}
    # shrunk to a random size of the class, and to nine tenths of their own at most
    sides = {source: [each.side for each in found if each.side and each.row.source == source] for source in shrunk}
    assert all(200 <= side <= 255 for side in sides["large"])
    assert all(200 <= side <= 225 for side in sides["fitting"])
    assert len(set(sides["large"])) > 3
    # only shrunk ones are saved before, since the others have been already
    assert all(each.earlier is None for each in found if each.side is None)
    assert {each.earlier is None for each in found if each.side is not None} == {True, False}
    assert len({each.row.path for each in found}) == len(found)
    # the order of the rows does not matter
    assert draw_class(rows[::-1], (200, 255), 20, seed=3) == found


def test_photographs_are_saved_inside_the_class() -> None:
    [variant] = draw_class([photograph(1, "x", 300, 300)], (256, 359), 1, seed=0)
    for quality in QUALITIES:
        saved = save_as(variant, quality, seed=0)
        assert (saved.row, saved.side, saved.earlier) == (variant.row, variant.side, variant.earlier)
        if quality is None:
            assert saved.quality is None
        else:
            assert saved.quality is not None
            assert quality[0] <= saved.quality <= quality[1]
    assert {save_as(variant, (70, 79), seed).quality for seed in range(200)} == set(range(70, 80))


def test_held_out_photographs_come_from_all_sources_in_turn() -> None:
    rows = [photograph(number, "large", 9, 9) for number in range(50)]
    rows += [photograph(number, "small", 9, 9) for number in range(3)]
    assert Counter(row.source for row in draw_balanced(rows, 10, 0)) == {"large": 7, "small": 3}
    assert Counter(row.source for row in draw_balanced(rows, 4, 0)) == {"large": 2, "small": 2}
    assert Counter(row.source for row in draw_capped(rows, 5, 0)) == {"large": 5, "small": 3}


def test_ranges_and_what_lies_outside_them() -> None:
    """41 x 3 photographs of values 0 to 40: the range is 1 to 39, so 0 and 40 are outside."""
    items = [measured(float(value)) for value in range(41) for _ in range(3)]
    content = make_ranges([((70, 79), (128, 199), items)], "digest")
    [cell] = content["classes"]
    assert cell["n"] == 123
    assert cell["sources"] == {"a": 123}
    assert set(cell["figures"]) == set(NAMES) - {"jpeg_quality", "jpeg_quality_chroma", "jpeg_table_error"}
    low, middle, high, n = cell["figures"]["noise_level"]
    exact = np.quantile([each.values["noise_level"] for each in items], [0.025, 0.975])
    assert (low, middle, high, n) == (exact[0], 20.0, exact[1], 123)
    # through the file, as it is shipped
    compared = _Compared(parse(json.loads(compact(content))))
    outside = [compared.outside(measured(float(value)))["noise_level"] for value in range(41)]
    assert outside == [not exact[0] <= value <= exact[1] for value in range(41)]
    assert compared.rate([measured(0.0), measured(20.0)], "noise_level")["value"] == 0.5
    # not measured, or of another class: not compared
    assert compared.outside(measured(None)) == {}
    assert compared.outside(measured(20.0, edge=200)) == {}
    assert compared.rate([measured(None)])["n"] == 0


def test_the_file_has_one_line_per_measurement() -> None:
    content = {"central": 0.95, "classes": [{"figures": {"a": [0.1, 0.2, 0.3, 4], "b": []}, "quality": None}]}
    text = compact(content)
    assert json.loads(text) == content
    assert '"a": [0.1, 0.2, 0.3, 4],\n' in text
