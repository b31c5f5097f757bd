"""What ``--thorough`` costs and brings: the default detector, the accurate one, and both in turn, on validation images.

    unmask models pull accurate
    python benchmarks/thorough.py --manifest ../shared/data/faces/manifest.csv --out benchmarks/results/thorough.json

All validation images of edition 2 and a random sample of those of edition 1, one at a time in one thread. Each image is
judged by all three before the next one, so that they meet the same load. Test images are not read.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import proportion
from unmask.bundle.bundle import Bundle
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector, load
from unmask.detect.thorough import ThoroughDetector, accurate_bundle
from unmask.detect.verdict import Verdict
from unmask.evaluation.robustness import draw_rows
from unmask.imaging.decode import read_bytes
from unmask.progress import progress_bar
from unmask.stats.intervals import group_codes, interval
from unmask.stats.metrics import Flags, Floats, auc
from unmask.stats.resample import Draws, resample

_PACKAGES: Final = ("unmask", "numpy", "onnxruntime", "Pillow")
MODES: Final = ("default", "thorough", "accurate")


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="table of labelled images")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--accurate", type=Path, help="the accurate detector (default: the one that was pulled)")
    parser.add_argument("--sample", type=int, default=400, help="images of each edition, 400 or more (default: 400)")
    arguments = parser.parse_args()
    accurate = accurate_bundle() if arguments.accurate is None else Bundle.open(arguments.accurate)
    first = load()
    detectors = {
        "default": first,
        "thorough": ThoroughDetector(first.bundle, accurate),
        "accurate": Detector(accurate),
    }
    validation = Manifest.open(arguments.manifest).select(split="val")
    editions = {}
    for edition in ("1", "2"):
        images = draw_rows(validation.select(edition=edition), arguments.sample, 0)
        editions[edition] = _measure(detectors, images, f"edition {edition}")
    write_json(
        arguments.out,
        {
            "schema": 1,
            "run": describe_run(_PACKAGES, first.bundle.sha256, smoke=arguments.sample < 400),
            "models": {name: detectors[name].model_name for name in ("default", "accurate")},
            "accurate_sha256": accurate.sha256,
            "editions": editions,
        },
    )


def _measure(detectors: dict[str, Detector], images: Manifest, title: str) -> dict[str, Any]:
    rows = list(images)
    verdicts: dict[str, list[Verdict]] = {name: [] for name in MODES}
    seconds: dict[str, list[float]] = {name: [] for name in MODES}
    with progress_bar(title, len(rows)) as advance:
        for row in rows:
            data = read_bytes(images.resolve(row))
            for name in MODES:
                started = time.process_time()
                verdicts[name].append(detectors[name].detect(data))
                seconds[name].append(time.process_time() - started)
            advance()
    is_fake = np.array([row.label == "fake" for row in rows])
    groups = [row.group or row.path for row in rows]
    return {name: summary(verdicts[name], seconds[name], is_fake, groups) for name in MODES}


def summary(
    verdicts: Sequence[Verdict], seconds: Sequence[float], is_fake: Flags, groups: Sequence[str]
) -> dict[str, Any]:
    """How right one detector is, how often it is sure, and what it costs.

    Args:
        verdicts: without errors.
        seconds: of processor time, for each.
        is_fake: bool [n], the truth.
        groups: names [n], equal for images that are not independent.
    """
    probability = np.array([verdict.fake_probability for verdict in verdicts], np.float64)
    right = np.array([verdict.result == "FAKE" for verdict in verdicts]) == is_fake
    decided = np.array([verdict.verdict in ("FAKE", "REAL") for verdict in verdicts])
    names = np.asarray(groups)

    def area(weight: Floats) -> Floats:
        return np.array([auc(probability, is_fake, weight)])

    drawn = resample(group_codes(groups), area, Draws())
    return {
        "n": len(verdicts),
        "n_fake": int(is_fake.sum()),
        "auc": interval(float(drawn.values[0]), drawn.interval(0)),
        "real_kept": proportion(right[~is_fake], names[~is_fake].tolist()),
        "fakes_found": proportion(right[is_fake], names[is_fake].tolist()),
        "decided": proportion(decided, groups),
        "right_of_decided": proportion(right[decided], names[decided].tolist()),
        "verdicts_of": dict(sorted(Counter(verdict.model for verdict in verdicts).items())),
        "mean_ms": round(1000 * float(np.mean(seconds)), 1),
        "median_ms": round(1000 * float(np.median(seconds)), 1),
    }


if __name__ == "__main__":
    main()
