"""Calibration methods for the shipped detector, fitted on validation images and measured on test images.

    python benchmarks/calibration.py --manifest ../shared/data/faces/manifest.csv --work /tmp/calibration \\
        --out benchmarks/results/calibration.json

methods   fitted on the whole validation split. ``before`` is the shipped bundle, whose calibration was fitted on the
          same validation images in training. Classes have equal weight. Intervals come from a bootstrap over groups.
few       the few images of a single user: for each source with both classes and each number of images, half of them
          real, ``--repeats`` random samples of the source's own validation and test images to fit on; log loss on the
          rest, as mean over samples and as the value that one sample in ten exceeds.

``--work`` keeps the predictions; call the script again to resume an interrupted run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Calibration
from unmask.evaluation.calibrate import FEWEST, score_logits
from unmask.evaluation.calibration_metrics import Labelled, errors
from unmask.stats.resample import Draws
from unmask.training.calibration import fit_isotonic, fit_platt, fit_shrunk, fit_temperature

_PACKAGES = ("unmask", "numpy", "scipy", "scikit-learn", "onnxruntime")
_FEW = (20, 50, 100, 200)


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the predictions")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial run")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    bundle, manifest = Bundle.open(), open_edition(arguments.manifest)
    arguments.work.mkdir(parents=True, exist_ok=True)
    parts, sources = {}, []
    for split in ("val", "test"):
        rows = manifest.select(split=split)
        parts[split] = score_logits(bundle, rows, arguments.work / f"{split}.jsonl", workers=1)
        sources += [row.source for row in rows]
        if parts[split].unreadable:
            raise SystemExit(f"{parts[split].unreadable} images of {split} cannot be read")
    old = bundle.info.calibration
    fits: dict[str, Callable[[Labelled], Calibration]] = {
        "temperature": lambda images: fit_temperature(images.logit, images.is_fake),
        "platt": lambda images: fit_platt(images.logit, images.is_fake),
        "isotonic": lambda images: fit_isotonic(images.logit, images.is_fake),
        "auto": lambda images: _auto(images, old),
    }
    none = Calibration()
    methods = {"none": _measured(none, none, parts["test"], arguments.draws)}
    for name, fit in fits.items():
        methods[name] = _measured(old, fit(parts["val"]), parts["test"], arguments.draws)
    everything = Labelled(
        np.concatenate([part.logit for part in parts.values()]),
        np.concatenate([part.is_fake for part in parts.values()]),
        np.concatenate([parts["val"].group, parts["test"].group + len(sources)]),
    )
    few = _few(everything, np.array(sources), fits | {"as shipped": lambda _: old}, arguments.repeats)
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, bundle.sha256, smoke=arguments.smoke),
            "model": f"{bundle.info.name}@{bundle.info.version}",
            "fitted_on": _counts(parts["val"]),
            "measured_on": _counts(parts["test"]),
            "draws": arguments.draws,
            "methods": methods,
            "few": few,
        },
    )


def _auto(images: Labelled, old: Calibration) -> Calibration:
    if min(images.groups_of(False), images.groups_of(True)) < FEWEST:
        return old
    return fit_shrunk(images.logit, images.is_fake, old)


def _counts(images: Labelled) -> dict[str, int]:
    fakes = int(images.is_fake.sum())
    return {
        "n": len(images.logit),
        "n_real": len(images.logit) - fakes,
        "n_fake": fakes,
        "groups": len(np.unique(images.group)),
    }


def _probability(calibration: Calibration, images: Labelled) -> Any:
    return np.array([calibration.probability(logit) for logit in images.logit])


def _measured(before: Calibration, after: Calibration, images: Labelled, draws: int) -> dict[str, Any]:
    sides = [_probability(calibration, images) for calibration in (before, after)]
    found = errors(sides[0], sides[1], images, 0.5, Draws(draws, 0, 1))
    described = after.model_dump(mode="json")
    described["points"] = len(described["points"])
    return {**found.model_dump(), "calibration": described}


def _few(
    images: Labelled, sources: Any, fits: dict[str, Callable[[Labelled], Calibration]], repeats: int
) -> list[dict[str, Any]]:
    found = []
    for source in sorted(set(sources)):
        own = [np.flatnonzero((sources == source) & (images.is_fake == fake)) for fake in (False, True)]
        for size in _FEW:
            if min(len(indices) for indices in own) < size:  # at least as many are left to measure on as are fitted on
                continue
            losses: dict[str, list[float]] = {name: [] for name in fits}
            for repeat in range(repeats):
                rng = np.random.default_rng([size, repeat])
                orders = [rng.permutation(indices) for indices in own]
                fitted_on = np.concatenate([order[: size // 2] for order in orders])
                groups = np.unique(images.group[fitted_on])
                rest = [order[size // 2 :] for order in orders]
                rest = [order[~np.isin(images.group[order], groups)] for order in rest]
                for name, fit in fits.items():
                    calibration = fit(images[fitted_on])
                    losses[name].append(float(np.mean([_loss(calibration, images[part]) for part in rest])))
            found.append(
                {
                    "source": str(source),
                    "pictures": size,
                    "log_loss": {name: round(float(np.mean(values)), 4) for name, values in losses.items()},
                    "worst_tenth": {name: round(float(np.quantile(values, 0.9)), 4) for name, values in losses.items()},
                }
            )
            print(found[-1], flush=True)
    return found


def _loss(calibration: Calibration, images: Labelled) -> float:
    odds = np.array([calibration.odds(logit) for logit in images.logit])
    return float(np.logaddexp(0, np.where(images.is_fake, -odds, odds)).mean())


if __name__ == "__main__":
    main()
