"""The demo: both portraits are judged rightly, and everything that it names is there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unmask.cli import app
from unmask.errors import MissingExtraError


def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].startswith("REAL ") and "unmask-demo/real.jpg" in lines[1]
    assert lines[2].startswith("FAKE ") and "unmask-demo/manipulated.jpg" in lines[2]
    named = [line.split()[1] for line in lines if line.startswith(("Images:", "Evidence:", "Report:"))]
    assert len(named) == 3 and all((tmp_path / name).exists() for name in named)
    assert len(list((tmp_path / "unmask-demo" / "evidence").glob("*.png"))) == 2


def test_without_the_portrait_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, MissingExtraError) and "[demo]" in str(result.exception)
    assert not (tmp_path / "out").exists()  # nothing was written before
