"""What the scripts have in common that needs numpy: the shared images by edition, and proportions of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unmask.data.manifest import Manifest
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
