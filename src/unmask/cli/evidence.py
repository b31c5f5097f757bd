"""The images of ``unmask detect --evidence``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from unmask.detect.overlay import draw_evidence
from unmask.detect.verdict import Verdict
from unmask.files import OutputFolder, whole_file
from unmask.imaging.decode import decode_image


def has_evidence(verdict: Verdict) -> bool:
    """Whether a verdict has its evidence maps; one from a journal has none."""
    return any(region.evidence.size > 0 for region in verdict.regions)


def evidence_path(folder: Path, verdict: Verdict) -> Path:
    """Where an image with its evidence map is written.

    The name has the image's name and a hash of its path, so images of the same name in two folders do not collide.
    """
    assert verdict.path is not None
    tag = hashlib.sha256(verdict.path.encode(errors="surrogateescape")).hexdigest()[:8]
    stem = Path(verdict.path).stem[:50]  # at four bytes a character, well within the 255 that a name may have
    return folder / f"{stem}.{tag}.evidence.png"


def write_evidence(folder: Path, verdict: Verdict, image: Image.Image | None = None) -> Path:
    """Write an image with its evidence map, and return the path.

    Args:
        folder: for it.
        verdict: with its evidence maps.
        image: the image; ``None`` to read it from the verdict's path.
    """
    assert verdict.path is not None
    target = OutputFolder(folder).path / evidence_path(folder, verdict).name
    with whole_file(target, durable=False) as file:
        draw_evidence(decode_image(verdict.path) if image is None else image, verdict).save(file, "PNG")
    return target
