"""Time saved by the feature cache: a head trained on cached features, and epoch by epoch.

    python benchmarks/feature_cache.py --manifest ../shared/data/faces/manifest.csv --rows 2000 \\
        --out benchmarks/results/feature-cache.json

Two runs of one recipe on the same images with a frozen backbone, one after the other in one process:

epoch_by_epoch   every epoch decodes, augments and sends all images through the backbone
cached           every image goes through the backbone once, without augmentation; the epochs use its features

Both times are of the whole training. Face detection, which both share, is done before. The crop cache, which saves
decoding in the epoch-by-epoch run, counts for that run. A warm cache (another head, another random seed) is measured
too. Accuracies are on validation images, for the best epoch of each run.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask import Manifest, Recipe
from unmask.training.fit import fit
from unmask.training.rows import TrainingRows
from unmask.training.samples import find_samples
from unmask.training.state import read_history

_PACKAGES = ("unmask", "torch", "timm", "lightning", "numpy", "Pillow")


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path)
    parser.add_argument(
        "--rows", type=int, default=2000, help="use N rows, spread evenly over the manifest", metavar="N"
    )
    parser.add_argument("--recipe", default="s1-mobilenetv2-96")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="part.key=value")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial run")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="lightning")
    every = [row for row in open_edition(arguments.manifest, root=arguments.root) if row.split != "test"]
    chosen = np.linspace(0, len(every) - 1, min(arguments.rows, len(every))).astype(int)
    manifest = Manifest.from_rows([every[index] for index in chosen], arguments.root or arguments.manifest.parent)
    phase = f"schedule.phases=[{{epochs: {arguments.epochs}, learning_rate: 1.0e-3, train: head}}]"
    # No run may stop early: both are to take all their epochs.
    settings = [*arguments.overrides, phase, f"schedule.patience={arguments.epochs}", "schedule.monitor=val_auc"]
    with tempfile.TemporaryDirectory() as folder:
        result = _compare(Recipe.load(arguments.recipe, settings), manifest, Path(folder))
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, "", smoke=arguments.smoke),
            "recipe": arguments.recipe,
            "epochs": arguments.epochs,
            "rows": len(chosen),
            **result,
        },
    )
    print(f"{result['ratio']:.1f} times as fast from the cache, {result['warm_ratio']:.1f} times when it is warm")


def _compare(recipe: Recipe, manifest: Manifest, folder: Path) -> dict[str, Any]:
    find_samples(recipe, TrainingRows.read(manifest), folder)
    frozen = recipe.model_copy(update={"features": None})
    cached = Recipe.model_validate(recipe.model_dump() | {"features": {"copies": 0}})
    slow = _run(frozen, manifest, folder, "epoch_by_epoch")
    fast = _run(cached, manifest, folder, "cached")
    warm = _run(cached, manifest, folder, "warm", cache=folder / "cached" / "cache")
    return {
        "epoch_by_epoch": slow,
        "cached": fast,
        "warm": warm,
        "ratio": round(slow["seconds"] / fast["seconds"], 2),
        "warm_ratio": round(slow["seconds"] / warm["seconds"], 2),
    }


def _run(recipe: Recipe, manifest: Manifest, folder: Path, name: str, cache: Path | None = None) -> dict[str, float]:
    out = folder / name
    out.mkdir()
    shutil.copyfile(folder / "faces.jsonl", out / "faces.jsonl")
    began = time.perf_counter()
    bundle = fit(recipe, manifest, out, cache=cache)
    whole = time.perf_counter() - began
    parts = _timing(out)
    rows = read_history(out / "history.csv")
    best = max(rows, key=lambda row: float(row["val_auc"]))
    return {
        "seconds": round(parts["cache_seconds"] + parts["training_seconds"], 1),
        "seconds_with_packaging": round(whole, 1),
        "epochs": len(rows),
        "validation_accuracy": float(best["val_accuracy"]),
        "validation_auc": bundle.info.card.metrics["validation_auc"],
    }


def _timing(out: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((out / "timing.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
