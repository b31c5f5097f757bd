"""A detector in fewer bits: made, calibrated again, and compared with the one that it was made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from unmask.bundle.bundle import Bundle, ask_graph
from unmask.bundle.compose import store_half
from unmask.bundle.golden import GoldenCase
from unmask.bundle.quantize import (
    PERCENTILE,
    Layer,
    Method,
    Ranges,
    activation_ranges,
    dynamic_eight_bits,
    layers,
    static_eight_bits,
)
from unmask.bundle.schema import BundleInfo
from unmask.bundle.session import GraphSession, checked_session
from unmask.bundle.small_weights import group_of, store_weights
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.evaluation.calibrate import Settings as CalibrationSettings
from unmask.evaluation.calibrate import calibrate
from unmask.evaluation.compare import compare
from unmask.evaluation.drift import drift, evidence_change, speeds
from unmask.evaluation.results.base import Counts, Estimate
from unmask.evaluation.results.quantization import (
    LayerChoice,
    QuantizationResult,
    Sides,
)
from unmask.evaluation.small_images import Logits, PreparedImages, draw_rows
from unmask.imaging.session import computes_in_eight_bits
from unmask.stats.metrics import Floats, auc
from unmask.stats.resample import Draws
from unmask.training.export import record_golden

Kind = Literal["static", "dynamic", "fp16", "weights-8", "weights-4"]
KINDS: Final[tuple[Kind, ...]] = ("static", "dynamic", "fp16", "weights-8", "weights-4")

_SUFFIX: Final = {
    "static": "int8",
    "dynamic": "dynamic",
    "fp16": "fp16",
    "weights-8": "weights8",
    "weights-4": "weights4",
}
_PROBES = 32
_MAPS = 64
_LEAST_FOUR_BITS = 16_384
_TRIES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Settings:
    """How a detector is quantised.

    Attributes:
        kind: ``static``: products of 8-bit numbers, with ranges of activations from images; ``dynamic``: the same for
            matrix products only, with ranges found for each image; ``fp16``, ``weights-8`` and ``weights-4``: weights
            are stored smaller, and restored when the graph is loaded.
        calibration: how ranges are found, of ``static``.
        percentile: for that method, in percent.
        images: number of images that ranges are found on.
        keep: number of layers that stay in single precision, the most sensitive ones; ``None``: as few as the limit on
            AUC allows.
        most_bytes: largest size of the graph: weights of the least sensitive layers are stored in 4 bits until it fits.
        max_auc_drop: a result that loses more AUC on the validation images is refused.
        seed: of the images that are drawn.
    """

    kind: Kind = "static"
    calibration: Method = "percentile"
    percentile: float = PERCENTILE
    images: int = 128
    keep: int | None = None
    most_bytes: int | None = None
    max_auc_drop: float = 0.005
    seed: int = 0


@dataclass(frozen=True)
class Quantised:
    """What :func:`quantize` gives: the content of the new bundle, and the report."""

    info: BundleInfo
    model: bytes
    golden: tuple[GoldenCase, ...]
    result: QuantizationResult


def quantize(
    bundle: Bundle,
    calibration: Manifest,
    validation: Manifest,
    settings: Settings | None = None,
    *,
    draws: Draws | None = None,
    workers: int | None = None,
    progress: Callable[[str, int], Callable[[], None]] = lambda _, __: lambda: None,
) -> Quantised:
    """Quantise a detector.

    Args:
        bundle: a detector that computes in single precision.
        calibration: images to find ranges on; best those that it was trained on.
        validation: images to calibrate probabilities and thresholds on, and to compare on.
        settings: how.
        draws: how intervals are drawn.
        workers: threads that read images.
        progress: given a name and a number of steps, what to call after each.

    Raises:
        UsageError: ``already_quantised``; ``too_much_lost``: AUC falls by more than the limit; ``too_large``: it does
            not fit into so few bytes; ``too_few_pictures``; ``nothing_read``.
    """
    settings, draws = settings or Settings(), draws or Draws()
    if computes_in_eight_bits(bundle.model):
        raise UsageError("already_quantised", f"{bundle.name} computes in 8 bits already.")
    rows = list(validation)
    images = PreparedImages.of(
        bundle, validation, rows, workers=workers, progress=progress("reading validation images", len(rows))
    )
    before = images.logits(bundle)
    maker = _Maker(bundle, calibration, settings, workers, progress)
    model, choices, after = _first_that_keeps(bundle, maker, images, before)
    info, _ = calibrate(bundle, after.images, CalibrationSettings(), manifest_digest=validation.digest(), draws=draws)
    info = info.model_copy(update={"name": f"{bundle.info.name}-{_SUFFIX[settings.kind]}"})
    result = _report(bundle, info, model, before, after, images, maker, choices, draws)
    card = info.card.model_copy(
        update={
            "weights": {**info.card.weights, "quantised": f"{settings.kind}; {maker.words() or 'no images'}"[:10_000]},
            "metrics": {
                **info.card.metrics,
                "quantised_auc_change": result.auc.difference.value or 0.0,
                "quantised_flips": result.drift.flips.value or 0.0,
            },
        }
    )
    info = info.model_copy(update={"card": card})
    return Quantised(info, model, record_golden(model, info.preprocessing.size), result)


def _first_that_keeps(
    bundle: Bundle, maker: _Maker, images: PreparedImages, before: Logits
) -> tuple[bytes, tuple[LayerChoice, ...], Logits]:
    """The smallest graph that does not lose more AUC than allowed, with what was measured, and its logits."""
    drop, most = math.nan, maker.settings.max_auc_drop
    for model, choices in maker.candidates():
        after = images.logits(replace(bundle, model=model))
        drop = _auc(before) - _auc(after)
        if drop <= most:
            return model, choices, after
    raise UsageError(
        "too_much_lost",
        f"{bundle.name} loses {drop:.4f} of its AUC on {len(images.rows):,} validation images, and at most {most:g} is "
        "allowed; nothing was written.",
    )


class _Maker:
    """Makes the graphs to try, the smallest one first."""

    def __init__(
        self,
        bundle: Bundle,
        calibration: Manifest,
        settings: Settings,
        workers: int | None,
        progress: Callable[[str, int], Callable[[], None]],
    ) -> None:
        self.settings, self._model, self._progress = settings, bundle.model, progress
        self._bundle, self._manifest, self._workers = bundle, calibration, workers
        self.images = 0

    def words(self) -> str:
        """How ranges were found."""
        if self.settings.kind != "static":
            return ""
        percentile = f" {self.settings.percentile:g}" if self.settings.calibration == "percentile" else ""
        return f"{self.settings.calibration}{percentile} of {self.images} images"

    def candidates(self) -> Iterator[tuple[bytes, tuple[LayerChoice, ...]]]:
        """Graphs, each with what was measured of its layers."""
        kind = self.settings.kind
        if kind == "dynamic":
            yield dynamic_eight_bits(self._model), ()
        elif kind == "fp16":
            yield store_half(self._model), ()
        elif kind in ("weights-8", "weights-4"):
            yield store_weights(self._model, 8 if kind == "weights-8" else 4), ()
        else:
            yield from self._static()

    def _static(self) -> Iterator[tuple[bytes, tuple[LayerChoice, ...]]]:
        settings = self.settings
        rows = draw_rows(list(self._manifest), settings.images, settings.seed)
        read = self._progress("reading calibration images", len(rows))
        images = PreparedImages.of(self._bundle, self._manifest, rows, workers=self._workers, progress=read)
        pixels = images.pixels()
        self.images = len(pixels)
        advance = self._progress("finding ranges", len(pixels))
        ranges = activation_ranges(
            self._model, pixels, settings.calibration, percentile=settings.percentile, progress=advance
        )
        found = layers(self._model)
        probe = np.stack(pixels[:: max(1, len(pixels) // _PROBES)][:_PROBES])
        expected = _logits(checked_session(self._model), probe)
        in_four, choices = self._four_bits(found, ranges, probe, expected)
        if not settings.keep:
            yield static_eight_bits(self._model, ranges, four_bits_of=in_four), choices
        if settings.keep == 0:
            return
        alone = self._alone(found, ranges, probe, expected)
        order = sorted(alone, key=lambda name: -alone[name])
        for count in _TRIES if settings.keep is None else (settings.keep,):
            keep = order[:count]
            four = [name for name in in_four if name not in keep]
            kept = tuple(
                LayerChoice(layer=name, drift=alone[name], decision="float" if name in keep else "8 bits")
                for name in order[: max(_TRIES)]
            )
            yield static_eight_bits(self._model, ranges, keep=keep, four_bits_of=four), kept + choices

    def _alone(self, found: Sequence[Layer], ranges: Ranges, probe: Any, expected: Floats) -> dict[str, float]:
        """How far the logit moves when one layer alone is rounded."""
        names = [layer.name for layer in found]
        advance = self._progress("measuring layers", len(names))
        drift = {}
        for name in names:
            graph = static_eight_bits(self._model, ranges, keep=[other for other in names if other != name])
            drift[name] = _moved(graph, probe, expected)
            advance()
        return drift

    def _four_bits(
        self, found: Sequence[Layer], ranges: Ranges, probe: Any, expected: Floats
    ) -> tuple[list[str], tuple[LayerChoice, ...]]:
        """The layers to store in 4 bits: those whose squared drift per byte saved is least."""
        most = self.settings.most_bytes
        size = len(static_eight_bits(self._model, ranges))
        if most is None or size <= most:
            return [], ()
        able = [layer for layer in found if _fits_four_bits(layer)]
        eight = _logits(checked_session(static_eight_bits(self._model, ranges)), probe)
        advance = self._progress("measuring 4 bits", len(able))
        drift = {}
        for layer in able:
            graph = static_eight_bits(self._model, ranges, four_bits_of=[layer.name])
            drift[layer.name] = _moved(graph, probe, eight)
            advance()
        chosen: list[str] = []
        for layer in sorted(able, key=lambda layer: drift[layer.name] ** 2 / layer.weights):
            if size <= most:
                break
            chosen.append(layer.name)
            # Half a byte of each weight goes, and a byte for each group comes; the graph is made to see, at the end.
            size -= layer.weights // 2 - layer.weights // group_of(layer.inputs)
            if size <= most:
                size = len(static_eight_bits(self._model, ranges, four_bits_of=chosen))
        if size > most:
            raise UsageError("too_large", f"The graph has {size:,} bytes at least, and at most {most:,} are allowed.")
        choices = tuple(
            LayerChoice(layer=name, drift=value, decision="4 bits" if name in chosen else "8 bits")
            for name, value in sorted(drift.items(), key=lambda each: -each[1])
        )
        return chosen, choices


def _fits_four_bits(layer: Layer) -> bool:
    return layer.pointwise and layer.weights >= _LEAST_FOUR_BITS and group_of(layer.inputs) > 0


def _logits(session: GraphSession, pixels: Any) -> Floats:
    parts = [ask_graph(session, pixels[at : at + 8]).logit for at in range(0, len(pixels), 8)]
    return np.concatenate(parts).astype(np.float64)


def _moved(model: bytes, pixels: Any, expected: Floats) -> float:
    return float(np.abs(_logits(checked_session(model), pixels) - expected).mean())


def _auc(logits: Logits) -> float:
    return auc(logits.images.logit, logits.images.is_fake)


def _report(
    bundle: Bundle,
    info: BundleInfo,
    model: bytes,
    before: Logits,
    after: Logits,
    images: PreparedImages,
    maker: _Maker,
    choices: tuple[LayerChoice, ...],
    draws: Draws,
) -> QuantizationResult:
    old, new = before.scores(bundle.info), after.scores(info)
    compared = compare([new, old], draws)
    (pair,) = compared.pairs
    after_side, before_side = compared.detectors
    balanced = pair.balanced_accuracy or Estimate(value=None)
    return QuantizationResult(
        kind="quantization",
        model=bundle.name,
        bundle_sha256=bundle.sha256,
        method=maker.settings.kind,
        calibration=maker.words(),
        calibration_images=maker.images,
        max_auc_drop=maker.settings.max_auc_drop,
        data=Counts(
            n=compared.n, n_real=compared.n_real or 0, n_fake=compared.n_fake or 0, groups=compared.groups or 0
        ),
        bytes_before=len(bundle.model),
        bytes_after=len(model),
        auc=Sides(before=before_side.auc, after=after_side.auc, difference=_plain(pair.auc)),
        balanced_accuracy=Sides(
            before=before_side.balanced_accuracy, after=after_side.balanced_accuracy, difference=_plain(balanced)
        ),
        drift=drift(bundle.info, info, before, after, draws),
        evidence=evidence_change(bundle.model, model, images.pixels()[:_MAPS])
        if bundle.info.evidence == "cam"
        else None,
        speed=speeds(bundle.model, model, images.pixels()),
        layers=choices,
    )


def _plain(found: Estimate) -> Estimate:
    return Estimate(value=found.value, low=found.low, high=found.high)
