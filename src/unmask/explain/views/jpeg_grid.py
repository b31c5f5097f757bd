"""Blocking by offset: where the 8 x 8 grid of a JPEG compression lies, and whether there is a second one.

A compression leaves small steps at the borders of its blocks. A grid that does not begin at the corner was there before
the image was cropped or a part moved. After W. Li, Y. Yuan and N. Yu, "Passive detection of doctored JPEG image via
block artifact grid extraction", Signal Processing 89(9), 2009; steps are measured against their neighbours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unmask.explain.views.drawing import map_image
from unmask.explain.views.subject import Bytes, Subject
from unmask.explain.views.view import Findings, Measure, register

_WHITE = 0.5  # excess drawn as white
_LEAST_CELLS = 16


@register(
    "jpeg_grid",
    title="JPEG grid alignment",
    look_for="A bright square away from the top left corner of the chart: the image was compressed, cropped or "
    "shifted, and compressed again.",
    cannot_show="High quality leaves no visible blocks, resizing changes their spacing, and cropping is not a "
    "manipulation.",
    measures=(
        Measure("grid_strength", "Blocking on the file's own 8 x 8 grid"),
        Measure("grid_elsewhere", "Strongest blocking on a shifted grid"),
    ),
)
def look(subject: Subject) -> Findings:
    """Excess at an offset: the smaller of both axes' steps above those beside them, as a fraction of the mean step."""
    if subject.cells.shape[0] * subject.cells.shape[1] < _LEAST_CELLS:
        return Findings({"grid_strength": None, "grid_elsewhere": None})
    excess = grid_excess(subject.cells)
    elsewhere = excess.copy()
    elsewhere[0, 0] = -np.inf
    y, x = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return Findings(
        {"grid_strength": float(excess[0, 0]), "grid_elsewhere": float(elsewhere.max())},
        map_image(excess, 0, _WHITE),
        {"strongest_offset": [int(x), int(y)], "excess": np.round(excess, 4).tolist()},
    )


def grid_excess(cells: Bytes) -> npt.NDArray[np.float64]:
    """Excess of steps for a grid that begins at each offset: float64 [8, 8], y first; 0 for none."""
    across, down = (_steps(cells, axis) for axis in (3, 2))
    return np.minimum(across[None, :], down[:, None])


def _steps(cells: Bytes, axis: int) -> npt.NDArray[np.float64]:
    """Along one axis: mean step across the border before each offset, less its two neighbours', over the mean step."""
    steps = np.abs(np.diff(np.moveaxis(cells, axis, -1).astype(np.int16), axis=-1)).mean(axis=(0, 1, 2))
    above = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    offset = (np.arange(len(above)) + 2) % 8  # the middle one of the first three steps lies between pixels 1 and 2
    means = np.bincount(offset, above, 8) / np.bincount(offset, minlength=8)
    relative: npt.NDArray[np.float64] = means / max(float(steps.mean()), 1e-3)
    return relative
