"""Weights by hand, mixed fakes, and a fit that they change as they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("imblearn")

from unmask.errors import UsageError
from unmask.models.balance import balanced_weights, fit_balanced, mix_fakes
from unmask.models.classical import linear_coefficients
from unmask.recipes import Classifier

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        # every image of a class weighs the same
        (1.0, [5 / 6, 5 / 6, 5 / 6, 5 / 4, 5 / 4]),
        # every name of a class weighs the same: two images of "a" have together what "b" has alone
        (0.0, [5 / 8, 5 / 8, 5 / 4, 5 / 4, 5 / 4]),
        # "a" has sqrt(2) times what "b" has
        (0.5, [2.5 / (2 + 2**0.5), 2.5 / (2 + 2**0.5), 2.5 / (1 + 2**0.5), 5 / 4, 5 / 4]),
    ],
)
def test_weights(power: float, expected: list[float]) -> None:
    positive = np.array([False, False, False, True, True])
    weight = balanced_weights(positive, np.array(["a", "a", "b", "c", "c"]), power)
    np.testing.assert_allclose(weight, expected)
    assert weight.sum() == pytest.approx(5)


def test_mixed_fakes_lie_between_a_fake_and_a_real() -> None:
    """Reals at 0, fakes at 10 and 20; a mixed fake is 30 to 70 % real, so it lies at 3 to 14."""
    scaled = np.array([[0.0], [0.0], [0.0], [10.0], [20.0]], np.float32)
    positive = np.array([False, False, False, True, True])
    weight = np.array([1.0, 1.0, 1.0, 0.0, 1.5])  # the fake at 10 weighs nothing, so it is never drawn
    features, labels, weights = mix_fakes(scaled, positive, weight, 100, seed=3)
    assert features.shape == (205, 1)
    np.testing.assert_array_equal(features[:5], scaled)
    assert 6 <= features[5:].min() < 7
    assert 13 < features[5:].max() <= 14
    assert labels[5:].all()
    np.testing.assert_array_equal(labels[:5], positive)
    assert weights[labels].sum() == pytest.approx(weights[~labels].sum())
    again = mix_fakes(scaled, positive, weight, 100, seed=3)
    np.testing.assert_array_equal(again[0], features)


def classifier(**settings: Any) -> Classifier:
    return Classifier(estimator="logistic_regression", balance="family-source", **settings)


def test_a_rare_family_counts() -> None:
    """Two families of fakes differ from reals in one feature each; the rare one is found once families weigh alike."""
    draw = np.random.default_rng(0)
    features = draw.normal(size=(620, 2)).astype(np.float32)
    names = np.repeat(["real", "common", "rare"], [300, 300, 20])
    features[names == "common", 0] += 2
    features[names == "rare", 1] += 2
    slopes = {}
    for power in (0.0, 1.0):
        fitted = fit_balanced(classifier(family_power=power), 0, features, names != "real", names)
        weights, _ = linear_coefficients(fitted)  # type: ignore[misc]
        slopes[power] = weights[1] / weights[0]
    assert slopes[0.0] > 0.8
    assert slopes[1.0] < 0.5


def test_z_scores_are_part_of_the_fit() -> None:
    draw = np.random.default_rng(1)
    features = draw.normal(size=(200, 3)).astype(np.float32)
    positive = features[:, 0] + draw.normal(size=200) > 0
    names = np.where(positive, "f", "r")
    plain = linear_coefficients(fit_balanced(classifier(mixed_fakes=0.5), 0, features, positive, names))
    # Scaled and moved, the same images must get the same logits.
    other = linear_coefficients(fit_balanced(classifier(mixed_fakes=0.5), 0, 8 * features + 4, positive, names))
    assert plain is not None
    assert other is not None
    np.testing.assert_allclose(
        features @ plain[0] + plain[1], (8 * features + 4) @ other[0] + other[1], rtol=1e-3, atol=1e-3
    )


def test_one_class_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be fitted"):
        fit_balanced(classifier(), 0, np.zeros((4, 2), np.float32), np.zeros(4, bool), np.array(list("abcd")))
