"""What a calibration changed, as metrics and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from unmask.evaluation.measure import estimate, rate
from unmask.evaluation.reports.sentences import percent, three_digits, with_interval
from unmask.evaluation.results.base import Estimate
from unmask.evaluation.results.calibration import (
    CalibratedThreshold,
    CalibrationChange,
    CalibrationErrors,
    CalibrationResult,
    ChanceError,
    ThresholdRates,
    UnsupportedBudget,
)
from unmask.stats.intervals import rounded
from unmask.stats.metrics import Bins, Codes, Flags, Floats
from unmask.stats.registry import METRICS, OfProbabilities, Probabilities
from unmask.stats.resample import Draws, Resampled, centred_interval, distance_interval, resample

ERRORS: Final = ("ece", "log_loss", "brier")

_CHANCE_DRAWS: Final = 500


@dataclass(frozen=True)
class Labelled:
    """Labelled images and the network's output for them, one element each.

    Attributes:
        logit: of the region that decided, before any calibration.
        is_fake: the truth.
        group: numbers, equal within a group.
        unreadable: number of further images that could not be read.
    """

    logit: Floats
    is_fake: Flags
    group: Codes
    unreadable: int = 0

    def __getitem__(self, chosen: Codes) -> Labelled:
        return Labelled(self.logit[chosen], self.is_fake[chosen], self.group[chosen])

    def groups_of(self, fake: bool) -> int:
        """Number of groups of the images of a class."""
        return len(np.unique(self.group[self.is_fake == fake]))


def rates(called_fake: Flags, images: Labelled) -> ThresholdRates:
    """The rates of correct predictions of both classes, and the false-positive rate."""
    fake, real = images.is_fake, ~images.is_fake
    return ThresholdRates(
        specificity=rate(~called_fake[real], images.group[real]),
        false_positive_rate=rate(called_fake[real], images.group[real]),
        recall_fake=rate(called_fake[fake], images.group[fake]),
    )


def errors(before: Floats, after: Floats, images: Labelled, prior: float, draws: Draws) -> CalibrationChange:
    """Calibration error, log loss and Brier score before and after, where the proportion ``prior`` is fake.

    Args:
        before: probabilities of fake [n], in [0, 1].
        after: the same, recalibrated.
        images: the images.
        prior: in (0, 1).
        draws: how intervals are drawn.
    """
    is_fake = images.is_fake
    sides = [Probabilities(probability, is_fake) for probability in (before, after)]
    metrics = [metric for name in ERRORS if isinstance(metric := METRICS[name], OfProbabilities)]

    weight = np.where(is_fake, prior / is_fake.sum(), (1 - prior) / (~is_fake).sum())

    def statistic(drawn: Floats) -> Floats:
        fakes, reals = float(drawn[is_fake].sum()), float(drawn[~is_fake].sum())
        if not fakes or not reals:
            return np.full(3 * len(ERRORS) + len(sides), math.nan)
        mixed = drawn * np.where(is_fake, prior / fakes, (1 - prior) / reals)
        values = np.array([[metric.function(known, mixed) for metric in metrics] for known in sides])
        noise = [known.bins.distance(mixed, weight) for known in sides]
        return np.concatenate([values[0], values[1], values[1] - values[0], noise])

    _, group = np.unique(images.group, return_inverse=True)
    found = resample(group, statistic, draws)
    return CalibrationChange(
        before=_errors(found, 0),
        after=_errors(found, 1),
        difference=_errors(found, 2),
        chance_ece=_chance_error(after, weight, draws.seed),
    )


def _errors(found: Resampled, side: int) -> CalibrationErrors:
    """Before (0), after (1) or the difference (2)."""
    at = side * len(ERRORS)
    value = float(found.values[at])
    if side < 2:
        ends = distance_interval(value, found.drawn[:, 3 * len(ERRORS) + side])
    else:
        ends = centred_interval(value, found.drawn[:, at])
    log_loss, brier = (estimate(found.values[one], found.interval(one)) for one in (at + 1, at + 2))
    return CalibrationErrors(ece=estimate(value, ends), log_loss=log_loss, brier=brier)


def _chance_error(probability: Floats, weight: Floats, seed: int) -> ChanceError:
    """The calibration error that as many images show by chance if the probabilities are exact."""
    generator = np.random.default_rng(seed)
    drawn_errors = []
    for _ in range(_CHANCE_DRAWS):
        drawn = generator.choice(probability, len(probability), p=weight)
        drawn_errors.append(Bins(drawn, generator.random(len(drawn)) < drawn).error())
    return ChanceError(
        mean=rounded(float(np.mean(drawn_errors))), high=rounded(float(np.quantile(drawn_errors, 0.975)))
    )


def flat(change: CalibrationChange) -> dict[str, float]:
    """All values in one level, without those that do not exist."""
    found = {}
    for side, of_side in (("before", change.before), ("after", change.after), ("difference", change.difference)):
        for name, found_error in _by_name(of_side).items():
            for end, value in (("", found_error.value), ("_low", found_error.low), ("_high", found_error.high)):
                if value is not None:
                    found[f"{name}_{side}{end}"] = value
    return found


def _by_name(found: CalibrationErrors) -> dict[str, Estimate]:
    return {"ece": found.ece, "log_loss": found.log_loss, "brier": found.brier}


def sentences(result: CalibrationResult) -> Iterator[str]:
    """A calibration in words."""
    data, method, change = result.data, result.method, result.figures
    yield (
        f"{data.n:,} images ({data.n_real:,} real, {data.n_fake:,} fake) in {data.groups:,} groups; "
        + (
            f"fitted on {data.fitted_on:,} of them, measured on the other {data.measured_on:,}."
            if method.holdout
            else f"metrics are cross-validated in {method.folds} folds."
        )
    )
    if data.failures:
        yield f"Unreadable, left out: {data.failures:,} images."
    if result.in_training:
        yield "The bundle was trained or calibrated on these images: its metrics before are too good."
    yield _how(result)
    for title, before, after, difference in (
        ("Expected calibration error", change.before.ece, change.after.ece, change.difference.ece),
        ("Log loss", change.before.log_loss, change.after.log_loss, change.difference.log_loss),
        ("Brier score", change.before.brier, change.after.brier, change.difference.brier),
    ):
        chance = change.chance_ece
        by_chance = (
            f"; exact probabilities would show {three_digits(chance.mean)} on as many images by chance, at most "
            f"{three_digits(chance.high)}"
        )
        yield (
            f"{title} {with_interval(before)} before, {with_interval(after)} after: {_verdict(difference)}"
            f"{by_chance if before is change.before.ece else ''}."
        )
    photographs = result.photographs
    if photographs is not None:
        seen = f"training saw {', '.join(photographs.seen)}" if photographs.seen else "training saw none of them"
        yield (
            f"Thresholds are set on {photographs.n:,} photographs in {photographs.groups:,} groups, of "
            f"{len(photographs.sources):,} sources; {seen}."
        )
        if photographs.failures:
            yield f"Unreadable, left out: {photographs.failures:,} photographs."
    yield from (_threshold(each) for each in result.thresholds)
    yield from (_unsupported(each, result) for each in result.unsupported)
    band = result.uncertain
    yield (
        f"Uncertain from {band.low:.3f} to {band.high:.3f}: {100 * band.coverage:.0f} % of the images. Of the others "
        f"{100 * band.accuracy_outside:.1f} % are right, on the images that the band was set on."
    )


def _how(result: CalibrationResult) -> str:
    old, new, method = result.calibration.before, result.calibration.after, result.method
    prior = "" if method.prior == 0.5 else f" Probabilities expect {100 * method.prior:.3g} % fakes."
    if method.asked == "keep":
        return f"The bundle keeps its calibration.{prior}"
    if method.kept:
        return f"Too few groups of a class to judge by: the bundle keeps its calibration.{prior}"
    if new.points:
        return f"Isotonic calibration through {len(new.points)} points.{prior}"
    return (
        f"Log odds of fake were {old.slope:.3f} × logit {old.bias:+.3f} and are now {new.slope:.3f} × logit "
        f"{new.bias:+.3f}.{prior}"
        if not old.points
        else f"Log odds of fake are now {new.slope:.3f} × logit {new.bias:+.3f}.{prior}"
    )


def _verdict(difference: Estimate) -> str:
    """Whether a difference, of which less is better, is established."""
    if difference.value is None or difference.low is None or difference.high is None:
        return "no change" if not difference.value else "a change of unknown certainty"
    if difference.high < 0:
        return f"lower by {three_digits(-difference.value)}, established"
    if difference.low > 0:
        return f"higher by {three_digits(difference.value)}, established"
    return "not established that they differ"


def _threshold(found: CalibratedThreshold) -> str:
    before = found.before
    was = (
        ""
        if before is None or not found.is_new
        else f" At the old threshold: specificity {percent(before.specificity)}, recall of fake "
        f"{percent(before.recall_fake)}."
    )
    other = found.on_photographs
    photographs = (
        ""
        if other is None
        else f" On photographs that it was not set on: a false-positive rate of {100 * other.value:.1f} % "
        f"({100 * other.low:.1f}–{100 * other.high:.1f})."
    )
    return (
        f"{found.name}{' (used for verdicts)' if found.is_default else ''}: threshold "
        f"{found.fake_probability:.3f}{'' if found.is_new else ', as before'}; specificity "
        f"{percent(found.after.specificity)}, so a false-positive rate of {percent(found.after.false_positive_rate)} "
        f"on a budget of {100 * found.budget:g} %; recall of fake {percent(found.after.recall_fake)}.{was}{photographs}"
    )


def _unsupported(found: UnsupportedBudget, result: CalibrationResult) -> str:
    kept = "the bundle keeps its old threshold" if found.kept else "the bundle has no threshold for it"
    return (
        f"{result.data.real_groups:,} groups of real images are too few for a budget of {100 * found.budget:g} %, "
        f"which takes {found.needs:,}; {kept}. The smallest budget that they support is "
        f"{100 * result.smallest_budget:.2g} %."
    )
