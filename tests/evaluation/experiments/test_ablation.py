"""What is taken away is that one thing, effects are paired, and chance is not called an effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("skl2onnx")

from tests.evaluation.conftest import MakeScores
from typer.testing import CliRunner

from unmask import Recipe
from unmask.cli import app
from unmask.data.transforms import Augmentation
from unmask.errors import UsageError
from unmask.evaluation.experiments.ablation import effect as effect_of
from unmask.evaluation.experiments.ablation_variants import Variant, variants
from unmask.evaluation.scores import Scores
from unmask.stats import metrics
from unmask.stats.resample import Draws
from unmask.stats.significance import delong, delong_runs

pytestmark = pytest.mark.train

DRAWS = Draws(300, 0, 1)


def effect(*given: Any) -> dict[str, Any]:
    """The effect as the file holds it."""
    return effect_of(*given).model_dump()


def by_name(recipe: Recipe) -> dict[str, Variant]:
    return {variant.name: variant for variant in variants(recipe)}


def changed(whole: Recipe, variant: Variant) -> set[str]:
    """The parts of the recipe that a variant differs in."""
    assert variant.recipe is not None
    one, other = whole.model_dump(), variant.recipe.model_dump()
    return {key for key in one if one[key] != other[key]}


@pytest.mark.parametrize("name", Recipe.shipped())
def test_each_variant_is_a_recipe_that_differs_in_one_part(name: str) -> None:
    whole = Recipe.load(name)
    if whole.ensemble is not None:
        with pytest.raises(UsageError) as caught:
            variants(whole)
        assert caught.value.code == "not_ablatable"
        return
    for variant in variants(whole):
        assert (variant.recipe is None) == bool(variant.why_not)
        if variant.recipe is not None:
            assert len(changed(whole, variant)) == 1
            assert Recipe.model_validate(variant.recipe.model_dump()) == variant.recipe


def test_variants_of_a_network() -> None:
    whole = Recipe.load("s0-mobilenetv2", ["preprocessing.faces={}"])
    found = by_name(whole)
    assert found["no-augmentation"].recipe.augmentation == Augmentation.off()  # type: ignore[union-attr]
    assert not found["no-balancing"].recipe.data.class_weights  # type: ignore[union-attr]
    assert [phase.train for phase in found["no-fine-tuning"].recipe.schedule.phases] == ["head"]  # type: ignore[union-attr]
    assert found["no-face-crop"].recipe.preprocessing.faces is None  # type: ignore[union-attr]
    assert found["head-dense"].recipe.head.kind == "dense"  # type: ignore[union-attr]
    assert found["no-smote"].why_not == "the recipe has none"
    assert "head-linear" not in found


def test_variants_of_a_frozen_backbone() -> None:
    found = by_name(Recipe.load("s0-mobilenetv2-rf"))
    assert found["no-smote"].recipe.classifier.balance == "none"  # type: ignore[union-attr]
    assert found["no-augmentation"].why_not == "features are of the plain images"
    assert found["no-fine-tuning"].why_not == "the backbone is frozen"
    assert found["no-face-crop"].why_not == "the recipe looks at whole images"
    heads = [name for name in found if name.startswith("head-")]
    assert len(heads) == 8 and "head-random_forest" not in heads
    copies = by_name(Recipe.load("s0-mobilenetv2-rf", ["features.copies=2"]))
    assert copies["no-augmentation"].recipe.features.copies == 0  # type: ignore[union-attr]


def test_our_own_recipe_loses_its_phase_of_all_layers() -> None:
    found = by_name(Recipe.load("unmask-single"))
    assert [phase.train for phase in found["no-fine-tuning"].recipe.schedule.all_phases] == ["head"]  # type: ignore[union-attr]


def test_only_some() -> None:
    whole = Recipe.load("s0-mobilenetv2-rf")
    assert [variant.name for variant in variants(whole, ("head-mlp", "no-smote"))] == ["no-smote", "head-mlp"]
    with pytest.raises(UsageError) as caught:
        variants(whole, ("no-luck",))
    assert caught.value.code == "unknown_variant"


def tables(make_scores: MakeScores, seed: int, noises: list[float], groups: int = 60, size: int = 4) -> list[Scores]:
    """A detector of the given noise for each; labels and groups are the same for all."""
    rng = np.random.default_rng(0)
    is_fake = np.repeat(np.arange(groups) % 2 == 1, size)
    shift = np.repeat(rng.normal(0, 0.3, groups), size)
    found = []
    for number, noise in enumerate(noises):
        own = np.random.default_rng([seed, number]).normal(0, noise, len(is_fake))
        odds = np.where(is_fake, 1.0, -1.0) + shift + own
        group = [f"g{at // size}" for at in range(len(is_fake))]
        found.append(make_scores(is_fake, 1 / (1 + np.exp(-odds)), group=group))
    return found


def test_effects_are_means_of_paired_differences(make_scores: MakeScores) -> None:
    whole, other = tables(make_scores, 1, [0.5, 0.6, 0.7]), tables(make_scores, 2, [1.5, 1.6, 1.7])
    found = effect(whole, other, DRAWS)
    areas = [
        metrics.auc(two.fake_probability, two.is_fake) - metrics.auc(one.fake_probability, one.is_fake)
        for one, two in zip(whole, other, strict=True)
    ]
    assert found["auc"]["by_seed"] == pytest.approx(areas)
    assert found["auc"]["value"] == pytest.approx(np.mean(areas))
    assert found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"] < 0
    assert found["auc"]["p"] < 0.001 and found["balanced_accuracy"]["p"] < 0.01
    back = effect(other, whole, DRAWS)
    assert back["auc"]["value"] == pytest.approx(-found["auc"]["value"])
    assert back["auc"]["p"] == pytest.approx(found["auc"]["p"])


def test_the_same_detector_has_no_effect(make_scores: MakeScores) -> None:
    whole = tables(make_scores, 1, [0.8, 0.9])
    found = effect(whole, whole, DRAWS)
    assert (found["auc"]["value"], found["auc"]["low"], found["auc"]["p"]) == (0, None, 1)
    assert (found["balanced_accuracy"]["value"], found["balanced_accuracy"]["p"]) == (0, 1)


def test_chance_is_seldom_an_effect(make_scores: MakeScores) -> None:
    """The same noise drawn anew: at the level of 5 % few of 60 comparisons may stand out."""
    small = Draws(100, 0, 1)
    stands_out = 0
    for seed in range(60):
        found = effect(
            tables(make_scores, 2 * seed, [1.0] * 2, 20, 2), tables(make_scores, 2 * seed + 1, [1.0] * 2, 20, 2), small
        )["auc"]
        stands_out += found["p"] < 0.05 and (found["low"] > 0 or found["high"] < 0)
    assert stands_out <= 8  # of 60 at 5 %, nine and more come about once in 300 times


def test_delong_of_runs_is_delong_of_one_and_of_copies(make_scores: MakeScores) -> None:
    one, two = (tables(make_scores, seed, [1.0])[0] for seed in (1, 2))
    plain = delong(one.fake_probability, two.fake_probability, one.is_fake)
    thrice = delong_runs([one.fake_probability] * 3, [two.fake_probability] * 3, one.is_fake)
    assert thrice.p == pytest.approx(plain.p, rel=1e-9)
    assert thrice.deviation == pytest.approx(plain.deviation, rel=1e-9)
    # Runs whose noise is their own are surer together than one alone.
    many = [[each.fake_probability for each in tables(make_scores, seed, [1.0] * 8)] for seed in (3, 4)]
    assert delong_runs(many[0], many[1], one.is_fake).deviation < 0.6 * plain.deviation


def test_the_command(striped_faces: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(
        "name: tiny\nbackbone: {name: test_efficientnet, weights: [none]}\n"
        "classifier: {estimator: naive_bayes, balance: smote}\nfeatures: {copies: 0}\n"
        "preprocessing: {size: 32, faces: null}\ndata: {balance: none}\naugmentation: {preset: plain}\n",
        encoding="utf-8",
    )
    given: list[Any] = ["ablate", recipe, "--manifest", striped_faces, "--out", tmp_path / "out", "--seeds", 1]
    given += ["--only", "no-smote", "--only", "no-face-crop", "--draws", 100, "--workers", 0]
    done = CliRunner().invoke(app, [*map(str, given), "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [entry["name"] for entry in result["variants"]] == ["no-smote"]
    assert [entry["name"] for entry in result["not_applicable"]] == ["no-face-crop"]
    assert result["seeds"] == [1]
    shards = list((tmp_path / "out/cache/features").glob("*.json"))
    assert sum(len(json.loads(shard.read_text(encoding="utf-8"))) for shard in shards) == 36  # once for both runs
    for name in ("whole", "no-smote"):
        scores = Scores.open(tmp_path / f"out/{name}/seed-1/scores.csv")
        entry = result["whole"] if name == "whole" else result["variants"][0]
        area = metrics.auc(scores.fake_probability, scores.is_fake)
        assert entry["auc"]["by_seed"] == pytest.approx([area], abs=1e-9)
    page = (tmp_path / "out/ablation.html").read_text(encoding="utf-8")
    assert "without SMOTE" in page and "the recipe looks at whole images" in page
    assert "without SMOTE" in (tmp_path / "out/ablation.md").read_text(encoding="utf-8")
