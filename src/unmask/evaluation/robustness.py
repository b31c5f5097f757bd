"""A detector on degraded images: the same images under each condition, compared with the clean ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from unmask.data.make.made import Encoding, made_name
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.detect.detector import Detector
from unmask.errors import ImageError, UsageError
from unmask.evaluation.degradations import (
    CLEAN,
    CLIP_GRID,
    GRID,
    TIERS,
    Condition,
    FaceOf,
    default_finder,
    degrade,
    family,
    unavailable,
)
from unmask.evaluation.evaluate import describe_detector, describe_run, worst_of
from unmask.evaluation.measure import estimate, metric, rate
from unmask.evaluation.results.base import DetectorFacts, Intervals, Metric, WorstSource, WorstSources
from unmask.evaluation.results.robustness import (
    ConditionData,
    ConditionMetrics,
    ConditionResult,
    Dropped,
    FamilyFacts,
    Flipped,
    Flips,
    Robustness,
    RobustnessHeadline,
)
from unmask.evaluation.scores import Cells, Scores, cells_of, tabulate
from unmask.files import OutputFolder, digest, stamp
from unmask.imaging.decode import decode_image
from unmask.journal import Journal
from unmask.parallel import ordered_map
from unmask.stats.images import Images
from unmask.stats.intervals import LEVEL
from unmask.stats.metrics import Flags, Floats
from unmask.stats.registry import MetricValues
from unmask.stats.resample import Draws, Resampled, percentile_interval, resample
from unmask.version import __version__

METRICS: Final = ("auc", "balanced_accuracy", "recall_fake", "specificity")
MAX_FLIPS: Final = 20

_Work = tuple[ManifestRow, Path, dict[tuple[int, str], str], dict[tuple[int, str], Cells]]


def draw_rows(manifest: Manifest, limit: int, seed: int) -> Manifest:
    """A random sample of at most ``limit`` images of a manifest, in the manifest's order."""
    rows = list(manifest)
    if len(rows) > limit:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:limit])
        rows = [rows[at] for at in chosen]
    drawn = Manifest.from_rows(rows, manifest.root)
    drawn.name = manifest.name
    return drawn


def score_conditions(
    detectors: Sequence[Detector],
    manifest: Manifest,
    conditions: Sequence[Condition],
    store: Path | None = None,
    *,
    seed: int = 0,
    keep: Path | None = None,
    workers: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[dict[str, Scores]]:
    """A table of scores by condition for each detector.

    Each image is decoded once and degraded once per condition, for all detectors. Each thread holds one image.

    Args:
        detectors: at least one.
        manifest: the images.
        conditions: how they are degraded.
        store: file of known scores, from which a stopped run resumes; created if it does not exist.
        seed: random seed of the degradations.
        keep: a folder to write the degraded images to as PNG, by condition (default: they are not written).
        workers: worker threads (default: number of CPUs).
        progress: called after each image.

    Raises:
        UsageError: ``nothing_read`` when not a single image could be read, ``empty_scores``; ``folder_in_use``,
            ``cannot_write`` of the store.
        ManifestError: a bad row.
    """
    finder = default_finder()
    found: list[dict[str, list[tuple[ManifestRow, Cells]]]] = [
        {each.name: [] for each in conditions} for _ in detectors
    ]

    def judge(work: _Work) -> _Work:
        row, path, keys, known = work
        missing = [each for each in conditions if any((at, each.name) not in known for at in range(len(detectors)))]
        if keep is not None:
            missing = list(conditions)
        if not missing:
            return row, path, {}, known
        new: dict[tuple[int, str], Cells] = {}
        try:
            image = decode_image(path)
        except ImageError:
            # As in unmask evaluate: each detector's own error.
            for at, detector in enumerate(detectors):
                cells = cells_of(detector.detect_or_error(path))
                new |= {(at, each.name): cells for each in missing}
            return row, path, keys, known | new
        face = FaceOf(image, finder)
        for each in missing:
            changed = degrade(image, each, row.path, seed, face)
            if keep is not None:
                _keep(keep, each, row, changed)
            for at, detector in enumerate(detectors):
                if (at, each.name) not in known:
                    new[at, each.name] = cells_of(detector.detect_or_error(changed))
        return row, path, {key: keys[key] for key in new}, known | new

    with nullcontext() if store is None else Journal(store) as journal:
        work = _work(detectors, manifest, conditions, seed, journal)
        for row, _, new_keys, cells in ordered_map(judge, work, workers):
            for (at, name), key in new_keys.items():
                # An image that could not be read is tried again in the next run.
                if journal is not None and not cells[at, name]["error"]:
                    journal.note(key, {"cells": cells[at, name]})
            for (at, name), of in cells.items():
                found[at][name].append((row, of))
            progress()
    tables = [
        {name: tabulate(detector, manifest, answers) for name, answers in by_name.items()}
        for detector, by_name in zip(detectors, found, strict=True)
    ]
    first = next(iter(tables[0].values()))
    if all(first.error):
        text = f"{manifest.name}: none of its {len(first)} images could be read ({first.error[0]}); is the root right?"
        raise UsageError("nothing_read", text)
    return tables


def measure_conditions(
    tables: dict[str, Scores],
    conditions: Sequence[Condition],
    draws: Draws | None = None,
    *,
    seed: int = 0,
    command: Sequence[str] = (),
    detector: DetectorFacts | None = None,
) -> Robustness:
    """Compare tables of the same images under conditions with the clean one.

    Differences are paired: their intervals come from draws of whole groups, the same ones for both tables.

    Args:
        tables: by name of the condition; ``clean`` must be among them.
        conditions: in the order of the result.
        draws: how intervals are drawn.
        seed: random seed of the changes, to note.
        command: arguments of the call, to note.
        detector: further facts about the detector, to note.
    """
    draws = draws or Draws()
    clean = tables[CLEAN]
    images = {each.name: Images.of(tables[each.name]) for each in conditions}
    before = images[CLEAN]
    resampled = _resampled(list(images.values()), draws)
    at_clean = list(images).index(CLEAN)
    found = []
    for at, each in enumerate(conditions):
        after = images[each.name]
        found.append(
            ConditionResult(
                name=each.name,
                family=each.family,
                level=each.level,
                failures=int(np.count_nonzero(after.failed)),
                figures=_metrics(after, resampled, at, at_clean),
                accuracy=rate(after.is_right, after.group),
                flips=_flips(before, after),
                face_found=_face_found(tables[each.name], after),
                worst_source=_worst_sources(tables[each.name], after),
                most_flipped=_most_flipped(clean, before, after),
            )
        )
    return Robustness(
        kind="robustness",
        run=describe_run(command),
        detector=describe_detector(clean, detector),
        data=ConditionData(
            name=Path(clean.name).name,
            splits=tuple(sorted({split for split in clean.column("split") if split})),
            n=len(clean),
            n_real=int(np.count_nonzero(~clean.is_fake)),
            n_fake=int(np.count_nonzero(clean.is_fake)),
            groups=int(before.group.max()) + 1,
        ),
        intervals=Intervals(level=LEVEL, draws=draws.draws, seed=draws.seed, drawn="groups"),
        seed=seed,
        families={
            name: FamilyFacts(about=of.about, unit=of.unit)
            for name, of in ((each.family, family(each)) for each in conditions)
        },
        unavailable=unavailable(),
        headline=_headline(found),
        conditions=tuple(found),
    )


def _work(
    detectors: Sequence[Detector],
    manifest: Manifest,
    conditions: Sequence[Condition],
    seed: int,
    journal: Journal | None,
) -> Iterator[_Work]:
    """Each row with the journal's keys of all its predictions, and the predictions that are known."""
    for row in manifest:
        path = manifest.resolve(row)
        marks = stamp(path)
        keys = {
            (at, each.name): digest(
                "robustness 1", __version__, detector.bundle.sha256, row.path, *marks, seed, each.name
            )
            for at, detector in enumerate(detectors)
            for each in conditions
        }
        known = {} if journal is None else {key: journal.get(value) for key, value in keys.items()}
        yield row, path, keys, {key: facts["cells"] for key, facts in known.items() if facts is not None}


def _resampled(images: Sequence[Images], draws: Draws) -> Resampled:
    """``METRICS`` of each condition [c, 4], and of each draw [draws, c, 4]; the same groups for all conditions."""
    of_condition = [MetricValues(each, METRICS) for each in images]

    def statistic(weight: Floats) -> Floats:
        return np.array([values(weight) for values in of_condition])

    return resample(images[0].group, statistic, draws)


def _metrics(after: Images, resampled: Resampled, at: int, at_clean: int) -> ConditionMetrics:
    """The metrics of the condition at an index, with their drop from the clean one."""
    values, drawn = resampled.values, resampled.drawn

    def dropped(name: str) -> Dropped:
        of = METRICS.index(name)
        drop = estimate(
            values[at_clean, of] - values[at, of], percentile_interval(drawn[:, at_clean, of] - drawn[:, at, of])
        )
        found = metric(after, name, values[at, of], resampled.interval(at, of))
        return Dropped(value=found.value, low=found.low, high=found.high, method=found.method, n=found.n, drop=drop)

    return ConditionMetrics(
        auc=dropped("auc"),
        balanced_accuracy=dropped("balanced_accuracy"),
        recall_fake=dropped("recall_fake"),
        specificity=dropped("specificity"),
    )


def _flips(before: Images, after: Images) -> Flips:
    return Flips(
        all=rate(before.called_fake != after.called_fake, before.group),
        to_fake=rate(~before.called_fake & after.called_fake, before.group),
        to_real=rate(before.called_fake & ~after.called_fake, before.group),
    )


def _most_flipped(clean: Scores, before: Images, after: Images) -> tuple[Flipped, ...]:
    """Images whose verdict flipped, those whose probability moved most first."""
    moved = np.where(before.called_fake != after.called_fake, np.abs(after.probability - before.probability), np.nan)
    order = np.argsort(-moved, kind="stable")[: min(MAX_FLIPS, int(np.count_nonzero(~np.isnan(moved))))]
    return tuple(
        Flipped(
            path=clean.path[at],
            label="fake" if clean.is_fake[at] else "real",
            before=round(float(before.probability[at]), 6),
            after=round(float(after.probability[at]), 6),
        )
        for at in order
    )


def _face_found(scores: Scores, images: Images) -> Metric:
    """The proportion of the readable images in which a face was found."""
    read = ~images.failed
    return rate(np.asarray(scores.column("face_found"), np.str_)[read] == "true", images.group[read])


def _worst_sources(scores: Scores, images: Images) -> WorstSources:
    """For each label the source with the lowest rate of correct predictions."""
    source = np.asarray(scores.column("source"), np.str_)

    def worst(of_label: Flags) -> WorstSource | None:
        found = []
        for name in np.unique(source[of_label]):
            own = images.where(of_label & (source == name))
            found.append(WorstSource(source=str(name), **rate(own.is_right, own.group).model_dump()))
        return worst_of(found)

    return WorstSources(fake=worst(images.is_fake), real=worst(~images.is_fake))


def _headline(found: Sequence[ConditionResult]) -> RobustnessHeadline:
    """The worst tier and the worst of the grid by balanced accuracy, or accuracy where one class is missing.

    The clean images are no degradation. Of equals the last one, because conditions mostly become harsher.
    """

    def score(each: ConditionResult) -> float:
        value = each.figures.balanced_accuracy.value
        return float((each.accuracy.value if value is None else value) or 0.0)

    of_tiers = [each for each in found if each.family in TIERS and each.family != CLEAN]
    of_grid = [each for each in found if each.family in GRID or each.family in CLIP_GRID]
    return RobustnessHeadline(
        worst_tier=min(reversed(of_tiers), key=score).name if of_tiers else None,
        worst_of_grid=min(reversed(of_grid), key=score).name if of_grid else None,
    )


def _keep(folder: Path, condition: Condition, row: ManifestRow, image: Image.Image) -> None:
    """Write a changed image below the folder, under its condition and a name that cannot lead out."""
    encoding = Encoding("png")
    name = made_name(Path(row.path).name, encoding.suffix, row.path)
    OutputFolder(folder).write(f"{condition.name}/{name}", encoding.encode(image), durable=False)
