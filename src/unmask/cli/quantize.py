"""``unmask bundle quantize``: a detector in fewer bits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

if TYPE_CHECKING:
    from unmask.data.manifest import Manifest


class Kind(StrEnum):
    """How a detector is quantised."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    FP16 = "fp16"
    WEIGHTS_8 = "weights-8"
    WEIGHTS_4 = "weights-4"


class Calibration(StrEnum):
    """How the range of an activation is found."""

    PERCENTILE = "percentile"
    ENTROPY = "entropy"
    MINMAX = "minmax"


@with_examples(
    "unmask bundle quantize --manifest faces.csv --out int8",
    "unmask bundle quantize mine/bundle --manifest f.csv --out int8 --max-size 5",
    "unmask bundle quantize accurate --manifest f.csv --out w4 --method fp16",
)
def quantize(
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the quantised bundle.")],
    manifest: options.Manifest,
    bundle: options.BundleArgument = None,
    root: options.Root = None,
    method: Annotated[
        Kind,
        typer.Option(
            metavar="NAME",
            help="Kind: static computes in 8 bits, dynamic only in matrix products and without calibration; fp16, "
            "weights-8 and weights-4 store weights smaller and compute as before.",
        ),
    ] = Kind.STATIC,
    calibration: Annotated[
        Calibration,
        typer.Option(metavar="NAME", help="Method for the ranges of static: percentile, entropy or minmax."),
    ] = Calibration.PERCENTILE,
    percentile: Annotated[
        float, typer.Option(min=90, max=100, metavar="P", help="Percentage of values inside a range.")
    ] = 99.999,
    images: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of training images that ranges are found on.")
    ] = 128,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Split to calibrate and compare on (default: val if there are splits)."),
    ] = None,
    keep_float: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Leave the N most sensitive layers in single precision (default: as few as --max-auc-drop allows).",
        ),
    ] = None,
    max_size: Annotated[
        float | None,
        typer.Option(min=0, metavar="MIB", help="Store the least sensitive weights in 4 bits until the graph fits."),
    ] = None,
    max_auc_drop: Annotated[
        float, typer.Option(min=0, max=1, metavar="D", help="Refuse a result that loses more AUC than this.")
    ] = 0.005,
    draws: options.Draws = 2000,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Quantise a detector: smaller, and with static also faster.

    Ranges are found on images of the split train. Probabilities, thresholds and the uncertain band are calibrated again
    on the split val, where the new detector is compared with the old one: AUC, balanced accuracy, verdicts that change,
    and how far probabilities move, with confidence intervals; size and speed.

    Exit codes: 0 written, 2 usage error or too much lost, 3 missing extra or broken bundle.
    """
    from unmask.bundle.bundle import CLIPS, Bundle, write_bundle
    from unmask.cli.extras import need
    from unmask.cli.hold import hold
    from unmask.cli.manifests import choose_split, open_manifest
    from unmask.errors import UsageError
    from unmask.files import OutputFolder
    from unmask.progress import progress_bar

    need("train", "Quantising", "onnx", "scipy", "sklearn", "torch")
    from unmask.evaluation.quantize import Settings
    from unmask.evaluation.quantize import quantize as quantize_bundle
    from unmask.evaluation.reports.quantization import sentences
    from unmask.stats.resample import Draws

    old = Bundle.open(bundle)
    hold(out)
    if (out / "SHA256SUMS").exists():
        raise UsageError("bundle_exists", f"{out} already holds a bundle; use another folder.")
    table = open_manifest(manifest, root)
    settings = Settings(
        method.value,
        calibration.value,
        percentile,
        images,
        keep_float,
        None if max_size is None else int(max_size * 2**20),
        max_auc_drop,
        seed,
    )
    bars: list[AbstractContextManager[Callable[[], None]]] = []

    def progress(name: str, steps: int) -> Callable[[], None]:
        while bars:
            bars.pop().__exit__(None, None, None)
        bars.append(progress_bar(name, steps))
        return bars[-1].__enter__()

    try:
        made = quantize_bundle(
            old,
            _training(table),
            choose_split(table, split or _validation(table)),
            settings,
            draws=Draws(draws, seed, workers),
            workers=workers,
            progress=progress,
        )
    finally:
        while bars:
            bars.pop().__exit__(None, None, None)
    new = write_bundle(OutputFolder(out).path, made.info, made.model, made.golden, old.files.get(CLIPS))
    result = made.result.model_copy(update={"bundle": str(out), "sha256": new.sha256})
    if as_json:
        print(result.to_json())
        return
    print("\n".join(sentences(result)))
    print(f"Bundle in {out}, sha256 {new.sha256}")


def _validation(table: Manifest) -> str:
    return "val" if "split" in table.columns and any(row.split for row in table) else "all"


def _training(table: Manifest) -> Manifest:
    """The rows of the split train; all rows where there is none: ranges need no labels."""
    train = table.select(split="train") if "split" in table.columns else table
    return train if next(iter(train), None) is not None else table
