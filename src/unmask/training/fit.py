"""One training run: faces found, network fitted, best checkpoint exported as a bundle. Killed, it can be resumed."""

from __future__ import annotations

import os
from pathlib import Path

import lightning.pytorch as pl

from unmask.bundle.bundle import Bundle
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.models.network import FaceNetwork, describe
from unmask.recipes import Recipe
from unmask.training.card import card_text
from unmask.training.curves import draw_curves
from unmask.training.dataset import FaceData, Sample
from unmask.training.folder import best_checkpoint, open_run, read_checkpoint, read_record
from unmask.training.loop import train_phases
from unmask.training.losses import inverse_frequency
from unmask.training.module import DetectorModule
from unmask.training.package import package_run
from unmask.training.samples import cache_crops, find_samples
from unmask.training.timing import Timing

CACHE_BYTES = 8 * 2**30


def fit(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    *,
    start_from: Path | None = None,
    resume: bool = False,
    workers: int | None = None,
    cache: Path | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> Bundle:
    """Train a recipe on a manifest.

    Rows with split ``train`` and ``val`` are used, and ``test`` is never read. A manifest without ``val`` rows has
    15 % of the groups of its ``train`` rows, or of those without a split, set aside by a hash of the group, so that
    no group stands on both sides.

    Args:
        recipe: the experiment.
        manifest: the pictures.
        out: the run folder; must not hold another run unless ``resume`` is set.
        start_from: a run folder whose best epoch gives the weights to start from, in place of the backbone's.
        resume: continue an interrupted run to the figures that it would have reached unbroken.
        workers: loading processes; the number of CPUs by default.
        cache: where what is computed once lies, ``out/cache`` by default. Runs may share it.
        cache_bytes: most bytes of crops in it; 0 reads the pictures in every epoch.

    Returns:
        The bundle, written to ``out/bundle``, of the best epoch by ``recipe.schedule.monitor``.

    Raises:
        UsageError: when ``out`` holds a run already, a run to resume is not there or of another recipe, manifest or
            start, there is nothing to start from or it is another network, or a split lacks a class.
    """
    open_run(out, recipe, manifest, start_from, resume=resume)
    timing = Timing(out / "timing.json")
    with timing.of("faces"):
        train, validation = find_samples(recipe, manifest, out)
    pl.seed_everything(recipe.seed, verbose=False)
    steps = (recipe.data.epoch_size or len(train)) // recipe.schedule.batch_size
    if steps == 0:
        raise UsageError("too_few_pictures", f"{len(train)} pictures do not fill one batch.")
    fakes = sum(sample.is_fake for sample in train)
    weights = inverse_frequency(len(train) - fakes, fakes) if recipe.data.class_weights else (1.0, 1.0)
    module = DetectorModule(recipe, steps, weights)
    if start_from is not None:
        try:
            module.load_state_dict(read_checkpoint(best_checkpoint(start_from))["state_dict"])
        except RuntimeError:  # torch: keys or shapes that differ
            raise UsageError("other_network", f"{start_from} holds a run of another network.") from None
    with timing.of("cache"):
        crops = cache_crops(train, recipe, cache or out / "cache", cache_bytes)
    processes = (os.cpu_count() or 1) if workers is None else workers
    with timing.of("training"):
        train_phases(module, FaceData(train, validation, recipe, processes, crops), out)
    draw_curves(out / "history.csv", recipe.schedule.monitor, out / "curves.png")
    with timing.of("packaging"):
        return _package(recipe, train, validation, out)


def export_run(run: Path, manifest: Manifest, folder: Path) -> Bundle:
    """Make the bundle of a run again from its best checkpoint, as :func:`fit` does at its end.

    Args:
        run: a run folder with at least one finished epoch.
        manifest: the one that the run was trained on.
        folder: where the bundle is written.
    """
    best_checkpoint(run)
    recipe = Recipe.load(run / "recipe.yaml")
    if read_record(run)["manifest"] != manifest.digest():
        raise UsageError("other_run", f"{run} holds a run of another manifest.")
    train, validation = find_samples(recipe, manifest, run)
    return _package(recipe, train, validation, run, folder)


def _package(
    recipe: Recipe, train: list[Sample], validation: list[Sample], run: Path, folder: Path | None = None
) -> Bundle:
    record = read_record(run)
    network = load_network(recipe, best_checkpoint(run))
    weights = describe(*network.branch_weights) | ({"started_from": record["start"]} if record["start"] else {})
    bundle = package_run(recipe, network, weights, train, validation, record["manifest"], folder or run / "bundle")
    if folder is None:
        (run / "card.md").write_text(card_text(bundle.info, bundle.sha256), encoding="utf-8")
    return bundle


def load_network(recipe: Recipe, checkpoint: Path) -> FaceNetwork:
    """The network of a checkpoint, ready to predict. Only tensors and plain values are read, never code."""
    module = DetectorModule(recipe, steps_per_epoch=1)
    module.load_state_dict(read_checkpoint(checkpoint)["state_dict"])
    return module.network.eval()
