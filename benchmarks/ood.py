"""How well the distance from training separates images that a bundle was not made for.

    python benchmarks/ood.py --manifest ../shared/data/faces/manifest.csv --out benchmarks/results/ood.json

Validation images, which set the threshold, are compared with test images, which should look the same, and with kinds
that should not: strongly changed validation images, and images without a face. AUC is of the distance, kind against
validation, with 95 % intervals from a bootstrap over groups. Changed images are made from validation images other than
those they are compared with. Also: how often verdicts on test images are wrong, by quartiles of their distance.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image, ImageFilter, ImageOps

from _report import argument_parser, describe_run, write_json
from _shared import open_edition, proportion
from unmask import Detector, Manifest, load
from unmask.data.degrade import apply_steps, draw_steps
from unmask.data.rows import ManifestRow
from unmask.errors import ImageError
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import FaceFinder
from unmask.parallel import ordered_map
from unmask.progress import progress_bar
from unmask.stats.intervals import group_codes, interval
from unmask.stats.metrics import auc
from unmask.stats.resample import resample

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow", "scikit-image")
_SIDE = 512  # kinds are made at most so large, so that a strength means the same in each image

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def _jpeg(image: Image.Image, _: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=10)
    return Image.open(buffer).convert("RGB")


def _tiny(image: Image.Image, _: np.random.Generator) -> Image.Image:
    small = image.copy()
    small.thumbnail((40, 40), Image.Resampling.BICUBIC)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _noisy(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    noise = rng.normal(0, 60, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image, np.float64) + noise, 0, 255).astype(np.uint8))


def _sketch(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """A pencil drawing: the image's brightness divided by that of its blurred negative."""
    grey = image.convert("L")
    soft = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(max(2, image.width / 60)))
    drawn = np.asarray(grey, np.float32) * 255 / (256 - np.asarray(soft, np.float32))
    return Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8)).convert("RGB")


def _cartoon(image: Image.Image, _: np.random.Generator) -> Image.Image:
    for _round in range(3):
        image = image.filter(ImageFilter.MedianFilter(7))
    return ImageOps.posterize(image, 3)


CHANGES: dict[str, tuple[str, Change]] = {
    "mild": ("up to three everyday degradations", lambda image, rng: apply_steps(image, draw_steps(rng))),
    "jpeg": ("JPEG quality 10", _jpeg),
    "tiny": ("shrunk to 40 px and back", _tiny),
    "blur": ("Gaussian blur, radius 6 px of 512", lambda image, _: image.filter(ImageFilter.GaussianBlur(6))),
    "noise": ("Gaussian noise, 60 grey levels", _noisy),
    "sketch": ("made a pencil drawing by a filter", _sketch),
    "cartoon": ("smoothed and posterised to 8 levels", _cartoon),
    "inverted": ("colours inverted", lambda image, _: ImageOps.invert(image)),
    "upside-down": ("turned upside down", lambda image, _: image.rotate(180)),
}


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, help="bundle (default: the shipped one)")
    parser.add_argument("--images", type=int, default=450, help="at most N images of each split", metavar="N")
    parser.add_argument("--changed", type=int, default=150, help="validation images to change")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    detector = load(arguments.bundle)
    limits = detector.bundle.info.out_of_distribution
    if limits is None:
        raise SystemExit("this bundle measures no distance")
    table = open_edition(arguments.manifest)
    rng = np.random.default_rng(arguments.seed)
    rows = {split: _drawn(table, split, rng) for split in ("val", "test")}
    changed = rows["val"][: arguments.changed]
    inside = rows["val"][arguments.changed :][: arguments.images]
    test = rows["test"][: arguments.images]
    without_face = _without_face()
    total = len(inside) + len(test) + len(changed) * len(CHANGES) + len(without_face) + arguments.changed
    with progress_bar("images", total) as advance:

        def distances(images: Sequence[Callable[[], Image.Image]]) -> list[tuple[float, str | None]]:
            found = []
            for distance in ordered_map(lambda make: _distance(detector, make()), images, arguments.workers):
                found.append(distance)
                advance()
            return found

        reference = distances([_opener(table, row) for row in inside])
        near = np.array([distance for distance, _ in reference])
        groups = [row.group for row in inside]
        judged = distances([_opener(table, row) for row in test])
        kinds = [_kind("test", "images of the test split", near, groups, judged, [row.group for row in test], limits)]
        for number, (name, (about, change)) in enumerate(CHANGES.items()):
            makers = [_changer(table, row, change, [arguments.seed, number, at]) for at, row in enumerate(changed)]
            kinds.append(_kind(name, about, near, groups, distances(makers), [row.group for row in changed], limits))
        makers = [(lambda image=image: image) for image in without_face.values()]
        names = [f"scikit-image {name}" for name in without_face]
        kinds.append(
            _kind("no-face", "scikit-image's images without a face", near, groups, distances(makers), names, limits)
        )
        noise = [rng.integers(0, 256, (192, 192, 3), np.uint8) for _ in range(arguments.changed)]
        makers = [(lambda pixels=pixels: Image.fromarray(pixels)) for pixels in noise]
        names = [f"noise {at}" for at in range(len(noise))]
        kinds.append(_kind("pure-noise", "random pixels", near, groups, distances(makers), names, limits))
    smoke = len(inside) < 300 or len(changed) < 100
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, detector.bundle.sha256, smoke=smoke),
            "limits": limits.model_dump(),
            "reference": {"n": len(near), "flagged": proportion(near > limits.threshold, groups)},
            "kinds": kinds,
            "errors_by_distance": _errors(test, judged),
        },
    )


def _drawn(table: Manifest, split: str, rng: np.random.Generator) -> list[ManifestRow]:
    rows = list(table.select(split=split))
    return [rows[place] for place in rng.permutation(len(rows))]


def _opener(table: Manifest, row: ManifestRow) -> Callable[[], Image.Image]:
    return lambda: decode_image(table.resolve(row))


def _changer(table: Manifest, row: ManifestRow, change: Change, seed: list[int]) -> Callable[[], Image.Image]:
    def make() -> Image.Image:
        image = decode_image(table.resolve(row))
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        return change(image, np.random.default_rng(seed))

    return make


def _without_face() -> dict[str, Image.Image]:
    """The images that come with scikit-image in which no face is found."""
    finder, found = FaceFinder(), {}
    for path in sorted((Path(skimage.__file__).parent / "data").iterdir()):
        try:
            image = decode_image(path)
        except ImageError:
            continue
        if not finder.find(image):
            found[path.name] = image
    return found


def _distance(detector: Detector, image: Image.Image) -> tuple[float, str | None]:
    """Distance and result."""
    verdict = detector.detect(image)
    assert verdict.novelty is not None
    return verdict.novelty.distance, verdict.result


def _kind(
    name: str,
    about: str,
    near: Any,
    near_groups: list[str],
    judged: list[tuple[float, str | None]],
    groups: list[str],
    limits: Any,
) -> dict[str, Any]:
    far = np.array([distance for distance, _ in judged])
    both = np.concatenate([near, far])
    is_far = np.arange(len(both)) >= len(near)
    codes = group_codes([*near_groups, *groups])
    found = resample(codes, lambda weight: np.array([auc(both, is_far, weight)]))
    return {
        "name": name,
        "about": about,
        "n": len(far),
        "auc": interval(found.values[0], found.interval(0)),
        "flagged": proportion(far > limits.threshold, groups),
        "called_fake": float(np.mean([result == "FAKE" for _, result in judged])),
    }


def _errors(rows: Sequence[ManifestRow], judged: list[tuple[float, str | None]]) -> list[dict[str, Any]]:
    """Shares of wrong verdicts by quarters of the distance."""
    distance = np.array([each for each, _ in judged])
    wrong = np.array([result != row.label.upper() for row, (_, result) in zip(rows, judged, strict=True)])
    groups = np.array([row.group or row.path for row in rows])
    found = []
    for quarter in np.array_split(np.argsort(distance, kind="stable"), 4):
        found.append(
            {
                "from": float(distance[quarter].min()),
                "to": float(distance[quarter].max()),
                "wrong": proportion(wrong[quarter], groups[quarter]),
            }
        )
    return found


if __name__ == "__main__":
    main()
