"""A run's network pruned in steps, the AUC of each step, and the bundle of the smallest one that is good enough."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np

from unmask.errors import UsageError
from unmask.evaluation.measure import estimate
from unmask.evaluation.results.base import Counts
from unmask.evaluation.results.pruning import PrunedNetwork, PruningResult
from unmask.stats.intervals import group_codes
from unmask.stats.metrics import Codes, Flags, Floats, auc
from unmask.stats.resample import Draws, resample
from unmask.training.prune import PrunedRun, Step


def prune(
    run: PrunedRun,
    folder: Path,
    *,
    max_auc_drop: float = 0.01,
    draws: Draws | None = None,
    progress: Callable[[PrunedNetwork], None] = lambda _: None,
) -> PruningResult:
    """Prune a run and write the bundle of the last step before one that loses too much.

    Args:
        run: the run.
        folder: for the bundle.
        max_auc_drop: largest loss of AUC on the validation images.
        draws: how intervals are drawn.
        progress: called with the network after each step.

    Raises:
        UsageError: ``too_much_lost``: the first step loses more already; nothing is written.
    """
    is_fake = np.array([sample.is_fake for sample in run.validation], bool)
    group = group_codes(run.groups)
    networks: list[PrunedNetwork] = []
    first: Step | None = None
    best, chosen = None, 0
    for step in run.steps():
        first = first or step
        networks.append(_measured(step, first, is_fake, group, draws or Draws()))
        progress(networks[-1])
        if len(networks) == 1:
            continue
        if networks[0].auc - networks[-1].auc > max_auc_drop:
            break
        best, chosen = deepcopy(run.network), len(networks) - 1
    if best is None:
        raise UsageError(
            "too_much_lost",
            f"With {100 * networks[-1].kept:.0f} % of the multiplications the network loses "
            f"{networks[0].auc - networks[-1].auc:.4f} of its AUC, and at most {max_auc_drop:g} is allowed: "
            "keep more of them, or train after the cut.",
        )
    bundle = run.package(folder, best, networks[chosen].kept)
    return PruningResult(
        recipe=run.recipe.name,
        method=run.settings.method,
        data=Counts(
            n=len(is_fake),
            n_real=int(np.count_nonzero(~is_fake)),
            n_fake=int(np.count_nonzero(is_fake)),
            groups=int(group.max()) + 1,
        ),
        max_auc_drop=max_auc_drop,
        networks=tuple(networks),
        chosen=chosen,
        bundle=str(folder),
        sha256=bundle.sha256,
    )


def _measured(step: Step, first: Step, is_fake: Flags, group: Codes, draws: Draws) -> PrunedNetwork:
    logits = [each.astype(np.float64) for each in (first.after, step.before, step.after)]

    def change(weight: Floats) -> Floats:
        return np.array([auc(logits[2], is_fake, weight) - auc(logits[0], is_fake, weight)])

    found = resample(group, change, draws)
    return PrunedNetwork(
        multiplications=step.multiplications,
        parameters=step.parameters,
        kept=step.multiplications / first.multiplications,
        auc_before=auc(logits[1], is_fake),
        auc=auc(logits[2], is_fake),
        change=estimate(float(found.values[0]), found.interval(0)),
    )
