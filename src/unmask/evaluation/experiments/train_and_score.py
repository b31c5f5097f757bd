"""One experiment from images to scores: a recipe trained on a manifest, and its predictions for the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector
from unmask.errors import UsageError
from unmask.evaluation.scores import Scores, score_manifest
from unmask.progress import progress_bar
from unmask.recipes import Recipe
from unmask.training.fit import fit
from unmask.training.folder import finished_bundle
from unmask.training.rows import TrainingRows

SPLITS: Final = ("train", "val", "test")


def train_and_score(
    recipe: Recipe,
    manifest: Manifest,
    folder: Path,
    *,
    cache: Path | None = None,
    workers: int | None = None,
) -> Scores:
    """Train a recipe on the rows ``train`` and ``val`` of a manifest and score its rows ``test``.

    Existing work is reused: a finished run of the same recipe and manifest is not trained again, an interrupted one is
    resumed, and images that its bundle has scored are not scored again.

    Args:
        recipe: the experiment.
        manifest: the images; rows of other splits are ignored.
        folder: gets the run folder ``run``, ``answers.jsonl`` and ``scores.csv``.
        cache: folder of crops and features (default: ``folder/run/cache``). Experiments may share it.
        workers: loading processes in training (0 loads in this one) and threads in
            scoring (default: number of CPUs).

    Returns:
        The scores of the test images.

    Raises:
        UsageError: ``missing_split``, when the manifest has no rows to train on, to validate on or to test on;
            ``other_run``, when ``folder`` holds an experiment with another recipe or manifest; or what
            :func:`unmask.training.fit.fit` and :func:`unmask.evaluation.scores.score_manifest` raise.
    """
    rows = TrainingRows.read(manifest)
    _check_splits(manifest.name, {split for split, _ in rows.found})
    run = folder / "run"
    bundle = finished_bundle(run, recipe, rows.digest, "")
    if bundle is None:
        bundle = fit(recipe, rows, run, resume=(run / "run.json").exists(), workers=workers, cache=cache)
    test = manifest.select(split="test")
    threads = None if workers is None else max(workers, 1)
    with progress_bar(f"scoring {recipe.name}", sum(1 for _ in test)) as advance:
        scores = score_manifest(Detector(bundle), test, folder / "answers.jsonl", workers=threads, progress=advance)
    scores.write(folder / "scores.csv")
    return scores


def _check_splits(name: str, there: set[str]) -> None:
    missing = [split for split in SPLITS if split not in there]
    if missing:
        raise UsageError(
            "missing_split",
            f"{name}: an experiment needs rows of split train, val and test; there are none of "
            f"{' and '.join(missing)}. unmask data split makes them.",
        )
