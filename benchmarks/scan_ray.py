"""What the Ray engine of ``unmask scan`` costs beside the local one, what its driver can bear, and what is killed.

    python benchmarks/scan_ray.py rate --out benchmarks/results/scan-ray.json
    python benchmarks/scan_ray.py driver --out benchmarks/results/scan-ray.json
    python benchmarks/scan_ray.py faults --out benchmarks/results/scan-ray.json

Each part has the ratios of its own run, and keeps the other parts of the result file.

rate    the same images by both engines on this machine, in turn; images per second after the first tenth of the
        images, so without the start, which is given separately; ratios are of medians
driver  CPU time of the one process that drives a scan, for an image: list it, read it from the list, write
        its row; and the sizes of all that
faults  the tests of clusters of two nodes on this machine, in which a node, an actor or the driver is killed: every
        image must be there once, with the row of an undisturbed run

Images: some hundred made by ``_images.py``, 512 px, and copies that differ in a comment, so that each is judged.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from _report import argument_parser, describe_run, write_json
from scan import make_images
from unmask import Bundle
from unmask.scan import ray_engine
from unmask.scan.engine import run_local
from unmask.scan.items import Item
from unmask.scan.shards import WORK, plan_scan
from unmask.scan.start import start

_PACKAGES = ("unmask", "numpy", "Pillow", "onnxruntime", "pyarrow", "ray")
_WARM = 0.1


def main() -> None:
    """Measure one part, and write it beside the others."""
    parser = argument_parser(__doc__)
    parser.add_argument("part", choices=sorted(_PARTS))
    parser.add_argument("--images", type=int, default=1_000, help="of the part rate", metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="of the part rate", metavar="N")
    parser.add_argument("--rows", type=int, default=100_000, help="of the part driver", metavar="N")
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


def _rate(place: Path, arguments: Any) -> tuple[dict[str, Any], bool]:
    images = place / "images"
    make_images(images, arguments.images)
    sizes = [path.stat().st_size for path in images.rglob("*.jpg")]
    found: dict[str, list[tuple[float, float]]] = {"local": [], "ray": []}
    for number in range(arguments.rounds):
        for engine in found:
            run: Callable[..., None] = run_local if engine == "local" else ray_engine.run_ray
            folder = start(place / f"{engine}-{number}", [str(images)], shard_size=200)
            found[engine].append(_timed(run, folder, arguments))
    rows = {
        engine: {
            "images_per_s": round(statistics.median(rate for rate, _ in runs), 2),
            "start_s": round(statistics.median(first for _, first in runs), 1),
        }
        for engine, runs in found.items()
    }
    measured = {
        "images": arguments.images,
        "rounds": arguments.rounds,
        "workers": arguments.workers,
        "image_kib": round(statistics.mean(sizes) / 1024, 1),
        "rows": rows,
        "ratio": round(rows["ray"]["images_per_s"] / rows["local"]["images_per_s"], 3),
    }
    return measured, arguments.images < 1_000 or arguments.rounds < 3


def _timed(run: Callable[..., None], folder: Any, arguments: Any) -> tuple[float, float]:
    """Images per second after the first tenth, and seconds until the first are done."""
    events: list[tuple[float, int]] = []
    began = time.perf_counter()

    def progress(count: int) -> None:
        events.append((time.perf_counter() - began, (events[-1][1] if events else 0) + count))

    run(folder, arguments.workers, progress)
    if events[-1][1] != arguments.images:
        raise SystemExit(f"{events[-1][1]} images of {arguments.images}")
    warm = next(event for event in events if event[1] >= _WARM * arguments.images)
    return (events[-1][1] - warm[1]) / (events[-1][0] - warm[0]), events[0][0]


def _driver(place: Path, arguments: Any) -> tuple[dict[str, Any], bool]:
    """Real rows of a few images, as if they were of many: judging takes no part in it."""
    make_images(place / "few", 8)
    few = start(place / "few-scan", [str(place / "few")], shard_size=8)
    judge = ray_engine.Judge(few.plan.settings().to_json(), few.plan.model_name, few.plan.unmask)
    rows = []
    for piece in ray_engine._pieces(str(few.path), few.missing(), 8):
        rows += json.loads(judge(piece).to_pylist()[0]["rows"])
    judge._worker.close()
    urls = (f"s3://bucket/photos/{number // 1000:06d}/{number:09d}.jpg" for number in range(arguments.rows))
    items = (Item(path=url, uri=url, unit=url, kind="object") for url in urls)
    began = time.process_time()
    folder = plan_scan(place / "scan", items, replace(few.plan, images=0, shards=0), 1_000)
    planned = time.process_time() - began
    lists = sum(path.stat().st_size for path in (folder.path / WORK).iterdir())
    shards = folder.missing()
    began = time.process_time()
    pieces = [piece for table in ray_engine._pieces(str(folder.path), shards, 256) for piece in table.to_pylist()]
    listed = time.process_time() - began
    sent = sum(len(piece["items"]) for piece in pieces)
    answers = {}
    for piece in pieces:
        paths = [facts["path"] for facts in json.loads(piece["items"])]
        answers[piece["shard"], piece["first"]] = json.dumps(
            [_row(rows[at % len(rows)], path) for at, path in enumerate(paths)]
        )
    received = sum(map(len, answers.values()))
    began = time.process_time()
    for shard in shards:
        own = sorted(key for key in answers if key[0] == shard)
        folder.write(shard, [row for key in own for row in json.loads(answers[key])], folder.items(shard))
    written = time.process_time() - began
    size = sum(folder.file_of(shard).stat().st_size for shard in shards)
    count = arguments.rows
    measured = {
        "rows": count,
        "plan_us": round(1e6 * planned / count, 2),
        "list_us": round(1e6 * listed / count, 2),
        "write_us": round(1e6 * written / count, 2),
        "work_bytes": round(lists / count, 1),
        "sent_bytes": round(sent / count, 1),
        "received_bytes": round(received / count, 1),
        "parquet_bytes": round(size / count, 1),
    }
    return measured, count < 100_000


def _row(row: dict[str, Any], path: str) -> dict[str, Any]:
    """A row as of another image: its numbers do not repeat, so that the file is not smaller than a real one."""
    draw = random.Random(path)
    faces = [
        {"box": [round(draw.uniform(0, 512), 1) for _ in range(4)], "fake_probability": draw.random()}
        for _ in row["faces"]
    ]
    return row | {
        "path": path,
        "sha256": draw.randbytes(32).hex(),
        "fake_probability": draw.random(),
        "faces": faces,
        "distance": draw.random(),
        "ms": round(draw.uniform(10, 90), 1),
    }


def _faults(place: Path, arguments: Any) -> tuple[dict[str, Any], bool]:
    report = place / "report.xml"
    root = Path(__file__).resolve().parents[1]
    tests = "tests/scan/test_ray_engine.py"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "nightly",
        tests,
        "-k",
        "one_node or killed",
        f"--junitxml={report}",
    ]
    subprocess.run(command, cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    cases = ElementTree.parse(report).getroot().iter("testcase")
    rows = [
        {
            "test": case.get("name"),
            "seconds": round(float(case.get("time", 0)), 1),
            "passed": not any(child.tag in ("failure", "error", "skipped") for child in case),
        }
        for case in cases
    ]
    return {"rows": rows, "passed": all(row["passed"] for row in rows) and bool(rows)}, not rows


_PARTS: dict[str, Callable[[Path, Any], tuple[dict[str, Any], bool]]] = {
    "rate": _rate,
    "driver": _driver,
    "faults": _faults,
}


if __name__ == "__main__":
    main()
