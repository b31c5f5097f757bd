"""What quantising or pruning changed, in words."""

from __future__ import annotations

from collections.abc import Iterator

from unmask.evaluation.reports.sentences import percent
from unmask.evaluation.results.base import Estimate
from unmask.evaluation.results.quantization import QuantizationResult, Sides


def sentences(result: QuantizationResult) -> Iterator[str]:
    """A result in words, one sentence or table row each."""
    yield (
        f"{result.model}, {result.method}"
        + (f", ranges by {result.calibration}" if result.calibration else "")
        + f"; compared on {result.data.n:,} images in {result.data.groups:,} groups."
    )
    yield f"Size of the graph: {_size(result.bytes_before)} before, {_size(result.bytes_after)} after."
    yield f"AUC: {_sides(result.auc)}."
    yield f"Balanced accuracy: {_sides(result.balanced_accuracy)}."
    drift = result.drift
    yield (
        f"Another verdict on {percent(drift.flips)} of the images; REAL in place of FAKE or back on "
        f"{percent(drift.opposite)}."
    )
    yield (
        f"Probabilities move by {_interval(drift.mean_probability)} on average, at most by "
        f"{drift.largest_probability:.3f}; logits by {_interval(drift.mean_logit)}, where their standard deviation is "
        f"{drift.deviation_of_logit:.2f}."
    )
    if result.evidence is not None:
        yield f"Evidence maps correlate at {result.evidence.correlation:.4f} ({result.evidence.images} images)."
    for speed in result.speed:
        yield (
            f"{speed.backend}, {speed.batch} image{'s' if speed.batch > 1 else ''} per run: {speed.before_ms:.2f} ms "
            f"before, {speed.after_ms:.2f} ms after; {speed.ratio:.2f} times as fast."
        )
    kept = [layer.layer for layer in result.layers if layer.decision == "float"]
    if kept:
        yield f"In single precision: {', '.join(kept)}."
    four = sum(layer.decision == "4 bits" for layer in result.layers)
    if four:
        yield f"Stored in 4 bits: the weights of {four} layers."


def _size(count: int) -> str:
    return f"{count / 2**20:.2f} MiB"


def _sides(sides: Sides) -> str:
    before, after = (("unknown" if value is None else f"{value:.4f}") for value in (sides.before, sides.after))
    return f"{before} before, {after} after; difference {_interval(sides.difference)}"


def _interval(found: Estimate) -> str:
    if found.value is None:
        return "unknown"
    ends = "" if found.low is None or found.high is None else f" ({found.low:.4f} to {found.high:.4f})"
    return f"{found.value:.4f}{ends}"
