"""One experiment: trained, scored, and not done twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("skl2onnx")

from unmask import Manifest, Recipe, load
from unmask.errors import UsageError
from unmask.evaluation.experiments import train_and_score as experiment
from unmask.evaluation.experiments.train_and_score import train_and_score
from unmask.evaluation.scores import Scores

pytestmark = pytest.mark.train

RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "backbone": {"name": "test_efficientnet", "weights": ["none"]},
        "preprocessing": {"size": 32, "faces": None},
        "augmentation": {"preset": "plain"},
        "data": {"balance": "none"},
        "schedule": {"epochs": 2, "batch_size": 8},
    }
)
CLASSICAL = RECIPE.model_copy(
    update={"classifier": Recipe.model_validate({"name": "c", "classifier": {"estimator": "naive_bayes"}}).classifier}
)


@pytest.fixture(scope="module")
def manifest(striped_faces: Path) -> Manifest:
    return Manifest.open(striped_faces)


@pytest.fixture(scope="module")
def done(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scores]:
    folder = tmp_path_factory.mktemp("experiment")
    return folder, train_and_score(RECIPE, manifest, folder, workers=0)


def test_the_scores_are_the_bundle_s_answers_on_the_test_rows(done: tuple[Path, Scores], manifest: Manifest) -> None:
    folder, scores = done
    rows = list(manifest.select(split="test"))
    assert scores.path == tuple(row.path for row in rows)
    assert scores.is_fake.tolist() == [row.label == "fake" for row in rows]
    detector = load(folder / "run" / "bundle")
    said = [detector.detect(manifest.resolve(row)).fake_probability for row in rows]
    assert scores.fake_probability.tolist() == said
    assert scores.threshold == detector.threshold
    kept = Scores.open(folder / "scores.csv")
    assert kept.digest() == scores.digest()


def test_what_is_finished_is_neither_trained_nor_scored_again(
    done: tuple[Path, Scores], manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scores = done

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(experiment, "fit", refuse)
    monkeypatch.setattr("unmask.detect.detector.Detector.detect", refuse)
    assert train_and_score(RECIPE, manifest, folder, workers=0).digest() == scores.digest()


def test_an_interrupted_run_goes_on_to_the_same_scores(
    done: tuple[Path, Scores], manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # Killed while the bundle was made: everything before is on disk.
        patch.setattr("unmask.training.fit.package_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_and_score(RECIPE, manifest, tmp_path, workers=0)
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    again = train_and_score(RECIPE, manifest, tmp_path, workers=0)
    np.testing.assert_array_equal(again.fake_probability, done[1].fake_probability)


def test_a_classical_head_is_an_experiment_too(manifest: Manifest, tmp_path: Path) -> None:
    scores = train_and_score(CLASSICAL, manifest, tmp_path / "deep" / "folder", workers=0)
    assert len(scores) == 12 and not any(scores.error)


def test_another_recipe_in_the_same_folder_is_refused(done: tuple[Path, Scores], manifest: Manifest) -> None:
    with pytest.raises(UsageError) as caught:
        train_and_score(RECIPE.model_copy(update={"seed": 9}), manifest, done[0], workers=0)
    assert caught.value.code == "other_run"


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        # One part is missing; two are; the column says nothing.
        ({"train", "val"}, "none of test"),
        ({"train", "test"}, "none of val"),
        ({"test"}, "none of train and val"),
        (set(), "none of train and val and test"),
    ],
)
def test_all_three_parts_are_needed(manifest: Manifest, tmp_path: Path, kept: set[str], said: str) -> None:
    rows = [replace(row, split=row.split if row.split in kept else "") for row in manifest]
    with pytest.raises(UsageError, match=said) as caught:
        train_and_score(RECIPE, Manifest.from_rows(rows, manifest.root), tmp_path, workers=0)
    assert caught.value.code == "missing_split"
    assert not any(tmp_path.iterdir())
