"""Forensic views and their registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from unmask.explain.views.subject import Subject

Comparison = Literal["inside", "outside", "no comparable reference", "not measured", "not compared"]
"""How a measurement compares with real photographs of the same compression and size."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement of a view, with its range in real photographs of the same compression and size.

    Attributes:
        name: stable, lower case with underscores, e.g. ``"noise_level"``; unique among all views.
        title: description for people.
        value: ``None`` if it cannot be measured: the image is too small, or not a JPEG file.
        unit: unit of value and range; ``""`` for ratios.
        low: lower end of the central 95 % of the reference photographs; ``None`` without a comparable reference.
        high: upper end of that range.
        n: number of photographs that the range was measured on; 0 without one.
        reference: the class of these photographs, e.g. ``"JPEG quality 88–93, short edge 360–640 pixels"``.
        compared: whether the measurement is compared with photographs at all; the quality of a JPEG is not.
    """

    name: str
    title: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    n: int
    reference: str | None = None
    compared: bool = True

    @property
    def comparison(self) -> Comparison:
        """How the value compares with the range."""
        if self.value is None:
            return "not measured"
        if self.low is None or self.high is None:
            return "no comparable reference" if self.compared else "not compared"
        return "outside" if self.outside else "inside"

    @property
    def outside(self) -> bool:
        """Whether the value is outside the range, as for 5 % of real photographs; false if not measured."""
        return (
            self.value is not None
            and self.low is not None
            and self.high is not None
            and not self.low <= self.value <= self.high
        )

    def to_json(self) -> dict[str, Any]:
        """The measurement as plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "value": self.value,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "outside": self.outside,
            "reference": self.reference,
            "comparison": self.comparison,
        }


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at an image.

    Attributes:
        name: stable, lower case with underscores.
        title: name for people.
        look_for: what to look for, in one sentence.
        cannot_show: the limits of the view, in one sentence.
        figures: its measurements, always the same in the same order.
        image: RGB, at most 1,024 pixels per side; ``None`` if there is nothing to show.
        facts: plain values for JSON that have no range.
    """

    name: str
    title: str
    look_for: str
    cannot_show: str
    figures: list[Figure]
    image: Image.Image | None
    facts: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The view as plain values, without its image."""
        return {
            "name": self.name,
            "title": self.title,
            "look_for": self.look_for,
            "cannot_show": self.cannot_show,
            "figures": [figure.to_json() for figure in self.figures],
            "facts": self.facts,
        }


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement without its value: name, title, unit and ``compared`` as in :class:`Figure`."""

    name: str
    title: str
    unit: str = ""
    compared: bool = True


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a view's function: values by name of measure, an image of any size, and facts."""

    values: Mapping[str, float | None]
    image: Image.Image | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered view: its texts, its measures, and its function."""

    name: str
    title: str
    look_for: str
    cannot_show: str
    measures: tuple[Measure, ...]
    look: Callable[[Subject], Findings]


VIEWS: dict[str, Registered] = {}
"""All views by name, in the order of registration."""


def register(
    name: str, *, title: str, look_for: str, cannot_show: str, measures: tuple[Measure, ...]
) -> Callable[[Callable[[Subject], Findings]], Callable[[Subject], Findings]]:
    """Register a function as a view; it takes any subject and returns a value or ``None`` for each measure."""

    def add(look: Callable[[Subject], Findings]) -> Callable[[Subject], Findings]:
        taken = {measure.name for view in VIEWS.values() for measure in view.measures}
        if name in VIEWS or taken & {measure.name for measure in measures}:
            raise ValueError(f"the view {name} or one of its measures is registered already")
        VIEWS[name] = Registered(name, title, look_for, cannot_show, measures, look)
        return look

    return add
