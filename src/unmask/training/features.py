"""Pooled features of frozen backbones, computed once and kept, and a head trained on them.

Compared with training epoch by epoch, the head sees the plain image and ``features.copies`` augmented views of it, the
same in every epoch, instead of a new view each time. Settings that need pixels in every epoch (self-blending, mixup,
CutMix) or change the features (attention) are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from unmask.data.transforms import augment
from unmask.errors import UsageError
from unmask.files import OutputFolder, digest, refuse_link, stamp, whole_file, write_whole
from unmask.imaging.decode import decode_image, read_bytes
from unmask.imaging.preprocessing import Pixels, crop_of, render
from unmask.models.network import FaceNetwork
from unmask.parallel import ordered_map
from unmask.recipes import Recipe
from unmask.training.dataset import Sample, plan_epoch, run_epoch
from unmask.training.module import DetectorModule
from unmask.training.sharding import Shard

_VERSION = 1
# Rows computed and written at a time; a kill loses at most these. Batches have the same content whether or not a run
# was interrupted, so that features are equal to the bit.
_BLOCK = 512
# Separate from the draws of the epoch's order.
_VIEW_DRAWS = 1

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Pooled features of a run.

    Attributes:
        train: float32 [n * (1 + copies), feature_width]: all plain training images, then the first augmented copy of
            each, and so on.
        train_is_fake: bool, one per row of ``train``.
        train_sample: int, the training sample of each row.
        validation: float32 [m, feature_width], plain.
        validation_is_fake: bool [m].
    """

    train: Rows
    train_is_fake: npt.NDArray[np.bool_]
    train_sample: npt.NDArray[np.int64]
    validation: Rows
    validation_is_fake: npt.NDArray[np.bool_]


class FeatureCache:
    """Feature vectors by key, in ``.npy`` shards, each with a list of keys.

    A shard appears whole or not at all, its list last, and is named by its keys: a kill loses only what was being
    computed, and several processes may write at once. A shard that does not match its list is ignored.

    Args:
        folder: of the shards; runs may share it.
        max_bytes: maximum size of all features. Further ones are computed each time; none are removed.
    """

    def __init__(self, folder: Path, max_bytes: int = 4 * 2**30) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self.size_bytes = 0
        self._rows: dict[str, Rows] = {}
        for listed in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            self._load(listed)

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> Rows | None:
        """The features [feature_width] of a key; ``None`` if they are not kept."""
        return self._rows.get(key)

    def add(self, keys: Sequence[str], features: Rows) -> bool:
        """Keep features [n, width] if they fit, and return whether they do.

        Raises:
            UsageError: ``cannot_write``, ``outside_folder``.
        """
        if self.size_bytes + features.nbytes > self.max_bytes:
            return False
        refuse_link(self.folder)
        shard = self.folder / f"{digest(*keys)}.npy"
        OutputFolder(self.folder)
        with whole_file(shard) as file:
            np.save(file, features, allow_pickle=False)
        write_whole(shard.with_suffix(".json"), json.dumps(list(keys)))
        self._load(shard.with_suffix(".json"))
        return True

    def _load(self, listed: Path) -> None:
        try:
            keys = json.loads(listed.read_bytes())
            features = np.load(listed.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
            if features.dtype != np.float32 or features.ndim != 2 or len(keys) != len(features):
                return
            self._rows.update(zip(map(str, keys), features, strict=True))
        except (OSError, ValueError, TypeError, EOFError):
            return
        self.size_bytes += features.nbytes


def check_cacheable(recipe: Recipe) -> None:
    """Refuse settings that do not work with features that are computed once.

    Raises:
        UsageError: ``not_cacheable``.
    """
    refused = {
        "attention is trained with the head, so its features change": any(
            b.attention != "none" for b in recipe.branches
        ),
        "data.self_blended makes new images in every epoch": recipe.data.self_blended > 0,
        "data.reconstructed makes new images in every epoch": recipe.data.reconstructed > 0,
        "schedule.mixup and cutmix mix pixels in every epoch": bool(recipe.schedule.mixup or recipe.schedule.cutmix),
    }
    for reason, applies in refused.items():
        if applies:
            raise UsageError("not_cacheable", f"Features cannot be computed once: {reason}.")


def extract(
    network: FaceNetwork,
    train: Sequence[Sample],
    validation: Sequence[Sample],
    recipe: Recipe,
    cache: FeatureCache,
    progress: Callable[[], object] = lambda: None,
    workers: int | None = None,
) -> Pooled:
    """Pooled features of all images, from the cache or else from the backbones, and then kept.

    The key of a feature vector is made of its image's path, size and time of modification, the face, the
    preprocessing, the backbones and their weights, the precision, and for an augmented view the augmentation, the
    recipe's seed and the copy's number. ``schedule.precision`` ``bf16-mixed`` computes in bfloat16 where autocast
    does; the features stay float32. The augmentation of an image depends on its content, not on its path.

    Args:
        network: set to evaluation mode.
        train: used plain and in ``recipe.features.copies`` augmented copies.
        validation: used plain.
        recipe: the experiment.
        cache: where features are kept.
        progress: called once per view.
        workers: threads that decode images; default: the number of CPUs.

    Raises:
        ImageError: an image that was readable when faces were detected no longer is.
    """
    copies = recipe.features.copies if recipe.features else 0
    views = [(sample, copy) for copy in range(copies + 1) for sample in train]
    views += [(sample, 0) for sample in validation]
    about = digest(
        _VERSION,
        recipe.preprocessing.model_dump(mode="json"),
        [branch.model_dump(mode="json", exclude={"weights"}) for branch in recipe.branches],
        _digest_weights(network),
        *([] if recipe.schedule.precision == "32-true" else [recipe.schedule.precision]),
    )
    rows = np.empty((len(views), network.feature_width), np.float32)
    network.eval()
    for start in range(0, len(views), _BLOCK):
        block = views[start : start + _BLOCK]
        keys = [_key(about, sample, copy, recipe) for sample, copy in block]
        missing = [place for place, key in enumerate(keys) if cache.get(key) is None]
        if missing:
            wanted = [block[place] for place in missing]
            pixels = ordered_map(lambda view: _look(view[0], view[1], recipe), wanted, workers)
            computed = _pool(network, pixels, recipe)
            rows[[start + place for place in missing]] = computed
            cache.add([keys[place] for place in missing], computed)
        for place, key in enumerate(keys):
            kept = cache.get(key)
            if kept is not None:
                rows[start + place] = kept
            progress()
    train_rows = len(train) * (copies + 1)
    sample_of = np.tile(np.arange(len(train)), copies + 1)
    return Pooled(
        train=rows[:train_rows],
        train_is_fake=np.array([sample.is_fake for sample in train])[sample_of],
        train_sample=sample_of,
        validation=rows[train_rows:],
        validation_is_fake=np.array([sample.is_fake for sample in validation]),
    )


def _key(about: str, sample: Sample, copy: int, recipe: Recipe) -> str:
    augmented = [recipe.augmentation.model_dump(mode="json"), recipe.seed, copy] if copy else None
    box = sample.face and sample.face.box
    return digest(about, os.fspath(sample.path.absolute()), stamp(sample.path), box, augmented)


def _digest_weights(network: FaceNetwork) -> str:
    """Digest of all weights that pooled features depend on: backbones, attention and normalisation."""
    sha = hashlib.sha256(repr([(weights.mean, weights.std) for weights in network.branch_weights]).encode())
    for name, value in network.branches.state_dict().items():
        sha.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        sha.update(value.contiguous().cpu().view(torch.uint8).numpy().tobytes() if value.ndim else repr(value).encode())
    return sha.hexdigest()


def _look(sample: Sample, copy: int, recipe: Recipe) -> Pixels:
    data = read_bytes(sample.path)
    image = decode_image(data)
    crop = crop_of(sample.face, image.size, recipe.preprocessing)
    if copy == 0:
        return render(image, crop, recipe.preprocessing)
    content = int.from_bytes(hashlib.sha256(data).digest()[:8])
    rng = np.random.default_rng([recipe.seed, copy, content])
    return augment(image, crop, recipe.preprocessing.size, recipe.augmentation, rng)


def _pool(network: FaceNetwork, pixels: Iterable[Pixels], recipe: Recipe) -> Rows:
    reduced = recipe.schedule.precision == "bf16-mixed"
    batches, waiting = [], iter(pixels)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        while batch := list(islice(waiting, recipe.schedule.batch_size)):
            batches.append(network.pooled(torch.from_numpy(np.stack(batch))).float().numpy())
    return np.concatenate(batches)


class HeadModule(DetectorModule):
    """Trains fusion and head on pooled features, otherwise as a :class:`DetectorModule` on pixels."""

    def _logit(self, pixels: Tensor) -> Tensor:
        return self.network.logit_of(pixels).float()


class FeatureData(pl.LightningDataModule):
    """Epochs of pooled features, planned like epochs of images; each image in one of its views.

    Args:
        pooled: the features.
        train: the training samples of the features.
        recipe: the experiment.
    """

    def __init__(self, pooled: Pooled, train: Sequence[Sample], recipe: Recipe) -> None:
        super().__init__()
        self._pooled, self._train, self._recipe = pooled, train, recipe

    def train_dataloader(self) -> DataLoader[Any]:
        """The features of the current epoch; the last incomplete batch is dropped, as with images."""
        epoch = run_epoch(self.trainer)
        index = plan_epoch(self._train, self._recipe.data, self._recipe.seed, epoch).index
        views = len(self._pooled.train) // len(self._train)
        rng = np.random.default_rng([self._recipe.seed, epoch, _VIEW_DRAWS])
        rows = rng.integers(views, size=len(index)) * len(self._train) + index
        batches = Shard.of(self.trainer).batches(len(rows), self._recipe.schedule.batch_size)
        parts = [rows[np.asarray(batch)] for batch in batches]
        return self._loader(self._pooled.train, self._pooled.train_is_fake, parts)

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation images, always the same."""
        size = self._recipe.schedule.batch_size
        rows = Shard.of(self.trainer).rows(len(self._pooled.validation))
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return self._loader(self._pooled.validation, self._pooled.validation_is_fake, parts)

    def _loader(
        self, features: Rows, is_fake: npt.NDArray[np.bool_], parts: list[npt.NDArray[np.int64]]
    ) -> DataLoader[Any]:
        batches: Any = [
            (torch.from_numpy(features[part]), torch.from_numpy(is_fake[part].astype(np.float32))) for part in parts
        ]
        return DataLoader(batches, batch_size=None)
