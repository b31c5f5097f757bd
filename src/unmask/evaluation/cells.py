"""Numbers in the cells of score tables, as programs write them."""

from __future__ import annotations

import math
from typing import Final

from unmask.errors import UsageError
from unmask.text import quote

# What programs write for a number that is missing.
_NO_NUMBER: Final = frozenset({"", "nan", "null", "none", "na", "n/a", "<na>", "-nan"})
# Probabilities that went through single precision, or through a sum of several, miss 0 or 1 by as much.
_ROUNDING: Final = 1e-6


def parse_probability(cell: str, error: str, where: str) -> float:
    """The number in a cell; NaN where it is blank, or says that there is none.

    A decimal comma is read, and a number that misses [0, 1] by rounding alone is put at its end.

    Raises:
        UsageError: ``bad_probability``; ``bad_row``, there is an error too.
    """
    text = cell.strip().lower()
    if text in _NO_NUMBER:
        return math.nan
    if error:
        raise UsageError("bad_row", f"{where}: has both a fake_probability and an error")
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not -_ROUNDING <= value <= 1 + _ROUNDING:
        text = f"{where}: the fake_probability {quote(cell)} is not a number from 0 to 1"
        raise UsageError("bad_probability", text)
    return min(1.0, max(0.0, value))
