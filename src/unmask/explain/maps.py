"""Evidence maps: which parts of a crop are evidence for fake and which for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from unmask.imaging.preprocessing import Pixels
from unmask.parallel import ordered_map

Floats = npt.NDArray[np.float64]
Score = Callable[[Pixels], Floats]
"""Pixels uint8 [n, size, size, 3] to calibrated logits [n], towards fake."""

OCCLUSION_GRID = 6
# Larger batches take longer per image on a CPU; other CPUs work on other batches.
_BATCH = 2
# Standard deviation of the blur, as a fraction of the side: enough to remove the traces of how the surface was made. A
# much stronger blur gives an image unlike any in training, and a prediction that does not measure what was removed.
_BLUR = 1 / 48


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceMap:
    """Evidence over the cells of a crop.

    Attributes:
        values: float32 [h, w], in calibrated logits: above 0 is evidence for fake, below 0 for real. Values are scaled
            as if their mean were the logit.
        method: ``class_activation``: computed with the verdict, inside the model. ``occlusion``: how much the logit
            falls when a cell is blurred.
    """

    values: npt.NDArray[np.float32]
    method: Literal["class_activation", "occlusion"]

    @property
    def grid(self) -> tuple[int, int]:
        """Cells from top to bottom and from left to right."""
        return self.values.shape[0], self.values.shape[1]


def blurred(pixels: Pixels) -> Pixels:
    """The replacement for removed cells: the same crop, uint8 [size, size, 3], out of focus."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(pixels.shape[0] * _BLUR)))


def spread(cells: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    """The pixels of a square that cells [h, w] cover: bool [size, size]."""
    rows, columns = (np.arange(size) * side // size for side in cells.shape)
    return cells[np.ix_(rows, columns)]


def occlude(
    score: Score,
    pixels: Pixels,
    grid: tuple[int, int] = (OCCLUSION_GRID, OCCLUSION_GRID),
    advance: Callable[[], None] = lambda: None,
) -> EvidenceMap:
    """Evidence by occlusion (Zeiler and Fergus, ECCV 2014), for any detector: blur one cell after another.

    A cell's evidence is the fall of the logit times the number of cells. For a detector that averages over cells, it is
    the class activation map minus the evidence of the blurred cell.

    Args:
        score: the detector.
        pixels: uint8 [size, size, 3], as the detector sees them.
        grid: cells from top to bottom and from left to right.
        advance: called after each cell.
    """
    height, width = grid
    cells = np.eye(height * width, dtype=bool).reshape(-1, height, width)
    logits = score_without(score, pixels, cells, advance)
    whole = score(pixels[None])[0]
    return EvidenceMap(((whole - logits) * height * width).reshape(grid).astype(np.float32), "occlusion")


def score_without(
    score: Score, pixels: Pixels, removed: npt.NDArray[np.bool_], advance: Callable[[], None] = lambda: None
) -> Floats:
    """Logits [n] of a crop with cells blurred; batches are spread over the CPUs.

    Args:
        score: the detector.
        pixels: uint8 [size, size, 3].
        removed: bool [n, h, w]: the cells to blur in each copy.
        advance: called after each copy.
    """
    out_of_focus = blurred(pixels)

    def ask(first: int) -> Floats:
        masks = [spread(cells, len(pixels))[..., None] for cells in removed[first : first + _BATCH]]
        return score(np.stack([np.where(mask, out_of_focus, pixels) for mask in masks]))

    logits: list[Floats] = []
    for batch in ordered_map(ask, range(0, len(removed), _BATCH)):
        logits.append(batch)
        for _ in batch:
            advance()
    return np.concatenate(logits) if logits else np.zeros(0)
