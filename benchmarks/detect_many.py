"""What the options of ``unmask detect`` for many images cost beside the plain command, and a gallery of 5,000 images.

    python benchmarks/detect_many.py --out benchmarks/results/detect-many.json

commands  the same folder without an option and with each, a process each, in turn; CPU time is that of all threads,
          and ratios are of medians. Images: made by ``_images.py``, 512 px, and the same enlarged to 12 megapixels
gallery   thumbnails of the 512 px images, over and over, with the page at the end, in a process of its own
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from PIL import Image

from _report import argument_parser, describe_run, write_json
from unmask import Bundle
from unmask.cli.gallery import Gallery
from unmask.detect.detector import load

_PACKAGES = ("unmask", "numpy", "Pillow", "onnxruntime")
_LARGE = (4000, 3000)
_GALLERY = 5_000
_OPTIONS = {
    "plain": (),
    "resume, new": ("--resume", "NEW"),
    "resume, done": ("--resume", "DONE"),
    "html": ("--html", "OUT/gallery.html"),
    "sort": ("--sort", "suspicion"),
    "top and html": ("--sort", "suspicion", "--top", "20", "--html", "OUT/gallery.html"),
}


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--images", type=int, default=200, help="images of 512 px; a tenth of them large", metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--gallery-of", type=Path, help="for the child process: make the gallery of this folder")
    arguments = parser.parse_args()
    if arguments.gallery_of is not None:
        print(json.dumps(_gallery(arguments.gallery_of)))
        return
    with tempfile.TemporaryDirectory() as place:
        small, large = Path(place) / "small", Path(place) / "large"
        here = Path(__file__).parent
        subprocess.run([sys.executable, str(here / "_images.py"), str(small), str(arguments.images)], check=True)
        large.mkdir()
        for path in sorted(small.iterdir())[: max(1, arguments.images // 10)]:
            with Image.open(path) as image:
                image.resize(_LARGE, Image.Resampling.BICUBIC).save(large / path.name, quality=90)
        folders = {"512 px": small, "12 megapixels": large}
        commands = {name: _commands(folder, Path(place), arguments.rounds) for name, folder in folders.items()}
        made = subprocess.run(
            [sys.executable, __file__, "--gallery-of", str(small)], check=True, stdout=subprocess.PIPE, text=True
        )
    run = describe_run(_PACKAGES, Bundle.open(None).sha256, smoke=arguments.images < 100)
    write_json(arguments.out, {"run": run, "commands": commands, "gallery": json.loads(made.stdout)})


def _commands(folder: Path, place: Path, rounds: int) -> dict[str, Any]:
    done = place / f"{folder.name}.done.jsonl"
    _detect(folder, "--resume", str(done))  # which also warms the page cache
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in _OPTIONS}
    for _ in range(rounds):
        for name, options in _OPTIONS.items():
            new = place / "new.jsonl"
            new.unlink(missing_ok=True)
            words = {"NEW": str(new), "DONE": str(done), "OUT/gallery.html": str(place / "out" / "gallery.html")}
            measured[name].append(_detect(folder, *(words.get(word, word) for word in options)))
    cpu = {name: statistics.median(seconds for seconds, _ in found) for name, found in measured.items()}
    return {
        "images": len(list(folder.iterdir())),
        "rounds": rounds,
        "rows": {
            name: {
                "cpu_s": round(cpu[name], 3),
                "ratio": round(cpu[name] / cpu["plain"], 3),
                "peak_rss_mib": round(max(peak for _, peak in found), 1),
            }
            for name, found in measured.items()
        },
    }


def _detect(folder: Path, *options: str) -> tuple[float, float]:
    """CPU seconds and peak memory in MiB of one command."""
    call = [sys.executable, "-m", "unmask", "detect", str(folder), "--json", "--workers", "2", *options]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL) as running:
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"{call}: {running.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _gallery(folder: Path) -> dict[str, Any]:
    detector = load()
    verdicts = [detector.detect(path) for path in sorted(folder.iterdir())[:100]]
    with tempfile.TemporaryDirectory() as place:
        before, started = _peak_mib(), time.process_time()
        gallery = Gallery(Path(place) / "gallery.html", detector)
        for verdict in islice(cycle(verdicts), _GALLERY):
            gallery.add(gallery.entry(verdict, None))
        thumbnails = time.process_time()
        gallery.write(_GALLERY)
        ended = time.process_time()
        return {
            "images": _GALLERY,
            "thumbnails_s": round(thumbnails - started, 2),
            "page_s": round(ended - thumbnails, 2),
            "page_mib": round(gallery.path.stat().st_size / 2**20, 1),
            "memory_mib": round(_peak_mib() - before, 1),
        }


def _peak_mib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
