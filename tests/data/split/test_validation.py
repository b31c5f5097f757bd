"""The validation part that is drawn by a hash of the group."""

from __future__ import annotations

import pytest

from unmask.data.rows import ManifestRow
from unmask.data.split.validation import group_of, is_set_aside, set_aside


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # SHA-256 of "a", "c", "f" and "d" begins with 0xca, 0x2e, 0x25 and 0x18; below 0.15 * 256 = 38.4 is set aside
        (ManifestRow(path="x.png", label="real", group="a"), False),
        (ManifestRow(path="x.png", label="real", group="c"), False),
        (ManifestRow(path="x.png", label="real", group="f"), True),
        (ManifestRow(path="x.png", label="fake", group="d"), True),
        # without a group the path counts
        (ManifestRow(path="d", label="real"), True),
        (ManifestRow(path="c", label="real"), False),
    ],
)
def test_known_rows(row: ManifestRow, expected: bool) -> None:
    assert is_set_aside(row) is expected


def test_about_15_percent_of_the_groups() -> None:
    rows = [ManifestRow(path=f"{n}.png", label="real", group=f"person {n}") for n in range(10_000)]
    # 39 of 256 values of the byte: 15.2 %; four standard deviations are 1.4 percentage points.
    assert sum(map(is_set_aside, rows)) / len(rows) == pytest.approx(39 / 256, abs=0.014)


@pytest.mark.parametrize("count", [2, 3, 6, 40])
@pytest.mark.parametrize("seed", range(12))
def test_each_class_is_on_both_sides_of_a_small_set(count: int, seed: int) -> None:
    rows = [ManifestRow(path=f"{seed}/{label}/{at}", label=label) for label in ("real", "fake") for at in range(count)]
    aside = set_aside(rows)
    for label in ("real", "fake"):
        own = {group_of(row) for row in rows if row.label == label}
        assert own & aside and own - aside
    # What the hash alone decides stays, but for one group of a class that would be missing.
    assert len(aside ^ {group_of(row) for row in rows if is_set_aside(row)}) <= 2
    # In any order.
    assert set_aside(rows[::-1]) == aside


def test_one_group_of_a_class_cannot_be_on_both_sides() -> None:
    rows = [ManifestRow(path=f"{at}", label=label, group=label) for label in ("real", "fake") for at in range(9)]
    assert set_aside(rows) == {row.group for row in rows if is_set_aside(row)}
