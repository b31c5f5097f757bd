"""Families of generators by the columns of a manifest."""

from __future__ import annotations

import pytest

from unmask.data.families import FAMILIES, family_of


@pytest.mark.parametrize(
    ("kind", "generator", "family"),
    [
        ("real", "camera", "real"),
        # a manipulation is a family, whatever made it
        ("faceswap", "inswapper_128", "faceswap"),
        ("photoshop", "expert-photoshop", "photoshop"),
        ("gan", "generated.photos-stylegan", "stylegan"),
        # names that begin alike
        ("diffusion", "SDXL-Turbo", "sdxl"),
        ("diffusion", "SD1.5-majicMIX/LEOSAM-LoRA", "sd1"),
        ("diffusion", "SDXS-512-dreamshaper", "sd1"),
        ("diffusion", "SegMoE-SDXL-4x2", "sdxl"),
        ("diffusion", "SegMoE-SD1.5-4x2", "sd1"),
        ("diffusion", "Segmind-Vega", "sdxl"),
        ("diffusion", "FLUX1_schnell", "flux"),
        ("diffusion", "NanoBanana2", "gemini"),
        ("diffusion", "GPT-4o", "openai"),
        ("diffusion", "Kolors", "other"),
    ],
)
def test_families(kind: str, generator: str, family: str) -> None:
    label = "real" if kind == "real" else "fake"
    assert family_of(label, kind, generator) == family
    assert family in (*FAMILIES, "real")
