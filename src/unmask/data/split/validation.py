"""The images set aside for validation where the manifest names none."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from unmask.data.rows import ManifestRow

VALIDATION_FRACTION: Final = 0.15
"""Part of the images to train on that is set aside for validation."""


def is_set_aside(row: ManifestRow) -> bool:
    """Whether a row belongs to the validation part: about 15 % of the groups, by a hash of the group's name.

    A row without a group is a group of its own, known by its path. The answer depends on the row alone, not on the rest
    of the manifest, so adding images moves none of the others.
    """
    return sha256((row.group or row.path).encode()).digest()[0] < 256 * VALIDATION_FRACTION
