"""From a table of scores to the result: metrics of all images, by columns and by groups, next to the baseline."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from unmask.errors import UsageError
from unmask.evaluation.by_face import by_face, by_frame
from unmask.evaluation.fairness import compare_groups, counted
from unmask.evaluation.measure import SliceKey, measure, measure_within, rate
from unmask.evaluation.results.base import (
    ByLabel,
    DetectorFacts,
    EvaluatedDetector,
    Intervals,
    Metric,
    Run,
    WorstSource,
    WorstSources,
)
from unmask.evaluation.results.evaluation import (
    Block,
    Curves,
    DataCard,
    Evaluation,
    Failure,
    Headline,
    Mistake,
    Mistakes,
    Slice,
)
from unmask.evaluation.scores import Scores
from unmask.stats.curves import curves, histograms
from unmask.stats.images import Images
from unmask.stats.intervals import DIGITS, LEVEL
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
    detector: DetectorFacts | None = None,
) -> Evaluation:
    """Evaluate a detector by its table of scores.

    Args:
        scores: the table.
        by: columns whose values to compare as groups of images; metrics are reported by these, and by source,
            generator, kind and seen, where the table has them.
        draws: how intervals are drawn.
        command: arguments of the call, to note.
        detector: further facts about the detector, to note.

    Raises:
        UsageError: ``unknown_column``.
    """
    draws, by = draws or Draws(), tuple(dict.fromkeys(by))
    columns = {name: Column.of(scores.column(name)) for name in _columns(scores, by)}
    images = Images.of(scores)
    overall, areas = measure(images, draws, {name: column.codes for name, column in columns.items()})
    slices = {name: _slices(images, name, column, scores, overall, areas, draws) for name, column in columns.items()}
    sources = columns.get("source", Column(("",), np.zeros(len(images), np.intp)))
    blank = ("",) * len(images)
    points = {**curves(images), "histograms": histograms(images, sources.codes, sources.names)}
    return Evaluation(
        kind="evaluation",
        run=describe_run(command),
        detector=describe_detector(scores, detector),
        data=_data(scores, columns),
        intervals=Intervals(level=LEVEL, draws=draws.draws, seed=draws.seed, drawn="groups", ece_bins=ECE_BINS),
        headline=_headline(overall, slices),
        overall=overall,
        by_group=_by_group(scores, images, draws),
        by_face=_by_face(scores, draws),
        by_frame=_by_frame(scores, draws),
        by=slices,
        fairness={
            name: compare_groups(
                images,
                columns[name].names,
                columns[name].codes,
                blank if name == "source" else scores.column("source"),
                draws,
            )
            for name in by
        },
        curves=Curves.model_validate(points),
        mistakes=_mistakes(scores, images),
        failures=tuple(
            Failure(path=scores.path[at], label="fake" if scores.is_fake[at] else "real", error=scores.error[at])
            for at in np.flatnonzero(images.failed)
        ),
    )


def describe_run(command: Sequence[str]) -> Run:
    """How a result was made: the call, and versions."""
    return Run(
        command=tuple(command),
        python=platform.python_version(),
        packages={name: version(name) for name in _PACKAGES},
    )


def describe_detector(scores: Scores, facts: DetectorFacts | None) -> EvaluatedDetector:
    """The detector of a table of scores, with what else is known about it."""
    known = {} if facts is None else facts.model_dump()
    return EvaluatedDetector(model=scores.model, threshold=scores.threshold, **known)


def worst_of(sources: Iterable[WorstSource]) -> WorstSource | None:
    """The source with the lowest rate; of equals the one with more images."""
    return min(sources, key=lambda each: (each.value, -(each.n or 0)), default=None)


def _columns(scores: Scores, by: Iterable[str]) -> list[str]:
    chosen = [name for name in ALWAYS_BY if any(scores.column(name))]
    for name in by:
        if name not in scores.columns:
            known = ", ".join(scores.columns) or "none besides path, label and fake_probability"
            raise UsageError("unknown_column", f"{scores.name}: there is no column {name!r}; there are {known}")
        chosen.append(name)
    return list(dict.fromkeys(chosen))


def _data(scores: Scores, columns: dict[str, Column]) -> DataCard:
    counted = {}
    for name, column in columns.items():
        fakes = np.bincount(column.codes, scores.is_fake, len(column.names)).astype(int)
        everything = np.bincount(column.codes, minlength=len(column.names))
        counted[name] = {
            value: ByLabel(real=int(n - fake), fake=int(fake))
            for value, n, fake in zip(column.names, everything, fakes, strict=True)
        }
    return DataCard(
        name=Path(scores.name).name,
        scores_digest=scores.digest(),
        splits=tuple(sorted({split for split in scores.column("split") if split})),
        face_found=_rate_of_true(scores, "face_found"),
        uncertain=_rate_of_true(scores, "uncertain"),
        counts=counted,
    )


def _rate_of_true(scores: Scores, column: str) -> Metric | None:
    """The proportion of true in a column of true and false; ``None`` where the column is blank."""
    values = np.asarray(scores.column(column), np.str_)
    is_known = (values == "true") | (values == "false")
    return rate(values[is_known] == "true", scores.groups()[is_known]) if is_known.any() else None


def _slices(
    images: Images,
    name: str,
    column: Column,
    scores: Scores,
    overall: Block,
    areas: dict[SliceKey, Metric],
    draws: Draws,
) -> tuple[Slice, ...]:
    """One slice for each value of a column."""
    seen = np.asarray(scores.column("seen"), np.str_)
    found = []
    for code, value in enumerate(column.names):
        inside = column.codes == code
        own = images.where(inside)
        reals, fakes = own.where(~own.is_fake), own.where(own.is_fake)
        auc_within = balanced_accuracy = None
        if own.has_both:
            auc_within, balanced_accuracy = (
                (overall.metrics["auc"], overall.metrics["balanced_accuracy"])
                if inside.all()
                else measure_within(own, draws)
            )
        found.append(
            Slice(
                value=value,
                n=len(own),
                n_real=len(reals),
                n_fake=len(fakes),
                failures=int(np.count_nonzero(own.failed)),
                accuracy=rate(own.is_right, own.group),
                specificity=rate(reals.is_right, reals.group) if len(reals) else None,
                recall_fake=rate(fakes.is_right, fakes.group) if len(fakes) else None,
                auc_of_reals=areas[name, code, False] if len(reals) and images.has_both else None,
                auc_of_fakes=areas[name, code, True] if len(fakes) and images.has_both else None,
                auc_within=auc_within,
                balanced_accuracy=balanced_accuracy,
                uncertain_real=_uncertain(own, "uncertain_real"),
                uncertain_fake=_uncertain(own, "uncertain_fake"),
                seen={"true": True, "false": False}.get(str(seen[inside][0])) if name == "source" else None,
            )
        )
    return tuple(found)


def _uncertain(images: Images, of: str) -> Metric | None:
    success, among = counted(images, of)
    return rate(success[among], images.group[among]) if among.any() else None


def _headline(overall: Block, slices: dict[str, tuple[Slice, ...]]) -> Headline:
    """The metrics to read first: next to the baseline, the worst source, and the sources that training never saw."""
    metrics, trivial = overall.metrics, overall.baseline.accuracy
    accuracy = metrics["accuracy"]
    sources = slices.get("source", ())
    unseen = [each for each in slices.get("seen", ()) if each.value == "false"]
    is_band_known = bool(metrics["uncertain_rate"].n)
    return Headline(
        auc=metrics["auc"],
        balanced_accuracy=metrics["balanced_accuracy"],
        accuracy=accuracy,
        accuracy_outside_band=metrics["accuracy_outside_band"] if is_band_known else None,
        uncertain_rate=metrics["uncertain_rate"] if is_band_known else None,
        baseline_accuracy=trivial,
        above_baseline=accuracy.low is not None and accuracy.low > trivial,
        worst_source=WorstSources(
            fake=worst_of(_worst(each, each.recall_fake) for each in sources if each.recall_fake is not None),
            real=worst_of(_worst(each, each.specificity) for each in sources if each.specificity is not None),
        ),
        sources_seen=sum(each.seen is True for each in sources),
        sources=len(sources),
        unseen=unseen[0] if unseen else None,
    )


def _worst(source: Slice, metric: Metric) -> WorstSource:
    return WorstSource(source=source.value, seen=source.seen, **metric.model_dump())


def _by_group(scores: Scores, images: Images, draws: Draws) -> Block | None:
    """The metrics of whole groups, such as videos; ``None`` where each group holds one image of a label."""
    units = scores.by_group()
    return None if len(units) == len(images) else measure(Images.of(units), draws)[0]


def _by_face(scores: Scores, draws: Draws) -> Block | None:
    """The metrics of single faces; ``None`` where the table has no faces, or each image has one."""
    faces = by_face(scores)
    is_same = faces is None or (faces.fake_probability.tolist() == scores.fake_probability.tolist())
    return None if faces is None or is_same else measure(Images.of(faces), draws)[0]


def _by_frame(scores: Scores, draws: Draws) -> Block | None:
    """The metrics of single frames of clips; ``None`` for images."""
    frames = by_frame(scores)
    return None if frames is None else measure(Images.of(frames), draws)[0]


def _mistakes(scores: Scores, images: Images) -> Mistakes:
    """The most confident mistakes of each kind."""

    def of(fake: bool) -> tuple[Mistake, ...]:
        wrong = np.flatnonzero((images.is_fake == fake) & ~images.is_right & ~images.failed)
        probability = images.probability[wrong]
        order = np.argsort(probability if fake else -probability, kind="stable")[:MAX_MISTAKES]
        return tuple(
            Mistake(
                path=scores.path[at],
                source=scores.column("source")[at],
                fake_probability=round(float(scores.fake_probability[at]), DIGITS),
            )
            for at in wrong[order]
        )

    return Mistakes(real_called_fake=of(False), fake_called_real=of(True))
