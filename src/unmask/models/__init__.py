"""Networks: backbones by name with their weights, and heads that give a logit and the evidence for it.

Needs the ``train`` extra. May import ``unmask.recipes``, ``unmask.imaging`` and ``unmask.errors``.
"""
