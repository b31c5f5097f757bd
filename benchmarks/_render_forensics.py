"""Markdown of the results about forensic views: their ranges, and where their peaks lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _markdown import Result, percent, share, table


def forensic_ranges(result: Result) -> list[str]:
    """Every view with its texts and the ranges of its figures."""
    side = result["longest_side"]
    intro = (
        f"Ranges: the central 95 % of {result['n']:,} real photographs of the training split, from "
        f"{len(result['sources'])} sources; their longer side has {side['low']:.0f} to {side['high']:.0f} pixels "
        f"(central 95 %, median {side['median']:.0f}). *Outside*: of {result['test']['real']:,} real and "
        f"{result['test']['fake']:,} fake images of the test split, in brackets 95 % Wilson intervals. About 5 % of "
        "real images should lie outside; a figure speaks of fakes only as far as more of those do. At "
        f"least one figure is outside in {share(result['any_outside']['real'])} of the real and "
        f"{share(result['any_outside']['fake'])} of the fake images."
    )
    parts = [intro]
    for view in result["views"]:
        rows = (_figure(figure) for figure in view["figures"])
        parts += [
            f"### {view['title']}",
            f"*Look for*: {_lower(view['look_for'])} *Limits*: {_lower(view['cannot_show'])}",
            table(("figure", "real photographs", "median", "n", "outside: real", "outside: fake"), rows),
        ]
    return parts


def _lower(sentence: str) -> str:
    """A sentence that goes on after a colon; abbreviations keep their capitals."""
    return sentence if sentence[1].isupper() else sentence[0].lower() + sentence[1:]


def _figure(figure: Result) -> tuple[Any, ...]:
    name = f"{figure['title']}{', ' + figure['unit'] if figure['unit'] else ''} (`{figure['name']}`)"
    ends = f"{figure['low']:.3g} to {figure['high']:.3g}"
    outside = (share(figure["outside"][label]) for label in ("real", "fake"))
    return name, ends, f"{figure['median']:.3g}", figure["n"], *outside


def forensic_localisation(result: Result) -> list[str]:
    """How often the peak of a map lies inside the manipulated part."""
    titles = {"ela": "error level analysis", "noise": "noise residual", "evidence": "the detector's evidence map"}
    how = (
        f"{result['pictures']} real images of the {result['split']} split with a face, manipulated in a known "
        "part. In brackets 95 % Wilson intervals. *Untouched*: how often the peak of the same map of the "
        f"unchanged image lies in the same mask ({result['mask']}); *area*: the mask's share of the image."
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

    header = ("manipulation", "looked at", "map", "pictures", "peak inside", "untouched", "area")
    return [how, table(header, rows())]
