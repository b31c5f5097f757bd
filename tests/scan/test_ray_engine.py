"""The Ray engine: the rows of the local one, whatever is killed. Clusters of several nodes run on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.scan.scanning import CRASH, SLOW, make_image, poisoned_workers

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("ray")

from unmask.errors import UsageError  # noqa: E402
from unmask.scan import ray_engine  # noqa: E402
from unmask.scan.engine import run_local  # noqa: E402
from unmask.scan.shards import ROWS, ScanFolder  # noqa: E402
from unmask.scan.start import start  # noqa: E402

_IMAGES = 120


def rows_of(scan: Path) -> list[dict[str, Any]]:
    """All rows but for the time, in the order of the files."""
    rows = []
    for path in sorted((scan / ROWS).glob("*.parquet")):
        rows += [{**row, "ms": 0.0} for row in pyarrow.parquet.read_table(path).to_pylist()]
    return rows


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, one of which is none; not to be changed."""
    folder = tmp_path_factory.mktemp("greys")
    for number in range(_IMAGES - 1):
        make_image(folder / f"{number:03d}.png", number * 2, b"%d" % number)
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def expected(greys: Path, whole_image_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of the local engine."""
    folder = start(tmp_path_factory.mktemp("local") / "scan", [str(greys)], model=whole_image_bundle, shard_size=20)
    run_local(folder, 1)
    return rows_of(folder.path)


def test_pieces_and_judge_give_the_rows_of_the_local_engine(
    greys: Path, whole_image_bundle: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    """What Ray runs, without Ray: the pieces of all shards, in any order, and one judge."""
    folder = start(tmp_path / "scan", [str(greys)], model=whole_image_bundle, shard_size=20)
    judge = ray_engine.Judge(folder.plan.settings().to_json(), folder.plan.model_name, folder.plan.unmask)
    tables = list(ray_engine._pieces(str(folder.path), folder.missing(), 16))
    assert all(table.num_rows == 1 for table in tables)
    found = []
    for table in reversed(tables):
        found += judge(table).to_pylist()
    judge._worker.close()
    assert not any(piece["error"] for piece in found)
    for shard in folder.missing():
        parts = sorted((piece for piece in found if piece["shard"] == shard), key=lambda piece: piece["first"])
        rows = [row for piece in parts for row in json.loads(piece["rows"])]
        assert {piece["images"] for piece in parts} == {len(rows)}
        folder.write(shard, rows, folder.items(shard))
    assert rows_of(folder.path) == expected


@pytest.mark.parametrize("wrong", ["version", "bundle"])
def test_another_version_or_bundle_in_the_cluster_ends_the_scan(
    greys: Path, whole_image_bundle: Path, tmp_path: Path, wrong: str
) -> None:
    folder = start(tmp_path / "scan", [str(greys)], model=whole_image_bundle, shard_size=200)
    settings = folder.plan.settings().to_json() | ({"bundle_sha256": "0" * 64} if wrong == "bundle" else {})
    judge = ray_engine.Judge(settings, "m", "0.0" if wrong == "version" else folder.plan.unmask)
    (piece,) = judge(next(ray_engine._pieces(str(folder.path), [0], 200))).to_pylist()
    judge._worker.close()
    code, _, exit_code = json.loads(piece["error"])
    assert (code, exit_code) == (("other_version", 2) if wrong == "version" else ("other_bundle", 3))


def test_a_scan_without_images_left_needs_no_work(greys: Path, whole_image_bundle: Path, tmp_path: Path) -> None:
    folder = start(tmp_path / "scan", [str(greys)], model=whole_image_bundle)
    assert list(ray_engine._judged(None, folder, [], 2, 0.0)) == []


@pytest.mark.parametrize(
    "address",
    [
        # nobody listens
        "127.0.0.1:1",
        "ray://127.0.0.1:1",
        "[::1]:1",
        # no port has this number
        "127.0.0.1:123456789012",
        # a name that nobody has
        "no-such-host.invalid:6379",
    ],
)
def test_no_ray_at_an_address_is_said_at_once(address: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"no Ray at {address}")) as raised:
        ray_engine._check_reachable(address)
    assert raised.value.code == "no_cluster"


@pytest.mark.parametrize("address", ["auto", "local", "a:b"])
def test_what_ray_itself_refuses_at_once_is_left_to_it(address: str) -> None:
    ray_engine._check_reachable(address)


def test_an_address_needs_the_engine(unmask: Callable[..., Any], greys: Path, tmp_path: Path) -> None:
    ran = unmask("scan", greys, "--out", tmp_path / "scan", "--address", "auto")
    assert ran.code == 2
    assert "--engine ray" in ran.err
    assert not (tmp_path / "scan").exists()


# Below: with Ray, which takes its time to start.


def left_running() -> list[str]:
    """Processes of Ray, and workers of scans by the bundles of tests: other scans may run on this machine."""
    import psutil

    found = []
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [process.info["name"] or ""])
        of_ray = "raylet" in line or "gcs_server" in line or line.startswith("ray::")
        if (of_ray or ("unmask.scan.worker" in line and "pytest" in line)) and process.info[
            "status"
        ] != psutil.STATUS_ZOMBIE:
            found.append(line[:120])
    return found


def settled(before: list[str], seconds: float = 60.0) -> bool:
    """Whether no more is running than before."""
    end = time.monotonic() + seconds
    while len(left_running()) > len(before):
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def end_own_children() -> None:
    """End what a node that did not start has left."""
    import psutil

    for process in psutil.Process().children():
        with suppress(psutil.Error):  # it ended by itself
            if any(name in " ".join(process.cmdline()) for name in ("gcs_server", "raylet")):
                process.kill()
                process.wait()


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """A cluster of a head without CPUs, which the driver is connected to, and nodes of one CPU each."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    size = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    made = Cluster()
    try:
        for cpus in (0, *[1] * nodes):
            for attempt in range(3):  # Ray waits 30 s, on a busy machine too short
                try:
                    made.add_node(num_cpus=cpus, **size)
                    break
                except Exception:
                    end_own_children()
                    if attempt == 2:
                        raise
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


@pytest.mark.nightly
def test_one_node_gives_the_rows_of_the_local_engine(
    greys: Path, whole_image_bundle: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    before = left_running()
    folder = start(tmp_path / "scan", [str(greys)], model=whole_image_bundle, shard_size=20)
    done: list[int] = []
    ray_engine.run_ray(folder, 2, done.append)
    assert sum(done) == _IMAGES
    assert rows_of(folder.path) == expected
    assert settled(before)


@pytest.mark.nightly
@pytest.mark.parametrize("victim", ["node", "actor"])
def test_a_node_or_an_actor_killed_in_mid_scan(
    victim: str,
    greys: Path,
    whole_image_bundle: Path,
    expected: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poisoned_workers(tmp_path / "slow", monkeypatch)
    monkeypatch.setenv(SLOW, "0.2")
    before = left_running()
    folder = start(tmp_path / "scan", [str(greys)], model=whole_image_bundle, shard_size=20)
    killed: list[str] = []
    with cluster(2) as made:

        def kill(_: int) -> None:
            if killed:
                return
            if victim == "node":
                made.remove_node(next(iter(made.worker_nodes)), allow_graceful=False)
                killed.append("node")
                return
            import psutil

            for process in psutil.process_iter(["cmdline"]):
                if "MapWorker" in " ".join(process.info["cmdline"] or []):
                    process.kill()
                    killed.append("actor")
                    return

        ray_engine.run_ray(folder, 2, kill)
    assert killed == [victim]
    assert rows_of(folder.path) == expected
    assert settled(before)


@pytest.mark.nightly
def test_a_driver_that_was_killed_is_resumed(
    greys: Path,
    whole_image_bundle: Path,
    expected: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poisoned_workers(tmp_path / "slow", monkeypatch)
    monkeypatch.setenv(SLOW, "0.2")
    before = left_running()
    out = tmp_path / "scan"
    command = [sys.executable, "-m", "unmask", "scan", "--out", str(out), "--engine", "ray", "--workers", "2"]
    first = [*command, str(greys), "--model", str(whole_image_bundle), "--shard-size", "20"]
    driver = subprocess.Popen(first, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not list((out / ROWS).glob("*.parquet")):
        assert driver.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    missing = ScanFolder(out).missing()
    assert missing
    # Ray's own processes end with the driver that started them. Its agents first wait a minute for Ray's control store,
    # which died with it.
    assert settled(before, seconds=120)
    kept = {path: path.stat().st_mtime_ns for path in (out / ROWS).iterdir() if path.suffix == ".parquet"}
    monkeypatch.setenv(SLOW, "0")
    assert subprocess.run([*command, "--resume"], stdout=subprocess.DEVNULL).returncode == 1  # one is no image
    assert rows_of(out) == expected
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert settled(before)


@pytest.mark.nightly
def test_an_image_that_crashes_its_worker_is_an_error_and_the_scan_goes_on(
    whole_image_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned_workers(tmp_path / "poison", monkeypatch)
    for number in range(10):
        make_image(tmp_path / "images" / f"{number}.png", 20 * number, CRASH if number == 3 else b"%d" % number)
    folder = start(tmp_path / "scan", [str(tmp_path / "images")], model=whole_image_bundle, shard_size=5)
    ray_engine.run_ray(folder, 2)
    errors = {Path(row["path"]).name: row["error"] for row in rows_of(folder.path)}
    assert errors == {f"{number}.png": "worker_crashed" if number == 3 else None for number in range(10)}
