"""Parts of a scan put together: into a whole scan, or one table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from unmask.data.scanned import PLAN, ROWS, ScanTable
from unmask.data.tables import write_table
from unmask.errors import UsageError
from unmask.files import OutputFolder, cannot_write, whole_file
from unmask.scan.extra import pyarrow
from unmask.scan.finish import finish
from unmask.scan.rows import schema
from unmask.scan.shards import Plan, ScanFolder, write_plan
from unmask.scan.summary import runs_of


def is_table_name(path: Path) -> bool:
    """Whether :func:`merge` writes one table under a name."""
    return path.suffix.lower() in {".parquet", ".csv"}


def merge(parts: Sequence[Path], out: Path) -> int:
    """Put the parts of one scan together, each image once.

    Args:
        parts: folders of finished parts, in any order; or the one folder of a whole scan.
        out: a ``.parquet`` or ``.csv`` file for one table of all rows, in the order of the shards; anything else is a
            folder for a whole scan, with a summary and a page of its own.

    Returns:
        The number of images.

    Raises:
        UsageError: ``no_scan``, ``not_finished``, ``different_scans``, ``scan_exists``, ``cannot_write``.
    """
    folders = sorted(map(ScanFolder, parts), key=lambda folder: folder.plan.part)
    whole = _check(folders)
    files = sorted((shard, folder.file_of(shard)) for folder in folders for shard in folder.plan.own_shards)
    if out.suffix.lower() == ".parquet":
        return _one_parquet([path for _, path in files], out, whole)
    if out.suffix.lower() == ".csv":
        return _one_csv(folders, out)
    return _one_scan(folders, [path for _, path in files], out, whole)


def _check(folders: Sequence[ScanFolder]) -> Plan:
    first = folders[0]
    whole = replace(first.plan, part=(1, 1))
    for folder in folders:
        if replace(folder.plan, part=(1, 1), model=whole.model) != whole or folder.plan.part[1] != first.plan.part[1]:
            raise UsageError("different_scans", f"{folder.path}: is no part of the same scan as {first.path}")
        if missing := folder.missing():
            text = f"{folder.path}: {len(missing):,} shards are missing; unmask scan --resume does them"
            raise UsageError("not_finished", text)
    found, parts = [folder.plan.part[0] for folder in folders], first.plan.part[1]
    if found != list(range(1, parts + 1)):
        lack = sorted(set(range(1, parts + 1)) - set(found))
        is_double = len(set(found)) < len(found)
        text = "a part is there twice" if is_double else f"parts of {parts} are missing: {', '.join(map(str, lack))}"
        raise UsageError("not_finished", f"{first.path}: {text}")
    return whole


def _one_parquet(files: Sequence[Path], out: Path, plan: Plan) -> int:
    parquet = pyarrow().parquet
    rows = 0
    with whole_file(out) as raw, parquet.ParquetWriter(raw, schema(plan.columns), compression="zstd") as writer:
        for path in files:
            table = parquet.read_table(path)
            writer.write_table(table)
            rows += table.num_rows
    return rows


def _one_csv(folders: Sequence[ScanFolder], out: Path) -> int:
    tables = [ScanTable(folder.path) for folder in folders]
    rows = 0

    def numbered() -> Iterator[tuple[int, Any]]:
        nonlocal rows
        line = count(1)
        for table in tables:
            for _, cells in table.rows():
                rows += 1
                yield next(line), cells

    write_table(out, tables[0].columns, numbered(), str(out), guarded=True)
    return rows


def _one_scan(folders: Sequence[ScanFolder], files: Sequence[Path], out: Path, plan: Plan) -> int:
    if (out / PLAN).exists():
        raise UsageError("scan_exists", f"{out}: already holds a scan; use another folder")
    target = OutputFolder(out).path / ROWS
    try:
        target.mkdir(exist_ok=True)
        for path in files:
            with path.open("rb") as source, whole_file(target / path.name) as copy:
                shutil.copyfileobj(source, copy)
    except OSError as error:
        raise cannot_write(target, error) from error
    write_plan(out, plan)
    runs = [run for folder in folders for run in runs_of(folder.path)]
    return int(finish(ScanFolder(out), runs=runs)["images"])
