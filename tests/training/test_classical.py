"""Hybrids end to end: features, classical head, one graph, a bundle that answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnxscript")
pytest.importorskip("skl2onnx")

from unmask.bundle.bundle import Bundle, run_graph
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector
from unmask.errors import UsageError
from unmask.models.classical import build_estimator, classifier_logit, fit_estimator
from unmask.recipes import Recipe
from unmask.training.features import FeatureCache, extract
from unmask.training.fit import export_run, fit, load_network
from unmask.training.package import score
from unmask.training.rows import TrainingRows
from unmask.training.samples import find_samples

pytestmark = pytest.mark.train


def train(path: Path, manifest: Path, out: Path, *overrides: str) -> tuple[Recipe, Bundle]:
    recipe = Recipe.load(path, overrides)
    return recipe, fit(recipe, Manifest.open(manifest), out, workers=0, cache=out.parent / "cache")


def by_hand(recipe: Recipe, manifest: Path, run: Path) -> tuple[np.ndarray, list]:
    """What scikit-learn says of the validation images, from torch's features."""
    network = load_network(recipe, run / "checkpoints" / "best.ckpt")
    rows, validation = find_samples(recipe, TrainingRows.read(Manifest.open(manifest)), run)
    pooled = extract(network, rows, validation, recipe, FeatureCache(run / "none", max_bytes=0), workers=1)
    assert recipe.classifier is not None
    pipeline = build_estimator(recipe.classifier, recipe.seed)
    fit_estimator(pipeline, pooled.train, pooled.train_is_fake)
    return classifier_logit(pipeline, pooled.validation), validation


def test_a_forest_on_frozen_features(toy_recipe: Path, toy_manifest: Path, tmp_path: Path) -> None:
    overrides = ("classifier={estimator: random_forest, parameters: {n_estimators: 9}, balance: smote}",)
    recipe, bundle = train(toy_recipe, toy_manifest, tmp_path / "run", *overrides)
    expected, validation = by_hand(recipe, toy_manifest, tmp_path / "run")
    difference = np.abs(score(recipe, bundle.model, validation) - expected)
    # ONNX Runtime rounds features otherwise: one image in eight may fall on the other side of a threshold.
    assert np.sort(difference)[-2] <= 1e-4
    assert bundle.info.evidence == "none"
    assert bundle.info.card.metrics["onnx_parity"] <= 1e-4
    assert bundle.verify()["cases"] == 8
    # No epoch was trained: there is no table of them.
    assert not (tmp_path / "run" / "history.csv").exists()
    verdict = Detector(bundle).detect(validation[0].path)
    assert verdict.regions[0].evidence.shape == (1, 1)
    # Resumed or exported again it is the same bundle.
    manifest = Manifest.open(toy_manifest)
    again = fit(recipe, manifest, tmp_path / "run", workers=0, cache=tmp_path / "cache", resume=True)
    assert again.sha256 == bundle.sha256
    assert export_run(tmp_path / "run", manifest, tmp_path / "exported").model == bundle.model


def test_a_linear_head_has_its_exact_map(toy_recipe: Path, toy_manifest: Path, tmp_path: Path) -> None:
    overrides = ("classifier={estimator: logistic_regression}", "head.mirror=true", "preprocessing.size=64")
    _, bundle = train(toy_recipe, toy_manifest, tmp_path / "run", *overrides)
    assert bundle.info.evidence == "cam"
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    logit, evidence = run_graph(bundle.session(), pixels)
    assert evidence.shape == (2, 2, 2)
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, atol=1e-4)
    assert np.ptp(evidence[0]) > 1e-3
    # Mirrored images get the same answer: the recipe asked for it.
    np.testing.assert_allclose(run_graph(bundle.session(), pixels[:, :, ::-1].copy())[0], logit, atol=1e-4)


def test_a_linear_head_says_what_scikit_learn_says(toy_recipe: Path, toy_manifest: Path, tmp_path: Path) -> None:
    overrides = ("classifier={estimator: linear_svm, balance: weights}", "features.copies=1")
    recipe, bundle = train(toy_recipe, toy_manifest, tmp_path / "run", *overrides)
    expected, validation = by_hand(recipe, toy_manifest, tmp_path / "run")
    np.testing.assert_allclose(score(recipe, bundle.model, validation), expected, atol=1e-4, rtol=1e-4)


def test_a_classifier_after_fine_tuning(toy_recipe: Path, toy_manifest: Path, tmp_path: Path) -> None:
    overrides = (
        "classifier={estimator: naive_bayes}",
        "schedule.phases=[{epochs: 1, learning_rate: 0.003, train: all}]",
    )
    recipe, bundle = train(toy_recipe, toy_manifest, tmp_path / "run", *overrides)
    assert (tmp_path / "run" / "history.csv").exists()
    expected, validation = by_hand(recipe, toy_manifest, tmp_path / "run")
    np.testing.assert_allclose(score(recipe, bundle.model, validation), expected, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        # a parameter that is not there; a mirror that only linear heads can have; attention that nothing trains
        (["classifier={estimator: rbf_svm, parameters: {D: 1}}"], "bad_classifier"),
        (["classifier={estimator: random_forest}", "head.mirror=true"], "bad_classifier"),
        (["classifier={estimator: naive_bayes}", "backbone.attention=se"], "not_cacheable"),
    ],
)
def test_what_cannot_work_is_said_before_training(
    overrides: list[str], code: str, toy_recipe: Path, toy_manifest: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        train(toy_recipe, toy_manifest, tmp_path / "run", *overrides)
    assert caught.value.code == code
    assert not (tmp_path / "run").exists()
