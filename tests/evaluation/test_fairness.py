"""Rates by group: who is compared, what is established, and what readers are warned of, in every output."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from unmask.bundle.bundle import Bundle
from unmask.cli import app
from unmask.errors import UsageError
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.fairness import LEAST
from unmask.evaluation.reports.evaluation import report
from unmask.evaluation.reports.fairness import fairness_lines
from unmask.evaluation.reports.model_card import model_card
from unmask.evaluation.results import Evaluation
from unmask.evaluation.scores import Scores
from unmask.stats import metrics
from unmask.stats.resample import Draws

MakeScores = Callable[..., Scores]
FEW = Draws(draws=200, workers=1)


def _table(make_scores: MakeScores, counts: dict[str, tuple[int, int, int, int]], **columns: Any) -> Scores:
    """A table with groups by age: real images called real, called fake, fakes called fake, called real."""
    is_fake: list[bool] = []
    probability: list[float] = []
    ages: list[str] = []
    draw = np.random.default_rng(1)
    for age, (kept, lost, found, missed) in counts.items():
        for fake, called_fake, n in (
            (False, False, kept),
            (False, True, lost),
            (True, True, found),
            (True, False, missed),
        ):
            is_fake += [fake] * n
            probability += draw.uniform(0.5 if called_fake else 0.0, 1.0 if called_fake else 0.499, n).tolist()
            ages += [age] * n
    return make_scores(is_fake, probability, age=ages, **columns)


def test_a_case_by_hand(make_scores: MakeScores) -> None:
    # Old: 36 of 40 reals kept, 20 of 40 fakes found; young: 30 of 50 and 45 of 50; 5 images of an age with too few.
    scores = _table(
        make_scores, {"old": (36, 4, 20, 20), "young": (30, 20, 45, 5), "baby": (3, 0, 2, 0), "": (2, 0, 1, 0)}
    )
    found = evaluate(scores, ["age"], FEW).fairness["age"]
    kept = found.gaps["specificity"]
    # Newcombe's interval of 36 of 40 less 30 of 50, as worked in tests/stats/test_gaps.py.
    assert (kept.value, kept.low, kept.high) == pytest.approx((0.3, 0.1201, 0.4508), abs=1e-4)
    assert (kept.highest, kept.lowest, kept.groups, kept.established) == ("old", "young", 2, True)
    fakes = found.gaps["recall_fake"]
    assert (fakes.value, fakes.highest, fakes.lowest) == (pytest.approx(0.4), "young", "old")
    assert found.least == LEAST == 30 and found.blank == 3
    assert found.small == dict.fromkeys(("specificity", "recall_fake", "auc_within"), ("baby",))
    # The table does not say which predictions are uncertain, nor the sources.
    assert not {"uncertain_real", "uncertain_fake"} & set(found.gaps) and found.own_sources == {}


def test_the_gap_of_areas(make_scores: MakeScores) -> None:
    scores = _table(make_scores, {"old": (40, 0, 40, 0), "young": (20, 20, 20, 20)})
    gap = evaluate(scores, ["age"], FEW).fairness["age"].gaps["auc_within"]
    old = np.array(scores.column("age")) == "old"
    areas = [metrics.auc(scores.fake_probability[own], scores.is_fake[own]) for own in (old, ~old)]
    assert gap.value == pytest.approx(areas[0] - areas[1], abs=1e-9) and areas[0] == 1.0
    assert gap.low is not None and gap.high is not None and 0 < gap.low < gap.value < gap.high
    assert (gap.method, gap.established) == ("bootstrap", True)


def test_images_of_one_video_count_as_one(make_scores: MakeScores) -> None:
    counts = {"old": (36, 4, 40, 0), "young": (30, 10, 40, 0)}
    alone = evaluate(_table(make_scores, counts), ["age"], FEW).fairness["age"].gaps["specificity"]
    # Ten neighbours in the table are one group, and mostly right or wrong together.
    grouped = _table(make_scores, counts, group=[f"v{at // 10}" for at in range(160)])
    wide = evaluate(grouped, ["age"], FEW).fairness["age"].gaps["specificity"]
    assert alone.value == wide.value
    assert (alone.low or 0) > (wide.low or 0) or (wide.high or 0) > (alone.high or 0)


def test_uncertain_verdicts_and_sources(make_scores: MakeScores) -> None:
    counts = {"old": (40, 0, 40, 0), "young": (40, 0, 40, 0)}
    uncertain = ["true"] * 40 + ["false"] * 120
    # Neither age has images of a source of the other.
    source = ["archive"] * 80 + ["web", "phone"] * 40
    scores = _table(make_scores, counts, uncertain=uncertain, source=source)
    result = evaluate(scores, ["age"], FEW)
    # The 40 real images of old people are uncertain, and no others.
    gap = result.fairness["age"].gaps["uncertain_real"]
    assert (gap.value, gap.highest) == (1.0, "old") and result.fairness["age"].gaps["uncertain_fake"].value == 0.0
    old = result.by["age"][0]
    assert old.uncertain_real is not None and old.uncertain_fake is not None
    assert (old.uncertain_real.value, old.uncertain_fake.value) == (1.0, 0.0)
    assert result.fairness["age"].own_sources == {"old": 1.0, "young": 1.0}
    mixed = _table(make_scores, counts, source=["web"] * 100 + ["archive"] * 60)
    # Sources as groups are not warned of themselves.
    assert evaluate(mixed, ["source"], FEW).fairness["source"].own_sources == {}
    assert evaluate(mixed, ["age"], FEW).fairness["age"].own_sources == {"young": 0.75}


def test_only_columns_that_were_asked_for_are_compared(make_scores: MakeScores) -> None:
    scores = _table(make_scores, {"old": (30, 5, 35, 5)}, source=["web"] * 75)
    assert evaluate(scores, (), FEW).fairness == {}
    result = evaluate(scores, ["age", "source", "age"], FEW)
    assert list(result.fairness) == ["age", "source"]
    # One group: there is nothing to compare.
    assert result.fairness["age"].gaps == {}
    assert fairness_lines(result, "age")[0] == "No rate has two groups of at least 30 images each: nothing is compared."


def test_a_column_of_identifiers_is_not_compared(make_scores: MakeScores) -> None:
    # 101 values with 30 images each.
    ages = np.repeat([f"{at}" for at in range(101)], 30)
    scores = make_scores(np.zeros(3030, bool), np.full(3030, 0.2), age=ages.tolist())
    assert evaluate(scores, ["age"], Draws(draws=100, workers=1)).fairness["age"].gaps == {}


def test_every_output_says_it(make_scores: MakeScores, tmp_path: Path) -> None:
    scores = _table(
        make_scores,
        {"<old>": (36, 4, 20, 20), "young": (30, 20, 45, 5), "baby": (3, 0, 2, 0)},
        source=["archive"] * 80 + ["web"] * 105,
    )
    scores.write(tmp_path / "scores.csv")
    command = ["evaluate", "--scores", str(tmp_path / "scores.csv"), "--by", "age", "--draws", "100"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    expected = [
        "Real images called real: largest gap 30.0 percentage points (12.0–45.1), <old> above young, of 2 groups; "
        "established.",
        "Too few images (under 30 of a class) of baby to compare: real images called real, fakes found, AUC.",
        "100 % of the images of <old> are from sources that no other group has: a gap may be that of the sources, not "
        "of age.",
    ]
    for line in expected:
        assert line in shown.stdout
    assert "This does not say why" in shown.stdout
    told = Evaluation.from_json(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert told.fairness["age"].gaps["specificity"].established
    made = report(told)
    page, text = made.html(), made.markdown()
    for line in expected:
        assert line.replace("<", "&lt;").replace(">", "&gt;") in page
        assert line.replace("<", "\\<").replace(">", "\\>") in text
    bundle = Bundle.open()
    of_bundle = told.model_copy(update={"detector": told.detector.model_copy(update={"bundle_sha256": bundle.sha256})})
    assert "By age:" in (card := model_card(bundle, [of_bundle])) and "\\<old\\> above young" in card
    assert page.count('<th scope="col">uncertain, real</th>') == 1  # in the table of age only


def test_groups_come_from_the_table_alone(tmp_path: Path) -> None:
    with (tmp_path / "scores.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "fake_probability"), ("a.png", "real", "0.1")])
    result = CliRunner().invoke(app, ["evaluate", "--scores", str(tmp_path / "scores.csv"), "--by", "age"])
    assert isinstance(result.exception, UsageError) and result.exception.code == "unknown_column"
