"""The examples of ``docs/library.md``: those with output are run, the others import names that exist."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SHOWN = [block for block in BLOCKS if block.startswith(">>> ")]
PLAIN = [block for block in BLOCKS if not block.startswith(">>> ")]


def test_the_page_has_examples_of_both_kinds() -> None:
    assert len(SHOWN) >= 7
    assert len(PLAIN) >= 2


def test_examples_give_what_the_page_shows(
    astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    astronaut.save("portrait.jpg", quality=95)
    rng = np.random.default_rng(0)
    for label in ("real", "fake"):
        Path("photos", label).mkdir(parents=True)
        for number in range(30):
            noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
            Image.fromarray(noise).save(Path("photos", label, f"{number}.png"))
    names: dict[str, Any] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    for block in SHOWN:
        test = doctest.DocTestParser().get_doctest(block, names, "library.md", None, None)
        runner.run(test, out=report.append, clear_globs=False)
        names = test.globs
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
    assert Path("verdicts.csv").read_text().count("\n") == 3


@pytest.mark.parametrize("block", PLAIN, ids=[f"block {number}" for number in range(len(PLAIN))])
def test_other_examples_import_what_there_is(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module != "unmask":  # its names have a test, and need an extra
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, name.name) for name in node.names)
