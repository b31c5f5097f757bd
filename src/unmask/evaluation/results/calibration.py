"""The result of ``unmask calibrate``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.bundle.schema import Calibration, Measured, UncertainBand
from unmask.evaluation.results.base import Estimate, Metric, Part, Result


class CalibrationErrors(Part):
    """How far probabilities are off; less is better."""

    ece: Estimate
    log_loss: Estimate
    brier: Estimate


class ChanceError(Part):
    """Expected calibration error of exact probabilities on as many images: mean and 97.5th percentile."""

    mean: float | None
    high: float | None


class CalibrationChange(Part):
    """Errors before and after, on images that nothing was fitted on.

    Attributes:
        before: of the old calibration.
        after: of the new one.
        difference: after minus before.
        chance_ece: what calibration error to expect by chance.
    """

    before: CalibrationErrors
    after: CalibrationErrors
    difference: CalibrationErrors
    chance_ece: ChanceError


class ThresholdRates(Part):
    """Rates of correct predictions at a threshold, and the false-positive rate."""

    specificity: Metric
    false_positive_rate: Metric
    recall_fake: Metric


class CalibratedThreshold(Part):
    """A threshold of the new bundle.

    Attributes:
        name: such as ``fpr_5``.
        budget: false-positive rate that it is meant to keep.
        fake_probability: where it lies.
        is_default: whether verdicts use it.
        is_new: whether it was set on these images, or on photographs.
        before: rates at the old threshold of that name.
        after: rates at this one.
        on_photographs: its false-positive rate on photographs of groups that it was not set on; ``None`` if it was
            not set on photographs.
    """

    name: str
    budget: float
    fake_probability: float
    is_default: bool
    is_new: bool
    before: ThresholdRates | None = None
    after: ThresholdRates
    on_photographs: Measured | None = None


class UnsupportedBudget(Part):
    """A false-positive budget that there are too few real images for.

    Attributes:
        name: of its threshold.
        budget: the rate.
        needs: number of groups of real images that it needs.
        kept: whether the bundle's old threshold is kept.
    """

    name: str
    budget: float
    needs: int
    kept: bool


class CalibrationSides(Part):
    """The calibration before and after."""

    before: Calibration
    after: Calibration


class CalibrationData(Part):
    """The images.

    Attributes:
        manifest_digest: of their manifest.
        n: number of readable images.
        n_real: real ones.
        n_fake: fake ones.
        groups: number of groups.
        real_groups: number of groups of the real images to fit on.
        failures: number of unreadable images.
        fitted_on: number of images to fit on.
        measured_on: number of images to measure on.
    """

    manifest_digest: str
    n: int
    n_real: int
    n_fake: int
    groups: int
    real_groups: int
    failures: int
    fitted_on: int
    measured_on: int


class CalibrationMethod(Part):
    """How the bundle was calibrated.

    Attributes:
        asked: method that was asked for.
        kept: whether the old calibration was kept for lack of images.
        prior: expected proportion of fakes.
        folds: number of folds.
        holdout: whether one fold was held out, in place of cross-validation.
        seed: random seed of the folds.
    """

    asked: str
    kept: bool
    prior: float
    folds: int
    holdout: bool
    seed: int


class PhotographFacts(Part):
    """Held-out photographs that thresholds were set on.

    Attributes:
        name: of their table.
        manifest_digest: of it.
        n: number of readable photographs.
        groups: number of groups.
        failures: number of unreadable ones.
        sources: names of their sources.
        seen: those of them that the bundle was trained on.
    """

    name: str
    manifest_digest: str
    n: int
    groups: int
    failures: int
    sources: tuple[str, ...]
    seen: tuple[str, ...]


class CalibratedDetector(Part):
    """The bundle before: name and version, and its hash."""

    model: str
    bundle_sha256: str


class CalibrationResult(Result):
    """A recalibrated bundle.

    Attributes:
        detector: the bundle before.
        data: the images.
        method: how.
        calibration: before and after.
        figures: errors before and after.
        thresholds: of the new bundle.
        unsupported: budgets with too few real images.
        smallest_budget: the smallest one that there are enough for.
        uncertain: the new uncertain band.
        in_training: whether the bundle was trained on these images.
        photographs: what thresholds were set on in place of these images.
        bundle: the new bundle's folder; ``None`` until it is written.
        sha256: its hash.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["calibration"]
    detector: CalibratedDetector
    data: CalibrationData
    method: CalibrationMethod
    calibration: CalibrationSides
    figures: CalibrationChange
    thresholds: tuple[CalibratedThreshold, ...]
    unsupported: tuple[UnsupportedBudget, ...]
    smallest_budget: float
    uncertain: UncertainBand
    in_training: bool
    photographs: PhotographFacts | None = None
    bundle: str | None = None
    sha256: str | None = None
