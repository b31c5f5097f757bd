"""Whether facts about an image should make its verdict uncertain: a small face, or a verdict that flips.

    python benchmarks/abstention.py --manifest ../shared/data/faces/manifest.csv \\
        --out benchmarks/results/abstention.json

Validation images of both editions, as they are, as platforms store them, and with their faces shrunk. Of the verdicts
outside the uncertain band, each rule makes some uncertain. It pays if more of those were wrong than right. Beside it
stands what a wider uncertain band does that makes as many verdicts uncertain. Test images are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import proportion
from unmask.bundle.schema import Abstention, log_odds
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.detect.abstention import changed
from unmask.detect.detector import Detector, load
from unmask.detect.verdict import Verdict
from unmask.evaluation.degradations import Condition, FaceOf, default_finder, degrade
from unmask.evaluation.robustness import draw_rows
from unmask.imaging.decode import decode_image
from unmask.parallel import ordered_map
from unmask.progress import progress_bar

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")
SIZES: Final = (128, 96, 64, 48, 32)
CHECKS: Final = {
    "JPEG 75": Abstention(reencoded=75),
    "shrunk to 75 %": Abstention(resized=0.75),
    "shrunk to 50 %": Abstention(resized=0.5),
}
CONDITIONS: Final = ("clean", "web", "hard", *(f"face-{size}" for size in SIZES))
_CHECKED: Final = ("clean", "web", "face-96", "face-64")
"""Conditions under which flips are tested: each test takes a run of the network."""


@dataclass(frozen=True)
class Observed:
    """What was seen of one image under one condition.

    Attributes:
        group: images that are not independent share it.
        is_fake: the truth.
        word: of the verdict.
        called_fake: whether the probability reaches the threshold.
        margin: distance of the log odds from the threshold's.
        side: of the face that decides, in pixels; infinite without a face.
        flips: names of the checks after which it is called the other.
    """

    group: str
    is_fake: bool
    word: str
    called_fake: bool
    margin: float
    side: float
    flips: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether it is called what it is not."""
        return self.called_fake != self.is_fake

    @property
    def is_decided(self) -> bool:
        """Whether the verdict is FAKE or REAL."""
        return self.word in ("FAKE", "REAL")


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="table of labelled images")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--bundle", help="the detector (default: the one that ships)")
    parser.add_argument("--sample", type=int, default=600, help="images for all conditions but clean, 400 or more")
    parser.add_argument("--clean", type=int, help="most images for the condition clean (default: all)")
    parser.add_argument("--workers", type=int, help="worker threads (default: number of CPUs)")
    arguments = parser.parse_args()
    detector = load(arguments.bundle)
    validation = Manifest.open(arguments.manifest).select(split="val")
    sample = draw_rows(validation, arguments.sample, 0)
    results: dict[str, Any] = {}
    observed: dict[str, list[Observed]] = {}
    for name in CONDITIONS:
        images = sample
        if name == "clean":
            images = validation if arguments.clean is None else draw_rows(validation, arguments.clean, 0)
        rows = list(images)
        with progress_bar(name, len(rows)) as advance:
            observed[name] = list(_observe(detector, images, rows, name, arguments.workers, advance))
        results[name] = summary(observed[name])
    together = [each for name in CONDITIONS for each in observed[name]]
    write_json(
        arguments.out,
        {
            "schema": 1,
            "run": describe_run(_PACKAGES, detector.bundle.sha256, smoke=arguments.sample < 400),
            "model": detector.model_name,
            "conditions": results,
            "rules": {
                "clean": rules(observed["clean"]),
                "all": rules(together),
            },
        },
    )


def summary(observed: Sequence[Observed]) -> dict[str, Any]:
    """How many images are decided, and how many of those rightly."""
    decided = [each for each in observed if each.is_decided]
    groups = [each.group for each in decided]
    return {
        "n": len(observed),
        "uncertain": proportion([each.word == "UNCERTAIN" for each in observed], [each.group for each in observed]),
        "no_face": sum(each.word == "NO_FACE" for each in observed),
        "right_outside_band": proportion([not each.is_wrong for each in decided], groups),
        "real_kept": _of_class(observed, is_fake=False),
        "fakes_found": _of_class(observed, is_fake=True),
        "median_side": float(np.median([each.side for each in observed if np.isfinite(each.side)] or [0.0])),
    }


def rules(observed: Sequence[Observed]) -> list[dict[str, Any]]:
    """For each rule what it makes uncertain, and what a wider band does with as many images."""
    decided = [each for each in observed if each.is_decided]
    ranked = sorted(decided, key=lambda each: each.margin)
    candidates: list[tuple[str, list[Observed]]] = [
        (f"face below {size} px", [each for each in decided if each.side < size]) for size in SIZES
    ]
    candidates += [(f"flips: {name}", [each for each in decided if name in each.flips]) for name in CHECKS]
    candidates.append(("flips: any of them", [each for each in decided if each.flips]))
    found = []
    for name, chosen in candidates:
        removed, band = set(map(id, chosen)), ranked[: len(chosen)]
        kept = [each for each in decided if id(each) not in removed]
        wrong = sum(each.is_wrong for each in chosen)
        found.append(
            {
                "rule": name,
                "decided": len(decided),
                "wrong_made_uncertain": wrong,
                "right_made_uncertain": len(chosen) - wrong,
                "proportion_wrong": proportion([each.is_wrong for each in chosen], [each.group for each in chosen])
                if chosen
                else None,
                "wrong_by_a_wider_band": sum(each.is_wrong for each in band),
                "right_before": proportion([not each.is_wrong for each in decided], [each.group for each in decided]),
                "right_after": proportion([not each.is_wrong for each in kept], [each.group for each in kept]),
                "pays": wrong > len(chosen) - wrong,
            }
        )
    return found


def _of_class(observed: Sequence[Observed], *, is_fake: bool) -> dict[str, Any]:
    own = [each for each in observed if each.is_fake == is_fake]
    return proportion([not each.is_wrong for each in own], [each.group for each in own])


def _observe(
    detector: Detector,
    images: Manifest,
    rows: Sequence[ManifestRow],
    name: str,
    workers: int | None,
    advance: Callable[[], None],
) -> Iterator[Observed]:
    family, _, level = name.partition("-")
    condition = Condition(family, float(level) if level else None)
    finder, preprocessing = default_finder(), detector.bundle.info.preprocessing

    def look(row: ManifestRow) -> tuple[ManifestRow, list[Verdict]]:
        image = decode_image(images.resolve(row))
        image = degrade(image, condition, row.path, 0, FaceOf(image, finder))
        prepared = detector.prepare(image)
        others = [
            replace(prepared, regions=other.regions)
            for rule in (CHECKS.values() if name in _CHECKED else ())
            for other in changed(image, prepared.regions, rule, preprocessing)
        ]
        return row, detector.judge([prepared, *others])

    for row, (verdict, *others) in ordered_map(look, rows, workers):
        deciding = detector.deciding(verdict.regions)
        margin = abs(log_odds(deciding.fake_probability) - log_odds(detector.threshold))
        side = float("inf") if deciding.face is None else deciding.face.side
        flips = tuple(check for check, other in zip(CHECKS, others, strict=False) if other.result != verdict.result)
        group, word = row.group or row.path, str(verdict.verdict)
        yield Observed(group, row.label == "fake", word, verdict.result == "FAKE", margin, side, flips)
        advance()


if __name__ == "__main__":
    main()
