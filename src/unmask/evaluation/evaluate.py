"""From a table of scores to the whole result: figures over all, by columns and by groups, beside what is trivial."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from unmask.errors import UsageError
from unmask.evaluation.by_face import by_face
from unmask.evaluation.measure import measure, measure_within, share
from unmask.evaluation.scores import Scores
from unmask.stats.curves import curves, histograms
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL, rounded
from unmask.stats.metrics import ECE_BINS, Codes
from unmask.stats.resample import Draws

ALWAYS_BY: Final = ("source", "generator", "kind", "seen")
MAX_MISTAKES: Final = 24

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")


@dataclass(frozen=True)
class Column:
    """A column of the table as numbers: ``codes`` [n] are indices of ``names``."""

    names: tuple[str, ...]
    codes: Codes

    @classmethod
    def of(cls, values: Sequence[str]) -> Column:
        """From cells of text."""
        names, codes = np.unique(np.asarray(values, np.str_), return_inverse=True)
        return cls(tuple(str(name) for name in names), codes)


def evaluate(
    scores: Scores,
    by: Iterable[str] = (),
    draws: Draws | None = None,
    *,
    command: Sequence[str] = (),
    detector: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All that can be said of a table of scores, as plain values for JSON.

    Args:
        scores: the table.
        by: further columns to take apart; source, generator, kind and seen always are, where the table has them.
        draws: how intervals are drawn.
        command: what was called, to be repeated.
        detector: further facts of the detector to note.

    Raises:
        UsageError: ``unknown_column``.
    """
    draws = draws or Draws()
    columns = {name: Column.of(scores.column(name)) for name in _columns(scores, by)}
    images = Images.of(scores)
    overall, areas = measure(images, draws, {name: column.codes for name, column in columns.items()})
    slices = {name: _slices(images, name, column, scores, overall, areas, draws) for name, column in columns.items()}
    sources = columns.get("source", Column(("",), np.zeros(len(images), np.intp)))
    return {
        "schema": 1,
        "kind": "evaluation",
        "run": describe_run(command),
        "detector": {"model": scores.model, "threshold": scores.threshold, **(detector or {})},
        "data": _data(scores, columns),
        "intervals": {
            "level": LEVEL,
            "draws": draws.draws,
            "seed": draws.seed,
            "drawn": "groups",
            "ece_bins": ECE_BINS,
        },
        "headline": _headline(overall, slices),
        "overall": overall,
        "by_group": _by_group(scores, images, draws),
        "by_face": _by_face(scores, draws),
        "by": slices,
        "curves": {**curves(images), "histograms": histograms(images, sources.codes, sources.names)},
        "mistakes": _mistakes(scores, images),
        "failures": [
            {"path": scores.path[at], "label": "fake" if scores.is_fake[at] else "real", "error": scores.error[at]}
            for at in np.flatnonzero(images.failed)
        ],
    }


def describe_run(command: Sequence[str]) -> dict[str, Any]:
    """What a result says of how it was made: the call, and versions."""
    return {
        "command": list(command),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def worst_of(entries: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The share with the smallest value; of equals the one of more images."""
    return min(entries, key=lambda entry: (entry["value"], -entry["n"]), default=None)


def _columns(scores: Scores, by: Iterable[str]) -> list[str]:
    chosen = [name for name in ALWAYS_BY if any(scores.column(name))]
    for name in by:
        if name not in scores.columns:
            known = ", ".join(scores.columns) or "none besides path, label and fake_probability"
            raise UsageError("unknown_column", f"{scores.name}: there is no column {name!r}; there are {known}")
        chosen.append(name)
    return list(dict.fromkeys(chosen))


def _data(scores: Scores, columns: dict[str, Column]) -> dict[str, Any]:
    """The data card: what images these are."""
    counted = {}
    for name, column in columns.items():
        fakes = np.bincount(column.codes, scores.is_fake, len(column.names)).astype(int)
        everything = np.bincount(column.codes, minlength=len(column.names))
        counted[name] = {
            value: {"real": int(n - fake), "fake": int(fake)}
            for value, n, fake in zip(column.names, everything, fakes, strict=True)
        }
    return {
        "name": Path(scores.name).name,
        "scores_digest": scores.digest(),
        "splits": sorted({split for split in scores.column("split") if split}),
        "face_found": _flags(scores, "face_found"),
        "uncertain": _flags(scores, "uncertain"),
        "counts": counted,
    }


def _flags(scores: Scores, column: str) -> dict[str, Any] | None:
    """The share of images for which a column of true and false says true; ``None`` where it says nothing."""
    values = np.asarray(scores.column(column), np.str_)
    told = (values == "true") | (values == "false")
    return share(values[told] == "true", scores.groups()[told]) if told.any() else None


def _slices(
    images: Images,
    name: str,
    column: Column,
    scores: Scores,
    overall: dict[str, Any],
    areas: dict[tuple[str, int, bool], dict[str, Any]],
    draws: Draws,
) -> list[dict[str, Any]]:
    """One entry a value of a column: shares with their intervals, and areas where there are any."""
    seen = np.asarray(scores.column("seen"), np.str_)
    found = []
    for code, value in enumerate(column.names):
        inside = column.codes == code
        own = images.where(inside)
        recall = {label: own.where(own.is_fake == (label == "fake")) for label in ("real", "fake")}
        entry: dict[str, Any] = {
            "value": value,
            "n": len(own),
            "n_real": len(recall["real"]),
            "n_fake": len(recall["fake"]),
            "failures": int(np.count_nonzero(own.failed)),
            "accuracy": share(own.is_right, own.group),
            "specificity": share(recall["real"].is_right, recall["real"].group) if len(recall["real"]) else None,
            "recall_fake": share(recall["fake"].is_right, recall["fake"].group) if len(recall["fake"]) else None,
            "auc_of_reals": areas[name, code, False] if len(recall["real"]) and images.has_both else None,
            "auc_of_fakes": areas[name, code, True] if len(recall["fake"]) and images.has_both else None,
            "auc_within": None,
            "balanced_accuracy": None,
        }
        if own.has_both:
            within = overall["metrics"] if inside.all() else measure_within(own, draws)
            entry["auc_within"] = within["auc"]
            entry["balanced_accuracy"] = within["balanced_accuracy"]
        if name == "source":
            entry["seen"] = {"true": True, "false": False}.get(str(seen[inside][0]))
        found.append(entry)
    return found


def _headline(overall: dict[str, Any], slices: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The figures to read first: beside the baseline, the worst source, and the sources that training never saw."""
    accuracy, trivial = overall["metrics"]["accuracy"], overall["baseline"]["accuracy"]
    sources = slices.get("source", [])
    unseen = [entry for entry in slices.get("seen", []) if entry["value"] == "false"]
    return {
        "auc": overall["metrics"]["auc"],
        "balanced_accuracy": overall["metrics"]["balanced_accuracy"],
        "accuracy": accuracy,
        "baseline_accuracy": trivial,
        "above_baseline": accuracy["low"] is not None and accuracy["low"] > trivial,
        "worst_source": {
            "fake": _worst(sources, "recall_fake"),
            "real": _worst(sources, "specificity"),
        },
        "sources_seen": sum(entry["seen"] is True for entry in sources),
        "sources": len(sources),
        "unseen": unseen[0] if unseen else None,
    }


def _worst(sources: list[dict[str, Any]], figure: str) -> dict[str, Any] | None:
    """The source with the smallest share of right answers; of equals the one with more images."""
    return worst_of(
        {"source": entry["value"], "seen": entry["seen"], **entry[figure]}
        for entry in sources
        if entry[figure] is not None
    )


def _by_group(scores: Scores, images: Images, draws: Draws) -> dict[str, Any] | None:
    """The figures of whole groups, such as videos; ``None`` where each holds one image of a label."""
    units = scores.by_group()
    return None if len(units) == len(images) else measure(Images.of(units), draws)[0]


def _by_face(scores: Scores, draws: Draws) -> dict[str, Any] | None:
    """The figures of single faces; ``None`` where the table tells of none, or each image has one."""
    faces = by_face(scores)
    is_same = faces is None or (faces.fake_probability.tolist() == scores.fake_probability.tolist())
    return None if faces is None or is_same else measure(Images.of(faces), draws)[0]


def _mistakes(scores: Scores, images: Images) -> dict[str, list[dict[str, Any]]]:
    """The most confident mistakes of each kind."""
    found = {}
    for name, fake in (("real_called_fake", False), ("fake_called_real", True)):
        wrong = np.flatnonzero((images.is_fake == fake) & ~images.is_right & ~images.failed)
        probability = images.probability[wrong]
        order = np.argsort(probability if fake else -probability, kind="stable")[:MAX_MISTAKES]
        found[name] = [
            {
                "path": scores.path[at],
                "source": scores.column("source")[at],
                "fake_probability": rounded(float(scores.fake_probability[at])),
            }
            for at in wrong[order]
        ]
    return found
