"""The whole of ``unmask evaluate`` for the shipped detector on a split.

    python benchmarks/evaluation.py --manifest faces/manifest.csv --out benchmarks/results/evaluation.json

The split is read to report, never to choose.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _report import describe_run, write_json
from unmask.data.manifest import Manifest
from unmask.detect.detector import load
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.scores import score_manifest
from unmask.progress import progress_bar
from unmask.stats.resample import Draws

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")


def main() -> None:
    """Measure and write the result."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True, help="table of labelled images")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--work", type=Path, help="file from which a stopped run goes on; by default none")
    parser.add_argument("--split", default="test", help="which images (default: test)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.add_argument("--workers", type=int, help="threads; by default one a CPU")
    arguments = parser.parse_args()
    detector = load()
    images = Manifest.open(arguments.manifest).select(split=arguments.split)
    with progress_bar("scoring", sum(1 for _ in images)) as advance:
        scores = score_manifest(detector, images, arguments.work, workers=arguments.workers, progress=advance)
    facts = {
        "bundle_sha256": detector.bundle.sha256,
        "sources_in_training": detector.bundle.info.card.sources,
        "manifest_digest": images.digest(),
    }
    result = evaluate(scores, (), Draws(seed=arguments.seed, workers=arguments.workers), detector=facts)
    run = describe_run(_PACKAGES, detector.bundle.sha256, smoke=False)
    write_json(arguments.out, {"run": run, "result": result})


if __name__ == "__main__":
    main()
