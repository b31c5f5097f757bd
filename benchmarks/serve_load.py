"""Throughput, latency and memory of ``unmask serve`` under load, compared with a plain Flask and torch server.

    python benchmarks/serve_load.py --out benchmarks/results/serve.json

steady    256 px images from 1, 16 and 64 clients, one server after the other; also with the detector in 8 bits (fast)
mixed     64 clients, every tenth image has 12 megapixels
hostile   64 clients with images and garbage, plus slow uploads and aborted uploads
settings  256 px images from 64 clients with other numbers of threads and batch sizes
memory    resident memory over many requests, every hundredth with 12 megapixels

Clients, servers and the system share the machine's cores. A client sends its next image as soon as it has a response.
``unmask serve`` writes every verdict to SQLite before it responds; its rate limit is off.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import skimage
import uvloop
from PIL import Image

from _images import variant
from _load_client import Tally, form, load, misbehave
from _report import argument_parser, describe_run, write_json

_HERE = Path(__file__).resolve().parent
_PACKAGES = ("unmask", "onnxruntime", "fastapi", "uvicorn", "uvloop", "SQLAlchemy", "Flask", "torch", "timm")
_CLIENTS = (1, 16, 64)
_SMALL_SIDE, _LARGE_SIZE = 256, (4000, 3000)
_VARIANTS = 40
# Threads and images in a run.
_SETTINGS = ((1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (2, 4), (2, 8))
_GARBAGE = (b"", b"no image", bytes(range(256)) * 40, b"\xff\xd8\xff" + b"\0" * 5000)


def images() -> tuple[list[bytes], list[bytes]]:
    """Requests with small images, and with large ones."""
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    small, large = [], []
    for seed in range(_VARIANTS):
        image, quality = variant(original, seed)
        small.append(_request(image.resize((_SMALL_SIDE, _SMALL_SIDE), Image.Resampling.BICUBIC), quality))
        if seed % 10 == 0:
            large.append(_request(image.resize(_LARGE_SIZE, Image.Resampling.BICUBIC), quality))
    return small, large


@contextlib.contextmanager
def running(command: Sequence[str], port: int) -> Iterator[psutil.Process]:
    """A server that is ready, stopped afterwards."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                    break
                if process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"{command} ended:\n{log.read().decode(errors='replace')}")
                time.sleep(0.1)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


@contextlib.contextmanager
def unmask_server(*flags: str) -> Iterator[tuple[int, psutil.Process]]:
    """``unmask serve`` with a history on disk."""
    port = _free_port()
    unmask = str(Path(sys.executable).parent / "unmask")
    with tempfile.TemporaryDirectory() as store:
        command = [unmask, "serve", "--port", str(port), "--rate", "0", "--store", store, *flags]
        with running(command, port) as process:
            yield port, process


@contextlib.contextmanager
def peer_server() -> Iterator[tuple[int, psutil.Process]]:
    """The Flask server."""
    port = _free_port()
    with running([sys.executable, str(_HERE / "peer_flask_torch.py"), "--port", str(port)], port) as process:
        yield port, process


def figures(tally: Tally) -> dict[str, Any]:
    """Throughput, quantiles of the response time, statuses."""
    cuts = statistics.quantiles(tally.seconds, n=100, method="inclusive") if len(tally.seconds) > 1 else [0.0] * 99
    return {
        "requests": tally.statuses.total(),
        "seconds": round(tally.elapsed, 2),
        "per_s": round(len(tally.seconds) / tally.elapsed, 2),
        "p50_ms": round(1000 * cuts[49], 1),
        "p95_ms": round(1000 * cuts[94], 1),
        "p99_ms": round(1000 * cuts[98], 1),
        "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
    }


def measure(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """One run after a short one that does not count."""
    run = uvloop.run
    run(load(port, requests, clients, seconds=min(2.0, seconds)))
    return {"clients": clients, **figures(run(load(port, requests, clients, seconds=seconds)))}


def hostile(port: int, requests: Sequence[bytes], slow: bytes, seconds: float) -> dict[str, Any]:
    """Well-behaved clients and the others at once; what each got."""

    async def both() -> tuple[Tally, dict[str, int]]:
        stop = asyncio.Event()
        others = asyncio.create_task(misbehave(port, slow, stop))
        tally = await load(port, requests, 64, seconds=seconds)
        stop.set()
        return tally, dict(sorted((await others).items()))

    tally, others = uvloop.run(both())
    return {"clients": 64, **figures(tally), "others": others}


def memory(port: int, process: psutil.Process, small: list[bytes], large: list[bytes], count: int) -> dict[str, Any]:
    """Resident memory after every twentieth part of the requests."""
    requests, samples, statuses = _mixed(small, large, 100), [], {}
    for _ in range(20):
        tally = uvloop.run(load(port, requests, 16, count=count // 20))
        samples.append(round(process.memory_info().rss / 2**20, 1))
        for status, number in tally.statuses.items():
            statuses[str(status)] = statuses.get(str(status), 0) + number
    half = len(samples) // 2
    return {
        "requests": count // 20 * 20,
        "rss_mib": samples,
        "growth_second_half_mib": round(statistics.mean(samples[-5:]) - statistics.mean(samples[half : half + 5]), 1),
        "statuses": statuses,
    }


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--seconds", type=float, default=12.0, help="seconds per run (default: 12)")
    parser.add_argument("--requests", type=int, default=20_000, help="requests in the memory run (default: 20000)")
    arguments = parser.parse_args()
    small, large = images()
    mixed = _mixed(small, large, 10)
    servers = {
        "unmask": unmask_server,
        "fast": lambda: unmask_server("--model", "fast", "--batch", "8"),
        "peer": peer_server,
    }
    steady: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    mixed_figures = {}
    for name, server in servers.items():
        with server() as (port, _):
            for clients in _CLIENTS:
                _say(f"{name}, {clients} clients")
                steady[name].append(measure(port, small, clients, arguments.seconds))
            _say(f"{name}, mixed")
            mixed_figures[name] = measure(port, mixed, 64, arguments.seconds)
    with unmask_server() as (port, process):
        _say("hostile")
        garbage = [form(data) for data in _GARBAGE]
        hostile_figures = hostile(port, [*mixed, *garbage * (len(mixed) // 8)], large[0], arguments.seconds)
        _say("memory")
        memory_figures = memory(port, process, small, large, arguments.requests)
        sha256 = _bundle_sha256(port)
    settings = []
    for workers, batch in _SETTINGS:
        _say(f"{workers} threads, {batch} images")
        with unmask_server("--workers", str(workers), "--batch", str(batch)) as (port, _):
            found = measure(port, small, 64, arguments.seconds / 2)
        settings.append({"workers": workers, "batch": batch, **found})
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, sha256, smoke=arguments.seconds < 10 or arguments.requests < 20_000),
            "peer": "Flask's own server and torch, three tf_efficientnet_lite0 at 160 px, random weights; no face "
            "finder, no history",
            "pictures": f"{_SMALL_SIDE} x {_SMALL_SIDE} and {_LARGE_SIZE[0]} x {_LARGE_SIZE[1]} JPEG, quality 70 to "
            "95, variants of scikit-image's astronaut",
            "steady": steady,
            "mixed": mixed_figures,
            "hostile": hostile_figures,
            "memory": memory_figures,
            "settings": settings,
        },
    )


def _mixed(small: list[bytes], large: list[bytes], one_in: int) -> list[bytes]:
    """Requests, every n-th of them large."""
    return [*(small * one_in)[: len(large) * (one_in - 1)], *large]


def _request(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return form(out.getvalue())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _bundle_sha256(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
        return str(json.load(answer)["bundle_sha256"])


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
