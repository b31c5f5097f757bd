"""From a trained or frozen network and a classical head's recipe to a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from imblearn.pipeline import Pipeline

from unmask.bundle.compose import attach_classifier
from unmask.bundle.eight_bits import store_eight_bits
from unmask.errors import UsageError
from unmask.imaging.session import single_thread_session
from unmask.models.balance import fit_balanced
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
from unmask.models.questions import QuestionHead
from unmask.recipes import Classifier, Head, Question, Recipe
from unmask.training.dataset import Sample
from unmask.training.export import export_features, export_with_features, parity
from unmask.training.features import Pooled
from unmask.training.package import Packaged, concerns, golden_batch, package_graph

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


def check_questions(recipe: Recipe, train: Sequence[Sample], validation: Sequence[Sample]) -> None:
    """Refuse questions that the images cannot answer.

    Raises:
        UsageError: ``missing_kind``: a split has no fake of a question's kinds.
    """
    for question in recipe.questions:
        for name, samples in (("train", train), ("validation", validation)):
            kinds = {sample.kind for sample in samples if sample.is_fake}
            if not kinds & set(question.kinds):
                raise UsageError(
                    "missing_kind",
                    f"The {name} split has no fake of the kinds {', '.join(question.kinds)}, which the question "
                    f"{question.name} is about. Its fakes have the kinds: {', '.join(sorted(kinds)) or 'none'}.",
                )


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
) -> Packaged:
    """Fit a classical head on the training features, and write the bundle of backbone and head in one graph.

    Scaling, SMOTE and the classifier use training features only; calibration and thresholds are set on validation
    images. A linear classifier becomes the network's own head, so the evidence is its exact class activation map. With
    questions there is one classifier for each, and noisy-or joins them.
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
    asked = recipe.questions or (None,)
    pipelines = [_fit(recipe, classifier, question, pooled, train) for question in asked]
    expected = np.stack([classifier_logit(pipeline, pooled.validation) for pipeline in pipelines], 1)
    size = recipe.preprocessing.size
    linear = [found for pipeline in pipelines if (found := linear_coefficients(pipeline)) is not None]
    if linear:
        _set_head(network, linear, recipe)
        model = store_eight_bits(export_with_features(network, size))
        exported = parity(network, model, golden_batch(size))
        with torch.inference_mode():
            seen = torch.from_numpy(pooled.validation)
            answer = (network.questions_of(seen) if network.asks else network.logit_of(seen)[:, None]).numpy()
    else:
        pipeline = pipelines[0]
        features = export_features(network, size)
        graph = classifier_graph(pipeline, network.feature_width)
        model = attach_classifier(features, graph)
        exported = _features_parity(network, features, golden_batch(size))
        answer = single_thread_session(graph).run(["logit"], {"features": pooled.validation})[0][:, None]
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
        evidence="cam" if linear else "none",
        questions=recipe.questions,
        # Of a mirrored network the graph's features are other ones.
        features=None if recipe.head.mirror else pooled.train[: len(train)],
    )


def _fit(
    recipe: Recipe, classifier: Classifier, question: Question | None, pooled: Pooled, train: Sequence[Sample]
) -> Pipeline:
    positive, used = (part[pooled.train_sample] for part in concerns(question, train))
    features = pooled.train if used.all() else pooled.train[used]
    if classifier.balance == "family-source":
        names = np.array([f"{sample.family}/{sample.source}" for sample in train])[pooled.train_sample]
        return fit_balanced(classifier, recipe.seed, features, positive[used], names[used])
    return fit_estimator(build_estimator(classifier, recipe.seed), features, positive[used])


def _set_head(network: FaceNetwork, linear: Sequence[tuple[npt.NDArray[np.float64], float]], recipe: Recipe) -> None:
    """Replace the network's head by linear units of these weights [feature_width] and biases."""
    width = network.feature_width
    network.fusion = create_fusion(None, [width])
    network.head = (
        QuestionHead(width, [question.shift for question in recipe.questions])
        if recipe.questions
        else ClassificationHead(width, Head(kind="linear"))
    )
    with torch.no_grad():
        network.head.linear.weight.copy_(torch.from_numpy(np.stack([weights for weights, _ in linear])))
        network.head.linear.bias.copy_(torch.tensor([bias for _, bias in linear]))
    network.eval()


def _features_parity(network: FaceNetwork, model: bytes, pixels: npt.NDArray[np.uint8]) -> float:
    """Largest difference between the features of torch and the graph; relative where a feature is above 1."""
    with torch.inference_mode():
        eager = network.eval().pooled(torch.from_numpy(pixels)).numpy()
    exported = single_thread_session(model).run(["features"], {"pixels": pixels})[0]
    return float((np.abs(exported - eager) / np.maximum(1, np.abs(eager))).max())
