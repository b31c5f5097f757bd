"""How often the peak of a map is inside the manipulated region of an image.

    python benchmarks/forensic_localisation.py --manifest ../shared/data/faces/manifest.csv \\
        --out benchmarks/results/forensic-localisation.json

Real test images are manipulated in two ways, by self-blending and by swapping in the face of another image of their
source, and analysed as made and after JPEG compression. No image is written. Two rates show what chance gives: the
mask's proportion of the image, and how often the peak of the map of the *untouched* image is inside the same mask,
which a map gains by preferring faces.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from _report import argument_parser, describe_run, write_json
from _shared import open_edition, proportion
from unmask.data.make.self_blend import self_blend
from unmask.data.make.swap import misfit, swap_faces
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.detect.detector import Detector, load
from unmask.errors import UsageError
from unmask.explain.views.ela import error_levels
from unmask.explain.views.ghosts import smooth
from unmask.explain.views.noise import noise_levels
from unmask.explain.views.subject import CELL, Subject
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import Face, FaceFinder, FacePolicy
from unmask.progress import progress_bar

_PACKAGES = ("unmask", "numpy", "Pillow", "onnxruntime")
_QUALITY = 85  # of the images that are saved before they are looked at
_HALF = 0.5  # inside a mask: at least half of its highest opacity
_MAPS = ("ela", "noise", "evidence")

Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Portrait:
    row: ManifestRow
    image: Image.Image
    face: Face


def main() -> None:
    """Manipulate, look, count."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    detector = load()
    portraits = list(_portraits(open_edition(arguments.manifest), arguments.images, arguments.seed))
    counts: dict[tuple[str, str, str], list[tuple[bool, bool, float]]] = defaultdict(list)
    with progress_bar("images", len(portraits)) as advance:
        for at, portrait in enumerate(portraits):
            draw = np.random.default_rng((arguments.seed, at))
            for method, image, mask in _manipulations(portrait, portraits, draw):
                for saved, state in ((False, "as made"), (True, f"JPEG {_QUALITY}")):
                    changed, untouched = (_peaks(_saved(each, saved), detector) for each in (image, portrait.image))
                    for name in _MAPS:
                        inside = (_inside(changed[name], mask), _inside(untouched[name], mask), float(mask.mean()))
                        counts[method, state, name].append(inside)
            advance()
    content = {
        "run": describe_run(_PACKAGES, detector.bundle.sha256, smoke=arguments.images < 300),
        "pictures": len(portraits),
        "split": "test",
        "seed": arguments.seed,
        "mask": f"opacity of at least {_HALF} of its highest",
        "rows": [
            {
                "manipulation": method,
                "state": state,
                "map": name,
                "inside": proportion([changed for changed, _, _ in found]),
                "untouched": proportion([untouched for _, untouched, _ in found]),
                "chance": float(np.mean([area for _, _, area in found])),
            }
            for (method, state, name), found in sorted(counts.items())
        ],
    }
    write_json(arguments.out, content)


def _portraits(manifest: Manifest, wanted: int, seed: int) -> Iterator[_Portrait]:
    """Real test images with a face, an even number of each source, drawn."""
    by_source: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in manifest.select(split="test", label="real"):
        by_source[row.source].append(row)
    draw, finder = np.random.default_rng(seed), FaceFinder(FacePolicy())
    queues = [list(draw.permutation(np.array(rows, object))) for _, rows in sorted(by_source.items())]
    found = 0
    while found < wanted and any(queues):
        for queue in queues:
            if queue and found < wanted:
                row = queue.pop()
                image = decode_image(manifest.resolve(row))
                faces = finder.find(image)
                if faces:
                    found += 1
                    yield _Portrait(row, image, faces[0])


def _manipulations(
    portrait: _Portrait, others: list[_Portrait], draw: np.random.Generator
) -> Iterator[tuple[str, Image.Image, Mask]]:
    blended = self_blend(portrait.image, portrait.face, draw)
    masks = [("self-blended", blended.image, blended.mask)]
    donors = [
        other for other in others if other.row.source == portrait.row.source and other.row.group != portrait.row.group
    ]
    if donors:
        donor = min(donors, key=lambda other: misfit(other.face, portrait.face)[0])
        try:
            swapped = swap_faces(portrait.image, portrait.face, donor.image, donor.face, draw)
            masks.append(("face swapped in", swapped.image, swapped.mask))
        except UsageError:  # no donor of this source covers the face
            pass
    for method, image, opacity in masks:
        if opacity.max() > 0:
            yield method, image, opacity >= _HALF * opacity.max()


def _saved(image: Image.Image, saved: bool) -> Image.Image:
    if not saved:
        return image
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return decode_image(out.getvalue())


def _peaks(image: Image.Image, detector: Detector) -> dict[str, Point]:
    """Where each map is highest: x, y in pixels. The views' maps are smoothed over 3 x 3 cells."""
    subject = Subject(image)
    region = max(detector.detect(image).regions, key=lambda each: each.fake_probability)
    left, top, right, bottom = region.crop
    return {
        "ela": _highest(smooth(error_levels(subject)), (0, 0, CELL)),
        "noise": _highest(smooth(noise_levels(subject.cells)), (0, 0, CELL * _step(subject))),
        "evidence": _highest(
            region.evidence,
            (left, top, (right - left) / region.evidence.shape[1]),
            (bottom - top) / len(region.evidence),
        ),
    }


def _step(subject: Subject) -> int:
    """Cells from one sampled cell to the next."""
    return max(1, round(subject.image.width / CELL / subject.cells.shape[1]))


def _highest(values: npt.NDArray[np.float32], place: tuple[float, float, float], down: float | None = None) -> Point:
    """The middle of the highest cell, given the corner of the map and the width and height of a cell."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    left, top, across = place
    return left + (int(column) + 0.5) * across, top + (int(row) + 0.5) * (down or across)


def _inside(point: Point, mask: Mask) -> bool:
    x, y = (min(int(value), size - 1) for value, size in zip(point, mask.shape[::-1], strict=True))
    return bool(mask[y, x])


if __name__ == "__main__":
    main()
