"""Forensic views as Markdown: ranges of their measurements, and the places of their peaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _markdown import Result, percent, share, table
from unmask.explain.views.view import VIEWS, Measure


def forensic_ranges(result: Result) -> list[str]:
    """Every view with its description and the ranges of its measurements."""
    side = result["longest_side"]
    intro = (
        f"Each range is the central 95 % of {result['n']:,} real photographs of the training split, from "
        f"{len(result['sources'])} sources, whose longer side is {side['low']:.0f} to {side['high']:.0f} pixels "
        f"(central 95 %, median {side['median']:.0f}). *Outside*: rate among {result['test']['real']:,} real and "
        f"{result['test']['fake']:,} fake test images, with 95 % Wilson intervals in parentheses. About 5 % of real "
        "images should be outside; a measurement tells something about fakes only if clearly more of them are. At "
        f"least one measurement is outside for {share(result['any_outside']['real'])} of the real and "
        f"{share(result['any_outside']['fake'])} of the fake images."
    )
    parts = [intro]
    for measured in result["views"]:
        view = VIEWS[measured["name"]]
        by_name = {figure["name"]: figure for figure in measured["figures"]}
        rows = (_row(measure, by_name[measure.name]) for measure in view.measures)
        parts += [
            f"### {view.title}",
            f"*Look for*: {_lower(view.look_for)} *Limits*: {_lower(view.cannot_show)}",
            table(("measurement", "real photographs", "median", "n", "outside: real", "outside: fake"), rows),
        ]
    return parts


def _lower(sentence: str) -> str:
    """A sentence after a colon; abbreviations keep their capitals."""
    return sentence if sentence[1].isupper() else sentence[0].lower() + sentence[1:]


def _row(measure: Measure, figure: Result) -> tuple[Any, ...]:
    name = f"{measure.title}{', ' + measure.unit if measure.unit else ''} (`{measure.name}`)"
    ends = f"{figure['low']:.3g} to {figure['high']:.3g}"
    outside = (share(figure["outside"][label]) for label in ("real", "fake"))
    return name, ends, f"{figure['median']:.3g}", figure["n"], *outside


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
