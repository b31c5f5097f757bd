"""What C2PA manifests say of an image's making, read without checking a signature.

A manifest store is a tree of JUMBF boxes whose claims and assertions are CBOR or JSON. All of it may be hostile: boxes,
depth, values and texts are limited; what is malformed is searched for the addresses of source types instead; nothing
raises. Compressed manifests are not read. Sources: C2PA specification 2.2, ISO 19566-5 (JUMBF), RFC 8949 (CBOR).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_BOXES, MAX_DEPTH, MAX_VALUES = 4096, 16, 20_000
"""Boxes, their depth (and that of values), and values of CBOR that are read in one file."""
MAX_CONTENT = 4 << 20
"""Bytes of CBOR and JSON that are read in one file."""
_MAX_TEXT = 512
_MAX_JSON = 1 << 18
_C2PA_UUID = bytes.fromhex("6332706100110010800000AA00389B71")
_ADDRESS = re.compile(rb"digitalsourcetype/([A-Za-z]{1,64})")
_NAMES = ("claim_generator", "claim_generator_info", "softwareAgent", "softwareAgents", "description")


@dataclass(slots=True)
class Statements:
    """What the manifests of one file say; texts as written.

    Attributes:
        source_types: of the whole image, as in the last manifest: the last part of IPTC's or C2PA's code.
        edit_types: of steps of editing.
        ingredient_types: of the images that this one was made from.
        software: names of software in the last manifest.
    """

    source_types: set[str] = field(default_factory=set)
    edit_types: set[str] = field(default_factory=set)
    ingredient_types: set[str] = field(default_factory=set)
    software: set[str] = field(default_factory=set)


def is_manifest_store(box: bytes) -> bool:
    """Whether a JUMBF superbox, or its start, is a C2PA manifest store."""
    at = 16 if box[:4] == b"\x00\x00\x00\x01" else 8  # length 1: an 8-byte length follows the type
    about = box[at : at + 30]  # description box: length, type, UUID, toggles, label
    labelled = len(about) == 30 and about[24] & 2 != 0 and about[25:] == b"c2pa\x00"
    return box[4:8] == b"jumb" and about[4:8] == b"jumd" and (labelled or about[8:24] == _C2PA_UUID)


def read_statements(store: bytes) -> Statements:
    """Read a manifest store, whole or cut. Never raises."""
    found, reader = Statements(), _Reader(store)
    manifests: list[tuple[int, int]] = []
    for _, at, until in itertools.islice(reader.boxes(0, len(store)), 1):
        manifests = [(start, end) for kind, start, end in reader.boxes(at, until) if kind == b"jumb"]
    for start, end in reversed(manifests):  # the last is the image's own
        own = (start, end) == manifests[-1]
        for label, kind, body in reader.contents(start, end, 0):
            if label.startswith("c2pa.ingredient"):
                continue  # of another image
            value = reader.value(kind, body)
            if value is None:
                types = {match[1].decode() for match in _ADDRESS.finditer(body)}
                (found.source_types if own else found.ingredient_types).update(types)
            else:
                _collect(value, found, own, edit=False, depth=0)
    return found


def _collect(value: Any, found: Statements, own: bool, *, edit: bool, depth: int) -> None:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            _collect(item, found, own, edit=edit, depth=depth + 1)
    if not isinstance(value, dict):
        return
    action = value.get("action")
    if isinstance(action, str):
        edit = action != "c2pa.created"
    for key, item in value.items():
        if key.rpartition(":")[2].lower() == "digitalsourcetype" and isinstance(item, str):
            name = item.rstrip("/").rpartition("/")[2].rpartition(".")[2]
            (found.ingredient_types if not own else found.edit_types if edit else found.source_types).add(name)
        elif key in _NAMES and own:
            for each in item if isinstance(item, list) else [item]:
                text = each.get("name") if isinstance(each, dict) else each
                if isinstance(text, str):
                    found.software.add(text[:_MAX_TEXT])
        if isinstance(item, dict | list):
            _collect(item, found, own, edit=edit, depth=depth + 1)


class _Reader:
    """The boxes of one store and the values in them, with what is left of the limits."""

    def __init__(self, store: bytes) -> None:
        self._store = store
        self._boxes, self._values, self._content = MAX_BOXES, MAX_VALUES, MAX_CONTENT

    def boxes(self, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Type, start and end of the content of each box; one that is cut ends where the data do."""
        while at + 8 <= end and self._boxes > 0:
            self._boxes -= 1
            size, kind, head = int.from_bytes(self._store[at : at + 4], "big"), self._store[at + 4 : at + 8], 8
            if size == 1:
                size, head = int.from_bytes(self._store[at + 8 : at + 16], "big"), 16
            elif size == 0:
                size = end - at
            if size < head:
                return
            yield kind, min(at + head, end), min(at + size, end)
            at += size

    def contents(self, start: int, end: int, depth: int) -> Iterator[tuple[str, bytes, bytes]]:
        """Label of the superbox, type and bytes of each box of CBOR or JSON."""
        label = ""
        for kind, at, until in self.boxes(start, end):
            if kind == b"jumd" and until - at > 17 and self._store[at + 16] & 2:
                label = self._store[at + 17 : min(until, at + 17 + _MAX_TEXT)].partition(b"\x00")[0].decode("latin-1")
            elif kind == b"jumb" and depth < MAX_DEPTH:
                yield from self.contents(at, until, depth + 1)
            elif kind in (b"cbor", b"json") and self._content > 0:
                self._content -= until - at
                if self._content >= 0:
                    yield label, kind, self._store[at:until]

    def value(self, kind: bytes, body: bytes) -> Any:
        """The value of a box; ``None`` if it is malformed or too long."""
        try:
            if kind == b"json":
                return json.loads(body) if len(body) <= _MAX_JSON else None
            self._body, self._at = body, 0
            return self._cbor(0)
        except (ValueError, IndexError, RecursionError):
            return None

    def _cbor(self, depth: int) -> Any:
        """Texts, lists and maps with texts as keys; other values are ``0``."""
        self._values -= 1
        if self._values < 0 or depth > MAX_DEPTH:
            raise ValueError
        first = self._body[self._at]
        self._at += 1
        major, info = first >> 5, first & 31
        if 27 < info < 31 or (info == 31 and major in (0, 1, 6)):
            raise ValueError
        size = info
        if 24 <= info <= 27:
            width = 1 << info - 24
            size = int.from_bytes(self._body[self._at : self._at + width], "big")
            self._at += width
        endless = info == 31
        if major in (2, 3):
            return self._string(major, size, endless)
        if major == 6:
            return self._cbor(depth + 1)
        if major not in (4, 5):
            return 0
        items: list[Any] = []
        while endless or len(items) < size * (major - 3):
            if endless and self._body[self._at] == 0xFF:
                self._at += 1
                break
            items.append(self._cbor(depth + 1))
        if major == 4:
            return items
        pairs = zip(items[::2], items[1::2], strict=False)
        return {key: item for key, item in pairs if isinstance(key, str)}

    def _string(self, major: int, size: int, endless: bool) -> Any:
        if endless:  # strings of known length one after the other
            parts = []
            while self._body[self._at] != 0xFF:
                parts.append(self._cbor(MAX_DEPTH))
            self._at += 1
            return "".join(part for part in parts if isinstance(part, str))[:_MAX_TEXT]
        text = self._body[self._at : self._at + size]
        if len(text) < size:
            raise IndexError
        self._at += size
        return text[:_MAX_TEXT].decode("utf-8", "replace") if major == 3 else 0
