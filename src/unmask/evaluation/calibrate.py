"""Recalibrating a bundle: probabilities and thresholds from labelled images, with confidence intervals.

Everything is fitted on one part of the images and measured on another, whole groups at a time. By default this is
cross-validation, so that every image serves for both, and the new bundle is fitted on all images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import BundleInfo, Calibration, Measured, Recalibration, Threshold
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector
from unmask.errors import UsageError
from unmask.evaluation.calibration_metrics import Labelled, errors, flat, rates
from unmask.evaluation.photographs import Photographs, facts_of, photograph_thresholds
from unmask.evaluation.results.calibration import (
    CalibratedDetector,
    CalibratedThreshold,
    CalibrationChange,
    CalibrationData,
    CalibrationMethod,
    CalibrationResult,
    CalibrationSides,
    ThresholdRates,
    UnsupportedBudget,
)
from unmask.evaluation.scores import Scores, score_manifest
from unmask.stats.metrics import Codes, Floats
from unmask.stats.resample import Draws
from unmask.training.calibration import (
    BUDGETS,
    fit_isotonic,
    fit_platt,
    fit_shrunk,
    fit_temperature,
    threshold_name,
    thresholds,
    uncertain_band,
)
from unmask.version import __version__

Method = Literal["auto", "keep", "temperature", "platt", "isotonic"]
METHODS: Final[tuple[Method, ...]] = ("auto", "keep", "temperature", "platt", "isotonic")
FEWEST: Final = 10
"""With fewer groups of a class than this, ``auto`` keeps the bundle's own calibration."""

# Logits this many times smaller give probabilities from which they can be recovered to the last bit.
FLATTER = 32.0
_FITS: Final = {"temperature": fit_temperature, "platt": fit_platt, "isotonic": fit_isotonic}


@dataclass(frozen=True)
class Settings:
    """How a bundle is calibrated.

    Attributes:
        method: ``auto``: the bundle's own calibration, stretched and moved as far as the images support it, or kept
            where there are fewer than 10 groups of a class. ``keep``: the bundle's own.
        budgets: false-positive rates, a threshold for each.
        prior: expected proportion of fakes.
        folds: number of cross-validation folds.
        holdout: fit on all folds but the last and measure on the last: what is measured is then the calibration that
            is written.
        seed: random seed of the folds.
    """

    method: Method = "auto"
    budgets: tuple[float, ...] = BUDGETS
    prior: float = 0.5
    folds: int = 5
    holdout: bool = False
    seed: int = 0

    def check(self) -> None:
        """Check all settings.

        Raises:
            UsageError: ``bad_method``, ``bad_budget``, ``bad_prior``, ``bad_folds``.
        """
        if self.method not in METHODS:
            raise UsageError("bad_method", f"The method must be one of {', '.join(METHODS)}, not {self.method!r}.")
        if not self.budgets or not all(0 < budget < 1 for budget in self.budgets):
            raise UsageError("bad_budget", "A false-positive budget must lie above 0 and below 1, such as 0.05.")
        if not 0 < self.prior < 1:
            raise UsageError("bad_prior", f"The prior must lie above 0 and below 1, not at {self.prior}.")
        if not 2 <= self.folds <= 100:
            raise UsageError("bad_folds", f"The number of folds must be between 2 and 100, not {self.folds}.")


def score_logits(
    bundle: Bundle,
    manifest: Manifest,
    store: Path | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Labelled:
    """The network's logit for every image of a manifest; arguments and errors as of ``score_manifest``."""
    own = bundle.info.calibration
    if manifest.judged_by == bundle.sha256 and not own.points:  # isotonic calibration cannot be undone
        scores = score_manifest(Detector(bundle), manifest, progress=progress)
        return labelled(scores, 1 / own.slope, own.odds(0.0))
    flat = bundle.info.model_copy(update={"calibration": Calibration(method="temperature", slope=1 / FLATTER)})
    detector = Detector(replace(bundle, info=flat))
    scores = score_manifest(detector, manifest, store, workers=workers, progress=progress, reuse=False)
    return labelled(scores, FLATTER)


def labelled(scores: Scores, scale: float = 1.0, offset: float = 0.0) -> Labelled:
    """The readable images of a table of scores; their logits are ``scale`` times the log odds above ``offset``."""
    read = ~np.isnan(scores.fake_probability)
    probability = scores.fake_probability[read]
    with np.errstate(divide="ignore"):
        odds = np.log(probability) - np.log1p(-probability)
    # Graphs compute in single precision; what is beyond it is rounding noise.
    logit = (scale * (np.clip(odds, -36.0, 36.0) - offset)).astype(np.float32).astype(np.float64)
    _, group = np.unique(scores.groups()[read], return_inverse=True)
    return Labelled(logit, scores.is_fake[read], group, int(np.count_nonzero(~read)))


def calibrate(
    bundle: Bundle,
    images: Labelled,
    settings: Settings | None = None,
    *,
    manifest_digest: str = "",
    in_training: bool = False,
    draws: Draws | None = None,
    photographs: Photographs | None = None,
) -> tuple[BundleInfo, CalibrationResult]:
    """Calibrate a bundle.

    Args:
        bundle: the bundle.
        images: labelled images with its logits.
        settings: how.
        manifest_digest: of the images' manifest, to note.
        in_training: whether the bundle was trained on these images, so that its metrics before are too good.
        draws: how intervals are drawn.
        photographs: held-out photographs to set thresholds on, in place of the real ones among the images.

    Returns:
        The new description for the same graph, and the result.

    Raises:
        UsageError: ``too_few_pictures``: fewer than two groups of a class; or as :meth:`Settings.check`.
    """
    settings, draws = settings or Settings(), draws or Draws()
    settings.check()
    fewest = min(images.groups_of(fake) for fake in (False, True))
    if fewest < 2:
        text = "Calibration needs real and fake images, in at least two groups each."
        raise UsageError("too_few_pictures", text)
    folds = min(settings.folds, fewest)
    parts = _parts(images, folds, settings)
    fitted_on = images[parts[0][0]] if settings.holdout else images
    calibration = _calibration(bundle.info, fitted_on, settings)
    reals = fitted_on if photographs is None else photographs.images
    supported = [budget for budget in settings.budgets if _is_supported(budget, reals)]
    measured = _measure(bundle.info, images, parts, settings, supported, draws, photographs)
    made = _thresholds(bundle.info, calibration, fitted_on, supported, photographs, settings)
    on_photographs = {} if photographs is None else {threshold_name(budget) for budget in supported}
    new = tuple(
        each if each.name in on_photographs else _with_rate(each, measured.after.get(each.name)) for each in made
    )
    default = next(each for each in new if each.name == bundle.info.default_threshold)
    band = uncertain_band(_probability(calibration, fitted_on.logit), fitted_on.is_fake, default.fake_probability)
    changes = {
        "calibration": calibration,
        "thresholds": new,
        "uncertain": band,
        "recalibration": Recalibration(
            bundle_sha256=bundle.sha256,
            manifest_digest=manifest_digest,
            real=int(np.count_nonzero(~images.is_fake)),
            fake=int(np.count_nonzero(images.is_fake)),
            groups=len(np.unique(images.group)),
            asked=settings.method,
            folds=folds,
            holdout=settings.holdout,
            seed=settings.seed,
            metrics=flat(measured.change),
            unmask=__version__,
        ),
    }
    info = bundle.info.model_copy(update=changes)
    return info, _result(bundle, info, images, fitted_on, settings, measured, in_training, photographs)


def _parts(images: Labelled, folds: int, settings: Settings) -> list[tuple[Codes, Codes]]:
    """Indices to fit on and to measure on; no group on both sides."""
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=settings.seed)
    parts = list(splitter.split(images.logit, images.is_fake, images.group))
    parts = parts[-1:] if settings.holdout else parts
    if any(len(np.unique(images.is_fake[fit])) < 2 for fit, _ in parts):
        text = f"The groups cannot be split into {folds} folds that leave real and fake images to fit on."
        raise UsageError("too_few_pictures", text)
    return parts


def _calibration(old: BundleInfo, images: Labelled, settings: Settings) -> Calibration:
    """The calibration fitted on some images."""
    reals, fakes = images.groups_of(False), images.groups_of(True)
    words = f"{_words(images)}, classes weighted equally"
    if settings.method == "keep":
        found = old.calibration
    elif settings.method != "auto":
        found = _FITS[settings.method](images.logit, images.is_fake, words)
    elif min(reals, fakes) >= FEWEST:
        found = fit_shrunk(
            images.logit, images.is_fake, old.calibration, f"{words}, shrunk towards the old calibration"
        )
    else:
        found = old.calibration
    return found.model_copy(update={"prior": settings.prior})


def _words(images: Labelled) -> str:
    groups = len(np.unique(images.group))
    return f"{len(images.logit)} images, {int(images.is_fake.sum())} fake, in {groups} groups"


def fewest_reals(budget: float) -> int:
    """Fewest groups of real images with which a threshold can keep to a budget on average."""
    return math.ceil(1 / budget * (1 - 1e-12)) - 1


def _is_supported(budget: float, images: Labelled) -> bool:
    return images.groups_of(False) >= fewest_reals(budget)


def _thresholds(
    old: BundleInfo,
    calibration: Calibration,
    images: Labelled,
    budgets: list[float],
    photographs: Photographs | None,
    settings: Settings,
) -> tuple[Threshold, ...]:
    """New thresholds for the budgets; the bundle's others are converted to the new probabilities."""
    if photographs is None:
        made = thresholds(_probability(calibration, images.logit), images.is_fake, budgets, of_others=True)
        made = tuple(each.model_copy(update={"provenance": _words(images)}) for each in made)
    else:
        made = photograph_thresholds(photographs, images, calibration, budgets, settings.folds, settings.seed)
    names = {each.name for each in made}
    kept = [_moved(each, old.calibration, calibration) for each in old.thresholds if each.name not in names]
    return tuple(sorted([*made, *kept], key=lambda each: each.false_positive_budget))


def _moved(threshold: Threshold, old: Calibration, new: Calibration) -> Threshold:
    """A threshold that decides by the same logit as before."""
    logit = old.least_logit(threshold.fake_probability)
    moved = {math.inf: 1.0, -math.inf: 0.0}.get(logit)
    probability = new.probability(logit) if moved is None else moved
    if old == new:  # there and back rounds
        probability = threshold.fake_probability
    words = threshold.provenance or old.provenance
    return threshold.model_copy(update={"fake_probability": probability, "provenance": words})


def _probability(calibration: Calibration, logit: Floats) -> Floats:
    return np.array([calibration.probability(value) for value in logit])


@dataclass(frozen=True)
class _Measured:
    """Metrics on images that nothing was fitted on; rates by name of the threshold."""

    n: int
    change: CalibrationChange
    before: dict[str, ThresholdRates]
    after: dict[str, ThresholdRates]


def _measure(
    old: BundleInfo,
    images: Labelled,
    parts: list[tuple[Codes, Codes]],
    settings: Settings,
    budgets: list[float],
    draws: Draws,
    photographs: Photographs | None,
) -> _Measured:
    order = np.concatenate([measure for _, measure in parts])
    after, called = [], []
    for fit, measure in parts:
        calibration = _calibration(old, images[fit], settings)
        probability = _probability(calibration, images[measure].logit)
        new = _thresholds(old, calibration, images[fit], budgets, photographs, settings)
        after.append(probability)
        called.append({each.name: probability >= each.fake_probability for each in new})
    held_out = images[order]
    before = _probability(old.calibration, held_out.logit)
    return _Measured(
        n=len(order),
        change=errors(before, np.concatenate(after), held_out, settings.prior, draws),
        before={
            each.name: rates(before >= each.fake_probability, held_out)
            for each in old.thresholds
            if each.name in called[0]
        },
        after={name: rates(np.concatenate([part[name] for part in called]), held_out) for name in called[0]},
    )


def _with_rate(threshold: Threshold, measured: ThresholdRates | None) -> Threshold:
    rate = None if measured is None else measured.false_positive_rate
    if rate is None or rate.value is None:
        return threshold
    known = Measured(value=rate.value, low=rate.low or 0.0, high=rate.high or 0.0, n=rate.n or 0)
    return threshold.model_copy(update={"false_positive_rate": known})


def _result(
    bundle: Bundle,
    info: BundleInfo,
    images: Labelled,
    fitted_on: Labelled,
    settings: Settings,
    measured: _Measured,
    in_training: bool,
    photographs: Photographs | None,
) -> CalibrationResult:
    assert info.recalibration is not None
    base = fitted_on if photographs is None else photographs.images
    reals = base.groups_of(False)
    supported = {threshold_name(budget) for budget in settings.budgets if _is_supported(budget, base)}
    return CalibrationResult(
        kind="calibration",
        detector=CalibratedDetector(model=f"{info.name}@{info.version}", bundle_sha256=bundle.sha256),
        data=CalibrationData(
            manifest_digest=info.recalibration.manifest_digest,
            n=len(images.logit),
            n_real=info.recalibration.real,
            n_fake=info.recalibration.fake,
            groups=info.recalibration.groups,
            real_groups=reals,
            failures=images.unreadable,
            fitted_on=len(fitted_on.logit),
            measured_on=measured.n,
        ),
        method=CalibrationMethod(
            asked=settings.method,
            kept=settings.method == "auto" and min(map(fitted_on.groups_of, (False, True))) < FEWEST,
            prior=settings.prior,
            folds=info.recalibration.folds,
            holdout=settings.holdout,
            seed=settings.seed,
        ),
        calibration=CalibrationSides(before=bundle.info.calibration, after=info.calibration),
        figures=measured.change,
        thresholds=tuple(
            CalibratedThreshold(
                name=each.name,
                budget=each.false_positive_budget,
                fake_probability=each.fake_probability,
                is_default=each.name == info.default_threshold,
                is_new=each.name in supported,
                before=measured.before.get(each.name),
                after=measured.after[each.name],
                on_photographs=each.false_positive_rate if photographs and each.name in supported else None,
            )
            for each in info.thresholds
        ),
        unsupported=tuple(_unsupported(bundle.info, settings, base)),
        smallest_budget=1 / (reals + 1),
        uncertain=info.uncertain,
        in_training=in_training,
        photographs=None if photographs is None else facts_of(photographs),
    )


def _unsupported(old: BundleInfo, settings: Settings, images: Labelled) -> Iterator[UnsupportedBudget]:
    """Budgets that there are too few real images for."""
    for budget in settings.budgets:
        if not _is_supported(budget, images):
            name = threshold_name(budget)
            kept = name in {each.name for each in old.thresholds}
            yield UnsupportedBudget(name=name, budget=budget, needs=fewest_reals(budget), kept=kept)
