"""Whether a detector's evidence maps are to be believed, over a labelled set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import numpy as np

from unmask.data.manifest import Manifest, ManifestRow
from unmask.errors import ImageError, UsageError
from unmask.explain.explainer import Explainer
from unmask.files import digest, stamp
from unmask.imaging.decode import decode_image
from unmask.journal import Journal
from unmask.stats.intervals import group_codes, share_interval
from unmask.stats.metrics import weighted_mean
from unmask.stats.resample import resample
from unmask.version import __version__

MEANS: Final = ("gain", "deletion_gain", "insertion_gain", "redrawn_gain", "agreement", "redrawn_correlation")
"""Figures of :class:`~unmask.explain.faithfulness.Faithfulness` that are averaged."""
REDRAWS: Final = 6
"""Networks with re-drawn weights, of which each image has one in turn: any one may favour the middle by chance."""


def draw_rows(manifest: Manifest, most: int | None, seed: int) -> list[ManifestRow]:
    """The rows of a manifest, or so many of them, drawn evenly, in the manifest's order."""
    rows = list(manifest)
    if most is None or len(rows) <= most:
        return rows
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])
    return [rows[place] for place in chosen]


def study(
    explainer: Explainer,
    manifest: Manifest,
    rows: Sequence[ManifestRow],
    store: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Check the evidence map of every image and sum the checks up.

    Args:
        explainer: with the detector and the seed.
        manifest: resolves the paths of the rows.
        rows: the images; those that cannot be read are listed as failures.
        store: a file of what was checked before, from which a stopped run goes on; made if it is not there.
        advance: called after each image.

    Returns:
        Plain values for JSON: means with intervals over whole groups, shares, mean curves, and a row an image.

    Raises:
        UsageError: ``nothing_read``.
    """
    bundle = explainer.detector.bundle
    checked: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
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
                checked.append({"path": row.path, "label": row.label, "source": row.source, "group": row.group} | facts)
            except (ImageError, OSError) as error:
                failures.append({"path": row.path, "error": getattr(error, "code", "read_error")})
            advance()
    if not checked:
        raise UsageError("nothing_read", f"{manifest.name}: none of its images could be read; is the root right?")
    results = {"all": checked} | {
        name: [each for each in checked if each["result"] == name] for name in ("FAKE", "REAL")
    }
    return {
        "schema": 1,
        "detector": {"model": explainer.detector.model_name, "bundle_sha256": bundle.sha256},
        "seed": explainer.seed,
        "by_result": {name: _summary(images) for name, images in results.items() if images},
        "failures": failures,
        "pictures": checked,
    }


def _check(explainer: Explainer, path: Path, draw: int) -> dict[str, Any]:
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


def _summary(images: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means and shares of the checks of some images."""
    group = group_codes([each["group"] for each in images])
    better = np.array([each["gain"] > 0 for each in images])
    low, high = share_interval(better, group)
    kinds = [kind for kind in ("map", "random", "redrawn") if images[0][kind] is not None]
    return {
        "n": len(images),
        "means": {name: _mean([each[name] for each in images], group) for name in MEANS},
        "better_than_random": {"value": float(better.mean()), "low": low, "high": high, "n": len(images)},
        "areas": {
            kind: {
                area: _mean([each[kind] and each[kind][area] for each in images], group)
                for area in ("deletion_area", "insertion_area")
            }
            for kind in kinds
        },
        "fractions": images[0]["fractions"],
        "curves": {
            kind: {
                name: [round(float(point), 4) for point in np.mean([each[kind][name] for each in images], 0)]
                for name in ("deletion", "insertion")
            }
            for kind in kinds
            if all(each[kind] is not None for each in images)
        },
    }


def _mean(values: Sequence[float | None], group: Any) -> dict[str, Any] | None:
    """A mean with its interval over whole groups; images where it does not exist are left out."""
    known = np.array([value is not None for value in values])
    if not known.any():
        return None
    figures = np.array([value for value in values if value is not None])
    _, codes = np.unique(group[known], return_inverse=True)
    ends = resample(codes, lambda weight: np.array([weighted_mean(figures, weight)])).interval(0)
    return {
        "value": float(figures.mean()),
        "low": None if ends is None else ends[0],
        "high": None if ends is None else ends[1],
        "n": len(figures),
    }
