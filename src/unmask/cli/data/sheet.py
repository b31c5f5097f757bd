"""``unmask data sheet``: contact sheets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, cast

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask data sheet faces.csv --out sheets

  unmask data sheet faces.csv --out sheets --pick farthest --per 60 --by label

  unmask data sheet faces.csv --out sheets --pick errors --model runs/mine/bundle
"""


@with_examples(EXAMPLE)
def sheet(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet table, or a folder with real/ and fake/ in it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to; nothing is written outside it.")],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    per: Annotated[int, typer.Option(min=1, max=1000, help="Most images on a sheet.")] = 48,
    by: Annotated[
        str, typer.Option(metavar="source|label", help="A sheet for every class and source, or every class.")
    ] = "source",
    pick: Annotated[
        str,
        typer.Option(
            metavar="random|nearest|farthest|errors",
            help="At random; by distance of the face, at 16 x 16 pixels, to the sheet's mean; a detector's mistakes.",
        ),
    ] = "random",
    model: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="For errors: a bundle in place of the shipped one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the sheets show as JSON.")] = False,
) -> None:
    """Draw contact sheets, to look for what tells classes apart besides being fake.

    sheets.json lists what each sheet shows. The same seed gives the same sheets, in whatever order the rows stand.
    """
    from unmask.cli.data.output import open_input
    from unmask.data.make.sheets import INDEX_NAME, PICKS, Judge, Pick, SheetPolicy, make_sheets
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    if by not in ("source", "label"):
        raise UsageError("bad_by", f"--by is source or label, not {by!r}.")
    if pick not in PICKS:
        raise UsageError("bad_sheet", f"--pick is {', '.join(PICKS)}, not {pick!r}.")
    if model is not None and pick != "errors":
        raise UsageError("bad_sheet", "--model goes with --pick errors only.")
    table = open_input(manifest, root, out)
    judge: Judge | None = None
    if pick == "errors":
        from unmask.detect.detector import load

        detector = load(model)

        def judge(paths):  # type: ignore[no-untyped-def]
            return detector.detect_many(paths, workers)

    policy = SheetPolicy(cast(Pick, pick), per, by == "source", seed)
    with progress_bar("images", None) as advance:
        sheets = make_sheets(table, out, policy, judge=judge, workers=workers, progress=advance)
    if as_json:
        print(json.dumps(json.loads((out / INDEX_NAME).read_text(encoding="utf-8"))))
        return
    for made in sheets:
        print(f"{out / made.name}: {len(made.shown)} of {made.of}")
