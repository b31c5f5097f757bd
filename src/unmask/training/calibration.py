"""From validation logits to a calibrated probability, thresholds by false-positive budget, and the uncertain band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from unmask.bundle.schema import Calibration, Threshold, UncertainBand, log_odds, logistic

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BUDGETS: Final = (0.01, 0.05)
# Prior standard deviations of a new calibration's log stretch and shift relative to the old one.
_EXPECTED = np.array([0.5, 1.0])
_SURE_ACCURACY = 0.97
_MOST_UNCERTAIN = 0.25


def fit_platt(logit: Array, is_fake: Flags, provenance: str = "") -> Calibration:
    """Platt scaling by maximum likelihood (Platt 1999), with the same weight for both classes.

    With equal weights a probability does not depend on the proportion of fakes in the fitting data. Targets are
    smoothed as Platt proposes, so that perfectly separated classes have a finite solution.

    Args:
        logit: float [n], output of the network.
        is_fake: bool [n], with both classes present.
        provenance: description of the data.
    """
    slope, bias = _fit(logit, _smoothed(is_fake), _balanced(is_fake))
    return Calibration(method="platt", slope=slope, bias=bias, provenance=provenance)


def fit_temperature(logit: Array, is_fake: Flags, provenance: str = "") -> Calibration:
    """Temperature scaling (Guo et al. 2017): as :func:`fit_platt`, with a bias of 0."""
    slope, _ = _fit(logit, _smoothed(is_fake), _balanced(is_fake), has_bias=False)
    return Calibration(method="temperature", slope=slope, provenance=provenance)


def fit_isotonic(logit: Array, is_fake: Flags, provenance: str = "") -> Calibration:
    """Isotonic regression (Zadrozny and Elkan 2002) on Platt's smoothed targets, with the same weight for both classes.

    Smoothed targets avoid probabilities of 0 and 1, for which a few images are no proof.
    """
    from sklearn.isotonic import IsotonicRegression

    line = IsotonicRegression(out_of_bounds="clip").fit(logit, _smoothed(is_fake), sample_weight=_balanced(is_fake))
    # Means of equal blocks may differ in their last bits.
    heights = np.maximum.accumulate(line.y_thresholds_)
    points = tuple((float(x), float(y)) for x, y in zip(line.X_thresholds_, heights, strict=True))
    return Calibration(method="isotonic", points=points, provenance=provenance)


def fit_shrunk(logit: Array, is_fake: Flags, old: Calibration, provenance: str = "") -> Calibration:
    """An old calibration, stretched and shifted in log odds as far as the images support it.

    Platt scaling on top of the old calibration: the maximum a posteriori solution with a normal prior on the logarithm
    of the stretch (standard deviation 0.5) and on the shift (1). With few images it stays near the old calibration;
    with hundreds, the images determine it. Targets are smoothed as in :func:`fit_platt`. The effective number of
    weighted images is (sum of weights)² / sum of squares.

    Args:
        logit: float [n], output of the network.
        is_fake: bool [n], with both classes present.
        old: the calibration to start from; its prior is ignored.
        provenance: description of the data.
    """
    even = old.model_copy(update={"prior": 0.5})
    weight = _balanced(is_fake)
    worth = 1 / float((weight**2).sum())
    odds = np.array([even.odds(value) for value in logit])
    stretch, move = _fit(odds, _smoothed(is_fake), weight, pull=1 / worth)
    if old.points:
        points = tuple((at, logistic(stretch * log_odds(height) + move)) for at, height in old.points)
        return Calibration(method="isotonic", points=points, provenance=provenance)
    slope = _in_range(stretch * old.slope)
    return Calibration(method="platt", slope=slope, bias=stretch * old.bias + move, provenance=provenance)


def _smoothed(is_fake: Flags) -> Array:
    fakes, reals = int(is_fake.sum()), int((~is_fake).sum())
    return np.where(is_fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))


def _balanced(is_fake: Flags) -> Array:
    """Weights with a sum of 1, half of it for each class."""
    return np.where(is_fake, 0.5 / is_fake.sum(), 0.5 / (~is_fake).sum())


def _fit(x: Array, target: Array, weight: Array, *, has_bias: bool = True, pull: float = 0.0) -> tuple[float, float]:
    """Slope and bias with the least weighted log loss, regularised towards 1 and 0."""

    def loss(parameters: Array) -> tuple[float, Array]:
        # The slope stays positive, since its logarithm is optimised: calibration must not reverse the order.
        slope = _positive(parameters[0])
        scaled = slope * x + parameters[1]
        away = parameters / _EXPECTED
        value = float(np.sum(weight * (np.logaddexp(0, scaled) - target * scaled)) + pull * np.sum(away**2) / 2)
        residual = weight * (1 / (1 + np.exp(-np.clip(scaled, -500, 500))) - target)
        gradient = np.array([np.sum(residual * x) * slope, has_bias * np.sum(residual)])
        return value, gradient + pull * away / _EXPECTED

    fitted = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return _in_range(_positive(fitted[0])), float(fitted[1])


def _in_range(slope: float) -> float:
    """The nearest slope that a bundle may have: one of a detector that separates nothing tends to 0."""
    return min(max(slope, 1e-6), 1e6)


def _positive(logarithm: float) -> float:
    # The line search tries steps far beyond the minimum; e⁶⁰ times any logit still does not overflow.
    return math.exp(min(max(logarithm, -60.0), 60.0))


def thresholds(
    probability: Array, is_fake: Flags, budgets: Sequence[float] = BUDGETS, *, of_others: bool = False
) -> tuple[Threshold, ...]:
    """For each budget, the lowest threshold that keeps to it.

    Args:
        probability: float [n] of fake, in [0, 1].
        is_fake: bool [n].
        budgets: allowed false-positive rates, each in (0, 1).
        of_others: whether the budget holds on average for other real images, not for these: then
            ``budget * (n + 1) - 1`` of n reals may lie above the threshold (split conformal prediction, Vovk et al.
            2005). With fewer than ``1 / budget - 1`` reals no threshold is known to keep to the budget, and the one
            here is above them all.
    """
    reals = np.sort(probability[~is_fake])[::-1]
    found = []
    for budget in budgets:
        # A budget of 5 % of 39 + 1 reals allows two minus one, whatever 0.05 * 40 rounds to.
        allowed = math.floor(budget * (len(reals) + of_others) * (1 + 1e-12)) - of_others
        allowed = max(allowed, 0)
        # Just above the first real that must stay real; the threshold itself counts as fake.
        threshold = float(np.nextafter(reals[allowed], np.inf)) if allowed < len(reals) else 0.0
        threshold = min(threshold, 1.0)
        found.append(
            Threshold(
                name=threshold_name(budget),
                false_positive_budget=budget,
                fake_probability=threshold,
                true_positive_rate=float(np.mean(probability[is_fake] >= threshold)),
            )
        )
    return tuple(found)


def threshold_name(budget: float) -> str:
    """The name of a threshold: ``fpr_5`` for a budget of 5 %."""
    return f"fpr_{100 * budget:g}"


def uncertain_band(probability: Array, is_fake: Flags, threshold: float) -> UncertainBand:
    """The narrowest band around a threshold, symmetric in logits, outside which 97 % of verdicts are right.

    It covers at most a quarter of the images (more only if more lie exactly at the threshold). If that is not enough
    for 97 %, ``accuracy_outside`` gives the accuracy that was reached.

    Args:
        probability: float [n] of fake, in [0, 1].
        is_fake: bool [n].
        threshold: the one that verdicts use.
    """

    def logit(value: Array) -> Array:
        clipped = np.clip(value, 1e-9, 1 - 1e-9)
        return np.asarray(np.log(clipped) - np.log1p(-clipped))

    centre = float(logit(np.array([threshold]))[0])
    # Two images at the same distance on either side must not differ by rounding.
    distance = np.round(np.abs(logit(probability) - centre), 9)
    right = (probability >= threshold) == is_fake
    reach = 0.0
    # From the nearest distance outwards; images at the same distance are in the band together or not at all.
    for candidate in np.unique(np.append(distance, 0.0)):
        inside = distance <= candidate
        if candidate > 0 and inside.mean() > _MOST_UNCERTAIN:
            break
        reach = float(candidate)
        if not inside.all() and right[~inside].mean() >= _SURE_ACCURACY:
            break
    low, high = (1 / (1 + np.exp(-(centre + side * reach))) for side in (-1, 1))
    # Rounding must not put the threshold, or an image at the end of the band, outside it.
    ends = np.append(probability[distance <= reach], threshold)
    low, high = min(float(low), float(ends.min())), max(float(high), float(ends.max()))
    # Accuracy and coverage are counted with the final ends of the band.
    outside = (probability < low) | (probability > high)
    return UncertainBand(
        low=low,
        high=high,
        accuracy_outside=float(right[outside].mean()) if outside.any() else 0.0,
        coverage=float(1 - outside.mean()),
    )
