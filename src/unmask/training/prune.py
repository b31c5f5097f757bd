"""Structured pruning: a trained network with fewer channels, in steps, with training after each if it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unmask.bundle.bundle import Bundle
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.models.network import FaceNetwork, describe
from unmask.recipes import Phase, Pruning, Recipe
from unmask.stats.metrics import auc
from unmask.training.channels import Cutter, cost
from unmask.training.dataset import FaceData, seen
from unmask.training.fit import load_run
from unmask.training.folder import open_run, read_checkpoint, read_recipe, read_record
from unmask.training.loop import train_phases
from unmask.training.package import package_run
from unmask.training.rows import TrainingRows
from unmask.training.samples import cache_crops, find_samples
from unmask.training.taught import TaughtModule

Logits = npt.NDArray[np.float32]

# Pixels of all images together that layers are fitted on: what bounds the memory.
_PIXELS: Final = 1 << 24


@dataclass(frozen=True)
class Step:
    """A network after one part of the pruning.

    Attributes:
        multiplications: of one image; of the unpruned network in the first step.
        parameters: number of them.
        before: float32 [n], logits of the validation images before training; the same as ``after`` in the first step.
        after: float32 [n], after it.
    """

    multiplications: int
    parameters: int
    before: Logits
    after: Logits


class PrunedRun:
    """The network of a run, pruned step by step.

    Args:
        run: the run folder.
        manifest: the images that it was trained on.
        out: folder for the training between the steps.
        settings: how; default: what the run's recipe says, or the defaults.
        images: training images per epoch; default: as the recipe.
        workers: loading processes.
        cache: folder for crops; default: in ``out``.

    Attributes:
        validation: the validation images.
        groups: the group of each; its path where it has none.

    Raises:
        UsageError: ``no_run``, ``no_network``: the run trained an ensemble or a classical head; ``other_run``: it was
            trained on another manifest.
    """

    def __init__(
        self,
        run: Path,
        manifest: Manifest,
        out: Path,
        settings: Pruning | None = None,
        *,
        images: int | None = None,
        workers: int = 0,
        cache: Path | None = None,
    ) -> None:
        recipe = read_recipe(run)
        self.settings = settings or recipe.pruning or Pruning()
        self.network = load_run(run)
        self._whole = deepcopy(self.network)
        rows = TrainingRows.read(manifest)
        self._record = read_record(run)
        if self._record["manifest"] != rows.digest:
            raise UsageError("other_run", f"{run} holds a run of another manifest.")
        self._train, self.validation = find_samples(recipe, rows, run)
        group_of = {path: row.group or str(path) for row, path in rows.validation}
        self.groups = [group_of[sample.path] for sample in self.validation]
        self.recipe, self._out, self._workers = _between(recipe, self.settings, images), out, workers
        trains = self.settings.epochs > 0
        self._crops = cache_crops(self._train, self.recipe, cache or out / "cache", 8 << 30) if trains else None

    def steps(self) -> Iterator[Step]:
        """Prune and train. The first step is the network as it is; the network stays at the latest one."""
        data = FaceData(self._train, self.validation, self.recipe, self._workers, self._crops)
        logits = validation_logits(self.network, data)
        count, parameters = cost(self.network, self.recipe.preprocessing.size)
        yield Step(count, parameters, logits, logits)
        cutter, probe = Cutter(self.network, self.settings, self.recipe.preprocessing.size), self._probe()
        for step in range(1, self.settings.steps + 1):
            target = count * (1 - (1 - self.settings.keep) * step / self.settings.steps)
            cutter.cut(target, *probe, self.recipe.schedule)
            before = validation_logits(self.network, data)
            after = self._fit(data, self._out / f"step-{step}", before) if self.settings.epochs else before
            now, parameters = cost(self.network, self.recipe.preprocessing.size)
            yield Step(now, parameters, before, after)

    def package(self, folder: Path, network: FaceNetwork, kept: float) -> Bundle:
        """Write a network as a bundle, calibrated on the validation images.

        Args:
            folder: for the bundle.
            network: of one of the steps.
            kept: proportion of the multiplications that it has, for the card.
        """
        recipe = self.recipe.model_copy(update={"name": f"{self.recipe.name}-pruned"})
        words = f"{self.settings.method}, to {100 * kept:.0f} % of the multiplications"
        started = {"started_from": self._record["start"]} if self._record["start"] else {}
        weights = describe(*network.branch_weights) | started | {"pruned": words}
        return package_run(
            recipe, network, weights, self._train, self.validation, self._record["manifest"], folder
        ).bundle

    def _probe(self) -> tuple[Tensor, Tensor]:
        """Training images as they are, without augmentation, and their labels; the same at every call."""
        size = self.recipe.preprocessing.size
        number = min(self.settings.probes, max(1, _PIXELS // size**2))
        order = np.random.default_rng(self.recipe.seed).permutation(len(self._train))[:number]
        samples = [self._train[int(at)] for at in order]
        pixels = np.stack([seen(sample, self.recipe.preprocessing) for sample in samples])
        return torch.from_numpy(pixels), torch.tensor([float(sample.is_fake) for sample in samples])

    def _fit(self, data: FaceData, folder: Path, before: Logits) -> Logits:
        """Train the network as it is now, and keep the weights of the best epoch, or those of before if none is better.

        Returns:
            The logits of the validation images with the weights that it ends with.
        """
        resumed = (folder / "run.json").exists()
        open_run(folder, self.recipe, self._record["manifest"], f"pruned, {folder.name}", resume=resumed)
        steps = (self.recipe.data.epoch_size or len(self._train)) // self.recipe.schedule.batch_size
        module = TaughtModule(self.recipe, self.network, steps, self._whole, self.settings.teacher)
        untrained = deepcopy(self.network.state_dict())
        train_phases(module, data, folder)
        module.load_state_dict(read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"])
        is_fake = np.array([sample.is_fake for sample in self.validation])
        after = validation_logits(self.network, data)
        if auc(after.astype(np.float64), is_fake) < auc(before.astype(np.float64), is_fake):
            self.network.load_state_dict(untrained)
            return before
        return after


def validation_logits(network: FaceNetwork, data: FaceData) -> Logits:
    """The logits of the validation images, float32 [n]."""
    network.eval()
    with torch.inference_mode():
        found = [network(pixels)[0] for pixels, _ in data.val_dataloader()]
    return torch.cat(found).numpy()


def _between(recipe: Recipe, settings: Pruning, images: int | None) -> Recipe:
    """The recipe of the training between steps; without any epoch it is not used."""
    phase = Phase(epochs=max(1, settings.epochs), learning_rate=settings.learning_rate, train="all")
    schedule = recipe.schedule.model_copy(
        update={"phases": (phase,), "decay": "cosine", "warmup_epochs": 0.1, "average": 0.0, "monitor": "val_auc"}
    )
    data = recipe.data if images is None else recipe.data.model_copy(update={"epoch_size": images})
    return recipe.model_copy(update={"schedule": schedule, "data": data, "pruning": settings})
