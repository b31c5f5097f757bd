"""Charts for pages as SVG paths in their own units, made from plain numbers. ``charts.html.j2`` draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Final

WIDTH: Final = 200.0  # of a chart's inside
HISTOGRAM_WIDTH: Final = 240.0
HISTOGRAM_HEIGHT: Final = 60.0

_DEVIATE_RANGE: Final = (0.0005, 0.6)


@dataclass(frozen=True)
class Scale:
    """An axis for proportions.

    Attributes:
        place: where a value in [0, 1] lies on the axis, in [0, 1].
        ticks: values with a label.
    """

    place: Callable[[float], float]
    ticks: tuple[float, ...]


def _deviate(value: float) -> float:
    low, high = (NormalDist().inv_cdf(end) for end in _DEVIATE_RANGE)
    return (NormalDist().inv_cdf(min(max(value, _DEVIATE_RANGE[0]), _DEVIATE_RANGE[1])) - low) / (high - low)


LINEAR: Final = Scale(lambda value: value, (0.0, 0.25, 0.5, 0.75, 1.0))
DEVIATES: Final = Scale(_deviate, (0.001, 0.01, 0.05, 0.2, 0.5))
"""Normal deviates, from 0.05 % to 60 %; values beyond are drawn at the ends."""

Ticks = Sequence[tuple[float, str]]
"""Places in [0, 1] with their labels."""


@dataclass(frozen=True)
class Mark:
    """A point with a vertical whisker, all in [0, 1]; the dot's radius is in the chart's units."""

    x: float
    y: float
    low: float
    high: float
    radius: float = 3.0


@dataclass(frozen=True)
class Chart:
    """Curves in a frame, with a table of the same values for readers who do not see it.

    Attributes:
        title: heading.
        about: one sentence that says what the chart shows.
        axes: labels of the horizontal and the vertical axis; '' for none.
        lines: SVG path of each curve by its CSS class.
        height: of the inside; its width is 200.
        ticks_x: position and label along the horizontal axis.
        ticks_y: the same along the vertical axis, from the top.
        marks: x, y and both ends of each whisker, from the top left corner, and the radius of its dot.
        header: column names of the table.
        rows: cells of the table.
    """

    title: str
    about: str
    axes: tuple[str, str]
    lines: dict[str, str]
    height: float
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    marks: list[tuple[float, float, float, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Area:
    """One class of a histogram: its CSS class and its outline as an SVG path."""

    style: str
    path: str


def curves(
    title: str,
    about: str,
    lines: Mapping[str, Sequence[Sequence[float]]],
    header: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    *,
    axes: tuple[str, str] = ("", ""),
    scale: Scale = LINEAR,
    ticks_x: Ticks | None = None,
    ticks_y: Ticks | None = None,
    marks: Sequence[Mark] = (),
    height: float = WIDTH,
) -> Chart:
    """A chart of curves over the unit square.

    Args:
        title: heading.
        about: what the chart shows.
        lines: points (x, y) in [0, 1] of each curve, by the CSS class that styles it.
        header: column names of the table.
        rows: cells of the table.
        axes: labels of the axes.
        scale: of both axes.
        ticks_x: places and labels in place of those of the scale.
        ticks_y: the same for the vertical axis.
        marks: points with whiskers.
        height: of the inside.
    """
    of_scale = [(scale.place(value), f"{100 * value:g} %") for value in scale.ticks]

    def y(value: float) -> float:
        return height * (1 - value)

    return Chart(
        title=title,
        about=about,
        axes=axes,
        lines={
            name: path([(WIDTH * scale.place(x), y(scale.place(at))) for x, at in points])
            for name, points in lines.items()
        },
        height=height,
        ticks_x=[(WIDTH * place, text) for place, text in (of_scale if ticks_x is None else ticks_x)],
        ticks_y=[(y(place), text) for place, text in (of_scale if ticks_y is None else ticks_y)],
        header=header,
        rows=list(rows),
        marks=[(WIDTH * mark.x, y(mark.y), y(mark.low), y(mark.high), mark.radius) for mark in marks],
    )


def histogram(proportions: Mapping[str, Sequence[float]], shared_height: bool = False) -> list[Area]:
    """Outlines of histograms with bins of equal width.

    Args:
        proportions: of the images in each bin, by the CSS class of the outline.
        shared_height: whether all have one scale; by default each reaches the top.
    """
    tops = {style: max(values, default=0.0) for style, values in proportions.items()}
    if shared_height:
        tops = dict.fromkeys(tops, max(tops.values(), default=0.0))
    return [Area(style, steps(values, tops[style] or 1.0)) for style, values in proportions.items()]


def path(points: Sequence[tuple[float, float]]) -> str:
    """A line through points in the chart's units."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def steps(values: Sequence[float], top: float) -> str:
    """The outline of a histogram whose bars of the height ``top`` reach its top."""
    width = HISTOGRAM_WIDTH / len(values)
    found = [f"M0 {HISTOGRAM_HEIGHT:g}"]
    for at, value in enumerate(values):
        found.append(f"V{HISTOGRAM_HEIGHT * (1 - value / top):.1f}H{(at + 1) * width:g}")
    return "".join([*found, f"V{HISTOGRAM_HEIGHT:g}Z"])
