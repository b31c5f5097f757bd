"""The images of one epoch, and how each becomes pixels.

Everything is a function of (seed, epoch, position), so an epoch is the same in an uninterrupted and a resumed run, with
any number of workers.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from unmask.data.face_index import FaceRecord
from unmask.data.families import family_of
from unmask.data.make.reconstruct import reconstruct
from unmask.data.make.self_blend import self_blend
from unmask.data.rows import ManifestRow
from unmask.data.transforms import augment
from unmask.errors import UsageError
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import Face
from unmask.imaging.preprocessing import Pixels, Preprocessing, crop_of, render
from unmask.recipes import DataPolicy, Recipe
from unmask.text import quote
from unmask.training.crop_cache import CachedCrop, CropCache
from unmask.training.sharding import Shard, ShardedBatches

AS_IT_IS, SELF_BLENDED, RECONSTRUCTED = range(3)
# A forked worker has all that is imported, torch too; one that is started takes seconds for that, in every epoch. Linux
# alone forks safely, and Python 3.14 no longer does it unless asked.
_START = "fork" if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of the training or validation set.

    Attributes:
        path: the file.
        is_fake: its label.
        source: the manifest's column.
        face: its largest face; ``None`` without one.
        kind: the manifest's column.
        family: of its generator, see :func:`unmask.data.families.family_of`.
        teacher: another detector's probability of fake, from the manifest's column ``teacher``; ``None`` without one.
    """

    path: Path
    is_fake: bool
    source: str
    face: Face | None
    kind: str = ""
    family: str = ""
    teacher: float | None = None


def samples_of(rows: Sequence[tuple[ManifestRow, Path]], records: dict[Path, FaceRecord]) -> list[Sample]:
    """Rows with their faces; images that could not be read are left out."""
    return [
        Sample(
            path,
            row.label == "fake",
            row.source,
            records[path].face,
            row.kind,
            family_of(row.label, row.kind, row.generator),
            _teacher_of(row),
        )
        for row, path in rows
        if records[path].error is None
    ]


def _teacher_of(row: ManifestRow) -> float | None:
    cell = row.extra.get("teacher", "").strip()
    if not cell:
        return None
    try:
        probability = float(cell)
    except ValueError:
        probability = math.nan
    if not 0 <= probability <= 1:
        raise UsageError(
            "bad_teacher", f"{quote(row.path)}: the column teacher must be a number from 0 to 1, not {quote(cell)}."
        )
    return probability


def check_teacher(samples: Sequence[Sample], policy: DataPolicy) -> None:
    """Check that every training image has a prediction of the teacher that the policy asks for.

    Raises:
        UsageError: ``no_teacher``.
    """
    missing = sum(sample.teacher is None for sample in samples)
    if policy.teacher_weight and missing:
        raise UsageError(
            "no_teacher",
            f"data.teacher_weight needs another detector's probabilities in the manifest's column teacher; "
            f"{missing:,} of {len(samples):,} training images have none.",
        )


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """The order of one epoch.

    Attributes:
        index: int [n], the samples in order.
        making: int64 [n], ``AS_IT_IS``, or the fake that is made of the sample: ``SELF_BLENDED`` or ``RECONSTRUCTED``.
    """

    index: npt.NDArray[np.int64]
    making: npt.NDArray[np.int64]


def plan_epoch(samples: Sequence[Sample], policy: DataPolicy, seed: int, epoch: int) -> EpochPlan:
    """Draw one epoch under a balancing policy.

    Raises:
        UsageError: ``missing_class``: a class that the policy must balance has no image; ``no_face_to_change``: no real
            image has a face.
    """
    rng = np.random.default_rng([seed, epoch])
    size = policy.epoch_size or len(samples)
    is_fake = np.array([sample.is_fake for sample in samples])
    if policy.balance == "none":
        order = np.concatenate([rng.permutation(len(samples)) for _ in range(-(-size // len(samples)))])[:size]
        making = _draw_making(size, policy, rng)
        return EpochPlan(order, np.where(~is_fake[order] & _has_face(samples)[order], making, AS_IT_IS))
    wants_fake = rng.permutation(np.arange(size) % 2 == 0)
    making = np.where(wants_fake, _draw_making(size, policy, rng), AS_IT_IS)
    made = making != AS_IT_IS
    if made.any() and not is_fake.all() and not (~is_fake & _has_face(samples)).any():
        raise UsageError("no_face_to_change", "Making fakes on the fly needs real images with a detected face.")
    index = np.empty(size, np.int64)
    for chosen, allowed in (
        (wants_fake & ~made, is_fake),
        (~wants_fake, ~is_fake),
        (made, ~is_fake & _has_face(samples)),
    ):
        if chosen.any():
            index[chosen] = rng.choice(len(samples), int(chosen.sum()), p=_weights(samples, allowed, policy))
    return EpochPlan(index, making)


def _draw_making(size: int, policy: DataPolicy, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    ends = np.cumsum([policy.self_blended, policy.reconstructed])
    return np.array([SELF_BLENDED, RECONSTRUCTED, AS_IT_IS])[np.searchsorted(ends, rng.random(size), "right")]


def _has_face(samples: Sequence[Sample]) -> npt.NDArray[np.bool_]:
    return np.array([sample.face is not None for sample in samples])


def _weights(samples: Sequence[Sample], allowed: npt.NDArray[np.bool_], policy: DataPolicy) -> npt.NDArray[np.float64]:
    if not allowed.any():
        raise UsageError("missing_class", "Training needs images of both classes, real and fake.")
    weights = allowed.astype(np.float64)
    if policy.balance == "class-source":
        sources = np.array([sample.source for sample in samples])
        for source in np.unique(sources[allowed]):
            of_source = allowed & (sources == source)
            weights[of_source] = float(of_source.sum()) ** (policy.source_power - 1)
    return weights / weights.sum()


class _TrainingSet(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The augmented images of one planned epoch: pixels uint8 [size, size, 3] and target, 0 for real and 1 for fake.

    With a teacher the target lies between the label and the teacher's probability; fakes made on the fly have none.
    """

    def __init__(self, samples: Sequence[Sample], recipe: Recipe, epoch: int, cache: CropCache | None) -> None:
        self._samples, self._recipe, self._epoch, self._cache = samples, recipe, epoch, cache
        self._plan = plan_epoch(samples, recipe.data, recipe.seed, epoch)

    def __len__(self) -> int:
        return len(self._plan.index)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample = self._samples[self._plan.index[position]]
        rng = np.random.default_rng([self._recipe.seed, self._epoch, position])
        image, crop, face = self._look(sample)
        target = float(sample.is_fake)
        weight = self._recipe.data.teacher_weight
        if weight and sample.teacher is not None:
            target += weight * (sample.teacher - target)
        making = self._plan.making[position]
        if making != AS_IT_IS:
            assert face is not None  # the plan changes only images with a face
            change = self_blend if making == SELF_BLENDED else reconstruct
            image, target = change(image, face, rng).image, 1.0
        pixels = augment(image, crop, self._recipe.preprocessing.size, self._recipe.augmentation, rng)
        return torch.from_numpy(pixels.copy()), torch.tensor(target)

    def _look(self, sample: Sample) -> CachedCrop:
        # Ask first: for an image that did not fit in the cache, ``get`` would detect the face again.
        if self._cache is not None and sample.path in self._cache:
            return self._cache.get(sample.path)
        image = decode_image(sample.path)
        return CachedCrop(image, crop_of(sample.face, image.size, self._recipe.preprocessing), sample.face)


def seen(sample: Sample, preprocessing: Preprocessing) -> Pixels:
    """An image exactly as in detection: uint8 [size, size, 3] of the largest face, or of the whole image."""
    image = decode_image(sample.path)
    return render(image, crop_of(sample.face, image.size, preprocessing), preprocessing)


class _EvaluationSet(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Images exactly as in detection: the largest face, or the whole image."""

    def __init__(self, samples: Sequence[Sample], recipe: Recipe) -> None:
        self._samples, self._recipe = samples, recipe

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample = self._samples[position]
        pixels = seen(sample, self._recipe.preprocessing)
        return torch.from_numpy(pixels.copy()), torch.tensor(float(sample.is_fake))


def run_epoch(trainer: pl.Trainer | None) -> int:
    """The epoch that the trainer of a ``DetectorModule`` is in, counted from 0 over the run; 0 without a trainer."""
    module: Any = trainer and trainer.lightning_module
    return module.epoch if module else 0


class FaceData(pl.LightningDataModule):
    """The loaders of a run; a new plan every epoch. With several processes each loads its part of every batch.

    Args:
        train: training samples.
        validation: validation samples.
        recipe: the experiment.
        workers: loading processes; 0: load in the training process.
        cache: crops of training images; other images are decoded, to the same pixels.
    """

    def __init__(
        self,
        train: Sequence[Sample],
        validation: Sequence[Sample],
        recipe: Recipe,
        workers: int,
        cache: CropCache | None = None,
    ) -> None:
        super().__init__()
        self._train, self._validation, self._recipe, self._workers = train, validation, recipe, workers
        self._cache = cache

    def first_images(self, number: int) -> list[tuple[Pixels, float]]:
        """The first images of the first epoch and their targets, loaded in this process."""
        images = _TrainingSet(self._train, self._recipe, 0, self._cache)
        shown = (images[position] for position in range(min(number, len(images))))
        return [(pixels.numpy(), float(target)) for pixels, target in shown]

    def train_dataloader(self) -> DataLoader[Any]:
        """The images of the current epoch; of the first one before there is a trainer."""
        epoch = run_epoch(self.trainer)
        images = _TrainingSet(self._train, self._recipe, epoch, self._cache)
        # Without the last incomplete batch: batch normalisation over one or two images is noise.
        batches = Shard.of(self.trainer).batches(len(images), self._recipe.schedule.batch_size)
        return DataLoader(images, batch_sampler=ShardedBatches(batches), **self._loading())

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation images, the same in every epoch."""
        shard = Shard.of(self.trainer)
        images: Dataset[Any] = _EvaluationSet(self._validation, self._recipe)
        if shard.world > 1:
            images = Subset(images, shard.rows(len(self._validation)).tolist())
        return DataLoader(images, self._recipe.schedule.batch_size, **self._loading())

    def _loading(self) -> dict[str, Any]:
        return {"num_workers": self._workers, "multiprocessing_context": _START if self._workers else None}
