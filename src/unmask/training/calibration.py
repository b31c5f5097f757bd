"""From validation logits to a calibrated probability, thresholds by false-positive budget, and the uncertain band."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from unmask.bundle.schema import Calibration, Threshold, UncertainBand

Array = npt.NDArray[np.float64]
_BUDGETS = (0.01, 0.05)
_SURE_ACCURACY = 0.97
_MOST_UNCERTAIN = 0.25


def fit_platt(logit: Array, is_fake: npt.NDArray[np.bool_], provenance: str = "") -> Calibration:
    """Platt scaling by maximum likelihood (Platt 1999), both classes weighing the same.

    With equal weights a probability means the same whatever the mix of real and fake in the fitting data was. Targets
    are smoothed as Platt proposes, so that perfectly separated classes have a finite answer.

    Args:
        logit: float [n], of the network.
        is_fake: bool [n], with both classes present.
        provenance: what the data were, in words.
    """
    fakes, reals = int(is_fake.sum()), int((~is_fake).sum())
    target = np.where(is_fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weight = np.where(is_fake, 0.5 / fakes, 0.5 / reals)

    def loss(parameters: Array) -> tuple[float, Array]:
        # The slope is kept above 0 by optimising its logarithm: calibration must not turn the order round.
        slope = np.exp(parameters[0])
        scaled = slope * logit + parameters[1]
        value = float(np.sum(weight * (np.logaddexp(0, scaled) - target * scaled)))
        residual = weight * (1 / (1 + np.exp(-np.clip(scaled, -500, 500))) - target)
        return value, np.array([np.sum(residual * logit) * slope, np.sum(residual)])

    fitted = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return Calibration(method="platt", slope=float(np.exp(fitted[0])), bias=float(fitted[1]), provenance=provenance)


def thresholds(probability: Array, is_fake: npt.NDArray[np.bool_]) -> tuple[Threshold, ...]:
    """For each budget the lowest cut that calls no larger share of the reals fake.

    Args:
        probability: float [n] of fake, in [0, 1].
        is_fake: bool [n].
    """
    reals = np.sort(probability[~is_fake])[::-1]
    found = []
    for budget in _BUDGETS:
        allowed = int(np.floor(budget * len(reals)))
        # Everything above the first real that must stay real; the cut itself counts as fake.
        cut = float(np.nextafter(reals[allowed], np.inf)) if allowed < len(reals) else 0.0
        cut = min(cut, 1.0)
        found.append(
            Threshold(
                name=f"fpr_{round(100 * budget)}",
                false_positive_budget=budget,
                fake_probability=cut,
                true_positive_rate=float(np.mean(probability[is_fake] >= cut)),
            )
        )
    return tuple(found)


def uncertain_band(probability: Array, is_fake: npt.NDArray[np.bool_], threshold: float) -> UncertainBand:
    """The narrowest band around a threshold, even in logits, outside which 97 % of verdicts are right.

    It covers at most a quarter of the pictures, or those at the threshold itself where they alone are more: where
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
    distance = np.abs(logit(probability) - centre)
    right = (probability >= threshold) == is_fake
    reach = 0.0
    # From the nearest distance outwards; pictures at the same distance are in the band together or not at all.
    for candidate in np.unique(np.append(distance, 0.0)):
        inside = distance <= candidate
        if candidate > 0 and inside.mean() > _MOST_UNCERTAIN:
            break
        reach = float(candidate)
        if not inside.all() and right[~inside].mean() >= _SURE_ACCURACY:
            break
    low, high = (1 / (1 + np.exp(-(centre + side * reach))) for side in (-1, 1))
    # Rounding must not put the cut, or a picture at the band's very end, outside it.
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
