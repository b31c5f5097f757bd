"""Training with several processes: on one machine, or on several that share the run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies.ddp import DDPStrategy
from lightning.pytorch.strategies.strategy import Strategy
from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

from unmask.errors import UsageError
from unmask.recipes import Recipe

_PLACE: Final = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
# Longer than any training; a machine that goes away is noticed at once, by its connection.
_PATIENCE: Final = timedelta(days=100)


@dataclass(frozen=True, slots=True)
class Devices:
    """Where a run is trained. It is no setting of a recipe: the same recipe gives the same run on any devices.

    With more than one process, each takes an equal part of every batch, and gradients, batch statistics and metrics are
    those of the whole batch (DistributedDataParallel).

    Attributes:
        per_node: processes on each machine; each has a GPU of its own, where there are any.
        nodes: number of machines. All run the same command with the same run folder, and find each other by the
            variables ``MASTER_ADDR``, ``MASTER_PORT`` and ``NODE_RANK``, as with torch. The port after
            ``MASTER_PORT`` is used, too.
        accelerator: ``auto``: a GPU if there is one.
    """

    per_node: int = 1
    nodes: int = 1
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"

    @property
    def processes(self) -> int:
        """The number of processes on all machines."""
        return self.per_node * self.nodes

    @property
    def node(self) -> int:
        """The number of this machine, from 0."""
        return int(os.environ.get("NODE_RANK", "0")) if self.nodes > 1 else 0

    def check(self, recipe: Recipe) -> None:
        """Check that a recipe can be trained on these devices.

        Raises:
            UsageError: ``bad_devices``.
        """
        if min(self.per_node, self.nodes) < 1:
            raise UsageError("bad_devices", "Training needs at least one device on at least one machine.")
        gpus = torch.cuda.device_count()
        if self.accelerator == "gpu" and not (gpus or torch.backends.mps.is_available()):
            raise UsageError("bad_devices", "There is no GPU here that torch can use.")
        if self.accelerator != "cpu" and gpus and gpus < self.per_node:
            raise UsageError("bad_devices", f"{self.per_node} devices are asked for, and this machine has {gpus} GPUs.")
        size = recipe.schedule.batch_size
        if size % self.processes or size == self.processes > 1:
            raise UsageError(
                "bad_devices",
                f"schedule.batch_size={size} is the size of the whole batch: each of {self.processes} processes must "
                "get the same number of its images, at least 2.",
            )
        if self.nodes == 1:
            return
        if missing := [name for name in _PLACE if not os.environ.get(name)]:
            raise UsageError("bad_devices", f"Training on several machines needs the variables {', '.join(missing)}.")
        if not (os.environ["NODE_RANK"].isdecimal() and self.node < self.nodes):
            raise UsageError("bad_devices", f"NODE_RANK must be a number from 0 to {self.nodes - 1}.")
        if recipe.ensemble is not None:
            raise UsageError("bad_devices", "On several machines train an ensemble's members one by one.")

    def trainer_options(self, recipe: Recipe) -> dict[str, Any]:
        """Arguments of Lightning's ``Trainer``, other than plugins.

        Processes are spawned by the call that trains, not by running the program again: ``fit`` is a function of a
        library, and the program may be a notebook.
        """
        strategy: Strategy | str = "auto"
        if self.processes > 1:
            # From cached features the backbone's parameters have no part in the loss.
            strategy = DDPStrategy(start_method="spawn", find_unused_parameters=recipe.features is not None)
        return {
            "accelerator": self.accelerator,
            "devices": self.per_node,
            "num_nodes": self.nodes,
            "strategy": strategy,
            # The loaders bring their own part of each batch.
            "use_distributed_sampler": False,
        }

    def plugins(self) -> list[Any]:
        """Plugins of Lightning's ``Trainer``."""
        if self.processes == 1:
            return []
        from unmask.training.norms import WholeBatchNorms

        # By name: Lightning would otherwise take the variables of a batch system for processes that it had started.
        return [LightningEnvironment(), WholeBatchNorms()]

    @contextmanager
    def meeting(self) -> Iterator[Meeting]:
        """Where the machines of a run wait for each other.

        Raises:
            UsageError: ``no_meeting``, the others were not found or went away.
        """
        before = os.environ.get("MASTER_PORT")
        try:
            if self.nodes == 1:
                yield Meeting(None, self)
                return
            store = TCPStore(
                os.environ["MASTER_ADDR"],
                int(os.environ["MASTER_PORT"]) + 1,
                self.nodes,
                is_master=self.node == 0,
                timeout=_PATIENCE,
            )
            yield Meeting(store, self)
        except DistError as error:
            reason = str(error).splitlines()[0][:200]
            raise UsageError("no_meeting", f"The machines of this run lost each other: {reason}") from error
        finally:
            # Lightning leaves the port of its own choice behind, which a later run must not take.
            if before is None:
                os.environ.pop("MASTER_PORT", None)


class Meeting:
    """The machines of one run. The first one prepares and packages; the others train with it."""

    def __init__(self, store: TCPStore | None, devices: Devices) -> None:
        self._store, self._devices = store, devices

    @property
    def leads(self) -> bool:
        """Whether this is the machine that writes the run folder."""
        return self._devices.node == 0

    def say(self, stage: str) -> None:
        """Let the other machines pass a stage."""
        if self._store is not None:
            self._store.set(stage, "reached")

    def wait(self, stage: str) -> None:
        """Wait until the first machine has reached a stage."""
        if self._store is not None:
            self._store.wait([stage], _PATIENCE)

    def part(self) -> None:
        """Wait until all have come to the end: the first machine holds what the others read."""
        if self._store is None:
            return
        self._store.set(f"end-{self._devices.node}", "reached")
        if self.leads:
            self._store.wait([f"end-{node}" for node in range(self._devices.nodes)], _PATIENCE)
