"""The result of ``unmask held-out``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.evaluation.results.base import (
    Baseline,
    Estimate,
    Intervals,
    ManifestFacts,
    Metric,
    Part,
    RecipeFacts,
    Result,
    Run,
)


class Cell(Part):
    """A detector on the test images of one value of the column.

    Attributes:
        n_real: number of real images.
        n_fake: number of fakes.
        against: what the AUC is against: ``own`` images of the other class, or ``all`` of the test set.
        auc: area under the ROC curve; ``None`` where one class is missing.
        specificity: proportion of the real images called real; ``None`` without real images.
        recall_fake: proportion of the fakes called fake; ``None`` without fakes.
    """

    n_real: int
    n_fake: int
    against: Literal["own", "all"]
    auc: float | None
    specificity: Metric | None
    recall_fake: Metric | None


class OverallCell(Cell):
    """A detector on all test images, with its balanced accuracy."""

    balanced_accuracy: float | None


class Row(Part):
    """A trained detector.

    Attributes:
        name: the value left out, or the fold; ``None`` where nothing was left out.
        title: in words.
        model: name and version.
        threshold: an image is called fake when its probability reaches this.
        n: number of test images.
        failures: how many could not be read.
        baseline: always predicting the larger class.
        overall: all test images.
        cells: by value of the column.
    """

    name: str | None
    title: str
    model: str
    threshold: float
    n: int
    failures: int
    baseline: Baseline
    overall: OverallCell
    cells: dict[str, Cell]


class Rates(Part):
    """Metrics of a value of the column; with ``n`` of the images that each is computed from where it is known."""

    auc: Metric
    specificity: Metric
    recall_fake: Metric


class RateDifferences(Part):
    """Held out minus in distribution, in each metric."""

    auc: Estimate
    specificity: Estimate
    recall_fake: Estimate


class HeldOutValue(Part):
    """A value of the column, on the same images with and without it in training.

    Attributes:
        value: the value.
        n_real: number of real images.
        n_fake: number of fakes.
        against: as in :class:`Cell`.
        in_distribution: trained with it.
        held_out: trained without it.
        difference: held out minus in distribution.
    """

    value: str
    n_real: int
    n_fake: int
    against: Literal["own", "all"]
    in_distribution: Rates
    held_out: Rates
    difference: RateDifferences


class MeanRates(Part):
    """Means over what was left out, each value counting once; ``None`` where there is none."""

    auc: float | None
    specificity: float | None
    recall_fake: float | None


class MeanGap(Part):
    """Means with and without the value in training, and of the difference."""

    in_distribution: MeanRates
    held_out: MeanRates
    difference: MeanRates


class FoldMetric(Estimate):
    """The mean over folds, and the least and the most of them."""

    least: float | None
    most: float | None


class FoldMetrics(Part):
    """Metrics over folds."""

    auc: FoldMetric
    balanced_accuracy: FoldMetric
    specificity: FoldMetric
    recall_fake: FoldMetric


class HeldOut(Result):
    """A recipe trained without each source, generator or fold, and tested on it.

    Attributes:
        run: how it was made.
        protocol: ``loso`` leaves out each source, ``logo`` each generator, ``kfold`` each fold.
        column: the column of the table.
        recipe: what was trained.
        data: the images.
        intervals: how intervals were drawn.
        columns: the column's values that were tested.
        rows: the trained detectors.
        notices: what to know, one sentence each.
        folds: metrics over folds; ``None`` unless ``kfold``.
        held_out: each value with and without it in training; ``None`` for ``kfold``.
        mean: means of these; likewise.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["protocol"]
    run: Run
    protocol: Literal["loso", "logo", "kfold"]
    column: str
    recipe: RecipeFacts
    data: ManifestFacts
    intervals: Intervals
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notices: tuple[str, ...]
    folds: FoldMetrics | None = None
    held_out: tuple[HeldOutValue, ...] | None = None
    mean: MeanGap | None = None
