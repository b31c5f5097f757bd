"""The result of ``unmask compare``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from unmask.evaluation.results.base import Baseline, Estimate, Intervals, Metric, Part, Result


class Paired(Estimate):
    """The difference of two detectors in a metric, first minus second.

    Attributes:
        p: p-value; ``None`` where there is none.
        p_holm: the same after Holm's correction over all pairs.
        established: whether the corrected p-value is below 0.05.
        test: ``mcnemar``, ``swap`` or ``delong``.
    """

    p: float | None
    p_holm: float | None = None
    established: bool = False
    test: str = ""


class Pair(Part):
    """Two detectors on the same images.

    Attributes:
        first: name of the first.
        second: name of the second.
        accuracy: difference in accuracy.
        balanced_accuracy: in balanced accuracy; ``None`` in older files.
        auc: in AUC.
        only_first_right: number of images that only the first gets right.
        only_second_right: likewise.
        mcnemar_form: ``exact`` or ``corrected``.
    """

    former_names: ClassVar[Mapping[str, str]] = {"form": "mcnemar_form"}

    first: str
    second: str
    accuracy: Paired
    balanced_accuracy: Paired | None = None
    auc: Paired
    only_first_right: int
    only_second_right: int
    mcnemar_form: str


class ComparedDetector(Part):
    """One of the detectors.

    Attributes:
        name: its model, or its file where models share a name.
        left_out: number of its images that not all tables have.
        failures: number of images that it could not read.
        accuracy: on the images that all tables have.
        balanced_accuracy: likewise.
        auc: likewise.
    """

    name: str
    left_out: int
    failures: int
    accuracy: Metric
    balanced_accuracy: float | None
    auc: float | None


class CochranQ(Part):
    """Cochran's test of three or more detectors: the statistic, its degrees of freedom, and the p-value."""

    q: float | None
    degrees: int
    p: float


class Comparison(Result):
    """Detectors on the same images. Older files lack what is ``None`` or empty by default.

    Attributes:
        n: number of images.
        n_real: real ones.
        n_fake: fake ones.
        groups: number of groups.
        baseline: always predicting the larger class.
        intervals: how intervals were drawn.
        detectors: in the order given.
        cochran_q: of three or more detectors.
        pairs: every pair.
        sentences: the same in words.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["comparison"] = "comparison"
    n: int
    n_real: int | None = None
    n_fake: int | None = None
    groups: int | None = None
    baseline: Baseline | None = None
    intervals: Intervals | None = None
    detectors: tuple[ComparedDetector, ...] = ()
    cochran_q: CochranQ | None
    pairs: tuple[Pair, ...]
    sentences: tuple[str, ...] = ()
