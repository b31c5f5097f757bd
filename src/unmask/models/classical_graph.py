"""From a fitted classical head to an ONNX graph with the same output.

skl2onnx converts trees, boosting and the multilayer perceptron. The others are a few matrix products each and are
written out here in double precision: skl2onnx's single-precision kernels differ from scikit-learn by more than 1e-5 on
a thousand features, and its neighbour search takes seconds per image.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from imblearn.pipeline import Pipeline
from onnx import helper, numpy_helper
from onnx.utils import Extractor
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline as PlainPipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from unmask.errors import UsageError

OPSETS = {"": 18, "ai.onnx.ml": 3}
_IR_VERSION = 10
# Limit for probabilities without a natural step: a logit of 13.8.
_SMALLEST = 1e-6

# Each turns ``z`` (double [n, width]) into ``logit`` (float [n]); other names are constants of the classifier.
_LINEAR = "s = MatMul (z, linear)  d = Add (s, bias)"
_QUADRATIC = """
    zz = Mul (z, z)  q = MatMul (zz, quadratic)  l = MatMul (z, linear)  s = Add (q, l)
    open = Add (s, bias)  d = Clip (open, lowest, highest)
"""
# |z - v|^2 = |z|^2 - 2 z.v + |v|^2
_RBF = """
    vectors = Cast <to = 11> (stored)
    zz = Mul (z, z)  own = ReduceSum (zz, last)  dot = MatMul (z, vectors)
    near = Sub (squares, dot)  distance = Add (near, own)
    e = Mul (distance, slope)  k = Exp (e)  s = MatMul (k, linear)  d = Add (s, bias)
"""
# Without |z|^2, which is the same for all neighbours.
_NEAREST = """
    vectors = Cast <to = 11> (stored)
    dot = MatMul (z, vectors)  distance = Sub (squares, dot)
    nearest, index = TopK <largest = 0> (distance, count)  vote = Gather (targets, index)
    p = ReduceMean <keepdims = 0> (vote, last)  c = Clip (p, lowest, highest)  o = Sub (one, c)
    log_c = Log (c)  log_o = Log (o)  d = Sub (log_c, log_o)
"""
_LOG_ODDS = """
    c = Clip (probabilities, lowest, highest)  l = Log (c)
    fake = Gather <axis = 1> (l, second)  real = Gather <axis = 1> (l, first)  logit = Sub (fake, real)
"""


def classifier_graph(pipeline: Pipeline, width: int) -> bytes:
    """ONNX from ``features`` float32 [n, width] to ``logit`` float32 [n], towards fake.

    For support vector machines the logit is the decision function; the run's own calibration sets its scale, for which
    scikit-learn's Platt scaling would fit the machine five more times. For all others it is the log-odds of fake, kept
    finite as :func:`logit_bound` says.

    Args:
        pipeline: from :func:`unmask.models.classical.build_estimator`, fitted.
        width: number of features per image.

    Raises:
        UsageError: ``not_convertible``: skl2onnx cannot convert it.
    """
    estimator = pipeline[-1]
    scaler = pipeline.named_steps.get("standardise")
    if isinstance(estimator, LogisticRegression | SVC | GaussianNB | KNeighborsClassifier):
        model = _written(estimator, scaler, width)
    else:
        model = _converted(estimator, scaler, width)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def logit_bound(estimator: Any) -> float:
    """The largest absolute logit of a classifier whose probabilities reach 0 and 1; infinity for the others.

    A probability stays half a step away from 0 and 1: half a tree's vote in a forest, half a neighbour, half a
    training row for a single tree. Naive Bayes and the perceptron, which have no steps, are limited to one in a
    million.
    """
    if isinstance(estimator, RandomForestClassifier):
        step = 1 / estimator.n_estimators
    elif isinstance(estimator, KNeighborsClassifier):
        step = 1 / estimator.n_neighbors
    elif isinstance(estimator, DecisionTreeClassifier):
        step = 1 / int(estimator.tree_.n_node_samples[0])
    elif isinstance(estimator, GaussianNB | MLPClassifier):
        step = 2 * _SMALLEST
    else:
        return math.inf
    # For a forest of one tree, or one neighbour, half a step would be 0.5, a logit of 0.
    share = min(step / 2, 0.25)
    return math.log((1 - share) / share)


def _share(estimator: Any) -> float:
    """The probability at the lower bound of the logit."""
    return 1 / (1 + math.exp(logit_bound(estimator)))


def _written(estimator: Any, scaler: StandardScaler | None, width: int) -> onnx.ModelProto:
    constants: dict[str, Any]
    if isinstance(estimator, GaussianNB):
        body, bound = _QUADRATIC, logit_bound(estimator)
        mean, variance = estimator.theta_, estimator.var_
        # For each class: log prior - 1/2 sum(log variance + (z - mean)^2 / variance); fake minus real.
        at_zero = np.log(estimator.class_prior_) - (np.log(variance) + mean**2 / variance).sum(1) / 2
        constants = {
            "quadratic": (0.5 / variance[0] - 0.5 / variance[1])[:, None],
            "linear": (mean[1] / variance[1] - mean[0] / variance[0])[:, None],
            "bias": at_zero[1] - at_zero[0],
            "lowest": -bound,
            "highest": bound,
        }
    elif isinstance(estimator, KNeighborsClassifier):
        body, share = _NEAREST, _share(estimator)
        constants = _around(estimator._fit_X) | {
            "targets": estimator._y.astype(float),
            "count": np.array([estimator.n_neighbors]),
            "lowest": share,
            "highest": 1 - share,
            "one": 1.0,
        }
    elif isinstance(estimator, SVC) and estimator.kernel == "rbf":
        body = _RBF
        constants = _around(estimator.support_vectors_) | {
            "slope": -estimator._gamma,
            "linear": estimator.dual_coef_.T,
            "bias": estimator.intercept_[0],
        }
    else:
        body = _LINEAR
        constants = {"linear": estimator.coef_.T, "bias": estimator.intercept_[0]}
    before, after = "x = Cast <to = 11> (features)", "column = Reshape (d, flat)  logit = Cast <to = 1> (column)"
    if scaler is None:
        before += "  z = Identity (x)"
    else:
        before += "  centred = Sub (x, mean)  z = Div (centred, scale)"
        constants |= {"mean": scaler.mean_, "scale": scaler.scale_}
    constants["flat"] = np.array([-1])
    return _model(f"{before} {body} {after}", width, constants)


def _around(vectors: Any) -> dict[str, Any]:
    """Constants for squared distances from ``vectors`` [m, width], stored in single precision."""
    stored = vectors.astype(np.float32)
    squares = (stored.astype(np.float64) ** 2).sum(1)
    return {"stored": 2 * stored.T, "squares": squares, "last": np.array([1])}


def _model(body: str, width: int, constants: dict[str, Any]) -> onnx.ModelProto:
    graph = onnx.parser.parse_graph(f"classifier (float[n, {width}] features) => (float[n] logit) {{ {body} }}")
    graph.initializer.extend(_tensors(constants, np.float64))
    opsets = [helper.make_opsetid("", OPSETS[""])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


def _tensors(constants: dict[str, Any], precision: type) -> Iterator[onnx.TensorProto]:
    """Python numbers and float64 arrays in the given precision; all others unchanged."""
    for name, value in constants.items():
        array = np.asarray(value)
        yield numpy_helper.from_array(array.astype(precision) if array.dtype == np.float64 else array, name)


def _converted(estimator: Any, scaler: StandardScaler | None, width: int) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    steps = [("estimator", estimator)] if scaler is None else [("standardise", scaler), ("estimator", estimator)]
    of_estimator: dict[str, bool | str] = {"zipmap": False}
    if isinstance(estimator, GradientBoostingClassifier):
        of_estimator["raw_scores"] = True
    options = {id(estimator): of_estimator}
    if scaler is not None:
        # Z-scores in double precision, as in scikit-learn, before trees round them.
        options[id(scaler)] = {"div": "div_cast"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = convert_sklearn(
                PlainPipeline(steps),
                name="classifier",  # random otherwise
                initial_types=[("features", FloatTensorType([None, width]))],
                options=options,
                target_opset=OPSETS,
            )
    except Exception as error:  # skl2onnx converters raise any kind of error
        raise UsageError("not_convertible", f"skl2onnx cannot convert {type(estimator).__name__}: {error}") from error
    model.ir_version = _IR_VERSION
    return _with_logit(model, estimator)


def _with_logit(model: onnx.ModelProto, estimator: Any) -> onnx.ModelProto:
    """The converted graph with the logit as its only output; nodes that only the label needs are removed."""
    if isinstance(estimator, GradientBoostingClassifier):
        body, constants = "logit = Gather <axis = 1> (probabilities, second)", {}
    elif isinstance(estimator, MLPClassifier):
        # The last sigmoid's input is the log-odds, without the rounding of a probability near 1.
        sigmoid = [node for node in model.graph.node if node.op_type == "Sigmoid"][-1]
        bound = logit_bound(estimator)
        body = f"column = Reshape ({sigmoid.input[0]}, flat)  logit = Clip (column, lowest, highest)"
        constants = {"lowest": -bound, "highest": bound}
    else:
        share = _share(estimator)
        body, constants = _LOG_ODDS, {"lowest": share, "highest": 1 - share}
    added = onnx.parser.parse_graph(f"added () => () {{ {body} }}")
    model.graph.node.extend(added.node)
    whole = {"first": np.array(0), "second": np.array(1), "flat": np.array([-1])}
    model.graph.initializer.extend(_tensors(constants | whole, np.float32))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("logit", onnx.TensorProto.FLOAT, ["n"]))
    return Extractor(model).extract_model(["features"], ["logit"])
