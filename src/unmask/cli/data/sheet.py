"""``unmask data sheet``: contact sheets."""

from __future__ import annotations

import json
from typing import Annotated, cast

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask data sheet faces.csv --out sheets/",
    "unmask data sheet faces.csv --out sheets/ --pick farthest --by label",
    "unmask data sheet faces.csv --out sheets/ --pick errors",
)
def sheet(
    manifest: options.ManifestArgument,
    out: options.OutOnly,
    root: options.Root = None,
    per: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Maximum number of images per sheet.")] = 48,
    by: Annotated[
        str, typer.Option(metavar="source|label", help="Draw a sheet per class and source, or per class.")
    ] = "source",
    pick: Annotated[
        str,
        typer.Option(
            metavar="random|nearest|farthest|errors",
            help="Pick images at random, by distance from the sheet's mean face, or those that a detector gets wrong.",
        ),
    ] = "random",
    model: options.Model = None,
    seed: options.AnySeed = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Draw contact sheets of a data set.

    They show what separates the classes apart from being fake. sheets.json lists the images of each sheet. The same
    random seed gives the same sheets, whatever the order of the rows. Distances are those of faces at 16 x 16 pixels.

    Exit codes: 0 drawn, 2 usage error, 3 broken bundle.
    """
    from unmask.cli.data.output import open_input
    from unmask.data.make.sheets import INDEX_NAME, PICKS, Judge, Pick, SheetPolicy, make_sheets
    from unmask.errors import UsageError
    from unmask.progress import progress_bar

    if by not in ("source", "label"):
        raise UsageError("bad_by", f"--by must be source or label, not {by!r}.")
    if pick not in PICKS:
        raise UsageError("bad_sheet", f"--pick must be one of {', '.join(PICKS)}, not {pick!r}.")
    if model is not None and pick != "errors":
        raise UsageError("bad_sheet", "--model needs --pick errors.")
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
