"""What ``bundle.json`` holds: preprocessing, calibration, thresholds and the training card."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unmask.imaging.preprocessing import Preprocessing


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def log_odds(probability: float) -> float:
    """The logarithm of the odds of a probability in [0, 1]; infinite at its ends."""
    if probability <= 0 or probability >= 1:
        return math.copysign(math.inf, probability - 0.5)
    return math.log(probability) - math.log1p(-probability)


def logistic(odds: float) -> float:
    """The probability whose log odds are given; written so that neither branch can overflow."""
    if odds >= 0:
        return 1 / (1 + math.exp(-odds))
    return math.exp(odds) / (1 + math.exp(odds))


class Calibration(_Part):
    """How a logit becomes a probability of fake.

    Platt scaling takes ``slope * logit + bias`` for the log odds; temperature scaling is the case ``bias == 0``.
    Isotonic calibration is a line through points.

    Attributes:
        method: ``none`` (slope 1, bias 0), ``temperature``, ``platt`` or ``isotonic``.
        slope: factor on the logit, above 0.
        bias: added to it.
        points: of ``isotonic``: pairs of a logit and a probability, logits rising, probabilities inside (0, 1) and
            never falling. Straight lines lead from one to the next, level ones beyond the ends.
        prior: share of fakes among the images that probabilities are meant for, in (0, 1). Slope, bias and points
            are those for one half; another share adds its log odds.
        provenance: what it was fitted on, in words.
    """

    method: Literal["none", "temperature", "platt", "isotonic"] = "none"
    slope: float = Field(1.0, gt=0)
    bias: float = 0.0
    points: tuple[tuple[float, float], ...] = Field((), max_length=10_000)
    prior: float = Field(0.5, gt=0, lt=1)
    provenance: str = ""

    @model_validator(mode="after")
    def _rises(self) -> Calibration:
        if (self.method == "isotonic") != bool(self.points):
            raise ValueError("points are what isotonic calibration consists of, and no other has any")
        if self.points and (self.slope, self.bias) != (1.0, 0.0):
            raise ValueError("isotonic calibration has points in place of a slope and a bias")
        for (logit, low), (next_logit, high) in pairwise(self.points):
            if not logit < next_logit or not low <= high:
                raise ValueError("the points' logits must rise and their probabilities must not fall")
        if self.points and not 0 < self.points[0][1] <= self.points[-1][1] < 1:
            raise ValueError("the points' probabilities must lie inside (0, 1)")
        return self

    def probability(self, logit: float) -> float:
        """The calibrated probability of fake, in [0, 1]; it never falls where the logit rises."""
        return logistic(self.odds(logit))

    def odds(self, logit: float) -> float:
        """The log odds of :meth:`probability`."""
        if self.points:
            logits, probabilities = zip(*self.points, strict=True)
            even = log_odds(float(np.interp(logit, logits, probabilities)))
        else:
            even = self.slope * logit + self.bias
        return even + log_odds(self.prior)

    def least_logit(self, probability: float) -> float:
        """The least logit with at least this probability of fake; infinite where every logit has, or none."""
        odds = log_odds(probability) - log_odds(self.prior)
        if not self.points:
            return (odds - self.bias) / self.slope
        logits, probabilities = zip(*self.points, strict=True)
        # A level stretch must be met although the way there and back rounds.
        wanted = logistic(odds) - 1e-12
        at = bisect_left(probabilities, wanted)
        if at == 0 or at == len(logits):
            return math.inf if at else -math.inf
        step = (wanted - probabilities[at - 1]) / (probabilities[at] - probabilities[at - 1])
        return float(logits[at - 1] + min(step + 1e-12, 1.0) * (logits[at] - logits[at - 1]))

    def evidence(self, cells: npt.NDArray[np.float32], logit: float) -> npt.NDArray[np.float32]:
        """Evidence [h, w] whose mean is the logit, as evidence whose mean is the log odds of the probability."""
        if not self.points:
            return np.float32(self.slope) * cells + np.float32(self.bias + log_odds(self.prior))
        return cells + np.float32(self.odds(logit) - logit)


class Measured(_Part):
    """A share that was counted.

    Attributes:
        value: the share, in [0, 1].
        low: lower end of its 95 % interval.
        high: upper end.
        n: of how many images.
    """

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    n: int = Field(ge=1)


class Threshold(_Part):
    """A cut on the probability, named by the share of real images that it may call fake.

    Attributes:
        name: e.g. ``fpr_5``.
        false_positive_budget: that share, in [0, 1].
        fake_probability: the cut: at or above it the verdict is FAKE.
        true_positive_rate: share of fakes found on the images that the cut was set on.
        false_positive_rate: share of real images that were called fake, of such as the cut was not set on.
        provenance: what it was set on, in words; '' where that is what the calibration was fitted on.
    """

    name: str
    false_positive_budget: float = Field(ge=0, le=1)
    fake_probability: float = Field(ge=0, le=1)
    true_positive_rate: float = Field(ge=0, le=1)
    false_positive_rate: Measured | None = None
    provenance: str = ""


class UncertainBand(_Part):
    """The closed range of probabilities in which a verdict is flagged as uncertain.

    Attributes:
        low: lower end, in [0, 1].
        high: upper end, in [0, 1].
        accuracy_outside: what the verdicts outside the band reached on the images that it was set on.
        coverage: share of those images inside the band.
    """

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    accuracy_outside: float = Field(ge=0, le=1)
    coverage: float = Field(ge=0, le=1)


class OutOfDistribution(_Part):
    """From which distance on an image counts as unlike those of training; the graph's output ``distance`` is it.

    Attributes:
        method: ``mahalanobis``: of the pooled features from the mean of the training images', in units of their
            spread, by the covariance of the leading directions and an even one for the rest.
        threshold: a larger distance is flagged.
        quantile: the share of validation images that lie within it.
        pictures: validation images that it was set on.
        training_pictures: images that mean and covariance were estimated from.
    """

    method: Literal["mahalanobis"] = "mahalanobis"
    threshold: float = Field(gt=0)
    quantile: float = Field(gt=0, lt=1)
    pictures: int = Field(ge=1)
    training_pictures: int = Field(ge=1)


class Card(_Part):
    """What the detector was made from and where it fails.

    Attributes:
        summary: one sentence.
        recipe: the resolved recipe.
        members: the resolved recipes of an ensemble's members, by name.
        recipe_digest: SHA-256 of the recipe.
        manifest_digest: SHA-256 of the manifest's content.
        weights: where the backbone's starting weights came from.
        sources: images that training saw, by label and source.
        metrics: figures on the validation split.
        limits: where it fails, a sentence each.
        packages: versions of what it was made with.
        commit: the revision of unmask it was made with, if known.
    """

    summary: str = ""
    recipe: dict[str, Any] = {}
    members: dict[str, dict[str, Any]] = {}
    recipe_digest: str = ""
    manifest_digest: str = ""
    weights: dict[str, str] = {}
    sources: dict[str, dict[str, int]] = {}
    metrics: dict[str, float] = {}
    limits: tuple[str, ...] = ()
    packages: dict[str, str] = {}
    commit: str = ""


class Recalibration(_Part):
    """How probabilities and thresholds were set anew, after training.

    Attributes:
        bundle_sha256: the bundle that they were set anew for.
        manifest_digest: SHA-256 of the manifest of the images they were set on.
        real: how many of these were real.
        fake: how many fake.
        groups: in how many groups.
        asked: the method that was asked for.
        folds: parts that fitting and measuring took turns on; 0 where there were too few images to measure.
        holdout: whether the last part was for measuring only.
        seed: of the parts, and of the intervals' draws.
        metrics: figures before and after, with their intervals.
        unmask: version that did it.
    """

    bundle_sha256: str
    manifest_digest: str
    real: int = Field(ge=0)
    fake: int = Field(ge=0)
    groups: int = Field(ge=0)
    asked: str
    folds: int = Field(ge=0)
    holdout: bool
    seed: int = Field(ge=0)
    metrics: dict[str, float] = {}
    unmask: str = ""


class BundleInfo(_Part):
    """The whole of ``bundle.json``.

    Attributes:
        schema_version: of this format; a reader refuses one it does not know.
        name: of the detector, e.g. ``unmask-default``.
        version: whole number that grows with each release of that name.
        preprocessing: from image to pixels.
        calibration: from logit to probability.
        thresholds: by rising budget.
        default_threshold: the name of the one that verdicts use.
        uncertain: where a verdict is flagged.
        evidence: ``cam``: a class activation map. ``none``: the graph cannot say which places its answer comes from;
            its evidence is one cell that holds the logit.
        out_of_distribution: from which distance on an image is unlike training; ``None``: not measured.
        card: how it came about.
        recalibration: how probabilities and thresholds were set anew; ``None`` where they are as training left them.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: int = Field(1, ge=1)
    preprocessing: Preprocessing
    calibration: Calibration = Calibration()
    thresholds: tuple[Threshold, ...] = Field(min_length=1)
    default_threshold: str
    uncertain: UncertainBand
    evidence: Literal["cam", "none"] = "cam"
    out_of_distribution: OutOfDistribution | None = None
    card: Card = Card()
    recalibration: Recalibration | None = None

    @model_validator(mode="after")
    def _default_exists(self) -> BundleInfo:
        if self.default_threshold not in {threshold.name for threshold in self.thresholds}:
            raise ValueError(f"default_threshold {self.default_threshold!r} is not among the thresholds")
        return self

    @property
    def threshold(self) -> Threshold:
        """The threshold that verdicts use."""
        return next(item for item in self.thresholds if item.name == self.default_threshold)
