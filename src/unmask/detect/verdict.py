"""The verdict on one image."""

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


@dataclass(frozen=True, slots=True, repr=False)
class RegionVerdict:
    """The prediction for one face, or for the whole image if no face was found.

    Attributes:
        face: the face; ``None`` for the whole image.
        crop: the part that the network saw: x0, y0, x1, y1 in pixels of the upright image.
        fake_probability: calibrated probability of fake, in [0, 1].
        evidence: float32 [h, w] over the crop, in logits after calibration: above 0 is evidence for fake, below 0 for
            real; its mean is the logit of ``fake_probability``.
        distance: of the features from those of the training images; ``None`` if the bundle does not measure it.
    """

    face: Face | None
    crop: Box
    fake_probability: float
    evidence: npt.NDArray[np.float32]
    distance: float | None = None

    def __repr__(self) -> str:
        x0, y0, x1, y1 = self.face.box if self.face else self.crop
        kind = "face" if self.face else "whole image"
        return (
            f"<RegionVerdict {kind} {x1 - x0:.0f} x {y1 - y0:.0f} at ({x0:.0f}, {y0:.0f}), "
            f"fake_probability {self.fake_probability:.3f}>"
        )


@dataclass(frozen=True, slots=True)
class Novelty:
    """How unlike the training images an image is.

    Attributes:
        distance: of the features of the region that decides about the image, at least 0.
        threshold: a larger distance means out of distribution: the detector's accuracy on such images is unknown.
    """

    distance: float
    threshold: float

    @property
    def out_of_distribution(self) -> bool:
        """Whether the image is unlike the training images."""
        return self.distance > self.threshold


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The verdict on one image. Notebooks show it with the image and its faces.

    Attributes:
        path: the path as given; ``None`` for bytes and images in memory.
        result: ``"REAL"`` or ``"FAKE"``; ``None`` if the image could not be read.
        fake_probability: calibrated probability of fake, in [0, 1]; ``None`` with an error.
        uncertain: the probability lies where verdicts were often wrong, or no face was found.
        regions: what the network saw: the faces, largest first, or the whole image.
        provenance: marks in the file, never mixed into the score; ``None`` for images in memory.
        model: name and version of the bundle.
        bundle_sha256: hash of the bundle.
        ms: wall-clock time in milliseconds.
        error: why the image could not be read; ``None`` if it could.
        novelty: how unlike the training images it is; ``None`` if the bundle does not measure it.
        sha256: hash of the file; ``None`` for images in memory and with an error.
        size: width and height of the upright image in pixels; ``None`` with an error. Of an image that was read at
            reduced size, rounded up to a multiple of the reduction.
        notes: sentences about problems in the file: damaged metadata, a reduced size.
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
    sha256: str | None = None
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        of = "" if self.path is None else f", {self.path!r}"
        if self.error is not None or self.fake_probability is None:
            return f"<Verdict error {self.error and self.error.code}{of}>"
        count = len(self.faces)
        faces = "1 face" if count == 1 else f"{count or 'no'} faces"
        doubt = ", uncertain" if self.uncertain else ""
        return f"<Verdict {self.result}, fake_probability {self.fake_probability:.3f}{doubt}, {faces}{of}>"

    def _repr_html_(self) -> str:
        """For notebooks: the image with its faces, if its file is unchanged, else the boxes alone."""
        from unmask.detect.notebook import verdict_card

        return verdict_card(self.to_dict(), self.size, self.sha256)

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
        """Probability of the class in ``result``, in percent (0 to 100)."""
        if self.fake_probability is None:
            return None
        return 100 * (self.fake_probability if self.result == "FAKE" else 1 - self.fake_probability)

    def to_json(self) -> dict[str, Any]:
        """The same as :meth:`to_dict`."""
        return self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, ready for JSON; its keys are those of ``unmask detect --json``."""
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
            "notes": list(self.notes),
            "provenance": self.provenance
            and {"c2pa": self.provenance.c2pa, "generator_tags": list(self.provenance.generator_tags)},
            "model": self.model,
            "bundle_sha256": self.bundle_sha256,
            "ms": round(self.ms, 1),
            "error": self.error and {"code": self.error.code, "message": self.error.message},
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
