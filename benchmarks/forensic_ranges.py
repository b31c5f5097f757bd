"""Ranges of the forensic measurements in real photographs, and how often held-out images are outside.

    python benchmarks/forensic_ranges.py --manifest ../shared/data/faces/manifest.csv --cache ranges.jsonl \\
        --ranges src/unmask/explain/views/ranges.json --out benchmarks/results/forensic-ranges.json

reference   real photographs of the split ``train``, a limited number per source, in classes of JPEG quality (or
            lossless) and short edge. Each is saved in every class of quality, at a random quality. Most keep their
            pixels, so that what the data sets were saved at before still shows. Others, half as many of each source,
            are shrunk first to a random size of the class, which removes it; half of these are then saved twice.
            The ranges ship with unmask, as numbers.
held out    real photographs of the splits ``val`` and ``test``, equally many of each source, saved at fixed qualities:
            about 5 % of their measurements should be outside. Also with ranges made without the photograph's source.
as they are real and fake images of both splits with their own bytes: a measurement is telling if more fakes are
            outside.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from _report import argument_parser, describe_run, write_json
from _shared import draw_balanced, draw_capped, proportion, random_of, shuffled
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.explain.views import forensic_views
from unmask.explain.views.ranges import MIN_PHOTOGRAPHS, References, parse
from unmask.explain.views.subject import Subject
from unmask.explain.views.view import VIEWS
from unmask.files import OutputFolder, digest, stamp
from unmask.imaging.decode import decode_image, read_bytes
from unmask.journal import Journal
from unmask.progress import progress_bar

_PACKAGES = ("unmask", "numpy", "Pillow")
# Both ends of a class belong to it.
QUALITIES: Final = ((50, 69), (70, 79), (80, 87), (88, 93), (94, 100), None)
SHORT_EDGES: Final = ((128, 199), (200, 255), (256, 359), (360, 640))
EXAMPLES: Final = ((QUALITIES[1], SHORT_EDGES[1]), (QUALITIES[3], SHORT_EDGES[3]))
"""Classes whose ranges the documentation shows."""
HELD_OUT_QUALITIES: Final = (75, 85, 92, 95)
CENTRAL: Final = 0.95
_DIGITS: Final = 5
_CURVE_DIGITS: Final = 3
# A shrunk photograph has at most this proportion of its sides: enough to remove the traces of earlier compression.
_MOST_SHRUNK: Final = 0.9
_EARLIER: Final = (60, 95)  # qualities of the first of two saves
_FULL_COLOUR: Final = 0.25  # the proportion of photographs saved without chroma subsampling

Values = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class _Variant:
    """A photograph as it is measured.

    Attributes:
        row: the photograph.
        side: its short edge after shrinking; ``None`` to keep its pixels.
        quality: JPEG quality to save it at; ``None`` for lossless, 0 for the file as it is.
        full_colour: whether to save without chroma subsampling.
        earlier: JPEG quality to save a shrunk photograph at before; ``None`` to save it once.
    """

    row: ManifestRow
    side: int | None
    quality: int | None
    full_colour: bool = False
    earlier: int | None = None


@dataclass(frozen=True, slots=True)
class _Measured:
    source: str
    label: str
    path: str
    values: Values
    curve: list[float] | None
    saved: str
    quality: float | None
    short_edge: int


def main() -> None:
    """Measure, write the ranges, then compare."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="file of finished measurements, to resume from")
    parser.add_argument("--ranges", type=Path, required=True, help="file to write the shipped ranges to")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--per-source", type=int, default=20, help="most photographs of a source in a class")
    parser.add_argument("--held-out", type=int, default=200, help="number of held-out photographs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seed, manifest = arguments.seed, Manifest.open(arguments.manifest)
    rows = [row for row in manifest if row.label == "real" and row.split == "train"]
    others = [row for row in manifest if row.split in {"val", "test"}]
    drawn = draw_balanced([row for row in others if row.label == "real"], arguments.held_out, seed)
    by_edge = [draw_class(rows, edges, arguments.per_source, seed) for edges in SHORT_EDGES]
    as_they_are = [
        _Variant(row, None, 0)
        for label in ("real", "fake")
        for row in draw_capped([row for row in others if row.label == label], arguments.per_source, seed)
    ]
    held_out = [_Variant(row, None, quality) for quality in HELD_OUT_QUALITIES for row in drawn]
    with Journal(arguments.cache) as journal:
        measure = _Measurer(manifest, journal)
        reference = [
            (quality, edges, measure([save_as(variant, quality, seed) for variant in variants]))
            for edges, variants in zip(SHORT_EDGES, by_edge, strict=True)
            for quality in QUALITIES
        ]
        found, own = measure(held_out), measure(as_they_are)
    ranges = make_ranges(reference, manifest.digest())
    OutputFolder(arguments.ranges.parent).write(arguments.ranges.name, compact(ranges))
    compared = _Compared(parse(ranges))
    without = {
        source: _Compared(parse(make_ranges([(*cell[:2], _drop(cell[2], source)) for cell in reference], "")))
        for source in {row.source for row in drawn}
    }
    by_quality = [
        (quality, found[at : at + len(drawn)])
        for quality, at in zip(HELD_OUT_QUALITIES, range(0, len(found), len(drawn)), strict=True)
    ]
    content = {
        "run": describe_run(_PACKAGES, "", smoke=arguments.per_source < 20 or arguments.held_out < 200),
        "manifest_digest": manifest.digest(),
        "central": CENTRAL,
        "min_photographs": MIN_PHOTOGRAPHS,
        "per_source": arguments.per_source,
        "examples": [_example_name(quality, edges) for quality, edges in EXAMPLES],
        "classes": [
            {
                **{name: cell[name] for name in ("quality", "short_edge", "n")},
                "sources": len(cell["sources"]),
                "largest_source": max(cell["sources"].values(), default=0),
            }
            for cell in ranges["classes"]
        ],
        "held_out": {
            "n": len(drawn),
            "sources": dict(sorted(Counter(row.source for row in drawn).items())),
            "by_quality": [
                {
                    "quality": quality,
                    "outside": compared.rate(items),
                    "outside_without_source": _Compared.rate_of(
                        [(item, without[item.source].outside(item)) for item in items]
                    ),
                    "any_outside": proportion([any(compared.outside(item).values()) for item in items]),
                    "mean_outside": float(np.mean([sum(compared.outside(item).values()) for item in items])),
                    "without_reference": sum(not compared.outside(item) for item in items),
                }
                for quality, items in by_quality
            ],
        },
        "as_they_are": {
            label: {
                "n": len(items),
                "compared": sum(bool(compared.outside(item)) for item in items),
                "outside": compared.rate(items),
            }
            for label, items in _by_label(own).items()
        },
        "views": [
            {
                "name": view.name,
                "figures": [
                    {
                        "name": measure.name,
                        "examples": [_example(ranges, measure.name, quality, edges) for quality, edges in EXAMPLES],
                        "outside": {
                            **{str(quality): compared.rate(items, measure.name) for quality, items in by_quality},
                            **{label: compared.rate(items, measure.name) for label, items in _by_label(own).items()},
                        },
                    }
                    for measure in view.measures
                    if measure.compared
                ],
            }
            for view in VIEWS.values()
            if any(measure.compared for measure in view.measures)
        ],
    }
    write_json(arguments.out, content)


def draw_class(rows: Iterable[ManifestRow], edges: tuple[int, int], per_source: int, seed: int) -> list[_Variant]:
    """Photographs of a class of size: up to ``per_source`` of each source, and half as many shrunk to that size."""
    low, high = edges
    kept: dict[str, list[_Variant]] = defaultdict(list)
    shrunk: dict[str, list[_Variant]] = defaultdict(list)
    for row in shuffled(rows, seed, low):
        edge, random = _short_edge(row), random_of(row, seed, low)
        most = min(high, math.floor(edge * _MOST_SHRUNK))
        if low <= edge <= high and len(kept[row.source]) < per_source:
            kept[row.source].append(_Variant(row, None, None, bool(random.random() < _FULL_COLOUR)))
        elif most >= low and len(shrunk[row.source]) < per_source // 2:
            side, full_colour = int(random.integers(low, most + 1)), bool(random.random() < _FULL_COLOUR)
            earlier = int(random.integers(_EARLIER[0], _EARLIER[1] + 1)) if random.random() < 0.5 else None
            shrunk[row.source].append(_Variant(row, side, None, full_colour, earlier))
    return [variant for source in sorted({*kept, *shrunk}) for variant in (*kept[source], *shrunk[source])]


def save_as(variant: _Variant, quality: tuple[int, int] | None, seed: int) -> _Variant:
    """The same photograph saved at a random quality of a class, or lossless."""
    if quality is None:
        return replace(variant, full_colour=variant.full_colour and variant.earlier is not None)
    drawn = int(random_of(variant.row, seed, quality[0], variant.side or 0).integers(quality[0], quality[1] + 1))
    return replace(variant, quality=drawn)


def central_range(values: Sequence[float]) -> list[float]:
    """Lower end, median and upper end of the central part of values, rounded outwards to five digits.

    What lies at an end stays inside; an end at which all values are equal is kept as it is.
    """
    low, middle, high = np.quantile(values, ((1 - CENTRAL) / 2, 0.5, (1 + CENTRAL) / 2)).tolist()
    if low == high:
        return [low, low, low]
    scale = 10**_DIGITS
    # The product may round to the wrong side: 1.4000000000000001 * 10**5 is 140000.0.
    ends = min(low, math.floor(low * scale) / scale), max(high, math.ceil(high * scale) / scale)
    return [ends[0], round(middle, _DIGITS), ends[1]]


def make_ranges(
    reference: Iterable[tuple[tuple[int, int] | None, tuple[int, int], list[_Measured]]], manifest_digest: str
) -> dict[str, Any]:
    """The content of ``ranges.json``."""
    names = [measure.name for view in VIEWS.values() for measure in view.measures if measure.compared]
    classes = []
    for quality, edges, items in reference:
        figures = {}
        for name in names:
            values = [value for item in items if (value := item.values[name]) is not None]
            if values:
                figures[name] = [*central_range(values), len(values)]
        curves = np.array([item.curve for item in items if item.curve is not None])
        low, high = np.quantile(curves, ((1 - CENTRAL) / 2, (1 + CENTRAL) / 2), axis=0) if len(curves) else ((), ())
        classes.append(
            {
                "quality": quality and list(quality),
                "short_edge": list(edges),
                "n": len(items),
                "sources": dict(sorted(Counter(item.source for item in items).items())),
                "figures": figures,
                "radial": {
                    "low": np.round(low, _CURVE_DIGITS).tolist(),
                    "high": np.round(high, _CURVE_DIGITS).tolist(),
                },
            }
        )
    return {
        "what": "low, median, high and n of each measurement in real photographs of the split train",
        "central": CENTRAL,
        "manifest_digest": manifest_digest,
        "classes": classes,
    }


def compact(content: dict[str, Any]) -> str:
    """JSON with one line per measurement."""
    text = json.dumps(content, indent=1, allow_nan=False)
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


class _Compared:
    """Compares measurements with ranges."""

    def __init__(self, references: References) -> None:
        self._references = references

    def outside(self, item: _Measured) -> dict[str, bool]:
        """Whether each measurement that has a range is outside it; empty without a comparable reference."""
        found = self._references.find(item.saved, item.quality, item.short_edge)  # type: ignore[arg-type]
        if isinstance(found, str):
            return {}
        return {
            name: not span.low <= value <= span.high
            for name, span in found.figures.items()
            if (value := item.values[name]) is not None
        }

    def rate(self, items: Sequence[_Measured], name: str | None = None) -> dict[str, Any]:
        """The proportion of measurements outside, of all or of one; images are the groups."""
        return self.rate_of([(item, self.outside(item)) for item in items], name)

    @staticmethod
    def rate_of(found: Sequence[tuple[_Measured, dict[str, bool]]], name: str | None = None) -> dict[str, Any]:
        flags = [
            (flag, item.path)
            for item, outside in found
            for each, flag in outside.items()
            if name is None or each == name
        ]
        return proportion([flag for flag, _ in flags], [path for _, path in flags])


class _Measurer:
    """Measures variants, each once; finished ones are read from the journal."""

    def __init__(self, manifest: Manifest, journal: Journal) -> None:
        self._manifest, self._journal = manifest, journal

    def __call__(self, variants: Sequence[_Variant]) -> list[_Measured]:
        with progress_bar("images", len(variants)) as advance:
            return list(self._all(variants, advance))

    def _all(self, variants: Sequence[_Variant], advance: Callable[[], None]) -> Iterator[_Measured]:
        for variant in variants:
            row, path = variant.row, self._manifest.resolve(variant.row)
            how = [variant.side, variant.quality, variant.full_colour]
            key = digest("ranges 1", row.path, stamp(path), *how, *([variant.earlier] if variant.earlier else []))
            found = self._journal.get(key)
            if found is None:
                found = _measure(path, variant)
                self._journal.note(key, found)
            facts = {name: found[name] for name in ("values", "curve", "saved", "quality", "short_edge")}
            yield _Measured(row.source, row.label, row.path, **facts)
            advance()


def _measure(path: Path, variant: _Variant) -> dict[str, Any]:
    data: bytes | None = read_bytes(path)
    image = decode_image(data)  # type: ignore[arg-type]
    if variant.side is not None:
        scale = variant.side / min(image.size)
        image = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    subsampling = 0 if variant.full_colour else 2
    if variant.earlier is not None:
        image = decode_image(_as_jpeg(image, variant.earlier, subsampling))
    if variant.quality is None:
        data = None
    elif variant.quality:
        data = _as_jpeg(image, variant.quality, subsampling)
        image = decode_image(data)
    views = forensic_views(image, data)
    subject = Subject(image, data)
    compression = subject.jpeg.compression if subject.jpeg else None
    return {
        "values": {figure.name: figure.value for view in views for figure in view.figures},
        "curve": next(view.facts.get("log10_power") for view in views if view.name == "radial"),
        "saved": subject.saved,
        "quality": None if compression is None else compression.quality,
        "short_edge": min(image.size),
    }


def _as_jpeg(image: Image.Image, quality: int, subsampling: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def _example(
    ranges: dict[str, Any], name: str, quality: tuple[int, int] | None, edges: tuple[int, int]
) -> list[float] | None:
    """A measurement's range in one class; ``None`` if it has none."""
    wanted = {"quality": quality and list(quality), "short_edge": list(edges)}
    cell = next(each for each in ranges["classes"] if wanted.items() <= each.items())
    found: list[float] | None = cell["figures"].get(name)
    return found if found is not None and found[3] >= MIN_PHOTOGRAPHS and found[0] < found[2] else None


def _example_name(quality: tuple[int, int] | None, edges: tuple[int, int]) -> str:
    saved = "lossless" if quality is None else f"quality {quality[0]}–{quality[1]}"
    return f"{saved}, {edges[0]}–{edges[1]} pixels"


def _drop(items: list[_Measured], source: str) -> list[_Measured]:
    return [item for item in items if item.source != source]


def _by_label(items: Iterable[_Measured]) -> dict[str, list[_Measured]]:
    found: dict[str, list[_Measured]] = {"real": [], "fake": []}
    for item in items:
        found[item.label].append(item)
    return found


def _short_edge(row: ManifestRow) -> int:
    return min(int(row.extra["width"]), int(row.extra["height"]))


if __name__ == "__main__":
    main()
