"""All measurements of one image by name: the facts that sentences may state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from unmask.bundle.schema import BundleInfo
from unmask.detect.abstention import BECAUSE
from unmask.detect.detector import deciding_region
from unmask.detect.verdict import Verdict
from unmask.explain.faithfulness import Faithfulness
from unmask.explain.metadata import Metadata
from unmask.explain.places import Place
from unmask.explain.views import Reference, View
from unmask.explain.views.ranges import references
from unmask.imaging.credentials import Credentials
from unmask.imaging.jpeg import Compression

SMALL_FACE: Final = 60
"""Face width in pixels below which predictions are unreliable; the default bundle's card says so."""
HEAVY_QUALITY: Final = 50
"""JPEG quality below which an image counts as strongly compressed."""
UNSEEN: Final = "unseen_true_positive_rate"
"""The card's metric for how many fakes are found that generators outside the training images made, in [0, 1]."""


def gather(
    verdict: Verdict,
    info: BundleInfo,
    threshold: float,
    *,
    places: Sequence[Place],
    faithfulness: Faithfulness | None,
    views: Sequence[View] | None,
    reference: Reference | str | None,
    compression: Compression | None,
    metadata: Metadata | None,
    credentials: Credentials | None,
) -> dict[str, Any]:
    """Facts by name; ``None`` for what was not measured.

    Args:
        verdict: a verdict without error.
        info: description of the bundle that gave it.
        threshold: the probability from which the verdict is FAKE.
        places: where the evidence of the deciding region lies.
        faithfulness: check of its map.
        views: forensic views.
        reference: the photographs that they are compared with, or why there are none; ``None`` without views.
        compression: compression of a JPEG file.
        metadata: metadata of the file.
        credentials: content credentials of the file.
    """
    decided = deciding_region(verdict.regions, info.main_face)
    top = places[0] if places else None
    measured = [figure for view in views or () for figure in view.figures if figure.value is not None and figure.n]
    outside = [figure.title for figure in measured if figure.outside]
    novelty, limits = verdict.novelty, info.out_of_distribution
    has_map = verdict.verdict != "NO_FACE" and decided.evidence.size > 1
    return {
        "verdict": verdict.verdict,
        "result": verdict.result,
        "fake_probability": verdict.fake_probability,
        "threshold": threshold,
        "band_low": info.uncertain.low,
        "band_high": info.uncertain.high,
        "accuracy_outside": info.uncertain.accuracy_outside,
        "doubts": [note for note in verdict.notes if note.startswith(BECAUSE)],
        "likely_kind": verdict.likely_kind,
        "kind_probability": None if verdict.likely_kind is None else (verdict.kinds or {})[verdict.likely_kind],
        "unseen_true_positive_rate": info.card.metrics.get(UNSEEN),
        "marks": None if verdict.provenance is None else [mark.text for mark in verdict.marks],
        "seeks_faces": info.preprocessing.faces is not None,
        "faces": len(verdict.faces),
        "faces_called_fake": sum(region.fake_probability >= threshold for region in verdict.faces),
        "deciding_face": next((n for n, each in enumerate(verdict.faces, 1) if each is decided), None),
        "face_side": None if decided.face is None else decided.face.side,
        "small_face": SMALL_FACE,
        "evidence_for": None if verdict.result is None else verdict.result.lower(),
        "top_place": top and top.name,
        "top_place_share": top and top.share,
        "top_place_area": top and top.area,
        "has_map": has_map,
        "map_reliable": None if faithfulness is None else faithfulness.reliable,
        "gain": faithfulness and faithfulness.gain,
        "orders_beaten": faithfulness and faithfulness.beaten,
        "random_orders": faithfulness and len(faithfulness.random),
        "out_of_distribution": novelty and novelty.out_of_distribution,
        "novelty_distance": novelty and novelty.distance,
        "novelty_threshold": novelty and novelty.threshold,
        "novelty_quantile": limits and limits.quantile,
        "jpeg_quality": compression and compression.quality,
        "heavy_quality": HEAVY_QUALITY,
        "figures_measured": None if views is None else len(measured),
        "figures_outside": outside,
        "figures_outside_count": len(outside),
        "views_outside": [view.title for view in views or () if any(figure.outside for figure in view.figures)],
        "figures_chance": round(1 - references().central, 6),
        "reference_class": str(reference) if isinstance(reference, Reference) else None,
        "reference_n": reference.n if isinstance(reference, Reference) else None,
        "reference_gap": reference if isinstance(reference, str) else None,
        "generator_tags": None if verdict.provenance is None else list(verdict.provenance.generator_tags),
        "credentials": credentials and credentials.state,
        "credentials_note": credentials and credentials.note,
        "camera": metadata and metadata.camera,
        "software": metadata and metadata.software,
        "thumbnail_correlation": metadata and metadata.thumbnail and metadata.thumbnail.correlation,
        "thumbnail_differs": metadata and metadata.thumbnail and metadata.thumbnail.differs,
        "has_position": metadata and metadata.has_position,
    }
