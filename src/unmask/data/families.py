"""The family of generators that an image comes from: what weighing and leaving out count as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MANIPULATED: Final = ("faceswap", "photoshop")
"""Kinds of manipulated photographs. Each is a family of its own, whatever made it."""

DIFFUSION: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("gpt-image", "GPT-4o"),
    "gemini": ("NanoBanana",),
    "flux": ("FLUX",),
    "sd1": ("SD1", "SegMoE-SD1.5", "SDXS", "tiny-sd"),
    "sd2": ("stable-diffusion-2.1",),
    "sdxl": ("SDXL", "SegMoE-SDXL", "PonyRealism-SDXL", "SSD-1B", "Segmind-Vega"),
    "qwen": ("Qwen",),
    "hidream": ("HiDream",),
}
"""Families of diffusion models by how the names of their generators begin; the rest is ``other``."""

FAMILIES: Final = (*DIFFUSION, "other", "stylegan", *MANIPULATED)
"""All families of fakes."""

TITLES: Final[Mapping[str, str]] = {
    "openai": "OpenAI (gpt-image, GPT-4o)",
    "gemini": "Google Gemini (Nano Banana)",
    "flux": "FLUX",
    "sd1": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
    "qwen": "Qwen-Image",
    "hidream": "HiDream",
    "other": "other generators, or ones that the manifest does not name",
    "stylegan": "GANs (StyleGAN and its kind)",
    "faceswap": "face swaps",
    "photoshop": "photographs edited by hand",
}
"""Names of the families for people."""


def family_of(label: str, kind: str, generator: str) -> str:
    """The family of an image by its manifest's columns: ``real``, or one of :data:`FAMILIES`.

    Args:
        label: ``real`` or ``fake``.
        kind: the kind of image or forgery.
        generator: the name of what made it.
    """
    if label == "real":
        return "real"
    if kind in MANIPULATED:
        return kind
    if kind == "gan":
        return "stylegan"
    return next((family for family, begins in DIFFUSION.items() if generator.startswith(begins)), "other")
