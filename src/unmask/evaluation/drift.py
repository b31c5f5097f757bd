"""How two graphs of one detector differ: on single images, in their evidence maps, and in time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from unmask.bundle.bundle import ask_graph
from unmask.bundle.schema import BundleInfo
from unmask.bundle.session import checked_session
from unmask.evaluation.measure import estimate, rate
from unmask.evaluation.results.base import Estimate
from unmask.evaluation.results.quantization import Drift, EvidenceChange, Speed
from unmask.evaluation.small_images import Logits
from unmask.stats.metrics import Floats
from unmask.stats.resample import Draws, resample

_RUNS = 30


def drift(old: BundleInfo, new: BundleInfo, before: Logits, after: Logits, draws: Draws) -> Drift:
    """How far single images move from one detector to the other."""
    probability = [side.scores(info).fake_probability for side, info in ((before, old), (after, new))]
    moved = np.abs(probability[1] - probability[0])
    logit = np.abs(after.images.logit - before.images.logit)
    group = before.images.group
    words = list(zip(before.words(old), after.words(new), strict=True))
    flipped = np.array([first != second for first, second in words], bool)
    opposite = np.array([{first, second} == {"REAL", "FAKE"} for first, second in words], bool)
    return Drift(
        mean_probability=_mean(moved, group, draws),
        largest_probability=float(moved.max()),
        mean_logit=_mean(logit, group, draws),
        deviation_of_logit=float(before.images.logit.std()),
        flips=rate(flipped, group),
        opposite=rate(opposite, group),
    )


def _mean(values: Floats, group: Any, draws: Draws) -> Estimate:
    found = resample(group, lambda weight: np.array([np.average(values, weights=weight)]), draws)
    return estimate(float(found.values[0]), found.interval(0))


def evidence_change(before: bytes, after: bytes, pixels: Sequence[Any]) -> EvidenceChange:
    """How far the evidence maps of two graphs agree on some images."""
    sides = [[ask_graph(session, each[None]) for each in pixels] for session in map(checked_session, (before, after))]
    old, new = (np.concatenate([answer.evidence for answer in side]) for side in sides)
    logit = np.concatenate([answer.logit for answer in sides[1]])
    return EvidenceChange(
        images=len(pixels),
        correlation=float(np.corrcoef(old.ravel(), new.ravel())[0, 1]),
        mean_difference=float(np.abs(new - old).mean()),
        off_logit=float(np.abs(new.mean((1, 2)) - logit).max()),
    )


def speeds(
    before: bytes, after: bytes, pixels: Sequence[Any], batches: Collection[int] = (1, 8), runs: int = _RUNS
) -> tuple[Speed, ...]:
    """Time of two graphs by backend and batch, in turn on the same images; backends that are not here are left out."""
    found = []
    for provider in (name for name in ort.get_available_providers() if name == "CPUExecutionProvider"):
        sessions = [checked_session(model) for model in (before, after)]
        for batch in batches:
            seconds: list[list[float]] = [[], []]
            for run in range(runs + 2):
                start = run * batch % max(1, len(pixels) - batch + 1)
                taken = np.stack([pixels[(start + at) % len(pixels)] for at in range(batch)])
                for session, own in zip(sessions, seconds, strict=True):
                    started = time.process_time()
                    ask_graph(session, taken)
                    own.append((time.process_time() - started) / batch)
            old, new = (own[2:] for own in seconds)  # the first runs fill caches
            found.append(
                Speed(
                    backend=provider,
                    batch=batch,
                    runs=runs,
                    before_ms=1000 * statistics.median(old),
                    after_ms=1000 * statistics.median(new),
                    ratio=statistics.median(a / b for a, b in zip(old, new, strict=True)),
                )
            )
    return tuple(found)
