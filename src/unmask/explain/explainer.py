"""Explain a verdict."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unmask.bundle.bundle import ask_graph
from unmask.bundle.schema import BundleInfo
from unmask.detect.detector import Detector
from unmask.detect.overlay import draw_evidence
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.errors import BundleError
from unmask.explain.facts import gather
from unmask.explain.faithfulness import Depth, Faithfulness, check, runs
from unmask.explain.maps import OCCLUSION_GRID, EvidenceMap, Floats, occlude
from unmask.explain.metadata import Metadata, read_metadata
from unmask.explain.places import Place, find_places
from unmask.explain.redraw import redrawn
from unmask.explain.shown import SHOWN_SIDE, close_up, shown, zoomed
from unmask.explain.views import View, comparable, forensic_views
from unmask.explain.words import Sentence, compose, reasons
from unmask.imaging.credentials import Credentials, read_credentials
from unmask.imaging.decode import Decoded, ImageSource, read_bytes
from unmask.imaging.jpeg import read_compression
from unmask.imaging.preprocessing import Pixels, render
from unmask.imaging.provenance import read_provenance
from unmask.imaging.session import single_thread_session

if TYPE_CHECKING:
    from unmask.explain.gradients import GradientMaps
    from unmask.models.network import FaceNetwork


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """The reasons for a verdict, and what else the image and its file show.

    Attributes:
        verdict: the verdict; its regions have maps by occlusion if the model computes none.
        method: how the maps of the regions were made.
        deciding: index of the region that decides about the image.
        places: where the evidence of that region lies; empty without a face, and unless the map is ``reliable``.
        faithfulness: whether its map can be relied on; ``None`` if it was not checked, or without a face.
        views: forensic views; ``None`` if they were left out.
        metadata: metadata of the file; ``None`` for images in memory.
        credentials: content credentials of the file; ``None`` for images in memory.
        gradients: gradients of a torch network; ``None`` without a run.
        facts: everything that was measured, by name.
        sentences: the facts in plain words.
        image: RGB, upright, at most 1,024 pixels per side.
        overlay: the image with faces and evidence drawn on it, in faint grey unless ``reliable``. Without evidence if
            the verdict is NO_FACE.
        closeup: RGB, the region that decides.
        closeup_overlay: that region with its evidence drawn on it in the same way.
        size: width and height of the original image in pixels.
        info: description of the bundle that gave the verdict.
        file_bytes: size of the file; ``None`` for images in memory.
    """

    verdict: Verdict
    method: str
    deciding: int
    places: tuple[Place, ...]
    faithfulness: Faithfulness | None
    views: tuple[View, ...] | None
    metadata: Metadata | None
    credentials: Credentials | None
    gradients: GradientMaps | None
    facts: dict[str, Any]
    sentences: tuple[Sentence, ...]
    image: Image.Image
    overlay: Image.Image
    closeup: Image.Image
    closeup_overlay: Image.Image
    size: tuple[int, int]
    info: BundleInfo
    file_bytes: int | None

    def __repr__(self) -> str:
        views = "no views" if self.views is None else f"{len(self.views)} views"
        return f"<Explanation {self.verdict.verdict}, {len(self.sentences)} sentences, {views}>"

    @property
    def reliable(self) -> bool | None:
        """Whether the evidence map passed its check; ``None`` if it was not checked, or there is none."""
        return None if self.faithfulness is None else self.faithfulness.reliable

    @property
    def _regions(self) -> tuple[RegionVerdict, ...]:
        """The regions with evidence; without a face there is none, since the detector was not made for the image."""
        return () if self.verdict.verdict == "NO_FACE" else self.verdict.regions

    @property
    def reasons(self) -> tuple[Sentence, ...]:
        """At most three of the sentences, for a first look; see :func:`unmask.explain.words.reasons`."""
        return reasons(self.sentences)

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(sentence.text for sentence in self.sentences)

    def to_json(self) -> dict[str, Any]:
        """Everything but the images, as plain values; for one image and detector always the same except ``ms``."""
        return {
            "schema": 1,
            "verdict": self.verdict.to_json(),
            "text": self.text,
            "reasons": [sentence.to_json() for sentence in self.reasons],
            "sentences": [sentence.to_json() for sentence in self.sentences],
            "facts": self.facts,
            "size": list(self.size),
            "evidence": {
                "method": self.method,
                "unit": "calibrated logit, above 0 towards fake; the mean over cells is the logit of a linear detector",
                "reliable": self.reliable,
                "deciding_region": self.deciding if self._regions else None,
                "regions": [
                    {
                        "crop": [round(edge, 1) for edge in region.crop],
                        "fake_probability": round(region.fake_probability, 6),
                        "map": [[round(float(cell), 4) for cell in row] for row in region.evidence],
                    }
                    for region in self._regions
                ],
                "places": [place.to_json() for place in self.places],
                "faithfulness": self.faithfulness and self.faithfulness.to_json(),
            },
            "forensics": None if self.views is None else [view.to_json() for view in self.views],
            "metadata": self.metadata and self.metadata.to_json(),
            "credentials": self.credentials and self.credentials.to_json(),
            "gradients": self.gradients
            and [{"channel": each.channel, "share": round(each.share, 6)} for each in self.gradients.features],
        }

    def write(self, folder: Path) -> Path:
        """Write ``report.html``, ``explanation.json`` and the images as PNG files into a folder.

        Args:
            folder: created if missing; nothing is written outside it.

        Returns:
            The path of ``report.html``.

        Raises:
            UsageError: ``cannot_write``.
        """
        from unmask.explain.page import write_explanation

        return write_explanation(self, folder)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A verdict and the map behind it.

    Attributes:
        verdict: the verdict; its regions have maps by occlusion if the model computes none.
        deciding: index of the region that decides about the image.
        evidence: the map of that region.
        pixels: uint8 [size, size, 3], that region as the detector saw it.
    """

    verdict: Verdict
    deciding: int
    evidence: EvidenceMap
    pixels: Pixels

    @property
    def towards(self) -> int:
        """+1 if the verdict is FAKE, -1 if it is REAL."""
        return 1 if self.verdict.result == "FAKE" else -1


class Explainer:
    """Explains the verdicts of one detector. Safe to share between threads.

    Args:
        detector: the detector to explain.
        network: the torch network of the same run, to add gradients (default: none).
        seed: random seed of the random orders, the random weights and SmoothGrad.
    """

    def __init__(self, detector: Detector, network: FaceNetwork | None = None, seed: int = 0) -> None:
        self.detector = detector
        self.network = network
        self.seed = seed
        self._redraws: dict[int, Any] = {}

    def __repr__(self) -> str:
        return f"<Explainer {self.detector.model_name}{' with its network' if self.network is not None else ''}>"

    def __getstate__(self) -> dict[str, Any]:
        # Sessions cannot be pickled, and are made again when they are needed.
        own = ("detector", "network", "seed")
        return {"_redraws": {}} | {name: self.__dict__[name] for name in own}

    def explain(
        self,
        source: ImageSource,
        *,
        forensics: bool = True,
        faithfulness: bool | Depth = "quick",
        advance: Callable[[], None] = lambda: None,
    ) -> Explanation:
        """Explain the verdict on one image.

        Args:
            source: see :meth:`Detector.detect`.
            forensics: whether to add forensic views.
            faithfulness: how deeply to check the map. ``"quick"`` compares it with random orders, which decides whether
                it is reliable; ``"full"`` (or ``True``) also with occlusion and with the map of random weights, which
                takes half as long again; ``"none"`` (or ``False``) leaves the check out, and no place is named.
            advance: called after each of :meth:`steps`.

        Raises:
            ImageError: the image cannot be accepted or read.
        """
        data, decoded = self._read(source)
        image = decoded.image
        seen = self.judge(image, advance)
        path = os.fspath(source) if isinstance(source, str | os.PathLike) else None
        credentials = None if data is None else read_credentials(data, trust_anchors=self.detector.trust_anchors)
        provenance = (
            None
            if data is None or credentials is None
            else replace(read_provenance(data), credentials_state=credentials.state)
        )
        sha256 = None if data is None else hashlib.sha256(data).hexdigest()
        verdict = replace(seen.verdict, path=path, provenance=provenance, sha256=sha256, notes=decoded.notes)
        decided = verdict.regions[seen.deciding]
        depth = _depth(faithfulness) if verdict.verdict != "NO_FACE" else "none"
        checked = None if depth == "none" else self.check(seen, advance, compare=depth == "full")
        reliable = checked is not None and checked.reliable
        places: tuple[Place, ...] = ()
        if reliable and decided.face is not None:
            places = find_places(decided.evidence, seen.towards, decided.crop, decided.face)
        views = tuple(forensic_views(image, data)) if forensics else None
        metadata = None if data is None else read_metadata(data, image=image)
        facts = gather(
            verdict,
            self.detector.bundle.info,
            self.detector.threshold,
            places=places,
            faithfulness=checked,
            views=views,
            reference=comparable(image, data) if forensics else None,
            compression=None if data is None else read_compression(data),
            metadata=metadata,
            credentials=credentials,
        )
        closeup = close_up(image, decided)
        return Explanation(
            verdict=verdict,
            method=seen.evidence.method,
            deciding=seen.deciding,
            places=places,
            faithfulness=checked,
            views=views,
            metadata=metadata,
            credentials=credentials,
            gradients=self._gradients(seen.pixels),
            facts=facts,
            sentences=compose(facts),
            image=shown(image),
            overlay=draw_evidence(image, verdict, SHOWN_SIDE, muted=not reliable),
            closeup=closeup,
            closeup_overlay=draw_evidence(closeup, zoomed(verdict, decided, closeup.size), muted=not reliable),
            size=image.size,
            info=self.detector.bundle.info,
            file_bytes=None if data is None else len(data),
        )

    def judge(self, image: Image.Image, advance: Callable[[], None] = lambda: None) -> Judged:
        """The verdict on a decoded image, with maps by occlusion if the model computes none."""
        verdict = self.detector.detect(image)
        crops = [self._pixels(image, region) for region in verdict.regions]
        has_map = self.detector.bundle.info.evidence == "cam"
        if not has_map:
            maps = [occlude(self.logits, pixels, advance=advance).values for pixels in crops]
            regions = zip(verdict.regions, maps, strict=True)
            verdict = replace(verdict, regions=tuple(replace(region, evidence=values) for region, values in regions))
        decided = self.detector.deciding(verdict.regions)
        deciding = next(at for at, region in enumerate(verdict.regions) if region is decided)
        evidence = EvidenceMap(decided.evidence, "class_activation" if has_map else "occlusion")
        return Judged(verdict, deciding, evidence, crops[deciding])

    def check(
        self, seen: Judged, advance: Callable[[], None] = lambda: None, *, draw: int = 0, compare: bool = True
    ) -> Faithfulness:
        """Check the map of the deciding region, see :func:`unmask.explain.faithfulness.check`.

        Args:
            seen: the verdict and its map.
            advance: called after each run of the detector.
            draw: index of the network with random weights to compare with.
            compare: whether to compare with that network's map and with a map by occlusion, unless the map is by
                occlusion. Without, the same random orders decide.
        """
        score, evidence = self.logits, seen.evidence
        other = compare and evidence.method == "class_activation"
        return check(
            score,
            seen.pixels,
            evidence,
            seen.towards,
            redrawn=self._redrawn_map(seen.pixels, evidence, draw) if compare else None,
            other=occlude(score, seen.pixels, evidence.grid, advance) if other else None,
            seed=self.seed,
            advance=advance,
        )

    def logits(self, pixels: Pixels) -> Floats:
        """Calibrated logits [n], towards fake, of pixels uint8 [n, size, size, 3] as the detector sees them."""
        odds = self.detector.bundle.info.calibration.odds
        return np.array([odds(float(logit)) for logit in ask_graph(self._session, pixels).logit])

    def steps(self, faithfulness: bool | Depth = "quick") -> int:
        """How often ``advance`` is called for an image with one face, roughly."""
        depth, cells = _depth(faithfulness), OCCLUSION_GRID**2
        has_map = self.detector.bundle.info.evidence == "cam"
        occlusions = 0 if has_map and depth != "full" else cells
        return max(1, occlusions + (0 if depth == "none" else runs(cells, redrawn=depth == "full")))

    def _redrawn_map(self, pixels: Pixels, evidence: EvidenceMap, draw: int) -> Any:
        try:
            session = self._redrawn(draw)
            if evidence.method == "occlusion":
                return occlude(
                    lambda batch: ask_graph(session, batch).logit.astype(float), pixels, evidence.grid
                ).values
            return ask_graph(session, pixels[None]).evidence[0]
        except BundleError:  # there are no weights to replace, or random ones give numbers that are not finite
            return None

    @cached_property
    def _session(self) -> Any:
        # Not the detector's session, which sees batches of any size: here there are many of one size.
        return single_thread_session(self.detector.bundle.model, arena=True)

    def _redrawn(self, draw: int) -> Any:
        """A session of the detector's model with random weights."""
        if draw not in self._redraws:
            drawn = redrawn(self.detector.bundle.model, self.seed + draw)
            self._redraws[draw] = single_thread_session(drawn)
        return self._redraws[draw]

    def _gradients(self, pixels: Pixels) -> GradientMaps | None:
        if self.network is None:
            return None
        from unmask.explain.gradients import gradient_maps

        return gradient_maps(self.network, pixels, self.seed)

    def _read(self, source: ImageSource) -> tuple[bytes | None, Decoded]:
        limits = self.detector.limits
        data = read_bytes(source, limits) if isinstance(source, str | os.PathLike) else source
        return (data if isinstance(data, bytes) else None), self.detector.decode(data)

    def _pixels(self, image: Image.Image, region: RegionVerdict) -> Pixels:
        return np.ascontiguousarray(render(image, region.crop, self.detector.bundle.info.preprocessing))


def explain(
    source: ImageSource,
    detector: Detector,
    *,
    forensics: bool = True,
    faithfulness: bool | Depth = "quick",
    seed: int = 0,
) -> Explanation:
    """Explain the verdict on one image. For several images, :class:`Explainer` is faster.

    Args:
        source: a path, the bytes of a file, a Pillow image, or an array, see :meth:`Detector.detect`.
        detector: the detector to explain.
        forensics: whether to add forensic views.
        faithfulness: how deeply to check the map, see :meth:`Explainer.explain`.
        seed: random seed of the checks.

    Raises:
        ImageError: the image cannot be accepted or read.
    """
    return Explainer(detector, seed=seed).explain(source, forensics=forensics, faithfulness=faithfulness)


def _depth(faithfulness: bool | Depth) -> Depth:
    if isinstance(faithfulness, str):
        return faithfulness
    return "full" if faithfulness else "none"
