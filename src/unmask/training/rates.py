"""The learning rate of a step, as a function of its position in the phase."""

from __future__ import annotations

import math

from unmask.recipes import Schedule


def rate_factor(schedule: Schedule, epochs: int, steps_per_epoch: int, step: int) -> float:
    """Factor in [0, 1] on the peak learning rate, without the reductions of a plateau.

    Args:
        schedule: kind of decay and length of the warm-up.
        epochs: length of the phase.
        steps_per_epoch: optimiser steps per epoch.
        step: of the phase, from 0.
    """
    warmup = schedule.warmup_epochs * steps_per_epoch
    if schedule.decay == "cosine":
        return warmed_cosine(step, warmup, epochs * steps_per_epoch)
    # Plus one, so that the first step has an effect.
    factor = (step + 1) / (warmup + 1) if step < warmup else 1.0
    if schedule.decay == "step":
        factor *= schedule.decay_factor ** (step // steps_per_epoch // schedule.decay_epochs)
    return factor


def warmed_cosine(step: int, warmup: float, total: int) -> float:
    """Factor in (0, 1] on the peak learning rate: linear to 1 over ``warmup`` steps, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))


class Plateau:
    """Lowers the learning rate when the validation loss has not fallen for some epochs.

    Lightning updates such schedulers after it has written the epoch's checkpoint, so that a resumed run would miss an
    update. This one is updated before, and its state is three numbers in the checkpoint.

    Args:
        factor: multiplies the rate each time.
        epochs: number of consecutive epochs without a lower loss before the rate is lowered.
    """

    def __init__(self, factor: float, epochs: int) -> None:
        self._factor, self._epochs = factor, epochs
        self._best, self._waited = math.inf, 0
        self.scale = 1.0

    def observe(self, loss: float) -> None:
        """Add the loss of an epoch; ``scale`` is then the factor on the next epoch's rate."""
        if loss < self._best:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited >= self._epochs:
            self._waited = 0
            self.scale *= self._factor

    def state(self) -> dict[str, float]:
        """The state for a checkpoint."""
        return {"best": self._best, "waited": self._waited, "scale": self.scale}

    def restore(self, state: dict[str, float]) -> None:
        """Restore the state of a checkpoint."""
        self._best, self._waited, self.scale = state["best"], int(state["waited"]), state["scale"]
