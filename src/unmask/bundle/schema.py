"""The content of ``bundle.json``: preprocessing, calibration, thresholds and the training card."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from unmask.bundle.card import Card as Card
from unmask.bundle.card import Recalibration as Recalibration
from unmask.bundle.card import UnseenFamily as UnseenFamily
from unmask.bundle.fields import Measured as Measured
from unmask.bundle.fields import Name, Part, Text, without_empty
from unmask.imaging.preprocessing import Preprocessing
from unmask.text import quote, shorten

_Logit = Annotated[float, Field(ge=-1e6, le=1e6)]
_MAX_POINTS = 10_000
_MAX_THRESHOLDS = 100
_MAX_QUESTIONS = 16


def first_error(error: Exception) -> str:
    """What is wrong with a file, in one line: of several errors the first, and the name of what it is about."""
    if not isinstance(error, ValidationError):
        return shorten(str(error) or type(error).__name__)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    more = f" ({error.error_count()} errors in all)" if error.error_count() > 1 else ""
    where = ".".join(map(str, first["loc"]))
    return f"{shorten(where)}: {shorten(first['msg'])}{more}" if where else f"{shorten(first['msg'])}{more}"


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


class Calibration(Part):
    """How a logit becomes a probability of fake.

    Platt scaling uses ``slope * logit + bias`` as the log odds; temperature scaling is the case ``bias == 0``.
    Isotonic calibration interpolates between points.

    Attributes:
        method: ``none`` (slope 1, bias 0), ``temperature``, ``platt`` or ``isotonic``.
        slope: factor on the logit, from 1e-6 to 1e6.
        bias: added to the scaled logit, at most 1e6 in size.
        points: for ``isotonic``: pairs of a logit and a probability. Logits rise; probabilities lie inside (0, 1) and
            never fall. Values between points are interpolated linearly, values beyond the ends stay constant.
        prior: expected proportion of fakes among the images to be judged, in (0, 1). Slope, bias and points hold for
            0.5; any other prior adds its log odds.
        provenance: the data that it was fitted on, in words.
    """

    method: Literal["none", "temperature", "platt", "isotonic"] = "none"
    slope: float = Field(1.0, ge=1e-6, le=1e6)
    bias: _Logit = 0.0
    points: tuple[tuple[_Logit, float], ...] = Field((), max_length=_MAX_POINTS)
    prior: float = Field(0.5, gt=0, lt=1)
    provenance: Text = ""

    @model_validator(mode="after")
    def _rises(self) -> Calibration:
        if (self.method == "isotonic") != bool(self.points):
            raise ValueError("isotonic calibration needs points, and other methods have none")
        if self.points and (self.slope, self.bias) != (1.0, 0.0):
            raise ValueError("isotonic calibration has points instead of a slope and a bias")
        for (logit, low), (next_logit, high) in pairwise(self.points):
            if not logit < next_logit or not low <= high:
                raise ValueError("the points' logits must rise and their probabilities must not fall")
        if self.points and not 0 < self.points[0][1] <= self.points[-1][1] < 1:
            raise ValueError("the points' probabilities must lie inside (0, 1)")
        return self

    def probability(self, logit: float) -> float:
        """The calibrated probability of fake, in [0, 1]; it never falls as the logit rises."""
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
        """The smallest logit with at least this probability of fake; -inf if every logit has it, inf if none has."""
        odds = log_odds(probability) - log_odds(self.prior)
        if not self.points:
            return (odds - self.bias) / self.slope
        logits, probabilities = zip(*self.points, strict=True)
        # The way to log odds and back rounds; a flat stretch must be found all the same.
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


class Threshold(Part):
    """A threshold on the probability, named after its false-positive rate.

    Attributes:
        name: e.g. ``fpr_5``.
        false_positive_budget: highest false-positive rate allowed when the threshold was set, in [0, 1].
        fake_probability: the threshold itself: at or above it the verdict is FAKE.
        true_positive_rate: proportion of fakes found, on the images that the threshold was set on.
        false_positive_rate: false-positive rate on held-out real images.
        provenance: the data that it was set on, in words; '' if that is the calibration's data.
    """

    name: Name
    false_positive_budget: float = Field(ge=0, le=1)
    fake_probability: float = Field(ge=0, le=1)
    true_positive_rate: float = Field(ge=0, le=1)
    false_positive_rate: Measured | None = None
    provenance: Text = ""


class UncertainBand(Part):
    """The closed range of probabilities in which a verdict is flagged as uncertain.

    Attributes:
        low: lower end, in [0, 1].
        high: upper end, in [0, 1].
        accuracy_outside: accuracy of the verdicts outside the band, on the images that the band was set on.
        coverage: proportion of those images inside the band.
    """

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    accuracy_outside: float = Field(ge=0, le=1)
    coverage: float = Field(ge=0, le=1)


class OutOfDistribution(Part):
    """When an image counts as unlike the training images; the graph measures it in its output ``distance``.

    Attributes:
        method: ``mahalanobis``: distance of the pooled features from the mean of the training images, with the
            covariance of the leading directions and one common variance for the rest.
        threshold: larger distances are flagged.
        quantile: proportion of validation images whose distance is at most the threshold.
        pictures: number of validation images that the threshold was set on.
        training_pictures: number of images that mean and covariance were estimated from.
    """

    method: Literal["mahalanobis"] = "mahalanobis"
    threshold: float = Field(gt=0, le=1e12)
    quantile: float = Field(gt=0, lt=1)
    pictures: int = Field(ge=1, lt=2**63)
    training_pictures: int = Field(ge=1, lt=2**63)


class BundleQuestion(Part):
    """A yes-or-no question that the graph answers in its output ``questions``, besides "is it fake?".

    Attributes:
        name: of the answer in verdicts, e.g. ``generated`` or ``manipulated``.
        kinds: the kinds of fakes that it is about; it was fitted on these and on real images, not on other fakes.
        calibration: from its logit to a probability.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    kinds: tuple[Name, ...] = Field((), max_length=100)
    calibration: Calibration = Calibration()


class Clips(Part):
    """How the frames of a clip become one verdict. Without it: the mean of the logits, judged as a single image's.

    Attributes:
        pooling: of the logits of a track's frames. ``mean``; ``top-k-mean``: of the highest ones; ``noisy-or``: the
            log odds that any frame is fake, were frames independent; ``temporal``: the graph ``clips.onnx``.
        top: for ``top-k-mean``: the proportion of frames that count, in (0, 1]; at least one frame does.
        frames: number of frames of a clip that calibration and thresholds were fitted with.
        calibration: from a clip's pooled logit to a probability.
        thresholds: on a clip's probability, sorted by false-positive budget, smallest first.
        default_threshold: name of the threshold that verdicts on clips use.
        uncertain: range of a clip's probabilities in which its verdict is flagged.
    """

    pooling: Literal["mean", "top-k-mean", "noisy-or", "temporal"] = "mean"
    top: float = Field(0.25, gt=0, le=1)
    frames: int = Field(32, ge=1, le=1_000_000)
    calibration: Calibration = Calibration()
    thresholds: tuple[Threshold, ...] = Field(min_length=1, max_length=_MAX_THRESHOLDS)
    default_threshold: Name
    uncertain: UncertainBand

    @model_validator(mode="after")
    def _names_fit(self) -> Clips:
        _check_default(self.default_threshold, self.thresholds)
        return self

    @property
    def threshold(self) -> Threshold:
        """The threshold that verdicts on clips use."""
        return next(item for item in self.thresholds if item.name == self.default_threshold)


def _check_default(name: str, thresholds: tuple[Threshold, ...]) -> None:
    if name not in {threshold.name for threshold in thresholds}:
        raise ValueError(f"default_threshold {quote(name)} is not among the thresholds")


class Abstention(Part):
    """Facts for which a verdict is UNCERTAIN whatever the probability. Each is off where it is ``None``.

    Attributes:
        smallest_face: side in pixels below which a face is too small; of the longer side of the face that decides.
        reencoded: JPEG quality, 1 to 95: verdicts that flip when the image is saved again with it are uncertain.
        resized: fraction of the size: verdicts that flip when the image is shrunk to it are uncertain.
        provenance: the data that this was decided on, in words.
    """

    smallest_face: float | None = Field(None, gt=0, le=100_000)
    reencoded: int | None = Field(None, ge=1, le=95)
    resized: float | None = Field(None, ge=0.05, lt=1)
    provenance: Text = ""


class BundleInfo(Part):
    """All of ``bundle.json``.

    Attributes:
        schema_version: version of this format; readers refuse versions that they do not know.
        name: name of the detector, e.g. ``unmask-default``.
        version: whole number that grows with each release of that name.
        preprocessing: from image to pixels.
        calibration: from logit to probability.
        thresholds: sorted by false-positive budget, smallest first.
        default_threshold: name of the threshold that verdicts use.
        uncertain: range of probabilities in which a verdict is flagged.
        main_face: smallest side of a main face, as a fraction of the largest face's side, in [0, 1]. Only main faces
            decide about an image; smaller ones are background. 0 makes every face a main face.
        evidence: ``cam``: a class activation map. ``none``: the graph cannot localise its evidence, which is one cell
            that holds the logit.
        out_of_distribution: when an image counts as unlike the training images; ``None`` if not measured.
        questions: what the graph's output ``questions`` answers, in its order; empty if it has none.
        clips: how the frames of a clip become one verdict; ``None``: the mean of their logits, as a single image's.
        abstention: facts for which a verdict is UNCERTAIN whatever the probability; ``None``: there are none.
        card: how the detector was made.
        recalibration: how the bundle was recalibrated; ``None`` if it was not.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=200)
    version: int = Field(1, ge=1, lt=2**31)
    preprocessing: Preprocessing
    calibration: Calibration = Calibration()
    thresholds: tuple[Threshold, ...] = Field(min_length=1, max_length=_MAX_THRESHOLDS)
    default_threshold: Name
    uncertain: UncertainBand
    main_face: float = Field(0.4, ge=0, le=1)
    evidence: Literal["cam", "none"] = "cam"
    out_of_distribution: OutOfDistribution | None = None
    questions: tuple[BundleQuestion, ...] = Field((), max_length=_MAX_QUESTIONS)
    clips: Clips | None = None
    abstention: Abstention | None = None
    card: Card = Card()
    recalibration: Recalibration | None = None

    def __repr__(self) -> str:
        return f"<BundleInfo {self.name}@{self.version}>"

    __str__ = __repr__

    @model_validator(mode="after")
    def _names_fit(self) -> BundleInfo:
        _check_default(self.default_threshold, self.thresholds)
        names = [question.name for question in self.questions]
        if len(set(names)) < len(names):
            raise ValueError("two questions have the same name")
        return self

    @model_serializer(mode="wrap")
    def _without_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_empty(write(self), "questions", "clips", "abstention")

    @property
    def threshold(self) -> Threshold:
        """The threshold that verdicts use."""
        return next(item for item in self.thresholds if item.name == self.default_threshold)
