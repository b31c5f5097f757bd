"""How well a bundle tells real from fake on one split of a manifest.

    python benchmarks/default_detector.py --manifest ../shared/data/faces/manifest.csv \\
        --out benchmarks/results/default-detector.json

Every image goes through ``Detector.detect_many``, as from the command line. An image that cannot be read is listed
under ``failures`` and is in no other figure. Intervals are 95 %: of areas (AUC) and of balanced accuracy by drawing
whole groups with replacement (percentile bootstrap); of shares after Wilson, which takes images as independent.

A fake source, kind or generator has its AUC against all real images of the split. Where a source has both labels,
``auc_within_source`` sets its fakes against its own reals only, which no difference between sources can help.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _report import describe_run, write_json
from unmask import Detector, Manifest, Verdict, load
from unmask.data.manifest import ManifestRow
from unmask.progress import progress_bar
from unmask.stats.intervals import draw_groups, group_codes, percentile_interval, wilson
from unmask.stats.metrics import Bins, Confusion, Flags, Floats, Ranking, confusion_cells, squared_errors

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")
_ECE_BINS = 15
_DIGITS = 6

Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Judged:
    """The images that could be read, one element each."""

    is_fake: Flags
    source: Names
    kind: Names
    generator: Names
    group: Names
    probability: Floats
    called_fake: Flags
    uncertain: Flags
    face_found: Flags

    @classmethod
    def of(cls, pairs: list[tuple[ManifestRow, Verdict]]) -> Judged:
        """From rows and their verdicts, none of which is an error."""
        rows = [row for row, _ in pairs]
        verdicts = [verdict for _, verdict in pairs]
        return cls(
            is_fake=np.array([row.label == "fake" for row in rows]),
            source=np.array([row.source for row in rows]),
            kind=np.array([row.kind for row in rows]),
            generator=np.array([row.generator for row in rows]),
            # An image without a group is one of its own.
            group=np.array([row.group or f"path:{row.path}" for row in rows]),
            probability=np.array([verdict.fake_probability for verdict in verdicts], float),
            called_fake=np.array([verdict.result == "FAKE" for verdict in verdicts]),
            uncertain=np.array([verdict.uncertain for verdict in verdicts]),
            face_found=np.array([verdict.face_found for verdict in verdicts]),
        )

    def __len__(self) -> int:
        return len(self.is_fake)

    @property
    def is_right(self) -> Flags:
        """Whether each verdict is right."""
        right: Flags = self.called_fake == self.is_fake
        return right

    def where(self, chosen: Flags) -> Judged:
        """The chosen images only."""
        return Judged(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn."""

    draws: int
    seed: int

    def auc(self, judged: Judged) -> dict[str, Any] | None:
        """AUC with its interval; ``None`` where a class is missing."""
        n_fake = int(judged.is_fake.sum())
        n_real = len(judged) - n_fake
        if not n_fake or not n_real:
            return None
        ranking = Ranking(judged.probability, judged.is_fake)
        figure = self._figure(judged, lambda weight: ranking.roc(weight).auc())
        return {**figure, "n_fake": n_fake, "n_real": n_real}

    def balanced_accuracy(self, judged: Judged) -> dict[str, float]:
        """Balanced accuracy with its interval."""
        cells = confusion_cells(judged.called_fake, judged.is_fake)
        return self._figure(judged, lambda weight: Confusion.of_cells(cells, weight).balanced_accuracy)

    def _figure(self, judged: Judged, figure: Callable[[Floats], float]) -> dict[str, float]:
        value = figure(np.ones(len(judged)))
        drawn = draw_groups(group_codes(judged.group), lambda weight: np.array([figure(weight)]), self.draws, self.seed)
        return _interval(value, *(percentile_interval(drawn[:, 0]) or (value, value)))


def main() -> None:
    """Measure and write the result."""
    arguments = _parse_arguments()
    detector = load(arguments.bundle)
    manifest = Manifest.open(arguments.manifest).select(split=arguments.split)
    rows = list(manifest)
    if arguments.limit:
        rows = [rows[at] for at in np.linspace(0, len(rows) - 1, min(arguments.limit, len(rows))).astype(int)]
    pairs = list(_verdicts(detector, manifest, rows, arguments.workers))
    judged = Judged.of([(row, verdict) for row, verdict in pairs if verdict.error is None])
    if not 0 < judged.is_fake.sum() < len(judged):
        raise SystemExit("Both labels are needed among the images that can be read.")
    bootstrap = Bootstrap(arguments.draws, arguments.seed)
    info = detector.bundle.info
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, detector.bundle.sha256, smoke=bool(arguments.limit)),
            "detector": {
                "name": info.name,
                "version": info.version,
                "threshold": info.threshold.model_dump(),
                "uncertain_band": [info.uncertain.low, info.uncertain.high],
                "sources_seen": info.card.sources,
            },
            "split": arguments.split,
            "split_digest": manifest.digest(),
            "bootstrap": {"draws": arguments.draws, "seed": arguments.seed, "drawn": "groups", "level": 0.95},
            "n": len(pairs),
            "failures": [
                {"source": row.source, "label": row.label, "code": verdict.error.code}
                for row, verdict in pairs
                if verdict.error is not None
            ],
            "overall": _overall(judged, bootstrap),
            "by_source": list(_by_source(judged, bootstrap, info.card.sources)),
            "by_kind": list(_by_column(judged, "kind", bootstrap)),
            "by_generator": list(_by_column(judged, "generator", bootstrap)),
        },
    )


def _parse_arguments() -> argparse.Namespace:
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True, help="CSV or Parquet with label, source, group, split")
    parser.add_argument("--split", default="test", help="which images (default: test)")
    parser.add_argument("--bundle", type=Path, help="folder or zip (default: the one in the package)")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--workers", type=int, help="threads (default: one a CPU)")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap draws (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    parser.add_argument("--limit", type=int, help="only so many images, spread over the split: to try the script")
    return parser.parse_args()


def _verdicts(
    detector: Detector, manifest: Manifest, rows: list[ManifestRow], workers: int | None
) -> Iterator[tuple[ManifestRow, Verdict]]:
    paths = (manifest.resolve(row) for row in rows)
    with progress_bar("pictures", len(rows)) as advance:
        for row, verdict in zip(rows, detector.detect_many(paths, workers), strict=True):
            yield row, verdict
            advance()


def _overall(judged: Judged, bootstrap: Bootstrap) -> dict[str, Any]:
    share_fake = float(judged.is_fake.mean())
    certain = judged.where(~judged.uncertain)
    return {
        "n": len(judged),
        "n_real": int((~judged.is_fake).sum()),
        "n_fake": int(judged.is_fake.sum()),
        "groups": len(np.unique(judged.group)),
        "auc": bootstrap.auc(judged),
        "accuracy": _share(judged.is_right),
        "balanced_accuracy": bootstrap.balanced_accuracy(judged),
        "real_recall": _share(~judged.called_fake[~judged.is_fake]),
        "fake_recall": _share(judged.called_fake[judged.is_fake]),
        "majority_baseline": {
            "answer": "fake" if share_fake > 0.5 else "real",
            "accuracy": round(max(share_fake, 1 - share_fake), _DIGITS),
            "balanced_accuracy": 0.5,
        },
        "calibration": {
            "ece": round(Bins(judged.probability, judged.is_fake, _ECE_BINS).error(), _DIGITS),
            "ece_method": f"{_ECE_BINS} equal-width bins of the probability of fake, weighted by images",
            "brier": round(float(squared_errors(judged.probability, judged.is_fake).mean()), _DIGITS),
        },
        "uncertain": _share(judged.uncertain),
        "accuracy_outside_uncertain": _share(certain.is_right),
        "face_found": _share(judged.face_found),
    }


def _by_source(judged: Judged, bootstrap: Bootstrap, seen: dict[str, dict[str, int]]) -> Iterator[dict[str, Any]]:
    """One entry a source and label; ``recall`` is the share called what it is."""
    for label in ("real", "fake"):
        of_label = judged.is_fake == (label == "fake")
        for source in np.unique(judged.source[of_label]):
            own = judged.where(of_label & (judged.source == source))
            is_fake_source = label == "fake"
            yield {
                "source": str(source),
                "label": label,
                "seen": str(source) in seen.get(label, {}),
                "recall": _share(own.is_right),
                "uncertain": _share(own.uncertain),
                "face_found": _share(own.face_found),
                "auc": bootstrap.auc(_against_reals(judged, "source", source)) if is_fake_source else None,
                "auc_within_source": bootstrap.auc(judged.where(judged.source == source)) if is_fake_source else None,
            }


def _by_column(judged: Judged, column: str, bootstrap: Bootstrap) -> Iterator[dict[str, Any]]:
    """One entry a kind or generator of the fakes."""
    values = getattr(judged, column)
    for value in np.unique(values[judged.is_fake]):
        own = judged.where(judged.is_fake & (values == value))
        yield {
            column: str(value),
            "recall": _share(own.is_right),
            "auc": bootstrap.auc(_against_reals(judged, column, value)),
        }


def _against_reals(judged: Judged, column: str, value: str) -> Judged:
    """The fakes with that value, and all real images."""
    return judged.where(~judged.is_fake | (getattr(judged, column) == value))


def _share(flags: Flags) -> dict[str, Any]:
    count, n = int(flags.sum()), len(flags)
    return {**_interval(count / n if n else None, *wilson(count, n)), "count": count, "n": n}


def _interval(value: float | None, low: float, high: float) -> dict[str, Any]:
    return {
        "value": None if value is None else round(value, _DIGITS),
        "low": round(low, _DIGITS),
        "high": round(high, _DIGITS),
    }


if __name__ == "__main__":
    main()
