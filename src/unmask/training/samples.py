"""From a manifest to the samples of training and validation."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from unmask.data.face_index import FaceIndex, FaceRecord
from unmask.data.manifest import Manifest, ManifestRow
from unmask.errors import UsageError
from unmask.progress import progress_bar
from unmask.recipes import Recipe
from unmask.training.cached_crop import CropPolicy
from unmask.training.crop_cache import CropCache
from unmask.training.dataset import Sample, samples_of

_log = logging.getLogger(__name__)
_VALIDATION_SHARE = 0.15

Rows = list[tuple[ManifestRow, Path]]


def split_rows(manifest: Manifest) -> dict[str, Rows]:
    """The rows to train on and those to validate on, with their paths, under ``train`` and ``val``."""
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


def find_samples(recipe: Recipe, manifest: Manifest, out: Path) -> tuple[list[Sample], list[Sample]]:
    """Samples to train on and to validate on. Faces are searched once and kept in the run folder.

    Raises:
        UsageError: ``missing_class``, when a split has no readable image of a class.
    """
    rows = split_rows(manifest)
    index = FaceIndex(out / "faces.jsonl", recipe.preprocessing.faces)
    paths = [path for part in rows.values() for _, path in part]
    with progress_bar("finding faces", len(paths)) as advance:
        records = index.locate(paths, advance)
    failed = [(path, record.error) for path, record in records.items() if record.error]
    for path, error in failed[:10]:
        _log.warning("left out: %s (%s)", path, error)
    if failed:
        _log.warning("%d of %d images could not be read and are left out", len(failed), len(paths))
    train, validation = samples_of(rows["train"], records), samples_of(rows["val"], records)
    for name, samples in (("train", train), ("validation", validation)):
        if len({sample.is_fake for sample in samples}) < 2:
            raise UsageError("missing_class", f"The {name} split needs readable images of both classes.")
    return train, validation


def cache_crops(samples: list[Sample], recipe: Recipe, folder: Path, max_bytes: int) -> CropCache | None:
    """The crops of training images on disk, as far as there is room; none when ``max_bytes`` is 0."""
    if max_bytes == 0:
        return None
    policy = CropPolicy.of(
        recipe.preprocessing,
        reach=max(CropPolicy().reach, recipe.augmentation.crop_jitter),
        # Kept at full size: a smaller copy would not give the same pixels.
        max_side=8192,
    )
    cache = CropCache(folder, policy, max_bytes)
    known = {sample.path: FaceRecord(sample.face) for sample in samples}
    with progress_bar("caching crops", len(known)) as advance:
        report = cache.build(known, advance, known=known)
    if report.refused:
        _log.warning("the crop cache is full: %d of %d images are decoded in each epoch", report.refused, len(known))
    return cache
