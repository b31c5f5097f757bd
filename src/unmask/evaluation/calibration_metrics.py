"""What a calibration changed, in figures and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from unmask.evaluation.measure import share
from unmask.evaluation.reports.sentences import figure, percent, with_interval
from unmask.stats.intervals import interval, rounded
from unmask.stats.metrics import Bins, Codes, Flags, Floats
from unmask.stats.registry import METRICS, OfProbabilities, Probabilities
from unmask.stats.resample import Draws, resample

FIGURES: Final = ("ece", "log_loss", "brier")

_CHANCE_DRAWS: Final = 500
_NAMES: Final = {"ece": "Expected calibration error", "log_loss": "Log loss", "brier": "Brier score"}


@dataclass(frozen=True)
class Labelled:
    """Images of known label and what the network said of them, one element each.

    Attributes:
        logit: of the region that decided, before any calibration.
        is_fake: the truth.
        group: numbers, equal within a group.
        unreadable: how many further images could not be read.
    """

    logit: Floats
    is_fake: Flags
    group: Codes
    unreadable: int = 0

    def __getitem__(self, chosen: Codes) -> Labelled:
        return Labelled(self.logit[chosen], self.is_fake[chosen], self.group[chosen])

    def groups_of(self, fake: bool) -> int:
        """In how many groups the images of a class are."""
        return len(np.unique(self.group[self.is_fake == fake]))


def shares(called_fake: Flags, images: Labelled) -> dict[str, Any]:
    """The shares of both classes that a cut calls right, and of reals that it calls fake."""
    fake, real = images.is_fake, ~images.is_fake
    return {
        "specificity": share(~called_fake[real], images.group[real]),
        "false_positive_rate": share(called_fake[real], images.group[real]),
        "recall_fake": share(called_fake[fake], images.group[fake]),
    }


def figures(before: Floats, after: Floats, images: Labelled, prior: float, draws: Draws) -> dict[str, Any]:
    """Calibration error, log loss and Brier score where a share ``prior`` is fake: before, after and the difference."""
    is_fake = images.is_fake
    sides = [Probabilities(probability, is_fake) for probability in (before, after)]
    metrics = [metric for name in FIGURES if isinstance(metric := METRICS[name], OfProbabilities)]

    def statistic(weight: Floats) -> Floats:
        fakes, reals = float(weight[is_fake].sum()), float(weight[~is_fake].sum())
        if not fakes or not reals:
            return np.full(3 * len(FIGURES), math.nan)
        mixed = weight * np.where(is_fake, prior / fakes, (1 - prior) / reals)
        values = np.array([[metric.function(known, mixed) for metric in metrics] for known in sides])
        return np.concatenate([values[0], values[1], values[1] - values[0]])

    _, group = np.unique(images.group, return_inverse=True)
    found = resample(group, statistic, draws)
    blocks = {}
    for at, side in enumerate(("before", "after", "difference")):
        blocks[side] = {
            name: interval(found.values[place], found.interval(place))
            for place, name in enumerate(FIGURES, at * len(FIGURES))
        }
    weight = np.where(is_fake, prior / is_fake.sum(), (1 - prior) / (~is_fake).sum())
    return {**blocks, "chance_ece": _chance_error(after, weight, draws.seed)}


def _chance_error(probability: Floats, weight: Floats, seed: int) -> dict[str, Any]:
    """The calibration error that as many images would show by chance if the probabilities were exactly right."""
    generator = np.random.default_rng(seed)
    errors = []
    for _ in range(_CHANCE_DRAWS):
        drawn = generator.choice(probability, len(probability), p=weight)
        errors.append(Bins(drawn, generator.random(len(drawn)) < drawn).error())
    return {"mean": rounded(float(np.mean(errors))), "high": rounded(float(np.quantile(errors, 0.975)))}


def flat(figures: dict[str, Any]) -> dict[str, float]:
    """Figures in one level, without those that do not exist."""
    found = {}
    for side in ("before", "after", "difference"):
        for name, entry in figures[side].items():
            for end, value in entry.items():
                if value is not None:
                    found[f"{name}_{side}{'' if end == 'value' else f'_{end}'}"] = value
    return found


def sentences(result: dict[str, Any]) -> Iterator[str]:
    """A result of :func:`unmask.evaluation.calibrate.calibrate` in plain words."""
    data, method = result["data"], result["method"]
    yield (
        f"{data['n']:,} images ({data['n_real']:,} real, {data['n_fake']:,} fake) in {data['groups']:,} groups; "
        + (
            f"fitted on {data['fitted_on']:,} of them, measured on the other {data['measured_on']:,}."
            if method["holdout"]
            else f"figures are of images that nothing was fitted on, {method['folds']} parts taking turns."
        )
    )
    if data["failures"]:
        yield f"Not readable, left out: {data['failures']:,}."
    if result["in_training"]:
        yield "The bundle was trained or calibrated on these very images: its figures before flatter it."
    yield _how(result)
    figures = result["figures"]
    for name in FIGURES:
        before, after, difference = (figures[side][name] for side in ("before", "after", "difference"))
        chance = figures["chance_ece"]
        by_chance = (
            f"; were the probabilities exactly right, so many images would show {figure(chance['mean'])}, "
            f"at most {figure(chance['high'])}"
        )
        yield (
            f"{_NAMES[name]} {with_interval(before)} before, {with_interval(after)} after: {_verdict(difference)}"
            f"{by_chance if name == 'ece' else ''}."
        )
    for entry in result["thresholds"]:
        yield _threshold(entry)
    for entry in result["unsupported"]:
        old = (
            "the bundle's own cut is kept for it" if entry["kept"] else "and the bundle has no cut for it: it has none"
        )
        yield (
            f"{data['real_groups']:,} groups of real images are too few for a budget of {100 * entry['budget']:g} %, "
            f"which takes {entry['needs']:,}; {old}. The smallest budget that they support is "
            f"{100 * result['smallest_budget']:.2g} %."
        )
    band = result["uncertain"]
    yield (
        f"Flagged as uncertain from {band['low']:.3f} to {band['high']:.3f}, which is {band['coverage']:.0%} of the "
        f"images; of the others {band['accuracy_outside']:.1%} are right (on the images that the band was set on)."
    )


def _how(result: dict[str, Any]) -> str:
    old, new, method = result["calibration"]["before"], result["calibration"]["after"], result["method"]
    share_fake = "" if method["prior"] == 0.5 else f" Probabilities are for a share of {method['prior']:.3g} fakes."
    if method["kept"]:
        return f"Too few groups of a class to judge by: the bundle's own calibration is kept.{share_fake}"
    if new["points"]:
        return f"Isotonic calibration through {len(new['points'])} points.{share_fake}"
    return (
        f"Log odds of fake were {old['slope']:.3f} × logit {old['bias']:+.3f} and are now {new['slope']:.3f} × logit "
        f"{new['bias']:+.3f}.{share_fake}"
        if not old["points"]
        else f"Log odds of fake are now {new['slope']:.3f} × logit {new['bias']:+.3f}.{share_fake}"
    )


def _verdict(difference: dict[str, Any]) -> str:
    """Whether a difference, of which less is better, is established."""
    if difference["low"] is None:
        return "no change" if not difference["value"] else "a change of unknown certainty"
    if difference["high"] < 0:
        return f"lower by {figure(-difference['value'])}, established"
    if difference["low"] > 0:
        return f"higher by {figure(difference['value'])}, established"
    return "not established that they differ"


def _threshold(entry: dict[str, Any]) -> str:
    after, before = entry["after"], entry["before"]
    was = (
        ""
        if before is None or not entry["is_new"]
        else f" The old cut kept {percent(before['specificity'])} of them real and found "
        f"{percent(before['recall_fake'])} of the fakes."
    )
    return (
        f"{entry['name']}{' (used for verdicts)' if entry['is_default'] else ''}: FAKE from a probability of "
        f"{entry['fake_probability']:.3f}{'' if entry['is_new'] else ', as before'}. Of the real images "
        f"{percent(after['specificity'])} stay real, so {percent(after['false_positive_rate'])} are called fake where "
        f"{100 * entry['budget']:g} % may be; {percent(after['recall_fake'])} of the fakes are found.{was}"
    )
