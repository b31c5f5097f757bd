"""Images prepared once for several versions of a detector, and their scores from one run of each version's graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import BundleInfo, Calibration
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.detect.detector import Detector, Prepared
from unmask.detect.verdict import Verdict, Word, word_of
from unmask.errors import ImageError, UsageError
from unmask.evaluation.calibrate import FLATTER, labelled
from unmask.evaluation.calibration_metrics import Labelled
from unmask.evaluation.scores import Scores, cells_of, tabulate
from unmask.parallel import ordered_map

_BATCH = 8


@dataclass(frozen=True)
class PreparedImages:
    """The readable images of a table, as the network sees them.

    Attributes:
        manifest: the table.
        rows: of the images.
        prepared: each with its faces, or the whole image.
    """

    manifest: Manifest
    rows: tuple[ManifestRow, ...]
    prepared: tuple[Prepared, ...]

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        manifest: Manifest,
        rows: Iterable[ManifestRow] | None = None,
        *,
        workers: int | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> PreparedImages:
        """Read images, find their faces and crop them. They stay in memory: 77 kB for each face of 160 px.

        Args:
            bundle: its preprocessing is used.
            manifest: the table.
            rows: some of its rows; default: all.
            workers: threads.
            progress: called after each image.

        Raises:
            UsageError: ``nothing_read``.
        """
        detector = Detector(bundle)

        def prepare(row: ManifestRow) -> tuple[ManifestRow, Prepared | None]:
            try:
                return row, detector.prepare(manifest.resolve(row))
            except ImageError:
                return row, None

        found = []
        for row, prepared in ordered_map(prepare, manifest if rows is None else rows, workers):
            progress()
            if prepared is not None:
                found.append((row, prepared))
        if not found:
            raise UsageError("nothing_read", f"{manifest.name}: no image could be read.")
        return cls(manifest, tuple(row for row, _ in found), tuple(image for _, image in found))

    def pixels(self) -> list[npt.NDArray[np.uint8]]:
        """What the network sees of each image: its largest face, or the whole image; uint8 [size, size, 3]."""
        return [image.regions[0].pixels for image in self.prepared]

    def logits(self, bundle: Bundle) -> Logits:
        """Run a graph on all images."""
        flat = bundle.info.model_copy(update={"calibration": Calibration(method="temperature", slope=1 / FLATTER)})
        detector = Detector(replace(bundle, info=flat))
        images = iter(self.prepared)
        verdicts: list[Verdict] = []
        while batch := list(islice(images, _BATCH)):
            verdicts += detector.judge(batch)
        cells = [(row, cells_of(verdict)) for row, verdict in zip(self.rows, verdicts, strict=True)]
        scores = tabulate(detector, self.manifest, cells)
        no_face = np.array([verdict.verdict == "NO_FACE" for verdict in verdicts], bool)
        return Logits(scores, labelled(scores, FLATTER), no_face)


@dataclass(frozen=True)
class Logits:
    """A graph's logits, from which scores and verdicts under any calibration follow.

    Attributes:
        flat: a table of scores under a flat calibration.
        images: logits, labels and groups.
        no_face: bool [n], images without a face.
    """

    flat: Scores
    images: Labelled
    no_face: npt.NDArray[np.bool_]

    def scores(self, info: BundleInfo) -> Scores:
        """The table of scores under a bundle's calibration and threshold."""
        probability = np.array([info.calibration.probability(value) for value in self.images.logit])
        band = info.uncertain
        inside = [("true" if band.low <= value <= band.high else "false") for value in probability]
        return replace(
            self.flat,
            model=f"{info.name}@{info.version}",
            fake_probability=probability,
            threshold=info.threshold.fake_probability,
            columns={**self.flat.columns, "uncertain": tuple(inside)},
        )

    def words(self, info: BundleInfo) -> list[Word]:
        """The verdict on each image."""
        threshold = info.threshold.fake_probability
        probability = (info.calibration.probability(value) for value in self.images.logit)
        return [
            word_of(value, threshold, info.uncertain, no_face=bool(none))
            for value, none in zip(probability, self.no_face, strict=True)
        ]


def draw_rows(rows: Sequence[ManifestRow], count: int, seed: int) -> list[ManifestRow]:
    """A number of rows, as many of each label as there are, and of one label no source before every other had a turn.

    Args:
        rows: to draw from.
        count: how many.
        seed: of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    turns: dict[tuple[str, str], int] = {}
    ranked: list[tuple[int, int, ManifestRow]] = []
    for place in order:
        row = rows[int(place)]
        key = (row.label, row.source)
        turns[key] = turns.get(key, 0) + 1
        ranked.append((turns[key], len(ranked), row))
    ranked.sort(key=lambda each: each[:2])
    by_label = {label: [row for *_, row in ranked if row.label == label] for label in ("real", "fake")}
    half = count // 2
    chosen = by_label["real"][: max(half, count - len(by_label["fake"]))]
    return chosen + by_label["fake"][: count - len(chosen)]
