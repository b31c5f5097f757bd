"""One training run: faces found, network fitted, best checkpoint exported as a bundle. Killed, it can be resumed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from unmask.bundle.bundle import Bundle
from unmask.data.faces import FaceIndex
from unmask.data.manifest import Manifest, ManifestRow
from unmask.errors import UsageError
from unmask.models.network import FaceNetwork, describe
from unmask.progress import progress_bar
from unmask.recipes import Recipe
from unmask.training.dataset import FaceData, Sample, samples_of
from unmask.training.history import History
from unmask.training.module import DetectorModule
from unmask.training.package import package_run

_log = logging.getLogger(__name__)
_VALIDATION_SHARE = 0.15

Rows = list[tuple[ManifestRow, Path]]


def fit(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    *,
    start_from: Path | None = None,
    resume: bool = False,
    workers: int | None = None,
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

    Returns:
        The bundle, written to ``out/bundle``, of the best checkpoint by validation AUC.

    Raises:
        UsageError: when ``out`` holds a run already, a run to resume is not there or of another recipe, manifest or
            start, there is nothing to start from or it is another network, or a split lacks a class.
    """
    rows = _rows(manifest)
    _open_run(out, recipe, manifest, start_from, resume=resume)
    train, validation = _samples(recipe, rows, out)
    for name, samples in (("train", train), ("validation", validation)):
        if len({sample.is_fake for sample in samples}) < 2:
            raise UsageError("missing_class", f"The {name} split needs readable pictures of both classes.")

    pl.seed_everything(recipe.seed, verbose=False)
    count = os.cpu_count() or 1
    data = FaceData(train, validation, recipe, count if workers is None else workers)
    steps = (recipe.data.epoch_size or len(train)) // recipe.schedule.batch_size
    if steps == 0:
        raise UsageError("too_few_pictures", f"{len(train)} pictures do not fill one batch.")
    module = DetectorModule(recipe, steps)
    if start_from is not None:
        try:
            module.load_state_dict(_weights(_best(start_from)))
        except RuntimeError:  # torch: keys or shapes that differ
            raise UsageError("other_network", f"{start_from} holds a run of another network.") from None
    checkpoints = out / "checkpoints"
    best = ModelCheckpoint(
        checkpoints,
        filename="best",
        monitor="val_auc",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    # Not ``save_last`` of the best: Lightning renews that only when the best has become better. This one comes second,
    # so that it knows what the best is.
    last = ModelCheckpoint(checkpoints, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    patience = EarlyStopping("val_auc", mode="max", patience=recipe.schedule.patience)

    def stay_stopped(trainer: pl.Trainer, _: pl.LightningModule) -> None:
        # A run that had lost its patience before it was killed must not train another epoch.
        if patience.wait_count >= patience.patience:
            trainer.should_stop = True

    trainer = pl.Trainer(
        max_epochs=recipe.schedule.epochs,
        precision=recipe.schedule.precision,
        gradient_clip_val=recipe.schedule.gradient_clip,
        logger=TensorBoardLogger(out, name="tensorboard", version=""),
        callbacks=[
            History(out / "history.csv"),
            patience,
            LambdaCallback(on_train_start=stay_stopped),
            best,
            last,
            *([RichProgressBar()] if Console().is_terminal else []),
        ],
        deterministic="warn",
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        enable_progress_bar=Console().is_terminal,
        enable_model_summary=False,
        log_every_n_steps=10,
    )
    newest = checkpoints / "last.ckpt"
    trainer.fit(module, data, ckpt_path=newest if newest.exists() else None, weights_only=True)
    return _package(recipe, train, validation, out)


def export_run(run: Path, manifest: Manifest, folder: Path) -> Bundle:
    """Make the bundle of a run again from its best checkpoint, as :func:`fit` does at its end.

    Args:
        run: a run folder with at least one finished epoch.
        manifest: the one that the run was trained on.
        folder: where the bundle is written.
    """
    _best(run)
    recipe = Recipe.load(run / "recipe.yaml")
    if _read_record(run)["manifest"] != manifest.digest():
        raise UsageError("other_run", f"{run} holds a run of another manifest.")
    train, validation = _samples(recipe, _rows(manifest), run)
    return _package(recipe, train, validation, run, folder)


def _package(
    recipe: Recipe, train: list[Sample], validation: list[Sample], run: Path, folder: Path | None = None
) -> Bundle:
    record = _read_record(run)
    network = load_network(recipe, _best(run))
    weights = describe(network.weights) | ({"started_from": record["start"]} if record["start"] else {})
    return package_run(recipe, network, weights, train, validation, record["manifest"], folder or run / "bundle")


def load_network(recipe: Recipe, checkpoint: Path) -> FaceNetwork:
    """The network of a checkpoint, ready to predict. Only tensors and plain values are read, never code."""
    module = DetectorModule(recipe, steps_per_epoch=1)
    module.load_state_dict(_weights(checkpoint))
    return module.network.eval()


def _weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    return state


def _best(run: Path) -> Path:
    checkpoint = run / "checkpoints" / "best.ckpt"
    if not (run / "recipe.yaml").exists() or not checkpoint.exists():
        raise UsageError("no_run", f"There is no run with a finished epoch in {run}.")
    return checkpoint


def _rows(manifest: Manifest) -> dict[str, Rows]:
    rows: dict[str, Rows] = {"train": [], "val": []}
    for name, row, path in _split(manifest):
        rows[name].append((row, path))
    return rows


def _split(manifest: Manifest) -> Iterator[tuple[str, ManifestRow, Path]]:
    has_validation = any(row.split == "val" for row in manifest)
    for row in manifest:
        if not row.path or row.split == "test":
            continue
        if has_validation:
            name = row.split
        elif row.split not in {"", "train"}:
            continue  # whatever it was set aside for, it is not for training
        else:
            digest = hashlib.sha256((row.group or row.path).encode()).digest()
            name = "val" if digest[0] < 256 * _VALIDATION_SHARE else "train"
        if name in {"train", "val"}:
            yield name, row, manifest.resolve(row)


def _read_record(run: Path) -> dict[str, str]:
    """What makes a run this run: digests of its recipe and manifest, and what it started from."""
    return {"start": ""} | json.loads((run / "run.json").read_text(encoding="utf-8"))


def _open_run(out: Path, recipe: Recipe, manifest: Manifest, start_from: Path | None, *, resume: bool) -> None:
    start = ""
    if start_from is not None:
        digest = hashlib.sha256(_best(start_from).read_bytes()).hexdigest()
        start = f"best epoch of {Recipe.load(start_from / 'recipe.yaml').name}, checkpoint sha256 {digest}"
    identity = {"recipe": recipe.digest(), "manifest": manifest.digest(), "start": start}
    record = out / "run.json"
    if record.exists():
        if not resume:
            raise UsageError(
                "run_exists", f"{out} holds a run already. Continue it with --resume or name another folder."
            )
        if _read_record(out) != identity:
            raise UsageError(
                "other_run", f"{out} holds a run of another recipe, manifest or start; it cannot be resumed as this."
            )
    elif resume:
        raise UsageError("no_run", f"There is no run in {out} to resume.")
    out.mkdir(parents=True, exist_ok=True)
    # Anew when resumed too: what the weights do not depend on may have changed since.
    (out / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    record.write_text(json.dumps(identity, indent=2), encoding="utf-8")


def _samples(recipe: Recipe, rows: dict[str, Rows], out: Path) -> tuple[list[Sample], list[Sample]]:
    index = FaceIndex(out / "faces.jsonl", recipe.preprocessing.faces)
    paths = [path for part in rows.values() for _, path in part]
    with progress_bar("finding faces", len(paths)) as advance:
        records = index.locate(paths, advance)
    failed = [(path, record.error) for path, record in records.items() if record.error]
    for path, error in failed[:10]:
        _log.warning("left out: %s (%s)", path, error)
    if failed:
        _log.warning("%d of %d pictures could not be read and are left out", len(failed), len(paths))
    return samples_of(rows["train"], records), samples_of(rows["val"], records)
