"""Pillow gives what the page's own resampling is held to (web/src/local/resample.test.ts)."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "resample_golden.py"


def test_pillow_gives_the_golden_pixels() -> None:
    if not TOOL.is_file():
        pytest.skip("a source archive does not hold the tool")
    made = runpy.run_path(str(TOOL))
    stored = json.loads(made["GOLDEN"].read_text(encoding="utf-8"))
    assert [case["pixels"] for case in stored["cases"]] == [case["pixels"] for case in made["cases"]()]
    # Nothing else is in the file than the tool writes.
    assert made["GOLDEN"].read_text(encoding="utf-8") == made["content"]()
