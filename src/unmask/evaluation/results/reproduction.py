"""The result of ``unmask reproduce``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from unmask.evaluation.results.base import (
    Baseline,
    ByLabel,
    Confusion,
    Counts,
    Intervals,
    Metric,
    Number,
    Part,
    Result,
    Run,
)
from unmask.evaluation.results.comparison import Comparison


class ReportedMetrics(Part):
    """Our results under the papers' names; precision, recall and F1 are of the class fake."""

    accuracy: Metric
    balanced_accuracy: Metric
    precision: Metric
    recall: Metric
    f1: Metric
    auc: Metric


class SystemFigures(Counts):
    """Our results of a system.

    Attributes:
        weights: where the pretrained weights came from.
        random_weights: whether any network started from random weights.
        epochs: number of epochs.
        timing: times in seconds and peak memory in 10^6 bytes, as the run noted them.
        failures: number of test images that could not be read.
        confusion: predictions by label.
        baseline: always predicting the larger class.
        metrics: under the papers' names.
    """

    weights: dict[str, str]
    random_weights: bool
    epochs: int
    timing: dict[str, Number]
    failures: int
    confusion: Confusion
    baseline: Baseline
    metrics: ReportedMetrics


class FailedSystem(Part):
    """Why a system could not be run."""

    code: str
    message: str


class System(Part):
    """A system of a paper.

    Attributes:
        recipe: name of the recipe.
        system: what the paper calls it.
        summary: one sentence.
        reported: the paper's results on its own data, by metric.
        departs: how the run differs from the paper, one sentence each.
        error: why it could not be run; ``None`` if it could.
        figures: our results; ``None`` with an error.
    """

    recipe: str
    system: str
    summary: str
    reported: dict[str, float]
    departs: tuple[str, ...]
    error: FailedSystem | None
    figures: SystemFigures | None


class PaperProtocol(Part):
    """A paper's data and split, and what its own results say in our metrics."""

    data: str
    split: str
    readings: tuple[str, ...]


class PaperData(Part):
    """Our images: number by split and label, sources, and the manifest's SHA-256."""

    counts: dict[str, ByLabel]
    sources: tuple[str, ...]
    digest: str


class ReproducedPaper(Part):
    """The systems of a paper.

    Attributes:
        paper: ``S0`` to ``S4``.
        title: its system.
        reference: authors, title, venue and year; '' in older files.
        protocol: its data and split.
        split: notes on our split, one sentence each.
        data: our images.
        systems: its systems.
        comparison: of the systems that ran; ``None`` for less than two.
    """

    paper: str
    title: str
    reference: str = ""
    protocol: PaperProtocol
    split: tuple[str, ...]
    data: PaperData
    systems: tuple[System, ...]
    comparison: Comparison | None


class ReproductionSettings(Part):
    """What the call changed.

    Attributes:
        where: values that select rows, by column.
        overrides: changes to every recipe; ``set`` in JSON.
        epochs: maximum number of epochs per phase; ``None``: as in the recipes.
        seed: random seed of splits and runs.
        given: whether the manifest's own split was kept.
        threshold: an image is called fake when its probability reaches this.
    """

    where: dict[str, tuple[str, ...]]
    overrides: tuple[str, ...] = Field(alias="set")
    epochs: int | None
    seed: int
    given: bool
    threshold: float


class Reproduction(Result):
    """The papers' systems on other images.

    Attributes:
        run: how it was made.
        settings: what the call changed.
        intervals: how intervals were drawn.
        papers: in order.
        command: arguments of the call.
    """

    schema_version: Literal[2] = Field(2, alias="schema")
    kind: Literal["reproduction"] = "reproduction"
    run: Run
    settings: ReproductionSettings
    intervals: Intervals
    papers: tuple[ReproducedPaper, ...]
    command: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_schema_1(cls, content: Any) -> Any:
        """Schema 1 called papers seeds, and gave no references."""
        if not isinstance(content, dict) or content.get("schema") != 1 or "seeds" not in content:
            return content
        papers = [{**found, "paper": found["seed"], "protocol": found["paper"]} for found in content["seeds"]]
        return {**content, "schema": 2, "papers": papers}
