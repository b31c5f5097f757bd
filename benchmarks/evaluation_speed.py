"""Time to compute all metrics of a large score table.

    python benchmarks/evaluation_speed.py --out benchmarks/results/evaluation-speed.json

The scores are random: two normal distributions, in groups of two images, from twelve sources.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from _report import argument_parser, describe_run, write_json
from unmask.evaluation.cost_worker import peak_memory_mb
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.scores import Scores
from unmask.stats.resample import Draws

_SOURCES = 12


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--rows", type=int, default=100_000, help="scored images, 100000 or more (default: 100000)")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap draws, 2000 or more (default: 2000)")
    arguments = parser.parse_args()
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        _write(path, arguments.rows)
        began = time.perf_counter()
        scores = Scores.open(path)
        read = time.perf_counter()
        result = evaluate(scores, (), Draws(arguments.draws))
        ended, of_processors = time.perf_counter(), time.process_time()
    write_json(
        arguments.out,
        {
            "run": describe_run(("unmask", "numpy"), "", smoke=arguments.rows < 100_000 or arguments.draws < 2000),
            "rows": result.overall.n,
            "groups": result.overall.groups,
            "sources": len(result.by["source"]),
            "draws": arguments.draws,
            "read_seconds": round(read - began, 3),
            "seconds": round(ended - began, 3),
            "cpu_seconds": round(of_processors, 3),
            "load_average": load,
            "peak_memory_mb": round(peak_memory_mb(), 1),
        },
    )


def _write(path: Path, rows: int) -> None:
    draw = np.random.default_rng(0)
    is_fake = draw.random(rows) < 0.4
    probability = 1 / (1 + np.exp(-(draw.normal(0, 2, rows) + 3 * is_fake - 1.5)))
    source = draw.integers(0, _SOURCES, rows)
    with path.open("w", encoding="utf-8") as file:
        file.write("path,label,source,generator,group,fake_probability\n")
        for at in range(rows):
            label, generator = ("fake", f"g{source[at] % 5}") if is_fake[at] else ("real", "camera")
            file.write(f"{at}.jpg,{label},s{source[at]},{generator},p{at // 2},{float(probability[at])!r}\n")


if __name__ == "__main__":
    main()
