"""Faithfulness of the default bundle's evidence maps, and cost of a report.

    python benchmarks/explanations.py --manifest ../shared/data/faces/manifest.csv \\
        --checks checks.jsonl --out benchmarks/results/explanations.json

faithfulness   ``unmask check-maps`` on a random sample of the test split: deletion and insertion against random
               orders, the map of the same network with random weights, agreement with occlusion
report         ``unmask explain IMAGE --out FOLDER`` for a 12 megapixel image in a new process without torch

The image is scikit-image's astronaut enlarged to 4000 x 3000. Peak memory is the kernel's high-water mark of that
process (``ru_maxrss``), which needs a smaller parent, so a process of its own measures it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _report import argument_parser, describe_run, write_json
from _shared import open_edition

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")
_SIZE = (4000, 3000)
# Runs the command, its own peak being a few MiB, and prints seconds, user and system time and the peak in KiB.
_WATCH = """
import json, os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - started
print(json.dumps([status, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""
# The command in an interpreter that has no torch.
_COMMAND = "import sys; sys.modules['torch'] = None; from unmask.cli import main; main()"


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checks", type=Path, help="file to resume an interrupted run from")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    report = _measure_report(arguments.runs)

    from unmask import load
    from unmask.evaluation.map_study import draw_rows, study
    from unmask.explain.explainer import Explainer
    from unmask.progress import progress_bar

    explainer = Explainer(load(), seed=arguments.seed)
    table = open_edition(arguments.manifest).select(split="test")
    rows = draw_rows(table, arguments.images, arguments.seed)
    with progress_bar("checking maps", len(rows)) as advance:
        found = study(explainer, table, rows, arguments.checks, advance)
    smoke = len(rows) < 200 or arguments.runs < 5
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, explainer.detector.bundle.sha256, smoke=smoke),
            "faithfulness": {
                "split": "test",
                "seed": arguments.seed,
                "random_orders": found.images[0].random_orders,
                "by_result": found.to_dict()["by_result"],
                "failures": len(found.failures),
            },
            "report": report,
        },
    )


def _measure_report(runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        photo = Path(temporary) / "photo.jpg"
        make = (
            "import sys, skimage.data; from PIL import Image; "
            f"Image.fromarray(skimage.data.astronaut()).resize({_SIZE}).save(sys.argv[1], quality=92)"
        )
        subprocess.run([sys.executable, "-c", make, str(photo)], check=True)
        measured = []
        for number in range(runs):
            command = [sys.executable, "-c", _COMMAND, "explain", str(photo), "--out", f"{temporary}/{number}"]
            done = subprocess.run([sys.executable, "-c", _WATCH, *command], check=True, capture_output=True, text=True)
            status, seconds, processor, peak = json.loads(done.stdout)
            if status:
                raise SystemExit(f"explain failed:\n{done.stderr}")
            measured.append((seconds, processor, peak / 1024))
        seconds, processor, peaks = (list(values) for values in zip(*measured, strict=True))
        [page] = (Path(temporary) / "0").rglob("report.html")
        size = page.stat().st_size
    return {
        "width": _SIZE[0],
        "height": _SIZE[1],
        "runs": runs,
        "seconds": {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)},
        "processor_seconds": {"median": statistics.median(processor), "min": min(processor), "max": max(processor)},
        "peak_rss_mib": max(peaks),
        "page_bytes": size,
    }


if __name__ == "__main__":
    main()
