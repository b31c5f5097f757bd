"""``unmask train``: a recipe and a manifest to a run folder with a bundle in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a YAML file.")],
    manifest: Annotated[
        Path, typer.Option(help="CSV or Parquet table of images, or a folder with real/ and fake/ in it.")
    ],
    out: Annotated[Path, typer.Option(metavar="RUN", help="Run folder; nothing else is written but --cache.")],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same as --set seed=N.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Start from the best epoch of another run.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Continue an interrupted run.")] = False,
    workers: Annotated[int | None, typer.Option(min=0, help="Loading processes; by default one a CPU.")] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where face crops are kept between epochs; RUN/cache by default.")
    ] = None,
    cache_size: Annotated[float, typer.Option(metavar="GIB", min=0, help="Most room for them; 0: no cache.")] = 8.0,
    as_json: Annotated[bool, typer.Option("--json", help="Report the result as JSON.")] = False,
) -> None:
    """Train a recipe on a manifest, and write the bundle of its best epoch.

    A run that was killed loses at most the epoch it was in: --resume goes on from the last one, to the same figures.

    Example:

      unmask train unmask-single --manifest faces.csv --out runs/mine --set schedule.batch_size=16
    """
    from unmask.cli.training import prepare_training
    from unmask.data.manifest import Manifest
    from unmask.recipes import Recipe

    prepare_training("Training")
    from unmask.training.fit import fit

    changes = [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]
    table = Manifest.from_folders(manifest) if manifest.is_dir() else Manifest.open(manifest, root)
    table.validate()
    bundle = fit(
        Recipe.load(recipe, changes),
        table,
        out,
        start_from=start_from,
        resume=resume,
        workers=workers,
        cache=cache,
        cache_bytes=round(cache_size * 2**30),
    )
    info = bundle.info
    if as_json:
        print(json.dumps({"bundle": str(out / "bundle"), "sha256": bundle.sha256, **info.card.metrics}))
    else:
        print(f"{info.name}: validation AUC {info.card.metrics['validation_auc']:.4f}, bundle in {out / 'bundle'}")
