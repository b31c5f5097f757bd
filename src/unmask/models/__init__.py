"""Networks: backbones by name with their weights, and heads that give a logit and the evidence for it.

Needs the ``train`` extra. May import ``recipes`` and what is below it.
"""
