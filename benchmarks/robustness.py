"""Robustness of the shipped detector: tiers on every image of a split, the whole grid on a random sample.

    python benchmarks/robustness.py --manifest ../shared/data/faces/manifest.csv \\
        --out benchmarks/results/robustness.json
    python benchmarks/robustness.py --manifest ../shared/data/faces/manifest.csv --edition 2 --sample 0 \\
        --out benchmarks/results/robustness-edition-2.json

Test images are used to report, never to choose.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask.detect.detector import load
from unmask.evaluation import degradations as conditions
from unmask.evaluation.results.base import DetectorFacts
from unmask.evaluation.robustness import draw_rows, measure_conditions, score_conditions
from unmask.progress import progress_bar
from unmask.stats.resample import Draws

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="table of labelled images")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--work", type=Path, help="folder to resume an interrupted run in (default: a temporary one)")
    parser.add_argument("--split", default="test", help="split to use (default: test)")
    parser.add_argument("--edition", default="1", help="edition of the shared images (default: 1)")
    about = "images for the grid, 400 or more, or 0 to test the tiers only (default: 400)"
    parser.add_argument("--sample", type=int, default=400, help=about)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--workers", type=int, help="worker threads (default: number of CPUs)")
    arguments = parser.parse_args()
    detector = load()
    split = open_edition(arguments.manifest, arguments.edition).select(split=arguments.split)
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        parts = [("tiers", split, conditions.tiers())]
        if arguments.sample:
            sample = draw_rows(split, arguments.sample, arguments.seed)
            parts.append(("grid", sample, [conditions.Condition(conditions.CLEAN), *conditions.grid()]))
        for name, images, chosen in parts:
            with progress_bar(name, sum(1 for _ in images)) as advance:
                (tables,) = score_conditions(
                    [detector],
                    images,
                    chosen,
                    work / "robustness.jsonl",
                    seed=arguments.seed,
                    workers=arguments.workers,
                    progress=advance,
                )
            facts = DetectorFacts(bundle_sha256=detector.bundle.sha256, manifest_digest=images.digest())
            draws = Draws(seed=arguments.seed, workers=arguments.workers)
            result = measure_conditions(tables, chosen, draws, seed=arguments.seed, detector=facts)
            results[name] = result.to_dict()
    write_json(
        arguments.out,
        {"run": describe_run(_PACKAGES, detector.bundle.sha256, smoke=0 < arguments.sample < 400), **results},
    )


if __name__ == "__main__":
    main()
