"""Classical heads: what the pipeline holds, what it refuses, and that the graph says what scikit-learn says."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("imblearn")
pytest.importorskip("skl2onnx")

from imblearn.over_sampling import SMOTE
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from unmask.errors import UsageError
from unmask.imaging.session import single_thread_session
from unmask.models import classical
from unmask.models.classical import (
    build_estimator,
    check_convertible,
    classifier_graph,
    classifier_logit,
    fit_estimator,
    linear_coefficients,
)
from unmask.recipes import Classifier
from unmask.recipes.parts import Estimator

pytestmark = pytest.mark.train

WIDTH = 24
ESTIMATORS = get_args(Estimator)
# Small enough to be quick where the default is not.
QUICK: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 20},
    "gradient_boosting": {"n_estimators": 20},
    "mlp": {"max_iter": 30},
}


def features(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features as networks give them, not negative, of unlike scales; a third is fake."""
    rng = np.random.default_rng(seed)
    values = np.maximum(rng.normal(0.3, 1, (count, WIDTH)), 0)
    score = values[:, :4].sum(1) + rng.normal(0, 0.7, count)
    return (values * np.geomspace(0.1, 10, WIDTH)).astype(np.float32), score > np.quantile(score, 2 / 3)


def fitted(estimator: Any, **settings: Any) -> Any:
    parameters = QUICK.get(estimator, {}) | settings.pop("parameters", {})
    classifier = Classifier(estimator=estimator, parameters=parameters, **settings)
    return fit_estimator(build_estimator(classifier, seed=3), *features(300, 0))


def graph_logit(pipeline: Any, values: np.ndarray) -> np.ndarray:
    return np.asarray(single_thread_session(classifier_graph(pipeline, WIDTH)).run(["logit"], {"features": values})[0])


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_graph_says_what_scikit_learn_says(estimator: str, standardise: bool) -> None:
    pipeline = fitted(estimator, standardise=standardise, balance="smote")
    values, _ = features(1000, 1)
    expected = classifier_logit(pipeline, values)
    ours = graph_logit(pipeline, values)
    assert ours.shape == (1000,)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)
    assert np.ptp(expected) > 1  # it does tell images apart
    # And against scikit-learn's own words, without our logit in between.
    if hasattr(pipeline[-1], "predict_proba"):
        probability = pipeline.predict_proba(values.astype(np.float64))[:, 1]
        # No further than half a step from 0 and 1: half of one of 20 trees, of 5 neighbours, of some training rows.
        half_step = {"random_forest": 1 / 40, "k_nearest": 1 / 10, "decision_tree": 1 / 600}.get(estimator, 2e-6)
        np.testing.assert_allclose(1 / (1 + np.exp(-ours.astype(float))), probability, rtol=0, atol=half_step + 1e-5)
    clear = np.abs(expected) > 1e-3  # a tie of votes is no one's
    predicted = pipeline.predict(values.astype(np.float64))
    np.testing.assert_array_equal(ours[clear] > 0, predicted[clear] == 1)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_training_rows_say_agrees_too(estimator: str) -> None:
    # Thresholds of trees lie between training values; neighbours and support vectors are training rows.
    pipeline = fitted(estimator)
    values, _ = features(300, 0)
    np.testing.assert_allclose(graph_logit(pipeline, values), classifier_logit(pipeline, values), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("estimator", "parameters", "bound"),
    [
        # half a vote of ten trees: odds of 19 to 1
        ("random_forest", {"n_estimators": 10}, np.log(19)),
        # half a neighbour of four: odds of 7 to 1
        ("k_nearest", {"n_neighbors": 4}, np.log(7)),
        # half a training row of 300, of which the tree was grown on all
        ("decision_tree", {}, np.log(599)),
        # one in a million
        ("naive_bayes", {}, np.log(1e6 - 1)),
    ],
)
def test_certainty_stays_finite(estimator: str, parameters: dict[str, Any], bound: float) -> None:
    pipeline = fitted(estimator, parameters=parameters)
    values, _ = features(300, 0)
    values[::2] *= 30  # far out, where naive Bayes is as sure as can be
    ours = graph_logit(pipeline, values)
    assert np.isfinite(ours).all()
    assert np.abs(ours).max() == pytest.approx(bound, abs=1e-4)


def test_forest_is_that_of_the_paper_by_default() -> None:
    pipeline = build_estimator(Classifier(estimator="random_forest", balance="smote"), seed=7)
    assert [name for name, _ in pipeline.steps] == ["standardise", "smote", "estimator"]
    forest = pipeline[-1]
    settings = (forest.n_estimators, forest.criterion, forest.bootstrap, forest.max_features)
    assert settings == (100, "gini", True, "sqrt")
    assert forest.random_state == pipeline["smote"].random_state == 7
    plain = build_estimator(Classifier(estimator="random_forest", standardise=False), seed=7)
    assert [name for name, _ in plain.steps] == ["estimator"]


def test_smote_and_scaling_see_training_rows_only() -> None:
    pipeline = fitted("logistic_regression", balance="smote")
    train, is_fake = features(300, 0)
    # The z-score is that of the real rows, before SMOTE adds any.
    np.testing.assert_allclose(pipeline["standardise"].mean_, train.astype(float).mean(0))
    # The estimator saw both classes equally often: the same coefficients from what SMOTE makes by hand.
    scaled = pipeline["standardise"].transform(train.astype(float))
    more, labels = SMOTE(random_state=3).fit_resample(scaled, is_fake.astype(int))
    assert np.bincount(labels)[0] == np.bincount(labels)[1] > is_fake.sum()
    by_hand = build_estimator(Classifier(estimator="logistic_regression"), 3)[-1].fit(more, labels)
    np.testing.assert_allclose(pipeline[-1].coef_, by_hand.coef_)
    # Answering adds no rows.
    assert classifier_logit(pipeline, features(7, 5)[0]).shape == (7,)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_seed_gives_the_same_graph(estimator: str) -> None:
    first, second = (classifier_graph(fitted(estimator, balance="smote"), WIDTH) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_class_weights_or_a_clear_no(estimator: Any) -> None:
    if estimator in {"k_nearest", "mlp", "gradient_boosting"}:
        with pytest.raises(UsageError, match=f"{estimator} has no class weights"):
            build_estimator(Classifier(estimator=estimator, balance="weights"), 1)
        return
    values, _ = features(1000, 1)
    plain, weighted = (classifier_logit(fitted(estimator, balance=balance), values) for balance in ("none", "weights"))
    # A third is fake: weighing the classes equally moves answers towards it. A fully grown tree has pure leaves,
    # which no weight changes, only where it splits.
    assert not np.array_equal(plain, weighted)
    if estimator not in {"decision_tree", "random_forest"}:
        assert weighted.mean() > plain.mean()


def test_jobs_are_never_left_on() -> None:
    pipeline = fitted("random_forest")
    assert pipeline[-1].n_jobs is None


@pytest.mark.parametrize(
    ("estimator", "parameters", "part"),
    [
        # a slip of the pen, with the right name near
        ("random_forest", {"n_estimator": 5}, "Did you mean n_estimators?"),
        # nothing near: all there are
        ("naive_bayes", {"zzz": 5}, "There are: var_smoothing."),
        # a wrong type, and a value out of range, in scikit-learn's words
        (
            "random_forest",
            {"n_estimators": "many"},
            "'n_estimators' parameter of RandomForestClassifier must be an int",
        ),
        ("rbf_svm", {"C": -1.0}, "'C' parameter of SVC must be a float in the range"),
        # what the recipe decides elsewhere
        ("random_forest", {"n_jobs": 2}, "fitting uses every core"),
        ("logistic_regression", {"class_weight": "balanced"}, "classifier.balance decides it"),
        ("mlp", {"random_state": 1}, "seed decides it"),
        # what the name of the estimator says, and what no graph can hold
        ("linear_svm", {"kernel": "poly"}, "the estimator's name decides it"),
        ("k_nearest", {"metric": "cosine"}, "can be exported"),
    ],
)
def test_wrong_parameters_are_named(estimator: Any, parameters: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_convertible(Classifier(estimator=estimator, parameters=parameters))
    assert caught.value.code == "bad_classifier"
    assert part in caught.value.message


def test_too_few_images_for_smote() -> None:
    values, _ = features(40, 0)
    pipeline = build_estimator(Classifier(estimator="naive_bayes", balance="smote"), 1)
    with pytest.raises(UsageError, match="more than 5 training images of each class; there are 5"):
        fit_estimator(pipeline, values, np.arange(40) < 5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_is_convertible(estimator: Any) -> None:
    check_convertible(Classifier(estimator=estimator, parameters=QUICK.get(estimator, {})))


def test_what_skl2onnx_cannot_convert_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # scikit-learn's own subclass mechanism: an estimator that skl2onnx has never heard of.
    class Unheard(GradientBoostingClassifier):  # type: ignore[misc]
        pass

    kind = classical._Kind(Unheard, {"n_estimators": 2})
    monkeypatch.setitem(classical._KINDS, "gradient_boosting", kind)
    with pytest.raises(UsageError, match="skl2onnx cannot convert Unheard") as caught:
        check_convertible(Classifier(estimator="gradient_boosting"))
    assert caught.value.code == "not_convertible"


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("estimator", ["logistic_regression", "linear_svm"])
def test_folded_coefficients_give_the_logit(estimator: str, standardise: bool) -> None:
    pipeline = fitted(estimator, standardise=standardise)
    folded = linear_coefficients(pipeline)
    assert folded is not None
    values, _ = features(50, 2)
    np.testing.assert_allclose(values @ folded[0] + folded[1], classifier_logit(pipeline, values), atol=1e-8)


@pytest.mark.parametrize("estimator", ["rbf_svm", "random_forest", "naive_bayes"])
def test_other_classifiers_have_no_coefficients(estimator: str) -> None:
    assert linear_coefficients(fitted(estimator)) is None


def test_the_pipeline_is_a_forest_of_scikit_learn() -> None:
    # Numbers of scikit-learn itself, fitted without our help on the same rows.
    train, is_fake = features(300, 0)
    values, _ = features(200, 1)
    scaled = (train - train.astype(float).mean(0)) / train.astype(float).std(0)
    forest = RandomForestClassifier(20, random_state=3).fit(scaled, is_fake)
    there = (values - train.astype(float).mean(0)) / train.astype(float).std(0)
    probability = np.clip(forest.predict_proba(there)[:, 1], 1 / 40, 39 / 40)
    ours = graph_logit(fitted("random_forest"), values)
    np.testing.assert_allclose(ours, np.log(probability / (1 - probability)), atol=1e-5)
