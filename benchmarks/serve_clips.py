"""What clips cost the images of ``unmask serve``: response times of images with and without a clip in progress.

    python benchmarks/serve_clips.py --out benchmarks/results/serve-clips.json

images    256 px images from 1 and 4 clients, without a clip, and while one 10 s clip of 1280 x 720 after the other is
          judged
clips     seconds from sending such a clip to its verdict, alone and with 4 clients that send images all the time

The runs alternate. Clients, service and system share the machine's cores. Frames of clips wait for images, each at most
half a second, so a clip takes longer beside images, and never forever.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import skimage
import uvloop
from PIL import Image

from _load_client import load
from _report import argument_parser, describe_run, write_json
from serve_load import figures, images, unmask_server
from unmask.detect.detector import load as load_detector

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.video.clips import encode

_CLIENTS = (1, 4)
_SIZE, _FPS, _SECONDS = (1280, 720), 25, 10
_PACKAGES = ("unmask", "onnxruntime", "fastapi", "uvicorn", "av")


def portrait_clip(folder: Path) -> Path:
    """Ten seconds of a portrait that drifts to the side."""
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    wide = original.resize((_SIZE[0] + _FPS * _SECONDS, _SIZE[0] + _FPS * _SECONDS)).crop(
        (0, 0, _SIZE[0] + _FPS * _SECONDS, _SIZE[1])
    )
    pixels = np.asarray(wide)
    frames = [pixels[:, at : at + _SIZE[0]] for at in range(_FPS * _SECONDS)]
    return encode(folder / "portrait.mp4", frames, fps=_FPS)


def judge_clip(port: int, clip: bytes) -> float:
    """Seconds from sending a clip to its verdict."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
        started = time.perf_counter()
        sent = client.post("/v1/videos", files={"video": ("a.mp4", clip)})
        sent.raise_for_status()
        with client.stream("GET", f"/v1/videos/{sent.json()['id']}/events") as stream:
            states = [line for line in stream.iter_lines() if line.startswith("data: ")]
        if '"state":"done"' not in states[-1]:
            raise SystemExit(f"the clip failed: {states[-1]}")
        return time.perf_counter() - started


@contextmanager
def clips_all_the_time(port: int, clip: bytes) -> Iterator[None]:
    """One clip after the other is judged meanwhile."""
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            judge_clip(port, clip)

    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(2)  # until the first one is being judged
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure(port: int, requests: list[bytes], clip: bytes, seconds: float, rounds: int) -> dict[str, Any]:
    """Images alone and beside clips, and clips alone and beside images; the runs alternate."""
    alone: dict[int, list[dict[str, Any]]] = {clients: [] for clients in _CLIENTS}
    beside: dict[int, list[dict[str, Any]]] = {clients: [] for clients in _CLIENTS}
    clips: dict[str, list[float]] = {"alone": [], "beside": []}
    uvloop.run(load(port, requests, 4, seconds=2))
    for _ in range(rounds):
        for clients in _CLIENTS:
            alone[clients].append(figures(uvloop.run(load(port, requests, clients, seconds=seconds))))
            with clips_all_the_time(port, clip):
                beside[clients].append(figures(uvloop.run(load(port, requests, clients, seconds=seconds))))
        clips["alone"].append(judge_clip(port, clip))

        async def both() -> float:
            busy = asyncio.create_task(load(port, requests, 4, seconds=600))
            found = await asyncio.to_thread(judge_clip, port, clip)
            busy.cancel()
            return found

        clips["beside"].append(uvloop.run(both()))
    return {
        "images": [
            {"clients": clients, **{name: _median(runs, name) for name in ("p50_ms", "p95_ms", "p99_ms", "per_s")},
             "beside": {name: _median(beside[clients], name) for name in ("p50_ms", "p95_ms", "p99_ms", "per_s")}}
            for clients, runs in alone.items()
        ],
        "clips": {name: round(statistics.median(found), 2) for name, found in clips.items()},
    }  # fmt: skip


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return round(statistics.median(run[name] for run in runs), 1)


def main() -> None:
    """Measure and write."""
    parser: argparse.ArgumentParser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="result file")
    parser.add_argument("--smoke", action="store_true", help="a short trial run")
    arguments = parser.parse_args()
    small, _ = images()
    with tempfile.TemporaryDirectory() as folder, unmask_server() as (port, _):
        clip = portrait_clip(Path(folder)).read_bytes()
        rounds, seconds = (1, 2.0) if arguments.smoke else (3, 10.0)
        found = measure(port, small, clip, seconds, rounds)
    sha256 = load_detector().bundle.sha256
    content = {
        **found,
        "clip": f"{_SECONDS} s, {_SIZE[0]} x {_SIZE[1]}, H.264, {len(clip):,} bytes, 32 frames judged",
        "rounds": rounds,
        "run": describe_run(_PACKAGES, sha256, smoke=arguments.smoke),
    }
    write_json(arguments.out, content)
    for row in content["images"]:
        print(row)
    print(content["clips"])


if __name__ == "__main__":
    main()
