"""Detectors in fewer bits and with fewer channels, compared with those that they were made from.

    python benchmarks/quantised.py default --manifest ../shared/data/faces/manifest.csv --work /tmp/quantised \\
        --out benchmarks/results/quantised.json
    python benchmarks/quantised.py mobilenet --manifest ../shared/data/faces/manifest.csv --work /tmp/quantised \\
        --out benchmarks/results/quantised-mobilenet.json

``default``: the shipped detector by every method of ``unmask bundle quantize`` (``--methods`` takes some of them). Made
and calibrated on the splits train and val; what is reported is of the split test, read once.

``mobilenet``: S4's small network, pruned to half of its multiplications, and both in 8 bits. As its own weights come
from a hub, MobileNetV2 takes the place of MobileNet, and is trained as a whole.

``detector``: the shipped detector with its fine-tuned networks pruned, and that in 8 bits. Nothing is trained but for a
short epoch at a low rate, which makes the run that pruning asks for.

Times are processor time of the network alone, both graphs in turn in one process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from _report import argument_parser, describe_run, write_json
from unmask.bundle.bundle import DEFAULT_BUNDLE, Bundle
from unmask.data.manifest import Manifest
from unmask.evaluation.compare import compare
from unmask.evaluation.drift import drift, evidence_change, speeds
from unmask.evaluation.small_images import Logits, PreparedImages
from unmask.recipes import Phase, Recipe
from unmask.recipes.parts import BUNDLE
from unmask.stats.resample import Draws
from unmask.training.fit import fit
from unmask.training.start import Start

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


_MOBILENET = (
    "backbone.name=mobilenet_v2",
    "schedule.phases=[{epochs: 4, learning_rate: 3.0e-4, train: all}]",
    "schedule.decay=cosine",
    "schedule.monitor=val_auc",
)


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("part", choices=["default", "detector", "mobilenet"])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, help="folder of the manifest's paths (default: its own)")
    parser.add_argument("--model", help="a bundle (default: the shipped one)")
    parser.add_argument("--work", type=Path, required=True, help="folder for bundles; what is in it is used again")
    parser.add_argument("--methods", nargs="*", default=list(_METHODS), choices=list(_METHODS))
    parser.add_argument("--split", default="test", help="split to report (default: test)")
    parser.add_argument("--images", type=int, default=1600, help="of those that are pruned: training images per epoch")
    scores = ["surgeon", "taylor", "magnitude"]
    parser.add_argument(
        "--scores", nargs="*", default=scores, choices=scores, help="of those that are pruned: choice of channels"
    )
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    first = None if arguments.part == "mobilenet" else Bundle.open(arguments.model)
    if first is None:
        found = _mobilenet(arguments)
    else:
        found = (_default if arguments.part == "default" else _detector)(arguments, first)
    run = describe_run(_PACKAGES, "" if first is None else first.sha256, smoke=arguments.smoke)
    write_json(arguments.out, {"schema": 1, "run": run, "part": arguments.part, "split": arguments.split, **found})


def _default(arguments: Any, bundle: Bundle) -> dict[str, Any]:
    made = {}
    for name in arguments.methods:
        given = [str(arguments.model)] if arguments.model else []
        out = arguments.work / name.replace(", ", "-").replace(" ", "-")
        made[name] = _quantised(arguments, given, out, _METHODS[name])
    return {"detectors": _compared(arguments, bundle, made)}


def _mobilenet(arguments: Any) -> dict[str, Any]:
    work = arguments.work
    run = work / "run"
    if not (run / "bundle").exists():
        sets = [word for change in (f"data.epoch_size={arguments.images}", *_MOBILENET) for word in ("--set", change)]
        crops = ["--cache", str(work / "cache"), "--workers", "0"]
        _unmask(["train", "s4-mobilenet", *sets, *_manifest(arguments), *crops, "--out", str(run)])
    steps, made = {}, {}
    for method in arguments.scores:
        steps[method] = _cut(arguments, run, work / method, "--keep", "0.5", "--method", method)
        made[f"pruned, {method}"] = work / method / "bundle" / "SHA256SUMS"
    small = ["--max-auc-drop", "0.05"]
    made["8 bits"] = _quantised(arguments, [str(run / "bundle")], work / "int8", small)
    pruned = work / arguments.scores[0] / "bundle"
    made[f"pruned, {arguments.scores[0]}, 8 bits"] = _quantised(arguments, [str(pruned)], work / "int8-pruned", small)
    return {"steps": steps, "detectors": _compared(arguments, Bundle.open(run / "bundle"), made)}


def _detector(arguments: Any, bundle: Bundle) -> dict[str, Any]:
    """The members that were fine-tuned pruned one by one, the frozen one as it is, and their sum."""
    work, manifest = arguments.work, Manifest.open(arguments.manifest, arguments.root)
    whole = Recipe.model_validate(bundle.info.card.recipe)
    assert whole.ensemble is not None
    source = Path(arguments.model or str(files("unmask.assets") / DEFAULT_BUNDLE))
    steps, members = {}, []
    for place, (name, published) in enumerate(bundle.info.card.members.items()):
        recipe = Recipe.model_validate(published)
        run = work / name
        if not (run / "bundle").exists():
            start = Start(source, place) if recipe.classifier is None else None
            fit(_short(recipe), manifest, run, start=start, workers=0, cache=work / "cache")
        if recipe.classifier is None:
            steps[f"surgeon, network {place + 1}"] = _cut(
                arguments, run, work / f"{name}-pruned", "--keep", "0.7", "--steps", "3"
            )
            run = work / f"{name}-pruned"
        members.append(f"{BUNDLE}{run / 'bundle'}")
    out = work / "pruned"
    if not (out / "bundle").exists():
        changed = whole.ensemble.model_copy(update={"members": tuple(members)})
        fit(
            whole.model_copy(update={"name": "unmask-pruned", "ensemble": changed}), manifest, out, cache=work / "cache"
        )
    small = _quantised(arguments, [str(out / "bundle")], work / "int8", [])
    made = {"pruned": out / "bundle" / "SHA256SUMS", "pruned, 8 bits": small}
    return {"steps": steps, "detectors": _compared(arguments, bundle, made)}


def _short(recipe: Recipe) -> Recipe:
    """The recipe with one short epoch at a low rate: the run that pruning asks for, with nearly the same weights."""
    phase = Phase(epochs=1, learning_rate=1e-5)
    schedule = recipe.schedule.model_copy(update={"phases": (phase,), "decay": "cosine", "average": 0.0})
    data = recipe.data.model_copy(update={"epoch_size": 1600, "teacher_weight": 0.0})
    return recipe.model_copy(update={"schedule": schedule, "data": data}) if recipe.trains_network else recipe


def _cut(arguments: Any, run: Path, out: Path, *options: str) -> Any:
    """What ``bundle prune`` says of a run."""
    said = out.with_suffix(".json")
    if not (out / "bundle").exists():
        fixed = [*_manifest(arguments), "--max-auc-drop", "1", "--out", str(out), "--json"]
        said.write_text(_unmask(["bundle", "prune", str(run), *options, *fixed]), encoding="utf-8")
    return json.loads(said.read_text(encoding="utf-8"))


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
