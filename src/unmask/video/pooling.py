"""From the frames of a track to one number, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float64]

_MOST: Final = 36.0  # log odds beyond which a probability is 0 or 1 in double precision


def _mean(logits: Logits, top: float) -> float:
    return float(logits.mean())


def _top_k_mean(logits: Logits, top: float) -> float:
    count = max(1, round(top * len(logits)))
    return float(np.sort(logits)[-count:].mean())


def _noisy_or(logits: Logits, top: float) -> float:
    real = -float(np.logaddexp(0.0, logits).sum())  # the logarithm of the product of the probabilities of real
    # The log odds, without the probability of fake: of many frames it is 1, and clips would be equal.
    return math.log(-math.expm1(real)) - real


POOLINGS: Final[dict[str, Callable[[Logits, float], float]]] = {
    "mean": _mean,
    "top-k-mean": _top_k_mean,
    "noisy-or": _noisy_or,
}
"""From the logits [frames] of a track, and the proportion of frames that ``top-k-mean`` counts, to the track's logit:
their mean; the mean of the highest ones, at least one; the log odds that any frame is fake, were they independent."""


def pool(logits: npt.ArrayLike, name: str = "mean", top: float = 0.25) -> float:
    """Pool the logits of a track's frames.

    Args:
        logits: float [frames], of fake; at least one.
        name: a key of :data:`POOLINGS`.
        top: for ``top-k-mean``: the proportion of frames that count, in (0, 1].

    Returns:
        The logit of the track: from -36 to 36, and of ``noisy-or`` up to 36 for each frame.
    """
    each = np.clip(np.asarray(logits, np.float64), -_MOST, _MOST)
    return POOLINGS[name](each, top)
