"""``unmask ablate``: what each part of a recipe is worth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.examples import with_examples

EXAMPLE = """Examples:

  unmask ablate s0-mobilenetv2-rf --manifest faces.csv --out ablation/

  unmask ablate mine.yaml --manifest faces.csv --only no-smote --only head-rbf_svm --seeds 5 --out ablation/
"""


@with_examples(EXAMPLE)
def ablate(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a YAML file.")],
    manifest: Annotated[Path, typer.Option(help="CSV or Parquet table of images with splits train, val and test.")],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Gets the page and all runs; a stopped call goes on there."),
    ],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIANT", help="Only this one, e.g. no-augmentation or head-mlp; may be repeated."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds of each variant, from the recipe's own up.")] = 3,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where crops and features are kept; DIR/cache of --out.")
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Bootstrap draws for intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    workers: Annotated[int | None, typer.Option(min=0, help="Loading processes; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report the whole result as one JSON object.")] = False,
) -> None:
    """Train a recipe without each of its parts and with each other head, and compare them on the same test images.

    Without augmentation, balancing, SMOTE, fine-tuning, face crop; what does not apply to the recipe is said. Writes
    ablation.html, .md and .json. Differences are paired by seed and image, with intervals, and corrected after Holm.

    Exit codes: 0 done, 2 wrong call, 3 a missing extra.
    """
    from unmask.cli.manifests import open_manifest
    from unmask.cli.training import prepare_training
    from unmask.recipes import Recipe

    prepare_training("An ablation")
    from unmask.evaluation.experiments.ablation import ablate as ablate_recipe
    from unmask.evaluation.experiments.ablation_variants import variants
    from unmask.evaluation.reports.ablation import render_markdown, write_report
    from unmask.stats.resample import Draws

    whole = Recipe.load(recipe, overrides or ())
    changed = variants(whole, tuple(only or ()))
    table = open_manifest(manifest, root)
    table.validate()
    result = ablate_recipe(
        whole,
        changed,
        table,
        out,
        seeds=seeds,
        draws=Draws(draws, seed),
        cache=cache,
        workers=workers,
        command=["unmask", *sys.argv[1:]],
        announce=lambda line: print(f"unmask: {line}", file=sys.stderr),
    )
    write_report(result, out)
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        print(render_markdown(result))
        print(f"More in {out / 'ablation.html'}")
