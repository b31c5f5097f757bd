"""Explain a verdict."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from unmask.bundle.bundle import ask_graph
from unmask.detect.detector import Detector
from unmask.detect.overlay import draw_evidence
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.errors import BundleError
from unmask.explain.explanation import Explanation as Explanation
from unmask.explain.facts import gather
from unmask.explain.faithfulness import Depth, Faithfulness, check, runs
from unmask.explain.maps import OCCLUSION_GRID, EvidenceMap, Floats, occlude
from unmask.explain.metadata import read_metadata
from unmask.explain.places import Place, find_places
from unmask.explain.redraw import redrawn
from unmask.explain.shown import SHOWN_SIDE, close_up, shown, zoomed
from unmask.explain.views import comparable, forensic_views
from unmask.explain.words import compose
from unmask.imaging.credentials import read_credentials
from unmask.imaging.decode import Decoded, ImageSource, read_bytes
from unmask.imaging.faces import Box
from unmask.imaging.jpeg import read_compression
from unmask.imaging.preprocessing import Pixels, render
from unmask.imaging.provenance import read_provenance
from unmask.imaging.session import single_thread_session

if TYPE_CHECKING:
    from unmask.explain.gradients import GradientMaps
    from unmask.models.network import FaceNetwork

_LARGE: Final = 32 << 20  # bytes of a graph


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
        notes = (*decoded.notes, *seen.verdict.notes)
        verdict = replace(seen.verdict, path=path, provenance=provenance, sha256=sha256, notes=notes)
        decided = verdict.regions[seen.deciding]
        checked = None if verdict.verdict == "NO_FACE" else self.check_to(faithfulness, seen, advance)
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
        return self._of_region(verdict, deciding, crops[deciding])

    def judge_face(self, image: Image.Image, box: Box, advance: Callable[[], None] = lambda: None) -> Judged:
        """Like :meth:`judge`, but the map is that of the face that has this box, as if that face decided.

        Raises:
            ValueError: no face that was found has this box.
        """
        seen = self.judge(image, advance)
        for place, region in enumerate(seen.verdict.regions):
            if region.face is not None and region.face.box == box:
                is_fake = region.fake_probability >= self.detector.threshold
                verdict = replace(seen.verdict, result="FAKE" if is_fake else "REAL")
                return self._of_region(verdict, place, self._pixels(image, region))
        raise ValueError(f"no face at {box}")

    def _of_region(self, verdict: Verdict, place: int, pixels: Pixels) -> Judged:
        has_map = self.detector.bundle.info.evidence == "cam"
        values = verdict.regions[place].evidence
        return Judged(verdict, place, EvidenceMap(values, "class_activation" if has_map else "occlusion"), pixels)

    def check_to(
        self, depth: bool | Depth, seen: Judged, advance: Callable[[], None] = lambda: None
    ) -> Faithfulness | None:
        """:meth:`check` as deeply as asked for, see :meth:`explain`; ``None`` if it is left out."""
        return None if (asked := _depth(depth)) == "none" else self.check(seen, advance, compare=asked == "full")

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
        if len(self.detector.bundle.model) > _LARGE:  # a second copy of the weights would cost more than it saves
            return self.detector.session
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
