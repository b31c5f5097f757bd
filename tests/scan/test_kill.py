"""A scan killed at any moment and resumed is the scan that was not disturbed: every image once, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.scan.scanning import CRASH, SLOW, make_image, outcome, poisoned_workers

from unmask.scan.shards import ScanFolder
from unmask.scan.status import status_of

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="kill -9")

IMAGES = 48
MOMENTS = 20


def command(photos: Path, out: Path, bundle: Path) -> list[str]:
    options = ["--shard-size", "4", "--workers", "2", "--resume", "--json"]
    return [sys.executable, "-m", "unmask", "scan", str(photos), "--out", str(out), "--model", str(bundle), *options]


def begin(photos: Path, out: Path, bundle: Path) -> subprocess.Popen[bytes]:
    # Slow enough that most moments lie between two images.
    environment = {**os.environ, SLOW: "0.05"}
    return subprocess.Popen(
        command(photos, out, bundle), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )


def finished(process: subprocess.Popen[bytes]) -> bool:
    """Wait for the end; whether it came by itself."""
    process.communicate(timeout=300)
    assert process.returncode in (0, 1, -signal.SIGKILL)
    return process.returncode >= 0


Moment = Callable[[Path, float], bool]
"""Whether to kill now, given the folder of the scan and the time since its start, the whole scan being 1."""


def check_moments(moments: list[Moment], photos: Path, home: Path, bundle: Path) -> int:
    """Kill a scan at each moment and resume it; returns how many were killed before their end."""
    whole = home / "whole"
    started = time.monotonic()
    assert finished(begin(photos, whole, bundle))
    length = time.monotonic() - started
    wanted, summary = outcome(whole)
    assert len(wanted) == len(list(photos.iterdir())) and summary["complete"]
    killed = 0
    for at, moment in enumerate(moments):
        out = home / f"killed-{at}"
        process, started = begin(photos, out, bundle), time.monotonic()
        while process.poll() is None and not moment(out, (time.monotonic() - started) / length):
            time.sleep(0.01)
        process.kill()
        killed += not finished(process)
        if (out / "scan.json").exists():
            # What is there is whole, and none of it is done again.
            folder = ScanFolder(out)
            done = {path: path.stat().st_mtime_ns for path in (out / "verdicts").glob("shard-*")}
            assert len(done) + len(folder.missing()) == folder.plan.shards
        else:
            done = {}
        assert finished(begin(photos, out, bundle))
        assert outcome(out) == (wanted, summary)
        assert {path: path.stat().st_mtime_ns for path in done} == done
        assert status_of(out)["state"] == "finished"
        assert sorted(path.name for path in out.iterdir()) == ["scan.html", "scan.json", "summary.json", "verdicts"]
        assert len(list((out / "verdicts").iterdir())) == ScanFolder(out).plan.shards
    return killed


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """48 images, every sixth a copy of another."""
    poisoned_workers(tmp_path / "site", monkeypatch)
    folder = tmp_path / "photos"
    for at in range(IMAGES):
        make_image(folder / f"{at:02d}.png", 5 * at, b"%d" % (at if at % 6 else 0))
    return folder


def test_killed_and_resumed(photos: Path, whole_image_bundle: Path, tmp_path: Path) -> None:
    moments: list[Moment] = [
        lambda out, _: (out / "work").exists(),  # while listing
        lambda out, _: len(list(out.glob("verdicts/shard-*"))) > 2,  # in the middle of judging
    ]
    assert check_moments(moments, photos, tmp_path, whole_image_bundle) > 0


@pytest.mark.nightly
def test_killed_at_many_random_moments(photos: Path, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_image(photos / "poison.png", 200, CRASH)
    rng = random.Random(20)
    times = [rng.uniform(0.02, 1.0) for _ in range(MOMENTS)]
    moments: list[Moment] = [lambda _, now, then=then: now >= then for then in times]  # type: ignore[misc]
    assert check_moments(moments, photos, tmp_path, whole_image_bundle) > MOMENTS / 2


def test_no_worker_outlives_its_scan(photos: Path, whole_image_bundle: Path, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    process = begin(photos, tmp_path / "scan", whole_image_bundle)
    deadline = time.monotonic() + 60
    while len(workers := psutil.Process(process.pid).children(recursive=True)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    finished(process)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert len(workers) == 2 and not alive
    # and nobody holds the folder
    assert json.loads(json.dumps(status_of(tmp_path / "scan")))["state"] == "stopped"


def test_ctrl_c_says_how_it_is_continued(photos: Path, whole_image_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "scan"
    process = subprocess.Popen(
        command(photos, out, whole_image_bundle),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, SLOW: "0.2"},
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("verdicts/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, told = process.communicate(timeout=120)
    assert (process.returncode, printed) == (130, b"")
    assert told.decode() == f"unmask: stopped; --out {out} --resume does the rest\n"
    assert 0 < len(ScanFolder(out).missing()) < ScanFolder(out).plan.shards
