"""The whole result: failures, slices, headline, groups, and the figures that a published matrix gives."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unmask.errors import UsageError
from unmask.evaluation.evaluate import evaluate as evaluate_scores
from unmask.evaluation.measure import measure
from unmask.evaluation.scores import Scores
from unmask.stats import metrics
from unmask.stats.images import Images
from unmask.stats.registry import METRICS
from unmask.stats.resample import Draws

MakeScores = Callable[..., Scores]
FEW = Draws(draws=100, workers=1)


def evaluate(*given: Any, **named: Any) -> dict[str, Any]:
    """The result as its file holds it."""
    return evaluate_scores(*given, **named).to_dict()


def _mixed(make_scores: MakeScores, n: int = 90, seed: int = 0) -> Scores:
    draw = np.random.default_rng(seed)
    is_fake = np.arange(n) % 3 == 0
    probability = np.clip(0.3 + 0.3 * is_fake + draw.normal(0, 0.2, n), 0, 1)
    return make_scores(
        is_fake,
        probability,
        source=[("a", "b", "only-real")[at // 3 % 2 if fake else at // 2 % 3] for at, fake in enumerate(is_fake)],
        generator=["gan" if fake else "camera" for fake in is_fake],
        group=[f"g{at // 2}" for at in range(n)],
        seen=["true" if at % 2 else "false" for at in range(n)],
        age=["old" if at < 20 else "young" for at in range(n)],
    )


def test_published_matrices_of_a_lopsided_test_set(from_matrix: MakeScores) -> None:
    # 42 real and 561 fake faces; 37 reals and 555 fakes called right, and a second system with five more fakes missed.
    first, second = from_matrix(37, 5, 555, 6, model="a"), from_matrix(37, 5, 550, 11, model="b")
    result = evaluate(first, draws=FEW)
    assert round(result["overall"]["baseline"]["accuracy"], 3) == 0.930
    assert result["overall"]["baseline"]["answer"] == "fake"
    figures = result["overall"]["metrics"]
    assert figures["accuracy"]["value"] == pytest.approx(592 / 603, abs=1e-9)
    assert figures["balanced_accuracy"]["value"] == pytest.approx(0.935, abs=5e-4)
    assert result["overall"]["confusion"]["real"] == {"called_real": 37, "called_fake": 5, "unreadable": 0}
    from unmask.evaluation.compare import compare

    pair = compare([first, second], FEW).to_dict()["pairs"][0]
    assert (pair["only_first_right"], pair["only_second_right"]) == (5, 0)
    assert pair["accuracy"]["p"] == 0.0625 and not pair["accuracy"]["established"]


def test_every_metric_has_value_interval_and_n(make_scores: MakeScores) -> None:
    found = evaluate(_mixed(make_scores), draws=FEW)["overall"]
    assert tuple(found["metrics"]) == tuple(METRICS)
    # The table does not say which predictions are uncertain.
    unknown = [found["metrics"].pop(name) for name in ("accuracy_outside_band", "uncertain_rate")]
    assert all((each["value"], each["low"], each["n"]) == (None, None, 0) for each in unknown)
    for name, figure in found["metrics"].items():
        assert figure["low"] <= figure["value"] + 0.1 and figure["high"] >= figure["value"] - 0.1, name
        assert figure["low"] < figure["high"] and figure["n"] > 0, name
    scores = _mixed(make_scores)
    expected = metrics.auc(scores.fake_probability, scores.is_fake)
    assert found["metrics"]["auc"]["value"] == pytest.approx(expected, abs=1e-9)


def test_what_could_not_be_read_is_wrong(make_scores: MakeScores) -> None:
    # Perfect but for one real and one fake that could not be read.
    found = evaluate(
        make_scores([False] * 4 + [True] * 4, [0.1, 0.2, 0.0, math.nan, 0.9, 0.8, 1.0, math.nan]), draws=FEW
    )
    overall = found["overall"]
    assert overall["failures"] == 2 and len(found["failures"]) == 2
    assert overall["confusion"]["fake"] == {"called_real": 0, "called_fake": 3, "unreadable": 1}
    values = {name: figure["value"] for name, figure in overall["metrics"].items()}
    assert values["accuracy"] == values["recall_fake"] == values["specificity"] == 0.75
    # Of 16 pairs of a fake and a real, the 9 of readable ones are in order; a failure wins none, not even half.
    assert values["auc"] == 9 / 16
    # The real that failed is a false positive at every threshold: 1 of 4 reals.
    assert values["tpr_at_fpr_1"] == values["tpr_at_fpr_5"] == 0
    # Probabilities are judged where there are any.
    assert overall["metrics"]["brier"]["n"] == 6 and values["brier"] == pytest.approx((0.01 + 0.04 + 0.01 + 0.04) / 6)
    # Failures are not among the confident mistakes.
    assert found["mistakes"] == {"real_called_fake": [], "fake_called_real": []}


@pytest.mark.parametrize(
    ("is_fake", "probability"),
    [
        # One image of either class; two of one class; all equal; nothing readable of one class; all failed.
        ([True], [0.7]),
        ([False], [0.7]),
        ([True, True], [0.2, 0.9]),
        ([True, False, True], [0.5, 0.5, 0.5]),
        ([True, False, False], [math.nan, 0.5, 0.1]),
        ([True, False], [math.nan, math.nan]),
    ],
)
def test_degenerate_tables_have_a_result(
    is_fake: list[bool], probability: list[float], make_scores: MakeScores
) -> None:
    source = ["s"] * len(is_fake)
    result = evaluate(make_scores(is_fake, probability, source=source), draws=FEW)
    json.dumps(result, allow_nan=False)
    figures = result["overall"]["metrics"]
    if len(set(is_fake)) == 1:
        for name in ("auc", "balanced_accuracy", "eer", "tpr_at_fpr_5"):
            assert figures[name]["value"] is None, name
    # Bootstrap intervals of what never varies are none rather than of no width.
    assert all(figure["low"] is None or figure["low"] < figure["high"] for figure in figures.values())


def test_perfect_separation_claims_no_certainty(make_scores: MakeScores) -> None:
    figures = evaluate(make_scores([False, True] * 3, [0.1, 0.9] * 3), draws=FEW)["overall"]["metrics"]
    assert figures["auc"] == {"value": 1.0, "low": None, "high": None, "method": "bootstrap", "n": 6}
    assert figures["accuracy"]["low"] == pytest.approx(0.6097, abs=1e-4)


def test_slices_are_the_figures_of_their_images(make_scores: MakeScores) -> None:
    scores = _mixed(make_scores)
    result = evaluate(scores, ["age"], FEW)
    assert list(result["by"]) == ["source", "generator", "seen", "age"]
    source = np.array(scores.column("source"))
    for entry in result["by"]["source"]:
        own = source == entry["value"]
        reals, fakes = own & ~scores.is_fake, own & scores.is_fake
        assert (entry["n_real"], entry["n_fake"]) == (reals.sum(), fakes.sum())
        assert entry["specificity"]["value"] == pytest.approx((scores.fake_probability[reals] < 0.5).mean())
        against = reals | scores.is_fake
        assert entry["auc_of_reals"]["value"] == pytest.approx(
            metrics.auc(scores.fake_probability[against], scores.is_fake[against]), abs=1e-9
        )
        if not fakes.any():
            assert entry["value"] == "only-real"
            assert entry["auc_of_fakes"] is entry["auc_within"] is entry["recall_fake"] is None
            continue
        against = fakes | ~scores.is_fake
        assert entry["auc_of_fakes"]["value"] == pytest.approx(
            metrics.auc(scores.fake_probability[against], scores.is_fake[against]), abs=1e-9
        )
        assert entry["auc_of_fakes"]["low"] < entry["auc_of_fakes"]["value"] < entry["auc_of_fakes"]["high"]
        assert entry["auc_within"]["value"] == pytest.approx(
            metrics.auc(scores.fake_probability[own], scores.is_fake[own]), abs=1e-9
        )


def test_an_unknown_column_is_named(make_scores: MakeScores) -> None:
    with pytest.raises(UsageError, match="'size'; there are source") as caught:
        evaluate(_mixed(make_scores), ["size"], FEW)
    assert caught.value.code == "unknown_column"


def test_the_headline_names_the_worst_source_and_the_unseen(make_scores: MakeScores) -> None:
    scores = make_scores(
        [False] * 6 + [True] * 6,
        # Source b gets one of three reals wrong, source c two of three fakes.
        [0.1, 0.2, 0.1, 0.1, 0.9, 0.2, 0.9, 0.9, 0.9, 0.1, 0.2, 0.9],
        source=["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["c"] * 3,
        seen=["true"] * 3 + ["false"] * 3 + ["true"] * 3 + ["false"] * 3,
    )
    head = evaluate(scores, draws=FEW)["headline"]
    assert head["worst_source"]["real"]["source"] == "b" and head["worst_source"]["fake"]["source"] == "c"
    assert head["worst_source"]["fake"]["value"] == pytest.approx(1 / 3) and head["worst_source"]["fake"]["n"] == 3
    assert head["worst_source"]["fake"]["seen"] is False
    assert (head["sources"], head["sources_seen"]) == (3, 1)
    assert head["unseen"]["n"] == 6 and head["unseen"]["accuracy"]["value"] == 0.5
    # 9 of 12 right, and half would be by saying fake: with 12 images that is not shown.
    assert head["baseline_accuracy"] == 0.5 and head["above_baseline"] is False


def test_groups_are_judged_by_their_mean(make_scores: MakeScores) -> None:
    # Each video's frames: one misleading, the mean right.
    scores = make_scores(
        [False] * 4 + [True] * 4,
        [0.6, 0.1, 0.7, 0.2, 0.4, 0.9, 0.3, 0.8],
        group=["u", "u", "v", "v", "w", "w", "x", "x"],
    )
    result = evaluate(scores, draws=FEW)
    assert result["overall"]["metrics"]["accuracy"]["value"] == 0.5
    assert result["by_group"]["n"] == 4 and result["by_group"]["metrics"]["accuracy"]["value"] == 1.0
    # One image a group: nothing to add.
    assert evaluate(make_scores([False, True], [0.1, 0.2]), draws=FEW)["by_group"] is None


def test_the_same_seed_gives_the_same_result(make_scores: MakeScores) -> None:
    scores = _mixed(make_scores)
    assert evaluate(scores, draws=FEW) == evaluate(scores, draws=Draws(100, 0, 3))
    assert evaluate(scores, draws=FEW) != evaluate(scores, draws=Draws(100, 1, 1))


def test_rows_in_another_order_give_the_same_values(make_scores: MakeScores) -> None:
    scores = _mixed(make_scores)
    order = np.random.default_rng(3).permutation(len(scores))
    shuffled = make_scores(scores.is_fake[order], scores.fake_probability[order])
    one, other = (
        measure(Images.of(table), FEW)[0].metrics
        for table in (make_scores(scores.is_fake, scores.fake_probability), shuffled)
    )
    for name in METRICS:
        assert one[name].value == pytest.approx(other[name].value, abs=1e-9), name


def test_the_most_confident_mistakes_come_first(make_scores: MakeScores) -> None:
    result = evaluate(make_scores([False] * 3 + [True] * 3, [0.6, 0.99, 0.2, 0.4, 0.01, 0.9]), draws=FEW)
    assert [entry["path"] for entry in result["mistakes"]["real_called_fake"]] == ["1.png", "0.png"]
    assert [entry["path"] for entry in result["mistakes"]["fake_called_real"]] == ["4.png", "3.png"]
