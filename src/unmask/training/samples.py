"""From the rows of a manifest to the samples of training and validation."""

from __future__ import annotations

import logging
from pathlib import Path

from unmask.data.face_index import FaceIndex, FaceRecord
from unmask.data.split.validation import VALIDATION_FRACTION
from unmask.errors import UsageError
from unmask.progress import progress_bar
from unmask.recipes import Recipe
from unmask.text import quote
from unmask.training.cached_crop import CropPolicy
from unmask.training.crop_cache import CropCache
from unmask.training.dataset import Sample, check_teacher, samples_of
from unmask.training.rows import Rows, TrainingRows

_log = logging.getLogger(__name__)


def find_samples(recipe: Recipe, rows: TrainingRows, out: Path) -> tuple[list[Sample], list[Sample]]:
    """Samples to train on and to validate on. Faces are detected once and kept in the run folder.

    Args:
        recipe: the experiment.
        rows: of the manifest.
        out: the run folder, which keeps the faces in ``faces.jsonl``.

    Raises:
        UsageError: ``missing_class``, when training or validation has no readable image of a class; ``bad_teacher`` or
            ``no_teacher``: the recipe needs another detector's probabilities, which the manifest lacks.
    """
    index = FaceIndex(out / "faces.jsonl", recipe.preprocessing.faces)
    paths = [path for part in (rows.train, rows.validation) for _, path in part]
    with progress_bar("finding faces", len(paths)) as advance:
        records = index.locate(paths, advance)
    failed = [(path, record.error) for path, record in records.items() if record.error]
    for path, error in failed[:10]:
        _log.warning("left out: %s (%s)", path, error)
    if failed:
        _log.warning("%d of %d images could not be read and are left out", len(failed), len(paths))
    train, validation = samples_of(rows.train, records), samples_of(rows.validation, records)
    _check_classes("train", train, rows.train, rows)
    _check_classes("validation", validation, rows.validation, rows)
    check_teacher(train, recipe.data)
    return train, validation


def _check_classes(name: str, samples: list[Sample], own: Rows, rows: TrainingRows) -> None:
    fakes = sum(sample.is_fake for sample in samples)
    reals = len(samples) - fakes
    if reals and fakes:
        return
    message = f"The {name} split needs images of both classes, and has {reals:,} real and {fakes:,} fake."
    labels = {label for _, label in rows.found}
    if len(labels) < 2:
        message = f"Training needs images of both classes: all {rows.found.total():,} rows are {'/'.join(labels)}."
    if unreadable := len(own) - len(samples):
        message += f" {unreadable:,} images in it could not be read."
    message += f" The manifest has {rows.describe()}."
    others = sorted({split for split, _ in rows.found} - {"", "train", "val"})
    if others and len(labels) == 2:
        message += (
            f" Rows with the split {' or '.join(map(quote, others))} are not trained on: rename the splits to train "
            "and val, or take another column with --columns split=NAME."
        )
    if rows.set_aside and len(labels) == 2 and (rows.train or rows.validation):
        message += (
            f" No row has the split val, so about {100 * VALIDATION_FRACTION:.0f} % of the groups are set aside for "
            f"validation: here {len(rows.validation):,} of {len(rows.train) + len(rows.validation):,} images. That "
            "takes at least 2 groups of each class (without a column group, each image is one). "
            "Give rows the splits train and val, for example with: unmask data split."
        )
    raise UsageError("missing_class", message)


def cached_crops(recipe: Recipe, folder: Path, max_bytes: int) -> CropCache | None:
    """The crops that are on disk already; ``None`` when ``max_bytes`` is 0."""
    if max_bytes == 0:
        return None
    policy = CropPolicy.of(
        recipe.preprocessing,
        reach=max(CropPolicy().reach, recipe.augmentation.crop_jitter),
        # Kept at full size: a smaller copy would not give the same pixels.
        max_side=8192,
    )
    return CropCache(folder, policy, max_bytes)


def cache_crops(samples: list[Sample], recipe: Recipe, folder: Path, max_bytes: int) -> CropCache | None:
    """The crops of training images on disk, as many as fit; ``None`` when ``max_bytes`` is 0."""
    cache = cached_crops(recipe, folder, max_bytes)
    if cache is None:
        return None
    known = {sample.path: FaceRecord(sample.face) for sample in samples}
    with progress_bar("caching crops", len(known)) as advance:
        report = cache.build(known, advance, known=known)
    if report.refused:
        _log.warning(
            "the crop cache is full: %d of %d images are decoded again in every epoch", report.refused, len(known)
        )
    return cache
