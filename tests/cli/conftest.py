"""Fixtures of the commands' tests."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.detecting import Ran, Unmask

from unmask.cli import main


@pytest.fixture
def unmask(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Unmask:
    """Runs ``unmask detect`` with the tiny bundle in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes = b"", model: Path = tiny_bundle) -> Ran:
        monkeypatch.setattr(sys, "argv", ["unmask", "detect", *arguments, "--model", str(model)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ran(int(caught.value.code or 0), out, err)

    return run
