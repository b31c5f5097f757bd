"""Scene cuts: how unlike two frames are, and wanted times spread over scenes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

GRID: Final = (18, 32)
"""Rows and columns of a frame's thumbnail."""
_BINS: Final = 32
# Frames that follow each other: a cut changes both where things are and how bright the whole is.
_NEXT_CHANGE, _NEXT_HISTOGRAM = 22.0, 0.25
# Frames that are further apart: motion moves everything, so only the histogram counts.
_FAR_CHANGE, _FAR_HISTOGRAM = 20.0, 0.45


class Look(NamedTuple):
    """A frame reduced to what tells scenes apart.

    Attributes:
        grid: float32 :data:`GRID`, luma from 0 to 255.
        histogram: float32 [32], proportions of luma values, adding up to 1.
    """

    grid: npt.NDArray[np.float32]
    histogram: npt.NDArray[np.float32]


def look_at(luma: npt.NDArray[np.uint8]) -> Look:
    """The look of a frame.

    Args:
        luma: uint8 [h, w], of any size; a few thousand values of it are read.
    """
    height, width = luma.shape
    rows = np.linspace(0, height - 1, GRID[0] * 4).astype(np.intp)
    columns = np.linspace(0, width - 1, GRID[1] * 4).astype(np.intp)
    sample = luma[np.ix_(rows, columns)]
    grid = sample.reshape(GRID[0], 4, GRID[1], 4).mean(axis=(1, 3), dtype=np.float32)
    counts = np.bincount((sample >> 3).ravel(), minlength=_BINS).astype(np.float32)
    return Look(grid, counts / counts.sum())


def is_cut(before: Look, after: Look, *, adjacent: bool) -> bool:
    """Whether a scene ends between two frames.

    Args:
        before: the earlier frame.
        after: the later frame.
        adjacent: whether they follow each other; else they may be seconds apart.
    """
    change = float(np.abs(before.grid - after.grid).mean())
    histogram = float(np.abs(before.histogram - after.histogram).sum()) / 2
    if adjacent:
        return change > _NEXT_CHANGE and histogram > _NEXT_HISTOGRAM
    return change > _FAR_CHANGE and histogram > _FAR_HISTOGRAM


def spread(duration: float, count: int, cuts: Sequence[float] = ()) -> list[float]:
    """Times spread over a clip, each scene with a number that follows from its length, and at least one.

    Args:
        duration: of the clip, in seconds, above 0.
        count: number of times, at least 1.
        cuts: times at which a new scene begins, in seconds, rising.

    Returns:
        ``count`` rising times: the middles of equal parts of each scene. With more scenes than times, the longest
        scenes have one each.
    """
    edges = [0.0, *(cut for cut in cuts if 0 < cut < duration), duration]
    scenes = [(start, end) for start, end in pairwise(edges) if end > start]
    if len(scenes) > count:
        longest = sorted(scenes, key=lambda scene: (scene[0] - scene[1], scene[0]))[:count]
        return [(start + end) / 2 for start, end in sorted(longest)]
    each = [1] * len(scenes)
    for _ in range(count - len(scenes)):  # the next one goes where the parts are longest
        at = max(range(len(scenes)), key=lambda i: ((scenes[i][1] - scenes[i][0]) / each[i], -i))
        each[at] += 1
    return [
        start + (end - start) * (i + 0.5) / n for (start, end), n in zip(scenes, each, strict=True) for i in range(n)
    ]
