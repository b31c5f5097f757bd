"""Names of known image generators, found in what a file says of its software."""

from __future__ import annotations

import re

# Matched as whole words in any case. Names that are also everyday words (imagen is Spanish for
# image, dalle French for slab, Leonardo a person, Firefly a camera) need a maker or version with them.
_PLAIN_NAMES = (
    "AUTOMATIC1111|Artbreeder|ChatGPT|ComfyUI|Craiyon|DeepFaceLab|DiffusionBee|DreamStudio|FaceApp|FaceFusion|"
    "Fooocus|Ideogram|Midjourney|NightCafe|NovelAI|Reface"
)
_GENERATORS = {name: name for name in _PLAIN_NAMES.split("|")} | {
    "Adobe Firefly": r"adobe[ _-]firefly",
    "DALL-E": r"dall[-·•∙\ufffd]e|dall[- ]?e[- ]?[23]",
    "Flux": r"flux(?:[ ._-]?[12])?",
    "Imagen": r"google imagen|imagen[ -]?[1-4]|\Aimagen\Z",
    "InvokeAI": r"invoke[ -]?ai",
    "Leonardo.Ai": r"leonardo[. ]ai",
    "Stable Diffusion": r"stable[ _-]?diffusion",
    "StyleGAN": r"stylegan[23]?",
    "SwarmUI": r"(?:stable)?swarmui",
}
# Makers that are named as such only where content credentials name their software: elsewhere the words say too little.
_MAKERS = {
    "Adobe Firefly": r"firefly",
    "Amazon's image generator": r"(?:titan|nova)[ _-](?:image[ _-]generator|canvas|g1)",
    "Bing Image Creator": r"bing[ _-]image[ _-]creator|microsoft[ _-]designer|microsoft[ _-]responsible[ _-]ai",
    "Black Forest Labs": r"black[ _-]forest[ _-]labs",
    "Google's generative AI": r"google (?:generative )?ai|gemini|nano[ _-]banana|google generative ai",
    "Grok": r"grok|xai",
    "Meta AI": r"meta[ _-]ai|imagined with ai",
    "OpenAI": r"open[ _-]?ai|gpt-?4o|gpt-image|sora",
    "Runway": r"runway(?:ml)?",
    "Seedream": r"seedream|seededit",
    "Stability AI": r"stability[ _-]?ai|stable[ _-]image",
}


def _pattern(names: dict[str, str], letter: str) -> re.Pattern[str]:
    """Any of the names, neither after nor before a letter."""
    words = "|".join(f"({pattern})" for pattern in names.values())
    return re.compile(rf"(?<!{letter})(?:{words})(?!{letter})", re.IGNORECASE)


# Software in credentials is often named as Maker_Product.
_KNOWN = ((_pattern(_GENERATORS, r"\w"), tuple(_GENERATORS)), (_pattern(_MAKERS, r"[^\W_]"), tuple(_MAKERS)))


def named_generators(text: str, *, claims: bool = False) -> set[str]:
    """Names of the generators in a name of software, from a fixed vocabulary.

    Args:
        text: as written in the file.
        claims: whether content credentials name it, where makers' names are enough.
    """
    return {
        names[(found.lastindex or 1) - 1]
        for pattern, names in (_KNOWN if claims else _KNOWN[:1])
        for found in pattern.finditer(text)
    }
