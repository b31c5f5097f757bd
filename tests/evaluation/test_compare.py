"""Comparing detectors: pairing, what is established, and what is said."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unmask.errors import UsageError
from unmask.evaluation.compare import compare as compare_scores
from unmask.evaluation.scores import Scores
from unmask.stats.resample import Draws
from unmask.stats.significance import holm

MakeScores = Callable[..., Scores]
FEW = Draws(draws=200, workers=1)


def compare(*given: Any, **named: Any) -> dict[str, Any]:
    """The result as its file holds it."""
    return compare_scores(*given, **named).to_dict()


def _noisy(make_scores: MakeScores, noise: float, model: str, n: int = 300) -> Scores:
    draw = np.random.default_rng([n, round(100 * noise)])
    is_fake = np.arange(n) % 2 == 0
    logit = 3.0 * is_fake - 1.5 + noise * draw.normal(size=n)
    return make_scores(is_fake, 1 / (1 + np.exp(-logit)), model=model)


def test_a_clear_difference_is_established(make_scores: MakeScores) -> None:
    result = compare([_noisy(make_scores, 1.0, "good"), _noisy(make_scores, 4.0, "bad")], FEW)
    pair = result["pairs"][0]
    for measure in ("accuracy", "balanced_accuracy", "auc"):
        assert (
            pair[measure]["established"] and 0 < pair[measure]["low"] < pair[measure]["value"] < pair[measure]["high"]
        )
    text = "\n".join(result["sentences"])
    assert "Established: good is more often right" in text and "Established: good has the higher AUC" in text
    json.dumps(result, allow_nan=False)


def test_the_same_answers_differ_in_nothing(make_scores: MakeScores) -> None:
    scores = _noisy(make_scores, 2.0, "one")
    result = compare([scores, replace(scores, model="two")], FEW)
    pair = result["pairs"][0]
    assert [pair[measure]["p"] for measure in ("accuracy", "balanced_accuracy", "auc")] == [1.0, 1.0, 1.0]
    assert "Established" not in "\n".join(result["sentences"]) and "Not established" in result["sentences"][1]


def test_groups_are_taken_as_wholes(make_scores: MakeScores) -> None:
    # One better on ten frames of one video: ten images for it, one unit of evidence.
    is_fake = [True] * 10 + [False] * 10
    groups = ["v"] * 10 + [f"r{at}" for at in range(10)]
    better = make_scores(is_fake, [0.9] * 10 + [0.1] * 10, model="better", group=groups)
    worse = make_scores(is_fake, [0.2] * 10 + [0.1] * 10, model="worse", group=groups)
    pair = compare([better, worse], FEW)["pairs"][0]
    assert pair["only_first_right"] == 10
    assert pair["accuracy"]["p"] == pair["balanced_accuracy"]["p"] == 1.0
    # The same frames as images of their own.
    alone = compare([replace(better, columns={}), replace(worse, columns={})], FEW)["pairs"][0]
    assert alone["accuracy"]["p"] == pytest.approx(2 / 2**10)


def test_three_are_corrected_and_asked_together(make_scores: MakeScores) -> None:
    tables = [_noisy(make_scores, noise, name) for noise, name in ((1.0, "a"), (1.5, "b"), (4.0, "c"))]
    result = compare(tables, FEW)
    assert [(pair["first"], pair["second"]) for pair in result["pairs"]] == [("a", "b"), ("a", "c"), ("b", "c")]
    plain = [pair["accuracy"]["p"] for pair in result["pairs"]]
    assert [pair["accuracy"]["p_holm"] for pair in result["pairs"]] == holm(plain)
    assert result["cochran_q"]["degrees"] == 2 and result["cochran_q"]["p"] < 0.05
    assert any("not all equally often right" in line for line in result["sentences"])


def test_only_common_images_count(make_scores: MakeScores) -> None:
    first = make_scores([True, False, True], [0.9, 0.1, 0.8], model="a", paths=["x", "y", "z"])
    second = make_scores([True, False], [0.2, 0.3], model="b", paths=["z", "y"])
    result = compare([first, second], FEW)
    assert result["n"] == 2 and [entry["left_out"] for entry in result["detectors"]] == [1, 0]
    assert (result["pairs"][0]["only_first_right"], result["pairs"][0]["only_second_right"]) == (1, 0)


def test_failures_are_mistakes(make_scores: MakeScores) -> None:
    first = make_scores([True, False], [0.9, 0.1], model="a")
    second = make_scores([True, False], [math.nan, math.nan], model="b")
    result = compare([first, second], FEW)
    assert result["pairs"][0]["only_first_right"] == 2 and result["detectors"][1]["failures"] == 2
    assert result["detectors"][1]["auc"] == 0.0


def test_bare_answers_have_no_ranks_to_test(from_matrix: MakeScores) -> None:
    pair = compare([from_matrix(37, 5, 555, 6, model="a"), from_matrix(37, 5, 540, 21, model="b")], FEW)["pairs"][0]
    assert pair["auc"]["p"] is None and not pair["auc"]["established"]
    assert pair["accuracy"]["established"]


def test_detectors_of_one_name_are_told_apart(make_scores: MakeScores) -> None:
    scores = _noisy(make_scores, 2.0, "same")
    other = replace(scores, name="other.csv")
    assert [entry["name"] for entry in compare([scores, other], FEW)["detectors"]] == ["same.csv", "other.csv"]
    assert [entry["name"] for entry in compare([scores, scores], FEW)["detectors"]] == ["same.csv (1)", "same.csv (2)"]


@pytest.mark.parametrize(
    ("paths", "labels", "code"),
    [
        # Other images altogether; the same image under another label.
        (["p", "q"], [True, False], "nothing_in_common"),
        (["0.png", "1.png"], [True, True], "labels_differ"),
    ],
)
def test_what_cannot_be_paired(make_scores: MakeScores, paths: list[str], labels: list[bool], code: str) -> None:
    first = make_scores([True, False], [0.9, 0.1])
    with pytest.raises(UsageError) as caught:
        compare([first, make_scores(labels, [0.5, 0.5], paths=paths)], FEW)
    assert caught.value.code == code
    assert code != "labels_differ" or "'1.png'" in caught.value.message


def test_one_table_is_no_comparison(make_scores: MakeScores) -> None:
    with pytest.raises(UsageError, match="two tables"):
        compare([make_scores([True], [0.5])], FEW)
