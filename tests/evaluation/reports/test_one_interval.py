"""Each metric of the same images has one interval by one method, in the results and on everything made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask.bundle.bundle import Bundle
from unmask.evaluation.degradations import tiers
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.reports.evaluation import Beside, report
from unmask.evaluation.reports.model_card import model_card
from unmask.evaluation.results import Evaluation, Robustness
from unmask.evaluation.results.base import DetectorFacts
from unmask.evaluation.robustness import measure_conditions
from unmask.evaluation.scores import Scores
from unmask.stats.registry import METRICS, Proportion
from unmask.stats.resample import Draws

FEW = Draws(draws=100, workers=1)
# What a result calls a metric where it does not use the metric's own name.
NAMES = {
    "auc_within": "auc",
    "auc_of_reals": "auc",
    "auc_of_fakes": "auc",
    "uncertain": "uncertain_rate",
    "fake": "recall_fake",
    "real": "specificity",
}
SHOWN = re.compile(r"(\d+\.\d+)( %)? \((\d+\.\d+)–(\d+\.\d+)\)")


@pytest.fixture(scope="module")
def results(
    make_scores: Callable[..., Scores], make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, Evaluation, Robustness]:
    """120 images in 40 groups, whose two sources hold both classes."""
    bundle = make_bundle(tmp_path_factory.mktemp("bundle") / "b")
    draw = np.random.default_rng(5)
    is_fake = np.arange(120) // 3 % 2 == 0
    shift = np.repeat(draw.normal(0, 0.1, 40), 3)  # images of a group are alike

    def table(noise: float) -> Scores:
        probability = np.clip(0.35 + 0.3 * is_fake + shift + draw.normal(0, noise, 120), 0, 1)
        return make_scores(
            is_fake,
            probability,
            group=[f"g{at // 3}" for at in range(120)],
            source=["a" if at < 60 else "b" for at in range(120)],
            uncertain=[str(bool(0.4 < value < 0.6)).lower() for value in probability],
            face_found=["true" if at % 7 else "false" for at in range(120)],
        )

    tables = {"clean": table(0.1), "web": table(0.2), "hard": table(0.3)}
    facts = DetectorFacts(bundle_sha256=bundle.sha256)
    return (
        bundle,
        evaluate(tables["clean"], draws=FEW, detector=facts),
        measure_conditions(tables, tiers()[:3], FEW, detector=facts),
    )


def _metrics(content: Any, name: str = "", images: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every metric in a result's JSON: its name, of which images ('' for all clean ones), and the metric."""
    if isinstance(content, dict):
        if "figures" in content:  # a condition
            images = content["name"].removeprefix("clean")
        if isinstance(content.get("value"), str):  # a slice
            images = content["value"]
        images += content.get("source", "") if "low" in content else ""
        if {"value", "low", "high"} <= content.keys():
            yield name, images, content
        for key, value in content.items():
            yield from _metrics(value, key, "groups" if key == "by_group" else images)
    elif isinstance(content, list):
        for value in content:
            yield from _metrics(value, name, images)


def test_each_metric_of_the_same_images_has_one_interval(results: tuple[Bundle, Evaluation, Robustness]) -> None:
    _, evaluation, robustness = results
    intervals: dict[tuple[str, str, int, float], set[tuple[float, float, str]]] = {}
    for name, images, found in [*_metrics(evaluation.to_dict()), *_metrics(robustness.to_dict())]:
        name = NAMES.get(name, name)
        if name in METRICS:
            method = "wilson" if isinstance(METRICS[name], Proportion) else "bootstrap"
            assert found["method"] == method, name
            key = (name, images, found["n"], found["value"])
            intervals.setdefault(key, set()).add((found["low"], found["high"], found["method"]))
    assert len(intervals) > len(METRICS)
    assert {key: ends for key, ends in intervals.items() if len(ends) > 1} == {}
    # The clean images are those evaluated, and the draws the same.
    clean, overall = robustness.condition("clean").figures, evaluation.overall.metrics
    for name in ("auc", "balanced_accuracy", "recall_fake", "specificity"):
        assert getattr(clean, name).model_dump(exclude={"drop"}) == overall[name].model_dump(), name


def test_pages_show_no_other_interval(results: tuple[Bundle, Evaluation, Robustness], tmp_path: Path) -> None:
    bundle, evaluation, robustness = results
    known = {
        (
            round(scale * found["value"], digits),
            round(scale * found["low"], digits),
            round(scale * found["high"], digits),
        )
        for _, _, found in [*_metrics(evaluation.to_dict()), *_metrics(robustness.to_dict())]
        if found["low"] is not None
        for scale, digits in ((1, 3), (100, 1))
    }
    of_evaluation = report(evaluation, beside=Beside(robustness))
    for page in (of_evaluation.html(), of_evaluation.markdown(), model_card(bundle, [evaluation, robustness])):
        shown = [(float(value), float(low), float(high)) for value, _, low, high in SHOWN.findall(page)]
        assert len(shown) > 30
        assert set(shown) <= known
