"""Reproducing a paper: its split, its systems, what is said beside the figures, and what happens when one fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("skl2onnx")
pytest.importorskip("scipy")

from unmask import Manifest, Recipe
from unmask.errors import UsageError
from unmask.evaluation.experiments import reproduce
from unmask.evaluation.experiments import train_and_score as experiment
from unmask.evaluation.experiments.papers import PROTOCOLS, readings, split_as
from unmask.evaluation.experiments.reproduce import Settings, cap_epochs
from unmask.evaluation.reports.reproduce import report, write_page
from unmask.evaluation.results import Reproduction
from unmask.evaluation.scores import Scores
from unmask.recipes.references import PAPERS
from unmask.stats.resample import Draws

pytestmark = pytest.mark.train

# The smallest that the shipped recipes become: any network as a tiny one on tiny images.
TINY = ("backbone={name: test_efficientnet, weights: [none]}", "preprocessing.size=32")
DRAWS = Draws(100)


@pytest.fixture(scope="module")
def manifest(striped_faces: Path) -> Manifest:
    return Manifest.open(striped_faces)


@pytest.fixture(scope="module")
def done(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """S0 with a network and a hybrid, whose split is kept as given."""
    out = tmp_path_factory.mktemp("reproduction")
    settings = Settings(overrides=TINY, epochs=1, only=("s0-mobilenetv2", "s0-resnet50-lr"), given=True)
    command = ["unmask", "reproduce", "S0", "--set", "a=<b>"]
    result = reproduce.reproduce(["S0"], manifest, out, settings, workers=0, draws=DRAWS, command=command)
    return out, result.to_dict()


def render_page(kind: str, result: dict[str, Any]) -> str:
    """The page or the Markdown of a result that was read from JSON."""
    read = report(Reproduction.from_dict(result))
    return read.html() if kind == "html" else read.markdown()


def test_figures_stand_beside_the_paper_s(done: tuple[Path, dict[str, Any]]) -> None:
    out, result = done
    [paper] = result["papers"]
    network, hybrid = paper["systems"]
    assert (network["recipe"], hybrid["recipe"]) == ("s0-mobilenetv2", "s0-resnet50-lr")
    assert network["reported"] == {"accuracy": 0.98, "precision": 0.9, "recall": 0.91, "f1": 0.9, "auc": 0.98}
    assert hybrid["reported"] == {}
    # Ours are those of the scores at one half.
    scores = Scores.open(out / "s0" / "s0-mobilenetv2" / "scores.csv")
    right = (scores.fake_probability >= 0.5) == scores.is_fake
    figures = network["figures"]
    assert figures["metrics"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert (figures["n"], figures["n_real"], figures["n_fake"]) == (12, 6, 6)
    assert figures["baseline"]["accuracy"] == 0.5
    assert figures["random_weights"] and figures["weights"]["source"] == "none"
    # Two phases of one epoch each; the hybrid trains no network.
    assert figures["epochs"] == 2 and hybrid["figures"]["epochs"] == 0
    assert any("1 of 15, then 1 of 25 epochs" in line for line in network["departs"])
    assert not any("epochs" in line for line in hybrid["departs"])
    [pair] = paper["comparison"]["pairs"]
    assert pair["mcnemar_form"] == "exact" and pair["accuracy"]["p_holm"] is not None


def test_a_result_of_schema_1_still_renders(done: tuple[Path, dict[str, Any]]) -> None:
    # It called papers seeds, kept the protocol under "paper", and had no references.
    old = {key: value for key, value in done[1].items() if key != "papers"} | {
        "schema": 1,
        "seeds": [
            {key: value for key, value in found.items() if key not in ("paper", "protocol", "reference")}
            | {"seed": found["paper"], "paper": found["protocol"]}
            for found in done[1]["papers"]
        ],
    }
    reference = str(PAPERS["S0"])
    for kind in ("html", "md"):
        page = render_page(kind, done[1]).replace(f'<p class="dim">{reference}</p>', "")
        assert render_page(kind, old).split() == page.replace(reference, "").split()


def test_a_finished_reproduction_is_only_read(
    done: tuple[Path, dict[str, Any]], manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, result = done

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(experiment, "fit", refuse)
    settings = Settings(overrides=TINY, epochs=1, only=("s0-mobilenetv2", "s0-resnet50-lr"), given=True)
    again = reproduce.reproduce(["S0"], manifest, out, settings, workers=0, draws=DRAWS)
    assert again.to_dict() | {"command": result["command"]} == result


def test_other_settings_in_the_same_folder_are_refused(done: tuple[Path, dict[str, Any]], manifest: Manifest) -> None:
    settings = Settings(overrides=TINY, epochs=2, only=("s0-mobilenetv2",), given=True)
    with pytest.raises(UsageError) as caught:
        reproduce.reproduce(["S0"], manifest, done[0], settings, workers=0)
    assert caught.value.code == "other_run"


def test_a_system_that_fails_does_not_cost_the_others(
    done: tuple[Path, dict[str, Any]], manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Scores.open(done[0] / "s0" / "s0-mobilenetv2" / "scores.csv")

    def one_fails(recipe: Recipe, manifest: Manifest, folder: Path, **_: object) -> Scores:
        if recipe.name == "s0-mobilenetv2":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes\nmore")
        (folder / "run").mkdir(parents=True)
        (folder / "run" / "bundle").symlink_to(done[0] / "s0" / "s0-resnet50-lr" / "run" / "bundle")
        return kept

    monkeypatch.setattr(reproduce, "train_and_score", one_fails)
    settings = Settings(overrides=TINY, only=("s0-mobilenetv2", "s0-resnet50-lr"), given=True)
    result = reproduce.reproduce(["S0"], manifest, tmp_path, settings, draws=DRAWS).to_dict()
    first, second = result["papers"][0]["systems"]
    assert first["error"] == {
        "code": "RuntimeError",
        "message": "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
    }
    assert first["figures"] is None and second["figures"] is not None
    # One system alone is compared with nothing.
    assert result["papers"][0]["comparison"] is None
    for kind in ("html", "md"):
        page = render_page(kind, result)
        assert "FAILED: 1 of 2 systems" in page and re.search("can(&#39;|')t allocate memory", page)


def test_the_page_says_what_differs(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    result = done[1]
    write_page(Reproduction.from_dict(result), tmp_path)
    html, markdown = (tmp_path / "reproduction.html").read_text(), (tmp_path / "reproduction.md").read_text()
    for page in (html, markdown):
        assert "RANDOM WEIGHTS: 2 of 2 systems" in page
        assert "SHORTENED" in page
        assert "train 24 (12 real, 12 fake); val 12 (6 real, 6 fake); test 12 (6 real, 6 fake)" in page
        assert "photo site" in page and "p = 0.0625" in page and "93.0 %" in page
        assert "Features are taken from the plain images" in page
    # What a caller types is text, not markup.
    assert "<b>" not in html
    # Every row of the Markdown table has the columns of its head.
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) > 5 and len({line.count("|") for line in rows}) == 1
    kept = json.loads((tmp_path / "reproduction.json").read_text())
    assert kept == result
    names = ["reproduction.html", "reproduction.json", "reproduction.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    ("paper", "shares"),
    [
        # A paper's own three parts; two parts, the validation part being taken from training.
        ("S0", {"train": 0.7, "val": 0.1, "test": 0.2}),
        ("S1", {"train": 0.68, "val": 0.12, "test": 0.2}),
        ("S4", {"train": 0.6375, "val": 0.1125, "test": 0.25}),
    ],
)
def test_a_paper_s_split_is_made_whole_groups_at_a_time(
    manifest: Manifest, paper: str, shares: dict[str, float]
) -> None:
    rows = [replace(row, group=f"person {at // 4}", path=f"{at}.png") for at, row in enumerate([*manifest] * 20)]
    table = Manifest.from_rows(rows, manifest.root)
    divided, said = split_as(paper, table, 1, given=False)
    found = list(divided)
    counts = Counter(row.split for row in found)
    assert {split: count / len(rows) for split, count in counts.items()} == pytest.approx(shares, abs=0.01)
    assert len({(row.group, row.split) for row in found}) == len({row.group for row in found})
    assert "not used" in " ".join(said)
    assert ("validation part" in said[0]) == (paper != "S0")
    # Another draw, another split; the same draw, the same one.
    assert [row.split for row in split_as(paper, table, 2, given=False)[0]] != [row.split for row in found]
    assert split_as(paper, table, 1, given=False)[0].digest() == divided.digest()


@pytest.mark.parametrize(("paper", "given"), [("S2", False), ("S3", False), ("S0", True)])
def test_a_split_that_is_given_is_kept(manifest: Manifest, paper: str, given: bool) -> None:
    divided, said = split_as(paper, manifest, 1, given=given)
    assert divided.digest() == manifest.digest()
    assert said == [f"The manifest's own split. The paper's: {PROTOCOLS[paper].split}."]


def test_a_given_split_without_validation_gets_one_from_training(manifest: Manifest) -> None:
    rows = [replace(row, split="train" if row.split == "val" else row.split) for row in manifest]
    divided, said = split_as("S2", Manifest.from_rows(rows, manifest.root), 1, given=False)
    counts = Counter(row.split for row in divided)
    assert counts["test"] == 12 and 4 <= counts["val"] <= 7
    assert {row.path for row in divided if row.split == "test"} == {row.path for row in manifest.select(split="test")}
    assert "no validation part" in said[1]


def test_a_given_split_needs_rows_to_test_on(manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="no row has the split test") as caught:
        split_as("S3", manifest.select(split={"train", "val"}), 1, given=False)
    assert caught.value.code == "missing_split"


def test_the_readings_follow_from_our_metrics() -> None:
    text = " ".join(readings("S0"))
    assert "93.0 %" in text and "93.5 %" in text and "p = 0.0625" in text
    assert "95.4 %" in readings("S4")[0]
    assert readings("S1") == []


def test_members_of_an_ensemble_are_changed_with_it(tmp_path: Path) -> None:
    # The batch is for members alone: an ensemble would refuse it.
    settings = Settings(overrides=("preprocessing.size=64", "schedule.batch_size=8"), epochs=2, seed=7)
    [recipe] = [found for found in reproduce._systems("S2", settings) if found.name == "s2-ensemble"]
    changed = reproduce._with_members(recipe, tmp_path, settings)
    assert changed.ensemble is not None
    members = [Recipe.load(path) for path in changed.ensemble.members]
    assert [member.name for member in members] == list(Recipe.load("s2-ensemble").ensemble.members)  # type: ignore[union-attr]
    assert {member.schedule.epochs for member in members} == {2}
    assert {member.schedule.batch_size for member in members} == {8}
    assert {member.preprocessing for member in members} == {recipe.preprocessing}
    assert all(Path(path).is_relative_to(tmp_path) for path in changed.ensemble.members)
    # Nothing is changed, so the shipped members are taken.
    assert reproduce._with_members(recipe, tmp_path, Settings()) is recipe


def test_epochs_are_capped_in_every_phase() -> None:
    recipe = cap_epochs(Recipe.load("s1-mobilenetv2-96"), 7)
    assert [phase.epochs for phase in recipe.schedule.phases] == [7, 6, 6]


def test_every_paper_has_its_shipped_recipes() -> None:
    of_paper = {paper: [recipe.name for recipe in reproduce._systems(paper, Settings())] for paper in PROTOCOLS}
    papers = [paper.id for name in Recipe.shipped() if (paper := Recipe.load(name).paper)]
    assert {paper: len(names) for paper, names in of_paper.items()} == Counter(papers)
    assert of_paper["S4"] == ["s4-mobilenet"]


@pytest.mark.parametrize(
    ("paper", "settings", "code"),
    [
        ("S9", Settings(), "unknown_paper"),
        ("S0", Settings(only=("s4-mobilenet",)), "unknown_recipe"),
        ("S0", Settings(where={"source": frozenset({"moon"})}), "no_pictures"),
        ("S0", Settings(where={"planet": frozenset({"moon"})}), "unknown_column"),
        ("S0", Settings(overrides=("schedule.epoch=3",)), "bad_recipe"),
        ("S2", Settings(overrides=("schedule.epoch=3",), only=("s2-ensemble",)), "bad_recipe"),
    ],
)
def test_wrong_calls(manifest: Manifest, tmp_path: Path, paper: str, settings: Settings, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        reproduce.reproduce([paper], manifest, tmp_path, settings)
    assert caught.value.code == code
    assert not any(tmp_path.iterdir())


def test_the_command(done: tuple[Path, dict[str, Any]], striped_faces: Path) -> None:
    out, result = done
    command = [sys.executable, "-m", "unmask", "reproduce", "s0", "--manifest", str(striped_faces), "--out", str(out)]
    command += ["--only", "s0-mobilenetv2", "--only", "s0-resnet50-lr", "--split", "given", "--epochs", "1"]
    for override in TINY:
        command += ["--set", override]
    found = subprocess.run([*command, "--workers", "0", "--json"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    # Read, not run again: the time that it took is still what the first call noted.
    for now, before in zip(said["papers"][0]["systems"], result["papers"][0]["systems"], strict=True):
        assert {key: now["figures"][key] for key in ("timing", "confusion", "n")} == {
            key: before["figures"][key] for key in ("timing", "confusion", "n")
        }
    assert "S0 1/2: s0-mobilenetv2" in found.stderr
    assert (out / "reproduction.html").exists()
    wrong = subprocess.run([*command, "--where", "source"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "COLUMN=VALUE" in wrong.stderr
