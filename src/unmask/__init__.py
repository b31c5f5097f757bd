"""unmask tells real photographs of faces from fake ones.

>>> import unmask
>>> verdict = unmask.load().detect("portrait.jpg")

``import unmask`` loads nothing else: the names below are imported on first use. ``docs/library.md`` shows each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.lazy import lazy_names
from unmask.version import __version__

if TYPE_CHECKING:
    from unmask.bundle.bundle import Bundle
    from unmask.data.manifest import Manifest
    from unmask.detect.detector import Detector, load
    from unmask.detect.frame import detect_frame
    from unmask.detect.verdict import Verdict
    from unmask.errors import ImageError, UnmaskError
    from unmask.explain.explainer import Explainer
    from unmask.recipes.schema import Recipe
    from unmask.training.estimator import FaceClassifier

__all__ = [
    "Bundle",
    "Detector",
    "Explainer",
    "FaceClassifier",
    "ImageError",
    "Manifest",
    "Recipe",
    "UnmaskError",
    "Verdict",
    "__version__",
    "detect_frame",
    "load",
]

_HOME = {
    "Bundle": "unmask.bundle.bundle",
    "Detector": "unmask.detect.detector",
    "Explainer": "unmask.explain.explainer",
    "FaceClassifier": "unmask.training.estimator",
    "ImageError": "unmask.errors",
    "Manifest": "unmask.data.manifest",
    "Recipe": "unmask.recipes.schema",
    "UnmaskError": "unmask.errors",
    "Verdict": "unmask.detect.verdict",
    "detect_frame": "unmask.detect.frame",
    "load": "unmask.detect.detector",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME, {"FaceClassifier": "train"})
