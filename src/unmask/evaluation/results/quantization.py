"""The result of ``unmask bundle quantize``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.evaluation.results.base import Counts, Estimate, Metric, Part, Result


class Sides(Part):
    """A metric of the float detector and of the quantised one, on the same images.

    Attributes:
        before: of the float detector.
        after: of the quantised one, with its own threshold.
        difference: after minus before, with its interval over whole groups.
    """

    before: float | None
    after: float | None
    difference: Estimate


class Drift(Part):
    """How far single images move; probabilities are the calibrated ones.

    Attributes:
        mean_probability: mean absolute difference in the probability of fake.
        largest_probability: its largest one.
        mean_logit: mean absolute difference in the logit before any calibration.
        deviation_of_logit: standard deviation of the float detector's logits, to compare with.
        flips: proportion of images whose verdict is another word.
        opposite: proportion of images that went from REAL to FAKE or back.
    """

    mean_probability: Estimate
    largest_probability: float
    mean_logit: Estimate
    deviation_of_logit: float
    flips: Metric
    opposite: Metric


class EvidenceChange(Part):
    """How far evidence maps agree, cell by cell.

    Attributes:
        images: number of images.
        correlation: of all cells of all maps.
        mean_difference: mean absolute difference of a cell, in logits.
        off_logit: largest difference between a quantised map's mean and its logit.
    """

    images: int
    correlation: float
    mean_difference: float
    off_logit: float


class Speed(Part):
    """Time of the network alone, both detectors in turn in one process.

    Attributes:
        backend: execution provider of ONNX Runtime.
        batch: images per run.
        runs: number of runs of each.
        before_ms: processor time per image of the float detector: median over the runs.
        after_ms: of the quantised one.
        ratio: how many times as fast it is: median over the pairs of runs.
    """

    backend: str
    batch: int
    runs: int
    before_ms: float
    after_ms: float
    ratio: float


class LayerChoice(Part):
    """What measuring a layer alone has shown.

    Attributes:
        layer: name of its weights.
        drift: mean absolute change of the logit when it alone is rounded.
        decision: ``float``: it stays in single precision; ``4 bits``: its weights are stored in 4 bits; ``8 bits``.
    """

    layer: str
    drift: float
    decision: Literal["float", "4 bits", "8 bits"]


class QuantizationResult(Result):
    """What a detector loses and gains by being quantised.

    Attributes:
        model: name and version of the float detector.
        bundle_sha256: its hash.
        method: ``static``, ``dynamic``, ``fp16``, ``weights-8`` or ``weights-4``.
        calibration: how ranges were found, in words; '' without.
        calibration_images: number of images that ranges were found on.
        max_auc_drop: largest loss of AUC that was accepted.
        data: the validation images.
        bytes_before: size of the float graph.
        bytes_after: of the quantised one.
        auc: area under the ROC curve.
        balanced_accuracy: at each detector's own threshold.
        drift: of single images.
        evidence: of maps; ``None`` without maps.
        speed: by backend and batch.
        layers: those that were measured alone, most sensitive first.
        bundle: the folder written to; '' if none was written.
        sha256: hash of the new bundle; '' if none was written.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["quantization"] = "quantization"
    model: str
    bundle_sha256: str
    method: str
    calibration: str = ""
    calibration_images: int = 0
    max_auc_drop: float
    data: Counts
    bytes_before: int
    bytes_after: int
    auc: Sides
    balanced_accuracy: Sides
    drift: Drift
    evidence: EvidenceChange | None
    speed: tuple[Speed, ...]
    layers: tuple[LayerChoice, ...] = ()
    bundle: str = ""
    sha256: str = ""
