"""How faithful a detector's evidence maps are on a labelled set of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import numpy as np

from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ImageError, UsageError
from unmask.evaluation import robustness
from unmask.evaluation.measure import estimate, rate
from unmask.evaluation.results.base import Metric
from unmask.evaluation.results.map_study import (
    CheckedCurves,
    CheckedImage,
    CurveAreas,
    MapMeans,
    MapStudy,
    MapSummary,
    MeanCurves,
    StudiedDetector,
    UncheckedImage,
)
from unmask.explain.explainer import Explainer
from unmask.files import digest, stamp
from unmask.imaging.decode import decode_image
from unmask.journal import Journal
from unmask.stats.intervals import group_codes
from unmask.stats.metrics import Codes, weighted_mean
from unmask.stats.resample import resample
from unmask.version import __version__

REDRAWS: Final = 6
"""Networks with random weights, of which each image has one in turn: any single one may favour the middle by chance."""


def draw_rows(manifest: Manifest, limit: int | None, seed: int) -> list[ManifestRow]:
    """The rows of a manifest, or a random sample of at most ``limit`` of them, in the manifest's order."""
    return list(manifest if limit is None else robustness.draw_rows(manifest, limit, seed))


def study(
    explainer: Explainer,
    manifest: Manifest,
    rows: Sequence[ManifestRow],
    store: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> MapStudy:
    """Check the evidence map of every image.

    Args:
        explainer: with the detector and the random seed.
        manifest: resolves the paths of the rows.
        rows: the images; those that cannot be read are listed as failures.
        store: file of finished checks, from which an interrupted run resumes; created if missing.
        advance: called after each image.

    Raises:
        UsageError: ``nothing_read``.
    """
    bundle = explainer.detector.bundle
    checked: list[CheckedImage] = []
    failures: list[UncheckedImage] = []
    with nullcontext() if store is None else Journal(store) as journal:
        for number, row in enumerate(rows):
            path = manifest.resolve(row)
            try:
                key = digest(
                    "study 1", __version__, bundle.sha256, explainer.seed, number % REDRAWS, row.path, *stamp(path)
                )
                known = None if journal is None else journal.get(key)
                facts = known["facts"] if known is not None else _check(explainer, path, number % REDRAWS)
                if journal is not None and known is None:
                    journal.note(key, {"facts": facts})
                checked.append(
                    CheckedImage(path=row.path, label=row.label, source=row.source, group=row.group, **facts)
                )
            except (ImageError, OSError) as error:
                failures.append(UncheckedImage(path=row.path, error=getattr(error, "code", "read_error")))
            advance()
    if not checked:
        raise UsageError("nothing_read", f"{manifest.name}: none of its images could be read; is the root right?")
    results = {"all": checked} | {name: [each for each in checked if each.result == name] for name in ("FAKE", "REAL")}
    return MapStudy(
        detector=StudiedDetector(model=explainer.detector.model_name, bundle_sha256=bundle.sha256),
        seed=explainer.seed,
        by_result={name: _summary(images) for name, images in results.items() if images},
        failures=tuple(failures),
        images=tuple(checked),
    )


def _check(explainer: Explainer, path: Path, draw: int) -> dict[str, Any]:
    """The fields of :class:`CheckedImage` that do not come from the manifest, as plain values for the journal."""
    image = decode_image(path)
    seen = explainer.judge(image)
    verdict = seen.verdict
    return {
        "result": verdict.result,
        "fake_probability": verdict.fake_probability,
        "face_found": verdict.face_found,
        "method": seen.evidence.method,
        **explainer.check(seen, draw=draw).to_json(),
    }


def _summary(images: Sequence[CheckedImage]) -> MapSummary:
    group = group_codes([each.group for each in images])

    def mean(value: Callable[[CheckedImage], float | None]) -> Metric | None:
        return _mean([value(each) for each in images], group)

    orders: dict[str, list[CheckedCurves | None]] = {
        "map": [each.map for each in images],
        "random": [each.random for each in images],
        "redrawn": [each.redrawn for each in images],
    }
    orders = {name: curves for name, curves in orders.items() if curves[0] is not None}
    complete = {name: [each for each in curves if each is not None] for name, curves in orders.items()}
    return MapSummary(
        n=len(images),
        means=MapMeans(
            gain=mean(lambda each: each.gain),
            deletion_gain=mean(lambda each: each.deletion_gain),
            insertion_gain=mean(lambda each: each.insertion_gain),
            redrawn_gain=mean(lambda each: each.redrawn_gain),
            agreement=mean(lambda each: each.agreement),
            redrawn_correlation=mean(lambda each: each.redrawn_correlation),
        ),
        better_than_random=rate(np.array([each.gain > 0 for each in images]), group),
        areas={
            name: CurveAreas(
                deletion_area=_mean([None if each is None else each.deletion_area for each in curves], group),
                insertion_area=_mean([None if each is None else each.insertion_area for each in curves], group),
            )
            for name, curves in orders.items()
        },
        fractions=images[0].fractions,
        curves={
            name: MeanCurves(
                deletion=_mean_points([each.deletion for each in curves]),
                insertion=_mean_points([each.insertion for each in curves]),
            )
            for name, curves in complete.items()
            if len(curves) == len(images)
        },
    )


def _mean_points(curves: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(round(float(point), 4) for point in np.mean(curves, 0))


def _mean(values: Sequence[float | None], group: Codes) -> Metric | None:
    """A mean with its interval over whole groups; images without the value are left out."""
    is_known = np.array([value is not None for value in values])
    if not is_known.any():
        return None
    known = np.array([value for value in values if value is not None])
    _, codes = np.unique(group[is_known], return_inverse=True)
    ends = resample(codes, lambda weight: np.array([weighted_mean(known, weight)])).interval(0)
    found = estimate(float(known.mean()), ends)
    return Metric(value=found.value, low=found.low, high=found.high, method="bootstrap", n=len(known))
