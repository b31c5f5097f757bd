"""Results as typed, frozen models. Their files are their JSON; ``docs/schemas`` holds the JSON schemas."""

from unmask.evaluation.results.ablation import Ablation
from unmask.evaluation.results.base import Estimate, EvaluatedDetector, Metric, Part, Result, Run
from unmask.evaluation.results.calibration import CalibrationResult
from unmask.evaluation.results.comparison import Comparison
from unmask.evaluation.results.cost import Bench
from unmask.evaluation.results.evaluation import DataCard, Evaluation, Slice
from unmask.evaluation.results.held_out import HeldOut
from unmask.evaluation.results.map_study import MapStudy
from unmask.evaluation.results.pruning import PruningResult
from unmask.evaluation.results.quantization import QuantizationResult
from unmask.evaluation.results.regressions import Regressions
from unmask.evaluation.results.reproduction import Reproduction
from unmask.evaluation.results.robustness import Robustness

RESULTS: tuple[type[Result], ...] = (
    Ablation,
    Bench,
    CalibrationResult,
    Comparison,
    Evaluation,
    HeldOut,
    MapStudy,
    PruningResult,
    QuantizationResult,
    Regressions,
    Reproduction,
    Robustness,
)
"""Every kind of result."""

__all__ = [
    "RESULTS",
    "Ablation",
    "Bench",
    "CalibrationResult",
    "Comparison",
    "DataCard",
    "Estimate",
    "EvaluatedDetector",
    "Evaluation",
    "HeldOut",
    "MapStudy",
    "Metric",
    "Part",
    "PruningResult",
    "QuantizationResult",
    "Regressions",
    "Reproduction",
    "Result",
    "Robustness",
    "Run",
    "Slice",
]
