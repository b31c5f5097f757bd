"""The detector: a loaded bundle that gives verdicts on one image or on many."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.bundle.bundle import Bundle, ask_graph
from unmask.bundle.schema import Threshold
from unmask.detect.abstention import Changed, changed, reasons
from unmask.detect.verdict import Novelty, RegionVerdict, Verdict, word_of
from unmask.errors import ImageError, UsageError
from unmask.imaging.credentials import check_credentials, default_anchors
from unmask.imaging.decode import Decoded, ImageSource, decode, read_bytes
from unmask.imaging.faces import FaceFinder
from unmask.imaging.limits import DecodeLimits, default_limits
from unmask.imaging.preprocessing import Region, preprocess
from unmask.imaging.provenance import Provenance, read_provenance
from unmask.parallel import ordered_map


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """An image ready for the network.

    Attributes:
        path: the path as given; ``None`` for bytes and images in memory.
        regions: what the network will see: the faces, largest first, or the whole image.
        provenance: marks in the file; ``None`` for images in memory.
        sha256: hash of the file; ``None`` for images in memory.
        size: width and height of the upright image in pixels.
        notes: problems in the file; see :class:`~unmask.imaging.decode.Decoded`.
        started: start of the work on it, by ``time.perf_counter()``.
        changed: what the network must see besides, so that a verdict that flips can be noticed.
        second: the same image for the second detector of a :class:`~unmask.detect.thorough.ThoroughDetector`.
    """

    path: str | None
    regions: tuple[Region, ...]
    provenance: Provenance | None
    sha256: str | None
    size: tuple[int, int]
    notes: tuple[str, ...]
    started: float
    changed: tuple[Changed, ...] = ()
    second: Prepared | None = None

    def __repr__(self) -> str:
        return f"<Prepared {self.path!r}, regions {len(self.regions)}>"


class Detector:
    """A loaded bundle. Safe to share between threads; the same image always gets the same probability.

    It can be copied and pickled, also by joblib: the pickle holds the bundle's bytes, the threshold and the limits.

    Args:
        bundle: a checked bundle.
        threshold: a number in [0, 1], or the name of one of the bundle's thresholds (default: the bundle's own).
        limits: limits on size and format, checked before an image is decoded.

    Attributes:
        finder: finds faces as the bundle wants it; ``None`` if it judges whole images.
        decoder: a function that decodes the bytes of image files, such as ``DecodePool.decode``; ``None`` decodes in
            this process. It is not pickled.
        trust_anchors: certificates of authorities whose signers of content credentials are trusted, as PEM; from the
            file that ``UNMASK_TRUST_ANCHORS`` names, else ``None``.

    Raises:
        UsageError: ``bad_threshold``: no such threshold; ``bad_trust_anchors``: that file cannot be read or is not PEM.
        BundleError: ``bad_model``: the model cannot be loaded.
    """

    def __init__(
        self, bundle: Bundle, threshold: float | str | None = None, limits: DecodeLimits | None = None
    ) -> None:
        self.bundle = bundle
        self.threshold = _threshold(bundle, threshold)
        self.limits = limits or default_limits()
        self.trust_anchors = default_anchors()
        self.decoder: Callable[[bytes], Decoded] | None = None
        self._session = bundle.session()
        policy = bundle.info.preprocessing.faces
        self.finder = FaceFinder(policy) if policy is not None else None

    def __repr__(self) -> str:
        return f"<Detector {self.model_name}, threshold {self.threshold:.3f}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Detector, (self.bundle, self.threshold, self.limits)

    def detect(self, source: ImageSource) -> Verdict:
        """Give the verdict on one image.

        Args:
            source: a path, the bytes of a file, a Pillow image, or an array uint8 [h, w], [h, w, 3] or [h, w, 4].

        Raises:
            ImageError: the image cannot be accepted or read.
        """
        return self.judge([self.prepare(source)])[0]

    def decode(self, source: ImageSource) -> Decoded:
        """Decode an image within this detector's limits, files by its ``decoder`` if it has one.

        Args:
            source: as for :meth:`detect`.

        Raises:
            ImageError: the image cannot be accepted or read.
        """
        if self.decoder is not None and isinstance(source, bytes):
            return self.decoder(source)
        return decode(source, self.limits)

    def prepare(self, source: ImageSource, look: Callable[[Image.Image], object] | None = None) -> Prepared:
        """Do all that :meth:`detect` does before the network runs: read, decode, find and crop faces.

        Args:
            source: as for :meth:`detect`.
            look: is called with the decoded image, which it must not change.

        Raises:
            ImageError: the image cannot be accepted or read.
        """
        started = time.perf_counter()
        data: ImageSource = source
        provenance: Provenance | None = None
        sha256: str | None = None
        if isinstance(source, str | os.PathLike):
            data = read_bytes(source, self.limits)
        if isinstance(data, bytes):
            provenance, sha256 = read_provenance(data), hashlib.sha256(data).hexdigest()
        decoded = self.decode(data)
        if provenance is not None and isinstance(data, bytes):
            provenance = check_credentials(data, provenance, self.trust_anchors)  # only of files that could be read
        factor = decoded.reduction
        if look is not None:
            look(decoded.image)
        preprocessing = self.bundle.info.preprocessing
        regions = preprocess(decoded.image, preprocessing, self.finder)
        return Prepared(
            _path_of(source),
            tuple(region.scaled(factor) for region in regions) if factor > 1 else tuple(regions),
            provenance,
            sha256,
            (decoded.image.width * factor, decoded.image.height * factor),
            decoded.notes,
            started,
            changed(decoded.image, regions, self.bundle.info.abstention, preprocessing),
        )

    def judge(self, images: Sequence[Prepared]) -> list[Verdict]:
        """Give verdicts on prepared images, in their order, with one run of the network."""
        parts = [part for image in images for part in (image.regions, *(each.regions for each in image.changed))]
        judged = iter(self._judge([region for part in parts for region in part]))
        verdicts = []
        for image in images:
            regions = tuple(islice(judged, len(image.regions)))
            others = {each.name: tuple(islice(judged, len(each.regions))) for each in image.changed}
            verdicts.append(self._verdict(image, regions, others))
        return verdicts

    def _verdict(
        self, image: Prepared, regions: tuple[RegionVerdict, ...], others: dict[str, tuple[RegionVerdict, ...]]
    ) -> Verdict:
        deciding = self.deciding(regions)
        probability = deciding.fake_probability
        band = self.bundle.info.uncertain
        no_face = self.finder is not None and regions[0].face is None
        is_fake = probability >= self.threshold
        flips = [
            name
            for name, other in others.items()
            if (self.deciding(other).fake_probability >= self.threshold) != is_fake
        ]
        word = word_of(probability, self.threshold, band, no_face=no_face)
        doubts: tuple[str, ...] = ()
        if word in ("FAKE", "REAL"):
            doubts = reasons(self.bundle.info.abstention, deciding.face, flips)
        return Verdict(
            path=image.path,
            verdict="UNCERTAIN" if doubts else word,
            fake_probability=probability,
            kinds=deciding.kinds,
            result="FAKE" if is_fake else "REAL",
            regions=regions,
            provenance=image.provenance,
            model=self.model_name,
            bundle_sha256=self.bundle.sha256,
            ms=1000 * (time.perf_counter() - image.started),
            novelty=self._novelty(regions),
            sha256=image.sha256,
            size=image.size,
            notes=(*image.notes, *doubts),
        )

    def deciding(self, regions: Iterable[RegionVerdict]) -> RegionVerdict:
        """The region that decides about the image, see :func:`deciding_region`."""
        return deciding_region(regions, self.bundle.info.main_face)

    def detect_or_error(self, source: ImageSource) -> Verdict:
        """Like :meth:`detect`, but an unreadable image gives a verdict with the error instead of raising it."""
        started = time.perf_counter()
        try:
            return self.detect(source)
        except ImageError as error:
            return self.unreadable(error, started, _path_of(source))

    def unreadable(self, error: ImageError, started: float, path: str | None = None) -> Verdict:
        """The verdict with an error, on an image begun at ``started`` by ``time.perf_counter()``."""
        return Verdict(
            path=path,
            verdict=None,
            fake_probability=None,
            result=None,
            regions=(),
            provenance=None,
            model=self.model_name,
            bundle_sha256=self.bundle.sha256,
            ms=1000 * (time.perf_counter() - started),
            error=error,
        )

    def detect_many(self, sources: Iterable[ImageSource], workers: int | None = None) -> Iterator[Verdict]:
        """Give verdicts on many images, in their order, in several threads.

        Args:
            sources: images as for :meth:`detect`. It may be endless: it is read only a little ahead.
            workers: number of threads (default: number of CPUs).

        Returns:
            One verdict per image; for an unreadable image it holds the error.

        Raises:
            UsageError: ``not_a_list``: a single image was given.
        """
        if isinstance(sources, str | bytes | os.PathLike | Image.Image):
            kind = type(sources).__name__
            raise UsageError("not_a_list", f"Pass a list of images, not a single {kind}; for one image use detect().")
        return ordered_map(self.detect_or_error, sources, workers)

    @property
    def session(self) -> Any:
        """The session of the bundle's graph, see :meth:`unmask.bundle.bundle.Bundle.session`."""
        return self._session

    @property
    def first(self) -> Detector:
        """The detector itself; of two in turn the first one."""
        return self

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """The detectors that verdicts may be of."""
        return (self,)

    def detector_of(self, verdict: Verdict) -> Detector:
        """The detector that gave one of this detector's verdicts."""
        return self

    @property
    def model_name(self) -> str:
        """Name and version of the bundle, e.g. ``unmask-default@1``."""
        return self.bundle.name

    def _novelty(self, regions: tuple[RegionVerdict, ...]) -> Novelty | None:
        measured, distance = self.bundle.info.out_of_distribution, self.deciding(regions).distance
        if measured is None or distance is None:
            return None
        return Novelty(distance, measured.threshold)

    def _judge(self, regions: list[Region]) -> tuple[RegionVerdict, ...]:
        answer = ask_graph(self._session, np.stack([region.pixels for region in regions]))
        calibration = self.bundle.info.calibration
        return tuple(
            RegionVerdict(
                face=region.face,
                crop=region.crop,
                fake_probability=calibration.probability(float(answer.logit[place])),
                evidence=calibration.evidence(answer.evidence[place], float(answer.logit[place])),
                distance=None if answer.distance is None else float(answer.distance[place]),
                kinds=None if answer.questions is None else self._kinds(answer.questions[place]),
                logit=float(answer.logit[place]),
                features=None if answer.features is None else answer.features[place],
            )
            for place, region in enumerate(regions)
        )

    def _kinds(self, logits: npt.NDArray[np.float32]) -> dict[str, float] | None:
        questions = self.bundle.info.questions
        if not questions:
            return None
        return {
            question.name: question.calibration.probability(float(logit))
            for question, logit in zip(questions, logits, strict=True)
        }


def deciding_region(regions: Iterable[RegionVerdict], main_face: float) -> RegionVerdict:
    """The region whose probability is the image's: the main face with the highest one; the first of equal ones.

    An image is fake if any of its main faces is. Smaller faces are bystanders in the background, few pixels wide:
    taking their highest probability too would call every crowd fake.

    Args:
        regions: the faces, or the whole image; at least one.
        main_face: smallest side of a main face, as a fraction of the largest face's side.
    """
    listed = list(regions)
    largest = max((region.face.side for region in listed if region.face), default=0.0)
    main = [region for region in listed if region.face is None or region.face.side >= main_face * largest]
    return max(main, key=lambda region: region.fake_probability)


def load(path: str | os.PathLike[str] | None = None, threshold: float | str | None = None) -> Detector:
    """Load a detector.

    Args:
        path: a bundle's folder or zip (default: the detector in the package).
        threshold: see :class:`Detector`.

    Raises:
        BundleError: the bundle is missing, broken or altered.
        UsageError: ``bad_threshold``: no such threshold.
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
            f"The threshold must be a number from 0 to 1 or one of {', '.join(named)}, not {wanted!r}.",
        )
    return value
