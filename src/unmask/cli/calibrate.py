"""``unmask calibrate``: a bundle's probabilities and thresholds set anew on labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.data.manifest import Manifest

EXAMPLE = """Examples:

  unmask calibrate --manifest my-images/ --out mine-calibrated

  unmask calibrate mine/bundle --manifest faces.csv --split val --prior 0.05 --budget 0.01 --out calibrated
"""


@with_examples(EXAMPLE)
def calibrate(
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Where the new bundle is written.")],
    manifest: Annotated[
        Path, typer.Option(help="CSV or Parquet table of images, or a folder with real/ and fake/ in it.")
    ],
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle's folder or zip, which stays as it is; the shipped one by default.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the table are relative to; by default its folder.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Which images of the manifest; by default val where it has splits; all for every one."),
    ] = None,
    method: Annotated[
        str, typer.Option(help="auto, temperature, platt or isotonic; auto keeps near the old one where data are few.")
    ] = "auto",
    prior: Annotated[float, typer.Option(help="Share of fakes that is expected in use.")] = 0.5,
    budget: Annotated[
        list[float] | None,
        typer.Option(help="Share of real images that may be called fake; may be repeated. By default 0.01 and 0.05."),
    ] = None,
    folds: Annotated[int, typer.Option(help="Parts that take turns in fitting and measuring.")] = 5,
    holdout: Annotated[
        bool, typer.Option("--holdout", help="Fit on all parts but the last, measure on that one only.")
    ] = False,
    draws: Annotated[int, typer.Option(min=100, help="Bootstrap draws for intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the parts and the draws.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as one JSON object.")] = False,
) -> None:
    """Set a bundle's probabilities, thresholds and uncertain band anew, on your own labelled images.

    Fifty images are enough to begin with. Figures are of images that nothing was fitted on, whole groups at a time,
    with their intervals; where there are too few images for a threshold, it is said and the old one is kept.

    Exit codes: 0 all read, 1 some image could not be read, 2 wrong call, 3 a missing extra or broken bundle.
    """
    from unmask.bundle.bundle import Bundle, write_bundle
    from unmask.cli.extras import need
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.errors import UsageError
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar

    need("train", "Calibration", "scipy", "sklearn")
    from unmask.evaluation.calibrate import Settings, score_logits
    from unmask.evaluation.calibrate import calibrate as calibrate_bundle
    from unmask.evaluation.calibration_metrics import sentences
    from unmask.stats.resample import Draws
    from unmask.training.calibration import BUDGETS

    settings = Settings(method, tuple(budget or BUDGETS), prior, folds, holdout, seed)  # type: ignore[arg-type]  # checked next
    settings.check()
    old = Bundle.open(bundle)
    if (out / "SHA256SUMS").exists():
        raise UsageError("bundle_exists", f"{out} holds a bundle already; a calibrated one needs a folder of its own.")
    table = open_manifest(manifest, root)
    chosen = choose_split(table, split or _default_split(table))
    folder = OutputFolder(out).path
    store = folder / "answers.jsonl"
    with progress_bar(f"{old.info.name}@{old.info.version}", sum(1 for _ in chosen)) as advance:
        images = score_logits(old, chosen, store, workers=workers, progress=advance)
    info, result = calibrate_bundle(
        old,
        images,
        settings,
        manifest_digest=chosen.digest(),
        in_training=table.digest() == old.info.card.manifest_digest and split != "test",
        draws=Draws(draws, seed, workers),
    )
    new = write_bundle(folder, info, old.model, old.golden)
    store.unlink()
    result |= {"bundle": str(out), "sha256": new.sha256}
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        print("\n".join(sentences(result)))
        print(f"Bundle in {out}, sha256 {new.sha256}")
    if images.unreadable:
        raise typer.Exit(1)


def _default_split(table: Manifest) -> str:
    """``val``, or ``all`` where no row says what it is for: ``test`` is to stay unseen."""
    return "val" if "split" in table.columns and any(row.split for row in table) else "all"
