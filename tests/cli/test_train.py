"""``unmask train`` and ``unmask bundle export`` from the shell, end to end."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnxscript")

pytestmark = pytest.mark.train

RECIPE = """
name: toy
backbone: {name: test_efficientnet, weights: [none]}
preprocessing: {size: 32, faces: null}
schedule: {epochs: 9, batch_size: 4}
"""


def unmask(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "from unmask.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=1500,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, and class folders of forty images in two sources."""
    root = tmp_path_factory.mktemp("cli")
    (root / "toy.yaml").write_text(RECIPE)
    for number in range(40):
        is_fake = number % 2 == 1
        path = root / "faces" / ("phone" if number % 4 < 2 else "camera") / ("fake" if is_fake else "real")
        path.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(60, 190, (48, 48, 3))
        if is_fake:
            pixels += 40 * (np.arange(48) // 4 % 2)[None, :, None]
        Image.fromarray(pixels.astype(np.uint8)).save(path / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(folder: Path) -> subprocess.CompletedProcess[str]:
    return unmask(
        "train", "toy.yaml", "--manifest", "faces", "--out", "run", "--set", "schedule.epochs=2", "--seed", 3,
        "--workers", 0, "--cache", "crops", "--cache-size", "0.5", "--json", cwd=folder,
    )  # fmt: skip


def test_train_from_class_folders(trained: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert trained.returncode == 0, trained.stderr
    # Nothing but the result on standard output.
    result = json.loads(trained.stdout)
    assert Path(result["bundle"]) == Path("run/bundle")
    assert len(result["sha256"]) == 64
    assert 0 <= result["validation_auc"] <= 1
    # Random weights are said aloud, and each epoch is reported.
    assert "NO PRETRAINED WEIGHTS" in trained.stderr
    assert "epoch=1 phase=1 train_loss=" in trained.stderr
    assert "GPU available" not in trained.stderr
    assert "Traceback" not in trained.stderr
    with (folder / "run" / "history.csv").open() as table:
        assert [row["epoch"] for row in csv.DictReader(table)] == ["0", "1"]
    card = json.loads((folder / "run" / "bundle" / "bundle.json").read_text())["card"]
    assert card["recipe"]["seed"] == 3
    assert card["recipe"]["schedule"]["epochs"] == 2
    assert card["sources"]["real"].keys() == card["sources"]["fake"].keys() == {"phone", "camera"}
    assert {path.name for path in folder.iterdir()} >= {"toy.yaml", "faces", "run"}
    assert {path.name for path in folder.iterdir()} <= {"toy.yaml", "faces", "run", "again", "crops"}
    # The cache is where it was asked for, and holds the images that are not for validation.
    [index] = (folder / "crops").glob("crops-*/index.jsonl")
    assert 20 < len([line for line in index.read_text().splitlines() if line]) < 40
    assert not (folder / "run" / "cache").exists()


def test_the_bundle_is_a_detector(trained: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert trained.returncode == 0
    from unmask.detect.detector import load

    detector = load(folder / "run" / "bundle")
    assert detector.bundle.verify()["cases"] == 8
    assert detector.detect(folder / "faces" / "phone" / "real" / "0.png").result in {"REAL", "FAKE"}


def test_export_makes_the_bundle_again(trained: subprocess.CompletedProcess[str], folder: Path) -> None:
    exported = unmask("bundle", "export", "run", "--manifest", "faces", "--out", "again", cwd=folder)
    assert exported.returncode == 0, exported.stderr
    digest = json.loads(trained.stdout)["sha256"]
    assert exported.stdout.strip() == f"toy: bundle in again, sha256 {digest}"
    for name in ("model.onnx", "bundle.json", "golden.json", "SHA256SUMS"):
        assert (folder / "again" / name).read_bytes() == (folder / "run" / "bundle" / name).read_bytes()


def test_a_second_run_into_the_same_folder_is_refused(trained: subprocess.CompletedProcess[str], folder: Path) -> None:
    again = unmask("train", "toy.yaml", "--manifest", "faces", "--out", "run", cwd=folder)
    assert again.returncode == 2
    assert again.stdout == ""
    [line] = [line for line in again.stderr.splitlines() if line.startswith("unmask: ")]
    assert "--resume" in line
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        # a wrong setting, with the right one near
        (["toy.yaml", "--manifest", "faces", "--set", "schedule.epoch=1"], "Did you mean schedule.epochs?"),
        # a recipe that does not exist
        (["unmask-defalt", "--manifest", "faces"], "Did you mean unmask-default?"),
        # a manifest that does not exist
        (["toy.yaml", "--manifest", "nothing.csv"], "nothing.csv"),
        # a folder without class folders
        (["toy.yaml", "--manifest", "empty"], "contains no folder named real or fake"),
        # nothing to resume
        (["toy.yaml", "--manifest", "faces", "--resume"], "There is no run in"),
    ],
)
def test_wrong_calls_are_one_line_and_exit_code_2(
    arguments: list[str], part: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from unmask.cli import main

    for name in ("toy.yaml", "faces"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["unmask", "train", *arguments, "--out", "run"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert part in output.err
    assert not (tmp_path / "run").exists()


def test_a_missing_extra_is_one_line_and_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    from unmask.cli import main
    from unmask.install import install_line

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    arguments = ["unmask", "train", "unmask-default", "--manifest", str(tmp_path), "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 3
    assert install_line("train") in capsys.readouterr().err
