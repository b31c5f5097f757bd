"""The end of a scan: ``summary.json`` and ``scan.html``, once all shards are there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from unmask.detect.words import TITLES
from unmask.errors import ImageError
from unmask.explain.citation import report_time, shown_time
from unmask.files import write_whole
from unmask.imaging.decode import decode_image
from unmask.pages.charts import histogram
from unmask.pages.page import render, thumbnail_uri
from unmask.scan.items import Item, shard_of
from unmask.scan.reading import Reader
from unmask.scan.shards import ScanFolder
from unmask.scan.summary import SUMMARY, summarize
from unmask.version import __version__

PAGE: Final = "scan.html"
# Photographs are then decoded at a fraction of their size, which is quick and enough for a thumbnail.
_THUMBNAIL_MEMORY: Final = 16 * 2**20


def finish(
    folder: ScanFolder, *, thumbnails: bool = False, runs: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Write the summary and the page of a finished scan, and remove what only an unfinished one needs.

    Args:
        folder: of the scan, held by the caller.
        thumbnails: show the most suspicious images, which are read again; the page then contains copies of them.
        runs: as for :func:`~unmask.scan.summary.summarize`.

    Returns:
        The summary.

    Raises:
        UsageError: ``cannot_write``, ``bad_source_date_epoch``.
    """
    summary = summarize(folder, runs)
    page = render_page(summary, _thumbnails(folder, summary) if thumbnails else {})
    write_whole(folder.path / PAGE, page)
    write_whole(folder.path / SUMMARY, json.dumps(summary, indent=1, allow_nan=False) + "\n")  # last: it says finished
    if summary["complete"]:
        folder.clean()
    return summary


def render_page(summary: dict[str, Any], thumbnails: dict[str, str]) -> str:
    """The page of a scan as HTML; text of the sources is escaped.

    Args:
        summary: of :func:`~unmask.scan.summary.summarize`.
        thumbnails: data URIs by path.
    """
    judged = sum(summary["probabilities"])
    top = max(summary["probabilities"], default=0)
    shares = [count / judged if judged else 0.0 for count in summary["probabilities"]]
    return render(
        "unmask.scan/scan.html.j2",
        summary=summary,
        titles=TITLES,
        time=shown_time(report_time()),
        version=__version__,
        areas=histogram({"f": shares}) if top else [],
        thumbnails=thumbnails,
    )


def _thumbnails(folder: ScanFolder, summary: dict[str, Any]) -> dict[str, str]:
    """The most suspicious images as data URIs, by path; those whose source is known and can still be read."""
    wanted = {row["path"]: row["sha256"] for row in summary["most_suspicious"]}
    limits = folder.plan.limits
    small = replace(limits, max_memory=min(limits.max_memory, _THUMBNAIL_MEMORY))
    found: dict[str, str] = {}
    with Reader(limits) as reader:
        for item in _items(folder, set(wanted)):
            try:
                found[item.path] = thumbnail_uri(decode_image(reader.read(item), small))
            except ImageError:  # it was readable a moment ago; its row stands
                continue
    return found


def _items(folder: ScanFolder, paths: set[str]) -> list[Item]:
    """The items of paths."""
    plan = folder.plan
    found: list[Item] = []
    # A file's shard follows from its path; members of containers are in any.
    likely = {shard_of(path, plan.shards) for path in paths} & set(plan.own_shards)
    for shard in [*sorted(likely), *(shard for shard in plan.own_shards if shard not in likely)]:
        if len(found) >= len(paths):
            break
        found += [item for item in folder.items(shard) if item.path in paths]
    return found
