"""Scans made by tests: images, plans, and workers that some images crash or block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unmask.detect.detector import load
from unmask.imaging.limits import default_limits
from unmask.scan.shards import Plan, ScanFolder
from unmask.scan.summary import summarize

CRASH, BLOCK, FAULT, SLOW = b"CRASH-THE-WORKER", b"BLOCK-THE-WORKER", b"FAULT-IN-THE-WORKER", "UNMASK_TEST_SLOW"

# Python imports this in every worker: images with a certain text in them then end, block or fail it.
_POISON = f"""
import os, signal, time
from unmask.detect.detector import Detector
judge = Detector.detect_or_error
def poisoned(self, source):
    time.sleep(float(os.environ.get({SLOW!r}, 0)))
    if {CRASH!r} in source:
        os.kill(os.getpid(), signal.SIGSEGV)
    if {BLOCK!r} in source:
        time.sleep(3600)
    if {FAULT!r} in source:
        raise RuntimeError("a fault of ours")
    return judge(self, source)
Detector.detect_or_error = poisoned
"""


def poisoned_workers(folder: Path, monkeypatch: Any) -> None:
    """Let workers that are started from now on be poisoned by images of :func:`make_image`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_POISON)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def make_image(path: Path, grey: int, text: bytes = b"") -> bytes:
    """A grey PNG of 40 px, with a text in it that makes its bytes differ."""
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text("Comment", text.decode())
    Image.new("RGB", (40, 40), (grey, grey, grey)).save(path, "PNG", pnginfo=info)
    return path.read_bytes()


def make_plan(bundle: Path, **changes: Any) -> Plan:
    """A plan with the bundle's own settings."""
    detector = load(bundle)
    facts: dict[str, Any] = {
        "sources": ("images",), "root": "/", "images": 0, "shards": 0, "part": (1, 1), "columns": (),
        "model": str(bundle), "model_name": detector.model_name, "bundle_sha256": detector.bundle.sha256,
        "threshold": detector.threshold, "limits": default_limits(), "timeout": 60.0, "passed_over": 0, "unmask": "0",
    }  # fmt: skip
    return Plan(**(facts | changes))


def outcome(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All that a scan found, without times: its rows in the order of the files, and the summary."""
    import pyarrow.parquet as parquet

    scan = ScanFolder(folder)
    rows = [
        row | {"ms": 0.0}
        for path in sorted((folder / "verdicts").glob("*.parquet"))
        for row in parquet.read_table(path).to_pylist()
    ]
    return rows, {name: value for name, value in summarize(scan).items() if name != "timing"}
