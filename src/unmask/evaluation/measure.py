"""All figures of a set of scored images, each with its interval and the number of images behind it.

An image that could not be read is a mistake in every figure of decisions and ranks: a fake stands below every score,
a real one above. Log loss, Brier score and ECE speak of probabilities, so they cover the images that got one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from unmask.evaluation.scores import Scores
from unmask.stats.intervals import DRAWS, draw_groups, percentile_interval, share_interval
from unmask.stats.metrics import (
    Bins,
    Codes,
    Confusion,
    Flags,
    Floats,
    Ranking,
    Roc,
    confusion_cells,
    log_losses,
    squared_errors,
    weighted_mean,
)

DIGITS: Final = 10

OF_RANKS: Final[Mapping[str, Callable[[Roc], float]]] = {
    "auc": Roc.auc,
    "average_precision": Roc.average_precision,
    "eer": Roc.equal_error_rate,
    "tpr_at_fpr_1": lambda roc: roc.tpr_at_fpr(0.01),
    "tpr_at_fpr_5": lambda roc: roc.tpr_at_fpr(0.05),
}
OF_DECISIONS: Final[Mapping[str, Callable[[Confusion], float]]] = {
    "balanced_accuracy": lambda counts: counts.balanced_accuracy,
    "f1_fake": lambda counts: counts.f1_fake,
    "f1_real": lambda counts: counts.f1_real,
    "f1_weighted": lambda counts: counts.f1_weighted,
    "precision_weighted": lambda counts: counts.precision_weighted,
    "mcc": lambda counts: counts.mcc,
}
OF_PROBABILITIES: Final = ("log_loss", "brier", "ece")
SHARES: Final = ("accuracy", "recall_fake", "specificity", "precision_fake", "precision_real")
METRICS: Final = (*SHARES, *OF_DECISIONS, *OF_RANKS, *OF_PROBABILITIES)


@dataclass(frozen=True)
class Draws:
    """How intervals are drawn.

    Attributes:
        draws: number of resampled sets.
        seed: of the draws.
        workers: threads; by default one a CPU. They do not change the result.
    """

    draws: int = DRAWS
    seed: int = 0
    workers: int | None = None


@dataclass(frozen=True)
class Images:
    """Scored images as arrays, one element each.

    Attributes:
        is_fake: the truth.
        probability: of fake, in [0, 1]; NaN where the image could not be read.
        called_fake: the answer, the wrong one where the image could not be read.
        group: numbers, equal within a group.
    """

    is_fake: Flags
    probability: Floats
    called_fake: Flags
    group: Codes

    @classmethod
    def of(cls, scores: Scores) -> Images:
        """From a table, with its threshold."""
        failed = np.isnan(scores.fake_probability)
        called_fake = np.where(failed, ~scores.is_fake, scores.fake_probability >= scores.threshold)
        return cls(scores.is_fake, scores.fake_probability, called_fake, scores.groups())

    def __len__(self) -> int:
        return len(self.is_fake)

    @property
    def failed(self) -> Flags:
        """Which images could not be read."""
        return np.isnan(self.probability)

    @property
    def score(self) -> Floats:
        """What images are ranked by: the probability; -1 for a fake and 2 for a real one that could not be read."""
        return np.where(self.failed, np.where(self.is_fake, -1.0, 2.0), self.probability)

    @property
    def is_right(self) -> Flags:
        """Which answers are right."""
        return np.asarray(self.called_fake == self.is_fake)

    @property
    def has_both(self) -> bool:
        """Whether both classes are there."""
        return bool(self.is_fake.any() and not self.is_fake.all())

    def where(self, chosen: Flags) -> Images:
        """The chosen images only."""
        _, group = np.unique(self.group[chosen], return_inverse=True)
        return Images(self.is_fake[chosen], self.probability[chosen], self.called_fake[chosen], group)


class Resampler:
    """The figures that have no interval of their own, for any weights of the same images."""

    names = (*OF_DECISIONS, *OF_RANKS, *OF_PROBABILITIES)

    def __init__(self, images: Images) -> None:
        self.ranking = Ranking(images.score, images.is_fake)
        self._cells = confusion_cells(images.called_fake, images.is_fake)
        self._read = None if not images.failed.any() else np.flatnonzero(~images.failed)
        read = slice(None) if self._read is None else self._read
        probability, is_fake = images.probability[read], images.is_fake[read]
        self._bins = Bins(probability, is_fake)
        self._losses = log_losses(probability, is_fake)
        self._squares = squared_errors(probability, is_fake)

    def figures(self, roc: Roc, weight: Floats) -> list[float]:
        """Each of ``names``, for weights and the curve that they give."""
        counts = Confusion.of_cells(self._cells, weight)
        of_read = weight if self._read is None else weight[self._read]
        return [
            *(figure(counts) for figure in OF_DECISIONS.values()),
            *(figure(roc) for figure in OF_RANKS.values()),
            weighted_mean(self._losses, of_read),
            weighted_mean(self._squares, of_read),
            self._bins.error(of_read),
        ]


class SliceAreas:
    """The AUC of each class's slices against all images of the other class, for any weights.

    A slice of one class alone has no curve of its own. Its mean placement among the whole other class says how well it
    is told apart, for all slices of a column at the cost of one pass.
    """

    def __init__(self, images: Images, ranking: Ranking, columns: Mapping[str, Codes]) -> None:
        score_of = ranking.score_of
        self._parts = []
        self.names: list[tuple[str, int, bool]] = []
        for column, codes in columns.items():
            for fake in (False, True):
                own = np.flatnonzero(images.is_fake == fake)
                count = int(codes.max()) + 1
                self._parts.append((fake, own, score_of[own], codes[own], count))
                self.names += [(column, code, fake) for code in range(count)]

    def figures(self, roc: Roc, weight: Floats) -> list[float]:
        """An area for each of ``names``: column, code and class."""
        real_placement, fake_placement = roc.placements()[::-1]
        found: list[float] = []
        for fake, own, score_of, codes, count in self._parts:
            placement = (fake_placement if fake else real_placement)[score_of]
            own_weight = weight[own]
            total = np.bincount(codes, own_weight, count)
            with np.errstate(invalid="ignore"):  # a slice that was not drawn has no area
                found += (np.bincount(codes, own_weight * placement, count) / total).tolist()
        return found


def measure(
    images: Images, draws: Draws, columns: Mapping[str, Codes] | None = None
) -> tuple[dict[str, Any], dict[tuple[str, int, bool], dict[str, Any]]]:
    """All figures of some images, and the AUC of each slice of the columns against all of the other class.

    Args:
        images: at least one.
        draws: how intervals are drawn.
        columns: for each column by which slices are made a number for each image, from 0.

    Returns:
        The block of figures as plain values, and areas by column, number and class (true is fake).
    """
    resampler = Resampler(images)
    areas = SliceAreas(images, resampler.ranking, columns or {})

    def statistic(weight: Floats) -> Floats:
        roc = resampler.ranking.roc(weight)
        return np.array([*resampler.figures(roc, weight), *areas.figures(roc, weight)])

    values = statistic(np.ones(len(images)))
    drawn = draw_groups(images.group, statistic, draws.draws, draws.seed, draws.workers)
    read = int(np.count_nonzero(~images.failed))
    figures = [
        {**interval(values[at], percentile_interval(drawn[:, at])), "method": "bootstrap"} for at in range(len(values))
    ]
    by_name: dict[str, dict[str, Any]] = {
        name: {**figure, "n": read if name in OF_PROBABILITIES else len(images)}
        for name, figure in zip(Resampler.names, figures, strict=False)
    }
    by_name |= _shares(images)
    reals = int(np.count_nonzero(~images.is_fake))
    return {
        "n": len(images),
        "n_real": reals,
        "n_fake": len(images) - reals,
        "groups": int(images.group.max()) + 1,
        "failures": len(images) - read,
        "confusion": confusion(images),
        "baseline": baseline(images),
        "metrics": {name: by_name[name] for name in METRICS},
    }, dict(zip(areas.names, figures[len(Resampler.names) :], strict=True))


def measure_within(images: Images, draws: Draws) -> dict[str, dict[str, Any]]:
    """AUC and balanced accuracy of a slice that has both classes."""
    ranking = Ranking(images.score, images.is_fake)
    cells = confusion_cells(images.called_fake, images.is_fake)

    def statistic(weight: Floats) -> Floats:
        return np.array([ranking.roc(weight).auc(), Confusion.of_cells(cells, weight).balanced_accuracy])

    drawn = draw_groups(images.group, statistic, draws.draws, draws.seed, draws.workers)
    values = statistic(np.ones(len(images)))
    return {
        name: {**interval(values[at], percentile_interval(drawn[:, at])), "method": "bootstrap", "n": len(images)}
        for at, name in enumerate(("auc", "balanced_accuracy"))
    }


def confusion(images: Images) -> dict[str, dict[str, int]]:
    """Counts by truth, then answer; an image that could not be read stands under ``unreadable``."""
    return {
        label: {
            "called_real": int(np.count_nonzero(of_label & ~images.called_fake & ~images.failed)),
            "called_fake": int(np.count_nonzero(of_label & images.called_fake & ~images.failed)),
            "unreadable": int(np.count_nonzero(of_label & images.failed)),
        }
        for label, of_label in (("real", ~images.is_fake), ("fake", images.is_fake))
    }


def baseline(images: Images) -> dict[str, Any]:
    """What giving every image the answer of the larger class scores."""
    share_fake = float(images.is_fake.mean())
    return {
        "answer": "fake" if share_fake > 0.5 else "real",
        "accuracy": rounded(max(share_fake, 1 - share_fake)),
        "balanced_accuracy": 0.5 if images.has_both else None,
        "auc": 0.5 if images.has_both else None,
        "mcc": 0.0,
    }


def share(success: Flags, group: Codes) -> dict[str, Any]:
    """A share with Wilson's interval, widened where groups hang together; no value where nothing was counted."""
    n = len(success)
    value = float(success.mean()) if n else math.nan
    return {**interval(value, share_interval(success, group)), "method": "wilson", "n": n}


def interval(value: float, ends: tuple[float, float] | None) -> dict[str, Any]:
    """A figure as plain values; ``None`` for what does not exist."""
    low, high = ends if ends is not None and not math.isnan(value) else (math.nan, math.nan)
    return {"value": rounded(value), "low": rounded(low), "high": rounded(high)}


def rounded(value: float) -> float | None:
    """A figure for JSON: as many digits as the last bit's noise allows; ``None`` for NaN."""
    return None if math.isnan(value) else round(float(value), DIGITS)


def _shares(images: Images) -> dict[str, dict[str, Any]]:
    called_fake, is_fake = images.called_fake, images.is_fake
    counted = {
        "accuracy": (images.is_right, np.ones(len(images), bool)),
        "recall_fake": (called_fake, is_fake),
        "specificity": (~called_fake, ~is_fake),
        "precision_fake": (is_fake, called_fake),
        "precision_real": (~is_fake, ~called_fake),
    }
    return {name: share(success[among], images.group[among]) for name, (success, among) in counted.items()}
