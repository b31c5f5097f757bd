"""How different an image is from the training images: a distance of features, and the threshold for a warning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from unmask.bundle.compose import Reference, attach_distance
from unmask.bundle.schema import OutOfDistribution
from unmask.imaging.session import single_thread_session
from unmask.progress import progress_bar
from unmask.recipes import Recipe
from unmask.training.dataset import Sample, seen

QUANTILE = 0.99
_DIRECTIONS = 64
# Fewer images say little about the spread of features; more hardly change it.
_LEAST_IMAGES, _MOST_IMAGES = 64, 4000


def attach_novelty(
    recipe: Recipe, model: bytes, train: Sequence[Sample], features: npt.NDArray[np.float32] | None = None
) -> bytes:
    """The graph with a distance from the training images instead of its features.

    Args:
        recipe: the experiment; its seed selects the images if there are more than 4,000.
        model: a graph; without an output ``features`` it is returned unchanged.
        train: training images; with fewer than 64 there is no distance.
        features: float32 [n, width], the graph's features of ``train`` where they are known; else they are computed.
    """
    session = single_thread_session(model)
    if "features" not in {item.name for item in session.get_outputs()}:
        return model
    if len(train) < _LEAST_IMAGES:
        return attach_distance(model, None)
    chosen = np.sort(np.random.default_rng(recipe.seed).permutation(len(train))[:_MOST_IMAGES])
    if features is not None:
        return attach_distance(model, fit_reference(features[chosen]))
    computed = []
    with progress_bar("training features", len(chosen)) as advance:
        for place in chosen:
            computed.append(session.run(["features"], {"pixels": seen(train[place], recipe.preprocessing)[None]})[0][0])
            advance()
    return attach_distance(model, fit_reference(np.stack(computed)))


def fit_reference(features: npt.NDArray[np.float32], directions: int = _DIRECTIONS) -> Reference:
    """Mean and covariance of features scaled to length 1, the covariance by probabilistic PCA.

    The distance is Mahalanobis' (Lee et al., NeurIPS 2018) on normalised features (Mueller and Hein, ICML 2025), with
    the covariance of Tipping and Bishop (1999): as measured along the leading directions, and constant along the rest,
    which a few images cannot estimate one by one.

    Args:
        features: float32 [n, width].
        directions: number of leading directions; fewer if there are too few images or features.
    """
    unit = features.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    mean = unit.mean(0)
    _, sizes, axes = np.linalg.svd(unit - mean, full_matrices=False)
    variances = np.zeros(unit.shape[1])
    variances[: len(sizes)] = sizes**2 / len(unit)
    # At most half of the possible directions, so that enough are left to estimate the rest.
    count = max(1, min(directions, len(unit) // 2, unit.shape[1] // 2))
    floor = 1e-6 * max(float(variances.sum()) / len(variances), 1e-12)
    return Reference(
        mean=mean.astype(np.float32),
        directions=np.ascontiguousarray(axes[:count].T, np.float32),
        variances=np.maximum(variances[:count], floor).astype(np.float32),
        rest=max(float(variances[count:].mean()), floor),
    )


def novelty_threshold(distance: npt.NDArray[np.float64], training_pictures: int) -> OutOfDistribution:
    """The distance within which 99 % of validation images lie.

    Args:
        distance: float64 [n], of validation images.
        training_pictures: number of training images, of which at most 4,000 were used.
    """
    return OutOfDistribution(
        threshold=float(np.quantile(distance, QUANTILE)),
        quantile=QUANTILE,
        pictures=len(distance),
        training_pictures=min(training_pictures, _MOST_IMAGES),
    )
