"""Which images of an epoch a process takes: always the same ones, and together every image once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shard:
    """The place of one process among those of a run.

    Attributes:
        rank: number of the process, from 0.
        world: number of processes.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def of(cls, trainer: pl.Trainer | None) -> Shard:
        """The place of this process; the only one without a trainer."""
        return cls(trainer.global_rank, trainer.world_size) if trainer else cls()

    def batches(self, images: int, batch_size: int) -> list[range]:
        """The positions in an epoch of this process's part of each batch.

        Step for step, the parts of all processes make up the batch that a single process would take; the last
        incomplete batch is left out.

        Args:
            images: of the epoch.
            batch_size: of the whole batch, a multiple of ``world``.
        """
        part = batch_size // self.world
        first = self.rank * part
        return [range(at + first, at + first + part) for at in range(0, images - batch_size + 1, batch_size)]

    def rows(self, images: int) -> Rows:
        """The positions of this process's images in validation, where each is seen once: int64, ascending."""
        return np.arange(self.rank, images, self.world)


class ShardedBatches(Sampler[list[int]]):
    """Positions by batch, for a torch ``DataLoader``.

    Args:
        batches: the positions of each.
    """

    def __init__(self, batches: list[range]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        return (list(batch) for batch in self._batches)
