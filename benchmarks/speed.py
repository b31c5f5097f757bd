"""Time and memory of the command, compared with a plain torch and timm script (``peer_torch_timm.py``).

    python benchmarks/speed.py --out benchmarks/results/speed.json

cold     one 512 px JPEG in a new process, from start to exit, the two tools in turn
help     ``unmask --help``
folder   images per second over a folder, whole process, the tools in turn; also with the detector in 8 bits (fast)
large    peak memory over a folder ten times as large

Each process is new, but its files are in the page cache: each tool runs once before it is timed. The baseline does
less: it detects no face. Peak memory is the kernel's high-water mark of resident memory (``ru_maxrss``) of that one
process. On Linux a child starts from its parent's mark, so this script imports only the standard library and makes
its images in another process. All images are in a temporary folder that is removed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _report import argument_parser, describe_run, write_json

_HERE = Path(__file__).resolve().parent
_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow", "torch", "torchvision", "timm")
_PEER_BATCH, _PEER_THREADS = 32, 2
_DETECTORS = {"unmask": [], "fast": ["--model", "fast"]}

Command = list[str]


@dataclass(frozen=True)
class Run:
    """One run of a process.

    Attributes:
        seconds: wall clock from before its start to after its end.
        peak_rss_mib: its greatest resident memory.
    """

    seconds: float
    peak_rss_mib: float


def measure(command: Command) -> Run:
    """Run a command to its end, its output thrown away.

    Raises:
        SystemExit: the command failed.
    """
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise SystemExit(f"{command} failed with {process.returncode}:\n{errors.read().decode(errors='replace')}")
    return Run(seconds, _mib(usage))


def interleave(commands: dict[str, Command], runs: int) -> dict[str, list[Run]]:
    """Each command's runs, in turn, the first to go changing from round to round."""
    results: dict[str, list[Run]] = {name: [] for name in commands}
    for index in range(runs):
        for name in sorted(commands, reverse=index % 2 == 1):
            results[name].append(measure(commands[name]))
    return results


def main() -> None:
    """Measure and write the result."""
    arguments = _parse_arguments()
    peer = [sys.executable, str(_HERE / "peer_torch_timm.py")]
    peer_batch = ["--batch", str(_PEER_BATCH), "--threads", str(_PEER_THREADS)]
    with tempfile.TemporaryDirectory() as temporary:
        large, small = Path(temporary) / "large", Path(temporary) / "small"
        count = max(arguments.large, arguments.small)
        subprocess.run([sys.executable, str(_HERE / "_images.py"), str(large), str(count)], check=True)
        small.mkdir()
        for image in sorted(large.iterdir())[: arguments.small]:
            os.link(image, small / image.name)
        one = str(large / "00000.jpg")
        sha256 = {name: _bundle_sha256(one, model) for name, model in _DETECTORS.items()}
        measure([*peer, one])
        _say("cold start")
        cold = interleave({"unmask": [*_unmask("detect"), one, "--json"], "peer": [*peer, one]}, arguments.runs)
        _say("help")
        help_runs = [measure(_unmask("--help")) for _ in range(arguments.runs)]

        def on_folder(folder: Path) -> dict[str, Command]:
            ours = {name: [*_unmask("detect", *model), str(folder), "--json"] for name, model in _DETECTORS.items()}
            return {**ours, "peer": [*peer, str(folder), *peer_batch]}

        _say(f"folder of {arguments.small}")
        folder_runs = interleave(on_folder(small), arguments.folder_runs)
        _say(f"folder of {arguments.large}")
        large_runs = interleave(on_folder(large), 1)
    floor = _mib(resource.getrusage(resource.RUSAGE_SELF))
    smoke = arguments.runs < 9 or arguments.small < 500 or arguments.large < 5000
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, sha256["unmask"], smoke=smoke),
            "fast_bundle_sha256": sha256["fast"],
            "peer": "torch and timm, three tf_efficientnet_lite0 at 160 px with random weights, no face finder; "
            f"folders in batches of {_PEER_BATCH} with {_PEER_THREADS} threads",
            "pictures": "512 x 512 JPEG, quality 70 to 95, variants of scikit-image's astronaut",
            "peak_rss_floor_mib": round(floor, 1),
            "cold": _compare(cold),
            "help": _seconds(help_runs),
            "folder": _compare(folder_runs, arguments.small),
            "large": _compare(large_runs, arguments.large),
        },
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--runs", type=int, default=15, help="cold starts per tool, 9 or more (default: 15)")
    parser.add_argument("--small", type=int, default=500, help="images in the timed folder (default: 500)")
    parser.add_argument("--folder-runs", type=int, default=3, help="runs per tool over it (default: 3)")
    parser.add_argument("--large", type=int, default=5000, help="images in the large folder (default: 5000)")
    return parser.parse_args()


def _unmask(*arguments: str) -> Command:
    """The installed command of this interpreter's environment."""
    return [str(Path(sys.executable).parent / "unmask"), *arguments]


def _bundle_sha256(image: str, model: list[str]) -> str:
    """Which bundle the command uses, by its own word; also the command's unmeasured first run."""
    answer = subprocess.run([*_unmask("detect", *model), image, "--json"], check=True, capture_output=True, text=True)
    return str(json.loads(answer.stdout)["bundle_sha256"])


def _mib(usage: resource.struct_rusage) -> float:
    # Kibibytes, but bytes on macOS.
    return usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _seconds(runs: Sequence[Run]) -> dict[str, Any]:
    seconds = [run.seconds for run in runs]
    return {
        "runs": len(runs),
        "median_s": round(statistics.median(seconds), 4),
        "min_s": round(min(seconds), 4),
        "max_s": round(max(seconds), 4),
        "peak_rss_mib": round(max(run.peak_rss_mib for run in runs), 1),
    }


def _compare(runs: dict[str, list[Run]], images: int = 1) -> dict[str, Any]:
    """All tools; ``ratio`` is the peer's median time over each one's: above 1, it is faster than the peer."""
    tools = {name: _seconds(of_tool) for name, of_tool in runs.items()}
    for figures in tools.values():
        figures["pictures_per_s"] = round(images / figures["median_s"], 2)
    return {
        "pictures": images,
        **tools,
        "ratio": {
            name: round(tools["peer"]["median_s"] / figures["median_s"], 3)
            for name, figures in tools.items()
            if name != "peer"
        },
    }


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
