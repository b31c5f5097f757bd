"""One image of a scan before it is read: what names it, and where its bytes are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

Kind = Literal["file", "object", "tar", "parquet"]

# Left out of an item's JSON where they have these values, since there is a line for each image of a scan.
_DEFAULTS: dict[str, Any] = {
    "position": 0,
    "kind": "file",
    "start": 0,
    "size": -1,
    "column": "",
    "cells": {},
    "problem": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One image of a scan.

    Attributes:
        path: names it in the output: a path, a URL, ``archive.tar/member.jpg`` or ``table.parquet#row``.
        uri: where its bytes are: the absolute path of a file, or the URL of an object; for ``tar`` and ``parquet`` of
            the container.
        unit: what is never cut apart by shards: the path of a file, or a piece of a container, which is read in one go.
        position: place in the unit. Unit and position identify an image: no scan holds two alike.
        kind: how it is read.
        start: first byte in a tar archive; row group of a Parquet file.
        size: bytes in a tar archive; -1 where it is not known.
        column: with the bytes, of a Parquet file.
        cells: what a table says of it, by column.
        problem: code and message of an error that was found while listing: the image then is not read.
    """

    path: str
    uri: str
    unit: str
    position: int = 0
    kind: Kind = "file"
    start: int = 0
    size: int = -1
    column: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: tuple[str, str] | None = None

    @property
    def order(self) -> tuple[str, int]:
        """The key that sorts the images of a shard, and by which copies of an item are known."""
        return self.unit, self.position

    def to_json(self) -> dict[str, Any]:
        """The item as plain values, without defaults; :meth:`from_json` gives it back."""
        facts: dict[str, Any] = {"path": self.path}
        if self.uri != self.path:
            facts["uri"] = self.uri
        if self.unit != self.path:
            facts["unit"] = self.unit
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                facts[name] = value
        return facts

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Item:
        """The item of :meth:`to_json`."""
        problem = facts.get("problem")
        told = {name: facts.get(name, default) for name, default in _DEFAULTS.items()}
        told |= {
            "path": facts["path"],
            "uri": facts.get("uri", facts["path"]),
            "unit": facts.get("unit", facts["path"]),
            "problem": None if problem is None else (problem[0], problem[1]),
        }
        return cls(**told)


def shard_of(unit: str, shards: int) -> int:
    """The shard that a unit belongs to, in [0, shards): it follows from its name alone."""
    digest = blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards
