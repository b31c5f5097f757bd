"""Run every registered view on an image and add the ranges of real photographs."""

from __future__ import annotations

from importlib import import_module

from PIL import Image

from unmask.explain.views.ranges import Reference
from unmask.explain.views.subject import Subject
from unmask.explain.views.view import VIEWS, Figure, Measure, Registered, View

# Each module registers its view; views are shown in this order.
for _module in (
    "ela",
    "noise",
    "sharpness",
    "colour",
    "ghosts",
    "jpeg_tables",
    "jpeg_grid",
    "dct",
    "spectrum",
    "radial",
):
    import_module(f"unmask.explain.views.{_module}")

MAX_SIDE = 1024
"""Longest side of a view's image, in pixels."""


def forensic_views(image: Image.Image, data: bytes | None = None) -> list[View]:
    """All views of one image, in a fixed order.

    Args:
        image: RGB and upright, as :func:`~unmask.imaging.decode.decode_image` returns it; any size from 1 x 1.
        data: the bytes of its file, to read a JPEG header; ``None`` for images in memory.
    """
    subject = Subject(image, data)
    return [_view(registered, subject) for registered in VIEWS.values()]


def comparable(image: Image.Image, data: bytes | None = None) -> Reference | str:
    """The real photographs that an image's measurements are compared with, or why there are none."""
    return Subject(image, data).reference


def _view(registered: Registered, subject: Subject) -> View:
    findings = registered.look(subject)
    figures = [
        _figure(measure, findings.values[measure.name], subject.reference if measure.compared else None)
        for measure in registered.measures
    ]
    image = findings.image
    if image is not None and max(image.size) > MAX_SIDE:
        image = image.copy()
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX)
    return View(
        registered.name,
        registered.title,
        registered.look_for,
        registered.cannot_show,
        figures,
        image,
        findings.facts,
    )


def _figure(measure: Measure, value: float | None, reference: Reference | str | None) -> Figure:
    found = reference.figures.get(measure.name) if isinstance(reference, Reference) else None
    if found is None:
        return Figure(measure.name, measure.title, value, measure.unit, None, None, 0, None, measure.compared)
    return Figure(measure.name, measure.title, value, measure.unit, found.low, found.high, found.n, str(reference))
