"""The images set aside for validation where the manifest names none."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from unmask.data.rows import LABELS, ManifestRow

VALIDATION_FRACTION: Final = 0.15
"""Part of the images to train on that is set aside for validation."""


def is_set_aside(row: ManifestRow) -> bool:
    """Whether a row belongs to the validation part: about 15 % of the groups, by a hash of the group's name.

    A row without a group is a group of its own, known by its path. The answer depends on the row alone, not on the rest
    of the manifest, so adding images moves none of the others.
    """
    return _hash(row)[0] < 256 * VALIDATION_FRACTION


def set_aside(rows: Iterable[ManifestRow]) -> set[str]:
    """The groups, by name or path, that are set aside for validation.

    Those of :func:`is_set_aside`; where that leaves validation or training without a class, as in a small set, one
    group of that class changes sides: the one whose hash is nearest to the limit. With one group of a class there is
    none to change.
    """
    hashes: dict[str, bytes] = {}
    classes: dict[str, set[str]] = {}
    aside = set()
    for row in rows:
        name = group_of(row)
        classes.setdefault(name, set()).add(row.label)
        hashes[name] = _hash(row)
        if is_set_aside(row):
            aside.add(name)
    for label in LABELS:
        own = sorted((name for name in classes if label in classes[name]), key=lambda name: (hashes[name], name))
        if len(own) < 2:
            continue
        if aside.isdisjoint(own):
            aside.add(own[0])
        elif aside.issuperset(own):
            aside.remove(own[-1])
    return aside


def group_of(row: ManifestRow) -> str:
    """The name of a row's group: its path, if it has none."""
    return row.group or row.path


def _hash(row: ManifestRow) -> bytes:
    return sha256(group_of(row).encode()).digest()
