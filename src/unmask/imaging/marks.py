"""Marks: what a file says of its own making, in plain sentences of a fixed vocabulary.

A mark is a claim: anyone can add or remove it. It is shown beside the verdict and never part of the score. No sentence
holds text from the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["CredentialsState", "Mark", "MarkKind", "marks_of"]

MarkKind = Literal["generator", "settings", "source_type", "broken_signature"]
CredentialsState = Literal[
    "none",
    "valid and trusted",
    "valid, signer unknown",
    "expired",
    "could not be checked",
    "changed after signing",
    "stored elsewhere",
]
"""The states of a file's content credentials; see docs/marks.md."""

_SETTINGS = {
    "png:parameters": "The file holds settings of an image generator, as AUTOMATIC1111 and Forge write them.",
    "exif:UserComment": "The file holds settings of an image generator, as AUTOMATIC1111 and Forge write them.",
    "png:prompt": "The file holds settings of an image generator, as ComfyUI writes them.",
    "png:workflow": "The file holds settings of an image generator, as ComfyUI writes them.",
    "png:Dream": "The file holds settings of an image generator, as InvokeAI writes them.",
    "png:sd-metadata": "The file holds settings of an image generator, as InvokeAI writes them.",
    "png:invokeai_metadata": "The file holds settings of an image generator, as InvokeAI writes them.",
    "png:generation_data": "The file holds settings of an image generator, as hosted generators write them.",
}
_PLACES = {"xmp": "The file's metadata say", "iptc": "The file's metadata say", "c2pa": "The content credentials say"}
SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "that the image was made by a trained algorithm (generative AI).",
    "compositeWithTrainedAlgorithmicMedia": "that parts of the image were made by a trained algorithm (generative AI).",
    "algorithmicMedia": "that the image was made by an algorithm without training data.",
}
"""Digital source types that make a mark, each with the end of its sentence."""
_BROKEN = "The image or its content credentials were changed after signing."


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that the file says of its own making: a claim, not proof.

    Attributes:
        kind: ``"generator"``: a generator is named; ``"settings"``: settings of a front end; ``"source_type"``: a
            digital source type (IPTC, C2PA) that means made by an algorithm, whole or in part;
            ``"broken_signature"``: changed after signing.
        text: a sentence for people, from a fixed vocabulary; never text from the file.
    """

    kind: MarkKind
    text: str

    def to_json(self) -> dict[str, str]:
        """The mark as plain values: ``{"kind": ..., "text": ...}``."""
        return {"kind": self.kind, "text": self.text}


def marks_of(tags: Iterable[str], state: CredentialsState | None = None) -> tuple[Mark, ...]:
    """The marks that the tags of a file and the state of its credentials make, each once.

    Args:
        tags: as in :attr:`~unmask.imaging.provenance.Provenance.generator_tags`; unknown ones make no mark.
        state: of the content credentials; only ``"changed after signing"`` makes a mark.
    """
    found: dict[Mark, None] = {}
    for tag in tags:
        if mark := _mark(tag):
            found[mark] = None
    if state == "changed after signing":
        found[Mark("broken_signature", _BROKEN)] = None
    return tuple(found)


def _mark(tag: str) -> Mark | None:
    place, _, note = tag.partition(":")
    if tag in _SETTINGS:
        return Mark("settings", _SETTINGS[tag])
    if place == "software":
        return Mark("generator", f"The file names {note} as its software.")
    if place in _PLACES and note in SOURCE_TYPES:
        return Mark("source_type", f"{_PLACES[place]} {SOURCE_TYPES[note]}")
    return None
