"""The detector: a loaded bundle that answers for one image or for many."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from unmask.bundle.bundle import Bundle, ask_graph
from unmask.bundle.schema import Threshold
from unmask.detect.verdict import Novelty, RegionVerdict, Verdict
from unmask.errors import ImageError, UsageError
from unmask.imaging.decode import DecodeLimits, ImageSource, decode_image, read_bytes
from unmask.imaging.faces import FaceFinder
from unmask.imaging.preprocessing import Region, preprocess
from unmask.imaging.provenance import Provenance, read_provenance
from unmask.parallel import ordered_map

# A face whose side is below this fraction of the largest one's is background; see ``image_probability``.
_MAIN_FACE = 0.4


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image on its way to a verdict, ready for the network.

    Attributes:
        path: the string that was given; ``None`` for bytes and images in memory.
        regions: what the network will look at: the faces, largest first, or the whole image.
        provenance: marks in the file; ``None`` for images in memory.
        started: when the work on it began, on the clock of ``time.perf_counter``.
    """

    path: str | None
    regions: tuple[Region, ...]
    provenance: Provenance | None
    started: float


class Detector:
    """A loaded bundle. Safe to share between threads; the same image always gets the same probability.

    Args:
        bundle: a checked bundle.
        threshold: which cut verdicts use: a number in [0, 1], or the name of one of the bundle's thresholds; the
            bundle's default if not given.
        limits: what is refused before it is decoded.

    Raises:
        UsageError: a threshold that is neither.
        BundleError: a graph that cannot be loaded.
    """

    def __init__(
        self, bundle: Bundle, threshold: float | str | None = None, limits: DecodeLimits | None = None
    ) -> None:
        self.bundle = bundle
        self.threshold = _threshold(bundle, threshold)
        self.limits = limits or DecodeLimits()
        self._session = bundle.session()
        policy = bundle.info.preprocessing.faces
        self._finder = FaceFinder(policy) if policy is not None else None

    def detect(self, source: ImageSource) -> Verdict:
        """The verdict on one image.

        Args:
            source: a path, the bytes of a file, a Pillow image, or an array uint8 [h, w], [h, w, 3] or [h, w, 4].

        Raises:
            ImageError: the image cannot be accepted or read.
        """
        return self.judge([self.prepare(source)])[0]

    def prepare(self, source: ImageSource) -> Prepared:
        """What :meth:`detect` does before the network runs: read, decode, find faces, cut them out.

        Raises:
            ImageError: the image cannot be accepted or read.
        """
        started = time.perf_counter()
        data: ImageSource = source
        provenance: Provenance | None = None
        if isinstance(source, str | os.PathLike):
            data = read_bytes(source, self.limits)
        if isinstance(data, bytes):
            provenance = read_provenance(data)
        regions = preprocess(decode_image(data, self.limits), self.bundle.info.preprocessing, self._finder)
        return Prepared(_path_of(source), tuple(regions), provenance, started)

    def judge(self, images: Sequence[Prepared]) -> list[Verdict]:
        """Verdicts on prepared images, in their order, by one run of the network."""
        judged = iter(self._judge([region for image in images for region in image.regions]))
        return [self._verdict(image, tuple(islice(judged, len(image.regions)))) for image in images]

    def _verdict(self, image: Prepared, regions: tuple[RegionVerdict, ...]) -> Verdict:
        probability = image_probability(regions)
        band = self.bundle.info.uncertain
        return Verdict(
            path=image.path,
            result="FAKE" if probability >= self.threshold else "REAL",
            fake_probability=probability,
            uncertain=band.low <= probability <= band.high or (self._finder is not None and regions[0].face is None),
            regions=regions,
            provenance=image.provenance,
            model=self.model_name,
            bundle_sha256=self.bundle.sha256,
            ms=1000 * (time.perf_counter() - image.started),
            novelty=self._novelty(regions),
        )

    def detect_or_error(self, source: ImageSource) -> Verdict:
        """As :meth:`detect`, but an unreadable image gives a verdict that holds the error."""
        started = time.perf_counter()
        try:
            return self.detect(source)
        except ImageError as error:
            return self.unreadable(error, started, _path_of(source))

    def unreadable(self, error: ImageError, started: float, path: str | None = None) -> Verdict:
        """The verdict that holds an error, on an image begun at ``started`` of ``time.perf_counter()``."""
        return Verdict(
            path=path,
            result=None,
            fake_probability=None,
            uncertain=True,
            regions=(),
            provenance=None,
            model=self.model_name,
            bundle_sha256=self.bundle.sha256,
            ms=1000 * (time.perf_counter() - started),
            error=error,
        )

    def detect_many(self, sources: Iterable[ImageSource], workers: int | None = None) -> Iterator[Verdict]:
        """Verdicts on many images, in their order, a few of them in work at a time.

        Args:
            sources: may be endless: it is read only a little ahead of what was taken from the result.
            workers: threads; the number of CPUs by default.

        Returns:
            One verdict a source; an unreadable one holds its error.
        """
        return ordered_map(self.detect_or_error, sources, workers)

    @property
    def model_name(self) -> str:
        """Name and version of the bundle."""
        return f"{self.bundle.info.name}@{self.bundle.info.version}"

    def _novelty(self, regions: tuple[RegionVerdict, ...]) -> Novelty | None:
        measured, distance = self.bundle.info.out_of_distribution, deciding_region(regions).distance
        if measured is None or distance is None:
            return None
        return Novelty(distance, measured.threshold)

    def _judge(self, regions: list[Region]) -> tuple[RegionVerdict, ...]:
        logits, evidence, distances = ask_graph(self._session, np.stack([region.pixels for region in regions]))
        calibration = self.bundle.info.calibration
        return tuple(
            RegionVerdict(
                face=region.face,
                crop=region.crop,
                fake_probability=calibration.probability(float(logit)),
                evidence=calibration.evidence(evidence_map, float(logit)),
                distance=None if distance is None else float(distance),
            )
            for region, logit, evidence_map, distance in zip(
                regions, logits, evidence, [None] * len(regions) if distances is None else distances, strict=True
            )
        )


def image_probability(regions: Iterable[RegionVerdict]) -> float:
    """The probability for the whole image from those of its faces.

    An image is fake when any of its main faces is, so it takes the largest probability among them. Main faces are
    those with at least 40 % of the side of the largest one: bystanders in the background are few pixels wide, and
    taking their largest value too would call every crowd fake.
    """
    return deciding_region(regions).fake_probability


def deciding_region(regions: Iterable[RegionVerdict]) -> RegionVerdict:
    """The region whose probability is the image's, see :func:`image_probability`; of equal ones the first."""
    listed = list(regions)
    largest = max((region.face.side for region in listed if region.face), default=0.0)
    main = [region for region in listed if region.face is None or region.face.side >= _MAIN_FACE * largest]
    return max(main, key=lambda region: region.fake_probability)


def load(path: str | os.PathLike[str] | None = None, threshold: float | str | None = None) -> Detector:
    """Load a detector.

    Args:
        path: a bundle's folder or zip; the detector in the package by default.
        threshold: as for :class:`Detector`.

    Raises:
        BundleError: the bundle is missing, broken or altered.
        UsageError: no such threshold.
    """
    return Detector(Bundle.open(path), threshold)


def _path_of(source: ImageSource) -> str | None:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else None


def _threshold(bundle: Bundle, wanted: float | str | None) -> float:
    if wanted is None:
        return bundle.info.threshold.fake_probability
    named: dict[str, Threshold] = {item.name: item for item in bundle.info.thresholds}
    if isinstance(wanted, str) and wanted in named:
        return named[wanted].fake_probability
    try:
        value = float(wanted)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(
            "bad_threshold",
            f"A threshold is a number from 0 to 1 or one of {', '.join(named)}, not {wanted!r}.",
        )
    return value
