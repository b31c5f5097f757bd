"""Ensembles: weights against hand-worked cases, folds that keep groups together, and runs end to end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnxscript")

from unmask.bundle.bundle import Bundle, run_graph
from unmask.bundle.compose import store_half
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import UsageError
from unmask.imaging.session import single_thread_session
from unmask.recipes import Recipe
from unmask.training.ensemble import fit_stacking, fit_weights, fold_manifests, load_members
from unmask.training.fit import fit
from unmask.training.package import golden_batch
from unmask.training.rows import TrainingRows

pytestmark = pytest.mark.train


def log_loss(logits: np.ndarray, is_fake: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(is_fake, -logits, logits)).mean())


def scores(seed: int, noise: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_fake = rng.random(400) < 0.4
    return np.stack([np.where(is_fake, 1, -1) + rng.normal(0, each, 400) for each in noise], 1), is_fake


def test_weights_are_the_best_of_all_on_a_grid() -> None:
    logits, is_fake = scores(1, (1.0, 2.0))
    weights = fit_weights(logits, is_fake)
    assert weights.sum() == pytest.approx(1)
    grid = np.linspace(0, 1, 1001)
    losses = [log_loss(logits @ np.array([share, 1 - share]), is_fake) for share in grid]
    assert weights[0] == pytest.approx(grid[int(np.argmin(losses))], abs=2e-3)


def test_a_member_that_is_always_wrong_gets_nothing() -> None:
    logits, is_fake = scores(2, (1.0, 1.0))
    weights = fit_weights(np.stack([logits[:, 0], -logits[:, 1]], 1), is_fake)
    np.testing.assert_allclose(weights, [1, 0], atol=1e-6)
    assert (weights >= 0).all()


def test_members_that_say_the_same_share_evenly() -> None:
    logits, is_fake = scores(3, (1.0,))
    np.testing.assert_allclose(fit_weights(np.repeat(logits, 3, 1), is_fake), 1 / 3, atol=1e-6)


def test_stacking_finds_scale_and_bias() -> None:
    # Targets drawn from a known combination are found again, up to the regularisation.
    rng = np.random.default_rng(4)
    members = rng.normal(0, 2, (20_000, 2))
    truth = members @ np.array([1.5, -0.5])
    is_fake = rng.random(20_000) < 1 / (1 + np.exp(-truth))
    weights, bias = fit_stacking(members, is_fake)
    np.testing.assert_allclose(weights, [1.5, -0.5], atol=0.08)
    assert bias == pytest.approx(0, abs=0.08)


def test_folds_hold_groups_together_and_every_image_once(tmp_path: Path) -> None:
    rows = [
        ManifestRow(
            path=f"{number}.png",
            label="fake" if number % 2 else "real",
            group=f"g{number // 4}-{number % 2}" if number < 36 else "",
            split="train" if number < 40 else "val" if number < 44 else "test",
        )
        for number in range(48)
    ]
    manifest = Manifest.from_rows(rows, tmp_path)
    folds = fold_manifests(TrainingRows.read(manifest), 3, seed=1)
    assert len(folds) == 3
    left_out = [path.name for _, paths in folds for path in paths]
    assert sorted(left_out) == sorted(f"{number}.png" for number in range(40))
    for without, paths in folds:
        kept = [row for row in without if row.split == "train"]
        names = {path.name for path in paths}
        assert {row.path for row in kept} == {f"{number}.png" for number in range(40)} - names
        assert [row.path for row in without if row.split == "val"] == [f"{number}.png" for number in range(40, 44)]
        assert not any(row.split == "test" for row in without)
        groups = {row.group for row in rows if row.path in names} - {""}
        assert groups.isdisjoint({row.group for row in kept})
        assert {row.label for row in rows if row.path in names} == {"real", "fake"}
    assert [paths for _, paths in folds] == [
        paths for _, paths in fold_manifests(TrainingRows.read(manifest), 3, seed=1)
    ]
    with pytest.raises(UsageError, match="folds need at least 3 groups"):
        fold_manifests(TrainingRows.read(Manifest.from_rows(rows[:4], tmp_path)), 3, seed=1)


@pytest.fixture
def members(toy_recipe: Path, tmp_path: Path) -> dict[str, Path]:
    """A network of one epoch, and a classical head on random features."""
    text = toy_recipe.read_text().replace("epochs: 4", "epochs: 1")
    (tmp_path / "net.yaml").write_text(text.replace("name: toy", "name: net", 1))
    bayes = text.replace("name: toy", "name: bayes", 1) + "classifier: {estimator: naive_bayes}\n"
    (tmp_path / "bayes.yaml").write_text(bayes)
    return {name: tmp_path / f"{name}.yaml" for name in ("net", "bayes")}


def recipe_of(toy_recipe: Path, combine: str, members: dict[str, Path], *overrides: str) -> Recipe:
    listed = ", ".join(f'"{path}"' for path in members.values())
    settings = f"ensemble={{members: [{listed}], combine: {combine}, folds: 2}}"
    return Recipe.load(toy_recipe, [settings, "name=both", *overrides])


def test_a_weighted_ensemble_is_the_weighted_sum_of_its_members(
    toy_recipe: Path, toy_manifest: Path, members: dict[str, Path], tmp_path: Path
) -> None:
    recipe = recipe_of(toy_recipe, "weighted", members)
    manifest, run = Manifest.open(toy_manifest), tmp_path / "run"
    bundle = fit(recipe, manifest, run, workers=0)
    figures = bundle.info.card.metrics
    weights = [figures["weight_of_net"], figures["weight_of_bayes"]]
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1)
    alone = [Bundle.open(run / "members" / name / "bundle") for name in ("net", "bayes")]
    # Seeds of their own, so that the same recipe may be listed twice.
    assert [each.info.card.recipe["seed"] for each in alone] == [5, 6]
    assert bundle.info.card.members == {
        name: each.info.card.recipe for name, each in zip(("net", "bayes"), alone, strict=True)
    }
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    logit, evidence = run_graph(bundle.session(), pixels)
    halves = [single_thread_session(store_half(each.model)) for each in alone]
    expected = sum(w * run_graph(half, pixels)[0] for w, half in zip(weights, halves, strict=True))
    np.testing.assert_allclose(logit, expected, atol=1e-4)
    np.testing.assert_allclose(evidence.mean((1, 2)), logit, atol=1e-4)
    assert len(bundle.model) < 0.75 * sum(len(each.model) for each in alone)
    assert bundle.verify()["cases"] == 8
    # Killed after the members: they are not trained again, and the bundle is the same.
    stamps = {path: path.stat().st_mtime_ns for path in (run / "members").rglob("*") if path.is_file()}
    (run / "bundle" / "SHA256SUMS").unlink()
    again = fit(recipe, manifest, run, workers=0, resume=True)
    assert again.sha256 == bundle.sha256
    assert stamps == {path: path.stat().st_mtime_ns for path in (run / "members").rglob("*") if path.is_file()}
    # Members trained before serve another ensemble. What half precision changes is measured on the golden images.
    shutil.copytree(run / "members", tmp_path / "even" / "members")
    even = fit(recipe_of(toy_recipe, "mean", members), manifest, tmp_path / "even", workers=0)
    golden = golden_batch(32)
    whole = np.mean([run_graph(each.session(), golden)[0] for each in alone], 0)
    shift = float(np.abs(run_graph(even.session(), golden)[0] - whole).max())
    assert even.info.card.metrics["half_precision_shift"] == pytest.approx(shift, abs=1e-6)
    assert 0 < shift < 0.02


def test_a_stacked_ensemble_trains_its_members_on_every_fold(
    toy_recipe: Path, toy_manifest: Path, members: dict[str, Path], tmp_path: Path
) -> None:
    twice = {"one": members["bayes"], "two": members["bayes"]}
    bundle = fit(recipe_of(toy_recipe, "stacked", twice), Manifest.open(toy_manifest), tmp_path / "run", workers=0)
    homes = tmp_path / "run" / "members"
    assert sorted(path.name for path in homes.iterdir()) == ["bayes", "bayes-2"]
    for name in ("bayes", "bayes-2"):
        for fold in ("fold-1", "fold-2"):
            assert Bundle.open(homes / name / fold / "bundle").verify()["cases"] == 8
    assert bundle.info.evidence == "none"  # none of its members has a map
    assert bundle.verify()["cases"] == 8


def test_members_need_the_ensembles_preprocessing(toy_recipe: Path, members: dict[str, Path]) -> None:
    recipe = recipe_of(toy_recipe, "mean", members, "preprocessing.face_margin=0.1")
    assert recipe.ensemble is not None
    with pytest.raises(UsageError) as caught:
        load_members(recipe, recipe.ensemble)
    assert caught.value.code == "other_preprocessing"
