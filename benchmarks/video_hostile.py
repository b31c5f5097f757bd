"""Clips made to harm their reader: what came of each, CPU time and memory, each in a child process of its own.

    python benchmarks/video_hostile.py --mutations 5000 --out benchmarks/results/video-hostile.json

special    the cases of tests/video/hostile.py: wrong headers, 16k x 16k, 10,000 streams, an endless GIF ...
cut        sound clips of 15 kinds, and one of 64 KiB, cut at each kibibyte of their first 64
mutations  damaged copies of the sound clips, drawn by a seed (Linux: needs fork)
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from tests.video import hostile
from tests.video.clips import encode

import unmask.imaging.video.reading  # noqa: F401 - once, before the children are forked
from _report import argument_parser, describe_run, write_json
from unmask.progress import progress_bar

_PACKAGES = ("unmask", "numpy", "Pillow", "av")


def summary(outcomes: Iterable[tuple[str, hostile.Outcome]]) -> dict[str, Any]:
    """Numbers of outcomes, the costliest, and the names of the files that did not end in an answer."""
    listed = list(outcomes)
    bad = [
        {"file": name, "code": outcome.code, "detail": outcome.detail}
        for name, outcome in listed
        if outcome.code in {"crashed", "escaped", "stopped"}
    ]
    return {
        "files": len(listed),
        "outcomes": dict(sorted(Counter(outcome.code for _, outcome in listed).items())),
        "cpu_s": {
            "median": round(float(np.median([outcome.cpu_s for _, outcome in listed])), 4),
            "largest": round(max(outcome.cpu_s for _, outcome in listed), 3),
        },
        "peak_mib": round(max(outcome.peak_mib for _, outcome in listed), 1),
        "without_an_answer": bad[:100],
    }


def main() -> None:
    """Read all, and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--mutations", type=int, default=5000, help="damaged copies to read (default: 5000)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = hostile.originals(folder)
        rng = np.random.default_rng(0)
        noise = list(rng.integers(0, 256, (10, 144, 176, 3), dtype=np.uint8))
        sound["large.mp4"] = encode(
            folder / "large.mp4", noise, options={"crf": "20"}, container_options={"movflags": "faststart"}
        )
        sizes = {name: path.stat().st_size for name, path in sorted(sound.items())}
        case = folder / "case"

        def read(data: bytes) -> hostile.Outcome:
            case.write_bytes(data)
            return hostile.read_in_child(case)

        special = {name: read(make()) for name, make in hostile.special_cases(folder).items()}
        cut = [
            (f"{name} at {number} KiB", read(data))
            for name, path in sound.items()
            for number, data in enumerate(hostile.cut_copies(path.read_bytes()), 1)
        ]
        files = sorted(sound.items())
        mutated = []
        with progress_bar("mutations", arguments.mutations, rate=True) as advance:
            for seed in range(arguments.mutations):
                name, path = files[seed % len(files)]
                mutated.append((f"{name}, seed {seed}", read(hostile.mutate(path.read_bytes(), seed))))
                advance()
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, "", smoke=arguments.mutations < 5000),
            "limits": {"cpu_s": hostile.LIMITS.cpu_seconds, "memory_mib": hostile.LIMITS.memory_bytes / 2**20},
            "sound": sizes,
            "special": {
                name: {
                    "outcome": outcome.code,
                    "cpu_s": round(outcome.cpu_s, 3),
                    "peak_mib": round(outcome.peak_mib, 1),
                }
                for name, outcome in special.items()
            },
            "cut": summary(cut),
            "mutations": summary(mutated),
        },
    )


if __name__ == "__main__":
    main()
