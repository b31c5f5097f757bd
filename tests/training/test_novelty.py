"""The distance from the training images: as a covariance matrix gives it, in the graph as in numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch

from unmask.bundle.bundle import ask_graph
from unmask.bundle.compose import Reference, attach_distance, combine
from unmask.bundle.golden import golden_pixels
from unmask.imaging.session import single_thread_session
from unmask.models.network import FaceNetwork
from unmask.recipes import Recipe
from unmask.training.export import export_onnx, export_with_features
from unmask.training.novelty import attach_novelty, fit_reference, novelty_threshold

pytestmark = pytest.mark.train

SIZE = 32
PIXELS = np.stack([golden_pixels(seed, SIZE) for seed in range(12)])


def distances(features: np.ndarray, reference: Reference) -> np.ndarray:
    """Mahalanobis by the whole covariance matrix, over the root of the width."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    axes = reference.directions.astype(np.float64)
    covariance = reference.rest * np.eye(len(axes)) + axes @ np.diag(reference.variances - reference.rest) @ axes.T
    centred = unit - reference.mean
    squares = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(covariance), centred)
    return np.asarray(np.sqrt(squares / len(axes)))


def test_a_reference_is_the_covariance_of_probabilistic_pca() -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(3)
    features = (rng.normal(size=(300, 20)) * np.linspace(3, 0.2, 20) + 5).astype(np.float32)
    reference = fit_reference(features, 6)
    unit = features.astype(np.float64) / np.linalg.norm(features, axis=1, keepdims=True)
    pca = PCA(6, svd_solver="full").fit(unit)
    # scikit-learn divides by n - 1, maximum likelihood by n.
    oracle = pca.get_covariance() * 299 / 300
    axes = reference.directions.astype(np.float64)
    ours = reference.rest * np.eye(20) + axes @ np.diag(reference.variances - reference.rest) @ axes.T
    np.testing.assert_allclose(ours, oracle, rtol=1e-3, atol=1e-7)
    # Over the images that it was fitted on the mean square of the distance is 1, but for the shared rest.
    assert np.mean(distances(features, reference) ** 2) == pytest.approx(1, abs=1e-3)


@pytest.fixture(scope="module")
def network() -> FaceNetwork:
    torch.manual_seed(5)
    recipe = {
        "name": "t",
        "backbone": {"name": "test_efficientnet", "weights": ["none"]},
        "preprocessing": {"size": SIZE},
        "head": {"mirror": True},
    }
    return FaceNetwork(Recipe.model_validate(recipe)).eval()


def test_the_graph_measures_the_distance_of_its_features(network: FaceNetwork) -> None:
    with torch.inference_mode():
        logit, evidence, features = (each.numpy() for each in network.answer(torch.from_numpy(PIXELS)))
    reference = fit_reference(features[:8], 3)
    model = attach_distance(export_with_features(network, SIZE), reference)
    session = single_thread_session(model)
    assert [item.name for item in session.get_outputs()] == ["logit", "evidence", "distance"]
    answer = ask_graph(session, PIXELS)
    assert answer.distance is not None
    np.testing.assert_allclose(answer.distance, distances(features, reference), rtol=2e-2)
    # Logit and evidence are those of the graph without a distance, to the bit.
    plain = ask_graph(single_thread_session(export_onnx(network, SIZE)), PIXELS)
    assert plain.distance is None
    np.testing.assert_array_equal(answer.logit, plain.logit)
    np.testing.assert_array_equal(answer.evidence, plain.evidence)
    np.testing.assert_allclose(answer.logit, logit, atol=1e-4)
    np.testing.assert_allclose(answer.evidence, evidence, atol=1e-4)
    # A graph of two such members says the mean of theirs; one member without leaves it out.
    both = ask_graph(single_thread_session(combine([model, model], [0.5, 0.5], 0.0)), PIXELS)
    assert both.distance is not None
    np.testing.assert_allclose(both.distance, answer.distance, rtol=1e-6)
    without = attach_distance(export_with_features(network, SIZE), None)
    assert ask_graph(single_thread_session(combine([model, without], [0.5, 0.5], 0.0)), PIXELS).distance is None


def test_features_of_both_sides_are_pooled(network: FaceNetwork) -> None:
    batch = torch.from_numpy(PIXELS[:2])
    with torch.inference_mode():
        pooled = (network.pooled(batch) + network.pooled(batch.flip(2))) / 2
        torch.testing.assert_close(network.answer(batch)[2], pooled)


def test_few_images_give_no_distance(network: FaceNetwork) -> None:
    recipe = Recipe.model_validate({"name": "t", "preprocessing": {"size": SIZE}})
    model = attach_novelty(recipe, export_with_features(network, SIZE), [])
    assert [item.name for item in single_thread_session(model).get_outputs()] == ["logit", "evidence"]
    assert attach_novelty(recipe, model, []) is model  # nothing to measure, nothing to do


def test_the_threshold_by_hand() -> None:
    found = novelty_threshold(np.arange(101.0), 6000)
    assert (found.threshold, found.quantile, found.pictures, found.training_pictures) == (99.0, 0.99, 101, 4000)


def test_features_that_never_vary_are_survived() -> None:
    reference = fit_reference(np.ones((100, 5), np.float32))
    assert np.isfinite(reference.variances).all()
    assert reference.rest > 0
