"""A proportion of images with its confidence interval, as plain values for a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unmask.stats.intervals import group_codes, interval, share_interval
from unmask.stats.metrics import Flags


def proportion(success: Sequence[bool] | Flags, groups: Sequence[str] | None = None) -> dict[str, Any]:
    """The proportion of successes, its 95 % Wilson interval with the design effect of the groups, and n.

    Args:
        success: bool [n].
        groups: names [n], equal for images that are not independent (default: each image is a group).
    """
    flags = np.asarray(success, bool)
    codes = np.arange(len(flags)) if groups is None else group_codes(groups)
    value = float(flags.mean()) if len(flags) else float("nan")
    return {**interval(value, share_interval(flags, codes)), "n": len(flags)}
