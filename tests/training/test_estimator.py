"""A recipe as a scikit-learn estimator."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("skl2onnx")

import joblib
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

from unmask.errors import UsageError
from unmask.training.estimator import FaceClassifier

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(
        """
name: tiny
backbone: {name: test_efficientnet, weights: [none]}
preprocessing: {size: 32, faces: null}
classifier: {estimator: logistic_regression}
"""
    )
    return str(path)


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, np.ndarray]:
    """Dark and bright noise, which any features tell apart."""
    rng = np.random.default_rng(0)
    is_fake = np.arange(24) % 2 == 1
    levels = np.where(is_fake, 180, 60)[:, None, None, None]
    return (rng.integers(0, 60, (24, 32, 32, 3)) + levels).astype(np.uint8), np.where(is_fake, "fake", "real")


def test_fit_and_predict(recipe: str, faces: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    images, labels = faces
    with pytest.raises(NotFittedError):
        FaceClassifier(recipe).predict(images)
    model = FaceClassifier(recipe).fit(images, labels)
    assert model.classes_.tolist() == ["fake", "real"]
    probability = model.predict_proba(images)
    assert probability.shape == (24, 2)
    np.testing.assert_allclose(probability.sum(1), 1)
    # The columns are in the order of the classes, and the detector says the same of each image.
    detected = [model.detector_.detect(image).fake_probability for image in images]
    np.testing.assert_allclose(probability[:, 0], detected)
    assert model.score(images, labels) > 0.9
    assert {*model.predict(images)} == {"fake", "real"}
    # The run's folder is long gone; copies hold the bundle themselves.
    joblib.dump(model, tmp_path / "model.joblib")
    for other in (copy.copy(model), copy.deepcopy(model), joblib.load(tmp_path / "model.joblib")):
        assert other.get_params() == model.get_params()
        np.testing.assert_array_equal(other.predict_proba(images), probability)
    assert not hasattr(clone(model), "detector_")


def test_numbers_as_labels(recipe: str, faces: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    from PIL import Image

    images, labels = faces
    paths = []
    for number, image in enumerate(images):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(paths[-1])
    numbers = (labels == "fake").astype(int)
    by_path = FaceClassifier(recipe).fit(paths, numbers)
    assert by_path.classes_.tolist() == [0, 1]
    # The second column is fake, and paths give what arrays give.
    np.testing.assert_allclose(
        by_path.predict_proba([str(path) for path in paths])[:, 1],
        FaceClassifier(recipe).fit(images, labels).predict_proba(images)[:, 0],
        atol=1e-6,
    )


def test_model_selection(recipe: str, faces: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = faces
    folds = cross_val_score(FaceClassifier(recipe), images, labels, cv=2, error_score="raise")
    assert folds.shape == (2,)
    assert folds.mean() > 0.8
    grid = {"overrides": [("classifier.parameters={C: 0.1}",), ("classifier.estimator=naive_bayes",)]}
    search = GridSearchCV(FaceClassifier(recipe), grid, cv=2, error_score="raise").fit(images, labels)
    assert search.best_params_["overrides"] in grid["overrides"]
    assert search.best_estimator_.predict(images[:2]).shape == (2,)


def test_parameters() -> None:
    model = FaceClassifier("s4-mobilenet", overrides=("seed=2",))
    settings = model.get_params()
    assert settings == {"recipe": "s4-mobilenet", "overrides": ("seed=2",), "validation_share": 0.2, "workers": 0}
    copy = clone(model).set_params(validation_share=0.3)
    assert (copy.recipe, copy.validation_share, model.validation_share) == ("s4-mobilenet", 0.3, 0.2)


def test_what_is_no_image_is_said(recipe: str) -> None:
    for wrong in (np.zeros((4, 8, 8), np.uint8), np.zeros((4, 8, 8, 3)), np.zeros(4)):
        with pytest.raises(UsageError) as caught:
            FaceClassifier(recipe, validation_share=0.5).fit(wrong, [0, 1, 0, 1])
        assert caught.value.code == "bad_pictures"
    with pytest.raises(UsageError, match="two classes"):
        FaceClassifier(recipe).fit(np.zeros((4, 8, 8, 3), np.uint8), [1, 1, 1, 1])


def test_importing_unmask_stays_light() -> None:
    code = "import sys, unmask, unmask.models; print(sorted({'torch', 'sklearn', 'timm'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
