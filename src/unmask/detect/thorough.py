"""Two detectors in turn: a fast one for every image, an accurate one for those of which the fast one is not sure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from PIL import Image

from unmask.bundle.bundle import Bundle
from unmask.bundle.catalogue import known_model
from unmask.detect.abstention import changed
from unmask.detect.detector import Detector, Prepared
from unmask.detect.verdict import Verdict
from unmask.errors import BundleError, UsageError
from unmask.imaging.decode import ImageSource
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.preprocessing import Region, crop_of, preprocess, render

ACCURATE: Final = "accurate"
"""Name of the second detector, for ``--model`` as well."""


class ThoroughDetector(Detector):
    """A fast detector, and an accurate one for what the fast one leaves in doubt.

    An image is in doubt if the fast detector's verdict is UNCERTAIN, or if it is unlike that detector's training
    images. Its verdict is then that of the accurate detector alone; ``model`` of a verdict says which one it is of.

    Args:
        bundle: the fast detector; where there is one detector only, as for the frames of a clip, it is this one.
        accurate: the accurate one.
        threshold: a number for both, or a name that both bundles know (default: each bundle's own).
        limits: limits on size and format, checked before an image is decoded.

    Attributes:
        second: the accurate detector.

    Raises:
        UsageError: ``bad_threshold``: no such threshold; ``bad_call``: both bundles are the same.
        BundleError: ``bad_model``: a model cannot be loaded.
    """

    def __init__(
        self,
        bundle: Bundle,
        accurate: Bundle,
        threshold: float | str | None = None,
        limits: DecodeLimits | None = None,
    ) -> None:
        if bundle.sha256 == accurate.sha256:
            raise UsageError(
                "bad_call", f"{bundle.name} would judge the same images twice: use another first detector."
            )
        super().__init__(bundle, threshold, limits)
        self.second = Detector(accurate, threshold, self.limits)

    def __repr__(self) -> str:
        return f"<ThoroughDetector {self.model_name}, then {self.second.model_name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.bundle, self.second.bundle, self.threshold, self.second.threshold, self.limits)

    @cached_property
    def first(self) -> Detector:
        """The fast detector alone."""
        return Detector(self.bundle, self.threshold, self.limits)

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """The fast detector and the accurate one."""
        return self, self.second

    def detector_of(self, verdict: Verdict) -> Detector:
        """The detector that gave a verdict."""
        return self.second if verdict.bundle_sha256 == self.second.bundle.sha256 else self.first

    def prepare(self, source: ImageSource, look: Callable[[Image.Image], object] | None = None) -> Prepared:
        """As of :class:`Detector`, for both detectors."""
        seen: list[Image.Image] = []

        def keep(image: Image.Image) -> None:
            seen.append(image)
            if look is not None:
                look(image)

        prepared = super().prepare(source, keep)
        (image,) = seen
        factor = prepared.size[0] // image.width
        regions = self._regions(image, prepared.regions, factor)
        info = self.second.bundle.info
        other = replace(
            prepared,
            regions=tuple(region.scaled(factor) for region in regions) if factor > 1 else regions,
            changed=changed(image, regions, info.abstention, info.preprocessing),
        )
        return replace(prepared, second=other)

    def judge(self, images: Sequence[Prepared]) -> list[Verdict]:
        """Give verdicts on prepared images, in their order, with at most one run of each network."""
        verdicts = super().judge(images)
        doubtful = [(at, image.second) for at, image in enumerate(images) if image.second and in_doubt(verdicts[at])]
        if doubtful:
            again = self.second.judge([image for _, image in doubtful])
            for (at, _), verdict in zip(doubtful, again, strict=True):
                verdicts[at] = verdict
        return verdicts

    def _regions(self, image: Image.Image, found: Sequence[Region], factor: int) -> tuple[Region, ...]:
        """What the accurate detector sees; faces are searched again only if it has other rules for them."""
        wanted = self.second.bundle.info.preprocessing
        if wanted.faces != self.bundle.info.preprocessing.faces:
            return tuple(preprocess(image, wanted, self.second.finder))
        faces = [region.face and region.face.scaled(1 / factor) for region in found]
        return tuple(
            Region(crop := crop_of(face, image.size, wanted), face, render(image, crop, wanted)) for face in faces
        )


def in_doubt(verdict: Verdict) -> bool:
    """Whether a verdict is UNCERTAIN or its image unlike the training images. Where no face is found, it is neither."""
    if verdict.verdict in (None, "NO_FACE"):
        return False
    return verdict.verdict == "UNCERTAIN" or (verdict.novelty is not None and verdict.novelty.out_of_distribution)


def load_thorough(
    path: str | Path | None = None, threshold: float | str | None = None, limits: DecodeLimits | None = None
) -> ThoroughDetector:
    """Load a detector and the accurate one.

    Args:
        path: of the fast one: a bundle's folder or zip, or a name (default: the detector in the package).
        threshold: see :class:`ThoroughDetector`.
        limits: see :class:`ThoroughDetector`.

    Raises:
        BundleError: ``no_accurate``: the accurate detector is not on this machine; or a bundle is missing, broken or
            altered.
        UsageError: ``bad_threshold``, ``bad_call``.
    """
    return ThoroughDetector(Bundle.open(path), accurate_bundle(), threshold, limits)


def accurate_bundle() -> Bundle:
    """The accurate detector.

    Raises:
        BundleError: ``no_accurate``: it is not on this machine; or it is broken or altered.
    """
    try:
        return Bundle.open(ACCURATE)
    except BundleError as error:
        if error.code != "no_bundle":
            raise
        hint = f"Get it with: unmask models pull {ACCURATE}"
        if known_model(ACCURATE) is None:
            hint = "This version of unmask does not know one."
        raise BundleError(
            "no_accurate", f"A thorough search needs the accurate detector, which is not on this machine. {hint}"
        ) from None


def _unpickled(
    bundle: Bundle, accurate: Bundle, threshold: float, second_threshold: float, limits: DecodeLimits
) -> ThoroughDetector:
    detector = ThoroughDetector(bundle, accurate, threshold, limits)
    detector.second.threshold = second_threshold
    return detector
