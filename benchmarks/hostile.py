"""CPU time and memory of files made to cost more than their size, each in a process of its own; cost of the children.

    python benchmarks/hostile.py --out benchmarks/results/hostile.json

files     every case of tests/imaging/hostile.py through ``decode`` at the default limits (Linux: needs fork and /proc)
children  good images through the pool of child processes beside the same in this process, medians in turn
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import skimage
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.imaging import hostile

from _report import describe_run, write_json
from unmask.detect.detector import load
from unmask.errors import ImageError
from unmask.imaging.decode import decode
from unmask.imaging.decode_pool import DecodePool

_CPU_LIMIT = 120
_ROUNDS = 60
_SIDES = (256, 512, 1024, 3000)


def measure(data: bytes) -> dict[str, Any]:
    """CPU seconds, peak of memory above where it stood, and what came of it, from a forked process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_LIMIT, _CPU_LIMIT))
        # What libraries print on standard error is no part of the figures.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        Path("/proc/self/clear_refs").write_text("5")
        before, started = _held("VmRSS"), time.process_time()
        try:
            decode(data)
            outcome = "read"
        except ImageError as error:
            outcome = error.code
        seconds = time.process_time() - started
        found = {"cpu_s": round(seconds, 3), "peak_mib": max(0, _held("VmHWM") - before) // 1024, "outcome": outcome}
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return dict(json.loads(answer)) if answer else {"cpu_s": None, "peak_mib": None, "outcome": "killed"}


def children() -> list[dict[str, Any]]:
    """Milliseconds of good images with and without child processes, one after the other in turn."""
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    rows = []
    with DecodePool(1) as pool:
        for side in _SIDES:
            out = io.BytesIO()
            original.resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
            data = out.getvalue()
            here, there = _medians(lambda data=data: decode(data), lambda data=data: pool.decode(data))
            rows.append({"side": side, "here_ms": here, "child_ms": there, "ratio": round(there / here, 2)})
    return rows


def whole_request() -> dict[str, float]:
    """A whole detection of a 512-pixel JPEG file with the decoding in a child, beside the same without."""
    detector = load()
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    out = io.BytesIO()
    original.save(out, "JPEG", quality=90)
    data = out.getvalue()
    with DecodePool(1) as pool:
        here, there = _medians(
            lambda: detector.detect(data), lambda: detector.judge([detector.prepare(data, decoder=pool.decode)])
        )
    return {"here_ms": here, "child_ms": there, "ratio": round(there / here, 2)}


def _medians(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for call, spent in zip((first, second), times, strict=True):
            started = time.perf_counter()
            call()
            spent.append(1000 * (time.perf_counter() - started))
    return round(statistics.median(times[0]), 2), round(statistics.median(times[1]), 2)


def _held(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    decode(hostile.jpeg())  # what is imported and cached on first use is not the file's cost
    files = []
    for name, data in hostile.all_cases():
        files.append({"case": name, "bytes": len(data), **measure(data)})
        print(files[-1], file=sys.stderr)
    content = {
        "files": files,
        "worst_cpu_s": max(_CPU_LIMIT if row["cpu_s"] is None else row["cpu_s"] for row in files),
        "worst_peak_mib": max(row["peak_mib"] or 0 for row in files),
        "children": children(),
        "request": whole_request(),
    }
    write_json(
        arguments.out, {**describe_run(("unmask", "numpy", "Pillow"), load().bundle.sha256, smoke=False), **content}
    )


if __name__ == "__main__":
    main()
