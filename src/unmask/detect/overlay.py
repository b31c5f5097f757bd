"""The evidence drawn on the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from unmask.detect.verdict import RegionVerdict, Verdict

# Ends of ColorBrewer's PuOr: told apart with every common kind of colour blindness.
TOWARDS_FAKE = (230, 97, 1)
TOWARDS_REAL = (94, 60, 153)
_MOST_OPAQUE = 0.65
# Evidence of this many logits is drawn at three quarters of the greatest opacity.
_STRONG_EVIDENCE = 4.0
# What is left of the opacity at even odds.
_LEAST_SURE = 0.4


def draw_evidence(image: Image.Image, verdict: Verdict, greatest_side: int = 1600) -> Image.Image:
    """The image with boxes around faces and the evidence inside each crop.

    Orange speaks for fake, purple for real. The stronger the evidence and the surer the answer, the more opaque: a face
    that the network says little about, or of which its evidence is at odds, stays clear.
    Of a detector whose evidence has no places the label says that there is no map.

    Args:
        image: the image that the verdict is on, upright; it is not changed.
        verdict: without error.
        greatest_side: of the result, in pixels.

    Returns:
        RGB.
    """
    scale = min(1.0, greatest_side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = image.resize(size, Image.Resampling.LANCZOS) if scale < 1 else image.copy()
    # Smallest first, so that the face that matters most lies on top.
    for region in reversed(verdict.regions):
        _draw_region(canvas, region, scale)
    return canvas


def colour_map(
    evidence: npt.NDArray[np.float32], fake_probability: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Colours uint8 [h, w, 3] and opacities float32 [h, w] in [0, 0.65] of calibrated evidence [h, w] in logits.

    Opacity grows with the evidence and with how far the probability is from even odds.
    """
    sureness = _LEAST_SURE + (1 - _LEAST_SURE) * abs(2 * fake_probability - 1)
    strength = sureness * np.tanh(np.abs(evidence) / _STRONG_EVIDENCE)
    colours = np.where(evidence[..., None] > 0, np.array(TOWARDS_FAKE, np.uint8), np.array(TOWARDS_REAL, np.uint8))
    return colours, (_MOST_OPAQUE * strength).astype(np.float32)


def _draw_region(canvas: Image.Image, region: RegionVerdict, scale: float) -> None:
    left, top, right, bottom = (round(edge * scale) for edge in region.crop)
    size = (max(1, right - left), max(1, bottom - top))
    has_map = region.evidence.size > 1
    if has_map:
        smooth = Image.fromarray(region.evidence).resize(size, Image.Resampling.BICUBIC)
        colours, opacity = colour_map(np.asarray(smooth), region.fake_probability)
        canvas.paste(Image.fromarray(colours), (left, top), Image.fromarray(np.rint(opacity * 255).astype(np.uint8)))
    draw = ImageDraw.Draw(canvas)
    edges = [edge * scale for edge in (region.face.box if region.face else region.crop)]
    width = max(1, max(canvas.size) // 300)
    # A strip may be less than a pixel high once it is scaled, and Pillow refuses a box that ends before it begins.
    far = max(edges[0], edges[2] - 1), max(edges[1], edges[3] - 1)
    draw.rectangle((edges[0], edges[1], *far), outline=(255, 255, 255), width=width)
    font = ImageFont.load_default(max(11, max(canvas.size) // 40))
    text = f"fake {100 * region.fake_probability:.0f} %" + ("" if has_map else ", no map")
    box = draw.textbbox((edges[0], edges[1]), text, font=font)
    offset = min(0.0, canvas.height - box[3] - 4), min(0.0, canvas.width - box[2] - 4)
    anchor = (edges[0] + offset[1], edges[1] + offset[0])
    draw.rectangle(draw.textbbox(anchor, text, font=font), fill=(0, 0, 0))
    draw.text(anchor, text, fill=(255, 255, 255), font=font)
