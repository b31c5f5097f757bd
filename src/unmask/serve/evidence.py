"""Evidence maps as transparent overlays for the page."""

from __future__ import annotations

import numpy as np
from PIL import Image

from unmask.detect.overlay import colour_map
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.pages.page import data_uri
from unmask.serve.schemas import Evidence

_SIDE = 256


def overlays(verdict: Verdict) -> list[Evidence]:
    """Draw one overlay per region, in the colours of ``unmask detect --evidence``; none for evidence without a map."""
    return [
        Evidence(box=region.crop, png=data_uri(_overlay(region)))
        for region in verdict.regions
        if region.evidence.size > 1
    ]


def _overlay(region: RegionVerdict) -> Image.Image:
    smooth = Image.fromarray(region.evidence).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    colours, opacity = colour_map(np.asarray(smooth), region.fake_probability)
    return Image.fromarray(np.dstack([colours, np.rint(opacity * 255).astype(np.uint8)]), "RGBA")
