"""The evidence drawn on the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.detect.boxes import draw_box, shrink
from unmask.detect.verdict import RegionVerdict, Verdict

# Ends of ColorBrewer's PuOr: distinguishable with every common kind of colour blindness.
TOWARDS_FAKE = (230, 97, 1)
TOWARDS_REAL = (94, 60, 153)
MUTED = (128, 128, 128)
_MOST_OPAQUE = 0.65
_MOST_OPAQUE_MUTED = 0.2
# Evidence of this many logits is drawn at three quarters of the highest opacity.
_STRONG_EVIDENCE = 4.0
# Factor on the opacity at a probability of 0.5.
_LEAST_SURE = 0.4


def draw_evidence(
    image: Image.Image, verdict: Verdict, greatest_side: int = 1600, *, muted: bool = False
) -> Image.Image:
    """Draw boxes around faces and the evidence inside each crop.

    Orange is evidence for fake, purple for real. The stronger the evidence and the clearer the prediction, the more
    opaque: a face with little or conflicting evidence stays clear. If the detector cannot localise its evidence, the
    label says "no map". Where faces were sought and none was found nothing is drawn: evidence means nothing there.

    Args:
        image: the upright image of the verdict; it is not changed.
        verdict: a verdict without error.
        greatest_side: largest side of the result in pixels.
        muted: draw all evidence in faint grey, for a map that cannot be relied on.

    Returns:
        RGB.
    """
    canvas, scale = shrink(image, greatest_side)
    if verdict.size is not None:  # which may be larger, where the image was read at reduced size
        scale *= image.width / verdict.size[0]
    if verdict.verdict == "NO_FACE":
        return canvas
    # Smallest first, so that the face that matters most lies on top.
    for region in reversed(verdict.regions):
        _draw_region(canvas, region, scale, muted)
    return canvas


def colour_map(
    evidence: npt.NDArray[np.float32], fake_probability: float, *, muted: bool = False
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Colours uint8 [h, w, 3] and opacities float32 [h, w] in [0, 0.65] of calibrated evidence [h, w] in logits.

    Opacity grows with the evidence and with the distance of the probability from 0.5. A muted map is grey, its opacity
    in [0, 0.2].
    """
    sureness = _LEAST_SURE + (1 - _LEAST_SURE) * abs(2 * fake_probability - 1)
    strength = sureness * np.tanh(np.abs(evidence) / _STRONG_EVIDENCE)
    if muted:
        grey = np.broadcast_to(np.array(MUTED, np.uint8), (*evidence.shape, 3))
        return np.ascontiguousarray(grey), (_MOST_OPAQUE_MUTED * strength).astype(np.float32)
    colours = np.where(evidence[..., None] > 0, np.array(TOWARDS_FAKE, np.uint8), np.array(TOWARDS_REAL, np.uint8))
    return colours, (_MOST_OPAQUE * strength).astype(np.float32)


def _draw_region(canvas: Image.Image, region: RegionVerdict, scale: float, muted: bool) -> None:
    left, top, right, bottom = (round(edge * scale) for edge in region.crop)
    size = (max(1, right - left), max(1, bottom - top))
    has_map = region.evidence.size > 1
    if has_map:
        smooth = Image.fromarray(region.evidence).resize(size, Image.Resampling.BICUBIC)
        colours, opacity = colour_map(np.asarray(smooth), region.fake_probability, muted=muted)
        canvas.paste(Image.fromarray(colours), (left, top), Image.fromarray(np.rint(opacity * 255).astype(np.uint8)))
    box = region.face.box if region.face else region.crop
    draw_box(canvas, box, scale, f"fake {100 * region.fake_probability:.0f} %" + ("" if has_map else ", no map"))
