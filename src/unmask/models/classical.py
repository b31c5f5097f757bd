"""Classical heads: scikit-learn classifiers on pooled features, fitted in an imbalanced-learn pipeline.

Backbones give features as float32. scikit-learn gets them as float64, so that it computes in double precision
throughout (trees convert back to float32), which :mod:`unmask.models.classical_graph` reproduces.
"""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from unmask.errors import UsageError
from unmask.models.classical_graph import classifier_graph, logit_bound
from unmask.recipes import Classifier

__all__ = ["build_estimator", "check_convertible", "classifier_graph", "classifier_logit", "fit_estimator"]

Features = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

_BALANCED = {"class_weight": "balanced"}
# Decided by the recipe, the run or the graph, so not allowed in ``classifier.parameters``.
_DECIDED_ELSEWHERE = {
    "class_weight": "classifier.balance decides it",
    "priors": "classifier.balance decides it",
    "random_state": "the recipe's seed decides it",
    "n_jobs": "fitting uses every core and prediction one",
    "probability": "the run calibrates the classifier's score",
    "break_ties": "there are two classes",
    "decision_function_shape": "there are two classes",
    "verbose": "the run keeps its own log",
    "warm_start": "a classifier is fitted once",
}
_EUCLIDEAN = "only an unweighted vote of the nearest by Euclidean distance can be exported"
_TWIN_SIDE = 64


@dataclass(frozen=True)
class _Kind:
    """A scikit-learn class, unmask's defaults, its class weights (``None``: not possible) and fixed parameters."""

    make: type
    defaults: dict[str, Any] = field(default_factory=dict)
    balanced: dict[str, Any] | None = None
    fixed: dict[str, str] = field(default_factory=dict)


_KINDS = {
    "logistic_regression": _Kind(LogisticRegression, {"max_iter": 2000}, _BALANCED),
    # On features of different scales that are not standardised, the optimiser of SVC may not terminate.
    "linear_svm": _Kind(
        SVC, {"kernel": "linear", "max_iter": 200_000}, _BALANCED, {"kernel": "the estimator's name decides it"}
    ),
    "rbf_svm": _Kind(
        SVC, {"kernel": "rbf", "max_iter": 200_000}, _BALANCED, {"kernel": "the estimator's name decides it"}
    ),
    # These are scikit-learn's defaults, written out so that they stay.
    "random_forest": _Kind(
        RandomForestClassifier,
        {"n_estimators": 100, "criterion": "gini", "bootstrap": True, "max_features": "sqrt"},
        _BALANCED,
    ),
    "k_nearest": _Kind(
        KNeighborsClassifier, fixed=dict.fromkeys(("weights", "metric", "metric_params", "p"), _EUCLIDEAN)
    ),
    # Weights that are equal within a class change only the priors of naive Bayes.
    "naive_bayes": _Kind(GaussianNB, {}, {"priors": (0.5, 0.5)}),
    "decision_tree": _Kind(DecisionTreeClassifier, {}, _BALANCED),
    "mlp": _Kind(MLPClassifier, {"early_stopping": True}),
    # Not HistGradientBoostingClassifier, which skl2onnx 1.20 cannot convert from scikit-learn 1.9. Trying every feature
    # at every split would make it a thousand times slower than a forest.
    "gradient_boosting": _Kind(GradientBoostingClassifier, {"max_features": "sqrt"}),
}


def build_estimator(classifier: Classifier, seed: int) -> Pipeline:
    """The unfitted pipeline of a classifier: ``standardise`` and ``smote`` if the recipe has them, and ``estimator``.

    Args:
        classifier: the recipe's part.
        seed: random seed of the pipeline.

    Raises:
        UsageError: ``bad_classifier``: a parameter that the estimator does not have (the message suggests the nearest
            one), that is decided elsewhere or has a wrong value; or class weights for an estimator without them.
    """
    kind = _KINDS[classifier.estimator]
    estimator = kind.make()
    known = {name for name in estimator.get_params() if name not in _DECIDED_ELSEWHERE | kind.fixed}
    for name in classifier.parameters:
        if name not in known:
            raise UsageError("bad_classifier", _unknown(name, classifier.estimator, kind, known))
    estimator.set_params(**kind.defaults | classifier.parameters)
    if classifier.balance == "weights":
        if kind.balanced is None:
            able = ", ".join(sorted(name for name, other in _KINDS.items() if other.balanced is not None))
            raise UsageError(
                "bad_classifier",
                f"classifier.balance: {classifier.estimator} has no class weights; use smote, or one of {able}.",
            )
        estimator.set_params(**kind.balanced)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    try:
        estimator._validate_params()
    except ValueError as error:
        raise UsageError("bad_classifier", f"classifier.parameters: {error}") from None
    steps: list[tuple[str, Any]] = [("standardise", StandardScaler())] if classifier.standardise else []
    if classifier.balance == "smote":
        steps.append(("smote", SMOTE(random_state=seed)))
    return Pipeline([*steps, ("estimator", estimator)])


def fit_estimator(pipeline: Pipeline, features: Features, is_fake: npt.NDArray[np.bool_]) -> Pipeline:
    """Fit a pipeline and return it. A forest is fitted on all cores; ``n_jobs`` is reset afterwards.

    Args:
        pipeline: of :func:`build_estimator`.
        features: float32 [n, width], of training images only.
        is_fake: bool [n].

    Raises:
        UsageError: ``bad_classifier``: too few images of a class, or a value that the estimator refuses.
    """
    smote = pipeline.named_steps.get("smote")
    rarer = int(min(is_fake.sum(), (~is_fake).sum()))
    if smote is not None and rarer <= smote.k_neighbors:
        raise UsageError(
            "bad_classifier",
            f"SMOTE needs more than {smote.k_neighbors} training images of each class; there are {rarer}.",
        )
    estimator = pipeline[-1]
    forest = isinstance(estimator, RandomForestClassifier)
    if forest:
        estimator.set_params(n_jobs=-1)
    try:
        pipeline.fit(features.astype(np.float64), is_fake.astype(np.int64))
    except ValueError as error:
        raise UsageError("bad_classifier", f"The classifier cannot be fitted: {error}") from None
    finally:
        if forest:
            # For one image, a single thread is faster than starting a pool.
            estimator.set_params(n_jobs=None)
    return pipeline


def classifier_logit(pipeline: Pipeline, features: Features) -> Array:
    """The logit by scikit-learn itself, which :func:`classifier_graph` must reproduce.

    Args:
        pipeline: fitted.
        features: float32 [n, width].

    Returns:
        float64 [n], towards fake: the decision function of support vector machines, the log-odds of all others.
    """
    values = features.astype(np.float64)
    estimator = pipeline[-1]
    if hasattr(estimator, "decision_function"):
        return np.asarray(pipeline.decision_function(values))
    bound = logit_bound(estimator)
    with np.errstate(divide="ignore"):
        # The log probabilities of naive Bayes are exact where its probabilities are rounded to 0 and 1.
        exact = hasattr(estimator, "predict_log_proba")
        log = pipeline.predict_log_proba(values) if exact else np.log(pipeline.predict_proba(values))
    return np.asarray(np.clip(log[:, 1] - log[:, 0], -bound, bound))


def linear_coefficients(pipeline: Pipeline) -> tuple[Array, float] | None:
    """Weights float64 [width] and bias of a fitted linear classifier on plain features, including the z-scores.

    ``None`` for a classifier that is not linear.
    """
    estimator = pipeline[-1]
    if not (isinstance(estimator, LogisticRegression) or (isinstance(estimator, SVC) and estimator.kernel == "linear")):
        return None
    weights, bias = estimator.coef_[0], float(estimator.intercept_[0])
    scaler = pipeline.named_steps.get("standardise")
    if scaler is not None:
        weights = weights / scaler.scale_
        bias -= float(weights @ scaler.mean_)
    return weights, bias


def check_convertible(classifier: Classifier) -> None:
    """Fit the classifier on a little noise and convert it, so that a run does not fail at its end.

    Raises:
        UsageError: ``bad_classifier`` as :func:`build_estimator`; ``not_convertible``: no graph can be made.
    """
    rng = np.random.default_rng(0)
    features = rng.normal(size=(_TWIN_SIDE, _TWIN_SIDE)).astype(np.float32)
    pipeline = build_estimator(classifier, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fits on noise converge badly
        fit_estimator(pipeline, features, np.arange(_TWIN_SIDE) % 2 == 0)
    classifier_graph(pipeline, _TWIN_SIDE)


def _unknown(name: str, estimator: str, kind: _Kind, known: set[str]) -> str:
    why = (_DECIDED_ELSEWHERE | kind.fixed).get(name)
    if why is not None and name in kind.make().get_params():
        return f"classifier.parameters.{name} cannot be set: {why}."
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."
    return f"{estimator} has no parameter {name}. {hint}"
