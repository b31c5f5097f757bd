"""``unmask train``: a recipe and a manifest to a run folder with a bundle in it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


class Accelerator(StrEnum):
    """The kinds of processor."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


@with_examples(
    "unmask train unmask-single --manifest faces.csv --out runs/mine",
    "unmask train mine.yaml --manifest faces.csv --out runs/mine --set seed=2",
    "unmask train mine.yaml --manifest faces.csv --out runs/mine --resume",
)
def train(
    recipe: options.Recipe,
    manifest: options.Manifest,
    out: Annotated[Path, typer.Option(metavar="RUN", help="Run folder; only --cache is written outside it.")],
    root: options.Root = None,
    overrides: options.Overrides = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Random seed; short for --set seed=N.")] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Start from the weights of another run's best epoch, or of a bundle."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Resume an interrupted run.")] = False,
    workers: options.Loaders = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for cached face crops (default: cache/ in the run folder)."),
    ] = None,
    cache_size: Annotated[
        float, typer.Option(metavar="GIB", min=0, help="Limit of the cache in GiB; 0 turns it off.")
    ] = 8.0,
    devices: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes on this machine; each has a GPU, where there are any.")
    ] = 1,
    nodes: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Machines that run this command, with MASTER_ADDR, MASTER_PORT and NODE_RANK set and RUN shared.",
        ),
    ] = 1,
    accelerator: Annotated[
        Accelerator, typer.Option(help="Processor that computes the network; auto: a GPU if there is one.")
    ] = Accelerator.AUTO,
    log: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACKER", help="Report the epochs to mlflow:URI or wandb, besides TensorBoard."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Train a detector on labelled images.

    Follows a recipe, and writes the bundle of the best epoch to bundle/ in the run folder. An interrupted run loses at
    most the current epoch: --resume continues after the last complete one, with the same result. With several devices
    each takes its part of every batch: schedule.batch_size stays the size of the whole one.

    Exit codes: 0 trained, 2 usage error, 3 missing extra.
    """
    from unmask.cli.manifests import open_manifest
    from unmask.cli.training import prepare_training
    from unmask.recipes import Recipe

    prepare_training("Training")
    from unmask.training.devices import Devices
    from unmask.training.fit import fit
    from unmask.training.start import Start

    changes = [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]
    table = open_manifest(manifest, root)
    table.validate()
    bundle = fit(
        Recipe.load(recipe, changes),
        table,
        out,
        start=Start(start_from) if start_from else None,
        resume=resume,
        workers=workers,
        cache=cache,
        cache_bytes=round(cache_size * 2**30),
        devices=Devices(devices, nodes, accelerator.value),
        trackers=log or (),
    )
    info = bundle.info
    if as_json:
        print(json.dumps({"bundle": str(out / "bundle"), "sha256": bundle.sha256, **info.card.metrics}))
    else:
        print(f"{info.name}: validation AUC {info.card.metrics['validation_auc']:.4f}, bundle in {out / 'bundle'}")
        print(f"next: unmask evaluate {out / 'bundle'} --manifest {manifest} --out evaluation")
