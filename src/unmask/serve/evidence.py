"""Evidence maps: as transparent overlays for the page, and as text that is stored with a verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.detect.overlay import colour_map
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.pages.page import data_uri
from unmask.serve.schemas import Evidence

_SIDE = 256
# Bounds of what is stored with a verdict: 100 kB at most; a face of the shipped detector has 0.2 kB.
MAX_REGIONS = 16
MAX_CELLS = 32  # per side
_DIGITS = 2  # of a logit; the overlay differs by at most one level of opacity


def overlays(verdict: Verdict) -> list[Evidence]:
    """Draw one overlay per region, in the colours of ``unmask detect --evidence``.

    There is none for evidence without a map, and none where faces were sought and none was found.
    """
    return [
        Evidence(box=region.crop, png=data_uri(_overlay(region.evidence, region.fake_probability)))
        for region in _mapped(verdict)
    ]


def to_text(verdict: Verdict) -> str | None:
    """Evidence to store: JSON with at most 16 regions of 32 x 32 cells; ``None`` if there is no map."""
    regions = [
        {
            "box": [round(edge, 1) for edge in region.crop],
            "fake_probability": round(region.fake_probability, 6),
            "map": _reduced(region.evidence).round(_DIGITS).tolist(),
        }
        for region in _mapped(verdict)[:MAX_REGIONS]
    ]
    return json.dumps(regions, separators=(",", ":")) if regions else None


def from_text(text: str) -> list[Evidence]:
    """Draw the overlays of stored evidence."""
    return [
        Evidence(
            box=region["box"],
            png=data_uri(_overlay(np.asarray(region["map"], np.float32), region["fake_probability"])),
        )
        for region in json.loads(text)
    ]


def _mapped(verdict: Verdict) -> Sequence[RegionVerdict]:
    if verdict.verdict == "NO_FACE":
        return ()
    return [region for region in verdict.regions if region.evidence.size > 1]


def _reduced(evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    height, width = evidence.shape
    if max(height, width) > MAX_CELLS:
        size = (min(width, MAX_CELLS), min(height, MAX_CELLS))
        evidence = np.asarray(Image.fromarray(evidence).resize(size, Image.Resampling.BOX))
    return evidence.astype(np.float64)


def _overlay(evidence: npt.NDArray[np.float32], fake_probability: float) -> Image.Image:
    smooth = Image.fromarray(evidence).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    colours, opacity = colour_map(np.asarray(smooth), fake_probability)
    return Image.fromarray(np.dstack([colours, np.rint(opacity * 255).astype(np.uint8)]), "RGBA")
