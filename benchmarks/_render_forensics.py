"""Forensic views as Markdown: the photographs they are compared with, and the places of their peaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _markdown import Result, percent, share, table
from unmask.explain.views.view import VIEWS, Measure


def forensic_ranges(result: Result) -> list[str]:
    """The classes of photographs, how many held-out ones are outside, and every view with its measurements."""
    held_out, own = result["held_out"], result["as_they_are"]
    central, least = f"{100 * result['central']:.0f} %", result["min_photographs"]
    intro = (
        f"Each range is the central {central} of real photographs of the training split in one class. Number of "
        f"photographs (sources; most of one source). Classes of fewer than {least} photographs are not used, nor are "
        "ranges without spread."
    )
    qualities = (
        f"{held_out['n']} real photographs of the validation and test splits, from {len(held_out['sources'])} sources "
        "in turn, saved once at each quality, compared with the ranges. 95 % Wilson intervals in parentheses; the "
        "measurements of one photograph are not independent, which the intervals allow for."
    )
    parts = [intro, _classes(result["classes"]), qualities, _held_out(held_out)]
    real, fake = own["real"], own["fake"]
    parts.append(
        f"Images of both splits as they are, so far as there are comparable photographs: {share(real['outside'])} of "
        f"the measurements of {real['compared']:,} real and {share(fake['outside'])} of those of "
        f"{fake['compared']:,} fake images are outside. A measurement tells something about fakes only if clearly more "
        "of them are outside."
    )
    for measured in result["views"]:
        view = VIEWS[measured["name"]]
        by_name = {figure["name"]: figure for figure in measured["figures"]}
        rows = [_row(measure, by_name[measure.name]) for measure in view.measures if measure.name in by_name]
        columns = (*map(str, (each["quality"] for each in held_out["by_quality"])), "real", "fake")
        header = ("measurement", *result["examples"], *(f"outside: {name}" for name in columns))
        parts += [
            f"### {view.title}",
            f"*Look for*: {_lower(view.look_for)} *Limits*: {_lower(view.cannot_show)}",
            table(header, rows),
        ]
    return parts


def _classes(classes: list[Result]) -> str:
    """One row per class of quality, one column per class of size."""
    edges = sorted({tuple(each["short_edge"]) for each in classes})
    cells = {(each["quality"] and tuple(each["quality"]), tuple(each["short_edge"])): each for each in classes}
    qualities = list(dict.fromkeys(quality for quality, _ in cells))

    def rows() -> Iterator[tuple[Any, ...]]:
        for quality in qualities:
            name = "lossless" if quality is None else f"JPEG quality {quality[0]}–{quality[1]}"
            found = (cells[quality, edge] for edge in edges)
            yield name, *(f"{each['n']:,} ({each['sources']}; {each['largest_source']})" for each in found)

    return table(("saved", *(f"short edge {low}–{high}" for low, high in edges)), rows())


def _held_out(held_out: Result) -> str:
    header = (
        "JPEG quality",
        "measurements outside",
        "with ranges made without the photograph's source",
        "photographs with any outside",
        "outside per photograph",
        "without comparable photographs",
    )
    rows = (
        (
            each["quality"],
            share(each["outside"]),
            share(each["outside_without_source"]),
            share(each["any_outside"]),
            f"{each['mean_outside']:.2f}",
            each["without_reference"],
        )
        for each in held_out["by_quality"]
    )
    return table(header, rows)


def _lower(sentence: str) -> str:
    """A sentence after a colon; abbreviations keep their capitals."""
    return sentence if sentence[1].isupper() else sentence[0].lower() + sentence[1:]


def _row(measure: Measure, figure: Result) -> tuple[Any, ...]:
    name = f"{measure.title}{', ' + measure.unit if measure.unit else ''} (`{measure.name}`)"
    examples = ("–" if each is None else f"{each[0]:.3g} to {each[2]:.3g}" for each in figure["examples"])
    return name, *examples, *(share(each) if each["n"] else "–" for each in figure["outside"].values())


def forensic_localisation(result: Result) -> list[str]:
    """How often the peak of a map lies inside the manipulated region."""
    titles = {"ela": "error level analysis", "noise": "noise residual", "evidence": "the detector's evidence map"}
    how = (
        f"{result['pictures']} real images of the {result['split']} split with a face, manipulated in a known region. "
        "95 % Wilson intervals in parentheses. *Untouched*: how often the peak of the map of the unchanged image lies "
        f"in the same mask ({result['mask']}). *Area*: the mask's proportion of the image."
    )

    def rows() -> Iterator[tuple[Any, ...]]:
        for row in result["rows"]:
            yield (
                row["manipulation"],
                row["state"],
                titles[row["map"]],
                row["inside"]["n"],
                share(row["inside"]),
                share(row["untouched"]),
                percent(row["chance"]),
            )

    header = ("manipulation", "file", "map", "images", "peak inside", "untouched", "area")
    return [how, table(header, rows())]
