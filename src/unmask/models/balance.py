"""Fit a logistic regression on images weighed by generator family and source, with mixed fakes added."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from imblearn.pipeline import Pipeline

from unmask.errors import UsageError
from unmask.models.classical import Features, build_estimator
from unmask.recipes import Classifier

Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]
Weights = npt.NDArray[np.float64]

LEAST_REAL: Final = 0.3
MOST_REAL: Final = 0.7
"""Limits of the proportion of a real image in a mixed fake."""


def fit_balanced(classifier: Classifier, seed: int, features: Features, positive: Flags, names: Names) -> Pipeline:
    """A fitted pipeline of z-scores, if the recipe has them, and a logistic regression.

    Args:
        classifier: with ``balance: family-source``.
        seed: random seed of the mixed fakes.
        features: float32 [n, width], of training images only.
        positive: bool [n], what is to be found.
        names: [n], the family and source of each image.

    Raises:
        UsageError: ``bad_classifier``: a value that the estimator refuses, or images of one class only.
    """
    pipeline = build_estimator(classifier, seed)
    weight = balanced_weights(positive, names, classifier.family_power)
    scaler = pipeline.named_steps.get("standardise")
    # In single precision, as the features are: in double, it takes twice the time and memory for the same weights.
    scaled = features if scaler is None else np.asarray(scaler.fit_transform(features), np.float32)
    labels = positive
    if classifier.mixed_fakes:
        scaled, labels, weight = mix_fakes(scaled, labels, weight, classifier.mixed_fakes, seed)
    try:
        pipeline[-1].fit(scaled, labels.astype(np.int64), sample_weight=weight)
    except ValueError as error:
        raise UsageError("bad_classifier", f"The classifier cannot be fitted: {error}") from None
    return pipeline


def balanced_weights(positive: Flags, names: Names, power: float) -> Weights:
    """Weights with mean 1: half of the total for each class, and in a class for n rows of one name as n ** power.

    Args:
        positive: bool [n], the class of each row.
        names: [n], what is weighed by its number of rows.
        power: 1: every row weighs the same; 0: every name does.
    """
    weight = np.zeros(len(positive))
    for label in (False, True):
        own = positive == label
        _, member, count = np.unique(names[own], return_inverse=True, return_counts=True)
        part = (count ** (power - 1.0))[member]
        weight[own] = part / part.sum()
    return weight * len(positive) / 2


def mix_fakes(
    scaled: Features, positive: Flags, weight: Weights, per_fake: float, seed: int
) -> tuple[Features, Flags, Weights]:
    """Add fakes that are partly real, after SimLBR: mixed with 30 to 70 % of a random real image, and called fake.

    Fakes are drawn by their weight. Both classes keep the same total weight.

    Args:
        scaled: float32 [n, width], z-scores.
        positive: bool [n], the fakes.
        weight: float64 [n].
        per_fake: number of mixed fakes per fake.
        seed: random seed.

    Returns:
        Features, classes and weights of all rows, the mixed ones last.
    """
    draw = np.random.default_rng(seed)
    fakes, reals = np.flatnonzero(positive), np.flatnonzero(~positive)
    count = round(per_fake * len(fakes))
    of_fakes = draw.choice(fakes, count, p=weight[fakes] / weight[fakes].sum())
    real = draw.uniform(LEAST_REAL, MOST_REAL, (count, 1)).astype(np.float32)
    mixed = real * scaled[draw.choice(reals, count)] + (1 - real) * scaled[of_fakes]
    weight = np.concatenate([weight, np.full(count, weight[fakes].mean())])
    positive = np.concatenate([positive, np.ones(count, bool)])
    weight[positive] *= weight[~positive].sum() / weight[positive].sum()
    return np.concatenate([scaled, mixed]), positive, weight
