"""``unmask calibrate``: a bundle recalibrated on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.bundle.schema import Abstention
    from unmask.data.manifest import Manifest


@with_examples(
    "unmask calibrate --manifest my-images/ --out calibrated",
    "unmask calibrate mine/bundle --manifest faces.csv --prior 0.05 --out new",
    "unmask calibrate --method keep --manifest a.csv --photographs b.csv --out c",
)
def calibrate(
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the new bundle.")],
    manifest: options.Manifest,
    bundle: options.BundleArgument = None,
    root: options.Root = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Split to use, or all (default: val if the manifest has splits, else all)."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="auto|keep|temperature|platt|isotonic",
            help="Calibration method; auto chooses one, and changes little when there are few images; keep changes "
            "no probability.",
        ),
    ] = "auto",
    prior: Annotated[float, typer.Option(metavar="P", help="Proportion of fakes expected in use.")] = 0.5,
    budget: Annotated[
        list[float] | None,
        typer.Option(
            metavar="P", help="False-positive rate to set a threshold for (repeatable; default: 0.01 and 0.05)."
        ),
    ] = None,
    photographs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Set the thresholds on these held-out real images, best of sources that training did not see, in "
            "place of the manifest's.",
        ),
    ] = None,
    uncertain_below: Annotated[
        float | None,
        typer.Option(min=1, metavar="PX", help="Make verdicts UNCERTAIN where the face has a smaller side."),
    ] = None,
    uncertain_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="reencoded|resized",
            help="Make verdicts UNCERTAIN that change when the image is saved again as JPEG of quality 75, or shrunk "
            "to 75 % (repeatable).",
        ),
    ] = None,
    folds: Annotated[int, typer.Option(metavar="N", help="Number of cross-validation folds.")] = 5,
    holdout: Annotated[
        bool, typer.Option("--holdout", help="Measure on the last fold only, and fit on the others.")
    ] = False,
    draws: options.Draws = 2000,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Recalibrate a detector on your own labelled images.

    Sets the probabilities, thresholds and uncertain band of a new bundle; the old one is not changed. Fifty images are
    a good start. Metrics are cross-validated by group and have confidence intervals. A threshold that needs more images
    than there are keeps its old value, with a notice.

    Exit codes: 0 all images read, 1 some image could not be read, 2 usage error, 3 missing extra or broken bundle.
    """
    from unmask.bundle.bundle import CLIPS, Bundle, write_bundle
    from unmask.cli.extras import need
    from unmask.cli.hold import hold
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.errors import UsageError
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar

    need("train", "Calibration", "scipy", "sklearn")
    from unmask.evaluation.calibrate import Settings, score_logits
    from unmask.evaluation.calibrate import calibrate as calibrate_bundle
    from unmask.evaluation.calibration_metrics import sentences
    from unmask.evaluation.photographs import Photographs
    from unmask.stats.resample import Draws
    from unmask.training.calibration import BUDGETS

    settings = Settings(method, tuple(budget or BUDGETS), prior, folds, holdout, seed)  # type: ignore[arg-type]  # checked next
    settings.check()
    facts = set(uncertain_if or ())
    if unknown := sorted(facts - set(_CHANGES)):
        raise UsageError("bad_call", f"--uncertain-if must be {' or '.join(_CHANGES)}, not {unknown[0]!r}.")
    old = Bundle.open(bundle)
    hold(out)
    if (out / "SHA256SUMS").exists():
        raise UsageError("bundle_exists", f"{out} already holds a bundle; use another folder.")
    table = open_manifest(manifest, root)
    chosen = choose_split(table, split or _default_split(table))
    folder = OutputFolder(out).path
    store = folder / "answers.jsonl"
    with progress_bar(f"{old.info.name}@{old.info.version}", sum(1 for _ in chosen)) as advance:
        images = score_logits(old, chosen, store, workers=workers, progress=advance)
    held_out = None
    if photographs is not None:
        shown = open_manifest(photographs, root)
        shown = choose_split(shown, _default_split(shown))
        with progress_bar("photographs", sum(1 for _ in shown)) as advance:
            logits = score_logits(old, shown, store, workers=workers, progress=advance)
        held_out = Photographs.of(old, shown, logits)
    info, result = calibrate_bundle(
        old,
        images,
        settings,
        manifest_digest=chosen.digest(),
        in_training=table.digest() == old.info.card.manifest_digest and split != "test",
        draws=Draws(draws, seed, workers),
        photographs=held_out,
    )
    if facts or uncertain_below is not None:
        info = info.model_copy(update={"abstention": _rule(uncertain_below, facts)})
    new = write_bundle(folder, info, old.model, old.golden, old.files.get(CLIPS))
    store.unlink(missing_ok=True)  # none was needed for the rows of a scan
    result = result.model_copy(update={"bundle": str(out), "sha256": new.sha256})
    if as_json:
        print(result.to_json())
    else:
        print("\n".join(sentences(result)))
        print(f"Bundle in {out}, sha256 {new.sha256}")
    if images.unreadable or (held_out is not None and held_out.images.unreadable):
        raise typer.Exit(1)


_CHANGES: Final[dict[str, float]] = {"reencoded": 75, "resized": 0.75}


def _rule(smallest_face: float | None, facts: set[str]) -> Abstention:
    """The facts for which the new bundle's verdicts are uncertain."""
    from unmask.bundle.schema import Abstention

    changes = {name: value for name, value in _CHANGES.items() if name in facts}
    content = {"smallest_face": smallest_face, **changes, "provenance": "as asked for, not fitted"}
    return Abstention.model_validate(content)


def _default_split(table: Manifest) -> str:
    """``val``, or ``all`` if no row has a split: ``test`` must stay unseen."""
    return "val" if "split" in table.columns and any(row.split for row in table) else "all"
