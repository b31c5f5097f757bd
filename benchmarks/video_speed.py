"""Time and memory of ``unmask detect`` on clips, compared with decoding alone.

    python benchmarks/video_speed.py --out benchmarks/results/video-speed.json

short    a clip of 10 s, 1280 x 720, 30 frames per second, of which 32 frames are judged, and decoding all of its
         frames with PyAV, which converts none, each in a new process from start to exit, in turn
stages   where the time of the short clip goes, in one process: reading its 32 frames, finding faces and cropping,
         the network
hour     the same clip repeated for an hour: time, and peak memory of command and reading process together

The clip is made by ``_clips.py`` in another process and lies in a temporary folder that is removed. Peak memory is the
sum of each process's own high-water mark (``VmHWM``), read every 20 ms, so it is at least the true peak.
"""

from __future__ import annotations

import argparse
import json
import os
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
_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow", "av")
_FRAMES = 32
_DECODE = """
import sys, av
with av.open(sys.argv[1]) as clip:
    clip.streams.video[0].thread_type = "AUTO"
    print(sum(1 for _ in clip.decode(video=0)))
"""
_STAGES = """
import json, sys, time
from unmask.detect.detector import load
from unmask.imaging.video.frames import sample_frames
path, count = sys.argv[1], int(sys.argv[2])
detector = load()
started = time.perf_counter()
frames = list(sample_frames(path, count))
read = time.perf_counter()
prepared = [detector.prepare(frame.image) for frame in frames]
found = time.perf_counter()
for each in prepared:
    detector.judge([each])
print(json.dumps({"read": read - started, "faces": found - read, "network": time.perf_counter() - found}))
"""

Command = list[str]


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Attributes:
        seconds: wall clock from before its start to after its end.
        processor_seconds: of it and the children that it waited for.
        peak_mib: greatest resident memory of it and its children, added up.
        printed: its standard output.
    """

    seconds: float
    processor_seconds: float
    peak_mib: float
    printed: str


def measure(command: Command) -> Run:
    """Run a command to its end.

    Raises:
        SystemExit: the command failed.
    """
    peaks: dict[int, int] = {}
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as printed:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=printed, stderr=errors)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            for each in (process.pid, *_children(process.pid)):
                peaks[each] = max(peaks.get(each, 0), _high_water(each))
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        printed.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{command} failed with {process.returncode}:\n{errors.read().decode(errors='replace')}")
        spent = usage.ru_utime + usage.ru_stime
        return Run(seconds, spent, sum(peaks.values()) / 1024, printed.read().decode())


def main() -> None:
    """Measure and write the result."""
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        short, hour = Path(temporary) / "short.mp4", Path(temporary) / "hour.mp4"
        make = [sys.executable, str(_HERE / "_clips.py")]
        _say("making the clips")
        subprocess.run([*make, str(short)], check=True)
        repeats = max(1, round(arguments.hour_seconds / 10))
        subprocess.run([*make, str(hour), "--repeat", str(repeats), "--crf", "30"], check=True)
        detect, decode = [*_unmask("detect"), str(short), "--json"], [sys.executable, "-c", _DECODE, str(short)]
        verdict = json.loads(measure(detect).printed)
        assert verdict["frames_judged"] == _FRAMES and verdict["tracks"], verdict
        assert int(measure(decode).printed) == 300
        _say("the short clip")
        runs: dict[str, list[Run]] = {"detect": [], "decode": []}
        for number in range(arguments.runs):
            for name, command in sorted({"detect": detect, "decode": decode}.items(), reverse=number % 2 == 1):
                runs[name].append(measure(command))
        stages = json.loads(measure([sys.executable, "-c", _STAGES, str(short), str(_FRAMES)]).printed)
        _say("the long clip")
        long = measure([*_unmask("detect"), str(hour), "--json"])
        judged = json.loads(long.printed)
        bytes_of_hour = hour.stat().st_size
    found = {name: _seconds(of_command) for name, of_command in runs.items()}
    smoke = arguments.runs < 5 or judged["duration_s"] < 3599
    write_json(
        arguments.out,
        {
            "run": describe_run(_PACKAGES, verdict["bundle_sha256"], smoke=smoke),
            "clip": "10 s, 1280 x 720, 30 frames per second, H.264, of scikit-image's astronaut",
            "frames_judged": _FRAMES,
            "short": found | {"ratio": _ratio(found, "median_s"), "processor_ratio": _ratio(found, "processor_s")},
            "stages_s": {name: round(seconds, 3) for name, seconds in stages.items()},
            "hour": {
                "duration_s": judged["duration_s"],
                "bytes": bytes_of_hour,
                "frames": judged["video"]["frames"],
                "frames_judged": judged["frames_judged"],
                "seconds": round(long.seconds, 2),
                "processor_s": round(long.processor_seconds, 2),
                "peak_mib": round(long.peak_mib, 1),
            },
        },
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--runs", type=int, default=7, help="runs on the short clip, 5 or more (default: 7)")
    parser.add_argument("--hour-seconds", type=float, default=3600.0, help="length of the long clip (default: 3600)")
    return parser.parse_args()


def _unmask(*arguments: str) -> Command:
    """The installed command of this interpreter's environment."""
    return [str(Path(sys.executable).parent / "unmask"), *arguments]


def _children(pid: int) -> list[int]:
    """The children of all threads of a process, and theirs."""
    found: list[int] = []
    try:
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, listed.read_text().split())
    except (OSError, ValueError):
        return found
    return [*found, *(below for each in found for below in _children(each))]


def _high_water(pid: int) -> int:
    """The greatest resident memory of a process so far, in KiB; 0 if it ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _seconds(runs: Sequence[Run]) -> dict[str, Any]:
    seconds = [run.seconds for run in runs]
    return {
        "runs": len(runs),
        "median_s": round(statistics.median(seconds), 3),
        "min_s": round(min(seconds), 3),
        "max_s": round(max(seconds), 3),
        "processor_s": round(statistics.median(run.processor_seconds for run in runs), 3),
        "peak_mib": round(max(run.peak_mib for run in runs), 1),
    }


def _ratio(found: dict[str, dict[str, Any]], name: str) -> float:
    return round(float(found["detect"][name] / found["decode"][name]), 2)


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
