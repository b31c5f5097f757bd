"""A recipe is one training experiment as data: a small YAML file, validated before anything runs.

May import ``unmask.imaging``, ``unmask.data`` and ``unmask.errors``; no torch.
"""

from unmask.data.transforms import Augmentation
from unmask.recipes.schema import (
    Backbone,
    DataPolicy,
    Head,
    Recipe,
    Schedule,
)

__all__ = ["Augmentation", "Backbone", "DataPolicy", "Head", "Recipe", "Schedule"]
