"""A recipe is one training experiment as data: a small YAML file, validated before anything runs.

May import ``unmask.imaging``, ``unmask.data`` and ``unmask.errors``; no torch.
"""

from unmask.data.transforms import Augmentation
from unmask.recipes.parts import (
    Backbone,
    Classifier,
    DataPolicy,
    Ensemble,
    Features,
    Fusion,
    Head,
    Paper,
    Phase,
    Question,
    Schedule,
)
from unmask.recipes.pruning import Pruning
from unmask.recipes.schema import Recipe
from unmask.recipes.temporal import Temporal

__all__ = [
    "Augmentation",
    "Backbone",
    "Classifier",
    "DataPolicy",
    "Ensemble",
    "Features",
    "Fusion",
    "Head",
    "Paper",
    "Phase",
    "Pruning",
    "Question",
    "Recipe",
    "Schedule",
    "Temporal",
]
