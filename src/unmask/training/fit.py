"""One training run: find faces, train the network, export the best checkpoint as a bundle. It can be resumed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import lightning.pytorch as pl

from unmask.bundle.bundle import Bundle
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.files import hold, write_whole
from unmask.models.network import FaceNetwork, describe
from unmask.progress import progress_bar
from unmask.recipes import Recipe
from unmask.training.card import card_text
from unmask.training.classical import check_classifier, check_questions, package_classifier
from unmask.training.dataset import FaceData, Sample
from unmask.training.devices import Devices, Meeting
from unmask.training.ensemble import Fit, fit_ensemble, load_members
from unmask.training.features import FeatureCache, FeatureData, HeadModule, Pooled, check_cacheable, extract
from unmask.training.folder import best_checkpoint, open_run, read_checkpoint, read_recipe, read_record
from unmask.training.images import draw_first_batch, draw_worst
from unmask.training.learning_curves import draw_curves
from unmask.training.loop import keep_weights, train_phases
from unmask.training.losses import inverse_frequency
from unmask.training.module import DetectorModule
from unmask.training.package import Packaged, package_run
from unmask.training.rows import TrainingRows
from unmask.training.samples import cache_crops, cached_crops, find_samples
from unmask.training.start import Start
from unmask.training.state import broken_run
from unmask.training.temporal import fit_temporal
from unmask.training.timing import Timing
from unmask.training.tracking import Reported, check_trackers, open_trackers

CACHE_BYTES = 8 * 2**30


def fit(
    recipe: Recipe,
    manifest: Manifest | TrainingRows,
    out: Path,
    *,
    start: Start | None = None,
    resume: bool = False,
    workers: int | None = None,
    cache: Path | None = None,
    cache_bytes: int = CACHE_BYTES,
    devices: Devices | None = None,
    trackers: Sequence[str] = (),
) -> Bundle:
    """Train a recipe on a manifest.

    Rows with split ``train`` and ``val`` are used; images with split ``test`` are never opened. Without ``val`` rows
    about 15 % of the groups are set aside for validation, see :meth:`unmask.training.rows.TrainingRows.read`.

    Args:
        recipe: the experiment.
        manifest: the images, or their rows if they have been read already. The manifest is read once.
        out: the run folder; it must not hold a run unless ``resume`` is set.
        start: the weights to start from, instead of the backbone's. The members of an ensemble start from the members
            of a bundle.
        resume: resume an interrupted run; it ends with the same weights and metrics as an uninterrupted one.
        workers: loading processes of each device; default: the number of CPUs, divided by the devices of this machine.
        cache: folder for face crops and features, ``out/cache`` by default. Runs may share it.
        cache_bytes: maximum size of the crops in it; 0: no cache, images are decoded in every epoch.
        devices: where the network is trained; default: on one device. On several machines each calls this function.
        trackers: ``tensorboard``, ``mlflow:URI`` and ``wandb``, which the epochs are reported to besides
            ``history.csv``; TensorBoard's files are written in any case. Of an ensemble, the epochs of each member.

    Returns:
        The bundle of the best epoch by ``recipe.schedule.monitor``, written to ``out/bundle``.

    Raises:
        UsageError: ``run_exists``: ``out`` already holds a run; ``no_run`` or ``other_run``: there is no run to resume
            or to start from, or it is one of another recipe, manifest or start; ``other_network``: the run to start
            from has another network; ``missing_class``: a split has no readable image of a class;
            ``too_few_pictures``: fewer images than a batch; ``broken_run``: a file of the run to resume is damaged;
            ``folder_in_use``: another run is training in ``out``; ``cannot_write``; ``bad_devices``, ``no_meeting``:
            see :class:`~unmask.training.devices.Devices`; ``bad_tracker``.
        MissingExtraError: a tracker's package is not installed.
    """
    check_trackers(trackers)
    devices = devices or Devices()
    devices.check(recipe)
    if recipe.classifier is not None:
        check_classifier(recipe, recipe.classifier)
    if recipe.features is not None or not recipe.trains_network:
        check_cacheable(recipe)
    if recipe.ensemble is not None:
        load_members(recipe, recipe.ensemble)
    rows = manifest if isinstance(manifest, TrainingRows) else TrainingRows.read(manifest)
    if recipe.temporal is not None:
        with hold(out):
            bundle = fit_temporal(recipe, rows, out, resume=resume, workers=workers)
            write_whole(out / "card.md", card_text(bundle.info, bundle.sha256))
            return bundle
    cache = cache or out / "cache"
    if workers is None:
        workers = max(1, (os.cpu_count() or 1) // devices.per_node)
    with devices.meeting() as meeting:
        if not meeting.leads:
            return _follow(recipe, rows, out, start, workers, cache, cache_bytes, devices, meeting)
        with hold(out):
            open_run(out, recipe, rows.digest, start.describe() if start else "", resume=resume)
            timing = Timing(out / "timing.json")
            with timing.of("faces"):
                train, validation = find_samples(recipe, rows, out)
            check_questions(recipe, train, validation)
            if recipe.ensemble is None:
                module = _network(recipe, train, start)
                if recipe.trains_network:
                    with timing.of("cache"):
                        data = _data(recipe, module, train, validation, workers, cache, cache_bytes)
                    if isinstance(data, FaceData):
                        draw_first_batch(data, out / "samples.png")
                    meeting.say("prepared")
                    with timing.of("training"), open_trackers(trackers, out, recipe) as loggers:
                        train_phases(module, data, out, devices, [Reported(loggers, out / "history.csv")])
                    draw_curves(out / "history.csv", recipe.schedule.monitor, out / "curves.png")
                else:
                    keep_weights(module, out)
            member = partial(
                fit, workers=workers, cache=cache, cache_bytes=cache_bytes, devices=devices, trackers=trackers
            )
            with timing.of("packaging"):
                bundle, probability = _package(
                    recipe, rows, train, validation, out, out / "bundle", cache, workers, member, start
                )
                draw_worst(validation, probability, recipe.preprocessing, out / "worst.png")
            write_whole(out / "card.md", card_text(bundle.info, bundle.sha256))
            meeting.say("packaged")
            meeting.part()
            return bundle


def _follow(
    recipe: Recipe,
    rows: TrainingRows,
    out: Path,
    start: Start | None,
    workers: int,
    cache: Path,
    cache_bytes: int,
    devices: Devices,
    meeting: Meeting,
) -> Bundle:
    """Train on a machine that is not the first one, which has found faces and cached crops before."""
    if recipe.trains_network:
        meeting.wait("prepared")
        train, validation = find_samples(recipe, rows, out)
        module = _network(recipe, train, start)
        if recipe.features is None:
            crops = cached_crops(recipe, cache, cache_bytes)
            data: pl.LightningDataModule = FaceData(train, validation, recipe, workers, crops)
        else:
            data = _data(recipe, module, train, validation, workers, cache, cache_bytes)
        train_phases(module, data, out, devices)
    meeting.wait("packaged")
    bundle = Bundle.open(out / "bundle")
    meeting.part()
    return bundle


def _network(recipe: Recipe, train: list[Sample], start: Start | None) -> DetectorModule:
    pl.seed_everything(recipe.seed, verbose=False)
    steps = (recipe.data.epoch_size or len(train)) // recipe.schedule.batch_size
    if steps == 0 and recipe.trains_network:
        text = (
            f"{len(train):,} training images do not fill a batch of {recipe.schedule.batch_size}: use more images, or "
            f"--set schedule.batch_size={len(train)}."
        )
        raise UsageError("too_few_pictures", text)
    fakes = sum(sample.is_fake for sample in train)
    weights = inverse_frequency(len(train) - fakes, fakes) if recipe.data.class_weights else (1.0, 1.0)
    module = (DetectorModule if recipe.features is None else HeadModule)(recipe, steps, weights)
    if start is not None:
        start.fill(module, train)
    return module


def _data(
    recipe: Recipe,
    module: DetectorModule,
    train: list[Sample],
    validation: list[Sample],
    workers: int,
    cache: Path,
    cache_bytes: int,
) -> pl.LightningDataModule:
    if recipe.features is None:
        return FaceData(train, validation, recipe, workers, cache_crops(train, recipe, cache, cache_bytes))
    return FeatureData(_pool(recipe, module.network, train, validation, cache, workers), train, recipe)


def _pool(
    recipe: Recipe,
    network: FaceNetwork,
    train: list[Sample],
    validation: list[Sample],
    cache: Path,
    workers: int | None,
) -> Pooled:
    views = len(train) * (1 + (recipe.features.copies if recipe.features else 0)) + len(validation)
    with progress_bar("pooling features", views) as advance:
        return extract(network, train, validation, recipe, FeatureCache(cache / "features"), advance, workers)


def export_run(run: Path, manifest: Manifest, folder: Path) -> Bundle:
    """Export a run's best checkpoint again, to the same bundle that :func:`fit` writes at its end.

    Args:
        run: a run folder with at least one finished epoch.
        manifest: the manifest that the run was trained on.
        folder: where the bundle is written.

    Raises:
        UsageError: ``no_run``, or ``other_run``: the run was trained on another manifest.
    """
    recipe = read_recipe(run)
    if recipe.ensemble is None:
        best_checkpoint(run)
    rows = TrainingRows.read(manifest)
    if read_record(run)["manifest"] != rows.digest:
        raise UsageError("other_run", f"{run} holds a run of another manifest.")
    train, validation = find_samples(recipe, rows, run)
    cache = run / "cache"
    member = partial(fit, cache=cache)
    return _package(recipe, rows, train, validation, run, folder, cache, None, member, None).bundle


def _package(
    recipe: Recipe,
    rows: TrainingRows,
    train: list[Sample],
    validation: list[Sample],
    run: Path,
    folder: Path,
    cache: Path,
    workers: int | None,
    member: Fit,
    start: Start | None,
) -> Packaged:
    if recipe.ensemble is not None:
        return fit_ensemble(recipe, recipe.ensemble, rows, train, validation, run, member, folder, start)
    record = read_record(run)
    network = load_network(recipe, best_checkpoint(run))
    weights = describe(*network.branch_weights) | ({"started_from": record["start"]} if record["start"] else {})
    if recipe.classifier is None:
        return package_run(recipe, network, weights, train, validation, record["manifest"], folder)
    pooled = _pool(recipe, network, train, validation, cache, workers)
    return package_classifier(
        recipe, recipe.classifier, network, pooled, weights, train, validation, record["manifest"], folder
    )


def load_network(recipe: Recipe, checkpoint: Path) -> FaceNetwork:
    """The network of a checkpoint, ready for inference. Only tensors and plain values are read, never code."""
    module = DetectorModule(recipe, steps_per_epoch=1)
    try:
        module.load_state_dict(read_checkpoint(checkpoint)["state_dict"])
    except RuntimeError:  # torch: keys or shapes that differ
        raise broken_run(checkpoint) from None
    return module.network.eval()


def load_run(run: Path) -> FaceNetwork:
    """The network of a run's best epoch.

    Raises:
        UsageError: ``no_run``, or ``no_network``: the run trained an ensemble or a classical head.
    """
    recipe = read_recipe(run)
    if recipe.ensemble is not None or recipe.classifier is not None:
        raise UsageError(
            "no_network", f"{run} trained an ensemble or a classical head, which has no gradient from logit to pixels."
        )
    return load_network(recipe, best_checkpoint(run))
