"""The Ray engine: the shards of a scan, judged by an actor pool of Ray Data on one machine or a cluster.

Ray moves the work, retries what a lost process or machine had in hand, and holds back what would fill its object store.
All else is as in the local engine: the same worker processes judge, and each shard is written whole by the one process
that started the scan. So the rows are the same, and what is not written is done again by ``--resume``.

Pieces of shards go through Ray as JSON texts, a few dozen images at a time. The folder of the scan is only read and
written on the machine of the driver; the images are read where they are judged.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from unmask.errors import BundleError, MissingExtraError, UnmaskError, UsageError
from unmask.scan.items import Item
from unmask.scan.judge import JudgeSettings
from unmask.scan.rows import Row
from unmask.scan.runs import Run
from unmask.scan.shards import ScanFolder
from unmask.scan.workers import Worker
from unmask.version import __version__

OBJECT_STORE_BYTES: Final = 200 * 2**20
"""Memory for pieces on their way, on a machine where the engine starts Ray itself."""

# Images in a piece: enough that Ray's work for a piece does not show, few enough that the last ones keep all busy.
_PIECE: Final = (16, 256)
_PIECES_PER_WORKER: Final = 16
# Tasks that read the lists of items; each yields the pieces of some shards.
_MOST_READERS: Final = 5_000
_READING_AT_ONCE: Final = 2
# Pieces that wait at a worker, so that it is never idle.
_IN_FLIGHT: Final = 2
_WAIT: Final = 1.0
_STARTS: Final = 3
_REACHED_S: Final = 10.0


def run_ray(
    folder: ScanFolder,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda count: None,
    *,
    address: str | None = None,
    gpus: float = 0.0,
) -> None:
    """Do the shards that are missing, each written as soon as it is done.

    Args:
        folder: of the scan, held by the caller.
        workers: actors that judge, each on one CPU; as many as there are CPUs by default.
        progress: called with the number of images that are done since the last call.
        address: of a Ray cluster, as for ``ray.init``: ``auto``, ``host:port`` or ``ray://host:port``; by default Ray
            is started on this machine and stopped at the end. A program that is connected to Ray stays so.
        gpus: GPUs of an actor, which may be less than one.

    Raises:
        BundleError: the bundle is not the one of the plan, or cannot be loaded.
        UsageError: ``no_cluster``, Ray cannot be reached or started; ``not_shared``, the cluster does not see the
            folder; ``ray_failed``; ``cannot_write``, ``no_worker``, ``no_scan``.
        MissingExtraError: the extra ``scale`` is not installed.
    """
    ray = _ray()
    with _connected(ray, address, workers):
        try:
            if ray.util.client.ray.is_connected():
                _run_in_cluster(ray, folder, workers, gpus, progress)
            else:
                _run_here(ray, folder, workers, gpus, progress)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1][:300]
            raise UsageError("ray_failed", f"Ray gave up: {reason}. What is written stays; use --resume.") from error


class Judge:
    """What an actor runs: one worker process that has loaded the bundle, and judges one piece after the other.

    Args:
        settings: :meth:`~unmask.scan.judge.JudgeSettings.to_json` of the settings.
        model_name: name and version of the bundle.
        version: of unmask, where the scan was started.
    """

    def __init__(self, settings: dict[str, Any], model_name: str, version: str) -> None:
        self._worker = Worker(JudgeSettings.from_json(settings), model_name)
        self._version = version

    def __call__(self, batch: Any) -> Any:
        """The rows of pieces.

        Args:
            batch: an Arrow table of pieces.

        Returns:
            A table with the rows of each piece, or the error that ends the scan.
        """
        import pyarrow

        columns: dict[str, list[Any]] = {"shard": [], "first": [], "images": [], "rows": [], "error": []}
        for piece in batch.to_pylist():
            rows: list[Row] = []
            error = None
            try:
                if self._version != __version__:
                    text = f"A machine of the cluster has unmask {__version__}, not {self._version}."
                    raise UsageError("other_version", text)
                rows = self._worker.rows([Item.from_json(facts) for facts in json.loads(piece["items"])])
            except UnmaskError as failed:
                # As a value: of an exception Ray would only know that something in its own code failed.
                error = json.dumps([failed.code, failed.message, failed.exit_code])
            for name in ("shard", "first", "images"):
                columns[name].append(piece[name])
            columns["rows"].append(json.dumps(rows))
            columns["error"].append(error)
        return pyarrow.table(columns, schema=_schema("rows", "error"))


def _run_here(ray: Any, folder: ScanFolder, workers: int | None, gpus: float, progress: Callable[[int], None]) -> None:
    """Drive the scan from this process."""
    missing = folder.missing()
    count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    run = Run(folder.path, "ray", count)
    started = time.perf_counter()
    waiting: dict[int, dict[int, list[Row]]] = {}
    for piece in _judged(ray, folder, missing, count, gpus):
        if piece["error"] is not None:
            code, message, exit_code = json.loads(piece["error"])
            raise BundleError(code, message) if exit_code == BundleError.exit_code else UsageError(code, message)
        shard = piece["shard"]
        parts = waiting.setdefault(shard, {})
        parts[piece["first"]] = json.loads(piece["rows"])
        progress(len(parts[piece["first"]]))
        if sum(map(len, parts.values())) < piece["images"]:
            continue
        rows = [row for first in sorted(parts) for row in parts[first]]
        del waiting[shard]
        folder.write(shard, rows, folder.items(shard))
        run.note(len(rows), time.perf_counter() - started)


def _judged(ray: Any, folder: ScanFolder, missing: list[int], workers: int, gpus: float) -> Iterator[dict[str, Any]]:
    """The pieces of shards with their rows, in any order."""
    if not missing:
        return
    plan = folder.plan
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # Each piece is a block of its own, hence a task of its own: Ray would join them up to 128 MiB.
    context.target_max_block_size = 1
    # A piece may take as long as the plan lets its images.
    context.execution_no_progress_timeout_s = -1
    own = round(plan.images * len(missing) / plan.shards)
    size = min(max(own // (workers * _PIECES_PER_WORKER), _PIECE[0]), _PIECE[1])
    pieces = ray.data.read_datasource(
        _source(ray, folder.path, missing, size),
        override_num_blocks=min(len(missing), _MOST_READERS),
        concurrency=_READING_AT_ONCE,
        num_cpus=0,
    )
    judged = pieces.map_batches(
        Judge,
        fn_constructor_kwargs={
            "settings": replace(plan.settings(), gpu=gpus > 0).to_json(),
            "model_name": plan.model_name,
            "version": __version__,
        },
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=_IN_FLIGHT
        ),
        num_cpus=1,
        num_gpus=gpus or None,
    )
    for table in judged.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
        yield from table.to_pylist()


def _run_in_cluster(
    ray: Any, folder: ScanFolder, workers: int | None, gpus: float, progress: Callable[[int], None]
) -> None:
    """Drive the scan from a task in the cluster, for a client that is only connected to it by ``ray://``."""
    plan = (folder.path / "scan.json").read_bytes()
    driver = ray.remote(num_cpus=0, max_retries=0)(_drive)
    task = driver.remote(str(folder.path.absolute()), plan, workers, gpus)
    before = len(folder.missing())
    average = folder.plan.images / folder.plan.shards
    while True:
        done, _ = ray.wait([task], timeout=_WAIT)
        now = len(folder.missing())
        progress(round((before - now) * average))
        before = now
        if done:
            break
    error = ray.get(task)
    if error is not None:
        code, message, exit_code = error
        raise BundleError(code, message) if exit_code == BundleError.exit_code else UsageError(code, message)


def _drive(path: str, plan: bytes, workers: int | None, gpus: float) -> tuple[str, str, int] | None:
    """Drive a scan in a task of the cluster; returns the error that ended it."""
    import ray

    try:
        if not (Path(path) / "scan.json").is_file() or (Path(path) / "scan.json").read_bytes() != plan:
            text = f"{path}: the cluster does not see this folder; share it, or start the scan with ray job submit."
            raise UsageError("not_shared", text)
        _run_here(ray, ScanFolder(Path(path)), workers, gpus, lambda count: None)
    except UnmaskError as error:
        return error.code, error.message, error.exit_code
    return None


def _source(ray: Any, path: Path, shards: list[int], size: int) -> Any:
    """A data source of Ray: the pieces of shards."""
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class Pieces(Datasource):
        """The missing shards of a scan, cut into pieces."""

        def get_name(self) -> str:
            return "Scan"

        @property
        def supports_distributed_reads(self) -> bool:
            """Not: the folder is on the machine of the driver."""
            return False

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            each = -(-len(shards) // max(1, parallelism))
            unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [
                ReadTask(partial(_pieces, str(path), shards[at : at + each], size), unknown)
                for at in range(0, len(shards), each)
            ]

    made: Any = Pieces
    return made()


def _pieces(path: str, shards: list[int], size: int) -> Iterator[Any]:
    """The pieces of some shards, each a table of one row; a shard without images is one piece."""
    import pyarrow

    folder = ScanFolder(Path(path))
    for shard in shards:
        items = folder.items(shard)
        for first in range(0, max(len(items), 1), size):
            text = json.dumps([item.to_json() for item in items[first : first + size]])
            told = {"shard": [shard], "first": [first], "images": [len(items)], "items": [text]}
            yield pyarrow.table(told, schema=_schema("items"))


def _schema(*texts: str) -> Any:
    import pyarrow

    numbers = [(name, pyarrow.int64()) for name in ("shard", "first", "images")]
    return pyarrow.schema(numbers + [(name, pyarrow.large_string()) for name in texts])


def _check_reachable(address: str) -> None:
    """Refuse an address at which nobody listens: Ray itself tries it for a quarter of an hour."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):  # ``auto``, or a form that Ray refuses at once
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHED_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError("no_cluster", f"There is no Ray at {address}: {error}") from None


@contextmanager
def _connected(ray: Any, address: str | None, workers: int | None) -> Iterator[None]:
    """Connect to a cluster, or start Ray on this machine."""
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"address": address}
    if address is not None:
        _check_reachable(address)
    else:
        options = {
            "address": "local",
            "num_cpus": workers or os.cpu_count() or 1,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
    # Ray would tell its makers about the cluster.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for attempt in range(_STARTS):
        try:
            ray.init(**options, log_to_driver=False, logging_level="ERROR")
            break
        except Exception as error:  # ConnectionError, RuntimeError of other versions, ValueError of addresses, of grpc
            ray.shutdown()
            # Ray gives its processes 30 s to start, which on a busy machine is not enough the first time.
            if address is None and attempt < _STARTS - 1:
                continue
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            where = "on this machine" if address is None else f"at {address}"
            raise UsageError("no_cluster", f"There is no Ray {where}: {reason}") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    """The package ray, with ``ray.data``."""
    try:
        import ray
        import ray.data
        import ray.util.client
    except ImportError as error:
        raise MissingExtraError("scale", "unmask scan --engine ray") from error
    return ray
