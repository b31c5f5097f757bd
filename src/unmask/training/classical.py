"""From a trained or frozen network and a classical head's recipe to a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from unmask.bundle.bundle import Bundle
from unmask.bundle.compose import attach_classifier
from unmask.errors import UsageError
from unmask.imaging.session import single_thread_session
from unmask.models.classical import (
    build_estimator,
    check_convertible,
    classifier_graph,
    classifier_logit,
    fit_estimator,
    linear_coefficients,
)
from unmask.models.fusion import create_fusion
from unmask.models.heads import ClassificationHead
from unmask.models.network import FaceNetwork
from unmask.recipes import Classifier, Head, Recipe
from unmask.training.dataset import Sample
from unmask.training.export import export_features, export_with_features, parity
from unmask.training.features import Pooled
from unmask.training.package import golden_batch, package_graph

_LINEAR = ("logistic_regression", "linear_svm")


def check_classifier(recipe: Recipe, classifier: Classifier) -> None:
    """Refuse a classifier that could not be exported, before any training.

    Raises:
        UsageError: ``bad_classifier`` or ``not_convertible``.
    """
    if recipe.head.mirror and classifier.estimator not in _LINEAR:
        raise UsageError(
            "bad_classifier", f"head.mirror works with linear heads only, not with {classifier.estimator}."
        )
    check_convertible(classifier)


def package_classifier(
    recipe: Recipe,
    classifier: Classifier,
    network: FaceNetwork,
    pooled: Pooled,
    weights: dict[str, str],
    train: Sequence[Sample],
    validation: Sequence[Sample],
    manifest_digest: str,
    folder: Path,
) -> Bundle:
    """Fit a classical head on the training features, and write the bundle of backbone and head in one graph.

    Scaling, SMOTE and the classifier use training features only; calibration and thresholds are set on validation
    images. A linear classifier becomes the network's own head, so the evidence is its exact class activation map.
    Other classifiers have no map, and the bundle says so.

    Args:
        recipe: the experiment.
        classifier: its classical head.
        network: the one that gave the features; a linear classifier replaces its head.
        pooled: features of ``train`` and ``validation``.
        weights: initial weights, for the card.
        train: training samples.
        validation: validation samples.
        manifest_digest: of the manifest.
        folder: where the bundle is written.
    """
    pipeline = fit_estimator(build_estimator(classifier, recipe.seed), pooled.train, pooled.train_is_fake)
    expected = classifier_logit(pipeline, pooled.validation)
    size = recipe.preprocessing.size
    linear = linear_coefficients(pipeline)
    if linear is not None:
        _set_head(network, *linear)
        model = export_with_features(network, size)
        exported = parity(network, model, golden_batch(size))
        with torch.inference_mode():
            answer = network.logit_of(torch.from_numpy(pooled.validation)).numpy()
    else:
        features = export_features(network, size)
        graph = classifier_graph(pipeline, network.feature_width)
        model = attach_classifier(features, graph)
        exported = _features_parity(network, features, golden_batch(size))
        answer = single_thread_session(graph).run(["logit"], {"features": pooled.validation})[0]
    # Features and classifier are compared separately: a feature that another kernel rounds differently may fall on the
    # other side of a tree's threshold, which is not an error of the graph.
    fitted = float((np.abs(answer - expected) / np.maximum(1, np.abs(expected))).max())
    return package_graph(
        recipe,
        model,
        max(exported, fitted),
        weights,
        train,
        validation,
        manifest_digest,
        folder,
        evidence="none" if linear is None else "cam",
    )


def _set_head(network: FaceNetwork, weights: npt.NDArray[np.float64], bias: float) -> None:
    network.fusion = create_fusion(None, [network.feature_width])
    network.head = ClassificationHead(network.feature_width, Head(kind="linear"))
    with torch.no_grad():
        network.head.linear.weight.copy_(torch.from_numpy(weights)[None])
        network.head.linear.bias.fill_(bias)
    network.eval()


def _features_parity(network: FaceNetwork, model: bytes, pixels: npt.NDArray[np.uint8]) -> float:
    """Largest difference between the features of torch and the graph; relative where a feature is above 1."""
    with torch.inference_mode():
        eager = network.eval().pooled(torch.from_numpy(pixels)).numpy()
    exported = single_thread_session(model).run(["features"], {"pixels": pixels})[0]
    return float((np.abs(exported - eager) / np.maximum(1, np.abs(eager))).max())
