"""Networks: backbones by name with their weights, and heads that give a logit and the evidence for it.

Needs the ``train`` extra. May import ``unmask.recipes``, ``unmask.imaging`` and ``unmask.errors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.training.estimator import FaceClassifier

__all__ = ["FaceClassifier"]


def __getattr__(name: str) -> Any:
    # A model to its user, though it trains and so is built on ``unmask.training``: imported when it is asked for.
    if name != "FaceClassifier":
        raise AttributeError(f"module 'unmask.models' has no attribute {name!r}")
    from unmask.training.estimator import FaceClassifier

    return FaceClassifier
