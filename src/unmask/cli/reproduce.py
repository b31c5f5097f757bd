"""``unmask reproduce``: the papers' systems on one's own images, beside what the papers report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask reproduce S0 --manifest faces.csv --out reproduction/

  unmask reproduce all --manifest faces.csv --where source=ffhq --epochs 2 --out trial/

  unmask reproduce S2 --manifest faces.csv --only s2-mobilenetv3-small --set preprocessing.size=128 --out small/
"""


class SplitOf(StrEnum):
    """Whose split is used."""

    paper = "paper"
    given = "given"


@with_examples(EXAMPLE)
def reproduce(
    seed: Annotated[str, typer.Argument(metavar="SEED", help="S0, S1, S2, S3 or S4, or all.")],
    manifest: Annotated[
        Path, typer.Option(help="CSV or Parquet table of images, or a folder with real/ and fake/ in it.")
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Gets the page and all runs; a stopped call goes on there."),
    ],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Only these rows; the same column again means either value."),
    ] = None,
    split: Annotated[
        SplitOf, typer.Option(help="Divide as the paper does, or keep the manifest's split.")
    ] = SplitOf.paper,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of every recipe.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs of every phase.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="RECIPE", help="Only this recipe; may be repeated.")] = None,
    random_seed: Annotated[int, typer.Option("--seed", min=0, help="Of splits and runs.")] = 1,
    workers: Annotated[int | None, typer.Option(min=0, help="Loading processes; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report the whole result as one JSON object.")] = False,
) -> None:
    """Run a paper's protocol: its split, its systems, their test; and set our figures beside the paper's.

    Writes reproduction.html, .md and .json, and keeps every run below DIR. A system that fails is reported and the
    others go on. What is finished is not run again.

    Exit codes: 0 all systems ran, 1 some did not, 2 wrong call, 3 a missing extra.
    """
    from unmask.cli.training import prepare_training
    from unmask.data.manifest import Manifest
    from unmask.evaluation.experiments.papers import PROTOCOLS

    prepare_training("Training")
    from unmask.evaluation.experiments.reproduce import Settings, reproduce
    from unmask.evaluation.reports.reproduce import write_page

    table = Manifest.from_folders(manifest) if manifest.is_dir() else Manifest.open(manifest, root)
    table.validate()
    settings = Settings(
        where=_where(where or ()),
        overrides=tuple(overrides or ()),
        epochs=epochs,
        only=tuple(only or ()),
        seed=random_seed,
        given=split is SplitOf.given,
    )
    papers = list(PROTOCOLS) if seed.lower() == "all" else [seed.upper()]
    result = reproduce(
        papers, table, out, settings, workers=workers, announce=lambda line: print(f"unmask: {line}", file=sys.stderr)
    )
    write_page(result, out, ["unmask", *sys.argv[1:]])
    systems = [system for found in result["papers"] for system in found["systems"]]
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        from unmask.evaluation.reports.reproduce import render_page

        print(render_page("md", result))
        print(f"More in {out / 'reproduction.html'}")
    if any(system["error"] for system in systems):
        raise typer.Exit(1)


def _where(conditions: Iterable[str]) -> dict[str, frozenset[str]]:
    from unmask.errors import UsageError

    found: dict[str, frozenset[str]] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals or not column:
            raise UsageError("bad_call", f"--where {condition!r} should read COLUMN=VALUE.")
        found[column] = found.get(column, frozenset()) | {value}
    return found
