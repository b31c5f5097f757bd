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
# Standard deviations of a new calibration's log stretch and move against the old one, before images are seen.
_EXPECTED = np.array([0.5, 1.0])
_SURE_ACCURACY = 0.97
_MOST_UNCERTAIN = 0.25


def fit_platt(logit: Array, is_fake: Flags, provenance: str = "") -> Calibration:
    """Platt scaling by maximum likelihood (Platt 1999), both classes weighing the same.

    With equal weights a probability means the same whatever the mix of real and fake in the fitting data was. Targets
    are smoothed as Platt proposes, so that perfectly separated classes have a finite answer.

    Args:
        logit: float [n], of the network.
        is_fake: bool [n], with both classes present.
        provenance: what the data were, in words.
    """
    slope, bias = _fit(logit, _smoothed(is_fake), _balanced(is_fake))
    return Calibration(method="platt", slope=slope, bias=bias, provenance=provenance)


def fit_temperature(logit: Array, is_fake: Flags, provenance: str = "") -> Calibration:
    """Temperature scaling (Guo et al. 2017): as :func:`fit_platt`, with the bias held at 0."""
    slope, _ = _fit(logit, _smoothed(is_fake), _balanced(is_fake), has_bias=False)
    return Calibration(method="temperature", slope=slope, provenance=provenance)


def fit_isotonic(logit: Array, is_fake: Flags, provenance: str = "") -> Calibration:
    """Isotonic regression (Zadrozny and Elkan 2002) on Platt's smoothed targets, both classes weighing the same.

    Smoothed targets keep probabilities off 0 and 1, which a few images cannot prove.
    """
    from sklearn.isotonic import IsotonicRegression

    line = IsotonicRegression(out_of_bounds="clip").fit(logit, _smoothed(is_fake), sample_weight=_balanced(is_fake))
    # Means of equal blocks may differ in their last bits.
    heights = np.maximum.accumulate(line.y_thresholds_)
    points = tuple((float(x), float(y)) for x, y in zip(line.X_thresholds_, heights, strict=True))
    return Calibration(method="isotonic", points=points, provenance=provenance)


def fit_shrunk(logit: Array, is_fake: Flags, old: Calibration, provenance: str = "") -> Calibration:
    """An old calibration, stretched and moved in log odds as far as the images speak for it.

    Platt scaling on top of the old calibration, as the most probable answer where beforehand the logarithm of the
    stretch has a standard deviation of 0.5 and the move one of 1: with few images the answer stays near the old
    calibration, with hundreds it is that of the images. Targets are smoothed as for :func:`fit_platt`. Weighted
    images count as many as they are worth: (sum of weights)² / sum of squares.

    Args:
        logit: float [n], of the network.
        is_fake: bool [n], with both classes present.
        old: the calibration to start from; its prior is not looked at.
        provenance: what the data were, in words.
    """
    even = old.model_copy(update={"prior": 0.5})
    weight = _balanced(is_fake)
    worth = 1 / float((weight**2).sum())
    odds = np.array([even.odds(value) for value in logit])
    stretch, move = _fit(odds, _smoothed(is_fake), weight, pull=1 / worth)
    if old.points:
        points = tuple((at, logistic(stretch * log_odds(height) + move)) for at, height in old.points)
        return Calibration(method="isotonic", points=points, provenance=provenance)
    return Calibration(method="platt", slope=stretch * old.slope, bias=stretch * old.bias + move, provenance=provenance)


def _smoothed(is_fake: Flags) -> Array:
    fakes, reals = int(is_fake.sum()), int((~is_fake).sum())
    return np.where(is_fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))


def _balanced(is_fake: Flags) -> Array:
    """Weights with a sum of 1, one half for each class."""
    return np.where(is_fake, 0.5 / is_fake.sum(), 0.5 / (~is_fake).sum())


def _fit(x: Array, target: Array, weight: Array, *, has_bias: bool = True, pull: float = 0.0) -> tuple[float, float]:
    """Slope and bias with the least weighted log loss, pulled towards 1 and 0."""

    def loss(parameters: Array) -> tuple[float, Array]:
        # The slope is kept above 0 by optimising its logarithm: calibration must not turn the order round.
        slope = _positive(parameters[0])
        scaled = slope * x + parameters[1]
        away = parameters / _EXPECTED
        value = float(np.sum(weight * (np.logaddexp(0, scaled) - target * scaled)) + pull * np.sum(away**2) / 2)
        residual = weight * (1 / (1 + np.exp(-np.clip(scaled, -500, 500))) - target)
        gradient = np.array([np.sum(residual * x) * slope, has_bias * np.sum(residual)])
        return value, gradient + pull * away / _EXPECTED

    fitted = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return _positive(fitted[0]), float(fitted[1])


def _positive(logarithm: float) -> float:
    # The line search tries steps far beyond the minimum; e⁶⁰ of any logit still has no overflow in it.
    return math.exp(min(max(logarithm, -60.0), 60.0))


def thresholds(
    probability: Array, is_fake: Flags, budgets: Sequence[float] = BUDGETS, *, of_others: bool = False
) -> tuple[Threshold, ...]:
    """For each budget the lowest cut that keeps to it.

    Args:
        probability: float [n] of fake, in [0, 1].
        is_fake: bool [n].
        budgets: shares of the reals that may be called fake, each in (0, 1).
        of_others: whether the budget is kept on average over other reals, not among these: of n reals then
            ``budget * (n + 1) - 1`` may lie above the cut (split conformal prediction, Vovk et al. 2005). With fewer
            than ``1 / budget - 1`` reals no cut is known to keep to it, and the one here lies above them all.
    """
    reals = np.sort(probability[~is_fake])[::-1]
    found = []
    for budget in budgets:
        # A budget of 5 % of 39 + 1 reals allows two less one, whatever 0.05 * 40 rounds to.
        allowed = math.floor(budget * (len(reals) + of_others) * (1 + 1e-12)) - of_others
        allowed = max(allowed, 0)
        # Everything above the first real that must stay real; the cut itself counts as fake.
        cut = float(np.nextafter(reals[allowed], np.inf)) if allowed < len(reals) else 0.0
        cut = min(cut, 1.0)
        found.append(
            Threshold(
                name=threshold_name(budget),
                false_positive_budget=budget,
                fake_probability=cut,
                true_positive_rate=float(np.mean(probability[is_fake] >= cut)),
            )
        )
    return tuple(found)


def threshold_name(budget: float) -> str:
    """What a cut is called: ``fpr_5`` for a budget of 5 %."""
    return f"fpr_{100 * budget:g}"


def uncertain_band(probability: Array, is_fake: Flags, threshold: float) -> UncertainBand:
    """The narrowest band around a threshold, even in logits, outside which 97 % of verdicts are right.

    It covers at most a quarter of the images, or those at the threshold itself where they alone are more: where
    that is not enough, the band says what accuracy it left.

    Args:
        probability: float [n] of fake, in [0, 1].
        is_fake: bool [n].
        threshold: the cut that verdicts use.
    """

    def logit(value: Array) -> Array:
        clipped = np.clip(value, 1e-9, 1 - 1e-9)
        return np.asarray(np.log(clipped) - np.log1p(-clipped))

    centre = float(logit(np.array([threshold]))[0])
    # Two images as far from the cut on either side must not differ by rounding.
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
    # Rounding must not put the cut, or an image at the band's very end, outside it.
    ends = np.append(probability[distance <= reach], threshold)
    low, high = min(float(low), float(ends.min())), max(float(high), float(ends.max()))
    # What is claimed of the band is counted with the band itself.
    outside = (probability < low) | (probability > high)
    return UncertainBand(
        low=low,
        high=high,
        accuracy_outside=float(right[outside].mean()) if outside.any() else 0.0,
        coverage=float(1 - outside.mean()),
    )
