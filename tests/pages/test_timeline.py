"""Where a timeline draws its points, and how it tells times. In a browser it is tested with the report on a clip."""

from __future__ import annotations

import pytest

from unmask.pages.timeline import TimeLine, Timeline, TimePoint, clock


def point(time: float, value: float, word: str = "REAL") -> TimePoint:
    return TimePoint(time, value, round(10 * time), word, word.title())


@pytest.fixture
def timeline() -> Timeline:
    one = TimeLine("1", (point(0.0, 0.25), point(2.0, 1.0, "FAKE"), point(4.0, 0.0)))
    two = TimeLine("2", (point(2.0, 0.5, "UNCERTAIN"),), main=True)
    return Timeline(8.0, (one, two), 0.7, (0.4, 0.6), flags=((2.0, "A"),))


def test_lines_and_dots_are_where_their_values_are(timeline: Timeline) -> None:
    one, two = timeline.lines
    assert timeline.path(one) == "M0.0 75.00L250.0 0.00L500.0 100.00"
    assert timeline.path(two) == "M250.0 50.00"
    assert timeline.dots(one) == [("REAL", "M0.0 75.00h0M500.0 100.00h0"), ("FAKE", "M250.0 0.00h0")]
    assert [timeline.along(time) for time in (-1.0, 0.0, 2.0, 8.0, 9.0)] == [0, 0, 25, 100, 100]


def test_the_table_has_every_point_by_time(timeline: Timeline) -> None:
    assert [(at.time_s, line.name) for at, line in timeline.rows] == [(0, "1"), (2, "1"), (2, "2"), (4, "1")]


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0.0, ["0:00.0"]),  # one still
        (0.3, ["0:00.0", "0:00.1", "0:00.2", "0:00.3"]),
        (4.0, ["0:00", "0:01", "0:02", "0:03", "0:04"]),
        (8.0, ["0:00", "0:02", "0:04", "0:06", "0:08"]),
        (3600.0, ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]),
    ],
)
def test_ticks_are_few_and_round(seconds: float, labels: list[str]) -> None:
    ticks = Timeline(seconds, (), 0.5, (0.4, 0.6)).ticks
    assert [label for _, label in ticks] == labels
    assert all(0 <= place <= 100 for place, _ in ticks)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 7.3, 61.0, 599.0, 86_400.0, 400_000.0])
def test_any_length_has_ticks_that_fit(seconds: float) -> None:
    assert 1 <= len(Timeline(seconds, (), 0.5, (0.4, 0.6)).ticks) <= 7


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0.0, 1, "0:00.0"),
        (3.25, 2, "0:03.25"),
        (59.96, 1, "1:00.0"),  # rounds up to the next minute
        (725.0, 0, "12:05"),
        (3723.4, 1, "1:02:03.4"),
    ],
)
def test_times_for_people(seconds: float, digits: int, text: str) -> None:
    assert clock(seconds, digits) == text
