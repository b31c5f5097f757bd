"""CPU time and memory of files made to cost more than their size, each in a process of its own; cost of the children.

    python benchmarks/hostile.py --out benchmarks/results/hostile.json

files     every case of tests/imaging/hostile.py through ``decode`` at the default limits (Linux: needs fork and /proc)
children  good images through the pool of child processes beside the same in this process, medians in turn
service   64 clients of ``unmask serve`` with 256-pixel images, without and with one request in ten of the corpus
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import skimage
import uvloop
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.imaging import hostile

from _load_client import Connection, form, load
from _report import argument_parser, describe_run, write_json
from serve_load import unmask_server
from unmask.detect.detector import load as load_detector
from unmask.errors import ImageError
from unmask.imaging.decode import decode
from unmask.imaging.decode_pool import DecodePool

_PACKAGES = ("unmask", "numpy", "Pillow", "pi-heif", "onnxruntime", "uvicorn")
_CPU_LIMIT = 120
_ROUNDS = 60
_SIDES = (256, 512, 1024, 3000)
_CLIENTS = 64


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
    detector, in_child = load_detector(), load_detector()
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    out = io.BytesIO()
    original.save(out, "JPEG", quality=90)
    data = out.getvalue()
    with DecodePool(1) as pool:
        in_child.decoder = pool.decode
        here, there = _medians(lambda: detector.detect(data), lambda: in_child.detect(data))
    return {"here_ms": here, "child_ms": there, "ratio": round(there / here, 2)}


def service(seconds: float) -> dict[str, Any]:
    """Good requests beside costly ones: statuses, quantiles of the good ones' times, memory of all processes."""
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    out = io.BytesIO()
    original.resize((256, 256), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    good, costly = form(out.getvalue()), [form(data) for _, data in hostile.all_cases()]
    found = {}
    for name, one_in in (("without", 0), ("with", 10)):
        with unmask_server() as (port, process):
            uvloop.run(load(port, [good], 16, seconds=2))  # a start that does not count
            found[name] = uvloop.run(_both(port, process, good, costly, one_in, seconds))
    return found


async def _both(
    port: int, process: psutil.Process, good: bytes, costly: list[bytes], one_in: int, seconds: float
) -> dict[str, Any]:
    """64 clients, each of which draws what to send next."""
    times: list[float] = []
    statuses: dict[str, Counter[int]] = {"good": Counter(), "costly": Counter()}
    end = time.perf_counter() + seconds
    peak = 0

    async def client(seed: int) -> None:
        connection, draw = Connection(port), random.Random(seed)
        while time.perf_counter() < end:
            is_costly = one_in > 0 and draw.randrange(one_in) == 0
            started = time.perf_counter()
            status, wait = await connection.ask(draw.choice(costly) if is_costly else good)
            statuses["costly" if is_costly else "good"][status] += 1
            if not is_costly and status == 200:
                times.append(time.perf_counter() - started)
            if status == 429:
                await asyncio.sleep(wait)
        connection.close()

    async def watch() -> None:
        nonlocal peak
        while time.perf_counter() < end:
            held = 0
            for each in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    held += each.memory_full_info().pss
            peak = max(peak, held)
            await asyncio.sleep(0.25)

    await asyncio.gather(watch(), *(client(seed) for seed in range(_CLIENTS)))
    quantiles = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "clients": _CLIENTS,
        "seconds": seconds,
        "good": {str(status): count for status, count in sorted(statuses["good"].items())},
        "costly": {str(status): count for status, count in sorted(statuses["costly"].items())},
        "p50_ms": round(1000 * quantiles[49], 1),
        "p99_ms": round(1000 * quantiles[98], 1),
        "peak_mib": round(peak / 2**20),
    }


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
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds per run of the service (default: 30)")
    arguments = parser.parse_args()
    decode(hostile.jpeg())  # what is imported and cached on first use is not the file's cost
    files = []
    for name, data in hostile.all_cases():
        files.append({"case": name, "bytes": len(data), **measure(data)})
        print(files[-1], file=sys.stderr)
    run = describe_run(_PACKAGES, load_detector().bundle.sha256, smoke=arguments.seconds < 30)
    write_json(
        arguments.out,
        {
            "run": run,
            "files": files,
            "worst_cpu_s": max(_CPU_LIMIT if row["cpu_s"] is None else row["cpu_s"] for row in files),
            "worst_peak_mib": max(row["peak_mib"] or 0 for row in files),
            "children": children(),
            "request": whole_request(),
            "service": service(arguments.seconds),
        },
    )


if __name__ == "__main__":
    main()
