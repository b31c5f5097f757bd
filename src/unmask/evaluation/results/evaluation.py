"""The result of ``unmask evaluate``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.evaluation.results.base import (
    Baseline,
    ByLabel,
    Confusion,
    Counts,
    Estimate,
    EvaluatedDetector,
    Intervals,
    Label,
    Metric,
    Part,
    Result,
    Run,
    WorstSources,
)
from unmask.evaluation.results.fairness import Fairness


class Block(Counts):
    """All metrics of a set of images.

    Attributes:
        failures: number of images that could not be read; they count as mistakes.
        confusion: predictions by label.
        baseline: always predicting the larger class.
        metrics: by name, in the order of :data:`unmask.stats.registry.METRICS`.
    """

    failures: int
    confusion: Confusion
    baseline: Baseline
    metrics: dict[str, Metric]


class Slice(Part):
    """The metrics of the images with one value of a column.

    Attributes:
        value: the column's value.
        n: number of images.
        n_real: real ones.
        n_fake: fake ones.
        failures: how many could not be read.
        accuracy: of the images.
        specificity: proportion of the real images called real; ``None`` without real images.
        recall_fake: proportion of the fakes called fake; ``None`` without fakes.
        auc_of_reals: its real images against all fakes of the set.
        auc_of_fakes: its fakes against all real images of the set.
        auc_within: its fakes against its own real images; ``None`` unless it has both.
        balanced_accuracy: likewise.
        uncertain_real: proportion of its real images whose prediction is uncertain; ``None`` if unknown.
        uncertain_fake: likewise of its fakes.
        seen: for a source: whether the detector was trained on it; ``None`` if unknown.
    """

    value: str
    n: int
    n_real: int
    n_fake: int
    failures: int
    accuracy: Metric
    specificity: Metric | None
    recall_fake: Metric | None
    auc_of_reals: Metric | None
    auc_of_fakes: Metric | None
    auc_within: Metric | None
    balanced_accuracy: Metric | None
    uncertain_real: Metric | None = None
    uncertain_fake: Metric | None = None
    seen: bool | None = None


class DataCard(Part):
    """What the images are.

    Attributes:
        name: the table's file name.
        scores_digest: SHA-256 of paths, labels, probabilities and threshold.
        splits: the splits that the images are from.
        face_found: proportion of the readable images with a face; ``None`` if unknown.
        uncertain: proportion of the predictions inside the uncertain band; ``None`` if unknown.
        counts: number of images by column, value and label.
    """

    name: str
    scores_digest: str
    splits: tuple[str, ...]
    face_found: Metric | None
    uncertain: Metric | None
    counts: dict[str, dict[str, ByLabel]]


class Headline(Part):
    """What to read first.

    Attributes:
        auc: area under the ROC curve.
        balanced_accuracy: mean of both classes' recall.
        accuracy: proportion of correct predictions.
        accuracy_outside_band: accuracy where the verdict is not uncertain; ``None`` if unknown.
        uncertain_rate: proportion of uncertain verdicts; ``None`` if unknown.
        baseline_accuracy: accuracy of always predicting the larger class.
        above_baseline: whether the accuracy's whole interval is above that.
        worst_source: the lowest rates of correct predictions.
        sources_seen: number of sources that the detector was trained on.
        sources: number of sources.
        unseen: metrics of the sources that it was not trained on; ``None`` without such.
    """

    auc: Metric
    balanced_accuracy: Metric
    accuracy: Metric
    accuracy_outside_band: Metric | None = None
    uncertain_rate: Metric | None = None
    baseline_accuracy: float
    above_baseline: bool
    worst_source: WorstSources
    sources_seen: int
    sources: int
    unseen: Slice | None


class ReliabilityBin(Part):
    """A bin of probabilities of fake that holds images.

    Attributes:
        lower: lower end of the bin; ``from`` in JSON.
        upper: upper end; ``to`` in JSON.
        n: number of images.
        mean_probability: mean of their probabilities.
        share_fake: proportion of fakes among them.
    """

    lower: float = Field(alias="from")
    upper: float = Field(alias="to")
    n: int
    mean_probability: float
    share_fake: Estimate


class Histogram(Part):
    """How many images of a source and label are in each of 20 bins of the probability of fake."""

    name: str
    label: Label
    counts: tuple[int, ...]


class Curves(Part):
    """Points of the charts.

    Attributes:
        roc: false-positive rate and recall of fake.
        precision_recall: recall and precision of fake.
        det: false-positive and false-negative rate.
        reliability: bins of the probability of fake.
        histograms: scores by source and label.
    """

    roc: tuple[tuple[float, float], ...]
    precision_recall: tuple[tuple[float, float], ...]
    det: tuple[tuple[float, float], ...]
    reliability: tuple[ReliabilityBin, ...]
    histograms: tuple[Histogram, ...]


class Mistake(Part):
    """An image with the wrong prediction."""

    path: str
    source: str
    fake_probability: float


class Mistakes(Part):
    """The most confident mistakes of each kind, most confident first."""

    real_called_fake: tuple[Mistake, ...]
    fake_called_real: tuple[Mistake, ...]


class Failure(Part):
    """An image that could not be read, with the error's code."""

    path: str
    label: Label
    error: str


class Evaluation(Result):
    """Everything about a table of scores.

    Attributes:
        run: how it was made.
        detector: what was evaluated.
        data: on which images.
        intervals: how intervals were drawn.
        headline: what to read first.
        overall: metrics of all images.
        by_group: metrics of whole groups, such as videos; ``None`` where each group is one image.
        by_face: metrics of single faces, of clips: of tracks; ``None`` if unknown, or where each image has one face.
        by_frame: metrics of the frames of clips; ``None`` for images.
        by: slices by column.
        fairness: by column that was asked for, how its slices differ.
        curves: points of the charts.
        mistakes: the most confident mistakes.
        failures: images that could not be read.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["evaluation"]
    run: Run
    detector: EvaluatedDetector
    data: DataCard
    intervals: Intervals
    headline: Headline
    overall: Block
    by_group: Block | None
    by_face: Block | None
    by_frame: Block | None = None
    by: dict[str, tuple[Slice, ...]]
    fairness: dict[str, Fairness] = Field({})
    curves: Curves
    mistakes: Mistakes
    failures: tuple[Failure, ...]
