"""Calibrations against scikit-learn, by hand, and as a whole: what is written holds, and what is said was measured."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from unmask import load
from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import BundleInfo, Calibration, log_odds
from unmask.cli import app
from unmask.errors import UsageError
from unmask.evaluation.calibrate import Settings, _parts, fewest_reals, labelled
from unmask.evaluation.calibrate import calibrate as calibrate_bundle
from unmask.evaluation.calibration_metrics import Labelled
from unmask.evaluation.calibration_metrics import sentences as sentences_of
from unmask.evaluation.photographs import Photographs
from unmask.evaluation.results import CalibrationResult
from unmask.stats import metrics
from unmask.stats.intervals import wilson
from unmask.stats.resample import Draws
from unmask.training.calibration import fit_isotonic, fit_platt, fit_shrunk, fit_temperature, thresholds

pytestmark = pytest.mark.train

FEW_DRAWS = Draws(200, 0, 1)


def calibrate(*given: Any, **named: Any) -> tuple[BundleInfo, dict[str, Any]]:
    """The new description, and the result as JSON holds it."""
    info, result = calibrate_bundle(*given, **named)
    return info, result.to_dict()


def sentences(result: dict[str, Any]) -> Iterator[str]:
    """The words of a result that was read from JSON."""
    return sentences_of(CalibrationResult.from_dict(result))


def drawn(seed: int, reals: int, fakes: int, slope: float = 1.0, bias: float = 0.0) -> Labelled:
    """Logits of which ``slope * logit + bias`` are the true log odds where both classes are equally likely."""
    rng = np.random.default_rng(seed)
    # Two normal densities a distance 2 apart have the log odds 2 x.
    odds = 2 * np.concatenate([rng.normal(-1, 1, reals), rng.normal(1, 1, fakes)])
    is_fake = np.repeat([False, True], [reals, fakes])
    return Labelled((odds - bias) / slope, is_fake, np.arange(reals + fakes))


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.open(tiny_bundle)


def test_platt_is_logistic_regression_without_penalty_but_for_smoothed_targets() -> None:
    made = drawn(0, 20_000, 20_000, 0.5, -1.0)
    found = fit_platt(made.logit, made.is_fake)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(made.logit[:, None], made.is_fake)
    assert found.slope == pytest.approx(float(oracle.coef_[0, 0]), rel=2e-3)
    assert found.bias == pytest.approx(float(oracle.intercept_[0]), abs=2e-3)
    # And the truth that the images were drawn from.
    assert (found.slope, found.bias) == pytest.approx((0.5, -1.0), abs=0.05)


def test_temperature_is_platt_through_the_origin() -> None:
    made = drawn(1, 500, 200, 0.25)
    found = fit_temperature(made.logit, made.is_fake)
    weight = np.where(made.is_fake, 0.5 / 200, 0.5 / 500)
    target = np.where(made.is_fake, 201 / 202, 1 / 502)

    def loss(slope: float) -> float:
        scaled = slope * made.logit
        return float((weight * (np.logaddexp(0, scaled) - target * scaled)).sum())

    assert (found.method, found.bias) == ("temperature", 0.0)
    assert all(loss(found.slope) <= loss(found.slope + step) for step in (-1e-3, 1e-3))
    assert found.slope == pytest.approx(0.25, rel=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_is_scikit_learn_s(seed: int) -> None:
    made = drawn(seed, 80, 40)
    made = Labelled(np.round(made.logit, 1), made.is_fake, made.group)  # ties
    found = fit_isotonic(made.logit, made.is_fake)
    weight = np.where(made.is_fake, 0.5 / 40, 0.5 / 80)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(made.logit, made.is_fake, sample_weight=weight)
    # Smoothing targets is the same as smoothing the line: from 1/82 to 41/42 in place of 0 to 1.
    for value in (*made.logit, -99.0, 99.0, 0.123):
        plain = float(oracle.predict([value])[0])
        assert found.probability(value) == pytest.approx(1 / 82 + (41 / 42 - 1 / 82) * plain, abs=1e-9)


def test_isotonic_by_hand() -> None:
    # Real, fake | real, fake by rising logit: the middle two are out of order and share a block. Targets 1/4 and 3/4.
    found = fit_isotonic(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, True, False, True]))
    assert found.points == ((0.0, 0.25), (1.0, 0.5), (2.0, 0.5), (3.0, 0.75))
    assert found.probability(0.5) == pytest.approx(0.375)
    assert found.probability(1.7) == pytest.approx(0.5)
    assert [found.probability(logit) for logit in (-9, 9)] == pytest.approx([0.25, 0.75])


def test_the_shrunk_fit_is_the_most_probable_one() -> None:
    """Oracle: the penalised loss written as plainly as can be, minimised without a gradient."""
    made, old = drawn(3, 30, 12, 0.6, 0.5), Calibration(method="platt", slope=2.0, bias=-0.3)
    worth = 4 * 30 * 12 / 42  # of two classes that weigh the same: (sum of weights)² / sum of squares

    def loss(parameters: Any) -> float:
        total = 0.0
        for logit, fake in zip(made.logit, made.is_fake, strict=True):
            odds = math.exp(parameters[0]) * (2.0 * logit - 0.3) + parameters[1]
            target = 13 / 14 if fake else 1 / 32
            loss = target * np.logaddexp(0, -odds) + (1 - target) * np.logaddexp(0, odds)
            total += worth * (0.5 / 12 if fake else 0.5 / 30) * loss
        return float(total + (parameters[0] / 0.5) ** 2 / 2 + parameters[1] ** 2 / 2)

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10}).x
    found = fit_shrunk(made.logit, made.is_fake, old)
    assert found.slope == pytest.approx(2.0 * math.exp(best[0]), abs=1e-4)
    assert found.bias == pytest.approx(-0.3 * math.exp(best[0]) + best[1], abs=1e-4)


def test_few_images_gain_by_the_old_calibration_and_many_forget_it() -> None:
    """Twenty images and an old calibration that is right or half off: better than the images alone."""
    others = drawn(99, 5000, 5000)
    sign = np.where(others.is_fake, 1.0, -1.0)
    for old in (Calibration(), Calibration(method="platt", slope=1.5, bias=0.7)):
        losses: dict[str, list[float]] = {"shrunk": [], "alone": []}
        for seed in range(30):
            few = drawn(seed, 10, 10)
            fits = {"shrunk": fit_shrunk(few.logit, few.is_fake, old), "alone": fit_platt(few.logit, few.is_fake)}
            for name, found in fits.items():
                odds = found.slope * others.logit + found.bias
                losses[name].append(float(np.logaddexp(0, -sign * odds).mean()))
        assert np.mean(losses["shrunk"]) < np.mean(losses["alone"])
        assert np.quantile(losses["shrunk"], 0.9) < np.quantile(losses["alone"], 0.9)
    many = fit_shrunk(others.logit, others.is_fake, Calibration(method="platt", slope=3.0, bias=1.0))
    assert (many.slope, many.bias) == pytest.approx((1.0, 0.0), abs=0.06)


def test_a_shrunk_isotonic_calibration_keeps_its_points() -> None:
    made = drawn(5, 300, 300)
    old = fit_isotonic(made.logit, made.is_fake)
    other = drawn(6, 300, 300, 1.0, 1.5)
    found = fit_shrunk(other.logit, other.is_fake, old)
    assert [at for at, _ in found.points] == [at for at, _ in old.points]
    losses = [
        metrics.log_loss(np.array([each.probability(value) for value in other.logit]), other.is_fake)
        for each in (old, found)
    ]
    assert losses[1] < losses[0]


POINTS = st.lists(
    st.tuples(st.floats(-50, 50), st.floats(0.001, 0.999)), min_size=2, max_size=20, unique_by=lambda point: point[0]
).map(
    lambda points: tuple(zip(sorted(point[0] for point in points), sorted(point[1] for point in points), strict=True))
)
CALIBRATIONS = st.one_of(
    POINTS.map(lambda points: Calibration(method="isotonic", points=points)),
    st.tuples(st.floats(0.01, 20), st.floats(-5, 5), st.floats(0.01, 0.99)).map(
        lambda given: Calibration(method="platt", slope=given[0], bias=given[1], prior=given[2])
    ),
)


@settings(deadline=None)
@given(CALIBRATIONS, st.floats(-60, 60), st.floats(-60, 60))
def test_probabilities_never_fall_and_evidence_means_their_log_odds(
    calibration: Calibration, first: float, second: float
) -> None:
    low, high = sorted((first, second))
    assert calibration.probability(low) <= calibration.probability(high) + 1e-12
    cells = np.array([[low - 1, low + 1]], np.float32)
    mean = float(calibration.evidence(cells, low).astype(float).mean())
    assert mean == pytest.approx(calibration.odds(low), abs=1e-3, rel=1e-4)


@settings(deadline=None)
@given(CALIBRATIONS, st.floats(-60, 60))
def test_the_least_logit_is_the_way_back(calibration: Calibration, logit: float) -> None:
    probability = calibration.probability(logit)
    if 1e-9 < probability < 1 - 1e-9:
        least = calibration.least_logit(probability)
        assert least <= logit + 1e-6
        if math.isfinite(least):
            assert calibration.probability(least) == pytest.approx(probability, abs=1e-6)
            assert calibration.probability(least - 1e-3) <= probability


def test_a_prior_adds_its_log_odds() -> None:
    even = Calibration(method="platt", slope=0.8, bias=0.1)
    rare = even.model_copy(update={"prior": 0.01})
    for logit in (-3.0, 0.0, 4.0):
        assert rare.odds(logit) == pytest.approx(even.odds(logit) + log_odds(0.01))
    # Bayes by hand: likelihood ratio 4, one fake in a hundred: 4 / (4 + 99).
    assert Calibration(prior=0.01).probability(math.log(4)) == pytest.approx(4 / 103)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        # points without the method, and the method without points
        ({"points": ((0.0, 0.5),)}, "other methods have none"),
        ({"method": "isotonic"}, "other methods have none"),
        # logits that stand still or fall, probabilities that fall
        ({"method": "isotonic", "points": ((0.0, 0.2), (0.0, 0.3))}, "must rise"),
        ({"method": "isotonic", "points": ((1.0, 0.2), (0.0, 0.3))}, "must rise"),
        ({"method": "isotonic", "points": ((0.0, 0.3), (1.0, 0.2))}, "must rise"),
        # certainty
        ({"method": "isotonic", "points": ((0.0, 0.0), (1.0, 0.2))}, "inside"),
        ({"method": "isotonic", "points": ((0.0, 0.3), (1.0, 1.0))}, "inside"),
        # both ways at once
        ({"method": "isotonic", "slope": 2.0, "points": ((0.0, 0.3), (1.0, 0.4))}, "instead of"),
        # no number
        ({"method": "isotonic", "points": ((0.0, 0.3), (math.inf, 0.4))}, "finite"),
        # a share that leaves nothing to decide
        ({"prior": 0.0}, "greater than 0"),
        ({"prior": 1.0}, "less than 1"),
    ],
)
def test_the_schema_refuses(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Calibration(**fields)


@pytest.mark.parametrize(
    ("budget", "needed"),
    # Of n reals the least share that can be above a cut, for a further one, is 1 / (n + 1).
    [(0.01, 99), (0.05, 19), (0.5, 1), (0.003, 333)],
)
def test_how_many_reals_a_budget_takes(budget: float, needed: int) -> None:
    assert fewest_reals(budget) == needed


def test_budgets_hold_on_average_over_other_reals() -> None:
    """Many small calibration sets: the mean share of the whole world's reals above their cuts is within the budget."""
    rng = np.random.default_rng(0)
    for reals, budget in ((19, 0.05), (50, 0.05), (120, 0.01)):
        shares: list[float] = []
        plain: list[float] = []
        for _ in range(3000):
            probability = np.append(rng.random(reals), 0.9)
            is_fake = np.repeat([False, True], [reals, 1])
            for found, of_others in ((shares, True), (plain, False)):
                cut = thresholds(probability, is_fake, [budget], of_others=of_others)[0].fake_probability
                found.append(1 - cut)  # of reals that are uniform
        assert np.mean(shares) <= budget + 3 * np.std(shares) / math.sqrt(3000)
        assert np.mean(plain) > budget  # what keeping the budget among the seen ones alone would give


def test_figures_are_of_images_that_nothing_was_fitted_on(bundle: Bundle) -> None:
    """Labels without any relation to the logit: in sample any fit looks better, out of sample none may."""
    rng = np.random.default_rng(0)
    made = Labelled(rng.normal(size=400) * 4, rng.random(400) < 0.5, np.arange(400))
    _, result = calibrate(bundle, made, Settings("isotonic"), draws=FEW_DRAWS)
    assert result["figures"]["after"]["log_loss"]["value"] > math.log(2)
    assert result["figures"]["after"]["log_loss"]["value"] < result["figures"]["before"]["log_loss"]["value"]


@pytest.mark.parametrize("holdout", [False, True])
def test_groups_stay_whole(holdout: bool) -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(60), 8)[rng.permutation(480)]
    made = Labelled(rng.normal(size=480), rng.random(480) < 0.5, group)
    parts = _parts(made, 5, Settings(holdout=holdout))
    for fit, measure in parts:
        assert not set(group[fit]) & set(group[measure])
        assert sorted([*fit, *measure]) == list(range(480))
    assert sorted(np.concatenate([measure for _, measure in parts])) == list(range(480)) or holdout


@pytest.mark.parametrize("method", ["auto", "temperature", "platt", "isotonic"])
def test_a_detector_that_is_too_sure_is_put_right(bundle: Bundle, method: Any) -> None:
    made = drawn(2, 600, 400, 0.2)  # the bundle's own calibration takes the logit as it is: five times too sure
    info, result = calibrate(bundle, made, Settings(method), draws=FEW_DRAWS)
    figures = result["figures"]
    assert figures["after"]["ece"]["value"] < figures["before"]["ece"]["value"] / 2
    assert figures["difference"]["log_loss"]["high"] < 0
    for side in figures["before"], figures["after"], figures["difference"]:
        assert side["ece"]["low"] <= side["ece"]["value"] <= side["ece"]["high"]
    assert any("established" in line and "Log loss" in line for line in sentences(result))
    assert info.recalibration is not None
    assert info.recalibration.metrics["ece_after"] == figures["after"]["ece"]["value"]
    if method != "isotonic":
        assert info.calibration.slope == pytest.approx(0.2, rel=0.2)


def test_before_is_the_bundle_as_it_was(bundle: Bundle) -> None:
    made = drawn(3, 120, 120)
    _, result = calibrate(bundle, made, draws=FEW_DRAWS)
    before = result["figures"]["before"]
    probability = 1 / (1 + np.exp(-made.logit))
    assert before["log_loss"]["value"] == pytest.approx(metrics.log_loss(probability, made.is_fake), abs=1e-9)
    assert before["brier"]["value"] == pytest.approx(metrics.brier(probability, made.is_fake), abs=1e-9)
    assert before["ece"]["value"] == pytest.approx(
        metrics.expected_calibration_error(probability, made.is_fake), abs=1e-9
    )
    old = {entry["name"]: entry["before"] for entry in result["thresholds"]}
    kept = int((probability[~made.is_fake] < 0.5).sum())
    assert (old["fpr_5"]["specificity"]["low"], old["fpr_5"]["specificity"]["high"]) == pytest.approx(wilson(kept, 120))


def test_new_thresholds_keep_their_budget_on_other_images(bundle: Bundle) -> None:
    made, others = drawn(7, 3000, 1000, 0.5, -2.0), drawn(8, 20_000, 100, 0.5, -2.0)
    info, result = calibrate(bundle, made, draws=FEW_DRAWS)
    assert not result["unsupported"]
    for cut in info.thresholds:
        of_others = np.array([info.calibration.probability(value) for value in others.logit[~others.is_fake]])
        rate = float((of_others >= cut.fake_probability).mean())
        assert rate == pytest.approx(cut.false_positive_budget, rel=0.4)
        assert cut.false_positive_rate is not None
        assert cut.false_positive_rate.low <= rate <= cut.false_positive_rate.high
        assert cut.false_positive_rate.n == 3000


def test_fifty_images(bundle: Bundle) -> None:
    """Enough for the budget of 5 %, too few for 1 %: that one keeps its old cut, and it is said."""
    made = drawn(9, 25, 25, 0.3, 1.0)
    info, result = calibrate(bundle, made, draws=FEW_DRAWS)
    assert [entry["name"] for entry in result["unsupported"]] == ["fpr_1"]
    assert result["smallest_budget"] == 1 / 26
    said = " ".join(sentences(result))
    assert "25 groups of real images are too few for a budget of 1 %, which takes 99" in said
    assert "smallest budget that they support is 3.8 %" in said
    one, five = info.thresholds
    assert five.provenance == "50 images, 25 fake, in 50 groups"
    # The same images as before are called fake by the cut that was kept.
    for logit in (*made.logit, 2.19, 2.20):
        old = bundle.info.calibration.probability(logit) >= 0.9
        assert (info.calibration.probability(logit) >= one.fake_probability) == old
    assert not result["method"]["kept"]


def test_too_few_images_keep_the_calibration(bundle: Bundle) -> None:
    info, result = calibrate(bundle, drawn(10, 9, 40), draws=FEW_DRAWS)
    assert info.calibration == bundle.info.calibration
    assert [cut.fake_probability for cut in info.thresholds] == pytest.approx([0.9, 0.5])
    assert result["method"]["kept"]
    with pytest.raises(UsageError) as caught:
        calibrate(bundle, drawn(11, 1, 40), draws=FEW_DRAWS)
    assert caught.value.code == "too_few_pictures"


def test_a_prior_changes_probabilities_and_no_verdict(bundle: Bundle) -> None:
    made = drawn(12, 400, 400)
    even, _ = calibrate(bundle, made, draws=FEW_DRAWS)
    rare, result = calibrate(bundle, made, Settings(prior=0.02), draws=FEW_DRAWS)
    for logit in made.logit:
        called = [
            [info.calibration.probability(logit) >= cut.fake_probability for cut in info.thresholds]
            for info in (even, rare)
        ]
        assert called[0] == called[1]
        assert rare.calibration.probability(logit) < even.calibration.probability(logit)
    # Where two in a hundred are fake, probabilities for even odds are far off and those for two in a hundred are not.
    assert result["figures"]["after"]["ece"]["value"] < result["figures"]["before"]["ece"]["value"] / 5


def test_holdout_measures_what_is_written(bundle: Bundle) -> None:
    made = drawn(13, 250, 250, 0.5)
    info, result = calibrate(bundle, made, Settings("platt", holdout=True), draws=FEW_DRAWS)
    assert (result["data"]["fitted_on"], result["data"]["measured_on"]) == (400, 100)
    alone = fit_platt(made.logit, made.is_fake)
    assert info.calibration.slope != alone.slope
    assert "fitted on 400 of them, measured on the other 100" in next(iter(sentences(result)))


def test_other_thresholds_stay_and_the_default_too(bundle: Bundle) -> None:
    info, _ = calibrate(bundle, drawn(14, 300, 300), Settings(budgets=(0.02,)), draws=FEW_DRAWS)
    assert [cut.name for cut in info.thresholds] == ["fpr_1", "fpr_2", "fpr_5"]
    assert info.default_threshold == "fpr_5"
    assert info.threshold.fake_probability == pytest.approx(info.calibration.probability(0.0))


def test_logits_come_back_to_the_last_bit(make_scores: Callable[..., Any]) -> None:
    logit = np.array([-300.5, -40.25, -1e-3, 0.1, 7.7, 45.0, 250.125], np.float32).astype(float)
    flat = Calibration(method="temperature", slope=1 / 32)
    scores = make_scores([False, True] * 3 + [False], [flat.probability(value) for value in logit])
    np.testing.assert_array_equal(labelled(scores, 32.0).logit, logit)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "magic"}, "bad_method"),
        ({"budgets": (0.0,)}, "bad_budget"),
        ({"budgets": ()}, "bad_budget"),
        ({"prior": 1.0}, "bad_prior"),
        ({"folds": 1}, "bad_folds"),
    ],
)
def test_settings_that_make_no_sense(bundle: Bundle, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        calibrate(bundle, drawn(0, 20, 20), Settings(**changes))
    assert caught.value.code == code


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey images, fakes lighter: the tiny bundle's logit is (grey - 128) / 16; the last file is no image."""
    folder = tmp_path_factory.mktemp("greys")
    rng = np.random.default_rng(0)
    for label, middle in (("real", 108), ("fake", 132)):
        (folder / label).mkdir()
        for number in range(30):
            shade = int(np.clip(rng.normal(middle, 12), 0, 255))
            Image.new("L", (32, 32), shade).save(folder / label / f"{number:02}.png")
    (folder / "real" / "broken.png").write_bytes(b"no image")
    return folder


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def test_the_command_writes_a_bundle_that_holds(tiny_bundle: Path, greys: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in tiny_bundle.iterdir()}
    done = call(tiny_bundle, "--manifest", greys, "--out", tmp_path / "new", "--draws", 100, "--json")
    assert done.exit_code == 1, done.output  # one image could not be read
    result = json.loads(done.stdout)
    assert (result["data"]["n"], result["data"]["failures"]) == (60, 1)
    assert {path.name: path.read_bytes() for path in tiny_bundle.iterdir()} == before
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(before)
    new = Bundle.open(tmp_path / "new")
    assert new.sha256 == result["sha256"]
    assert new.verify()["largest_difference"] < 1e-6
    assert new.model == Bundle.open(tiny_bundle).model
    assert new.info.recalibration is not None
    assert new.info.recalibration.bundle_sha256 == Bundle.open(tiny_bundle).sha256
    # Its verdicts are those of the new calibration: 16 shades a logit.
    verdict = load(tmp_path / "new").detect(Image.new("L", (32, 32), 144))
    assert verdict.fake_probability == pytest.approx(new.info.calibration.probability(1.0))
    again = call(tiny_bundle, "--manifest", greys, "--out", tmp_path / "again", "--draws", 100)
    assert again.exit_code == 1
    assert Bundle.open(tmp_path / "again").sha256 == new.sha256
    assert "too few for a budget of 1 %" in again.stdout
    # Whoever evaluates it on the same images is told.
    arguments = ["evaluate", str(tmp_path / "new"), "--manifest", str(greys), "--draws", "100"]
    assert "calibrated on these images" in " ".join(CliRunner().invoke(app, arguments).stdout.split())
    arguments[1] = str(tiny_bundle)
    assert "calibrated on these images" not in " ".join(CliRunner().invoke(app, arguments).stdout.split())


def _photographs(bundle: Bundle, seed: int, count: int, bias: float) -> Photographs:
    """Photographs that the detector takes for fakes more often than those among its images."""
    made = drawn(seed, count, 1, bias=bias)
    return Photographs(made[np.arange(count)], ("press", "web"), ("web",))


def test_thresholds_on_photographs_keep_their_budget_on_other_photographs(bundle: Bundle) -> None:
    images, photographs = drawn(3, 400, 400), _photographs(bundle, 4, 2000, -1.5)
    info, result = calibrate(bundle, images, Settings("keep"), draws=FEW_DRAWS, photographs=photographs)
    assert info.calibration == bundle.info.calibration
    others = _photographs(bundle, 5, 20_000, -1.5).images.logit
    for each, shown in zip(info.thresholds, result["thresholds"], strict=True):
        rate = float(np.mean([info.calibration.probability(value) >= each.fake_probability for value in others]))
        assert rate == pytest.approx(each.false_positive_budget, rel=0.4)
        assert each.false_positive_rate is not None and each.false_positive_rate.n == 2000
        assert each.false_positive_rate.low <= rate <= each.false_positive_rate.high
        assert shown["on_photographs"]["value"] == each.false_positive_rate.value and shown["is_new"]
        # The manifest's own real images are easier.
        assert shown["after"]["false_positive_rate"]["value"] < 0.7 * rate
        assert each.provenance == "2,000 photographs in 2,000 groups, held out, of 2 sources; training saw 1 of them"
    assert info.uncertain.low <= info.threshold.fake_probability <= info.uncertain.high
    said = " ".join(sentences(result))
    assert "keeps its calibration" in said and "2,000 photographs in 2,000 groups, of 2 sources" in said
    assert "training saw web" in said and "On photographs that it was not set on" in said


def test_groups_of_photographs_stay_whole_and_few_support_no_threshold(bundle: Bundle) -> None:
    few = Photographs(Labelled(np.linspace(-4, 4, 90), np.zeros(90, bool), np.arange(90) // 3), ("press",), ())
    info, result = calibrate(bundle, drawn(3, 400, 400), Settings("keep"), draws=FEW_DRAWS, photographs=few)
    assert [each["name"] for each in result["unsupported"]] == ["fpr_1"]
    one, five = info.thresholds
    assert one.fake_probability == bundle.info.thresholds[0].fake_probability
    assert "training saw none of them" in five.provenance and "in 30 groups" in five.provenance


def test_the_command_takes_photographs(tiny_bundle: Path, greys: Path, tmp_path: Path) -> None:
    shutil.copytree(greys / "real", tmp_path / "press")
    lines = [f"press/{number:02}.png,{{}},s{number % 2}" for number in range(30)]
    tables = {name: tmp_path / f"{name}.csv" for name in ("real", "mixed")}
    tables["real"].write_text("\n".join(["path,label,source", *(line.format("real") for line in lines)]))
    tables["mixed"].write_text("\n".join(["path,label,source", *(line.format("fake") for line in lines)]))
    arguments = (tiny_bundle, "--manifest", greys, "--draws", 100, "--method", "keep", "--photographs")
    done = call(*arguments, tables["real"], "--out", tmp_path / "new", "--json")
    assert done.exit_code == 1, done.output  # the image of the manifest that could not be read
    result = json.loads(done.stdout)
    assert result["photographs"]["sources"] == ["s0", "s1"] and result["photographs"]["n"] == 30
    five = Bundle.open(tmp_path / "new").info.thresholds[1]
    assert five.provenance == "30 photographs in 30 groups, held out, of 2 sources; training saw none of them"
    refused = call(*arguments, tables["mixed"], "--out", tmp_path / "other")
    assert isinstance(refused.exception, UsageError) and refused.exception.code == "not_photographs"


def test_the_command_writes_a_rule_for_abstention(tiny_bundle: Path, greys: Path, tmp_path: Path) -> None:
    arguments = (tiny_bundle, "--manifest", greys, "--draws", 100, "--out", tmp_path / "new")
    refused = call(*arguments, "--uncertain-if", "rotated")
    assert isinstance(refused.exception, UsageError) and refused.exception.code == "bad_call"
    done = call(*arguments, "--uncertain-below", 48, "--uncertain-if", "resized")
    assert done.exit_code == 1, done.output
    rule = Bundle.open(tmp_path / "new").info.abstention
    assert rule is not None and (rule.smallest_face, rule.reencoded, rule.resized) == (48, None, 0.75)


def test_the_command_never_writes_over_a_bundle(tiny_bundle: Path, greys: Path) -> None:
    done = call(tiny_bundle, "--manifest", greys, "--out", tiny_bundle)
    assert isinstance(done.exception, UsageError)
    assert done.exception.code == "bundle_exists"
    Bundle.open(tiny_bundle)
