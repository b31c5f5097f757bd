"""Held-out metrics: a recipe trained without each source, each generator or each fold, and tested on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.data.split.groups import read_grouping
from unmask.data.split.result import file_names
from unmask.data.split.splitter import MAX_SPLITS, Splitter
from unmask.errors import UsageError
from unmask.evaluation.evaluate import describe_run
from unmask.evaluation.experiments.run_experiments import Experiment, run_series
from unmask.evaluation.experiments.train_and_score import SPLITS
from unmask.evaluation.measure import baseline, estimate, metric, rate
from unmask.evaluation.results.base import Intervals, ManifestFacts, Metric, RecipeFacts
from unmask.evaluation.results.held_out import (
    Cell,
    FoldMetric,
    FoldMetrics,
    HeldOut,
    HeldOutValue,
    MeanGap,
    MeanRates,
    OverallCell,
    RateDifferences,
    Rates,
    Row,
)
from unmask.evaluation.scores import Scores
from unmask.recipes import Recipe
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL, rounded
from unmask.stats.metrics import Confusion, Flags, Floats, Ranking
from unmask.stats.registry import MetricValues
from unmask.stats.resample import Draws, Resampled, percentile_interval, resample

Protocol = Literal["loso", "logo", "kfold"]
PROTOCOLS: Final[dict[str, str]] = {"loso": "source", "logo": "generator", "kfold": "source"}
"""The column of the matrix: its values are left out in turn, or the folds are reported by them."""

LEFT_OUT: Final = "left-out"
METRICS: Final = ("auc", "specificity", "recall_fake")


@dataclass(frozen=True)
class Plan:
    """What is trained and tested.

    Attributes:
        protocol: ``loso``, ``logo`` or ``kfold``.
        names: the value that each experiment leaves out, ``None`` for none; for folds ``fold-0`` and so on.
        manifests: one for each experiment.
        columns: values of the column that are tested.
        notices: what to know, one sentence each.
    """

    protocol: Protocol
    names: tuple[str | None, ...]
    manifests: tuple[Manifest, ...]
    columns: tuple[str, ...]
    notices: tuple[str, ...]


def plan(manifest: Manifest, protocol: str, *, folds: int = 5, seed: int = 0) -> Plan:
    """The experiments of a protocol.

    ``loso`` and ``logo`` keep one test set for all: the manifest's own, or a random one. The first experiment leaves
    out nothing; each other one lacks a value, and everything grouped with it, in training and validation. So held-out
    and in-distribution metrics are of the same images. With ``kfold`` every image is tested once: fold i is tested,
    fold i + 1 validates, the others are trained on.

    Args:
        manifest: the images.
        protocol: ``loso`` (each source), ``logo`` (each generator of fakes) or ``kfold``.
        folds: number of folds of ``kfold``.
        seed: random seed of the splits.

    Raises:
        UsageError: ``bad_protocol``, ``bad_folds``, ``missing_split`` (some of train, val and test exist, but not
            all), ``nothing_to_leave_out``, ``too_many_values``, or as of the splits.
    """
    if protocol not in PROTOCOLS:
        raise UsageError("bad_protocol", f"The protocol must be one of {', '.join(PROTOCOLS)}, not {protocol!r}.")
    if protocol == "kfold":
        return _folds(manifest, folds, seed)
    return _left_out(_divided(manifest, seed), "loso" if protocol == "loso" else "logo")


def _divided(manifest: Manifest, seed: int) -> Manifest:
    """The manifest with train, val and test rows: its own, or random ones where no row has a split."""
    there = {row.split for row in manifest}
    if there <= {""}:
        return Splitter(manifest).fractions(seed=seed).splits[0].manifest()
    if missing := [name for name in SPLITS if name not in there]:
        text = f"{manifest.name}: has splits, but no rows of {' and '.join(missing)}. unmask data split makes them."
        raise UsageError("missing_split", text)
    return manifest


def _left_out(manifest: Manifest, protocol: Protocol) -> Plan:
    rows, column = list(manifest), PROTOCOLS[protocol]
    cluster = read_grouping(manifest).cluster_of_row.tolist()

    def held(row: ManifestRow) -> str:
        return getattr(row, column) if protocol == "loso" or row.label == "fake" else ""

    values = sorted({held(row) for row in rows if row.split in SPLITS} - {""})
    if len(values) < 2:
        raise UsageError(
            "nothing_to_leave_out", f"{manifest.name}: has {len(values)} values of {column}, at least 2 are needed"
        )
    if len(values) > MAX_SPLITS:
        raise UsageError(
            "too_many_values", f"{manifest.name}: has {len(values)} values of {column}, more than {MAX_SPLITS}"
        )
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
        raise UsageError(
            "bad_folds", "At least 3 folds are needed: one to test, one to validate, the others to train on."
        )
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
) -> HeldOut:
    """Train and test every experiment of a plan; an interrupted run resumes.

    Args:
        recipe: what is trained.
        planned: the experiments.
        out: gets a folder for each.
        draws: how intervals are drawn.
        cache: see :func:`unmask.evaluation.experiments.run_experiments.run_series`.
        workers: likewise.
        command: arguments of the call, to note.
        announce: called with one line before each experiment.
    """
    draws = draws or Draws()
    is_kfold = planned.protocol == "kfold"
    places = [
        "in-distribution" if name is None else name if is_kfold else place
        for name, place in zip(
            planned.names, ["", *file_names([name or "" for name in planned.names[1:]])], strict=True
        )
    ]
    titles = ["nothing left out" if name is None else name if is_kfold else f"without {name}" for name in planned.names]
    experiments = [
        Experiment(title, place, recipe, manifest)
        for title, place, manifest in zip(titles, places, planned.manifests, strict=True)
    ]
    scores = list(run_series(experiments, out, cache=cache, workers=workers, announce=announce))
    held_out = None
    if not is_kfold:
        held_out = tuple(
            _held_out(scores[0], table, name, planned, draws)
            for name, table in zip(planned.names[1:], scores[1:], strict=True)
            if name is not None
        )
    return HeldOut(
        kind="protocol",
        run=describe_run(command),
        protocol=planned.protocol,
        column=PROTOCOLS[planned.protocol],
        recipe=RecipeFacts(name=recipe.name, digest=recipe.digest(), settings=recipe.model_dump(mode="json")),
        data=ManifestFacts(name=Path(planned.manifests[0].name).name, manifest_digest=planned.manifests[0].digest()),
        intervals=Intervals(level=LEVEL, draws=draws.draws, seed=draws.seed, drawn="groups"),
        columns=planned.columns,
        rows=tuple(
            _row(name, title, table, planned) for name, title, table in zip(planned.names, titles, scores, strict=True)
        ),
        notices=planned.notices,
        folds=_over_folds(scores, draws) if is_kfold else None,
        held_out=held_out,
        mean=None if held_out is None else _mean_gap(held_out),
    )


def _row(name: str | None, title: str, scores: Scores, planned: Plan) -> Row:
    images = Images.of(scores)
    balanced_accuracy = rounded(Confusion.of(images.called_fake, images.is_fake).balanced_accuracy)
    overall = _cell(images, np.ones(len(images), bool))
    return Row(
        name=name,
        title=title,
        model=scores.model,
        threshold=scores.threshold,
        n=len(images),
        failures=int(np.count_nonzero(images.failed)),
        baseline=baseline(images),
        overall=OverallCell(**overall.model_dump(), balanced_accuracy=balanced_accuracy),
        cells={value: _cell(images, _of(scores, value, planned)) for value in planned.columns},
    )


def _of(scores: Scores, value: str, planned: Plan) -> Flags:
    """The images of a value; for a generator only the fakes."""
    own = np.asarray(scores.column(PROTOCOLS[planned.protocol]), np.str_) == value
    return np.asarray(own & scores.is_fake if planned.protocol == "logo" else own)


def _ranked(images: Images, own: Flags) -> Flags:
    """The images of an AUC: the value's own if it has both classes, otherwise with all of the other class."""
    classes = np.unique(images.is_fake[own])
    return own if len(classes) != 1 else own | (images.is_fake != classes[0])


def _cell(images: Images, own: Flags) -> Cell:
    among = images.where(_ranked(images, own))
    reals, fakes = own & ~images.is_fake, own & images.is_fake
    return Cell(
        n_real=int(reals.sum()),
        n_fake=int(fakes.sum()),
        against="own" if reals.any() and fakes.any() else "all",
        auc=rounded(Ranking(among.score, among.is_fake).roc().auc()) if own.any() else None,
        specificity=rate(images.is_right[reals], images.group[reals]) if reals.any() else None,
        recall_fake=rate(images.is_right[fakes], images.group[fakes]) if fakes.any() else None,
    )


def _held_out(base: Scores, table: Scores, value: str, planned: Plan, draws: Draws) -> HeldOutValue:
    """Metrics of one value with and without it in training, and their differences, on the same images."""
    own = _of(base, value, planned)
    sides = [Images.of(scores) for scores in (base, table)]
    chosen = _ranked(sides[0], own)
    # A generator's specificity is that of the real images that it is compared with.
    judged = chosen if planned.protocol == "logo" else own
    paired = _paired([side.where(chosen) for side in sides], judged[chosen], draws)

    def rates(side: int) -> Rates:
        ranked, rated = sides[side].where(chosen), sides[side].where(judged)

        def found(name: str) -> Metric:
            at = side * len(METRICS) + METRICS.index(name)
            of = ranked if name == "auc" else rated
            return metric(of, name, paired.values[at], paired.interval(at))

        return Rates(auc=found("auc"), specificity=found("specificity"), recall_fake=found("recall_fake"))

    gaps = range(2 * len(METRICS), 3 * len(METRICS))
    auc, specificity, recall_fake = (estimate(paired.values[at], paired.interval(at)) for at in gaps)
    return HeldOutValue(
        value=value,
        n_real=int(np.count_nonzero(judged & ~sides[0].is_fake)),
        n_fake=int(np.count_nonzero(judged & sides[0].is_fake)),
        against=_cell(sides[0], own).against,
        in_distribution=rates(0),
        held_out=rates(1),
        difference=RateDifferences(auc=auc, specificity=specificity, recall_fake=recall_fake),
    )


def _paired(sides: list[Images], judged: Flags, draws: Draws) -> Resampled:
    """``METRICS`` of both sides and of their difference, as [9]; rates are those of the images ``judged``."""
    areas = [MetricValues(side, METRICS[:1]) for side in sides]
    rates = [MetricValues(side.where(judged), METRICS[1:]) for side in sides]

    def statistic(weight: Floats) -> Floats:
        first, second = (np.append(area(weight), rate(weight[judged])) for area, rate in zip(areas, rates, strict=True))
        return np.concatenate([first, second, second - first])

    return resample(sides[0].group, statistic, draws)


def _mean_gap(held_out: Sequence[HeldOutValue]) -> MeanGap:
    """Each metric's mean over what was left out, each value counting once."""

    def mean(sides: Sequence[Rates | RateDifferences]) -> MeanRates:
        def of(values: list[float | None]) -> float | None:
            known = [value for value in values if value is not None]
            return rounded(float(np.mean(known)) if known else math.nan)

        return MeanRates(
            auc=of([side.auc.value for side in sides]),
            specificity=of([side.specificity.value for side in sides]),
            recall_fake=of([side.recall_fake.value for side in sides]),
        )

    return MeanGap(
        in_distribution=mean([each.in_distribution for each in held_out]),
        held_out=mean([each.held_out for each in held_out]),
        difference=mean([each.difference for each in held_out]),
    )


def _over_folds(scores: Sequence[Scores], draws: Draws) -> FoldMetrics:
    """Mean and range of each metric over the folds; intervals by drawing groups within each fold."""
    names = ("auc", "balanced_accuracy", "specificity", "recall_fake")
    folds = []
    for number, images in enumerate(map(Images.of, scores)):
        # Folds share no group, so their draws are independent.
        folds.append(resample(images.group, MetricValues(images, names), replace(draws, seed=draws.seed + number)))
    by_fold, mean = np.array([fold.values for fold in folds]), np.mean([fold.drawn for fold in folds], axis=0)

    def found(name: str) -> FoldMetric:
        at = names.index(name)
        average = estimate(float(by_fold[:, at].mean()), percentile_interval(mean[:, at]))
        return FoldMetric(
            value=average.value,
            low=average.low,
            high=average.high,
            least=rounded(float(by_fold[:, at].min())),
            most=rounded(float(by_fold[:, at].max())),
        )

    return FoldMetrics(
        auc=found("auc"),
        balanced_accuracy=found("balanced_accuracy"),
        specificity=found("specificity"),
        recall_fake=found("recall_fake"),
    )
