"""Experiments that train: held-out sources, ablations, the papers' systems."""
