"""The path that the features of a clip's frames take: how straight and how even it is.

After Internò et al., "AI-Generated Video Detection via Perceptual Straightening" (ReStraV, NeurIPS 2025): natural clips
take straighter paths than generated ones in a network's features. The statistics are theirs, the features the
detector's own.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STATISTICS: Final = (
    "step_mean",
    "step_variance",
    "step_least",
    "step_most",
    "turn_mean",
    "turn_variance",
    "turn_least",
    "turn_most",
    "straightness",
)
"""Names of what :func:`trajectory` returns, in its order."""


def trajectory(points: npt.ArrayLike) -> dict[str, float]:
    """Statistics of a path.

    Args:
        points: float [t, k]: the features of frames in the order of time, evenly spread.

    Returns:
        ``step_*``: length of the steps from frame to frame. ``turn_*``: the angle between one step and the next, in
        degrees, 0 where either has no length. Both as mean, variance, least and most. ``straightness``: the distance
        from the first to the last frame by the length of the path, in [0, 1]; 1 for a path of no length. All steps are
        0 with fewer than two frames, all turns with fewer than three.
    """
    path = np.asarray(points, np.float64)
    moves = np.diff(path, axis=0)
    lengths: Floats = np.linalg.norm(moves, axis=1) if len(moves) else np.zeros(0)
    turns = np.zeros(0)
    if len(moves) > 1:
        scale = lengths[1:] * lengths[:-1]
        cosine = np.divide((moves[1:] * moves[:-1]).sum(1), scale, out=np.ones(len(scale)), where=scale > 0)
        turns = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    total = float(lengths.sum())
    straight = float(np.linalg.norm(path[-1] - path[0])) / total if total > 0 else 1.0
    found = [*_summary(lengths), *_summary(turns), min(straight, 1.0)]
    return dict(zip(STATISTICS, found, strict=True))


def jitter(values: npt.ArrayLike) -> float:
    """Mean size of the second difference: 0 for values that change evenly, large for a tremor.

    Args:
        values: float [t] or [t, k], in the order of time, evenly spread; 0.0 with fewer than three.
    """
    bends = np.diff(np.asarray(values, np.float64), n=2, axis=0)
    if not bends.size:
        return 0.0
    return float(np.abs(bends).mean() if bends.ndim == 1 else np.linalg.norm(bends, axis=1).mean())


def _summary(values: Floats) -> tuple[float, float, float, float]:
    if not len(values):
        return 0.0, 0.0, 0.0, 0.0
    return float(values.mean()), float(values.var()), float(values.min()), float(values.max())
