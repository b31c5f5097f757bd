"""The rows of a scan: one for each image, with the same columns whatever the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from unmask.data.scanned import COLUMNS as COLUMNS
from unmask.detect.verdict import Verdict
from unmask.errors import ImageError
from unmask.scan.extra import pyarrow
from unmask.scan.items import Item

Row = dict[str, Any]
"""Plain values by column, without the table's own columns."""

# What follows from the bytes alone, so that a copy of an image need not be judged again.
OF_THE_BYTES: Final = tuple(
    name for name in COLUMNS if name not in {"path", "model", "bundle_sha256", "threshold", "ms"}
)


def facts_of(verdict: Verdict, sha256: str | None) -> Row:
    """The columns of :data:`OF_THE_BYTES` for a verdict.

    Args:
        verdict: on the bytes.
        sha256: of the bytes; ``None`` where they could not be read.
    """
    novelty, size = verdict.novelty, verdict.size or (None, None)
    return {
        "sha256": sha256,
        "verdict": verdict.verdict,
        "fake_probability": verdict.fake_probability,
        "face_found": None if verdict.error is not None else verdict.face_found,
        "faces": [
            {"box": [round(float(edge), 1) for edge in region.face.box], "fake_probability": region.fake_probability}
            for region in verdict.faces
            if region.face is not None
        ],
        "marks": [mark.text for mark in verdict.marks],
        "notes": list(verdict.notes),
        "kinds": verdict.kinds,
        "out_of_distribution": None if novelty is None else novelty.out_of_distribution,
        "distance": None if novelty is None else novelty.distance,
        "width": size[0],
        "height": size[1],
        "error": None if verdict.error is None else verdict.error.code,
        "error_message": None if verdict.error is None else verdict.error.message,
    }


def facts_of_error(error: ImageError, sha256: str | None = None) -> Row:
    """The columns of :data:`OF_THE_BYTES` for an image without a verdict."""
    empty: Row = dict.fromkeys(OF_THE_BYTES)
    lists: Row = {"faces": [], "marks": [], "notes": []}
    return empty | lists | {"sha256": sha256, "error": error.code, "error_message": error.message}


def table_of(rows: Iterable[Mapping[str, Any]], items: Sequence[Item], kept: Sequence[str]) -> Any:
    """The table of a shard.

    Args:
        rows: one for each item, in their order.
        items: of the shard, sorted by ``Item.order``.
        kept: columns of the source's tables that are kept, as text.

    Returns:
        ``pyarrow.Table`` with the columns of :func:`schema`.
    """
    arrow = pyarrow()
    wanted, listed = schema(kept), list(rows)
    columns = [
        arrow.array(
            [_value(row[name]) for row in listed]
            if name in COLUMNS
            else [_text(item.cells[own]) if own in item.cells else None for item in items],
            field.type,
        )
        for name, own, field in zip(wanted.names, [*COLUMNS, *kept], wanted, strict=True)
    ]
    return arrow.table(columns, schema=wanted)


def schema(kept: Sequence[str]) -> Any:
    """The columns of a scan's Parquet files and their types.

    Args:
        kept: as for :func:`table_of`; one that has the name of ours is kept as ``given_NAME``.
    """
    arrow = pyarrow()
    text, number = arrow.string(), arrow.float64()
    face = arrow.struct([("box", arrow.list_(number, 4)), ("fake_probability", number)])
    types = {
        "fake_probability": number,
        "face_found": arrow.bool_(),
        "faces": arrow.list_(face),
        "marks": arrow.list_(text),
        "notes": arrow.list_(text),
        "kinds": arrow.map_(text, number),
        "out_of_distribution": arrow.bool_(),
        "distance": number,
        "width": arrow.int32(),
        "height": arrow.int32(),
        "threshold": number,
        "ms": number,
    }
    own = [(name, types.get(name, text)) for name in COLUMNS]
    return arrow.schema(own + [(kept_name(name), text) for name in kept])


def kept_name(name: str) -> str:
    """What a column of a source's table is called in the output."""
    return f"given_{name}" if name in COLUMNS else name


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return sorted(value.items())
    return value


def _text(text: str) -> str:
    """Text that UTF-8 can hold: file names that are not Unicode come out escaped."""
    return text.encode(errors="backslashreplace").decode()
