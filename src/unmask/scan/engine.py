"""The local engine: the shards of a scan, judged by worker processes of this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from unmask.parallel import ordered_map
from unmask.scan.items import Item
from unmask.scan.rows import Row
from unmask.scan.runs import Run
from unmask.scan.shards import ScanFolder
from unmask.scan.workers import Workers

# Images that a worker gets at once: few enough that all workers are busy in a scan of one shard.
_PIECE: Final = 16


def run_local(
    folder: ScanFolder, workers: int | None = None, progress: Callable[[int], None] = lambda count: None
) -> None:
    """Do the shards that are missing, each written as soon as it is done. A killed run loses at most those in hand.

    Args:
        folder: of the scan, held by the caller.
        workers: worker processes; the number of CPUs by default.
        progress: called with the number of images that are done since the last call.

    Raises:
        BundleError: the bundle is not the one of the plan, or cannot be loaded.
        UsageError: ``cannot_write``, ``no_worker``, ``no_scan``.
    """
    plan = folder.plan
    count = workers or os.cpu_count() or 1
    started = time.perf_counter()
    rows: list[Row] = []
    run = Run(folder.path, "local", count)
    with Workers(plan.settings(folder.seen), plan.model_name, count) as pool:
        judged = ordered_map(lambda piece: (piece, pool.rows(piece[1])), _pieces(folder), count)
        try:
            for (shard, _, items), found in judged:
                rows += found
                progress(len(found))
                if items is not None:
                    folder.write(shard, rows, items)
                    run.note(len(rows), time.perf_counter() - started)
                    rows = []
        except BaseException:
            pool.close()  # or the threads would wait for them to finish
            raise


def _pieces(folder: ScanFolder) -> Iterator[tuple[int, Sequence[Item], list[Item] | None]]:
    """Pieces of the missing shards, the last of a shard with all its items."""
    for shard in folder.missing():
        items = folder.items(shard)
        starts = range(0, max(len(items), 1), _PIECE)
        for start in starts:
            yield shard, items[start : start + _PIECE], items if start == starts[-1] else None
