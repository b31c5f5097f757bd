"""Thresholds set on photographs that were held out: real images only, best of sources that training never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Calibration, Measured, Threshold
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.evaluation.calibration_metrics import Labelled
from unmask.evaluation.measure import rate
from unmask.evaluation.results.calibration import PhotographFacts
from unmask.stats.metrics import Floats
from unmask.training.calibration import thresholds


@dataclass(frozen=True)
class Photographs:
    """Held-out photographs and the network's logits for them.

    Attributes:
        images: all of them real.
        sources: names of their sources; '' counts as one.
        seen: those of them that the bundle was trained on, by its card.
        name: of the table.
        manifest_digest: of the table.
    """

    images: Labelled
    sources: tuple[str, ...]
    seen: tuple[str, ...]
    name: str = ""
    manifest_digest: str = ""

    @classmethod
    def of(cls, bundle: Bundle, table: Manifest, images: Labelled) -> Photographs:
        """The photographs of a table, with their logits.

        Raises:
            UsageError: ``not_photographs``: some are fakes, or none can be read.
        """
        fakes = sum(row.label == "fake" for row in table)
        if fakes or not len(images.logit):
            why = f"{fakes:,} of its images are fakes" if fakes else "none of its images could be read"
            raise UsageError("not_photographs", f"{table.name}: photographs must be real images, and {why}.")
        sources = {row.source for row in table}
        known = {source for by_source in bundle.info.card.sources.values() for source in by_source}
        name = Path(table.name).name
        return cls(images, tuple(sorted(sources)), tuple(sorted(sources & known)), name, table.digest())

    @property
    def words(self) -> str:
        """What the thresholds were set on, for their provenance."""
        count, groups = len(self.images.logit), self.images.groups_of(False)
        seen = f"{len(self.seen)} of them" if self.seen else "none of them"
        plural = "source" if len(self.sources) == 1 else "sources"
        return (
            f"{count:,} photographs in {groups:,} groups, held out, of {len(self.sources)} {plural}; "
            f"training saw {seen}"
        )


def photograph_thresholds(
    photographs: Photographs, fakes: Labelled, calibration: Calibration, budgets: Sequence[float], folds: int, seed: int
) -> tuple[Threshold, ...]:
    """A threshold for each budget, which holds on average for other photographs like these.

    Its false-positive rate is cross-validated: measured on photographs of groups that it was not set on.

    Args:
        photographs: to set them on.
        fakes: labelled images; the recall is that of the fakes among them.
        calibration: of the new bundle.
        budgets: false-positive rates that the photographs are enough for.
        folds: number of folds.
        seed: random seed of the folds.
    """
    real = _probabilities(calibration, photographs.images)
    fake = _probabilities(calibration, fakes)[fakes.is_fake]

    def made_from(chosen: Floats) -> tuple[Threshold, ...]:
        is_fake = np.repeat([False, True], [len(chosen), len(fake)])
        return thresholds(np.concatenate([chosen, fake]), is_fake, budgets, of_others=True)

    names, group = np.unique(photographs.images.group, return_inverse=True)
    folds = min(folds, len(names))
    fold = (np.random.default_rng(seed).permutation(len(names)) % folds)[group]
    called = np.zeros((len(budgets), len(real)), bool)
    for at in range(folds):
        own = fold == at
        for index, each in enumerate(made_from(real[~own])):
            called[index, own] = real[own] >= each.fake_probability
    found = []
    for each, above in zip(made_from(real), called, strict=True):
        known = rate(above, group)
        measured = Measured(value=known.value or 0.0, low=known.low or 0.0, high=known.high or 0.0, n=known.n or 1)
        changes = {"provenance": photographs.words, "false_positive_rate": measured}
        found.append(each.model_copy(update=changes))
    return tuple(found)


def facts_of(photographs: Photographs) -> PhotographFacts:
    """What a result says of them."""
    return PhotographFacts(
        name=photographs.name,
        manifest_digest=photographs.manifest_digest,
        n=len(photographs.images.logit),
        groups=photographs.images.groups_of(False),
        failures=photographs.images.unreadable,
        sources=photographs.sources,
        seen=photographs.seen,
    )


def _probabilities(calibration: Calibration, images: Labelled) -> Floats:
    return np.array([calibration.probability(value) for value in images.logit])
