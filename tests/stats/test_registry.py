"""Every registered metric against scikit-learn or a case worked by hand; a new one needs its oracle here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pytest

from unmask.stats.images import Images
from unmask.stats.metrics import Flags, Floats
from unmask.stats.registry import METRICS, RESAMPLED, MetricValues, Proportion, proportion

Oracle = Callable[[Any, Images, Floats], float]


def _of_class(function: str, fake: bool) -> Oracle:
    def oracle(sk: Any, images: Images, weight: Floats) -> float:
        found = getattr(sk, function)(
            images.is_fake, images.called_fake, pos_label=fake, sample_weight=weight, zero_division=np.nan
        )
        return float(found)

    return oracle


def _weighted(function: str) -> Oracle:
    return lambda sk, images, weight: getattr(sk, function)(
        images.is_fake, images.called_fake, average="weighted", sample_weight=weight
    )


def _of_answers(function: str) -> Oracle:
    return lambda sk, images, weight: getattr(sk, function)(images.is_fake, images.called_fake, sample_weight=weight)


def _of_scores(function: str) -> Oracle:
    return lambda sk, images, weight: getattr(sk, function)(images.is_fake, images.probability, sample_weight=weight)


def _found_at(budget: float) -> Oracle:
    def oracle(sk: Any, images: Images, weight: Floats) -> float:
        false_positives, found, _ = sk.roc_curve(
            images.is_fake, images.probability, sample_weight=weight, drop_intermediate=False
        )
        return float(found[false_positives <= budget + 1e-12].max())

    return oracle


def _crossing(sk: Any, images: Images, weight: Floats) -> float:
    x, y, _ = sk.roc_curve(images.is_fake, images.probability, sample_weight=weight, drop_intermediate=False)
    along = np.linspace(0, 1, 1_000_001)  # a fine walk along the curve
    places = np.linspace(0, 1, len(x))
    misses = np.abs(np.interp(along, places, x) + np.interp(along, places, y) - 1)
    return float(np.interp(along[misses.argmin()], places, x))


def _calibration_error(_: Any, images: Images, weight: Floats) -> float:
    total = 0.0
    for at in range(15):
        # The last bin holds 1 as well.
        own = (images.probability >= at / 15) & ((images.probability < (at + 1) / 15) | (at == 14))
        total += abs(float((weight * (images.probability - images.is_fake))[own].sum()))
    return total / float(weight.sum())


def _mean(values: Flags, among: Flags, weight: Floats) -> float:
    return float(np.average(values[among], weights=weight[among]))


ORACLES: Final[Mapping[str, Oracle]] = {
    "accuracy": _of_answers("accuracy_score"),
    "recall_fake": _of_class("recall_score", True),
    "specificity": _of_class("recall_score", False),
    "precision_fake": _of_class("precision_score", True),
    "precision_real": _of_class("precision_score", False),
    "accuracy_outside_band": lambda _, images, weight: _mean(images.is_right, _outside(images), weight),
    "uncertain_rate": lambda _, images, weight: _mean(~_outside(images), np.ones(len(images), bool), weight),
    "balanced_accuracy": _of_answers("balanced_accuracy_score"),
    "f1_fake": _of_class("f1_score", True),
    "f1_real": _of_class("f1_score", False),
    "f1_weighted": _weighted("f1_score"),
    "precision_weighted": _weighted("precision_score"),
    "mcc": _of_answers("matthews_corrcoef"),
    "auc": _of_scores("roc_auc_score"),
    "average_precision": _of_scores("average_precision_score"),
    "eer": _crossing,
    "tpr_at_fpr_1": _found_at(0.01),
    "tpr_at_fpr_5": _found_at(0.05),
    "log_loss": _of_scores("log_loss"),
    "brier": _of_scores("brier_score_loss"),
    "ece": _calibration_error,
}


def _outside(images: Images) -> Flags:
    return (images.probability < 0.4) | (images.probability > 0.6)


def _images(seed: int) -> Images:
    draw = np.random.default_rng(seed)
    is_fake = draw.random(120) < 0.4
    probability = np.clip(np.round(0.5 + 0.2 * draw.normal(size=120) + 0.2 * (is_fake - 0.5), 2), 0.0, 1.0)
    uncertain = (probability >= 0.4) & (probability <= 0.6)
    return Images(is_fake, probability, probability >= 0.5, np.arange(120) // 2, uncertain)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_every_metric_agrees_with_its_oracle(name: str, seed: int) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    images = _images(seed)
    values = MetricValues(images, (name,))
    for weight in (np.ones(120), np.random.default_rng(seed).integers(0, 4, 120).astype(float)):
        tolerance = 1e-5 if name == "eer" else 1e-9
        assert values(weight)[0] == pytest.approx(ORACLES[name](sk, images, weight), abs=tolerance), name


def test_every_metric_has_an_oracle_and_a_title_of_its_own() -> None:
    assert set(ORACLES) == set(METRICS)
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    assert all(name == metric.name for name, metric in METRICS.items())


def test_together_they_are_what_they_are_alone() -> None:
    images, weight = _images(4), np.random.default_rng(4).integers(0, 3, 120).astype(float)
    together = MetricValues(images, tuple(METRICS))(weight)
    assert together.tolist() == [MetricValues(images, (name,))(weight)[0] for name in METRICS]
    # A curve that the caller has already is used.
    values = MetricValues(images, RESAMPLED)
    assert values(weight, values.ranking.roc(weight)).tolist() == values(weight).tolist()


def test_unreadable_images_are_mistakes_and_have_no_probability() -> None:
    # Four images by hand: a fake at 0.9, a real at 0.2, an unreadable fake (called real), an unreadable real.
    nan = math.nan
    is_fake = np.array([True, False, True, False])
    called = np.array([True, False, False, True])
    uncertain = np.array([False, True, False, False])
    images = Images(is_fake, np.array([0.9, 0.2, nan, nan]), called, np.arange(4), uncertain)
    names = ("accuracy", "auc", "brier", "uncertain_rate", "accuracy_outside_band")
    found = dict(zip(names, MetricValues(images, names)(np.ones(4)), strict=True))
    # AUC: of the four pairs only 0.9 against 0.2 is in order. Brier: (0.1² + 0.2²) / 2. One of two readable images is
    # uncertain. Outside the band lie the first and both unreadable ones: 1 of 3 is right.
    assert found == pytest.approx(
        {"accuracy": 0.5, "auc": 0.25, "brier": 0.025, "uncertain_rate": 0.5, "accuracy_outside_band": 1 / 3}
    )


def test_what_is_unknown_has_no_value() -> None:
    images = Images(np.array([True, False]), np.array([0.9, 0.2]), np.array([True, False]), np.arange(2))
    for name in ("uncertain_rate", "accuracy_outside_band"):
        success, among = proportion(images, name)
        assert not among.any() and not success.any()
        assert math.isnan(MetricValues(images, (name,))(np.ones(2))[0])
    with pytest.raises(ValueError, match="auc is not a proportion"):
        proportion(images, "auc")


def test_proportions_are_not_resampled() -> None:
    assert set(RESAMPLED) == {name for name, metric in METRICS.items() if not isinstance(metric, Proportion)}
