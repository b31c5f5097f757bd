"""A whole training run: what it writes, what it refuses, and that a killed one ends where an unbroken one does."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnxscript")

from unmask.bundle.bundle import Bundle  # noqa: E402
from unmask.data.manifest import Manifest, ManifestRow  # noqa: E402
from unmask.data.tables import CsvTable  # noqa: E402
from unmask.detect.detector import Detector  # noqa: E402
from unmask.errors import UsageError  # noqa: E402
from unmask.recipes import Recipe  # noqa: E402
from unmask.training import fit as fit_module  # noqa: E402
from unmask.training.dataset import FaceData  # noqa: E402
from unmask.training.fit import export_run, fit, load_network  # noqa: E402
from unmask.training.history import shown_epoch  # noqa: E402
from unmask.training.module import DetectorModule  # noqa: E402
from unmask.training.package import score  # noqa: E402
from unmask.training.rates import warmed_cosine  # noqa: E402
from unmask.training.rows import TrainingRows  # noqa: E402
from unmask.training.samples import find_samples  # noqa: E402
from unmask.training.start import Start  # noqa: E402
from unmask.training.state import read_history  # noqa: E402

pytestmark = pytest.mark.train

MakeToy = Callable[..., Path]
FIGURES = (
    "epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_f1", "val_auc",
    "val_loss_improvement_percent", "learning_rate", "next_learning_rate",
)  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(toy_manifest: Path, toy_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of four epochs without interruption."""
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    fit(Recipe.load(toy_recipe), Manifest.open(toy_manifest), run, workers=0)
    return run


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Any], list[Any]]]:
    """Leaves out the export at the end of a run; gives the samples of training and validation."""
    return leave_out_package(monkeypatch)


def leave_out_package(patch: pytest.MonkeyPatch) -> list[tuple[list[Any], list[Any]]]:
    seen: list[tuple[list[Any], list[Any]]] = []

    def package(*arguments: Any) -> tuple[SimpleNamespace, Any]:
        train, validation = (argument for argument in arguments if isinstance(argument, list))
        seen.append((train, validation))
        return SimpleNamespace(info=None, sha256=""), np.zeros(len(validation))

    patch.setattr(fit_module, "_package", package)
    patch.setattr(fit_module, "card_text", lambda *_: "")
    return seen


def weights(run: Path, name: str) -> dict[str, Any]:
    return dict(torch.load(run / "checkpoints" / name, map_location="cpu", weights_only=True)["state_dict"])


def figures(run: Path) -> list[dict[str, str]]:
    return [{name: row[name] for name in FIGURES} for row in read_history(run / "history.csv")]


def assert_same_run(run: Path, expected: Path) -> None:
    assert figures(run) == figures(expected)
    for name in ("best.ckpt", "last.ckpt"):
        ours, theirs = weights(run, name), weights(expected, name)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert torch.equal(tensor, theirs[key]), key
    # The bundle too, to the last byte.
    assert Bundle.open(run / "bundle").sha256 == Bundle.open(expected / "bundle").sha256


def test_a_run_writes_what_it_says(unbroken: Path, toy_recipe: Path, toy_manifest: Path) -> None:
    recipe = Recipe.load(toy_recipe)
    assert {path.name for path in unbroken.iterdir()} == {
        "recipe.yaml", "run.json", "faces.jsonl", "history.csv", "checkpoints", "tensorboard", "bundle", "cache",
        "curves.png", "samples.png", "worst.png", "worst.csv", "card.md", "timing.json",
    }  # fmt: skip
    assert Recipe.load(unbroken / "recipe.yaml") == recipe
    identity = json.loads((unbroken / "run.json").read_text())
    assert identity == {"recipe": recipe.digest(), "manifest": Manifest.open(toy_manifest).digest(), "start": ""}
    assert {path.name for path in (unbroken / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert not list(unbroken.rglob("*.partial"))


def test_history_has_a_row_an_epoch(unbroken: Path) -> None:
    rows = figures(unbroken)
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    for row in rows:
        assert 0 < float(row["train_loss"]) < 10
        assert 0 < float(row["val_loss"]) < 10
        assert 0 <= float(row["val_auc"]) <= 1
        assert 0 <= float(row["val_accuracy"]) <= 1
    assert len({row["train_loss"] for row in rows}) == 4
    # The rate of the last of 16 steps, two of them warm-up, and of the one that would come next.
    assert float(rows[-1]["learning_rate"]) == pytest.approx(3e-3 * warmed_cosine(15, 2, 16), rel=1e-2)
    assert float(rows[-1]["next_learning_rate"]) == pytest.approx(0, abs=1e-9)
    assert float(rows[0]["next_learning_rate"]) == pytest.approx(3e-3 * warmed_cosine(4, 2, 16), rel=1e-2)
    losses = [float(row["val_loss"]) for row in rows]
    assert rows[0]["val_loss_improvement_percent"] == ""
    for number in (1, 2, 3):
        improvement = 100 * (1 - losses[number] / min(losses[:number]))
        assert float(rows[number]["val_loss_improvement_percent"]) == pytest.approx(improvement, abs=0.02)
    for row in read_history(unbroken / "history.csv"):
        assert float(row["seconds"]) >= 0
        assert 50 < float(row["peak_memory_mb"]) < 100_000


def test_people_see_epochs_counted_from_1(
    toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fit(Recipe.load(toy_recipe, ["schedule.epochs=2"]), Manifest.open(toy_manifest), tmp_path / "run", workers=0)
    logged = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch=")]
    assert [line.split()[0] for line in logged] == ["epoch=1", "epoch=2"]
    rows = read_history(tmp_path / "run" / "history.csv")
    assert [shown_epoch(row) for row in rows] == [1, 2]


def test_the_worst_validation_images_come_first(unbroken: Path, toy_recipe: Path, toy_manifest: Path) -> None:
    from PIL import Image

    _, validation = find_samples(Recipe.load(toy_recipe), TrainingRows.read(Manifest.open(toy_manifest)), unbroken)
    bundle = Bundle.open(unbroken / "bundle")
    logit = score(Recipe.load(toy_recipe), bundle.model, validation)
    expected = {
        str(sample.path): (sample.is_fake, bundle.info.calibration.probability(value))
        for sample, value in zip(validation, logit, strict=True)
    }
    with (unbroken / "worst.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == [str(number) for number in range(1, min(24, len(validation)) + 1)]
    errors = []
    for row in rows:
        is_fake, probability = expected.pop(row["path"])
        assert row["label"] == ("fake" if is_fake else "real")
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-6)
        errors.append(abs(is_fake - probability))
    assert errors == sorted(errors, reverse=True)
    assert all(abs(is_fake - probability) <= errors[-1] for is_fake, probability in expected.values())
    for name in ("worst.png", "samples.png"):
        with Image.open(unbroken / name) as image:
            assert image.format == "PNG"
            # Not an empty page: the images of the toy set are in colour.
            assert len(image.convert("RGB").getcolors(1 << 20) or []) > 100


def test_the_samples_are_what_the_first_epoch_trains_on(toy_manifest: Path, toy_recipe: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(toy_recipe)
    train, validation = find_samples(recipe, TrainingRows.read(Manifest.open(toy_manifest)), tmp_path)
    data = FaceData(train, validation, recipe, workers=0)
    shown = data.first_images(recipe.schedule.batch_size)
    pixels, target = next(iter(data.train_dataloader()))
    assert len(shown) == recipe.schedule.batch_size
    for place, (image, label) in enumerate(shown):
        assert np.array_equal(image, pixels[place].numpy())
        assert label == float(target[place])


def test_curves_card_and_timing(unbroken: Path) -> None:
    from PIL import Image

    with Image.open(unbroken / "curves.png") as curves:
        assert curves.format == "PNG"
        assert min(curves.size) > 300
    card = (unbroken / "card.md").read_text(encoding="utf-8")
    bundle = Bundle.open(unbroken / "bundle")
    assert card.startswith("# toy@1\n")
    assert "**Started from random weights" in card
    assert bundle.sha256 in card
    assert f"validation_auc: {bundle.info.card.metrics['validation_auc']:.6g}" in card
    assert "- fake, swap: 4" in card
    timing = json.loads((unbroken / "timing.json").read_text())
    assert timing["epochs"] == 4
    assert timing["epochs_seconds"] <= timing["training_seconds"] + 0.5
    assert {"faces_seconds", "cache_seconds", "packaging_seconds", "peak_memory_mb"} <= timing.keys()


def test_the_bundle_verifies_and_detects(unbroken: Path, toy_manifest: Path, toy_recipe: Path) -> None:
    bundle = Bundle.open(unbroken / "bundle")
    assert bundle.verify()["cases"] == 8
    card = bundle.info.card
    recipe = Recipe.load(toy_recipe)
    assert bundle.info.name == "toy"
    assert bundle.info.preprocessing == recipe.preprocessing
    assert Recipe.model_validate(card.recipe) == recipe
    assert card.recipe_digest == recipe.digest()
    assert card.manifest_digest == Manifest.open(toy_manifest).digest()
    assert card.weights == {"source": "none", "detail": "random"}
    assert card.sources == {"real": {"camera": 8}, "fake": {"gan": 4, "swap": 4}}
    assert card.metrics["validation_pictures"] == 8
    assert card.metrics["onnx_parity"] <= 1e-4
    assert card.packages["torch"] == torch.__version__.split("+")[0] or card.packages["torch"] == torch.__version__
    assert "8 validation images, 4 fake" in bundle.info.calibration.provenance
    # The best epoch's AUC is the one on the card.
    best = max(float(row["val_auc"]) for row in figures(unbroken))
    assert card.metrics["validation_auc"] == pytest.approx(best, abs=1e-5)

    detector = Detector(bundle)
    verdict = detector.detect(toy_manifest.parent / "16.png")
    assert verdict.fake_probability is not None
    assert 0 <= verdict.fake_probability <= 1
    assert verdict.model == "toy@1"


def test_detection_gives_what_the_checkpoint_gives(unbroken: Path, toy_manifest: Path) -> None:
    """The same pixels everywhere: the detector's probability is the calibrated logit of the torch network."""
    from PIL import Image

    recipe = Recipe.load(unbroken / "recipe.yaml")
    network = load_network(recipe, unbroken / "checkpoints" / "best.ckpt")
    bundle = Bundle.open(unbroken / "bundle")
    detector = Detector(bundle)
    for number in range(16, 24):
        path = toy_manifest.parent / f"{number}.png"
        pixels = np.asarray(Image.open(path).resize((32, 32), Image.Resampling.BICUBIC))
        with torch.inference_mode():
            logit = float(network(torch.from_numpy(pixels.copy())[None])[0])
        expected = bundle.info.calibration.probability(logit)
        assert detector.detect(path).fake_probability == pytest.approx(expected, abs=1e-4)


def test_the_thresholds_hold_on_the_validation_images(unbroken: Path, toy_manifest: Path) -> None:
    detector = Detector(Bundle.open(unbroken / "bundle"))
    for threshold in detector.bundle.info.thresholds:
        probabilities = np.array(
            [detector.detect(toy_manifest.parent / f"{number}.png").fake_probability for number in range(16, 24)]
        )
        called_fake = probabilities >= threshold.fake_probability
        assert called_fake[::2].mean() <= threshold.false_positive_budget
        assert called_fake[1::2].mean() == threshold.true_positive_rate


SCRIPT = """
import sys
from unmask.data.manifest import Manifest
from unmask.recipes import Recipe
from unmask.training.fit import fit
fit(Recipe.load(sys.argv[1]), Manifest.open(sys.argv[2]), __import__("pathlib").Path(sys.argv[3]), workers=0)
"""


def test_a_killed_run_ends_where_an_unbroken_one_does(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(toy_recipe), str(toy_manifest), str(run)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # as this process: see conftest.py
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 900
        while not (run / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert not (run / "bundle").exists()
    assert 1 <= len(figures(run)) < 4
    fit(Recipe.load(toy_recipe), Manifest.open(toy_manifest), run, resume=True, workers=0)
    assert_same_run(run, unbroken)


class Killed(BaseException):
    """Stands for the death of the process."""


def break_after(patch: pytest.MonkeyPatch, owner: type, where: str, after: int) -> None:
    """Has a method raise :class:`Killed` once it has been called so many times."""
    original, calls = getattr(owner, where), 0

    def broken(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Killed
        return original(self, *arguments, **options)

    patch.setattr(owner, where, broken)


@pytest.mark.parametrize(
    ("where", "after", "finished"),
    [
        # while the first epoch is trained, before there is any checkpoint
        ("training_step", 2, 0),
        # in the middle of the third epoch
        ("training_step", 4 * 2 + 2, 2),
        # in the validation after the second epoch
        ("validation_step", 2 + 1, 1),
    ],
)
def test_wherever_it_is_broken(
    where: str, after: int, finished: int, unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, no_package: list[Any],
) -> None:  # fmt: skip
    recipe, manifest = Recipe.load(toy_recipe), Manifest.open(toy_manifest)
    with monkeypatch.context() as patch:
        break_after(patch, DetectorModule, where, after)
        with pytest.raises(Killed):
            fit(recipe, manifest, tmp_path / "run", workers=0)
    # Every finished epoch is kept, whether or not it was the best so far: no more than the broken one is run again.
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert last.exists() == (finished > 0)
    if finished:
        assert torch.load(last, map_location="cpu", weights_only=True)["epoch"] == finished - 1
    # Two more processes load the images now: that changes nothing either.
    fit(recipe, manifest, tmp_path / "run", resume=True, workers=2)
    assert figures(tmp_path / "run") == figures(unbroken)
    ours, theirs = weights(tmp_path / "run", "last.ckpt"), weights(unbroken, "last.ckpt")
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


def test_resuming_a_finished_run_changes_nothing(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any]
) -> None:
    # A copy: the other tests read the run itself, in any order.
    run = shutil.copytree(unbroken, tmp_path / "run")
    before = {path: path.read_bytes() for path in (run / "history.csv", run / "checkpoints" / "best.ckpt")}
    fit(Recipe.load(toy_recipe), Manifest.open(toy_manifest), run, resume=True, workers=0)
    assert {path: path.read_bytes() for path in before} == before
    assert len(no_package) == 1


def test_resuming_a_run_that_stopped_early_trains_no_further(
    toy_manifest: Path,
    toy_recipe: Path,
    tmp_path: Path,
    no_package: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = Recipe.load(toy_recipe, ["schedule.patience=1", "schedule.epochs=9", "schedule.learning_rate=1e-9"])
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "run", workers=0)
    stopped = figures(tmp_path / "run")
    assert len(stopped) < 9

    def no_step(*_: object) -> None:
        raise AssertionError("it trains on")

    monkeypatch.setattr(DetectorModule, "training_step", no_step)
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "run", resume=True, workers=0)
    assert figures(tmp_path / "run") == stopped


def test_a_run_of_the_same_seed_is_the_same_and_of_another_is_not(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any]
) -> None:
    manifest = Manifest.open(toy_manifest)
    torch.manual_seed(77)
    np.random.seed(77)
    fit(Recipe.load(toy_recipe), manifest, tmp_path / "again", workers=0)
    assert figures(tmp_path / "again") == figures(unbroken)
    fit(Recipe.load(toy_recipe, ["seed=6", "schedule.epochs=1"]), manifest, tmp_path / "other", workers=0)
    assert figures(tmp_path / "other")[0]["train_loss"] != figures(unbroken)[0]["train_loss"]


PHASES = [
    # the head alone, from 1e-3
    "{epochs: 2, learning_rate: 1.0e-3, train: head}",
    # everything, at a high rate
    "{epochs: 3, learning_rate: 1.0e-2, train: all}",
    # the last two blocks
    "{epochs: 1, learning_rate: 1.0e-4, train: 2}",
]
PHASED = [
    f"schedule.phases=[{', '.join(PHASES)}]", "schedule.decay=plateau", "schedule.decay_epochs=1",
    "schedule.monitor=val_loss", "schedule.patience=2", "schedule.mixup=0.4", "schedule.cutmix=1.0",
    "data.balance=none", "data.class_weights=true", "schedule.loss=focal", "schedule.optimizer=sgd",
]  # fmt: skip


@pytest.fixture(scope="module")
def phased(toy_manifest: Path, toy_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of three phases without interruption; nothing is exported."""
    run = tmp_path_factory.mktemp("runs") / "phased"
    with pytest.MonkeyPatch.context() as patch:
        leave_out_package(patch)
        fit(Recipe.load(toy_recipe, PHASED), Manifest.open(toy_manifest), run, workers=0)
    return run


def test_phases_train_what_they_say_from_the_best_epoch_before(phased: Path) -> None:
    rows = figures(phased)
    assert [row["phase"] for row in rows[:2]] == ["1", "1"]
    assert {row["phase"] for row in rows} == {"1", "2", "3"}
    assert [row["epoch"] for row in rows] == [str(number) for number in range(len(rows))]
    # Rates begin anew with each phase (the first epoch's last step is past the warm-up).
    first_of = {row["phase"]: row for row in reversed(rows)}
    assert [float(first_of[phase]["learning_rate"]) for phase in "123"] == pytest.approx([1e-3, 1e-2, 1e-4])
    # Where the second phase has an epoch that is better than both of the first, the third starts from that.
    losses = [float(row["val_loss"]) for row in rows if row["phase"] != "3"]
    improved = min(losses[2:]) < min(losses[:2])
    second, third = weights(phased, "phase-2.ckpt"), weights(phased, "phase-3.ckpt")
    assert all(torch.equal(second[key], third[key]) for key in second) == (not improved)
    best = min(rows, key=lambda row: float(row["val_loss"]))
    final = torch.load(phased / "checkpoints" / "best.ckpt", map_location="cpu", weights_only=True)
    assert final["epoch"] == int(best["epoch"])
    assert {path.name for path in (phased / "checkpoints").iterdir()} == {
        "best.ckpt", "last.ckpt", "phase-2.ckpt", "phase-3.ckpt",
    }  # fmt: skip


def test_a_frozen_backbone_does_not_move(phased: Path, toy_recipe: Path) -> None:
    recipe = Recipe.load(toy_recipe, PHASED)
    import lightning.pytorch as pl

    pl.seed_everything(recipe.seed, verbose=False)
    fresh = DetectorModule(recipe, 4).state_dict()
    started = weights(phased, "phase-2.ckpt")
    moved = {key for key in fresh if not torch.equal(fresh[key], started[key])}
    assert moved
    assert all(key.startswith("network.head.") for key in moved)


@pytest.mark.parametrize(
    ("where", "after"),
    [
        # in the second epoch of the first phase
        ("training_step", 4 + 2),
        # in the first epoch of the second phase, which no checkpoint of its own stands behind yet
        ("training_step", 2 * 4 + 1),
        # after that epoch's best checkpoint was written and before its last: the third phase's likewise
        ("save_checkpoint", 2 * 2 + 1),
        # in the second epoch of the second phase: its first one took the plateau's state along
        ("training_step", 3 * 4 + 1),
        # in the third phase
        ("validation_step", 5 * 2 + 1),
    ],
)
def test_a_run_of_phases_broken_anywhere_ends_the_same(
    where: str, after: int, phased: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, no_package: list[Any],
) -> None:  # fmt: skip
    import lightning.pytorch as pl

    recipe, manifest = Recipe.load(toy_recipe, PHASED), Manifest.open(toy_manifest)
    owner: Any = pl.Trainer if where == "save_checkpoint" else DetectorModule
    with monkeypatch.context() as patch:
        break_after(patch, owner, where, after)
        with pytest.raises(Killed):
            fit(recipe, manifest, tmp_path / "run", workers=0)
    fit(recipe, manifest, tmp_path / "run", resume=True, workers=0, cache_bytes=0)
    assert figures(tmp_path / "run") == figures(phased)
    for name in ("best.ckpt", "last.ckpt", "phase-2.ckpt", "phase-3.ckpt"):
        ours, theirs = weights(tmp_path / "run", name), weights(phased, name)
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items()), name


AVERAGED = [
    "schedule.phases=[{epochs: 1, learning_rate: 1e-2, train: head}, {epochs: 2, learning_rate: 1e-2}]",
    "schedule.average=0.6", "schedule.decay=constant",
]  # fmt: skip


@pytest.fixture(scope="module")
def averaged(toy_manifest: Path, toy_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The run folder of two phases of averaged weights, and the newest weights after each step."""
    run, seen = tmp_path_factory.mktemp("runs") / "averaged", []

    def observe(self: Any, *_: Any) -> None:
        seen.append({key: tensor.clone() for key, tensor in self.state_dict().items()})

    with pytest.MonkeyPatch.context() as patch:
        leave_out_package(patch)
        patch.setattr(DetectorModule, "on_train_batch_end", observe)
        fit(Recipe.load(toy_recipe, AVERAGED), Manifest.open(toy_manifest), run, workers=0)
    return run, seen


def test_what_is_kept_is_the_moving_average(averaged: tuple[Path, list[Any]]) -> None:
    run, seen = averaged
    assert len(seen) == 3 * 4
    expected = {key: tensor.double() for key, tensor in seen[4].items()}  # the second phase begins with its first step
    for step, newest in enumerate(seen[5:], 1):
        rate = max(1 - 0.6, 9 / (9 + step))
        for key, tensor in newest.items():
            expected[key] += rate * (tensor.double() - expected[key])
    last = torch.load(run / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    floating = [key for key, tensor in seen[-1].items() if tensor.is_floating_point()]
    for key in floating:
        assert torch.allclose(last["state_dict"][key].double(), expected[key], rtol=1e-4, atol=1e-6), key
        assert torch.equal(last["current_model_state"][key], seen[-1][key]), key
    assert any(not torch.allclose(seen[-1][key].double(), expected[key], rtol=1e-3) for key in floating)


def test_what_is_validated_is_the_moving_average(
    averaged: tuple[Path, list[Any]], toy_manifest: Path, toy_recipe: Path
) -> None:
    run, _ = averaged
    recipe = Recipe.load(toy_recipe, AVERAGED)
    network = load_network(recipe, run / "checkpoints" / "last.ckpt")
    train, validation = find_samples(recipe, TrainingRows.read(Manifest.open(toy_manifest)), run)
    batches = list(FaceData(train, validation, recipe, 0).val_dataloader())
    with torch.inference_mode():
        logit = torch.cat([network(pixels)[0] for pixels, _ in batches])
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, torch.cat([target for _, target in batches]))
    assert float(figures(run)[-1]["val_loss"]) == pytest.approx(float(loss), abs=2e-6)


@pytest.mark.parametrize("after", [2, 4 + 1, 2 * 4 + 2])
def test_a_run_of_averaged_weights_broken_anywhere_ends_the_same(
    after: int, averaged: tuple[Path, list[Any]], toy_manifest: Path, toy_recipe: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, no_package: list[Any],
) -> None:  # fmt: skip
    recipe, manifest = Recipe.load(toy_recipe, AVERAGED), Manifest.open(toy_manifest)
    with monkeypatch.context() as patch:
        break_after(patch, DetectorModule, "training_step", after)
        with pytest.raises(Killed):
            fit(recipe, manifest, tmp_path / "run", workers=0)
    fit(recipe, manifest, tmp_path / "run", resume=True, workers=0)
    assert figures(tmp_path / "run") == figures(averaged[0])
    for name in ("best.ckpt", "last.ckpt", "phase-2.ckpt"):
        ours, theirs = weights(tmp_path / "run", name), weights(averaged[0], name)
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items()), name


def test_a_run_of_an_older_version_goes_on(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Fewer settings in its recipe and another digest of them, fewer columns, checkpoints that know no phase."""
    recipe, manifest, run = Recipe.load(toy_recipe), Manifest.open(toy_manifest), tmp_path / "run"
    with monkeypatch.context() as patch:
        break_after(patch, DetectorModule, "training_step", 2 * 4)
        with pytest.raises(Killed):
            fit(recipe, manifest, run, workers=0)
    content = yaml.safe_load((run / "recipe.yaml").read_text())
    for name in ("fusion", "features", "paper", "ensemble"):
        del content[name]
    for name in ("phases", "decay", "monitor", "mixup"):
        del content["schedule"][name]
    (run / "recipe.yaml").write_text(yaml.safe_dump(content))
    (run / "run.json").write_text(json.dumps({"recipe": "0" * 64, "manifest": manifest.digest()}))
    old_columns = ["epoch", "train_loss", "val_loss", "val_accuracy", "val_auc", "learning_rate", "seconds"]
    lines = [old_columns] + [[row[name] for name in old_columns] for row in read_history(run / "history.csv")]
    (run / "history.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    last = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, map_location="cpu", weights_only=True)
    del checkpoint["phase"], checkpoint["plateau"]
    torch.save(checkpoint, last)
    fit(recipe, manifest, run, resume=True, workers=0)
    rows = figures(run)
    assert rows[2:] == figures(unbroken)[2:]
    for row, expected in zip(rows[:2], figures(unbroken), strict=False):
        assert (row["train_loss"], row["val_auc"]) == (expected["train_loss"], expected["val_auc"])
        assert row["val_f1"] == row["phase"] == ""
    ours, theirs = weights(run, "last.ckpt"), weights(unbroken, "last.ckpt")
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


def test_runs_may_share_a_cache_and_need_none(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from unmask.training import dataset

    recipe, manifest = Recipe.load(toy_recipe, ["schedule.epochs=1"]), Manifest.open(toy_manifest)
    opened: list[str] = []
    decode = dataset.decode_image
    monkeypatch.setattr(dataset, "decode_image", lambda path: opened.append(path.name) or decode(path))
    rows = []
    for run, size in (("first", 2**30), ("second", 2**30), ("without", 0)):
        opened.clear()
        fit(recipe, manifest, tmp_path / run, workers=0, cache=tmp_path / "crops", cache_bytes=size)
        rows.append(figures(tmp_path / run))
        # Training images come from the cache, validation images from their files.
        assert any(int(name[:2]) < 16 for name in opened) == (size == 0)
        assert {name for name in opened if int(name[:2]) >= 16} == {f"{number}.png" for number in range(16, 24)}
        assert not (tmp_path / run / "cache").exists()
    assert rows[0] == rows[1] == rows[2]


def test_export_makes_the_same_bundle_again(unbroken: Path, toy_manifest: Path, tmp_path: Path) -> None:
    bundle = export_run(unbroken, Manifest.open(toy_manifest), tmp_path / "again")
    assert bundle.sha256 == Bundle.open(unbroken / "bundle").sha256
    assert {path.name for path in (tmp_path / "again").iterdir()} == {
        "model.onnx",
        "bundle.json",
        "golden.json",
        "SHA256SUMS",
    }


def test_run_folders_that_do_not_fit(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, make_toy: MakeToy, tmp_path: Path
) -> None:
    recipe, manifest = Recipe.load(toy_recipe), Manifest.open(toy_manifest)
    other_manifest = Manifest.open(make_toy(tmp_path / "other", train=20))
    other_recipe = Recipe.load(toy_recipe, ["seed=99"])
    before = sorted(path.name for path in unbroken.iterdir())
    for code, call in {
        "run_exists": lambda: fit(recipe, manifest, unbroken),
        "other_run": lambda: fit(other_recipe, manifest, unbroken, resume=True),
        "no_run": lambda: fit(recipe, manifest, tmp_path / "none", resume=True),
    }.items():
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == code
        assert caught.value.exit_code == 2
    with pytest.raises(UsageError) as caught:
        fit(recipe, other_manifest, unbroken, resume=True)
    assert caught.value.code == "other_run"
    with pytest.raises(UsageError) as caught:
        export_run(unbroken, other_manifest, tmp_path / "bundle")
    assert caught.value.code == "other_run"
    with pytest.raises(UsageError) as caught:
        export_run(tmp_path / "none", manifest, tmp_path / "bundle")
    assert caught.value.code == "no_run"
    assert not (tmp_path / "none").exists()
    assert sorted(path.name for path in unbroken.iterdir()) == before


def test_changed_prose_does_not_make_it_another_run(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, no_package: list[Any], tmp_path: Path
) -> None:
    run = shutil.copytree(unbroken, tmp_path / "run")  # other tests read the words of the unbroken one
    recipe = Recipe.load(toy_recipe, ["summary=better words"])
    fit(recipe, Manifest.open(toy_manifest), run, resume=True, workers=0)
    assert len(no_package) == 1


@pytest.mark.parametrize(
    ("keep", "word"),
    [
        # no fake to train on
        (lambda row: not (row.split == "train" and row.label == "fake"), "train"),
        # no real to validate on
        (lambda row: not (row.split == "val" and row.label == "real"), "validation"),
    ],
)
def test_a_missing_class_is_an_error(
    keep: Callable[[ManifestRow], bool], word: str, toy_manifest: Path, toy_recipe: Path, tmp_path: Path
) -> None:
    manifest = Manifest.open(toy_manifest)
    some = Manifest.from_rows([row for row in manifest if keep(row)], manifest.root)
    with pytest.raises(UsageError, match=f"The {word} split") as caught:
        fit(Recipe.load(toy_recipe), some, tmp_path / "run", workers=0)
    assert caught.value.code == "missing_class"


def is_set_aside(name: str) -> bool:
    """By the first byte of a SHA-256, 15 % of 256 being 38.4."""
    return hashlib.sha256(name.encode()).digest()[0] < 38.4


@pytest.mark.parametrize(
    ("count", "split", "parts"),
    [
        # One and one image without splits: none of these names is set aside by its hash, and none can be spared.
        (
            2,
            "",
            [
                "The validation split needs images of both classes, and has 0 real and 0 fake.",
                "The manifest has no split (1 real, 1 fake).",
                "so about 15 % of the groups are set aside for validation: here 0 of 2 images.",
                "takes at least 2 groups of each class",
                "unmask data split",
            ],
        ),
        # Nothing but a test split.
        (
            12,
            "test",
            [
                "The train split needs images of both classes, and has 0 real and 0 fake.",
                "The manifest has test (6 real, 6 fake).",
                "Rows with the split 'test' are not trained on",
            ],
        ),
        # Splits under other names: nothing to train on.
        (
            4,
            "training",
            [
                "The train split needs images of both classes, and has 0 real and 0 fake.",
                "The manifest has training (2 real, 2 fake).",
                "Rows with the split 'training' are not trained on: rename the splits to train and val",
            ],
        ),
    ],
)
def test_a_missing_split_is_named(
    count: int, split: str, parts: list[str], make_toy: MakeToy, toy_recipe: Path, tmp_path: Path
) -> None:
    make_toy(tmp_path, train=20, val=0)
    names = [name for name in sorted(path.name for path in tmp_path.glob("*.png")) if not is_set_aside(name)][:count]
    table = [
        ManifestRow(path=name, label="fake" if number % 2 else "real", split=split) for number, name in enumerate(names)
    ]
    with pytest.raises(UsageError) as caught:
        fit(Recipe.load(toy_recipe), Manifest.from_rows(table, tmp_path), tmp_path / "run", workers=0)
    assert caught.value.code == "missing_class"
    for part in parts:
        assert part in caught.value.message


@pytest.mark.parametrize("label", ["real", "fake"])
def test_one_class_is_named(label: str, make_toy: MakeToy, toy_recipe: Path, tmp_path: Path) -> None:
    make_toy(tmp_path, train=6, val=0)
    table = Manifest.from_rows([ManifestRow(path=f"0{number}.png", label=label) for number in range(6)], tmp_path)
    with pytest.raises(UsageError, match=f"needs images of both classes: all 6 rows are {label}") as caught:
        fit(Recipe.load(toy_recipe), table, tmp_path / "run", workers=0)
    assert caught.value.code == "missing_class" and "data split" not in caught.value.message


def test_six_and_six_images_without_splits_are_enough(
    make_toy: MakeToy, toy_recipe: Path, tmp_path: Path, no_package: list[Any]
) -> None:
    """None of these names is set aside by its hash: one of each class is, all the same."""
    make_toy(tmp_path, train=40, val=0)
    names = [name for name in sorted(path.name for path in tmp_path.glob("*.png")) if not is_set_aside(name)]
    reals, fakes = ([name for name in names if int(name[:2]) % 2 == odd][:6] for odd in (0, 1))
    rows = [ManifestRow(path=name, label=label) for label, own in (("real", reals), ("fake", fakes)) for name in own]
    fit(Recipe.load(toy_recipe, ["schedule.epochs=1"]), Manifest.from_rows(rows, tmp_path), tmp_path / "run", workers=0)
    [(train, validation)] = no_package
    assert sorted(sample.is_fake for sample in train) == [False] * 5 + [True] * 5
    assert sorted(sample.is_fake for sample in validation) == [False, True]


@pytest.mark.parametrize("ensemble", [False, True], ids=["a network", "an ensemble and its members"])
def test_the_manifest_is_read_once(
    ensemble: bool, toy_manifest: Path, toy_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = toy_recipe.read_text().replace("epochs: 4", "epochs: 1") + "classifier: {estimator: naive_bayes}\n"
    (tmp_path / "member.yaml").write_text(text)
    members = f'ensemble={{members: ["{tmp_path / "member.yaml"}", "{tmp_path / "member.yaml"}"]}}'
    recipe = Recipe.load(toy_recipe, [members]) if ensemble else Recipe.load(tmp_path / "member.yaml")
    manifest = Manifest.open(toy_manifest)
    reads: list[Path] = []
    rows_of = CsvTable.rows
    monkeypatch.setattr(CsvTable, "rows", lambda self: reads.append(self.path) or rows_of(self))
    bundle = fit(recipe, manifest, tmp_path / "run", workers=0)
    assert reads == [toy_manifest]
    assert bundle.info.card.manifest_digest == manifest.digest()


def test_fewer_images_than_a_batch(toy_manifest: Path, toy_recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        fit(Recipe.load(toy_recipe, ["schedule.batch_size=17"]), Manifest.open(toy_manifest), tmp_path / "run")
    assert caught.value.code == "too_few_pictures"
    assert "--set schedule.batch_size=16" in caught.value.message


@pytest.mark.parametrize("faces", ["null", "{zoom: false}"], ids=["whole images", "faces"])
def test_images_that_cannot_be_read_are_left_out_aloud(
    faces: str, make_toy: MakeToy, toy_recipe: Path, tmp_path: Path, no_package: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    table = make_toy(tmp_path / "toy")
    (tmp_path / "toy" / "01.png").write_bytes((tmp_path / "toy" / "01.png").read_bytes()[:100])
    (tmp_path / "toy" / "17.png").write_bytes(b"no image at all")
    recipe = Recipe.load(toy_recipe, ["schedule.epochs=1", f"preprocessing.faces={faces}"])
    with caplog.at_level(logging.WARNING, "unmask"):
        fit(recipe, Manifest.open(table), tmp_path / "run", workers=0)
    [(train, validation)] = no_package
    assert (len(train), len(validation)) == (15, 7)
    messages = [record.message for record in caplog.records]
    assert any("01.png" in message for message in messages)
    assert any("17.png" in message for message in messages)
    assert any("2 of 24 images could not be read" in message for message in messages)
    assert len(read_history(tmp_path / "run" / "history.csv")) == 1


def test_rows_of_the_test_split_are_never_read(
    make_toy: MakeToy, toy_recipe: Path, tmp_path: Path, no_package: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [
        {"path": "trap.png", "label": label, "source": "s", "group": "g", "split": split}
        for label, split in (("real", "test"), ("fake", "test"), ("fake", "held out"))
    ]
    for number, row in enumerate(more):
        row["path"] = f"trap{number}.png"
    table = make_toy(tmp_path / "toy", more=more)
    opened: set[str] = set()
    from unmask.data import face_index as faces
    from unmask.training import crop_cache as crops
    from unmask.training import dataset

    for module in (faces, dataset, crops):
        monkeypatch.setattr(
            module, "decode_image", lambda path, decode=module.decode_image: opened.add(path.name) or decode(path)
        )
    # A named pipe without a writer would hang whoever opened it; nobody does.
    for row in more:
        os.mkfifo(tmp_path / "toy" / row["path"])
    fit(Recipe.load(toy_recipe, ["schedule.epochs=1"]), Manifest.open(table), tmp_path / "run", workers=0)
    assert opened == {f"{number:02}.png" for number in range(24)}
    [(train, validation)] = no_package
    assert not {sample.path.name for sample in train + validation} & {row["path"] for row in more}


def split_rows(manifest: Manifest) -> dict[str, list[tuple[ManifestRow, Path]]]:
    read = TrainingRows.read(manifest)
    assert read.digest == manifest.digest()
    return {"train": read.train, "val": read.validation}


def rows(count: int, groups: int, split: str = "") -> list[ManifestRow]:
    return [
        ManifestRow(
            path=f"{number}.png",
            label="fake" if number % 2 else "real",
            group=f"group {number % groups}" if groups else "",
            split=split,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("groups", "split"),
    [
        # people with ten images each
        (200, ""),
        # the same, of a manifest that says train but has no val
        (200, "train"),
        # no groups: each image for itself
        (0, ""),
    ],
)
def test_without_a_validation_split_groups_are_set_aside(groups: int, split: str, tmp_path: Path) -> None:
    manifest = Manifest.from_rows(rows(2000, groups, split), tmp_path)
    parts = split_rows(manifest)
    assert len(parts["train"]) + len(parts["val"]) == 2000
    assert 0.08 < len(parts["val"]) / 2000 < 0.22
    sides = {name: {row.group or row.path for row, _ in part} for name, part in parts.items()}
    assert not sides["train"] & sides["val"]
    # By the group's name alone: another table with some of the same groups splits them alike.
    fewer = split_rows(Manifest.from_rows(rows(2000, groups, split)[:500][::-1], tmp_path))
    assert {row.path for row, _ in fewer["val"]} <= {row.path for row, _ in parts["val"]}
    for row, _ in parts["val"][:20]:
        assert is_set_aside(row.group or row.path)


def test_splits_of_other_names_are_not_trained_on(tmp_path: Path) -> None:
    table = [*rows(300, 0, "train"), *[row for row in rows(500, 0, "holdout") if int(row.path[:-4]) >= 300]]
    parts = split_rows(Manifest.from_rows(table, tmp_path))
    assert len(parts["train"]) + len(parts["val"]) == 300
    assert all(row.split == "train" for part in parts.values() for row, _ in part)


def test_rows_that_have_only_a_url_are_left_out(tmp_path: Path) -> None:
    table = [*rows(10, 0, "train"), ManifestRow(url="https://example.org/a.png", label="fake", split="train")]
    parts = split_rows(Manifest.from_rows([*table, *[ManifestRow(path="v.png", label="real", split="val")]],
                                                tmp_path))  # fmt: skip
    assert len(parts["train"]) == 10
    assert len(parts["val"]) == 1


def test_nothing_is_written_outside_the_run_folder(
    toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = sorted(path.name for path in toy_manifest.parent.iterdir())
    fit(Recipe.load(toy_recipe, ["schedule.epochs=1"]), Manifest.open(toy_manifest), tmp_path / "run", workers=0)
    assert list((tmp_path / "here").iterdir()) == []
    assert sorted(path.name for path in toy_manifest.parent.iterdir()) == before


def test_faces_are_searched_once_in_a_run(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from unmask.imaging.faces import FaceFinder

    searched = []
    monkeypatch.setattr(FaceFinder, "find", lambda self, image: searched.append(image.size) or [])
    recipe = Recipe.load(toy_recipe, ["schedule.epochs=2", "preprocessing.faces={zoom: false}"])
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "run", workers=0)
    assert len(searched) == 24
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "run", resume=True, workers=0)
    assert len(searched) == 24


def test_the_toy_can_be_learnt(toy_manifest: Path, toy_recipe: Path, tmp_path: Path, no_package: list[Any]) -> None:
    recipe = Recipe.load(
        toy_recipe,
        ["schedule.epochs=8", "schedule.batch_size=16", "data.epoch_size=64", "augmentation={preset: plain}"],
    )
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "run", workers=0)
    losses = [float(row["train_loss"]) for row in figures(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0], losses


def test_a_run_can_start_from_another(unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path) -> None:
    """At a vanishing learning rate the trained weights stay those of the run that it started from."""
    still = Recipe.load(toy_recipe, ["seed=9", "schedule.epochs=1", "schedule.learning_rate=1e-12"])
    bundle = fit(still, Manifest.open(toy_manifest), tmp_path / "run", start=Start(unbroken), workers=0)
    digest = hashlib.sha256((unbroken / "checkpoints" / "best.ckpt").read_bytes()).hexdigest()
    assert bundle.info.card.weights["started_from"] == f"best epoch of toy, checkpoint sha256 {digest}"
    ours, theirs = weights(tmp_path / "run", "best.ckpt"), weights(unbroken, "best.ckpt")
    trained = [name for name in theirs if name.endswith(("weight", "bias"))]
    assert trained
    for name in trained:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-7)
    # Another start makes it another run.
    with pytest.raises(UsageError, match="another recipe, manifest or start"):
        fit(still, Manifest.open(toy_manifest), tmp_path / "run", resume=True, workers=0)
    with pytest.raises(UsageError, match="no run with a finished epoch"):
        fit(still, Manifest.open(toy_manifest), tmp_path / "other", start=Start(tmp_path / "nowhere"), workers=0)


def test_a_run_of_another_network_is_nothing_to_start_from(
    unbroken: Path, toy_manifest: Path, toy_recipe: Path, tmp_path: Path
) -> None:
    other = Recipe.load(toy_recipe, ["backbone.name=mobilenetv3_small_075"])
    with pytest.raises(UsageError) as caught:
        fit(other, Manifest.open(toy_manifest), tmp_path / "run", start=Start(unbroken), workers=0)
    assert caught.value.code == "other_network"
