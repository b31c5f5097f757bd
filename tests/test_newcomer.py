"""The page of what a newcomer does is of the commands that ``tools/newcomer.py`` runs, and they work."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorials" / "newcomer.md"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("newcomer", ROOT / "tools" / "newcomer.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["newcomer"] = module
    spec.loader.exec_module(module)
    return module


def commands(page: str) -> list[str]:
    """The blocks of the page that a reader types, without the installation."""
    return [block.removesuffix(" &") for block in re.findall(r"```sh\n(.*?)\n```", page, re.DOTALL)][1:]


def expected(tool: Any) -> list[str]:
    return [line for step in tool.STEPS for line in ([step.service] if step.service else []) + list(step.commands)]


def test_the_page_has_the_commands_of_the_tool(tool: Any) -> None:
    page = PAGE.read_text("utf-8")
    assert commands(page) == expected(tool)
    assert tool._INSTALL in page and tool.MAKE_PHOTOS in page
    headings = re.findall(r"^## (.+)$", page, re.M)
    assert headings == ["Install", *(step.heading for step in tool.STEPS)]
    # Of the machine that wrote it, nothing is left.
    assert not re.search(r"(?<![\w.])/(?:tmp|var|home|root|work|Users)\b|site-packages", page)


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        # folders and addresses
        ("made in /x/try/run/bundle\n", "made in run/bundle"),
        ("paths are relative to /x/try", "paths are relative to ."),
        ("/x/env/bin/unmask at http://127.0.0.1:4711/", "environment/bin/unmask at http://127.0.0.1:8000/"),
        # too wide, too long
        ("x" * 161, "x" * 157 + "..."),
        ("\n".join("abcdefghijklmnopqrstuvwxyz"), "\n".join("abcdefghijklmnopqrstuvwx") + "\n... 2 more lines"),
        ("\n", ""),
    ],
)
def test_output_is_shown_as_a_reader_sees_it(tool: Any, output: str, shown: str) -> None:
    assert tool.readable(output, Path("/x/try"), Path("/x/env"), 4711) == shown


@pytest.mark.nightly
@pytest.mark.train
def test_a_newcomer_gets_through(tool: Any, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "newcomer.py"), "--environment", sys.prefix]
    subprocess.run([*command, "--out", str(tmp_path / "page.md")], check=True)
    page = (tmp_path / "page.md").read_text("utf-8")
    assert commands(page) == expected(tool)
    assert "1 FAKE, 1 REAL, 0 UNCERTAIN, 0 NO_FACE" in page and "100 images made and 100 originals from 100" in page
    assert '"verdict":"FAKE"' in page and "lite-probe@1: hashes match" in page and "AUC" in page
    assert len(set(re.findall(r"hf://me/mine@[0-9a-f]{40}", page))) == 1
