"""Structured pruning: a trained network with fewer channels, in steps with training in between.

torch-pruning finds which channels of which layers belong together (Fang et al., CVPR 2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch_pruning as tp
from torch import Tensor, nn

from unmask.bundle.bundle import Bundle
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.models.network import FaceNetwork, describe
from unmask.recipes import Phase, Pruning, Recipe
from unmask.training.dataset import FaceData, Sample, seen
from unmask.training.fit import load_run
from unmask.training.folder import open_run, read_checkpoint, read_recipe, read_record
from unmask.training.loop import train_phases
from unmask.training.losses import batch_loss
from unmask.training.package import package_run
from unmask.training.refit import Refit
from unmask.training.rows import TrainingRows
from unmask.training.samples import cache_crops, find_samples
from unmask.training.taught import TaughtModule

# Parts in which channels are taken until the multiplications have fallen far enough.
_FINE: Final = 60
# Pixels of all images together that layers are fitted on: what bounds the memory.
_PIXELS: Final = 1 << 23


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
    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]


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
        self._crops = cache_crops(self._train, self.recipe, cache or out / "cache", 8 << 30)

    def steps(self) -> Iterator[Step]:
        """Prune and train. The first step is the network as it is; the network stays at the latest one."""
        data = FaceData(self._train, self.validation, self.recipe, self._workers, self._crops)
        logits = validation_logits(self.network, data)
        count, parameters = cost(self.network, self.recipe.preprocessing.size)
        yield Step(count, parameters, logits, logits)
        pruner = _pruner(self.network, self.settings, self.recipe.preprocessing.size)
        for step in range(1, self.settings.steps + 1):
            target = count * (1 - (1 - self.settings.keep) * step / self.settings.steps)
            self._cut(pruner, target)
            before = validation_logits(self.network, data)
            self._fit(data, self._out / f"step-{step}")
            now, parameters = cost(self.network, self.recipe.preprocessing.size)
            yield Step(now, parameters, before, validation_logits(self.network, data))

    def package(self, folder: Path) -> Bundle:
        """Write the network as it is now as a bundle, calibrated on the validation images."""
        recipe = self.recipe.model_copy(update={"name": f"{self.recipe.name}-pruned"})
        words = f"{self.settings.method}, to {100 * self.settings.keep:.0f} % of the multiplications"
        weights = describe(*self.network.branch_weights) | {"pruned": words}
        return package_run(
            recipe, self.network, weights, self._train, self.validation, self._record["manifest"], folder
        ).bundle

    def _cut(self, pruner: Any, target: float) -> None:
        """Take channels until the multiplications are no more than the target, and fit what is left."""
        size = self.recipe.preprocessing.size
        self.network.requires_grad_(True).eval()
        if self.settings.method == "taylor":
            self._find_gradients()  # once for the whole part: what is left keeps its gradients
        pixels, _ = self._probe(self._drawn(max(1, _PIXELS // size**2)))
        _take(self.network, pruner, target, pixels)
        self.network.zero_grad(set_to_none=True)

    def _find_gradients(self) -> None:
        """The gradient of the loss over some training images as they are, without augmentation."""
        self.network.zero_grad()
        drawn, size = self._drawn(self.settings.probes), self.recipe.schedule.batch_size
        for start in range(0, len(drawn), size):
            pixels, target = self._probe(drawn[start : start + size])
            loss = batch_loss(self.network.logit_of(self.network.pooled(pixels)), target, self.recipe.schedule, (1, 1))
            loss.backward()

    def _drawn(self, number: int) -> list[Sample]:
        """Training images, the same at every call."""
        order = np.random.default_rng(self.recipe.seed).permutation(len(self._train))
        return [self._train[int(at)] for at in order[:number]]

    def _probe(self, samples: list[Sample]) -> tuple[Tensor, Tensor]:
        pixels = np.stack([seen(sample, self.recipe.preprocessing) for sample in samples])
        return torch.from_numpy(pixels), torch.tensor([float(sample.is_fake) for sample in samples])

    def _fit(self, data: FaceData, folder: Path) -> None:
        """Train the network as it is now; it ends with the weights of the best epoch."""
        resumed = (folder / "run.json").exists()
        open_run(folder, self.recipe, self._record["manifest"], f"pruned, {folder.name}", resume=resumed)
        steps = (self.recipe.data.epoch_size or len(self._train)) // self.recipe.schedule.batch_size
        module = TaughtModule(self.recipe, self.network, steps, self._whole, self.settings.teacher)
        train_phases(module, data, folder)
        module.load_state_dict(read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"])
        self.network.eval()


def validation_logits(network: FaceNetwork, data: FaceData) -> npt.NDArray[np.float32]:
    """The logits of the validation images, float32 [n]."""
    network.eval()
    with torch.inference_mode():
        found = [network(pixels)[0] for pixels, _ in data.val_dataloader()]
    return torch.cat(found).numpy()


def cost(network: nn.Module, size: int) -> tuple[int, int]:
    """Multiplications of convolutions and linear layers for one image, and number of parameters."""
    count = 0

    def add(layer: nn.Module, _: Any, made: Tensor) -> None:
        nonlocal count
        weight: Any = layer.weight  # [outputs, inputs of one output...]
        count += made.numel() * int(weight[0].numel())

    hooks = [
        layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    finally:
        for hook in hooks:
            hook.remove()
    return count, sum(parameter.numel() for parameter in network.parameters())


def _take(network: FaceNetwork, pruner: Any, target: float, pixels: Tensor) -> None:
    """Take channels until the multiplications are no more than the target, and fit the layers that are left.

    Args:
        network: pruned in place.
        pruner: of the network.
        target: multiplications of one image.
        pixels: uint8 [n, size, size, 3], what the layers are fitted on.
    """
    refit = Refit(list(network.branches.modules()), pixels, network.pooled)
    for _ in range(_FINE):
        if cost(network, pixels.shape[1])[0] <= target:
            break
        for group in pruner.step(interactive=True):
            for dependency, channels in group:
                if pruner.DG.is_out_channel_pruning_fn(dependency.handler):
                    refit.lost(dependency.target.module, channels)
            group.prune()
    refit.fit()


def _between(recipe: Recipe, settings: Pruning, images: int | None) -> Recipe:
    """The recipe of the training between steps."""
    phase = Phase(epochs=settings.epochs, learning_rate=settings.learning_rate, train="all")
    schedule = recipe.schedule.model_copy(
        update={"phases": (phase,), "decay": "cosine", "warmup_epochs": 0.1, "average": 0.0, "monitor": "val_auc"}
    )
    data = recipe.data if images is None else recipe.data.model_copy(update={"epoch_size": images})
    return recipe.model_copy(update={"schedule": schedule, "data": data, "pruning": settings})


def _pruner(network: FaceNetwork, settings: Pruning, size: int) -> Any:
    """A pruner of all channels but those that the head reads: their number is the width of the features."""
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)

    def forward(model: FaceNetwork, pixels: Tensor) -> Tensor:
        return model.logit_of(model.pooled(pixels))

    network.requires_grad_(True).eval()
    graph = tp.DependencyGraph().build_dependency(network, example, forward_fn=forward)
    behind = {*network.head.modules(), *network.fusion.modules()}
    ignored: list[nn.Module] = [*behind]
    for layer in network.branches.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, [0])
            if any(dependency.target.module in behind for dependency, _ in group):
                ignored.append(layer)
    importance = (
        tp.importance.GroupTaylorImportance()
        if settings.method == "taylor"
        else tp.importance.GroupMagnitudeImportance(p=2)
    )
    return tp.pruner.BasePruner(
        network,
        example,
        importance,
        global_pruning=True,
        pruning_ratio=settings.widest,
        max_pruning_ratio=settings.widest,
        iterative_steps=_FINE,
        ignored_layers=ignored,
        round_to=settings.multiple,
        forward_fn=forward,
    )
