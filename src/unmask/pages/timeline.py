"""A timeline of probabilities, made from plain numbers. ``timeline.html.j2`` draws it, ``timeline.js`` reads it out.

The lines are an SVG that is stretched to the width of the page; everything with text is placed on it in percent, so
that it stays readable on a telephone and on paper. The table below the plot holds every point: the script takes them
from there, and readers who see no plot have them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1000.0
HEIGHT: Final = 100.0

_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MOST_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class TimePoint:
    """One point of a line.

    Attributes:
        time_s: seconds from the start.
        value: in [0, 1].
        frame: index of the frame in the clip.
        word: a verdict's word, which colours the point.
        title: what the table says of the word.
    """

    time_s: float
    value: float
    frame: int
    word: str
    title: str


@dataclass(frozen=True, slots=True)
class TimeLine:
    """The points of one track, in the order of time.

    Attributes:
        name: in legend and table.
        points: at least one.
        main: whether it is drawn bold.
    """

    name: str
    points: tuple[TimePoint, ...]
    main: bool = False

    @property
    def first(self) -> TimePoint:
        """The first point, above which the name is drawn."""
        return self.points[0]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Values over time with a threshold and a band, and what else belongs to a moment.

    Attributes:
        duration_s: length of the axis in seconds; at least the last time.
        lines: in the order of legend and table.
        threshold: drawn dashed, in [0, 1].
        band: both ends of the hatched range.
        flags: seconds and letters of moments that are shown elsewhere on the page.
    """

    duration_s: float
    lines: tuple[TimeLine, ...]
    threshold: float
    band: tuple[float, float]
    flags: tuple[tuple[float, str], ...] = ()

    @property
    def rows(self) -> list[tuple[TimePoint, TimeLine]]:
        """All points with their lines, in the order of time, then of the lines."""
        listed = [(point, line) for line in self.lines for point in line.points]
        return sorted(listed, key=lambda each: each[0].time_s)  # stable

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Place in percent and label of the times on the axis."""
        length = max(self.duration_s, _STEPS[0])
        step = next((each for each in _STEPS if length / each <= _MOST_TICKS), length / _MOST_TICKS)
        count = int(self.duration_s / step + 1e-9)
        digits = 1 if step < 1 else 0
        return [(self.along(step * number), clock(step * number, digits)) for number in range(count + 1)]

    def along(self, time_s: float) -> float:
        """Where a time lies, in percent of the width."""
        return 100 * min(max(time_s / max(self.duration_s, 1e-9), 0.0), 1.0)

    def path(self, line: TimeLine) -> str:
        """The line through the points, in the units of the SVG."""
        return "M" + "L".join(self._place(point) for point in line.points)

    def dots(self, line: TimeLine) -> list[tuple[str, str]]:
        """For each word its points: lines of no length, which a round end turns into dots that are never stretched."""
        words = dict.fromkeys(point.word for point in line.points)
        return [
            (word, "".join(f"M{self._place(point)}h0" for point in line.points if point.word == word)) for word in words
        ]

    def _place(self, point: TimePoint) -> str:
        return f"{WIDTH / 100 * self.along(point.time_s):.1f} {HEIGHT * (1 - point.value):.2f}"


def clock(seconds: float, digits: int = 1) -> str:
    """A time for people: ``0:03.2``, ``12:05.0`` or ``1:02:03.4``."""
    units = round(seconds * 10**digits)
    whole, part = divmod(units, 10**digits)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    start = f"{hours}:{minute:02}" if hours else f"{minute}"
    return f"{start}:{second:02}" + (f".{part:0{digits}}" if digits else "")
