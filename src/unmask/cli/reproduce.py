"""``unmask reproduce``: the systems of papers on your own images, next to the papers' metrics."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


class SplitOf(StrEnum):
    """Whose split is used."""

    paper = "paper"
    given = "given"


@with_examples(
    "unmask reproduce S0 --manifest faces.csv --out reproduction/",
    "unmask reproduce all --manifest faces.csv --epochs 2 --out trial/",
    "unmask reproduce S2 --manifest faces.csv --where source=ffhq --out ffhq/",
)
def reproduce(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="S0, S1, S2, S3, S4, or all.")],
    manifest: options.Manifest,
    out: options.OutFolder,
    root: options.Root = None,
    where: options.Where = None,
    split: Annotated[
        SplitOf, typer.Option(metavar="paper|given", help="Split as the paper does, or keep the manifest's split.")
    ] = SplitOf.paper,
    overrides: options.Overrides = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Limit of epochs per training phase.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="RECIPE", help="Run this recipe of the paper only (repeatable).")
    ] = None,
    seed: options.Seed = 1,
    workers: options.Loaders = None,
    as_json: options.Json = False,
) -> None:
    """Repeat a paper's experiments on your own images.

    Trains and tests every system of the paper with the paper's split and test, and compares the metrics with those in
    the paper. Writes reproduction.html, .md and .json, and a folder per run. A system that fails is reported, and the
    others continue.

    Exit codes: 0 all systems finished, 1 some system failed, 2 usage error, 3 missing extra.
    """
    from unmask.cli.hold import hold
    from unmask.cli.manifests import open_manifest, read_where
    from unmask.cli.training import prepare_training
    from unmask.evaluation.experiments.papers import PROTOCOLS

    prepare_training("Training")
    from unmask.evaluation.experiments.reproduce import Settings, reproduce
    from unmask.evaluation.reports.reproduce import report, write_page

    table = open_manifest(manifest, root)
    table.validate()
    settings = Settings(
        where=read_where(where or ()),
        overrides=tuple(overrides or ()),
        epochs=epochs,
        only=tuple(only or ()),
        seed=seed,
        given=split is SplitOf.given,
    )
    papers = list(PROTOCOLS) if paper.lower() == "all" else [paper.upper()]
    hold(out)
    result = reproduce(
        papers,
        table,
        out,
        settings,
        workers=workers,
        command=["unmask", *sys.argv[1:]],
        announce=lambda line: print(f"unmask: {line}", file=sys.stderr),
    )
    write_page(result, out)
    if as_json:
        print(result.to_json())
    else:
        print(report(result).markdown())
        print(f"Report: {out / 'reproduction.html'}")
    if any(system.error for found in result.papers for system in found.systems):
        raise typer.Exit(1)
