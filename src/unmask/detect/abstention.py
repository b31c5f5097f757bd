"""Facts about an image for which its verdict is UNCERTAIN, whatever the probability, by the rule of a bundle."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from unmask.bundle.schema import Abstention
from unmask.imaging.faces import Face
from unmask.imaging.preprocessing import Preprocessing, Region, crop_of, render

REENCODED: Final = "reencoded"
RESIZED: Final = "resized"
BECAUSE: Final = "The verdict is uncertain because "
"""How each reason begins."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The same image, changed in a way that leaves open whether it is fake.

    Attributes:
        name: of the change: ``reencoded`` or ``resized``.
        regions: its regions, one for each of the image.
    """

    name: str
    regions: tuple[Region, ...]


def changed(
    image: Image.Image, regions: Sequence[Region], rule: Abstention | None, preprocessing: Preprocessing
) -> tuple[Changed, ...]:
    """What the network must see besides an image, so that a verdict that flips can be noticed.

    Args:
        image: RGB and upright.
        regions: what the network sees of it. Faces are not searched again: they are where they were.
        rule: of the bundle.
        preprocessing: of the bundle.

    Returns:
        Nothing, if the rule asks for no such check or the image has no face.
    """
    faces = [region.face for region in regions if region.face is not None]
    if rule is None or not faces:
        return ()
    return tuple(
        Changed(name, tuple(_region(other, face.scaled(factor), preprocessing) for face in faces))
        for name, other, factor in _others(image, rule)
    )


def reasons(rule: Abstention | None, face: Face | None, flips: Sequence[str]) -> tuple[str, ...]:
    """Why a verdict is UNCERTAIN, a sentence each; nothing if no fact speaks against it.

    Args:
        rule: of the bundle.
        face: the one that decides about the image, in pixels of the image as it was given; ``None`` without a face.
        flips: names of the changes after which the verdict is the other one.
    """
    if rule is None or face is None:
        return ()
    found = []
    if rule.smallest_face is not None and face.side < rule.smallest_face:
        found.append(
            f"{BECAUSE}the face is small: its side has {face.side:.0f} pixels, and fewer than "
            f"{rule.smallest_face:.0f} are too few."
        )
    changes = {
        REENCODED: f"saved again as JPEG of quality {rule.reencoded}",
        RESIZED: f"shrunk to {100 * (rule.resized or 0):.0f} % of its size",
    }
    found += [f"{BECAUSE}it is another one if the image is {changes[name]}." for name in flips]
    return tuple(found)


def _others(image: Image.Image, rule: Abstention) -> Iterator[tuple[str, Image.Image, float]]:
    """Names of changes, changed images, and the factor of their size."""
    if rule.reencoded is not None:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=rule.reencoded, subsampling="4:2:0")
        yield REENCODED, Image.open(buffer).convert("RGB"), 1.0
    if rule.resized is not None:
        size = (max(1, round(image.width * rule.resized)), max(1, round(image.height * rule.resized)))
        yield RESIZED, image.resize(size, Image.Resampling.LANCZOS), rule.resized


def _region(image: Image.Image, face: Face, preprocessing: Preprocessing) -> Region:
    crop = crop_of(face, image.size, preprocessing)
    return Region(crop, face, render(image, crop, preprocessing))
