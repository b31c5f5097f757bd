"""JPEG ghosts: the quality at which saving again changes least shows how an area was saved before.

After H. Farid, "Exposing Digital Forgeries from JPEG Ghosts", IEEE Transactions on Information Forensics and Security
4(1), 2009. Brightness only, and on one grid: that of the file, or of the image's corner.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from unmask.explain.views.drawing import map_image, panels
from unmask.explain.views.subject import CELL, Floats, Subject, mosaic
from unmask.explain.views.view import Findings, Measure, register

QUALITIES = tuple(range(40, 100, 5))
"""IJG qualities at which the image is saved again."""

_OWN = 4  # this close to the file's own quality, or above it, the last compression shows, not an earlier one
_DEEP = 0.5
_LEAST = 0.25  # mean squared levels: areas that hardly change at any quality have no ghosts
_PANEL = 180


@register(
    "ghosts",
    title="JPEG ghosts",
    look_for="An area that turns dark at a different quality than the rest: it was saved at that quality before.",
    cannot_show="An earlier compression at a similar or better quality than the last, on another grid, or before the "
    "image was resized leaves no ghost.",
    measures=(
        Measure("ghost_depth", "Depth of the deepest ghost of the whole image, from 0 (none) to 1 (no change at all)"),
        Measure("ghost_share", "Largest part of the image with a deep ghost at one quality, from 0 to 1"),
    ),
)
def look(subject: Subject) -> Findings:
    """Depth: how far the mean squared change at a quality is below the maximum at any better quality."""
    compression = subject.jpeg.compression if subject.jpeg else None
    own = compression.quality if compression else None
    if 0 in subject.cells.shape:
        return Findings({"ghost_depth": None, "ghost_share": None})
    changes = ghost_maps(subject)
    allowed = np.array([own is None or quality < own - _OWN for quality in QUALITIES])
    depth = _depths(changes.mean(axis=(1, 2))[:, None, None])[:, 0, 0] * allowed
    share = (_depths(changes) > _DEEP).mean(axis=(1, 2)) * allowed
    found = share if share.any() else depth
    lowest, highest = changes.min(axis=0), changes.max(axis=0)
    relative = (changes - lowest) / np.maximum(highest - lowest, 1e-6)
    maps = []
    for quality, values in zip(QUALITIES, relative, strict=True):
        panel = map_image(values, 0, 1, _PANEL)
        if panel is not None:
            panel.thumbnail((_PANEL, _PANEL))
            maps.append((f"quality {quality}", panel))
    return Findings(
        {"ghost_depth": float(depth.max()), "ghost_share": float(share.max())},
        panels(maps, 4),
        {
            "quality": QUALITIES[int(np.argmax(found))] if found.any() else None,
            "file_quality": own,
            "panels": list(QUALITIES),
        },
    )


def ghost_maps(subject: Subject) -> Floats:
    """Mean squared change at each quality around each sampled cell (3 x 3): float32 [qualities, rows, columns]."""
    plane = mosaic(subject.cells)
    image = Image.fromarray(plane)
    rows, columns = subject.cells.shape[:2]
    maps = []
    for quality in QUALITIES:
        saved = io.BytesIO()
        image.save(saved, "JPEG", quality=quality)
        change = np.asarray(Image.open(saved), np.float32) - plane
        maps.append(np.square(change).reshape(rows, CELL, columns, CELL).mean(axis=(1, 3)))
    return np.stack([smooth(values) for values in maps])


def smooth(values: Floats) -> Floats:
    """The mean of each cell and its neighbours (fewer at the edge)."""
    padded = np.pad(np.stack([values, np.ones_like(values)]), ((0, 0), (1, 1), (1, 1)))
    rows, columns = values.shape
    total = sum(padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3))
    means: Floats = np.asarray(total)[0] / np.asarray(total)[1]
    return means


def _depths(changes: Floats) -> Floats:
    """How far each quality's change is below the maximum at any better one, as a fraction of it; at least 0."""
    better = np.maximum.accumulate(changes[::-1], axis=0)[::-1]
    after = np.concatenate([better[1:], changes[-1:]])
    depths: Floats = np.clip((after - changes) / np.maximum(after, _LEAST), 0, 1)
    return depths
