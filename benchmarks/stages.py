"""One image through ``unmask detect`` by stage, beside what this processor could do at most.

    python benchmarks/stages.py --out benchmarks/results/stages.json

Every stage runs alone, on the same images of 512 px and of 12 megapixels, in one thread. Times are processor time, so
other load matters little; the median over images and rounds is given. The limits are measured in turn with the stages:

read, hash, write  bytes by the rate at which memory is copied
walk               none: a few hundred bytes are read
decode             libjpeg-turbo alone, to RGB, through Pillow; and at 1/2, 1/4 and 1/8 of the size
find, network      multiplications of the graph by the rate of a large product of matrices, in float32 (numpy's BLAS)
crop               bytes of the crop and of its pixels by the rate of memory
evidence           bytes of the map by the rate of memory

Also of the cold command: its processor time, beside that of importing numpy, Pillow and onnxruntime and opening both
graphs, in new processes in turn.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import skimage
from PIL import Image

from _images import variant
from _report import argument_parser, describe_run, write_json
from unmask.bundle.bundle import Bundle, ask_graph
from unmask.detect.detector import Detector
from unmask.evaluation.cost import count
from unmask.imaging.decode import decode, read_bytes
from unmask.imaging.limits import default_limits
from unmask.imaging.preprocessing import crop_of, render
from unmask.imaging.provenance import read_provenance
from unmask.imaging.session import _PRODUCT, session_options
from unmask.imaging.walk import check_container

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")
_SIZES = {"512 x 512": (512, 512), "4000 x 3000": (4000, 3000)}
_MATRIX, _COPIED = 1024, 1 << 26
_FLOOR = """
import numpy, PIL.Image, PIL.JpegImagePlugin, onnxruntime as ort, sys
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
for path in sys.argv[1:]:
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
"""


class Clock:
    """Processor times of parts of the work, in milliseconds, by name."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """The result of some work, whose time is kept."""
        started = time.process_time()
        result = work()
        self.times.setdefault(name, []).append(1000 * (time.process_time() - started))
        return result

    def median(self, name: str) -> float:
        """The median time of a part."""
        return statistics.median(self.times[name])


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=12, help="images of 512 px (default: 12)")
    parser.add_argument("--rounds", type=int, default=10, help="times that each is judged (default: 10)")
    parser.add_argument("--cold", type=int, default=9, help="cold starts (default: 9)")
    arguments = parser.parse_args()
    bundle = Bundle.open(None)
    detector = Detector(bundle)
    rates = _rates()
    macs = {"network": count(bundle.model).macs, "find": count(_finder_model()).macs}
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, size in _SIZES.items():
            number = arguments.images if size[0] <= 512 else max(1, arguments.images // 6)
            paths = _files(Path(folder), name.partition(" ")[0], number, size)
            sizes[name] = _stages(detector, paths, arguments.rounds, rates, macs)
        cold = _cold(str(_files(Path(folder), "cold", 1, (512, 512))[0]), bundle, Path(folder), arguments.cold)
    smoke = arguments.images < 12 or arguments.rounds < 10 or arguments.cold < 9
    write_json(
        arguments.out,
        {
            "schema": 1,
            "run": describe_run(_PACKAGES, bundle.sha256, smoke=smoke),
            "rates": {name: round(rate, 2) for name, rate in rates.items()},
            "macs": macs,
            "sizes": sizes,
            "cold": cold,
        },
    )


def _finder_model() -> bytes:
    return (files("unmask.assets") / "face_finder.onnx").read_bytes()


def _files(folder: Path, name: str, number: int, size: tuple[int, int]) -> list[Path]:
    original = Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB")
    paths = []
    for seed in range(number):
        image, quality = variant(original, seed)
        paths.append(folder / f"{name}-{seed}.jpg")
        image.resize(size, Image.Resampling.BICUBIC).save(paths[-1], quality=quality)
    return paths


def _rates() -> dict[str, float]:
    """What one core does at most: multiplications in 10^9 per second, memory copied in GB per second."""
    draw = np.random.default_rng(0)
    left, right = (draw.normal(0, 1, (_MATRIX, _MATRIX)).astype(np.float32) for _ in range(2))
    product = ort.InferenceSession(_PRODUCT, session_options(arena=True), providers=["CPUExecutionProvider"])
    small = {
        "a": draw.integers(0, 256, (_MATRIX, _MATRIX), np.uint8),
        "b": draw.integers(-127, 128, (_MATRIX, _MATRIX), np.int8),
    }
    source, target = np.zeros(_COPIED, np.uint8), np.ones(_COPIED, np.uint8)
    works: dict[str, tuple[float, Callable[[], Any]]] = {
        "float32_gmacs": (_MATRIX**3, lambda: left @ right),
        "int8_gmacs": (_MATRIX**3, lambda: product.run(None, small)),
        "copy_gb": (_COPIED, lambda: np.copyto(target, source)),
    }
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(9):
        for name, (amount, work) in works.items():
            started = time.process_time()
            work()
            found[name].append(amount / (time.process_time() - started) / 1e9)
    return {name: max(values[1:]) for name, values in found.items()}


def _stages(
    detector: Detector, paths: list[Path], rounds: int, rates: dict[str, float], macs: dict[str, int]
) -> dict[str, Any]:
    clock, limits = Clock(), default_limits()
    bundle, finder = detector.bundle, detector.finder
    preprocessing, calibration = bundle.info.preprocessing, bundle.info.calibration
    assert finder is not None
    written, sizes, sides, cells = [], [], [], 0
    for round_ in range(rounds + 1):
        if round_ == 1:  # the first one warms up
            clock = Clock()
        for path in paths:
            data = clock.time("read", lambda path=path: read_bytes(path, limits))
            clock.time("hash", lambda data=data: hashlib.sha256(data).hexdigest())
            clock.time("marks", lambda data=data: read_provenance(data))
            clock.time("walk", lambda data=data: check_container("JPEG", data, limits))
            image = clock.time("decode", lambda data=data: decode(data, limits)).image
            for reduction in (1, 2, 4, 8):
                clock.time(f"turbo {reduction}", lambda data=data, by=reduction: _turbo(data, by))
            faces = clock.time("find", lambda image=image: finder.find(image))
            crop = crop_of(faces[0] if faces else None, image.size, preprocessing)
            pixels = clock.time("crop", lambda image=image, crop=crop: render(image, crop, preprocessing))
            answer = clock.time("network", lambda pixels=pixels: ask_graph(detector.session, pixels[None]))
            logit = float(answer.logit[0])
            clock.time("calibrate", lambda logit=logit: calibration.probability(logit))
            clock.time("evidence", lambda a=answer, logit=logit: calibration.evidence(a.evidence[0], logit))
            verdict = clock.time("all", lambda path=path: detector.detect(path))
            line = clock.time("write", lambda verdict=verdict: json.dumps(verdict.to_dict()))
            written.append(len(line))
            sizes.append(len(data))
            sides.append(crop[2] - crop[0])
            cells = answer.evidence[0].size
    byte_ms = 1e-6 / rates["copy_gb"]
    bytes_, network_pixels = statistics.median(sizes), 3 * preprocessing.size**2
    most = {
        "read": bytes_ * byte_ms,
        "hash": bytes_ * byte_ms,
        "decode": clock.median("turbo 1"),
        "find": macs["find"] / rates["float32_gmacs"] / 1e6,
        # Pillow's pixels have four bytes.
        "crop": (4 * statistics.median(sides) ** 2 + network_pixels) * byte_ms,
        "network": macs["network"] / rates["float32_gmacs"] / 1e6,
        "evidence": 2 * 4 * cells * byte_ms,
        "write": statistics.median(written) * byte_ms,
    }
    names = ("read", "hash", "marks", "walk", "decode", "find", "crop", "network", "evidence", "calibrate", "write")
    stages = {
        name: {
            "ms": round(clock.median(name) - (clock.median("walk") if name == "decode" else 0), 4),
            "limit_ms": round(most[name], 5) if name in most else None,
        }
        for name in names
    }
    return {
        "images": len(paths),
        "file_bytes": round(bytes_),
        "crop_side": round(statistics.median(sides)),
        "all_ms": round(clock.median("all") + clock.median("write"), 3),
        "stages": stages,
        "decode_at": {str(by): round(clock.median(f"turbo {by}"), 3) for by in (1, 2, 4, 8)},
        "network_int8_limit_ms": round(macs["network"] / rates["int8_gmacs"] / 1e6, 3),
    }


def _turbo(data: bytes, reduction: int) -> None:
    """Decode with libjpeg-turbo and nothing else."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (image.width // reduction, image.height // reduction))
        image.load()


def _cold(path: str, bundle: Bundle, folder: Path, runs: int) -> dict[str, Any]:
    """Processor and wall seconds of new processes, in turn."""
    (folder / "model.onnx").write_bytes(bundle.model)
    (folder / "finder.onnx").write_bytes(_finder_model())
    commands = {
        "detect": [str(Path(sys.executable).parent / "unmask"), "detect", path, "--json"],
        "floor": [sys.executable, "-c", _FLOOR, str(folder / "model.onnx"), str(folder / "finder.onnx")],
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
            wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            found[name].append((cpu, wall))
    kept = {name: values[1:] for name, values in found.items()}  # the first run reads the files from disk
    medians = {
        name: {
            "cpu_s": round(statistics.median(v[0] for v in of), 4),
            "s": round(statistics.median(v[1] for v in of), 4),
        }
        for name, of in kept.items()
    }
    ratios = {
        key: round(statistics.median(a[at] / b[at] for a, b in zip(kept["detect"], kept["floor"], strict=True)), 3)
        for at, key in enumerate(("cpu_ratio", "ratio"))
    }
    return {"runs": runs, **medians, **ratios}


if __name__ == "__main__":
    main()
