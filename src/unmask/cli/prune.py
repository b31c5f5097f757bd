"""``unmask bundle prune``: the network of a run with fewer channels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.evaluation.results.pruning import PrunedNetwork


@with_examples(
    "unmask bundle prune runs/mine --manifest f.csv --out pruned",
    "unmask bundle prune runs/mine --manifest f.csv --out p --keep 0.3",
)
def prune(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of unmask train with a network.")],
    manifest: options.Manifest,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the bundle and the training.")],
    root: options.Root = None,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help="Channels to take first, by surgeon, taylor or magnitude.")
    ] = None,
    keep: Annotated[
        float | None, typer.Option(metavar="P", help="Proportion of the multiplications that is to be left.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of parts to prune in.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Epochs of training after each part, 0 for none.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Peak learning rate of that training.")
    ] = None,
    images: Annotated[int | None, typer.Option(min=2, metavar="N", help="Training images per epoch.")] = None,
    max_auc_drop: Annotated[
        float, typer.Option(min=0, max=1, metavar="D", help="Stop before a network that loses more AUC than this.")
    ] = 0.01,
    draws: options.Draws = 2000,
    workers: options.Loaders = None,
    cache: options.Cache = None,
    as_json: options.Json = False,
) -> None:
    """Prune the network of a training run: fewer channels.

    Channels are taken away in parts. After each part the layers that are left are fitted to what they gave before, and
    with --epochs the network is trained. The bundle is that of the smallest network that keeps its AUC on the
    validation images; --json prints the AUC after every part. Without options the settings are those of the recipe's
    part pruning.

    Exit codes: 0 written, 2 usage error or too much lost, 3 missing extra.
    """
    from pydantic import ValidationError

    from unmask.bundle.schema import first_error
    from unmask.cli.extras import need
    from unmask.cli.hold import hold
    from unmask.cli.manifests import open_manifest
    from unmask.cli.training import prepare_training
    from unmask.errors import UsageError
    from unmask.files import OutputFolder

    prepare_training("Pruning")
    need("train", "Pruning", "torch_pruning")
    from unmask.evaluation.prune import prune as prune_run
    from unmask.recipes import Pruning
    from unmask.stats.resample import Draws
    from unmask.training.folder import read_recipe
    from unmask.training.prune import PrunedRun

    hold(out)
    if (out / "bundle").exists():
        raise UsageError("bundle_exists", f"{out} already holds a bundle; use another folder.")
    given: dict[str, Any] = {
        "method": method,
        "keep": keep,
        "steps": steps,
        "epochs": epochs,
        "learning_rate": learning_rate,
    }
    own = (read_recipe(run).pruning or Pruning()).model_dump()
    try:
        settings = Pruning.model_validate(own | {name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise UsageError("bad_call", f"The pruning is not possible: {first_error(error)}") from None
    folder = OutputFolder(out).path
    pruned = PrunedRun(
        run, open_manifest(manifest, root), folder, settings, images=images, workers=workers or 0, cache=cache
    )

    def show(network: PrunedNetwork) -> None:
        print(sentence(network), file=sys.stderr if as_json else sys.stdout, flush=True)

    result = prune_run(pruned, folder / "bundle", max_auc_drop=max_auc_drop, draws=Draws(draws), progress=show)
    if as_json:
        print(result.to_json())
    else:
        print(f"Bundle in {folder / 'bundle'}, sha256 {result.sha256}")


def sentence(network: PrunedNetwork) -> str:
    """A network in words."""
    change = network.change
    ends = "" if change.low is None or change.high is None else f" ({change.low:+.4f} to {change.high:+.4f})"
    return (
        f"{100 * network.kept:.0f} % of the multiplications ({network.multiplications / 1e6:.0f} million, "
        f"{network.parameters / 1e6:.2f} million parameters): AUC {network.auc:.4f}, change "
        f"{change.value or 0:+.4f}{ends}; {network.auc_before:.4f} before training again."
    )
