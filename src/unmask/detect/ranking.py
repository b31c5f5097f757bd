"""Verdicts in order of suspicion."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TypeVar

from unmask.detect.judged import Judged

_Verdict = TypeVar("_Verdict", bound=Judged)

_DIGITS = 6  # of a probability; verdicts that print alike are alike


def suspicion(verdict: Judged) -> tuple[int, float, int]:
    """A key that sorts the most suspicious verdict first.

    By probability of fake, highest first, whatever the verdict; of equal ones, more marks in the file first. Images
    without a face come after all others, since their probability means nothing, and errors come last.
    """
    if verdict.error is not None or verdict.fake_probability is None:
        return 2, 0.0, 0
    if verdict.verdict == "NO_FACE":
        return 1, 0.0, -len(verdict.marks)
    return 0, -round(verdict.fake_probability, _DIGITS), -len(verdict.marks)


def most_suspicious(verdicts: Iterable[_Verdict], top: int | None = None) -> list[_Verdict]:
    """Verdicts sorted by :func:`suspicion`; equal ones stay in their order.

    Args:
        verdicts: read to their end.
        top: how many to keep, at least 1; no more than that are held in memory at any time. ``None`` keeps all.
    """
    return sorted(verdicts, key=suspicion) if top is None else heapq.nsmallest(top, verdicts, key=suspicion)
