"""Statistics of a data set: counts, and every fact by class and by source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unmask.data.audit.facts import CONTAINERS, FACTS, brightness
from unmask.data.audit.images import Images
from unmask.data.audit.probe import alone
from unmask.imaging.jpeg import SUBSAMPLINGS

LABELS: Final = ("real", "fake")
MAX_VALUES: Final = 100  # of one column, the most frequent
BINS: Final = 24

MEASURES: Final[dict[str, str]] = {
    "width": "pixels",
    "height": "pixels",
    "bytes_per_pixel": "bytes",
    "jpeg_quality": "1-100",
    "brightness": "0-255",
    "contrast": "0-255",
    "sharpness": "log10",
    "saturation": "0-255",
    "grey_share": "0-1",
    **{
        f"{corner}_{what}": "0-255"
        for corner in ("top_left", "top_right", "bottom_left", "bottom_right")
        for what in ("mean", "contrast")
    },
}
"""Facts reported by class, with their units; :func:`~unmask.data.audit.facts.pixel_facts` defines them."""
FLAGS: Final = ("exif", "icc_profile", "xmp", "jfif", "jpeg_progressive")
NAMES: Final[dict[str, tuple[str, ...]]] = {"container": CONTAINERS, "chroma_subsampling": SUBSAMPLINGS}
"""Facts that are names: the name of each number."""

_BY_SOURCE: Final = ("width", "height", "bytes_per_pixel", "jpeg_quality", "brightness", "sharpness", "saturation")
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Histogram:
    """The distribution of one measure.

    Attributes:
        edges: of the bins, one more than there are bins. The first and last bin include everything beyond.
        shares: by label, the proportion of its images in each bin.
    """

    edges: tuple[float, ...]
    shares: dict[str, tuple[float, ...]]


def counts(images: Images) -> dict[str, Any]:
    """Numbers of images by label and by value of each column that the manifest has."""
    by_column = {}
    for column in ("source", "generator", "kind", "split"):
        if column not in images.has:
            continue
        cells = Counter(zip(images.columns[column], map(bool, images.is_fake), strict=True))
        totals = Counter(images.columns[column])
        by_column[column] = {
            name: {"real": cells[name, False], "fake": cells[name, True]}
            for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:MAX_VALUES]
        }
    fakes = int(images.is_fake.sum())
    return {
        "images": len(images),
        "real": len(images) - fakes,
        "fake": fakes,
        "unreadable": len(images.errors),
        "groups": len(set(images.columns["group"]) - {""}),
        "by": by_column,
    }


def facts_by_class(images: Images) -> dict[str, Any]:
    """Every measure by label, with its AUC when used alone, and the proportion of every name and flag.

    A measure is ``{"unit", "auc", "real": {"n", "mean", "p5", "median", "p95"}, "fake": {...}}``; ``auc`` is 0.5 to 1,
    whichever label is higher, and ``None`` where a label has no such image.
    """
    measures = {}
    for name, unit in MEASURES.items():
        values = measure_of(images, name)
        known = ~np.isnan(values)
        both = len(np.unique(images.is_fake[known])) == 2
        measures[name] = {
            "unit": unit,
            "auc": _rounded(alone(values[known], images.is_fake[known])) if both else None,
            **{label: _spread(values[known & of]) for label, of in _of_labels(images)},
        }
    return {
        "measures": measures,
        "names": {name: {label: _shares(images, name, of) for label, of in _of_labels(images)} for name in NAMES},
        "flags": {name: {label: _share(images.fact(name)[of]) for label, of in _of_labels(images)} for name in FLAGS},
    }


def facts_by_source(images: Images) -> list[dict[str, Any]]:
    """For each source and label: number of images, medians of the main measures, proportions of the containers."""
    if "source" not in images.has:
        return []
    sources = np.array(images.columns["source"])
    values = {name: measure_of(images, name) for name in _BY_SOURCE}
    table = []
    for source, _ in Counter(images.columns["source"]).most_common(MAX_VALUES):
        for label, of in _of_labels(images):
            rows = np.flatnonzero(of & (sources == source))
            if len(rows):
                medians = {name: _median(column[rows]) for name, column in values.items()}
                containers = _shares(images, "container", rows)
                table.append({"source": source, "label": label, "n": len(rows), "container": containers, **medians})
    return sorted(table, key=lambda row: (row["source"], row["label"]))


def distribution(images: Images, name: str) -> Histogram | None:
    """A measure's distribution by label, between its 0.5th and 99.5th percentile; ``None`` where it is constant."""
    values = measure_of(images, name)
    known = values[~np.isnan(values)]
    if not len(known) or known.min() == known.max():
        return None
    low, high = np.quantile(known, [0.005, 0.995])
    if low == high:
        low, high = known.min(), known.max()
    edges = np.linspace(low, high, BINS + 1)
    shares = {}
    for label, of in _of_labels(images):
        inside = np.clip(values[of & ~np.isnan(values)], low, high)
        found = np.histogram(inside, edges)[0] / max(len(inside), 1)
        shares[label] = tuple(float(share) for share in found)
    return Histogram(tuple(float(edge) for edge in edges), shares)


def describe_fact(images: Images, fact: str) -> str:
    """One fact of both labels in a few words, e.g. ``jpeg_quality: real 95, fake 75`` (medians)."""
    texts = []
    for label, of in _of_labels(images):
        if fact in NAMES:
            shares = _shares(images, fact, of)
            name = max(shares, key=lambda name: shares[name], default="none")
            texts.append(f"{label} {name} {100 * shares.get(name, 0.0):.0f} %")
        elif fact in FLAGS:
            texts.append(f"{label} {100 * (_share(images.fact(fact)[of]) or 0.0):.0f} %")
        else:
            median = _median(images.fact(fact)[of])
            texts.append(f"{label} {'none' if median is None else f'{median:.4g}'}")
    return f"{fact}: {', '.join(texts)}"


def measure_of(images: Images, name: str) -> npt.NDArray[np.float64]:
    """A measure of every image, float64 [n], NaN where it does not apply."""
    if name == "brightness":
        return brightness(images.facts)
    return images.facts[:, FACTS.index(name)].astype(np.float64)


def _of_labels(images: Images) -> tuple[tuple[str, npt.NDArray[np.bool_]], ...]:
    return tuple(
        (label, images.readable & (images.is_fake == is_fake))
        for label, is_fake in zip(LABELS, (False, True), strict=True)
    )


def _spread(values: npt.NDArray[np.float64]) -> dict[str, float | int | None]:
    if not len(values):
        return {"n": 0, "mean": None, "p5": None, "median": None, "p95": None}
    p5, median, p95 = np.quantile(values, [0.05, 0.5, 0.95])
    found = {"mean": values.mean(), "p5": p5, "median": median, "p95": p95}
    return {"n": len(values), **{name: _rounded(float(value)) for name, value in found.items()}}


def _median(values: npt.NDArray[Any]) -> float | None:
    known = values[~np.isnan(values)]
    return _rounded(float(np.median(known))) if len(known) else None


def _share(values: npt.NDArray[Any]) -> float | None:
    known = values[~np.isnan(values)]
    return _rounded(float(known.mean())) if len(known) else None


def _shares(images: Images, name: str, rows: npt.NDArray[Any]) -> dict[str, float]:
    known = images.fact(name)[rows]
    known = known[~np.isnan(known)].astype(int)
    found = Counter(known.tolist())
    return {NAMES[name][code]: _rounded(count / len(known)) for code, count in found.most_common()}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
