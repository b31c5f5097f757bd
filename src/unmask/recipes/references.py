"""The papers whose systems the recipes s0 to s4 follow, with their references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Reference:
    """A paper as a list of references gives it.

    Attributes:
        title: of the paper; a description where the title is not known.
        authors: as the paper lists them; '' where they are not known.
        venue: journal with volume, issue and pages; '' where it is not known.
        year: of publication; ``None`` where it is not known.
        doi: without a resolver's address; '' where there is none.
    """

    title: str
    authors: str = ""
    venue: str = ""
    year: int | None = None
    doi: str = ""

    def __str__(self) -> str:
        parts = [self.authors, self.title, self.venue, str(self.year or ""), f"doi:{self.doi}" if self.doi else ""]
        return ", ".join(part for part in parts if part)


PAPERS: Final[dict[str, Reference]] = {
    "S0": Reference(
        "a hybrid of MobileNetV2 or ResNet50 with a Random Forest, on 6,557 faces; title and authors unknown"
    ),
    "S1": Reference(
        "Efficient Deepfake Image Detection Model Based on MobileNetV2",
        authors="K. Sahithya et al.",
        venue="International Journal of Multidisciplinary Research and Growth Evaluation 6(2), 650-653",
        year=2025,
    ),
    "S2": Reference(
        "Digital Forensics: Deep Learning's Approach to Deepfake Image Identification",
        authors="Buvaneshwaran P, V. Ramesh Babu, S. Geetha",
    ),
    "S3": Reference(
        "DeFakeNet: A ResNet50V2-Based Deep Learning Model for Deepfake Detection and Classification",
        authors="D. Samal, D. Nagpal, P. Agrawal, V. Madaan, W. O. Choo",
        venue="Journal of Innovative Image Processing 7(4), 1356-1373",
        year=2025,
        doi="10.36548/jiip.2025.4.015",
    ),
    "S4": Reference(
        "Deepfake Image Recognition via Feature Learning in Convolutional Neural Networks",
        authors="A. Aparna et al.",
        venue="IJERST 22(2)",
        year=2026,
    ),
}
"""Reference of each paper, by the name that recipes and ``unmask reproduce`` use for it."""
