"""Ranges of the forensic measurements in real photographs, and how often test images are outside.

    python benchmarks/forensic_ranges.py --manifest ../shared/data/faces/manifest.csv \\
        --ranges src/unmask/explain/views/ranges.json --out benchmarks/results/forensic-ranges.json

The ranges are quantiles over the real images of the split ``train``; they ship with unmask, as numbers. The result
file gives the rate of test images outside: about 5 % for real images, and clearly more for fakes if a measurement is
telling.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import open_edition, proportion
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.explain.views import forensic_views
from unmask.explain.views.view import VIEWS
from unmask.imaging.decode import decode_image, read_bytes
from unmask.progress import progress_bar

_PACKAGES = ("unmask", "numpy", "Pillow")
_CENTRAL = (0.025, 0.25, 0.5, 0.75, 0.975)
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class _Measured:
    label: str
    source: str
    longest: int
    values: dict[str, float | None]
    curve: list[float] | None


def main() -> None:
    """Measure, write the ranges, then compare."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--ranges", type=Path, required=True, help="file to write the shipped ranges to")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--every", type=int, default=1, help="use every N-th row only, to try the script", metavar="N")
    arguments = parser.parse_args()
    manifest = open_edition(arguments.manifest)
    train = list(_measure(manifest.select(split="train", label="real"), arguments.every))
    ranges = _ranges(train, manifest.digest())
    write_json(arguments.ranges, ranges)
    test = list(_measure(manifest.select(split="test"), arguments.every))
    content = {
        "run": describe_run(_PACKAGES, "", smoke=arguments.every > 1),
        **{name: ranges[name] for name in ("manifest_digest", "n", "sources", "longest_side")},
        "test": dict(Counter(item.label for item in test)),
        "any_outside": {label: _any_outside(test, label, ranges["figures"]) for label in ("real", "fake")},
        "views": [
            {
                "name": view.name,
                "figures": [
                    {
                        "name": measure.name,
                        **ranges["figures"][measure.name],
                        "outside": {
                            label: _outside(test, label, measure.name, ranges["figures"][measure.name])
                            for label in ("real", "fake")
                        },
                    }
                    for measure in view.measures
                ],
            }
            for view in VIEWS.values()
        ],
    }
    write_json(arguments.out, content)


def _measure(manifest: Manifest, every: int) -> Iterator[_Measured]:
    rows = [row for at, row in enumerate(manifest) if at % every == 0]
    with progress_bar("images", len(rows)) as advance:
        for row in rows:
            yield _figures(manifest.resolve(row), row)
            advance()


def _figures(path: Path, row: ManifestRow) -> _Measured:
    data = read_bytes(path)
    image = decode_image(data)
    views = forensic_views(image, data)
    values = {figure.name: figure.value for view in views for figure in view.figures}
    curve = next(view.facts.get("log10_power") for view in views if view.name == "radial")
    return _Measured(row.label, row.source, max(image.size), values, curve)


def _ranges(measured: list[_Measured], digest: str) -> dict[str, Any]:
    figures = {}
    for name in measured[0].values:
        found = [value for item in measured if (value := item.values[name]) is not None]
        low, first, middle, third, high = np.quantile(found, _CENTRAL).tolist()
        figures[name] = {
            "low": math.floor(low * 10**_DIGITS) / 10**_DIGITS,  # outwards: what lies at an end stays inside
            "q25": round(first, _DIGITS),
            "median": round(middle, _DIGITS),
            "q75": round(third, _DIGITS),
            "high": math.ceil(high * 10**_DIGITS) / 10**_DIGITS,
            "n": len(found),
        }
    curves = np.array([item.curve for item in measured if item.curve is not None])
    low_curve, middle_curve, high_curve = _quantiles(curves, (0.025, 0.5, 0.975)).tolist()
    low_side, middle_side, high_side = _quantiles(np.array([item.longest for item in measured]), (0.025, 0.5, 0.975))
    return {
        "what": "central 95 % of real photographs of the split train",
        "manifest_digest": digest,
        "n": len(measured),
        "sources": dict(sorted(Counter(item.source for item in measured).items())),
        "longest_side": {"low": float(low_side), "median": float(middle_side), "high": float(high_side)},
        "figures": figures,
        "radial": {"low": low_curve, "median": middle_curve, "high": high_curve, "n": len(curves)},
    }


def _quantiles(values: np.ndarray[Any, Any], shares: tuple[float, ...]) -> np.ndarray[Any, Any]:
    return np.round(np.quantile(values, shares, axis=0), _DIGITS)


def _outside(measured: list[_Measured], label: str, name: str, reference: dict[str, float]) -> dict[str, Any]:
    values = [value for item in measured if item.label == label and (value := item.values[name]) is not None]
    return proportion([_is_outside(value, reference) for value in values])


def _any_outside(measured: list[_Measured], label: str, figures: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Images of a label with at least one measurement outside."""
    wanted = [item for item in measured if item.label == label]
    return proportion(
        [any(_is_outside(value, figures[name]) for name, value in item.values.items()) for item in wanted]
    )


def _is_outside(value: float | None, reference: dict[str, float]) -> bool:
    return value is not None and not reference["low"] <= value <= reference["high"]


if __name__ == "__main__":
    main()
