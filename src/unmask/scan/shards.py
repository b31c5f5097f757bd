"""The folder of a scan: its plan, the items of each shard, and the shards that are done.

``scan.json`` is the plan: it is written once everything is listed, and from then on says what the scan is. ``work/``
holds the items of each shard until the end. ``verdicts/shard-N-of-M.parquet`` appears whole or not at all: the shard is
done if it is there.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from unmask.data.scanned import PLAN, ROWS, SCHEMA, read_plan
from unmask.errors import UsageError
from unmask.files import OutputFolder, cannot_write, whole_file, write_whole
from unmask.imaging.find import PassedOver
from unmask.imaging.limits import DecodeLimits
from unmask.scan.extra import pyarrow
from unmask.scan.items import Item, shard_of
from unmask.scan.judge import JudgeSettings
from unmask.scan.rows import Row, table_of

WORK: Final = "work"
_LISTED: Final = "listed.jsonl"
_SEEN: Final = "seen.sqlite"
# Lines that wait in memory for their shard's file while items are dealt out.
_BUFFERED: Final = 200_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scan is; fixed when its images have been listed.

    Attributes:
        sources: as they were given.
        root: absolute folder that relative paths in the rows start from.
        images: images in all parts.
        shards: of all parts.
        part: which part of how many this folder does: shard N belongs to part N modulo the number of parts.
        columns: kept columns of the source's tables.
        model: path or name of the bundle, ``None`` for the one in the package.
        model_name: its name and version.
        bundle_sha256: its hash.
        threshold: probabilities from here up are fake.
        limits: on each file.
        timeout: seconds for one image.
        passed_over: files in the sources that are no images.
        unmask: version that made the plan.
    """

    sources: tuple[str, ...]
    root: str
    images: int
    shards: int
    part: tuple[int, int]
    columns: tuple[str, ...]
    model: str | None
    model_name: str
    bundle_sha256: str
    threshold: float
    limits: DecodeLimits
    timeout: float
    passed_over: int
    unmask: str

    def settings(self, seen: Path | None = None) -> JudgeSettings:
        """What verdicts follow from; ``seen`` is a file of verdicts by SHA-256 that the workers of a machine share."""
        return JudgeSettings(
            self.model,
            self.threshold,
            self.bundle_sha256,
            self.limits,
            self.timeout,
            None if seen is None else str(seen),
        )

    @property
    def own_shards(self) -> range:
        """The shards of this part."""
        part, parts = self.part
        return range(part - 1, self.shards, parts)

    def to_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` gives the plan back."""
        return {"scan": "unmask", "schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Plan:
        """The plan of :meth:`to_json`; raises KeyError, TypeError or ValueError for anything else."""
        told = {name: facts[name] for name in cls.__slots__}
        pairs = {name: tuple(told[name]) for name in ("sources", "part", "columns")}
        return cls(**{**told, **pairs, "limits": DecodeLimits(**told["limits"])})


class ScanFolder:
    """The folder of a scan with a plan.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        plan: its plan.

    Raises:
        UsageError: ``no_scan``, there is no plan, or one of another version; ``cannot_write``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.plan = Plan.from_json(read_plan(path))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError("no_scan", f"{path / PLAN}: is not the plan of a scan of this version") from error

    @property
    def seen(self) -> Path:
        """The file of verdicts by SHA-256 that the workers of one machine share while the scan runs."""
        return self.path / WORK / _SEEN

    def file_of(self, shard: int) -> Path:
        """The Parquet file of a shard."""
        return self.path / ROWS / shard_name(shard, self.plan.shards)

    def missing(self) -> list[int]:
        """The shards of this part that are not done, in order."""
        done = {path.name for path in (self.path / ROWS).glob("shard-*.parquet")}
        return [shard for shard in self.plan.own_shards if shard_name(shard, self.plan.shards) not in done]

    def items(self, shard: int) -> list[Item]:
        """The items of a shard, sorted, each once.

        Raises:
            UsageError: ``no_scan``, the list of the shard cannot be read.
        """
        path = self.path / WORK / _list_name(shard)
        found: dict[tuple[str, int], Item] = {}
        try:
            if path.exists():  # a shard without items has no list
                with path.open("rb") as file:
                    for line in file:
                        item = Item.from_json(json.loads(line))
                        found.setdefault(item.order, item)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError("no_scan", f"{path}: cannot be read; begin the scan again in another folder") from error
        return [found[order] for order in sorted(found)]

    def write(self, shard: int, rows: Sequence[Row], items: Sequence[Item]) -> None:
        """Write the rows of a shard, whole or not at all.

        Args:
            shard: its number.
            rows: one for each item.
            items: of the shard, as :meth:`items` gives them.

        Raises:
            UsageError: ``cannot_write``.
        """
        write_parquet(self.file_of(shard), table_of(rows, items, self.plan.columns))

    def clean(self) -> None:
        """Remove what only an unfinished scan needs; by who holds the folder."""
        shutil.rmtree(self.path / WORK, ignore_errors=True)

    def remove_partials(self) -> None:
        """Delete what killed runs left of files that they were writing; by who holds the folder."""
        for folder in (self.path, self.path / ROWS):
            for partial in folder.glob(".*.partial"):
                partial.unlink(missing_ok=True)


def write_parquet(path: Path, table: Any) -> None:
    """Write a table whole or not at all; the same table gives the same bytes.

    Raises:
        UsageError: ``cannot_write``.
    """
    arrow = pyarrow()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    with whole_file(path) as file:
        arrow.parquet.write_table(table, file, compression="zstd")


def plan_scan(
    path: Path, items: Iterable[Item], plan: Plan, shard_size: int, passed_over: PassedOver | None = None
) -> ScanFolder:
    """List the items of a scan and deal them out to shards; memory does not grow with their number.

    Killed before the end, nothing but ``work/`` is there, and the next call begins again.

    Args:
        path: the folder; held by the caller.
        items: of all parts; those listed twice count once.
        plan: without the number of images and shards, and the columns, which are found here.
        shard_size: images in a shard, on average.
        passed_over: counts what listing the items passes over.

    Raises:
        UsageError: ``no_pictures``, there are no items; ``cannot_write``; those of listing the sources.
    """
    work = path / WORK
    shutil.rmtree(work, ignore_errors=True)
    OutputFolder(work)
    listed = work / _LISTED
    count = 0
    columns: dict[str, None] = {}
    try:
        with listed.open("w", encoding="ascii") as file:
            for item in items:
                file.write(json.dumps(item.to_json()) + "\n")
                columns.update(dict.fromkeys(item.cells))
                count += 1
        if not count:
            raise UsageError("no_pictures", "No images found.")
        shards = max(-(-count // shard_size), plan.part[1])
        with listed.open("rb") as lines:
            _deal(lines, work, shards, plan.part)
        listed.unlink()
    except OSError as error:
        raise cannot_write(listed, error) from error
    files = 0 if passed_over is None else passed_over.files
    plan = replace(plan, images=count, shards=shards, columns=tuple(columns), passed_over=files)
    write_plan(path, plan)
    return ScanFolder(path)


def write_plan(path: Path, plan: Plan) -> None:
    """Write the plan of a scan, which from then on says what it is.

    Raises:
        UsageError: ``cannot_write``.
    """
    write_whole(path / PLAN, json.dumps(plan.to_json(), indent=1) + "\n")


def shard_name(shard: int, shards: int) -> str:
    """The name of a shard's file."""
    width = max(5, len(str(shards)))
    return f"shard-{shard:0{width}d}-of-{shards:0{width}d}.parquet"


def _list_name(shard: int) -> str:
    return f"{shard:08d}.jsonl"


def _deal(lines: Iterable[bytes], work: Path, shards: int, part: tuple[int, int]) -> None:
    waiting: dict[int, list[bytes]] = defaultdict(list)
    count = 0
    for line in lines:
        facts = json.loads(line)
        shard = shard_of(facts.get("unit", facts["path"]), shards)
        if shard % part[1] != part[0] - 1:
            continue
        waiting[shard].append(line)
        count += 1
        if count == _BUFFERED:
            _flush(waiting, work)
            count = 0
    _flush(waiting, work)


def _flush(waiting: dict[int, list[bytes]], work: Path) -> None:
    for shard, own in waiting.items():
        with (work / _list_name(shard)).open("ab") as file:
            file.writelines(own)
    waiting.clear()
