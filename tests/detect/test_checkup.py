"""What ``unmask doctor`` finds."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from unmask.bundle.bundle import Bundle
from unmask.cli import main
from unmask.detect.checkup import check_up, extras
from unmask.install import install_line
from unmask.version import __version__


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["unmask", "doctor", *arguments])
    try:
        main()
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_a_sound_detector(tiny_bundle: Path) -> None:
    found = check_up(tiny_bundle)
    bundle = Bundle.open(tiny_bundle)
    assert (found.unmask, found.model, found.bundle_sha256) == (__version__, bundle.name, bundle.sha256)
    assert found.error is None and found.message == ""
    assert found.largest_difference is not None and found.largest_difference < 1e-3
    assert found.ms is not None and found.ms > 0
    assert found.packages["numpy"] == metadata.version("numpy") and "CPUExecutionProvider" in found.providers
    assert found.cpus >= 1 and found.free_bytes > 0


def test_a_broken_detector_is_a_finding(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bundle, broken)
    with (broken / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert run(monkeypatch, "--model", str(broken), "--json") == 3
    found = json.loads(capsys.readouterr().out)
    assert found["error"] and found["message"] and found["ms"] is None


def test_what_is_missing_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=1", 'torch>=2.7; extra == "train"', "av<20,>=17; extra == 'video'", 'pytest; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    version = metadata.version

    def installed(name: str) -> str:
        if name == "av":
            raise metadata.PackageNotFoundError(name)
        return "1" if name == "torch" else version(name)

    monkeypatch.setattr(metadata, "version", installed)
    train, video = extras()
    assert (train.name, train.missing, train.line) == ("train", (), "")
    assert (video.name, video.missing, video.line) == ("video", ("av",), install_line("video"))


def test_the_command_says_it_in_lines(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--model", str(tiny_bundle)) == 0
    lines = capsys.readouterr().out.splitlines()
    words = [line.split()[0] for line in lines]
    assert words[:6] == ["unmask", "packages", "runtime", "detector", "speed", "cache"]
    assert "golden cases replay" in lines[3]
