"""unmask tells real photographs of faces from faked ones.

>>> import unmask
>>> verdict = unmask.load().detect("portrait.jpg")

The names below are imported when first used, so ``import unmask`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from unmask.version import __version__

if TYPE_CHECKING:
    from unmask.bundle.bundle import Bundle
    from unmask.data.manifest import Manifest
    from unmask.detect.detector import Detector, load
    from unmask.detect.verdict import Verdict
    from unmask.recipes.schema import Recipe

__all__ = ["Bundle", "Detector", "Manifest", "Recipe", "Verdict", "__version__", "load"]

_HOME = {
    "Bundle": "unmask.bundle.bundle",
    "Detector": "unmask.detect.detector",
    "Manifest": "unmask.data.manifest",
    "Recipe": "unmask.recipes.schema",
    "Verdict": "unmask.detect.verdict",
    "load": "unmask.detect.detector",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'unmask' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
