"""Held-out figures: a recipe trained anew without each source, each generator or each fold, and tested on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from unmask.data.manifest import Manifest, ManifestRow
from unmask.data.split.groups import read_grouping
from unmask.data.split.result import file_names
from unmask.data.split.splitter import MAX_SPLITS, Splitter
from unmask.errors import UsageError
from unmask.evaluation.evaluate import describe_run
from unmask.evaluation.experiments.run_experiments import Experiment, run_series
from unmask.evaluation.experiments.train_and_score import SPLITS
from unmask.evaluation.measure import baseline, share
from unmask.evaluation.scores import Scores
from unmask.recipes import Recipe
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL, interval, rounded
from unmask.stats.metrics import Confusion, Flags, Floats, Ranking
from unmask.stats.registry import MetricValues
from unmask.stats.resample import Draws, Resampled, percentile_interval, resample

Protocol = Literal["loso", "logo", "kfold"]
PROTOCOLS: Final[dict[str, str]] = {"loso": "source", "logo": "generator", "kfold": "source"}
"""The column whose values the matrix has: what is left out in turn, or what the folds are taken apart by."""

LEFT_OUT: Final = "left-out"
FIGURES: Final = ("auc", "specificity", "recall_fake")


@dataclass(frozen=True)
class Plan:
    """What is trained and tested.

    Attributes:
        protocol: which.
        names: of each experiment the value left out, ``None`` for none; of folds ``fold-0`` and so on.
        manifests: one an experiment.
        columns: values of the column that are tested.
        notices: what its user should know.
    """

    protocol: str
    names: tuple[str | None, ...]
    manifests: tuple[Manifest, ...]
    columns: tuple[str, ...]
    notices: tuple[str, ...]


def plan(manifest: Manifest, protocol: str, *, folds: int = 5, seed: int = 0) -> Plan:
    """The experiments of a protocol.

    Leaving out keeps one test set for all: the manifest's own, or one that is drawn. The first experiment leaves out
    nothing; each other one lacks a value, and whatever is grouped with it, in training and validation. So held-out
    and in-distribution figures are of the same images. Folds take every image for testing once: fold i is tested,
    fold i + 1 validates, the others are trained on.

    Args:
        manifest: the images.
        protocol: ``loso`` (each source), ``logo`` (each generator of fakes) or ``kfold``.
        folds: of ``kfold``.
        seed: of the splits that are drawn.

    Raises:
        UsageError: ``bad_protocol``, ``bad_folds``, ``missing_split`` (some of train, val and test are there, not
            all), ``nothing_to_leave_out``, ``too_many_values``, or as of the splits.
    """
    if protocol not in PROTOCOLS:
        raise UsageError("bad_protocol", f"A protocol is {', '.join(PROTOCOLS)}, not {protocol!r}.")
    if protocol == "kfold":
        return _folds(manifest, folds, seed)
    return _left_out(_divided(manifest, seed), protocol)


def _divided(manifest: Manifest, seed: int) -> Manifest:
    """The manifest with train, val and test rows: its own, or drawn where no row says what it is for."""
    there = {row.split for row in manifest}
    if there <= {""}:
        return Splitter(manifest).fractions(seed=seed).splits[0].manifest()
    if missing := [name for name in SPLITS if name not in there]:
        text = f"{manifest.name}: has splits, but no rows of {' and '.join(missing)}. unmask data split makes them."
        raise UsageError("missing_split", text)
    return manifest


def _left_out(manifest: Manifest, protocol: str) -> Plan:
    rows, column = list(manifest), PROTOCOLS[protocol]
    cluster = read_grouping(manifest).cluster_of_row.tolist()

    def held(row: ManifestRow) -> str:
        return getattr(row, column) if protocol == "loso" or row.label == "fake" else ""

    values = sorted({held(row) for row in rows if row.split in SPLITS} - {""})
    if len(values) < 2:
        raise UsageError("nothing_to_leave_out", f"{manifest.name}: there are {len(values)} values of {column}")
    if len(values) > MAX_SPLITS:
        raise UsageError("too_many_values", f"{manifest.name}: {len(values)} values of {column}, over {MAX_SPLITS}")
    names: list[str | None] = [None]
    manifests, notices = [manifest], []
    for value in values:
        if not any(row.split == "test" and held(row) == value for row in rows):
            notices.append(f"{value} is not left out: no test row has it")
            continue
        own = {at for at, row in zip(cluster, rows, strict=True) if held(row) == value}
        kept = [
            replace(row, split=LEFT_OUT) if at in own and row.split in ("train", "val") else row
            for at, row in zip(cluster, rows, strict=True)
        ]
        if lacking := [
            split for split in ("train", "val") if len({row.label for row in kept if row.split == split}) < 2
        ]:
            notices.append(f"{value} is not left out: {' and '.join(lacking)} would lack a class")
            continue
        carried = sum(
            was.split != now.split and held(was) != value for was, now in zip(rows, kept, strict=True)
        )  # fmt: skip
        if carried:
            notices.append(f"{carried} rows that are grouped with {value} are left out with it")
        names.append(value)
        manifests.append(_named(Manifest.from_rows(kept, manifest.root), manifest))
    if len(names) == 1:
        raise UsageError("nothing_to_leave_out", f"{manifest.name}: no {column} can be left out. {'. '.join(notices)}")
    columns = [value for value in values if any(row.split == "test" and held(row) == value for row in rows)]
    return Plan(protocol, tuple(names), tuple(manifests), tuple(columns), tuple(notices))


def _folds(manifest: Manifest, folds: int, seed: int) -> Plan:
    if folds < 3:
        raise UsageError("bad_folds", "One fold is tested and one validates: ask for three or more.")
    drawn = Splitter(manifest, exact=True, tolerance=1.0).folds(folds, seed=seed)
    fold_of = np.argmax([[name == "val" for name in split] for split in drawn.splits], axis=0)
    rows = list(manifest)
    manifests = []
    for number in range(folds):
        part = {number: "test", (number + 1) % folds: "val"}
        own = [replace(row, split=part.get(int(fold), "train")) for row, fold in zip(rows, fold_of, strict=True)]
        manifests.append(_named(Manifest.from_rows(own, manifest.root), manifest))
    return Plan(
        "kfold",
        tuple(f"fold-{number}" for number in range(folds)),
        tuple(manifests),
        tuple(sorted({row.source for row in rows})),
        tuple(notice.message for notice in drawn.notices),
    )


def _named(made: Manifest, source: Manifest) -> Manifest:
    made.name = source.name
    return made


def run_protocol(
    recipe: Recipe,
    planned: Plan,
    out: Path,
    *,
    draws: Draws | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    command: Sequence[str] = (),
    announce: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train and test every experiment of a plan, as plain values for JSON; a stopped run goes on.

    Args:
        recipe: what is trained.
        planned: the experiments.
        out: gets a folder for each.
        draws: how intervals are drawn.
        cache: see :func:`unmask.evaluation.experiments.run_experiments.run_series`.
        workers: likewise.
        command: what was called, to be repeated.
        announce: told what begins.
    """
    draws = draws or Draws()
    places = [
        "in-distribution" if name is None else name if planned.protocol == "kfold" else place
        for name, place in zip(
            planned.names, ["", *file_names([name or "" for name in planned.names[1:]])], strict=True
        )
    ]
    titles = [
        "nothing left out" if name is None else name if planned.protocol == "kfold" else f"without {name}"
        for name in planned.names
    ]
    experiments = [
        Experiment(title, place, recipe, manifest)
        for title, place, manifest in zip(titles, places, planned.manifests, strict=True)
    ]
    scores = list(run_series(experiments, out, cache=cache, workers=workers, announce=announce))
    result = {
        "schema": 1,
        "kind": "protocol",
        "run": describe_run(command),
        "protocol": planned.protocol,
        "column": PROTOCOLS[planned.protocol],
        "recipe": {"name": recipe.name, "digest": recipe.digest(), "settings": recipe.model_dump(mode="json")},
        "data": {"name": Path(planned.manifests[0].name).name, "manifest_digest": planned.manifests[0].digest()},
        "intervals": {"level": LEVEL, "draws": draws.draws, "seed": draws.seed, "drawn": "groups"},
        "columns": list(planned.columns),
        "rows": [
            {"name": name, "title": title, **_row(table, planned)}
            for name, title, table in zip(planned.names, titles, scores, strict=True)
        ],
        "notices": list(planned.notices),
    }
    if planned.protocol == "kfold":
        return {**result, "folds": _over_folds(scores, draws)}
    pairs = [(name, table) for name, table in zip(planned.names[1:], scores[1:], strict=True) if name is not None]
    held_out = [{"value": name, **_held_out(scores[0], table, name, planned, draws)} for name, table in pairs]
    return {**result, "held_out": held_out, "mean": _mean_gap(held_out)}


def _row(scores: Scores, planned: Plan) -> dict[str, Any]:
    images = Images.of(scores)
    return {
        "model": scores.model,
        "threshold": scores.threshold,
        "n": len(images),
        "failures": int(np.count_nonzero(images.failed)),
        "baseline": baseline(images),
        "overall": {
            **_cell(images, np.ones(len(images), bool)),
            "balanced_accuracy": rounded(Confusion.of(images.called_fake, images.is_fake).balanced_accuracy),
        },
        "cells": {value: _cell(images, _of(scores, value, planned)) for value in planned.columns},
    }


def _of(scores: Scores, value: str, planned: Plan) -> Flags:
    """Which images are of a value: of a generator only the fakes."""
    own = np.asarray(scores.column(PROTOCOLS[planned.protocol]), np.str_) == value
    return np.asarray(own & scores.is_fake if planned.protocol == "logo" else own)


def _ranked(images: Images, own: Flags) -> Flags:
    """The images that an area is of: the value's own where it has both classes, else with all of the other class."""
    classes = np.unique(images.is_fake[own])
    return own if len(classes) != 1 else own | (images.is_fake != classes[0])


def _cell(images: Images, own: Flags) -> dict[str, Any]:
    among = images.where(_ranked(images, own))
    reals, fakes = own & ~images.is_fake, own & images.is_fake
    return {
        "n_real": int(reals.sum()),
        "n_fake": int(fakes.sum()),
        "against": "own" if reals.any() and fakes.any() else "all",
        "auc": rounded(Ranking(among.score, among.is_fake).roc().auc()) if own.any() else None,
        "specificity": share(images.is_right[reals], images.group[reals]) if reals.any() else None,
        "recall_fake": share(images.is_right[fakes], images.group[fakes]) if fakes.any() else None,
    }


def _held_out(base: Scores, table: Scores, value: str, planned: Plan, draws: Draws) -> dict[str, Any]:
    """Figures of one value where training saw it, where it did not, and their differences, on the same images."""
    own = _of(base, value, planned)
    sides = [Images.of(scores) for scores in (base, table)]
    chosen = _ranked(sides[0], own)
    # A generator's specificity is that of the real images it is told from.
    judged = chosen if planned.protocol == "logo" else own
    paired = _paired([side.where(chosen) for side in sides], judged[chosen], draws)
    cell = _cell(sides[0], judged)
    found: dict[str, Any] = {
        "n_real": cell["n_real"],
        "n_fake": cell["n_fake"],
        "against": _cell(sides[0], own)["against"],
    }
    for at, side in enumerate(("in_distribution", "held_out", "difference")):
        found[side] = {
            name: interval(paired.values[place], paired.interval(place))
            for place, name in enumerate(FIGURES, at * len(FIGURES))
        }
    for side, images in zip(("in_distribution", "held_out"), sides, strict=True):
        # Shares have an interval of their own, also where all are right.
        found[side] |= {name: entry for name, entry in _cell(images, judged).items() if name in FIGURES[1:] and entry}
    return found


def _paired(sides: list[Images], judged: Flags, draws: Draws) -> Resampled:
    """``FIGURES`` of both sides and of their difference, as [9]; rates are those of the images ``judged``."""
    areas = [MetricValues(side, FIGURES[:1]) for side in sides]
    rates = [MetricValues(side.where(judged), FIGURES[1:]) for side in sides]

    def statistic(weight: Floats) -> Floats:
        first, second = (np.append(area(weight), rate(weight[judged])) for area, rate in zip(areas, rates, strict=True))
        return np.concatenate([first, second, second - first])

    return resample(sides[0].group, statistic, draws)


def _mean_gap(held_out: list[dict[str, Any]]) -> dict[str, Any]:
    """Each figure's mean over what was left out, each value counting once."""
    found: dict[str, Any] = {side: {} for side in ("in_distribution", "held_out", "difference")}
    for side in found:
        for name in FIGURES:
            values = [entry[side][name]["value"] for entry in held_out if entry[side][name]["value"] is not None]
            found[side][name] = rounded(float(np.mean(values)) if values else math.nan)
    return found


def _over_folds(scores: list[Scores], draws: Draws) -> dict[str, Any]:
    """Mean and spread of each figure over the folds; intervals by drawing groups within each fold."""
    names = ("auc", "balanced_accuracy", "specificity", "recall_fake")
    folds = []
    for number, images in enumerate(map(Images.of, scores)):
        # Folds share no group, so their draws are independent.
        folds.append(resample(images.group, MetricValues(images, names), replace(draws, seed=draws.seed + number)))
    by_fold, mean = np.array([fold.values for fold in folds]), np.mean([fold.drawn for fold in folds], axis=0)
    return {
        name: {
            **interval(float(by_fold[:, at].mean()), percentile_interval(mean[:, at])),
            "least": rounded(float(by_fold[:, at].min())),
            "most": rounded(float(by_fold[:, at].max())),
        }
        for at, name in enumerate(names)
    }
