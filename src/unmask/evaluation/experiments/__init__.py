"""Trainings that answer one question: held-out sources, ablations, the papers."""
