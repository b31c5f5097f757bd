"""Metrics, confidence intervals and significance tests, on numpy arrays alone."""
