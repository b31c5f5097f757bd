"""``unmask detect`` called from tests, and small images for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

TIMEOUT = 120  # seconds; for what would otherwise hang


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def paths(self) -> list[str]:
        return [line["path"] for line in self.lines]


Unmask = Callable[..., Ran]


def process(*arguments: str | bytes, cwd: Path, stdin: bytes = b"", **environment: str) -> Ran:
    """``python -m unmask`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "unmask", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT,
        env={**os.environ, **environment},
        check=False,
    )
    err = done.stderr.decode()
    assert "Traceback" not in err
    return Ran(done.returncode, done.stdout.decode(), err)


def make_image(path: Path, grey: int = 144, side: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (grey, grey, grey)).save(path, "PNG")
    return path


def make_marked(path: Path, grey: int = 144) -> Path:
    """As Midjourney might write it, with settings that ComfyUI leaves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = PngInfo()
    notes.add_text("Software", "Midjourney")
    notes.add_text("workflow", "{}")
    Image.new("RGB", (32, 32), (grey, grey, grey)).save(path, "PNG", pnginfo=notes)
    return path
