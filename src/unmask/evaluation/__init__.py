"""How well a detector separates real from fake, with confidence intervals: scores, metrics, comparisons, experiments.

Every metric is computed from a table of scores (:mod:`unmask.evaluation.scores`), which any detector can fill. Results
are typed (:mod:`unmask.evaluation.results`). May import everything up to ``detect``; metrics need numpy only, tests of
three or more detectors scipy (extra ``train``).
"""

# At once, not on first use: modules of the same names would take the places of the functions when they are imported.
from unmask.evaluation.compare import compare
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.scores import Scores

__all__ = ["Scores", "compare", "evaluate"]
