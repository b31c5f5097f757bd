"""Networks: backbones by name with their weights, and heads that give a logit and its evidence map.

Needs the ``train`` extra. May import ``recipes`` and what is below it.
"""
