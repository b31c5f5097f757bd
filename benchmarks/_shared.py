"""What the scripts have in common that needs numpy: the shared images by edition, and proportions of images."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
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


def open_edition(path: Path, edition: str = "1", root: Path | None = None) -> Manifest:
    """The images of one edition; all images of a manifest without the column ``edition``."""
    manifest = Manifest.open(path, root)
    return manifest.select(edition=edition) if "edition" in manifest.columns else manifest


def draw_balanced(rows: Sequence[ManifestRow], count: int, seed: int) -> list[ManifestRow]:
    """A number of rows, from all sources in turn: those of a small source are drawn before a second of a large one."""
    turns: Counter[str] = Counter()
    ranked = []
    for row in shuffled(rows, seed, 1):
        ranked.append((turns[row.source], len(ranked), row))
        turns[row.source] += 1
    return [row for _, _, row in sorted(ranked, key=lambda each: each[:2])[:count]]


def draw_capped(rows: Sequence[ManifestRow], most: int, seed: int) -> list[ManifestRow]:
    """At most so many rows of each source."""
    turns: Counter[str] = Counter()
    kept = []
    for row in shuffled(rows, seed, 2):
        if turns[row.source] < most:
            kept.append(row)
        turns[row.source] += 1
    return kept


def random_of(row: ManifestRow, *seeds: int) -> np.random.Generator:
    """Random numbers that depend on a row's path and the seeds alone."""
    return np.random.default_rng([zlib.crc32(row.path.encode()), *seeds])


def shuffled(rows: Iterable[ManifestRow], *seeds: int) -> list[ManifestRow]:
    """Rows in a random order, which does not depend on the order that they are given in."""
    return sorted(rows, key=lambda row: random_of(row, *seeds).random())
