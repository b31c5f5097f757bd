"""The result of ``unmask regressions run``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unmask.evaluation.results.base import EvaluatedDetector, Label, Part, Result, Run

Status = Literal["passed", "failed", "known_miss", "fixed", "absent"]


class RegressionCase(Part):
    """One image whose verdict is known, and what the detector made of it.

    Attributes:
        path: the image, as in the manifest.
        label: what it is.
        expected: the verdicts that pass.
        verdict: the detector's, or the code of the error; ``None`` without the image.
        fake_probability: ``None`` without the image, and with an error.
        status: ``passed``; ``failed``: it should pass and does not; ``known_miss``: it does not, as was known;
            ``fixed``: a known miss that passes now; ``absent``: the image is not here.
        known_miss: why it was missed so far; '' for a case that must pass.
    """

    path: str
    label: Label
    expected: tuple[str, ...]
    verdict: str | None
    fake_probability: float | None
    status: Status
    known_miss: str = ""


class Regressions(Result):
    """How a detector fares on images that were once judged wrongly, or must never be.

    Attributes:
        run: how it was made.
        detector: what was tested.
        cases_digest: SHA-256 of the manifest's content.
        cases: in the manifest's order.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    kind: Literal["regressions"]
    run: Run
    detector: EvaluatedDetector
    cases_digest: str
    cases: tuple[RegressionCase, ...]

    def of_status(self, *wanted: Status) -> tuple[RegressionCase, ...]:
        """The cases of some statuses."""
        return tuple(case for case in self.cases if case.status in wanted)
