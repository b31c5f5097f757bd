"""The papers' systems on images like theirs: StyleGAN against FFHQ, both processed alike.

    python benchmarks/papers.py --manifest ../shared/data/faces/manifest.csv --work runs/papers \\
        --out benchmarks/results/papers.json

``reproductions`` are ``unmask reproduce`` through the library, with a small CPU budget: every system of every paper,
and the MobileNetV2 systems again without pretrained weights. ``weights`` compares frozen features with fine-tuning on
the manifest's own split. Settings were chosen on validation images; the test images were scored once, by the listed
systems.

Finished runs in ``--work`` are not repeated, so the work can be done in parts: ``--part NAME`` runs one of them. The
CPU time of a reproduction's parts is added up in ``cpu_seconds.json`` there.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask import Manifest, Recipe
from unmask.bundle.bundle import Bundle
from unmask.evaluation.compare import compare
from unmask.evaluation.experiments.papers import PROTOCOLS
from unmask.evaluation.experiments.reproduce import REPORTED, THRESHOLD, Settings, reproduce
from unmask.evaluation.experiments.train_and_score import train_and_score
from unmask.evaluation.measure import measure
from unmask.evaluation.scores import Scores
from unmask.stats.images import Images
from unmask.stats.resample import Draws
from unmask.training.state import read_history
from unmask.training.timing import read_timing

SOURCE = "ffhq_stylegan_256"
_PACKAGES = ("unmask", "torch", "timm", "lightning", "scikit-learn", "onnxruntime", "numpy", "Pillow")
_DRAWS = Draws(2000, 0, 1)
_WHERE = {"source": frozenset({SOURCE})}
_RANDOM = "backbone.weights=[none]"
_MOBILENET_V2 = ("s0-mobilenetv2", "s0-mobilenetv2-rf", "s1-mobilenetv2-96")

_BUDGET = ("preprocessing.size=80", "schedule.precision=bf16-mixed")
REPRODUCTIONS: dict[str, tuple[tuple[str, ...], Settings]] = {
    "all": (tuple(PROTOCOLS), Settings(where=_WHERE, overrides=_BUDGET, epochs=1)),
    "mobilenetv2-random": (
        ("S0", "S1"),
        Settings(where=_WHERE, overrides=(*_BUDGET, _RANDOM), epochs=1, only=_MOBILENET_V2),
    ),
}

_FROZEN = (
    "preprocessing.size=256",
    "classifier={estimator: logistic_regression, balance: weights, parameters: {C: 0.01}}",
)
_TUNED = (
    "preprocessing.size=256",
    "augmentation={preset: plain, flip: 0.5, colour: 0.5, grey: 0.05}",
    "schedule={phases: [{epochs: 22, learning_rate: 7.0e-4, train: all}], batch_size: 16, optimizer: adamw, "
    "weight_decay: 0.05, decay: cosine, warmup_epochs: 1, mixup: 0.2, cutmix: 0.5, monitor: val_auc, patience: 22, "
    "precision: bf16-mixed}",
    "head.dropout=0.2",
    "head.mirror=true",
)


@dataclass(frozen=True)
class System:
    """One network on the manifest's own split.

    Attributes:
        about: its name in the table.
        recipe: the built-in recipe that it starts from.
        overrides: changes to that recipe.
    """

    about: str
    recipe: str
    overrides: tuple[str, ...]


SYSTEMS: dict[str, System] = {
    "frozen-forest": System("MobileNetV2, frozen, Random Forest", "s0-mobilenetv2-rf", ("preprocessing.size=256",)),
    "frozen-logistic": System("MobileNetV2, frozen, logistic regression", "s0-mobilenetv2-rf", _FROZEN),
    "frozen-logistic-random": System(
        "MobileNetV2, frozen, logistic regression", "s0-mobilenetv2-rf", (*_FROZEN, _RANDOM)
    ),
    "fine-tuned-mobilenetv2": System("MobileNetV2, fine-tuned", "s0-mobilenetv2", _TUNED),
    "fine-tuned-lite0": System(
        "EfficientNet-Lite0, fine-tuned", "s0-mobilenetv2", (*_TUNED, "backbone.name=tf_efficientnet_lite0")
    ),
}


def main() -> None:
    """Run what is left and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--part", choices=[*REPRODUCTIONS, *SYSTEMS], help="run only this part and write no result")
    parser.add_argument(
        "--only", action="append", default=[], metavar="RECIPE", help="run only this recipe of the part (repeatable)"
    )
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    manifest = open_edition(arguments.manifest, root=arguments.root)
    if arguments.part in REPRODUCTIONS:
        _reproduction(arguments.part, manifest, arguments.work, tuple(arguments.only))
        return
    if arguments.part is not None:
        _experiment(arguments.part, manifest, arguments.work)
        return
    reproductions = {name: _reproduction(name, manifest, arguments.work) for name in REPRODUCTIONS}
    systems, scores = {}, []
    for name in SYSTEMS:
        systems[name], scored = _experiment(name, manifest, arguments.work)
        scores.append(replace(scored, model=name))
    spent = _cpu_seconds(arguments.work)
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, "", smoke=False),
            "source": SOURCE,
            "cpu_minutes": {name: round(spent.get(name, 0.0) / 60, 1) for name in REPRODUCTIONS},
            "reproductions": reproductions,
            "weights": {"systems": systems, "comparison": _short(compare(scores, _DRAWS).to_dict())},
        },
    )


def _reproduction(name: str, manifest: Manifest, work: Path, only: tuple[str, ...] = ()) -> dict[str, Any]:
    papers, settings = REPRODUCTIONS[name]
    if only:
        settings = replace(settings, only=only)
    with _counted(work, name):
        result = reproduce(
            papers,
            manifest,
            work / name,
            settings,
            workers=0,
            draws=_DRAWS,
            announce=lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True),
        )
    found = result.to_dict()
    for paper in found["papers"]:
        paper["comparison"] = paper["comparison"] and _short(paper["comparison"])
    return found


def _experiment(name: str, manifest: Manifest, work: Path) -> tuple[dict[str, Any], Scores]:
    """One system on the manifest's own split, and its scores at the papers' threshold."""
    system = SYSTEMS[name]
    recipe = Recipe.load(system.recipe, system.overrides)
    chosen = manifest.select(source=_WHERE["source"])
    scores = train_and_score(recipe, chosen, work / name, cache=work / "cache", workers=0)
    scores = replace(scores, threshold=THRESHOLD)
    overall, _ = measure(Images.of(scores), _DRAWS)
    run = work / name / "run"
    card = Bundle.open(run / "bundle").info.card
    return {
        "about": system.about,
        "recipe": system.recipe,
        "set": list(system.overrides),
        "weights": card.weights["source"],
        "validation_auc": card.metrics["validation_auc"],
        "epochs": len(read_history(run / "history.csv")),
        "timing": read_timing(run),
        **overall.model_dump(include={"n", "n_real", "n_fake", "groups", "baseline", "confusion"}),
        "metrics": {metric: overall.metrics[ours].model_dump() for metric, ours in REPORTED.items()},
    }, scores


def _cpu_seconds(work: Path) -> dict[str, float]:
    """CPU seconds by part, as noted so far."""
    path = work / "cpu_seconds.json"
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


@contextmanager
def _counted(work: Path, part: str) -> Iterator[None]:
    """Notes the CPU time of a piece of work, also of one that does not come to its end."""
    began = time.process_time()
    try:
        yield
    finally:
        spent = _cpu_seconds(work)
        write_json(work / "cpu_seconds.json", spent | {part: spent.get(part, 0.0) + time.process_time() - began})


def _short(comparison: dict[str, Any]) -> dict[str, Any]:
    """What the documents show of a comparison."""
    return {
        "n": comparison["n"],
        "cochran_q": comparison["cochran_q"],
        "pairs": [
            {
                **{key: pair[key] for key in ("first", "second", "only_first_right", "only_second_right")},
                "form": pair["mcnemar_form"],
                "accuracy": {key: pair["accuracy"][key] for key in ("value", "low", "high", "p", "p_holm")},
                "auc": {key: pair["auc"][key] for key in ("value", "low", "high", "p", "p_holm")},
            }
            for pair in comparison["pairs"]
        ],
    }


if __name__ == "__main__":
    main()
