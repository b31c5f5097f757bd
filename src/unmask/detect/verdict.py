"""The answer for one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unmask.errors import ImageError
from unmask.imaging.faces import Box, Face
from unmask.imaging.provenance import Provenance

Label = Literal["REAL", "FAKE"]

_PROBABILITY_DIGITS = 6


@dataclass(frozen=True, slots=True)
class RegionVerdict:
    """What the network said of one face, or of the whole image where no face was found.

    Attributes:
        face: the face; ``None`` for the whole image.
        crop: where the network looked: x0, y0, x1, y1 in pixels of the upright image.
        fake_probability: calibrated, in [0, 1].
        evidence: float32 [h, w] over the crop, in logits after calibration: above 0 speaks for fake, below for
            real; its mean is the logit of ``fake_probability``.
        distance: of the features from those of the training images; ``None`` where the bundle does not measure it.
    """

    face: Face | None
    crop: Box
    fake_probability: float
    evidence: npt.NDArray[np.float32]
    distance: float | None = None


@dataclass(frozen=True, slots=True)
class Novelty:
    """How far what was judged lies from the training images.

    Attributes:
        distance: of the features of the region that decided, above 0.
        threshold: beyond it the image is out of distribution: what the network says of such images was not
            measured.
    """

    distance: float
    threshold: float

    @property
    def out_of_distribution(self) -> bool:
        """Whether the image is unlike those of training."""
        return self.distance > self.threshold


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one image.

    Attributes:
        path: the string that was given; ``None`` for bytes and images in memory.
        result: ``"REAL"`` or ``"FAKE"``; ``None`` when the image could not be read.
        fake_probability: calibrated, in [0, 1]; ``None`` with an error.
        uncertain: the probability lies where verdicts were often wrong, or no face was found.
        regions: what the network looked at: the faces, largest first, or the whole image.
        provenance: marks in the file; never mixed into the score. ``None`` for images in memory.
        model: name and version of the bundle.
        bundle_sha256: which bundle it was.
        ms: time taken, in milliseconds of wall clock.
        error: why the image could not be read, else ``None``.
        novelty: how unlike the training images it is; ``None`` where the bundle does not measure it.
    """

    path: str | None
    result: Label | None
    fake_probability: float | None
    uncertain: bool
    regions: tuple[RegionVerdict, ...]
    provenance: Provenance | None
    model: str
    bundle_sha256: str
    ms: float
    error: ImageError | None = None
    novelty: Novelty | None = None

    @property
    def face_found(self) -> bool:
        """Whether any face was found."""
        return any(region.face is not None for region in self.regions)

    @property
    def faces(self) -> tuple[RegionVerdict, ...]:
        """The regions that are faces, largest first."""
        return tuple(region for region in self.regions if region.face is not None)

    @property
    def confidence(self) -> float | None:
        """The percentage, 0 to 100, for the class in ``result``."""
        if self.fake_probability is None:
            return None
        return 100 * (self.fake_probability if self.result == "FAKE" else 1 - self.fake_probability)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain values for JSON."""
        return {
            "path": self.path,
            "result": self.result,
            "confidence": _rounded(self.confidence, 2),
            "fake_probability": _rounded(self.fake_probability, _PROBABILITY_DIGITS),
            "uncertain": self.uncertain,
            "faces": [
                {
                    "box": [round(edge, 1) for edge in region.face.box],
                    "fake_probability": round(region.fake_probability, _PROBABILITY_DIGITS),
                }
                for region in self.regions
                if region.face is not None
            ],
            "face_found": self.face_found,
            "out_of_distribution": self.novelty
            and {
                "flagged": self.novelty.out_of_distribution,
                "distance": _rounded(self.novelty.distance, 4),
                "threshold": _rounded(self.novelty.threshold, 4),
            },
            "provenance": self.provenance
            and {"c2pa": self.provenance.c2pa, "generator_tags": list(self.provenance.generator_tags)},
            "model": self.model,
            "bundle_sha256": self.bundle_sha256,
            "ms": round(self.ms, 1),
            "error": self.error and {"code": self.error.code, "message": self.error.message},
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
