"""What ``unmask scan`` costs: its rate beside ``unmask detect``, and how time and memory grow with the images.

    python benchmarks/scan.py rate --out benchmarks/results/scan.json
    python benchmarks/scan.py growth --out benchmarks/results/scan.json

Each part has the ratios of its own run, and keeps the other parts of the result file.

rate    the same folder by ``detect --json`` and by ``scan``, in turn; images per second of wall-clock time, start and
        end included; ratios are of medians
growth  scans of 1,000, 5,000 and 20,000 images: CPU time of all processes, without that of a scan of one image, and the
        peak memory of the command and of its largest worker

Images: some hundred made by ``_images.py``, 512 px, and copies that differ in a comment, so that each is judged.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from _report import argument_parser, describe_run, write_json
from unmask import Bundle

_PACKAGES = ("unmask", "numpy", "Pillow", "onnxruntime", "pyarrow")
_DIFFERENT = 400
_PER_FOLDER = 1_000
_SIZES = (1_000, 5_000, 20_000)
_SAMPLE_S = 0.2


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall-clock and CPU time with all its processes, and peaks of memory in MiB."""

    wall_s: float
    cpu_s: float
    command_mib: float
    worker_mib: float


def main() -> None:
    """Measure one part, and write it beside the others."""
    parser = argument_parser(__doc__)
    parser.add_argument("part", choices=sorted(_PARTS))
    parser.add_argument("--images", type=int, default=1_500, help="of the part rate", metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="of the part rate", metavar="N")
    parser.add_argument("--largest", type=int, default=_SIZES[-1], help="of the part growth", metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        measured, smoke = _PARTS[arguments.part](Path(place), arguments)
    run = describe_run(_PACKAGES, Bundle.open(None).sha256, smoke=smoke)
    result = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    parts = {**result.get("parts", {}), arguments.part: {"run": run, **measured}}
    trial = any(part["run"]["smoke"] for part in parts.values())
    write_json(arguments.out, {"run": run | {"smoke": trial}, "parts": parts})


def make_images(folder: Path, count: int) -> None:
    """Images below a folder, a thousand to a subfolder; no two have the same bytes."""
    made = folder.parent / "made"
    if not made.exists():
        here = Path(__file__).parent
        subprocess.run([sys.executable, str(here / "_images.py"), str(made), str(min(_DIFFERENT, count))], check=True)
    originals = [path.read_bytes() for path in sorted(made.iterdir())]
    for number in range(count):
        target = folder / f"{number // _PER_FOLDER:03d}" / f"{number:06d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        data, comment = originals[number % len(originals)], b"%012d" % number
        # After the start of the image, a comment segment.
        target.write_bytes(data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:])


def measure(*arguments: str) -> Cost:
    """The cost of ``unmask`` with these arguments.

    Raises:
        SystemExit: the command failed.
    """
    peaks = {"command": 0, "worker": 0}
    ended = threading.Event()
    before = os.times()
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "unmask", *arguments], stdout=subprocess.DEVNULL) as running:
        watcher = threading.Thread(target=_watch, args=(running.pid, peaks, ended))
        watcher.start()
        running.wait()
        wall = time.perf_counter() - started
        ended.set()
        watcher.join()
    if running.returncode:
        raise SystemExit(f"unmask {' '.join(arguments)}: exit code {running.returncode}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall, cpu, peaks["command"] / 2**20, peaks["worker"] / 2**20)


def _watch(pid: int, peaks: dict[str, int], ended: threading.Event) -> None:
    while not ended.wait(_SAMPLE_S):
        try:
            command = psutil.Process(pid)
            peaks["command"] = max(peaks["command"], command.memory_info().rss)
            for worker in command.children(recursive=True):
                peaks["worker"] = max(peaks["worker"], worker.memory_info().rss)
        except psutil.Error:
            continue


def _rate(place: Path, arguments: Any) -> tuple[dict[str, Any], bool]:
    folder = place / "images"
    make_images(folder, arguments.images)
    workers = ("--workers", str(arguments.workers))
    found: dict[str, list[Cost]] = {"detect": [], "scan": []}
    for _ in range(arguments.rounds):
        found["detect"].append(measure("detect", str(folder), "--recursive", "--json", *workers))
        shutil.rmtree(place / "scan", ignore_errors=True)
        found["scan"].append(measure("scan", str(folder), "--out", str(place / "scan"), *workers))
    rows = {
        name: {
            "images_per_s": round(arguments.images / statistics.median(cost.wall_s for cost in costs), 2),
            "cpu_ms_per_image": round(1000 * statistics.median(cost.cpu_s for cost in costs) / arguments.images, 3),
            "command_mib": round(max(cost.command_mib for cost in costs), 1),
            "worker_mib": round(max(cost.worker_mib for cost in costs), 1),
        }
        for name, costs in found.items()
    }
    ratio = rows["scan"]["images_per_s"] / rows["detect"]["images_per_s"]
    hours = 1e6 * rows["scan"]["cpu_ms_per_image"] / 1000 / 3600
    measured = {
        "images": arguments.images,
        "rounds": arguments.rounds,
        "workers": arguments.workers,
        "rows": rows,
        "ratio": round(ratio, 3),
        "cpu_hours_per_million": round(hours, 2),
    }
    return measured, arguments.images < 1_000 or arguments.rounds < 3


def _growth(place: Path, arguments: Any) -> tuple[dict[str, Any], bool]:
    folder, one = place / "images", place / "one"
    make_images(one, arguments.workers)
    workers = ("--workers", str(arguments.workers))
    start = measure("scan", str(one), "--out", str(place / "scan-one"), *workers).cpu_s
    rows: list[dict[str, Any]] = []
    for size in (size for size in _SIZES if size <= arguments.largest):
        make_images(folder, size)
        cost = measure("scan", str(folder), "--out", str(place / f"scan-{size}"), *workers)
        summary = json.loads((place / f"scan-{size}" / "summary.json").read_text())
        if summary["images"] != size or summary["copies"] or summary["errors"]:
            raise SystemExit(f"the scan of {size} images found {summary['images']}, {summary['copies']} copies")
        rows.append(
            {
                "images": size,
                "wall_s": round(cost.wall_s, 1),
                "cpu_ms_per_image": round(1000 * (cost.cpu_s - start) / size, 3),
                "command_mib": round(cost.command_mib, 1),
                "worker_mib": round(cost.worker_mib, 1),
            }
        )
        shutil.rmtree(folder)
    first, last = rows[0], rows[-1]
    measured = {
        "workers": arguments.workers,
        "start_cpu_s": round(start, 2),
        "rows": rows,
        "time_ratio": round(last["cpu_ms_per_image"] / first["cpu_ms_per_image"], 3),
        "command_mib_growth": round(last["command_mib"] - first["command_mib"], 1),
        "worker_mib_growth": round(last["worker_mib"] - first["worker_mib"], 1),
    }
    return measured, arguments.largest < _SIZES[-1]


_PARTS: dict[str, Callable[[Path, Any], tuple[dict[str, Any], bool]]] = {"rate": _rate, "growth": _growth}


if __name__ == "__main__":
    main()
