"""docs/limits.md names every limit once, with the number that the code has."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from unmask.bundle import bundle as bundle_module
from unmask.bundle import graph_check, session
from unmask.bundle.golden import MAX_CASES
from unmask.bundle.protobuf import MAX_FIELDS
from unmask.data import tables
from unmask.data.fetch.policy import FetchPolicy
from unmask.evaluation.reports.write import MAX_RESULT_BYTES
from unmask.imaging import decode_pool
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.video.limits import VideoLimits
from unmask.recipes import schema as recipes

DOCS = Path(__file__).parents[1] / "docs"

# Settings of the service that limit cost, with the unit of the number that each takes.
SERVICE = {
    "max_body_mib": "MiB",
    "max_waiting_mib": "MiB",
    "max_images": "",
    "max_megapixels": "megapixels",
    "max_decode_mib": "MiB",
    "decode_seconds": "s",
    "deadline": "s",
    "queue": "",
    "explanations": "",
    "max_connections": "",
    "header_seconds": "s",
    "rate": "a second",
    "burst": "",
    "max_clip_mib": "MiB",
    "max_clip_minutes": "minutes",
    "max_clip_frames": "",
    "clip_queue": "",
    "clip_workers": "",
    "clip_seconds": "s",
    "clip_upload_seconds": "s",
}
FETCH = {
    "concurrency": "",
    "per_host": "",
    "connect_timeout": "s",
    "read_timeout": "s",
    "total_timeout": "s",
    "retries": "",
    "max_backoff": "s",
    "max_retry_after": "s",
    "max_redirects": "",
    "max_bytes": "bytes",
}


def shown(value: float, unit: str) -> str:
    """A number as the page writes it: ``64 MiB``, ``30 s``, ``1,024``."""
    if unit == "bytes":
        size, unit = next(
            (size, name)
            for size, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))
            if value % size == 0
        )
        value = int(value) // size
    return f"{value:,.10g} {unit}".strip() if isinstance(value, float) else f"{value:,} {unit}".strip()


def decoding() -> dict[str, str]:
    defaults = DecodeLimits()
    in_bytes = {"max_bytes", "max_memory", "max_exif_bytes", "max_iptc_bytes", "max_metadata_bytes", "max_fill_bytes"}
    return {f"DecodeLimits.{each.name}": shown(getattr(defaults, each.name), "bytes" if each.name in in_bytes else "")
            for each in fields(DecodeLimits)}  # fmt: skip


def clips() -> dict[str, str]:
    units = {"max_bytes": "bytes", "max_animation_bytes": "bytes", "memory_bytes": "bytes"}
    units |= {"max_duration_s": "s", "cpu_seconds": "s"}
    return {f"VideoLimits.{each.name}": shown(getattr(VideoLimits(), each.name), units.get(each.name, ""))
            for each in fields(VideoLimits)}  # fmt: skip


def bundles() -> dict[str, str]:
    most = bundle_module.MOST_BYTES
    return {
        **{name: shown(most[name], "bytes") for name in most},
        "golden cases": shown(MAX_CASES, ""),
        "graph fields": shown(MAX_FIELDS, ""),
        "graph nodes": shown(graph_check.MAX_NODES, ""),
        "graph tensors": shown(graph_check.MAX_TENSORS, ""),
        "graph tensor": shown(graph_check.MAX_TENSOR_BYTES, "bytes"),
        "graph loading": shown(session.LOAD_SECONDS, "s"),
        "graph run": shown(session.RUN_SECONDS, "s"),
        "graph run, each further image": shown(session.RUN_SECONDS_PER_IMAGE, "s"),
        "graph memory": shown(session.MIN_MEMORY, "bytes"),
    }


def parsers() -> dict[str, str]:
    return {
        "table columns": shown(tables.MAX_COLUMNS, ""),
        "table cell": shown(tables.MAX_CELL, "characters"),
        "table record": shown(tables._MAX_LINE, "characters"),
        "unpacked table": shown(tables.MAX_UNPACKED, "characters"),
        "recipe": shown(recipes.MAX_RECIPE_BYTES, "bytes"),
        "recipe aliases": shown(recipes.MAX_ALIASES, ""),
        "recipe depth": shown(recipes.MAX_DEPTH, ""),
        "--set": shown(recipes.MAX_OVERRIDE, "characters"),
        "result": shown(MAX_RESULT_BYTES, "bytes"),
    }


def fetching() -> dict[str, str]:
    return {f"FetchPolicy.{name}": shown(getattr(FetchPolicy(), name), unit) for name, unit in FETCH.items()}


def service() -> dict[str, str]:
    settings = pytest.importorskip("unmask.serve.settings").Settings.model_fields
    protocol: Any = pytest.importorskip("unmask.serve.protocol")
    evidence: Any = pytest.importorskip("unmask.serve.evidence")
    images: Any = pytest.importorskip("unmask.serve.images")
    return {
        **{f"--{name.replace('_', '-')}": shown(settings[name].default, unit) for name, unit in SERVICE.items()},
        "header bytes": shown(protocol.MAX_HEADER_BYTES, "bytes"),
        "headers": shown(protocol.MAX_HEADERS, ""),
        "stored evidence, faces": shown(evidence.MAX_REGIONS, ""),
        "stored evidence, cells": shown(evidence.MAX_CELLS, ""),
        "thumbnail, side": shown(images.THUMBNAIL_SIDE, ""),
        "thumbnail": shown(images.THUMBNAIL_BYTES, "bytes"),
    }


def children() -> dict[str, str]:
    return {
        "decoding CPU": shown(decode_pool.CPU_SECONDS, "s"),
        "decoding memory": shown(decode_pool.MEMORY_BYTES, "bytes"),
    }


def on_the_page(heading: str) -> dict[str, str]:
    section = (DOCS / "limits.md").read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+?) \| [^|]+ \|$", section, re.MULTILINE)
    assert len(dict(rows)) == len(rows)
    return dict(rows)


@pytest.mark.parametrize(
    ("heading", "limits"),
    [
        ("Image files", decoding),
        ("Clips", clips),
        ("Child processes", children),
        ("Bundles", bundles),
        ("Tables, recipes and results", parsers),
        ("Fetching", fetching),
        ("Service", service),
    ],
)
def test_the_page_has_the_numbers_of_the_code(heading: str, limits: Any) -> None:
    assert on_the_page(heading) == limits()


def test_the_page_is_linked() -> None:
    assert "(docs/limits.md)" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert "(limits.md)" in (DOCS / "service.md").read_text(encoding="utf-8")
