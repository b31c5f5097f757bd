"""The verdict on one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unmask.bundle.schema import UncertainBand
from unmask.detect.words import TITLES as TITLES
from unmask.detect.words import WORDS as WORDS
from unmask.detect.words import Label as Label
from unmask.detect.words import Word as Word
from unmask.errors import ImageError
from unmask.imaging.faces import Box, Face
from unmask.imaging.provenance import Mark, Provenance

KIND_REMARKS: Final[dict[str, str]] = {
    "generated": "Probably wholly generated.",
    "manipulated": "Probably a manipulated photograph.",
}
"""What a yes to a question says to people, by the question's name."""

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
        kinds: see :class:`Verdict`.
        features: float32 [k], for verdicts on clips; ``None`` if the bundle does not give them.
        logit: the network's own, before calibration; ``None`` if unknown.
    """

    face: Face | None
    crop: Box
    fake_probability: float
    evidence: npt.NDArray[np.float32]
    distance: float | None = None
    kinds: dict[str, float] | None = None
    features: npt.NDArray[np.float32] | None = None
    logit: float | None = None

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
        verdict: ``"FAKE"``, ``"REAL"`` (no sign of manipulation was found), ``"UNCERTAIN"`` (the probability lies
            where verdicts were often wrong) or ``"NO_FACE"`` (faces were sought and none was found); ``None`` if the
            image could not be read.
        fake_probability: calibrated probability of fake, in [0, 1]; ``None`` with an error. Without a face it is that
            of the whole image, and unreliable.
        result: ``"FAKE"`` if the probability reaches the threshold, else ``"REAL"``, whatever the verdict; ``None``
            with an error.
        regions: what the network saw: the faces, largest first, or the whole image.
        provenance: what tools left in the file, never mixed into the score; ``None`` for images in memory.
        model: name and version of the bundle.
        bundle_sha256: hash of the bundle.
        ms: wall-clock time in milliseconds.
        error: why the image could not be read; ``None`` if it could.
        novelty: how unlike the training images it is; ``None`` if the bundle does not measure it.
        sha256: hash of the file; ``None`` for images in memory and with an error.
        size: width and height of the upright image in pixels; ``None`` with an error. Of an image that was read at
            reduced size, rounded up to a multiple of the reduction.
        notes: sentences about problems in the file: damaged metadata, a reduced size.
        kinds: for each question that the bundle answers, the probability, in [0, 1], that the answer is yes, were both
            answers equally frequent: e.g. ``generated`` (wholly) and ``manipulated`` (a photograph). Of the region that
            decides. ``None`` if the bundle answers none.
    """

    path: str | None
    verdict: Word | None
    fake_probability: float | None
    result: Label | None
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
    kinds: dict[str, float] | None = None

    def __repr__(self) -> str:
        of = "" if self.path is None else f", {self.path!r}"
        if self.error is not None or self.fake_probability is None:
            return f"<Verdict error {self.error and self.error.code}{of}>"
        count = len(self.faces)
        faces = "1 face" if count == 1 else f"{count or 'no'} faces"
        marks = "".join(f", {mark.kind}" for mark in self.marks)
        number = "" if self.verdict == "NO_FACE" else f", fake_probability {self.fake_probability:.3f}, {faces}"
        return f"<Verdict {self.verdict}{number}{marks}{of}>"

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
    def uncertain(self) -> bool:
        """Whether the verdict is ``UNCERTAIN`` or ``NO_FACE``."""
        return self.verdict in {"UNCERTAIN", "NO_FACE"}

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What the file says of its own making, such as the name of a generator; never mixed into the score."""
        return () if self.provenance is None else self.provenance.marks

    @property
    def confidence(self) -> float | None:
        """Probability of the class in ``result``, in percent, but at least 50; ``None`` with an error.

        Where the threshold is not 0.5, ``result`` may name the less probable class. 50 then says that the probability
        does not speak for it. ``fake_probability`` has no such bound.
        """
        if self.fake_probability is None:
            return None
        return max(50.0, 100 * (self.fake_probability if self.result == "FAKE" else 1 - self.fake_probability))

    @property
    def likely_kind(self) -> str | None:
        """Of a ``FAKE`` verdict, the question whose answer is most probably yes, if that is above one half."""
        if self.verdict != "FAKE" or not self.kinds:
            return None
        name = max(self.kinds, key=self.kinds.__getitem__)
        return name if self.kinds[name] > 0.5 else None

    @property
    def kind_remark(self) -> str:
        """What :attr:`likely_kind` says to people, one sentence; '' if it says nothing."""
        name = self.likely_kind
        return "" if name is None else KIND_REMARKS.get(name, f"Probably: {name}.")

    def to_json(self) -> dict[str, Any]:
        """The same as :meth:`to_dict`."""
        return self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, ready for JSON; its keys are those of ``unmask detect --json``."""
        return {
            "path": self.path,
            "verdict": self.verdict,
            "fake_probability": _rounded(self.fake_probability, _PROBABILITY_DIGITS),
            "kinds": self.kinds
            and {name: round(probability, _PROBABILITY_DIGITS) for name, probability in self.kinds.items()},
            "result": self.result,
            "confidence": _rounded(self.confidence, 2),
            "uncertain": self.uncertain,
            "face_found": self.face_found,
            "faces": [
                {
                    "box": [round(edge, 1) for edge in region.face.box],
                    "fake_probability": round(region.fake_probability, _PROBABILITY_DIGITS),
                }
                for region in self.regions
                if region.face is not None
            ],
            "marks": [mark.to_json() for mark in self.marks],
            "notes": list(self.notes),
            "sha256": self.sha256,
            "out_of_distribution": self.novelty
            and {
                "flagged": self.novelty.out_of_distribution,
                "distance": _rounded(self.novelty.distance, 4),
                "threshold": _rounded(self.novelty.threshold, 4),
            },
            "provenance": self.provenance and self.provenance.to_json(),
            "model": self.model,
            "bundle_sha256": self.bundle_sha256,
            "ms": round(self.ms, 1),
            "error": self.error and {"code": self.error.code, "message": self.error.message},
        }


def word_of(probability: float, threshold: float, band: UncertainBand, *, no_face: bool) -> Word:
    """The word for a probability of fake.

    Args:
        probability: of fake, in [0, 1].
        threshold: probabilities from here up are fake.
        band: the probabilities, both ends included, that are uncertain whatever the threshold.
        no_face: whether faces were sought and none was found.
    """
    if no_face:
        return "NO_FACE"
    if band.low <= probability <= band.high:
        return "UNCERTAIN"
    return "FAKE" if probability >= threshold else "REAL"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
