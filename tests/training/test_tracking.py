"""Epochs reported to trackers: the numbers of the run's own history, in one run even if it was interrupted."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("mlflow")

from unmask.data.manifest import Manifest
from unmask.errors import MissingExtraError, UsageError
from unmask.recipes import Recipe
from unmask.training.fit import fit
from unmask.training.state import read_history
from unmask.training.tracking import PROJECT, check_trackers, open_trackers

pytestmark = pytest.mark.train


def test_mlflow_has_the_numbers_of_the_history(toy_manifest: Path, toy_recipe: Path, tmp_path: Path) -> None:
    import mlflow

    recipe = Recipe.load(toy_recipe, ["schedule.epochs=2"])
    place = str(tmp_path / "mlruns")
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "mine", workers=0, trackers=[f"mlflow:{place}"])
    client = mlflow.MlflowClient(place)
    experiment = client.get_experiment_by_name(PROJECT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.params["schedule/epochs"] == "2"
    assert run.data.params["recipe_digest"] == recipe.digest()
    history = read_history(tmp_path / "mine" / "history.csv")
    for name in ("train_loss", "val_loss", "val_auc", "learning_rate"):
        there = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        assert there == [(number, float(row[name])) for number, row in enumerate(history, 1)], name


def test_a_run_that_is_resumed_is_one_run(tmp_path: Path) -> None:
    import mlflow

    place, recipe = str(tmp_path / "mlruns"), Recipe(name="mine")
    with pytest.raises(KeyboardInterrupt), open_trackers([f"mlflow:{place}"], tmp_path, recipe) as loggers:
        loggers[0].log_metrics({"val_auc": 0.6}, step=1)
        raise KeyboardInterrupt
    client = mlflow.MlflowClient(place)
    (run,) = client.search_runs([client.get_experiment_by_name(PROJECT).experiment_id])
    assert run.info.status == "FAILED"
    with open_trackers([f"mlflow:{place}"], tmp_path, recipe) as loggers:
        loggers[0].log_metrics({"val_auc": 0.7}, step=2)
    (run,) = client.search_runs([client.get_experiment_by_name(PROJECT).experiment_id])
    assert run.info.status == "FINISHED"
    assert [metric.value for metric in client.get_metric_history(run.info.run_id, "val_auc")] == [0.6, 0.7]


def records(path: Path) -> list[Any]:
    """What an offline run of W&B holds: after seven bytes, blocks of 32 KiB as in the logs of LevelDB."""
    from wandb.proto import wandb_internal_pb2

    content, found, part = path.read_bytes(), [], b""
    at = 7
    while at + 7 <= len(content):
        if (at % 32768) > 32768 - 7:  # no room for a header: the block ends
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        part += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            found.append(wandb_internal_pb2.Record.FromString(part))
            part = b""
    return found


@pytest.mark.nightly
def test_wandb_keeps_a_run_on_this_machine(
    toy_manifest: Path, toy_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    recipe = Recipe.load(toy_recipe, ["schedule.epochs=2"])
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "mine", workers=0, trackers=["wandb"])
    (written,) = (tmp_path / "mine" / "wandb").glob("offline-run-*/*.wandb")
    found = [item for record in records(written) for item in record.history.item]
    aucs = [json.loads(item.value_json) for item in found if "val_auc" in (item.key, *item.nested_key)]
    history = read_history(tmp_path / "mine" / "history.csv")
    assert aucs == pytest.approx([float(row["val_auc"]) for row in history])


@pytest.mark.parametrize("tracker", ["", "mlflow", "mlflow:", "tensorbord", "wandb:x"])
def test_what_is_no_tracker_is_refused(tracker: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_trackers([tracker])
    assert raised.value.code == "bad_tracker"


def test_tensorboard_may_be_asked_for_and_is_always_there(toy_manifest: Path, toy_recipe: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(toy_recipe, ["schedule.epochs=1"])
    fit(recipe, Manifest.open(toy_manifest), tmp_path / "run", workers=0, trackers=["tensorboard"])
    assert list((tmp_path / "run" / "tensorboard").rglob("events.out.tfevents.*"))
    assert not (tmp_path / "run" / "tracking.json").exists()


def test_a_tracker_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match="track"):
        check_trackers(["mlflow:x"])
