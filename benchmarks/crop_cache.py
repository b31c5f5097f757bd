"""Time saved by the crop cache: loading a training view from image files and from the cache.

    python benchmarks/crop_cache.py --manifest ../shared/data/faces/manifest.csv \\
        --out benchmarks/results/crop-cache.json

Both ways use the same images on one thread, in one run, alternating by blocks of images, after one pass each that
warms the page cache:

load      to the RGB image or region in memory
view      with the augmentation of the recipe ``unmask-single``, which is what an epoch waits for

The views of both ways must be bit-identical. Times are per image; ratios are of medians over blocks. Faces are detected
once before, as in training, and are not part of the times.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask import Bundle, Recipe
from unmask.data.face_index import FaceIndex
from unmask.data.transforms import augment
from unmask.imaging.decode import decode_image
from unmask.imaging.preprocessing import crop_of
from unmask.progress import progress_bar
from unmask.training.crop_cache import CropCache, CropPolicy

_BLOCK = 32
_PACKAGES = ("unmask", "numpy", "Pillow")


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--subset", type=int, help="use N rows, spread evenly over the manifest", metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    recipe = Recipe.load("unmask-single")
    manifest = open_edition(arguments.manifest, root=arguments.root)
    paths = [manifest.resolve(row) for row in manifest]
    if arguments.subset and arguments.subset < len(paths):
        paths = [paths[index] for index in np.linspace(0, len(paths) - 1, arguments.subset).astype(int)]
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(paths, recipe, Path(folder), arguments.seed)
    run = describe_run(_PACKAGES, Bundle.open(None).sha256, smoke=arguments.subset is not None)
    write_json(arguments.out, {"run": run, **result})
    print(f"load {result['load']['ratio']:.1f} times, view {result['view']['ratio']:.2f} times as fast from the cache")


def _measure(paths: Sequence[Path], recipe: Recipe, folder: Path, seed: int) -> dict[str, Any]:
    preprocessing = recipe.preprocessing
    with progress_bar("faces", len(paths)) as advance:
        records = FaceIndex(folder / "faces.jsonl", preprocessing.faces).locate(paths, advance)
    readable = [path for path in paths if records[path].error is None]
    cache = CropCache(folder / "cache", CropPolicy.of(preprocessing))
    started = time.perf_counter()
    with progress_bar("cache", len(readable)) as advance:
        built = cache.build(readable, advance, known=records)
    build_s = time.perf_counter() - started
    crops: dict[Path, Any] = {}

    def load_direct(path: Path) -> Any:
        return decode_image(path)

    def load_cached(path: Path) -> Any:
        return cache.get(path)

    def rng_of(path: Path) -> np.random.Generator:
        return np.random.default_rng([seed, crops.setdefault(path, len(crops))])

    def view_direct(path: Path) -> Any:
        image = decode_image(path)
        crop = crop_of(records[path].face, image.size, preprocessing)
        return augment(image, crop, preprocessing.size, recipe.augmentation, rng_of(path))

    def view_cached(path: Path) -> Any:
        region = cache.get(path)
        return augment(region.image, region.crop, preprocessing.size, recipe.augmentation, rng_of(path))

    same = sum(bool(np.array_equal(view_direct(path), view_cached(path))) for path in readable)
    figures = {
        "load": _take_turns(readable, load_direct, load_cached),
        "view": _take_turns(readable, view_direct, view_cached),
    }
    return {
        "pictures": len(readable),
        "file_bytes": sum(path.stat().st_size for path in readable),
        "cache_bytes": built.bytes,
        "build_s": round(build_s, 2),
        "refused": built.refused,
        "same_views": same,
        **figures,
    }


def _take_turns(
    paths: Sequence[Path], direct: Callable[[Path], Any], cached: Callable[[Path], Any]
) -> dict[str, float]:
    """Milliseconds an image both ways, and how many times as fast the cache is."""
    times: dict[str, list[float]] = {"direct": [], "cached": []}
    for start in range(0, len(paths), _BLOCK):
        block = paths[start : start + _BLOCK]
        ways = [("direct", direct), ("cached", cached)]
        # Whoever comes first finds colder processor caches: take it in turns.
        for name, way in ways if start // _BLOCK % 2 == 0 else reversed(ways):
            began = time.perf_counter()
            for path in block:
                way(path)
            times[name].append(1000 * (time.perf_counter() - began) / len(block))
    ratios = [a / b for a, b in zip(times["direct"], times["cached"], strict=True)]
    return {
        "direct_ms": round(statistics.median(times["direct"]), 3),
        "cached_ms": round(statistics.median(times["cached"]), 3),
        "ratio": round(statistics.median(times["direct"]) / statistics.median(times["cached"]), 3),
        "least_block_ratio": round(min(ratios), 3),
        "most_block_ratio": round(max(ratios), 3),
    }


if __name__ == "__main__":
    main()
