"""Classical heads as ONNX graphs against scikit-learn: their difference and their time per image.

    python benchmarks/classical_heads.py --out benchmarks/results/classical-heads.json

The features are random: 1,280 of them, as in MobileNetV2, not negative, from 40 hidden factors and noise; some factors
decide the class. Each head is fitted with z-scores and SMOTE on ``--rows`` rows and applied to 1,000 others.

difference   largest absolute difference between the logits of the graph and of scikit-learn over the 1,000 rows
onnx_ms      median time of the graph for one row, on one thread
sklearn_ms   the same for the scikit-learn pipeline (decision function or probability), on one thread
ratio        sklearn_ms / onnx_ms

Both are timed in the same loop, alternating row by row.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from _report import argument_parser, describe_run, write_json
from unmask.imaging.session import single_thread_session
from unmask.models.classical import build_estimator, classifier_graph, classifier_logit, fit_estimator
from unmask.recipes import Classifier

_HEADS = ("random_forest", "linear_svm", "rbf_svm", "logistic_regression")
_WIDTH, _FACTORS, _ASKED = 1280, 40, 1000
_PACKAGES = ("unmask", "numpy", "scikit-learn", "imbalanced-learn", "skl2onnx", "onnxruntime")


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--rows", type=int, default=2000, help="rows to fit on")
    parser.add_argument("--timed", type=int, default=500, help="rows to time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial run")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    train, is_fake, asked = _draw(arguments.rows, arguments.seed)
    heads = {}
    for name in _HEADS:
        heads[name] = _measure(Classifier(estimator=name, balance="smote"), train, is_fake, asked, arguments)  # type: ignore[arg-type]
        print(name, heads[name], flush=True)
    run = describe_run(_PACKAGES, "", smoke=arguments.smoke)
    write_json(
        arguments.out, {"run": run, "width": _WIDTH, "rows": arguments.rows, "asked_rows": _ASKED, "heads": heads}
    )


def _draw(rows: int, seed: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(rows + _ASKED, _FACTORS))
    values = np.maximum(factors @ rng.normal(size=(_FACTORS, _WIDTH)) / 6 + rng.normal(size=(len(factors), _WIDTH)), 0)
    score = factors[:, :5].sum(1) + rng.normal(size=len(factors))
    features = values.astype(np.float32)
    return features[:rows], score[:rows] > 1, features[rows:]


def _measure(
    classifier: Classifier, train: Any, is_fake: Any, asked: Any, arguments: argparse.Namespace
) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = fit_estimator(build_estimator(classifier, arguments.seed), train, is_fake)
    graph = classifier_graph(pipeline, _WIDTH)
    session = single_thread_session(graph)
    answer = session.run(["logit"], {"features": asked})[0]
    difference = float(np.abs(answer - classifier_logit(pipeline, asked)).max())
    own = pipeline.decision_function if hasattr(pipeline[-1], "decision_function") else pipeline.predict_proba
    rows = asked.astype(np.float64)
    with threadpool_limits(1):
        onnx_ms, sklearn_ms = _take_turns(
            arguments.timed,
            lambda at: session.run(["logit"], {"features": asked[at : at + 1]}),
            lambda at: own(rows[at : at + 1]),
        )
    return {
        "difference": difference,
        "onnx_ms": round(onnx_ms, 4),
        "sklearn_ms": round(sklearn_ms, 4),
        "ratio": round(sklearn_ms / onnx_ms, 2),
        "graph_bytes": len(graph),
    }


def _take_turns(count: int, *ways: Callable[[int], Any]) -> list[float]:
    """Median milliseconds a call of each way."""
    times: list[list[float]] = [[] for _ in ways]
    for turn in range(count + 10):
        for way, taken in zip(ways, times, strict=True):
            began = time.perf_counter()
            way(turn % _ASKED)
            taken.append(1000 * (time.perf_counter() - began))
    return [statistics.median(taken[10:]) for taken in times]  # the first calls warm up


if __name__ == "__main__":
    main()
