"""``unmask ablate``: what each part of a recipe contributes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask ablate s0-mobilenetv2-rf --manifest faces.csv --out ablation/",
    "unmask ablate mine.yaml --manifest faces.csv --only no-smote --out smote/",
)
def ablate(
    recipe: options.Recipe,
    manifest: options.Manifest,
    out: options.OutFolder,
    root: options.Root = None,
    overrides: options.Overrides = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VARIANT", help="Run this variant only, such as no-augmentation or head-mlp (repeatable)."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, metavar="N", help="Runs per variant, with successive random seeds.")
    ] = 3,
    cache: options.Cache = None,
    draws: options.Draws = 2000,
    seed: options.Seed = 0,
    workers: options.Loaders = None,
    as_json: options.Json = False,
) -> None:
    """Measure what each part of a recipe contributes.

    Trains the recipe without augmentation, balancing, SMOTE, fine-tuning and face crops, one at a time, and with every
    other classifier head, and compares the results on the same test images. The manifest needs the splits train, val
    and test. Differences are paired by random seed and image, and have confidence intervals and Holm's correction.
    Writes ablation.html, .md and .json. --seed is that of the bootstrap; the runs begin with the recipe's own.

    Exit codes: 0 done, 2 usage error, 3 missing extra.
    """
    from unmask.cli.hold import hold
    from unmask.cli.manifests import open_manifest
    from unmask.cli.training import prepare_training
    from unmask.recipes import Recipe

    prepare_training("An ablation")
    from unmask.evaluation.experiments.ablation import ablate as ablate_recipe
    from unmask.evaluation.experiments.ablation_variants import variants
    from unmask.evaluation.reports.ablation import report, write_report
    from unmask.stats.resample import Draws

    whole = Recipe.load(recipe, overrides or ())
    changed = variants(whole, tuple(only or ()))
    table = open_manifest(manifest, root)
    table.validate()
    hold(out)
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
        print(result.to_json())
    else:
        print(report(result).markdown())
        print(f"Report: {out / 'ablation.html'}")
