"""The result of ``unmask robustness``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.evaluation.results.base import (
    Counts,
    Estimate,
    EvaluatedDetector,
    Intervals,
    Label,
    Metric,
    Number,
    Part,
    Result,
    Run,
    WorstSources,
)


class Dropped(Metric):
    """A metric under a condition.

    Attributes:
        drop: clean minus changed, from the same draws of whole groups.
    """

    drop: Estimate


class ConditionMetrics(Part):
    """The metrics of a condition."""

    auc: Dropped
    balanced_accuracy: Dropped
    recall_fake: Dropped
    specificity: Dropped


class Flips(Part):
    """Proportions of the images whose verdict differs from that of the clean image.

    Attributes:
        all: in either direction.
        to_fake: from real to fake.
        to_real: from fake to real.
    """

    all: Metric
    to_fake: Metric
    to_real: Metric


class Flipped(Part):
    """An image whose verdict flipped, with its probability of fake before and after."""

    path: str
    label: Label
    before: float
    after: float


class ConditionResult(Part):
    """The images under one condition.

    Attributes:
        name: such as ``jpeg-40``.
        family: such as ``jpeg``.
        level: how strongly, in the family's unit; ``None`` for a family without levels.
        failures: number of images that could not be read.
        figures: metrics, with their drop.
        accuracy: proportion of correct predictions.
        flips: verdicts that differ from the clean image's.
        face_found: proportion of the readable images with a face.
        worst_source: the lowest rates of correct predictions.
        most_flipped: images whose verdict flipped, those whose probability moved most first.
    """

    name: str
    family: str
    level: Number | None
    failures: int
    figures: ConditionMetrics
    accuracy: Metric
    flips: Flips
    face_found: Metric
    worst_source: WorstSources
    most_flipped: tuple[Flipped, ...]


class FamilyFacts(Part):
    """What the conditions of a family do, and the unit of their level; '' without levels."""

    about: str
    unit: str


class ConditionData(Counts):
    """The images: the table's file name, the splits, and their numbers."""

    name: str
    splits: tuple[str, ...]


class RobustnessHeadline(Part):
    """Names of the conditions with the lowest balanced accuracy, or accuracy where one class is missing.

    Attributes:
        worst_tier: of the tiers; ``None`` with a single tier.
        worst_of_grid: of the grid; ``None`` without it.
    """

    worst_tier: str | None
    worst_of_grid: str | None


class Robustness(Result):
    """A detector on the same images under each condition.

    Attributes:
        run: how it was made.
        detector: what was evaluated.
        data: on which images.
        intervals: how intervals were drawn.
        seed: random seed of the changes.
        families: of the conditions.
        unavailable: families that this Pillow lacks the codec for.
        headline: what to read first.
        conditions: in order; ``clean`` is among them.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["robustness"]
    run: Run
    detector: EvaluatedDetector
    data: ConditionData
    intervals: Intervals
    seed: int
    families: dict[str, FamilyFacts]
    unavailable: tuple[str, ...]
    headline: RobustnessHeadline
    conditions: tuple[ConditionResult, ...]

    def condition(self, name: str) -> ConditionResult:
        """The condition of that name.

        Raises:
            KeyError: there is none.
        """
        for each in self.conditions:
            if each.name == name:
                return each
        raise KeyError(name)
