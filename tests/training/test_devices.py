"""Training with several processes gives what training with one gives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from unmask.errors import UsageError  # noqa: E402
from unmask.recipes import Recipe  # noqa: E402
from unmask.training.devices import Devices  # noqa: E402
from unmask.training.sharding import Shard, ShardedBatches  # noqa: E402
from unmask.training.state import read_history  # noqa: E402

pytestmark = pytest.mark.train

_TRAIN = """
import json, sys
from types import SimpleNamespace
from unmask.data.manifest import Manifest
from unmask.recipes import Recipe
from unmask.training import fit as module
from unmask.training.devices import Devices

if __name__ == "__main__":
    recipe, manifest, out, devices, *changes = sys.argv[1:]
    # The weights are compared; the bundle made of them is the same in every run.
    module._package = lambda *_: SimpleNamespace(info=None, sha256="")
    module.card_text = lambda *_: ""
    module.Bundle = SimpleNamespace(open=lambda _: None)
    module.fit(Recipe.load(recipe, changes), Manifest.open(manifest), module.Path(out), workers=0,
               devices=Devices(*json.loads(devices), accelerator="cpu"))
"""


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize(
    ("images", "batch_size"),
    [
        (16, 8),  # whole batches
        (19, 4),  # the last three images are left out
        (3, 4),  # not a single batch
    ],
)
def test_the_parts_of_all_processes_are_the_batches_of_one(images: int, batch_size: int, world: int) -> None:
    whole = [list(range(at, at + batch_size)) for at in range(0, images // batch_size * batch_size, batch_size)]
    parts = [list(ShardedBatches(Shard(rank, world).batches(images, batch_size))) for rank in range(world)]
    assert [[at for part in step for at in part] for step in zip(*parts, strict=True)] == whole
    assert all(len(batch) == batch_size // world for part in parts for batch in part)


@pytest.mark.parametrize("images", [0, 1, 7, 8])
def test_every_image_is_validated_once(images: int) -> None:
    rows = [Shard(rank, 3).rows(images) for rank in range(3)]
    assert sorted(np.concatenate(rows)) == list(range(images))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


@pytest.mark.parametrize(
    ("devices", "change", "text"),
    [
        (Devices(3), "schedule.batch_size=4", "each of 3 processes"),  # does not divide
        (Devices(4), "schedule.batch_size=4", "at least 2"),  # a single image has no batch statistics
        (Devices(0), "schedule.batch_size=4", "at least one device"),
        (Devices(1, 2), "schedule.batch_size=4", "MASTER_ADDR, MASTER_PORT, NODE_RANK"),  # nobody to meet
    ],
)
def test_what_cannot_work_is_refused_first(
    devices: Devices, change: str, text: str, toy_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=text) as raised:
        devices.check(Recipe.load(toy_recipe, [change]))
    assert raised.value.code == "bad_devices"


def test_a_number_of_a_machine_that_is_not_there_is_refused(toy_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "29500"), ("NODE_RANK", "2")):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="from 0 to 1"):
        Devices(1, 2).check(Recipe.load(toy_recipe))


def _train(out: Path, recipe: Path, manifest: Path, devices: str, *changes: str, **place: str) -> Any:
    # A file: processes that are spawned read it again.
    program = out.parent / "train.py"
    program.write_text(_TRAIN, encoding="utf-8")
    command = [sys.executable, str(program), str(recipe), str(manifest), str(out), devices, *changes]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | place
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def _finish(*processes: Any) -> None:
    for process in processes:
        _, text = process.communicate(timeout=900)
        assert process.returncode == 0, text[-3000:]


def _assert_same(run: Path, expected: Path) -> None:
    rows, theirs = read_history(run / "history.csv"), read_history(expected / "history.csv")
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in theirs] == ["0", "1"]
    for row, other in zip(rows, theirs, strict=True):
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_f1", "val_auc"):
            assert float(row[name]) == pytest.approx(float(other[name]), abs=2e-5), name
        assert row["learning_rate"] == other["learning_rate"]
    ours, others = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (run, expected)
    )
    assert ours.keys() == others.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, others[name], rtol=1e-3, atol=1e-4, msg=name)


# Dropout and mixing draw within a process; SGD, because Adam divides gradients near zero by themselves.
_SAME = ("schedule.epochs=2", "head.dropout=0", "schedule.optimizer=sgd", "schedule.learning_rate=0.05")


@pytest.mark.nightly
@pytest.mark.parametrize("more", [(), ("features.copies=1", "augmentation.codec=0"), ("schedule.average=0.9",)])
def test_two_processes_train_as_one(
    toy_manifest: Path, toy_recipe: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    _finish(
        _train(tmp_path / "one", toy_recipe, toy_manifest, "[1, 1]", *_SAME, *more),
        _train(tmp_path / "two", toy_recipe, toy_manifest, "[2, 1]", *_SAME, *more),
    )
    _assert_same(tmp_path / "two", tmp_path / "one")


@pytest.mark.nightly
def test_two_machines_train_as_one(toy_manifest: Path, toy_recipe: Path, tmp_path: Path) -> None:
    """Two commands that meet on loopback, each with one process; and phases, each of which starts processes again."""
    recipe = tmp_path / "phases.yaml"
    text = toy_recipe.read_text(encoding="utf-8").replace("epochs: 4, ", "").replace("learning_rate: 3.0e-3, ", "")
    phases = "phases: [{epochs: 1, learning_rate: 0.05, train: head}, {epochs: 1, learning_rate: 0.05, train: all}], "
    recipe.write_text(text.replace("schedule: {", "schedule: {" + phases), encoding="utf-8")
    changes = [change for change in _SAME if "epochs" not in change and "rate" not in change]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    one = _train(tmp_path / "one", recipe, toy_manifest, "[1, 1]", *changes)
    nodes = [
        _train(tmp_path / "two", recipe, toy_manifest, "[1, 2]", *changes, NODE_RANK=str(node), **place)
        for node in range(2)
    ]
    _finish(one, *nodes)
    _assert_same(tmp_path / "two", tmp_path / "one")
