"""Pooling the logits of a track, against values worked by hand."""

from __future__ import annotations

import math

import pytest

from unmask.video.pooling import POOLINGS, pool


@pytest.mark.parametrize(
    ("name", "logits", "top", "wanted"),
    [
        ("mean", [1.0], 0.25, 1.0),
        ("mean", [1.0, -3.0], 0.25, -1.0),
        # The highest quarter of eight: two of them.
        ("top-k-mean", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0], 0.25, 7.0),
        # At least one frame counts.
        ("top-k-mean", [-2.0, 5.0], 0.1, 5.0),
        # All frames: the mean.
        ("top-k-mean", [1.0, -3.0], 1.0, -1.0),
        # Two frames of one half each: real with 1/4, fake with 3/4.
        ("noisy-or", [0.0, 0.0], 0.25, math.log(3)),
        ("noisy-or", [2.0], 0.25, 2.0),
        # Sixteen frames that are surely fake are surer than one.
        ("noisy-or", [36.0] * 16, 0.25, 576.0),
    ],
)
def test_poolings(name: str, logits: list[float], top: float, wanted: float) -> None:
    assert pool(logits, name, top) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", POOLINGS)
def test_extreme_logits_stay_finite(name: str) -> None:
    assert math.isfinite(pool([1e6, 1e6, -1e6], name))
    assert math.isfinite(pool([-1e6] * 50, name))
