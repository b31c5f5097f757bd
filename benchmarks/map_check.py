"""How long the check of an evidence map takes, and how often its decision would be another with other random orders.

    python benchmarks/map_check.py --manifest ../shared/data/faces/manifest.csv --cache map-check.jsonl \\
        --out benchmarks/results/map-check.json

Real photographs and fakes of the split ``val`` with a face, from all sources in turn. The quick check (8 random
orders) is what the command and the service do by default; the full one adds a map by occlusion and the map of random
weights. The thorough one has other random orders, and four times as many: it shows how often chance decides.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import draw_balanced, proportion
from unmask import load
from unmask.data.manifest import Manifest
from unmask.explain.explainer import Explainer
from unmask.explain.faithfulness import check
from unmask.files import digest, stamp
from unmask.imaging.decode import decode_image
from unmask.journal import Journal
from unmask.progress import progress_bar

_PACKAGES: Final = ("unmask", "numpy", "onnxruntime", "Pillow")
_THOROUGH: Final = 32


def main() -> None:
    """Check each map three times and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="file of finished checks, to resume from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=40, help="number of images of each label")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    explainer = Explainer(load(), seed=arguments.seed)
    bundle = explainer.detector.bundle.sha256
    manifest = Manifest.open(arguments.manifest)
    checked: list[dict[str, Any]] = []
    with Journal(arguments.cache) as journal, progress_bar("maps", 2 * arguments.images) as advance:
        for label in ("fake", "real"):
            rows = manifest.select(split="val", label=label)
            # Some have no face, so more are drawn than are needed.
            drawn = draw_balanced(list(rows), 2 * arguments.images, arguments.seed)
            found: list[dict[str, Any]] = []
            for row in drawn:
                path = manifest.resolve(row)
                key = digest("map check 1", bundle, arguments.seed, row.path, stamp(path))
                facts = journal.get(key)
                if facts is None:
                    facts = _check(explainer, path)
                    journal.note(key, facts)
                if facts["face"]:
                    found.append({**facts, "label": label})
                    advance()
                if len(found) == arguments.images:
                    break
            checked += found
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, bundle, smoke=arguments.images < 40),
            "split": "val",
            "orders": checked[0]["orders"],
            "thorough_orders": _THOROUGH,
            "rows": [
                _row(name, [each for each in checked if wanted(each)])
                for name, wanted in (
                    ("all", lambda _: True),
                    ("fakes", lambda each: each["label"] == "fake"),
                    ("real photographs", lambda each: each["label"] == "real"),
                    ("verdict FAKE", lambda each: each["verdict"] == "FAKE"),
                    ("verdict REAL", lambda each: each["verdict"] == "REAL"),
                    ("verdict UNCERTAIN", lambda each: each["verdict"] == "UNCERTAIN"),
                )
            ],
        },
    )


def _check(explainer: Explainer, path: Path) -> dict[str, Any]:
    seen = explainer.judge(decode_image(path))
    if seen.verdict.verdict == "NO_FACE":
        return {"face": False}
    started = time.process_time()
    quick = explainer.check(seen, compare=False)
    between = time.process_time()
    full = explainer.check(seen)
    ended = time.process_time()
    thorough = check(
        explainer.logits, seen.pixels, seen.evidence, seen.towards, orders=_THOROUGH, seed=explainer.seed + 1
    )
    return {
        "face": True,
        "verdict": seen.verdict.verdict,
        "orders": len(quick.random),
        "gain": quick.gain,
        "quick": quick.reliable,
        "full": full.reliable,
        "thorough": thorough.reliable,
        "quick_cpu_seconds": between - started,
        "full_cpu_seconds": ended - between,
    }


def _row(name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    if not items:
        return {"name": name, "n": 0}
    return {
        "name": name,
        "n": len(items),
        "reliable": proportion([each["quick"] for each in items]),
        "as_full": proportion([each["quick"] == each["full"] for each in items]),
        "as_thorough": proportion([each["quick"] == each["thorough"] for each in items]),
        **{
            f"{kind}_cpu_seconds": {
                "median": float(np.median([each[f"{kind}_cpu_seconds"] for each in items])),
                "high": float(np.quantile([each[f"{kind}_cpu_seconds"] for each in items], 0.9)),
            }
            for kind in ("quick", "full")
        },
    }


if __name__ == "__main__":
    main()
