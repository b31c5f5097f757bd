"""What ``bundle.json`` holds: preprocessing, calibration, thresholds and the training card."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unmask.imaging.preprocessing import Preprocessing


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Calibration(_Part):
    """How a logit becomes a probability: Platt scaling, of which temperature scaling is the case ``bias == 0``.

    Attributes:
        method: ``none`` (slope 1, bias 0), ``temperature`` or ``platt``.
        slope: factor on the logit, above 0.
        bias: added to it.
        provenance: what it was fitted on, in words.
    """

    method: Literal["none", "temperature", "platt"] = "none"
    slope: float = Field(1.0, gt=0)
    bias: float = 0.0
    provenance: str = ""

    def probability(self, logit: float) -> float:
        """The calibrated probability of fake, in [0, 1], real and fake being equally likely beforehand."""
        scaled = self.slope * logit + self.bias
        # Written so that neither branch can overflow.
        if scaled >= 0:
            return 1 / (1 + math.exp(-scaled))
        return math.exp(scaled) / (1 + math.exp(scaled))


class Threshold(_Part):
    """A cut on the probability, named by the share of real pictures that it may call fake.

    Attributes:
        name: e.g. ``fpr_5``.
        false_positive_budget: that share, in [0, 1].
        fake_probability: the cut: at or above it the verdict is FAKE.
        true_positive_rate: share of fakes found on the pictures that the cut was set on.
    """

    name: str
    false_positive_budget: float = Field(ge=0, le=1)
    fake_probability: float = Field(ge=0, le=1)
    true_positive_rate: float = Field(ge=0, le=1)


class UncertainBand(_Part):
    """The closed range of probabilities in which a verdict is flagged as uncertain.

    Attributes:
        low: lower end, in [0, 1].
        high: upper end, in [0, 1].
        accuracy_outside: what the verdicts outside the band reached on the pictures that it was set on.
        coverage: share of those pictures inside the band.
    """

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    accuracy_outside: float = Field(ge=0, le=1)
    coverage: float = Field(ge=0, le=1)


class Card(_Part):
    """What the detector was made from and where it fails.

    Attributes:
        summary: one sentence.
        recipe: the resolved recipe.
        recipe_digest: SHA-256 of it.
        manifest_digest: SHA-256 of the manifest's content.
        weights: where the backbone's starting weights came from.
        sources: pictures that training saw, by label and source.
        metrics: figures on the validation split.
        limits: where it fails, a sentence each.
        packages: versions of what it was made with.
        commit: the revision of unmask it was made with, if known.
    """

    summary: str = ""
    recipe: dict[str, Any] = {}
    recipe_digest: str = ""
    manifest_digest: str = ""
    weights: dict[str, str] = {}
    sources: dict[str, dict[str, int]] = {}
    metrics: dict[str, float] = {}
    limits: tuple[str, ...] = ()
    packages: dict[str, str] = {}
    commit: str = ""


class BundleInfo(_Part):
    """The whole of ``bundle.json``.

    Attributes:
        schema_version: of this format; a reader refuses one it does not know.
        name: of the detector, e.g. ``unmask-default``.
        version: whole number that grows with each release of that name.
        preprocessing: from picture to pixels.
        calibration: from logit to probability.
        thresholds: by rising budget.
        default_threshold: the name of the one that verdicts use.
        uncertain: where a verdict is flagged.
        evidence: ``cam``: a class activation map. ``none``: the graph cannot say which places its answer comes from;
            its evidence is one cell that holds the logit.
        card: how it came about.
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
    card: Card = Card()

    @model_validator(mode="after")
    def _default_exists(self) -> BundleInfo:
        if self.default_threshold not in {threshold.name for threshold in self.thresholds}:
            raise ValueError(f"default_threshold {self.default_threshold!r} is not among the thresholds")
        return self

    @property
    def threshold(self) -> Threshold:
        """The threshold that verdicts use."""
        return next(item for item in self.thresholds if item.name == self.default_threshold)
