"""From logit to probability, against SciPy's logistic function."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unmask.bundle.schema import Calibration

LOGITS = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(LOGITS, st.floats(1e-3, 100), st.floats(-100, 100))
@example(0.0, 1.0, 0.0)
@example(1e6, 100.0, 100.0)
@example(-1e6, 100.0, -100.0)
@example(709.8, 1.0, 0.0)  # where exp overflows
@example(-745.2, 1.0, 0.0)  # where exp underflows
def test_probability_is_scipys_expit(logit: float, slope: float, bias: float) -> None:
    special = pytest.importorskip("scipy.special")
    probability = Calibration(method="platt", slope=slope, bias=bias).probability(logit)
    assert 0 <= probability <= 1
    assert probability == pytest.approx(float(special.expit(slope * logit + bias)), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("slope", "bias", "logit", "expected"),
    [
        pytest.param(1.0, 0.0, 0.0, 0.5, id="nothing said"),
        pytest.param(1.0, 0.0, math.log(3), 0.75, id="odds of 3 to 1"),
        pytest.param(1.0, 0.0, -math.log(3), 0.25, id="odds of 1 to 3"),
        pytest.param(0.5, 0.0, 2 * math.log(9), 0.9, id="a temperature of 2 halves the logit"),
        pytest.param(2.0, math.log(4), 0.0, 0.8, id="the bias alone: odds of 4 to 1"),
        pytest.param(1.0, 0.0, math.inf, 1.0, id="beyond all doubt"),
        pytest.param(1.0, 0.0, -math.inf, 0.0, id="beyond all doubt the other way"),
    ],
)
def test_probability_by_hand(slope: float, bias: float, logit: float, expected: float) -> None:
    assert Calibration(method="platt", slope=slope, bias=bias).probability(logit) == pytest.approx(expected)


@given(LOGITS, LOGITS)
def test_probability_keeps_the_order(a: float, b: float) -> None:
    calibration = Calibration(method="platt", slope=0.7, bias=-0.3)
    if a <= b:
        assert calibration.probability(a) <= calibration.probability(b) + 1e-15


@given(st.floats(-30, 30))
def test_real_and_fake_mirror_each_other(logit: float) -> None:
    calibration = Calibration()
    assert calibration.probability(logit) + calibration.probability(-logit) == pytest.approx(1)
