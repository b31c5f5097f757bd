"""Detectors in fewer bits and with fewer channels, compared with those that they were made from.

    python benchmarks/quantised.py default --manifest ../shared/data/faces/manifest.csv --work /tmp/quantised \\
        --out benchmarks/results/quantised.json
    python benchmarks/quantised.py mobilenet --manifest ../shared/data/faces/manifest.csv --work /tmp/quantised \\
        --out benchmarks/results/quantised-mobilenet.json

``default``: the shipped detector by every method of ``unmask bundle quantize`` (``--methods`` takes some of them). Made
and calibrated on the splits train and val; what is reported is of the split test, read once.

``mobilenet``: S4's small network: as trained, pruned to half of its multiplications, and both in 8 bits. As its own
weights come from a hub, MobileNetV2 takes the place of MobileNet. The unpruned network is trained as long as the pruned
one, too (``trained on``): otherwise pruning would be credited with the training. ``member``: the same with the first
network of the shipped detector.

Times are processor time of the network alone, both graphs in turn in one process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from _report import argument_parser, describe_run, write_json
from unmask.bundle.bundle import DEFAULT_BUNDLE, Bundle
from unmask.data.manifest import Manifest
from unmask.evaluation.compare import compare
from unmask.evaluation.drift import drift, evidence_change, speeds
from unmask.evaluation.small_images import Logits, PreparedImages
from unmask.stats.resample import Draws

_PACKAGES = ("unmask", "numpy", "onnx", "onnxruntime", "torch", "torch-pruning")
_METHODS: dict[str, list[str]] = {
    "static": [],
    "static, 7 MiB": ["--max-size", "7", "--max-auc-drop", "0.02"],
    "static, 5.68 MiB": ["--max-size", "5.68", "--max-auc-drop", "0.02"],
    "static, entropy": ["--calibration", "entropy"],
    "fp16": ["--method", "fp16"],
    "weights-8": ["--method", "weights-8"],
    "weights-4": ["--method", "weights-4"],
}


@dataclass(frozen=True)
class _Plan:
    """A network to prune: its recipe, what both trainings change, and what each of them does."""

    recipe: str
    settings: tuple[str, ...]
    first: tuple[str, ...]
    more: tuple[str, ...]
    start: tuple[str, ...] = ()


_PLANS: dict[str, _Plan] = {
    "mobilenet": _Plan(
        "s4-mobilenet",
        ("backbone.name=mobilenet_v2",),
        first=(),
        more=("schedule.phases=[{epochs: 4, learning_rate: 3.0e-4, train: all}]", "schedule.decay=cosine"),
    ),
    "member": _Plan(
        "unmask-single",
        ("schedule.average=0", "schedule.decay=cosine"),
        first=("schedule.phases=[{epochs: 1, learning_rate: 1.0e-5}]",),
        more=("schedule.phases=[{epochs: 4, learning_rate: 3.0e-4}]",),
        start=("--start-from", str(files("unmask.assets") / DEFAULT_BUNDLE)),
    ),
}


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("part", choices=["default", *_PLANS])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, help="folder of the manifest's paths (default: its own)")
    parser.add_argument("--model", help="a bundle (default: the shipped one)")
    parser.add_argument("--work", type=Path, required=True, help="folder for bundles; what is in it is used again")
    parser.add_argument("--methods", nargs="*", default=list(_METHODS), choices=list(_METHODS))
    parser.add_argument("--split", default="test", help="split to report (default: test)")
    parser.add_argument("--images", type=int, default=2000, help="of those that are pruned: training images per epoch")
    scores = ["taylor", "magnitude"]
    parser.add_argument(
        "--scores", nargs="*", default=scores, choices=scores, help="of those that are pruned: choice of channels"
    )
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    first = Bundle.open(arguments.model) if arguments.part == "default" else None
    found = _default(arguments, first) if first is not None else _pruned(arguments, _PLANS[arguments.part])
    run = describe_run(_PACKAGES, "" if first is None else first.sha256, smoke=arguments.smoke)
    write_json(arguments.out, {"schema": 1, "run": run, "part": arguments.part, "split": arguments.split, **found})


def _default(arguments: Any, bundle: Bundle) -> dict[str, Any]:
    made = {}
    for name in arguments.methods:
        given = [str(arguments.model)] if arguments.model else []
        out = arguments.work / name.replace(", ", "-").replace(" ", "-")
        made[name] = _quantised(arguments, given, out, _METHODS[name])
    return {"detectors": _compared(arguments, bundle, made)}


def _pruned(arguments: Any, plan: _Plan) -> dict[str, Any]:
    work, manifest = arguments.work, _manifest(arguments)
    crops = ["--cache", str(work / "cache"), "--workers", "0"]
    run, on = work / "run", work / "run-on"
    _trained(run, plan, plan.first, [*manifest, *crops, *plan.start], arguments.images)
    _trained(on, plan, plan.more, [*manifest, *crops, "--start-from", str(run)], arguments.images)
    steps = {}
    bundles = {"as trained": run / "bundle", "trained on": on / "bundle"}
    for method in arguments.scores:
        out = work / method
        if not (out / "bundle").exists():
            # One cut, and then as many epochs as the unpruned network had: four cuts with one epoch each kept less.
            parts = ["--steps", "1", "--epochs", "4", "--max-auc-drop", "1"]
            options = ["--method", method, "--images", str(arguments.images), *parts, *crops]
            said = _unmask(["bundle", "prune", str(on), *manifest, *options, "--out", str(out), "--json"])
            (work / f"{method}.json").write_text(said, encoding="utf-8")
        steps[method] = json.loads((work / f"{method}.json").read_text(encoding="utf-8"))
        bundles[f"pruned, {method}"] = out / "bundle"
    for name in ("trained on", f"pruned, {arguments.scores[0]}"):
        out = work / f"int8-{name.replace(', ', '-').replace(' ', '-')}"
        bundles[f"{name}, 8 bits"] = _quantised(arguments, [str(bundles[name])], out, ["--max-auc-drop", "0.05"]).parent
    made = {name: path / "SHA256SUMS" for name, path in bundles.items() if name != "trained on"}
    return {"steps": steps, "detectors": _compared(arguments, Bundle.open(bundles["trained on"]), made)}


def _trained(run: Path, plan: _Plan, settings: Sequence[str], options: Sequence[str], images: int) -> None:
    if (run / "bundle").exists():
        return
    changes = [f"data.epoch_size={images}", *plan.settings, *settings]
    sets = [word for change in changes for word in ("--set", change)]
    _unmask(["train", plan.recipe, *sets, *options, "--out", str(run)])


def _quantised(arguments: Any, bundle: list[str], out: Path, options: list[str]) -> Path:
    if not (out / "SHA256SUMS").exists():
        fixed = [*_manifest(arguments), "--out", str(out), "--draws", "200", "--json"]
        result = _unmask(["bundle", "quantize", *bundle, *fixed, *options])
        out.with_suffix(".json").write_text(result, encoding="utf-8")
    return out / "SHA256SUMS"


def _manifest(arguments: Any) -> list[str]:
    root = ["--root", str(arguments.root)] if arguments.root else []
    return ["--manifest", str(arguments.manifest), *root]


def _unmask(command: list[str]) -> str:
    return subprocess.run(
        [sys.executable, "-m", "unmask", *command], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _compared(arguments: Any, bundle: Bundle, made: dict[str, Path]) -> list[dict[str, Any]]:
    """Each detector beside the first one, on the images of the split that is reported."""
    table = Manifest.open(arguments.manifest, arguments.root).select(split=arguments.split)
    images = PreparedImages.of(bundle, table)
    before = images.logits(bundle)
    return [
        _row(name, bundle, Bundle.open(path.parent), images, before, arguments.draws) for name, path in made.items()
    ]


def _row(name: str, old: Bundle, new: Bundle, images: PreparedImages, before: Logits, draws: int) -> dict[str, Any]:
    after, settings = images.logits(new), Draws(draws)
    scores = [replace(after.scores(new.info), model="after"), replace(before.scores(old.info), model="before")]
    compared = compare(scores, settings)
    (pair,) = compared.pairs
    pixels = images.pixels()
    return {
        "name": name,
        "bytes": [sum(map(len, bundle.files.values())) for bundle in (old, new)],
        "n": compared.n,
        "auc": [each.auc for each in compared.detectors][::-1],
        "auc_change": pair.auc.model_dump(),
        "balanced_accuracy": [each.balanced_accuracy for each in compared.detectors][::-1],
        "balanced_accuracy_change": None if pair.balanced_accuracy is None else pair.balanced_accuracy.model_dump(),
        "drift": drift(old.info, new.info, before, after, settings).model_dump(),
        "evidence": evidence_change(old.model, new.model, pixels[:64]).model_dump(),
        "speed": [speed.model_dump() for speed in speeds(old.model, new.model, pixels, runs=100)],
        "made": dict(new.info.card.weights),
    }


if __name__ == "__main__":
    main()
