"""A bundle's probabilities and thresholds set anew on labelled images, and how sure they are.

Everything is fitted on one part of the images and measured on another, whole groups at a time. By default the parts
take turns, so that every image serves for both, and what is written is fitted on all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import BundleInfo, Calibration, Measured, Recalibration, Threshold
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector
from unmask.errors import UsageError
from unmask.evaluation.calibration_metrics import Labelled, figures, flat, shares
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

Method = Literal["auto", "temperature", "platt", "isotonic"]
METHODS: Final[tuple[Method, ...]] = ("auto", "temperature", "platt", "isotonic")
FEWEST: Final = 10
"""With fewer groups of a class than this, ``auto`` keeps the bundle's own calibration."""

# Logits this many times smaller give probabilities from which they can be told to the last bit.
_FLATTER = 32.0
_FITS: Final = {"temperature": fit_temperature, "platt": fit_platt, "isotonic": fit_isotonic}


@dataclass(frozen=True)
class Settings:
    """How a bundle is calibrated.

    Attributes:
        method: ``auto``: the bundle's own calibration, stretched and moved as far as the images speak for it, or kept
            where there are fewer than 10 groups of a class.
        budgets: shares of real images that may be called fake, a threshold for each.
        prior: share of fakes that probabilities are meant for.
        folds: parts that the images are divided into.
        holdout: fit on all parts but the last and measure on that one alone, in place of taking turns: what is measured
            is then the very calibration that is written.
        seed: of the parts.
    """

    method: Method = "auto"
    budgets: tuple[float, ...] = BUDGETS
    prior: float = 0.5
    folds: int = 5
    holdout: bool = False
    seed: int = 0

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: ``bad_method``, ``bad_budget``, ``bad_prior``, ``bad_folds``.
        """
        if self.method not in METHODS:
            raise UsageError("bad_method", f"A method is {', '.join(METHODS)}, not {self.method!r}.")
        if not self.budgets or not all(0 < budget < 1 for budget in self.budgets):
            raise UsageError("bad_budget", "A false-positive budget lies above 0 and below 1, e.g. 0.05.")
        if not 0 < self.prior < 1:
            raise UsageError("bad_prior", f"The share of fakes lies above 0 and below 1, not at {self.prior}.")
        if not 2 <= self.folds <= 100:
            raise UsageError("bad_folds", f"Between 2 and 100 folds can be made, not {self.folds}.")


def score_logits(
    bundle: Bundle,
    manifest: Manifest,
    store: Path | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Labelled:
    """What a bundle's network says of every image of a manifest; arguments and errors as of ``score_manifest``."""
    flat = bundle.info.model_copy(update={"calibration": Calibration(method="temperature", slope=1 / _FLATTER)})
    detector = Detector(replace(bundle, info=flat))
    scores = score_manifest(detector, manifest, store, workers=workers, progress=progress)
    return labelled(scores, _FLATTER)


def labelled(scores: Scores, scale: float = 1.0) -> Labelled:
    """The images of a table of scores that could be read, their logits being ``scale`` times the log odds."""
    read = ~np.isnan(scores.fake_probability)
    probability = scores.fake_probability[read]
    with np.errstate(divide="ignore"):
        odds = np.log(probability) - np.log1p(-probability)
    # Graphs answer in single precision; what is beyond it is noise of the way here.
    logit = (scale * np.clip(odds, -36.0, 36.0)).astype(np.float32).astype(np.float64)
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
) -> tuple[BundleInfo, dict[str, Any]]:
    """Calibrate a bundle.

    Args:
        bundle: the bundle.
        images: what it says of labelled images.
        settings: how.
        manifest_digest: of the images' manifest, to note.
        in_training: whether training had these images too, so that figures before flatter the bundle.
        draws: how intervals are drawn.

    Returns:
        The new description for the same graph, and all figures as plain values for JSON.

    Raises:
        UsageError: ``too_few_pictures``: fewer than two groups of a class; or as :meth:`Settings.check`.
    """
    settings, draws = settings or Settings(), draws or Draws()
    settings.check()
    fewest = min(images.groups_of(fake) for fake in (False, True))
    if fewest < 2:
        text = "Calibration needs images of both classes, real and fake, in two groups each at least."
        raise UsageError("too_few_pictures", text)
    folds = min(settings.folds, fewest)
    parts = _parts(images, folds, settings)
    fitted_on = images[parts[0][0]] if settings.holdout else images
    calibration = _calibration(bundle.info, fitted_on, settings)
    supported = [budget for budget in settings.budgets if _is_supported(budget, fitted_on)]
    cuts = _thresholds(bundle.info, calibration, fitted_on, supported)
    measured = _measure(bundle.info, images, parts, settings, supported, draws)
    names = {cut.name: measured["thresholds"].get(cut.name) for cut in cuts}
    cuts = tuple(_with_rate(cut, names[cut.name]) for cut in cuts)
    default = next(cut for cut in cuts if cut.name == bundle.info.default_threshold)
    band = uncertain_band(_probability(calibration, fitted_on.logit), fitted_on.is_fake, default.fake_probability)
    changes = {
        "calibration": calibration,
        "thresholds": cuts,
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
            metrics=flat(measured["figures"]),
            unmask=__version__,
        ),
    }
    info = bundle.info.model_copy(update=changes)
    result = _result(bundle, info, images, fitted_on, settings, measured)
    return info, {**result, "in_training": in_training}


def _parts(images: Labelled, folds: int, settings: Settings) -> list[tuple[Codes, Codes]]:
    """Where to fit and where to measure; no group on both sides."""
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=settings.seed)
    parts = list(splitter.split(images.logit, images.is_fake, images.group))
    parts = parts[-1:] if settings.holdout else parts
    if any(len(np.unique(images.is_fake[fit])) < 2 for fit, _ in parts):
        text = f"The groups cannot be divided into {folds} parts so that real and fake images are left to fit on."
        raise UsageError("too_few_pictures", text)
    return parts


def _calibration(old: BundleInfo, images: Labelled, settings: Settings) -> Calibration:
    """The calibration that some images give."""
    reals, fakes = images.groups_of(False), images.groups_of(True)
    words = f"{_words(images)}, classes weighted equally"
    if settings.method != "auto":
        found = _FITS[settings.method](images.logit, images.is_fake, words)
    elif min(reals, fakes) >= FEWEST:
        found = fit_shrunk(images.logit, images.is_fake, old.calibration, f"{words}, pulled towards what it was")
    else:
        found = old.calibration
    return found.model_copy(update={"prior": settings.prior})


def _words(images: Labelled) -> str:
    groups = len(np.unique(images.group))
    return f"{len(images.logit)} images, {int(images.is_fake.sum())} fake, in {groups} groups"


def fewest_reals(budget: float) -> int:
    """With how many groups of real images a cut can be known to keep to a budget on average."""
    return math.ceil(1 / budget * (1 - 1e-12)) - 1


def _is_supported(budget: float, images: Labelled) -> bool:
    return images.groups_of(False) >= fewest_reals(budget)


def _thresholds(
    old: BundleInfo, calibration: Calibration, images: Labelled, budgets: list[float]
) -> tuple[Threshold, ...]:
    """New cuts for the budgets; the others that the bundle has are brought to the new scale of probabilities."""
    made = thresholds(_probability(calibration, images.logit), images.is_fake, budgets, of_others=True)
    made = tuple(cut.model_copy(update={"provenance": _words(images)}) for cut in made)
    names = {cut.name for cut in made}
    kept = [_moved(cut, old.calibration, calibration) for cut in old.thresholds if cut.name not in names]
    return tuple(sorted([*made, *kept], key=lambda cut: cut.false_positive_budget))


def _moved(cut: Threshold, old: Calibration, new: Calibration) -> Threshold:
    """A cut that decides by the same logit as before."""
    logit = old.least_logit(cut.fake_probability)
    moved = {math.inf: 1.0, -math.inf: 0.0}.get(logit)
    probability = new.probability(logit) if moved is None else moved
    words = cut.provenance or old.provenance
    return cut.model_copy(update={"fake_probability": probability, "provenance": words})


def _probability(calibration: Calibration, logit: Floats) -> Floats:
    return np.array([calibration.probability(value) for value in logit])


def _measure(
    old: BundleInfo,
    images: Labelled,
    parts: list[tuple[Codes, Codes]],
    settings: Settings,
    budgets: list[float],
    draws: Draws,
) -> dict[str, Any]:
    """Figures before and after, and shares at each threshold, on images that nothing was fitted on."""
    order = np.concatenate([measure for _, measure in parts])
    after, called = [], []
    for fit, measure in parts:
        calibration = _calibration(old, images[fit], settings)
        probability = _probability(calibration, images[measure].logit)
        cuts = _thresholds(old, calibration, images[fit], budgets)
        after.append(probability)
        called.append({cut.name: probability >= cut.fake_probability for cut in cuts})
    told = images[order]
    before = _probability(old.calibration, told.logit)
    old_cuts = {cut.name: cut.fake_probability for cut in old.thresholds}
    return {
        "n": len(order),
        "figures": figures(before, np.concatenate(after), told, settings.prior, draws),
        "thresholds": {
            name: {
                "before": shares(before >= old_cuts[name], told) if name in old_cuts else None,
                "after": shares(np.concatenate([part[name] for part in called]), told),
            }
            for name in called[0]
        },
    }


def _with_rate(cut: Threshold, measured: dict[str, Any] | None) -> Threshold:
    rate = None if measured is None else measured["after"]["false_positive_rate"]
    if rate is None or rate["value"] is None:
        return cut
    return cut.model_copy(
        update={"false_positive_rate": Measured(**{key: rate[key] for key in ("value", "low", "high", "n")})}
    )


def _result(
    bundle: Bundle,
    info: BundleInfo,
    images: Labelled,
    fitted_on: Labelled,
    settings: Settings,
    measured: dict[str, Any],
) -> dict[str, Any]:
    assert info.recalibration is not None
    reals = fitted_on.groups_of(False)
    supported = {threshold_name(budget) for budget in settings.budgets if _is_supported(budget, fitted_on)}
    return {
        "schema": 1,
        "kind": "calibration",
        "detector": {"model": f"{info.name}@{info.version}", "bundle_sha256": bundle.sha256},
        "data": {
            "manifest_digest": info.recalibration.manifest_digest,
            "n": len(images.logit),
            "n_real": info.recalibration.real,
            "n_fake": info.recalibration.fake,
            "groups": info.recalibration.groups,
            "real_groups": reals,
            "failures": images.unreadable,
            "fitted_on": len(fitted_on.logit),
            "measured_on": measured["n"],
        },
        "method": {
            "asked": settings.method,
            "kept": settings.method == "auto" and min(reals, fitted_on.groups_of(True)) < FEWEST,
            "prior": settings.prior,
            "folds": info.recalibration.folds,
            "holdout": settings.holdout,
            "seed": settings.seed,
        },
        "calibration": {
            side: description.calibration.model_dump(mode="json")
            for side, description in (("before", bundle.info), ("after", info))
        },
        "figures": measured["figures"],
        "thresholds": [
            {
                "name": cut.name,
                "budget": cut.false_positive_budget,
                "fake_probability": cut.fake_probability,
                "is_default": cut.name == info.default_threshold,
                "is_new": cut.name in supported,
                **measured["thresholds"][cut.name],
            }
            for cut in info.thresholds
        ],
        "unsupported": list(_unsupported(bundle.info, settings, fitted_on)),
        "smallest_budget": 1 / (reals + 1),
        "uncertain": info.uncertain.model_dump(mode="json"),
    }


def _unsupported(old: BundleInfo, settings: Settings, images: Labelled) -> Iterator[dict[str, Any]]:
    """Budgets that there are too few real images for."""
    for budget in settings.budgets:
        if not _is_supported(budget, images):
            name = threshold_name(budget)
            kept = name in {cut.name for cut in old.thresholds}
            yield {"name": name, "budget": budget, "needs": fewest_reals(budget), "kept": kept}
