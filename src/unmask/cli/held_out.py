"""``unmask held-out``: a recipe trained without sources, generators or folds, and tested on them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples(
    "unmask held-out mine.yaml --protocol loso --manifest faces.csv --out loso/",
    "unmask held-out mine.yaml --protocol kfold --manifest faces.csv --out cv/",
)
def held_out(
    recipe: options.Recipe,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="loso|logo|kfold", help="Leave one source out, leave one generator out, or cross-validation."
        ),
    ],
    manifest: options.Manifest,
    out: options.OutFolder,
    root: options.Root = None,
    overrides: options.Overrides = None,
    folds: Annotated[int, typer.Option(metavar="N", help="Number of folds of kfold.")] = 5,
    cache: options.Cache = None,
    draws: options.Draws = 2000,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Train a recipe and test it on sources that it has not seen.

    For each source (loso), generator (logo) or fold (kfold), a detector is trained without it and tested on it. The
    metrics are reported next to those of a detector trained on everything, in protocol.html, .md and .json.

    Exit codes: 0 done, 2 usage error, 3 missing extra.
    """
    from unmask.cli.hold import hold
    from unmask.cli.manifests import open_manifest
    from unmask.cli.training import prepare_training
    from unmask.recipes import Recipe

    prepare_training("Training")
    from unmask.evaluation.experiments.held_out import plan, run_protocol
    from unmask.evaluation.reports.held_out import report, write_report
    from unmask.stats.resample import Draws

    table = open_manifest(manifest, root)
    table.validate()
    planned = plan(table, protocol, folds=folds, seed=seed)
    hold(out)
    result = run_protocol(
        Recipe.load(recipe, overrides or []),
        planned,
        out,
        draws=Draws(draws, seed, workers),
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
        print(f"Report: {out / 'protocol.html'}")
