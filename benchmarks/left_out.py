"""A recipe trained without each source of real images and each generator in turn, and tested on what it lacked.

    python benchmarks/left_out.py --manifest ../shared/data/faces/manifest.csv --work /tmp/left-out \\
        --set "schedule.phases=[{epochs: 1, learning_rate: 3e-3, train: head}, {epochs: 4, learning_rate: 5e-4}]" \\
        --out benchmarks/results/left-out.json

Each run lacks one source of real images and one generator of fakes at once, so ten trainings answer eighteen questions;
``--set`` shortens the recipe's schedule to make ten trainings affordable. Test rows are not used: training and
validation rows are held out, with the rows grouped with them. The threshold keeps the proportion ``KEPT`` of the real
validation images of seen sources real. A generator's AUC is against those same images. Each metric is reported with
that of the validation images in the other runs, which saw the source or generator. ``--work`` keeps the runs; call the
script again to resume an interrupted one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask import Detector
from unmask.bundle.bundle import Bundle
from unmask.cli.training import prepare_training
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.data.split.groups import read_grouping
from unmask.evaluation.measure import measure_within, rate
from unmask.evaluation.scores import Scores, score_manifest
from unmask.recipes import Recipe
from unmask.stats.images import Images
from unmask.stats.intervals import rounded
from unmask.stats.metrics import Flags, auc
from unmask.stats.resample import Draws

FOLDS: Final = {
    "celeba": "SDXL",
    "ciplab": "expert-photoshop",
    "dfdc": "dfdc-faceswap",
    "ffhq_1024": "FLUX1_schnell",
    "ffhq_stylegan_256": "stylegan",
    "lfw": "stable-diffusion-2.1",
    "lm300w": "generated.photos-stylegan",
    "mebeauty": "stylegan2",
    "portraitseg": "",
    "utkface": "",
}
"""What each run lacks: a source of real images, and a generator. Those of one data set go together."""

KEPT: Final = 0.96
_PACKAGES = ("unmask", "numpy", "torch", "timm", "scikit-learn", "onnxruntime")


def main() -> None:
    """Run and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--recipe", default="unmask-single")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the recipe"
    )
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial run")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    prepare_training("The benchmark")
    from unmask.evaluation.experiments.run_experiments import Experiment, run_series

    recipe = Recipe.load(arguments.recipe, arguments.set)
    manifest = open_edition(arguments.manifest)
    experiments = [
        Experiment(f"without {' and '.join(filter(None, fold))}", fold[0], recipe, without(manifest, *fold))
        for fold in FOLDS.items()
    ]
    series = run_series(
        experiments, arguments.work, announce=lambda line: print(line, file=sys.stderr, flush=True), workers=2
    )
    held_out, seen = [], []
    for fold, experiment, lacked in zip(FOLDS.items(), experiments, series, strict=True):
        folder = arguments.work / experiment.place
        detector = Detector(Bundle.open(folder / "run" / "bundle"))
        known = score_manifest(detector, experiment.manifest.select(split="val"), folder / "validation.jsonl")
        threshold = threshold_of(known)
        held_out += _held_out(*fold, replace(known, threshold=threshold), replace(lacked, threshold=threshold))
        seen.append(replace(known, threshold=threshold))
    for entry in held_out:
        entry["seen"] = _seen(seen, entry["column"], entry["value"])
    write_json(
        arguments.out,
        {
            "schema": 1,
            "run": describe_run(_PACKAGES, "", smoke=arguments.smoke),
            "recipe": {"name": recipe.name, "digest": recipe.digest(), "changed": arguments.set},
            "kept": KEPT,
            "validation_auc": [rounded(auc(Images.of(scores).score, scores.is_fake)) for scores in seen],
            "held_out": held_out,
        },
    )


def without(manifest: Manifest, source: str, generator: str) -> Manifest:
    """The manifest with what is left out as its test split, and without its own.

    Args:
        manifest: with splits ``train`` and ``val``.
        source: whose real images are left out.
        generator: whose fakes are; '' for none.
    """
    rows = [row for row in manifest if row.split in ("train", "val")]
    cluster = read_grouping(Manifest.from_rows(rows, manifest.root)).cluster_of_row.tolist()

    def is_lacked(row: ManifestRow) -> bool:
        return row.generator == generator if row.label == "fake" else row.source == source

    tainted = {at for at, row in zip(cluster, rows, strict=True) if is_lacked(row)}
    kept = [
        replace(row, split="test") if is_lacked(row) else row
        for at, row in zip(cluster, rows, strict=True)
        if is_lacked(row) or at not in tainted
    ]
    made = Manifest.from_rows(kept, manifest.root)
    made.name = manifest.name
    return made


def threshold_of(known: Scores) -> float:
    """The lowest threshold that keeps the proportion ``KEPT`` of the real images real."""
    real = np.sort(known.fake_probability[~known.is_fake & ~np.isnan(known.fake_probability)])
    return float(np.nextafter(real[int(np.ceil(KEPT * len(real))) - 1], np.inf))


def _held_out(source: str, generator: str, known: Scores, lacked: Scores) -> Iterator[dict[str, Any]]:
    images = Images.of(lacked)
    real, fake = ~lacked.is_fake, lacked.is_fake
    right = images.is_right
    yield {"column": "source", "value": source, "kept": rate(right[real], images.group[real]).model_dump()}
    if not generator:
        return
    yield {
        "column": "generator",
        "value": generator,
        "found": rate(right[fake], images.group[fake]).model_dump(),
        "auc": measure_within(_beside(known, ~known.is_fake, lacked, fake), Draws(2000, 0, 1))[0].model_dump(),
        "auc_against_left_out": measure_within(images, Draws(2000, 0, 1))[0].model_dump(),
    }


def _beside(first: Scores, of_first: Flags, second: Scores, of_second: Flags) -> Images:
    """Some images of two tables that have no group in common."""
    one, other = Images.of(first).where(of_first), Images.of(second).where(of_second)
    return Images(
        np.concatenate([one.is_fake, other.is_fake]),
        np.concatenate([one.probability, other.probability]),
        np.concatenate([one.called_fake, other.called_fake]),
        np.concatenate([one.group, other.group + len(one)]),
    )


def _seen(tables: list[Scores], column: str, value: str) -> dict[str, float | None]:
    """The mean of the same metrics on validation images, over the runs that saw a source or generator."""
    kept, areas = [], []
    for scores in tables:
        own = (np.asarray(scores.column(column), np.str_) == value) & (scores.is_fake == (column == "generator"))
        if not own.any():
            continue
        images = Images.of(scores)
        kept.append(float(images.is_right[own].mean()))
        if column == "generator":
            chosen = own | ~scores.is_fake
            areas.append(auc(images.score[chosen], scores.is_fake[chosen]))
    figures = {"kept" if column == "source" else "found": kept, "auc": areas}
    return {name: rounded(float(np.mean(values))) for name, values in figures.items() if values}


if __name__ == "__main__":
    main()
