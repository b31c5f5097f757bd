"""How far a scan is, told without disturbing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unmask.errors import UsageError
from unmask.files import hold
from unmask.scan.extra import pyarrow
from unmask.scan.shards import WORK, ScanFolder
from unmask.scan.summary import read_summary, runs_of


def status_of(path: Path) -> dict[str, Any]:
    """The status of a scan.

    Returns:
        ``state`` (``listing``, ``running``, ``stopped``, ``finished``), ``shards`` and ``shards_done``, ``images``
        (as listed; of this part, an estimate) and ``images_done``, ``images_per_second`` of the last run, and
        ``seconds_left``; ``None`` where something is not known.

    Raises:
        UsageError: ``no_scan``.
    """
    found: dict[str, Any] = dict.fromkeys(
        ("state", "shards", "shards_done", "images", "images_done", "images_per_second", "seconds_left")
    )
    try:
        folder = ScanFolder(path)
    except UsageError:
        if not (path / WORK).is_dir():
            raise
        return found | {"state": "listing" if _is_held(path) else "stopped"}
    plan = folder.plan
    missing = folder.missing()
    own = len(plan.own_shards)
    runs = runs_of(path)
    rate = runs[-1]["images"] / runs[-1]["seconds"] if runs and runs[-1]["seconds"] else None
    gone = set(missing)
    done = sum(_rows_in(folder.file_of(shard)) for shard in plan.own_shards if shard not in gone)
    images = done if not missing else round(plan.images * own / plan.shards)
    finished = not missing and read_summary(path) is not None
    return found | {
        "state": "finished" if finished else "running" if _is_held(path) else "stopped",
        "shards": own,
        "shards_done": own - len(missing),
        "images": images,
        "images_done": done,
        "images_per_second": None if rate is None else round(rate, 3),
        "seconds_left": 0.0 if not missing else None if rate is None else round(max(images - done, 0) / rate, 1),
    }


def _rows_in(path: Path) -> int:
    return int(pyarrow().parquet.read_metadata(path).num_rows)


def _is_held(path: Path) -> bool:
    try:
        with hold(path):
            return False
    except UsageError as error:
        return error.code == "folder_in_use"
