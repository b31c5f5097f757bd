"""The result of ``unmask ablate``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.evaluation.results.base import (
    Baseline,
    Counts,
    Estimate,
    Intervals,
    ManifestFacts,
    Part,
    RecipeFacts,
    Result,
    Run,
)


class MeanMetric(Part):
    """A metric as the mean over random seeds, and by seed."""

    value: float | None
    by_seed: tuple[float | None, ...]


class Trained(Part):
    """A recipe trained with several random seeds.

    Attributes:
        name: such as ``no-smote``.
        title: in words.
        auc: on the test images.
        balanced_accuracy: likewise.
    """

    name: str
    title: str
    auc: MeanMetric
    balanced_accuracy: MeanMetric


class Effect(Estimate):
    """The difference to the whole recipe in a metric: changed minus whole.

    Attributes:
        by_seed: by random seed.
        p: p-value.
        p_holm: the same after Holm's correction over the variants.
        established: whether the corrected p-value is below 0.05 and the interval excludes 0.
    """

    by_seed: tuple[float | None, ...]
    p: float | None
    p_holm: float | None = None
    established: bool = False


class Effects(Part):
    """The effect of a variant in each metric."""

    auc: Effect
    balanced_accuracy: Effect


class TrainedVariant(Trained):
    """The recipe with one change."""

    effect: Effects


class NotApplicable(Part):
    """A variant that does not apply to the recipe, and why."""

    name: str
    title: str
    why: str


class Ablation(Counts, Result):
    """A recipe and its variants on the same test images.

    Attributes:
        run: how it was made.
        recipe: the whole recipe.
        data: the images.
        baseline: always predicting the larger class.
        seeds: random seeds of the trainings.
        intervals: how intervals were drawn.
        whole: the whole recipe.
        variants: with one change each.
        not_applicable: variants that were not run.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["ablation"]
    run: Run
    recipe: RecipeFacts
    data: ManifestFacts
    baseline: Baseline
    seeds: tuple[int, ...]
    intervals: Intervals
    whole: Trained
    variants: tuple[TrainedVariant, ...]
    not_applicable: tuple[NotApplicable, ...]
