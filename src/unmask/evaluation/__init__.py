"""How well a detector tells real from fake, in figures that cannot flatter: scores, metrics, intervals, comparisons.

Everything is computed from a table of scores alone (:mod:`unmask.evaluation.scores`), which any detector can fill. May
import everything up to ``detect``; figures need numpy only, tests of differences scipy (extra ``train``).
"""
