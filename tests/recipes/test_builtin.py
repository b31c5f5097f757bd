"""The shipped recipes: complete, honest about their papers, and fit to be shown and listed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from unmask.cli import app
from unmask.recipes import Recipe
from unmask.recipes.references import PAPERS, Reference

# The accuracy that the paper of each recipe reports.
ACCURACIES = {
    "s0-mobilenetv2": 0.98, "s0-mobilenetv2-rf": 0.99, "s0-resnet50": 0.97, "s0-resnet50-rf": 0.98,
    "s0-resnet50-svm": None, "s0-resnet50-lr": None,
    "s1-mobilenetv2-96": 0.95, "s1-vgg16": 0.90, "s1-resnet50": 0.96,
    "s2-mobilenetv3-small": 0.9895, "s2-mobilenetv3-large": 0.9981, "s2-efficientnetv2-b0": 0.9975,
    "s2-efficientnetv2-b1": 0.9983, "s2-efficientnetv2-b2": 0.9980, "s2-inception-resnet-v2": 0.9917,
    "s2-ensemble": None, "s2-fusion-attention": None,
    "s3-defakenet": 0.9195, "s4-mobilenet": 0.961,
}  # fmt: skip
OWN = {
    "clip-probe", "frequency", "lite-probe", "vit-small", "unmask-accurate", "unmask-default", "unmask-single",
    "unmask-224", "video-gru", "video-transformer",
}  # fmt: skip


def test_all_systems_ship() -> None:
    assert set(Recipe.shipped()) == ACCURACIES.keys() | OWN


@pytest.mark.parametrize("name", ACCURACIES)
def test_a_papers_recipe_names_it_its_figures_and_its_departures(name: str) -> None:
    paper = Recipe.load(name).paper
    assert paper is not None
    assert paper.id == name[:2].upper()
    assert paper.reference is PAPERS[paper.id]
    assert paper.reported.get("accuracy") == ACCURACIES[name]
    assert paper.departs
    assert all(departure.endswith(".") for departure in paper.departs)


def test_every_paper_in_the_table_is_followed() -> None:
    assert {paper.id for name in Recipe.shipped() if (paper := Recipe.load(name).paper)} == PAPERS.keys()


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        # everything known
        (Reference("T", "A. B, C. D", "J 1(2), 3-4", 2025, "10.1/x"), "A. B, C. D, T, J 1(2), 3-4, 2025, doi:10.1/x"),
        # no venue, no year, no DOI
        (Reference("T", "A. B"), "A. B, T"),
        # only a description
        (Reference("a study"), "a study"),
    ],
)
def test_a_reference_leaves_out_what_is_not_known(reference: Reference, text: str) -> None:
    assert str(reference) == text


def test_the_page_on_reproduction_lists_each_paper() -> None:
    page = re.sub(r"\s+", " ", (Path(__file__).parents[2] / "docs" / "reproduction.md").read_text(encoding="utf-8"))
    for name, reference in PAPERS.items():
        assert f"| {name} | {reference}" in page


def test_a_recipe_of_a_version_that_called_papers_seeds(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(Recipe.load("s1-vgg16").to_yaml().replace("  id: S1", "  seed: S1"))
    assert "  seed: S1" in path.read_text()
    assert Recipe.load(path) == Recipe.load("s1-vgg16")


@pytest.mark.parametrize("name", sorted(OWN))
def test_our_own_follow_no_paper(name: str) -> None:
    assert Recipe.load(name).paper is None


@pytest.mark.parametrize("name", Recipe.shipped())
def test_every_recipe_states_its_limits(name: str) -> None:
    assert Recipe.load(name).limits


def test_settings_that_the_papers_state() -> None:
    s0 = Recipe.load("s0-mobilenetv2")
    assert sum(phase.epochs for phase in s0.schedule.phases) == 40
    assert s0.schedule.phases[0].train == "head"
    assert (s0.schedule.batch_size, s0.schedule.optimizer, s0.schedule.patience) == (8, "adam", 5)
    assert (s0.schedule.decay, s0.schedule.decay_factor, s0.schedule.decay_epochs) == ("plateau", 0.5, 3)
    assert s0.schedule.monitor == "val_loss"
    assert s0.data.class_weights
    assert s0.augmentation.shift == 0.15
    forest = Recipe.load("s0-resnet50-rf").classifier
    assert forest is not None
    assert (forest.estimator, forest.balance, forest.standardise) == ("random_forest", "smote", True)
    assert forest.parameters == {"n_estimators": 100, "criterion": "gini", "max_features": "sqrt", "bootstrap": True}
    for name in ("s1-mobilenetv2-96", "s1-vgg16", "s1-resnet50"):
        s1 = Recipe.load(name)
        assert s1.preprocessing.size == 96
        assert [phase.learning_rate for phase in s1.schedule.phases] == [1e-3, 1e-4, 1e-5]
        assert [phase.train for phase in s1.schedule.phases] == ["head", "head", "all"]
        assert sum(phase.epochs for phase in s1.schedule.phases) == 20
        assert (s1.head.kind, s1.head.batch_norm, s1.head.output) == ("dense", True, "softmax")
    for name in [name for name in ACCURACIES if name.startswith("s2") and ACCURACIES[name]]:
        s2 = Recipe.load(name)
        assert (s2.schedule.epochs, s2.schedule.learning_rate, s2.head.output) == (10, 1e-3, "softmax")
    s4 = Recipe.load("s4-mobilenet")
    assert (s4.preprocessing.size, s4.preprocessing.resample) == (256, "bilinear")
    assert [(phase.epochs, phase.learning_rate, phase.train) for phase in s4.schedule.phases] == [(5, 3e-4, "head")]
    assert (s4.head.units, s4.head.dropout, s4.head.output, s4.schedule.batch_size) == ((128,), 0.5, "softmax", 32)
    assert (s4.augmentation.zoom, s4.augmentation.flip, s4.augmentation.rotate) == (0.2, 0, 0)


def test_members_of_an_ensemble_ship_and_see_the_same_pixels() -> None:
    ensemble = Recipe.load("s2-ensemble")
    assert ensemble.ensemble is not None
    for member in ensemble.ensemble.members:
        assert Recipe.load(member).preprocessing == ensemble.preprocessing


@pytest.mark.train
def test_every_backbone_is_in_the_registry() -> None:
    pytest.importorskip("timm")
    from unmask.models.registry import BACKBONES

    for name in Recipe.shipped():
        for branch in Recipe.load(name).branches:
            assert branch.name in BACKBONES, name


def test_list_as_json() -> None:
    rows = json.loads(CliRunner().invoke(app, ["recipes", "list", "--json"]).stdout)
    assert [row["name"] for row in rows] == Recipe.shipped()
    for row in rows:
        assert row.keys() == {"name", "paper", "summary", "random_seed"}
        assert row["paper"] == (row["name"][:2].upper() if row["name"] in ACCURACIES else None)
        assert row["summary"]
        assert row["random_seed"] == 1


def test_list_for_people_has_a_line_a_recipe() -> None:
    lines = CliRunner().invoke(app, ["recipes", "list"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == Recipe.shipped()
    assert [line for line in lines if re.match(r"s3-defakenet +S3 ", line)]


def test_show_prints_the_recipe_and_where_it_departs(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["recipes", "show", "s1-vgg16", "--set", "seed=9"]).stdout
    recipe = Recipe.load("s1-vgg16", ["seed=9"])
    # It is a recipe itself.
    (tmp_path / "shown.yaml").write_text(shown)
    assert Recipe.load(tmp_path / "shown.yaml") == recipe
    assert "preset" not in yaml.safe_load(shown)["augmentation"]
    comments = " ".join(line.lstrip("# -") for line in shown.splitlines() if line.startswith("#"))
    assert recipe.paper is not None
    start = f"Follows VGG16 of S1: {recipe.paper.reference} It differs from the paper in: "
    assert re.sub(r"\s+", " ", comments).startswith(start)
    for departure in recipe.paper.departs:
        assert departure in re.sub(r"\s+", " ", comments)
    assert not CliRunner().invoke(app, ["recipes", "show", "unmask-default"]).stdout.startswith("#")


def test_a_preset_can_be_changed_from_the_command() -> None:
    changed = Recipe.load("s0-mobilenetv2", ["augmentation.rotate=5", "augmentation.codec=0.5"])
    assert (changed.augmentation.rotate, changed.augmentation.shift, changed.augmentation.codec) == (5, 0.15, 0.5)
