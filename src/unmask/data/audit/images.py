"""One pass over a manifest's images by threads, with a file of facts from which an interrupted pass resumes."""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unmask.data.audit.facts import COMMON_QUALITY, FACTS, ImageFacts, measure
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ManifestError
from unmask.files import OutputFolder
from unmask.imaging.faces import FaceFinder
from unmask.imaging.preprocessing import Preprocessing
from unmask.journal import Journal
from unmask.parallel import ordered_map

# Part of every key of the facts file: raise it when the meaning of a fact changes.
_VERSION: Final = 1
_HEX_DIGITS: Final = 64


@dataclass(frozen=True)
class Images:
    """A manifest's rows and the facts of their images, about 0.6 kB an image; n rows, one element each.

    Attributes:
        root: the folder that paths are relative to.
        path: as in the manifest; the URL of a row without a path.
        is_fake: bool [n].
        columns: ``source``, ``generator``, ``kind``, ``group`` and ``split``, each a list of n cells, blank cells ''.
        has: which of those columns the manifest has.
        readable: bool [n]: whether the image could be read. If not, all that follows is NaN or 0.
        errors: by row, why it could not be read, as ``code: message``.
        facts: float32 [n, len(FACTS)].
        sha256: n byte strings of 32 bytes.
        wrong_checksum: rows whose ``sha256`` cell in the manifest is not their file's.
        hashes: perceptual hashes, uint64 [n, 4].
        thumbs: grey levels, uint8 [n, 256].
    """

    root: Path
    path: list[str]
    is_fake: npt.NDArray[np.bool_]
    columns: dict[str, list[str]]
    has: frozenset[str]
    readable: npt.NDArray[np.bool_]
    errors: dict[int, str]
    facts: npt.NDArray[np.float32]
    sha256: list[bytes]
    wrong_checksum: tuple[int, ...]
    hashes: npt.NDArray[np.uint64]
    thumbs: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.path)

    def fact(self, name: str) -> npt.NDArray[np.float32]:
        """One fact of every image, float32 [n]."""
        return self.facts[:, FACTS.index(name)]


def read_images(
    manifest: Manifest,
    *,
    common: Preprocessing | None = None,
    store: Path | None = None,
    workers: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Images:
    """Measure every image of a manifest.

    Args:
        manifest: the table; a row whose file is missing or broken is kept as unreadable.
        common: how to crop for the common reading, ``None`` for none.
        store: the facts file, JSON lines: an unchanged file (path, size, time of change) that is in it is not measured
            again, and each measurement is added at once.
        workers: threads; the number of CPUs by default.
        progress: called once an image, in the manifest's order.

    Raises:
        ManifestError: a bad row, or ``empty_manifest``.
        UsageError: ``cannot_write`` or ``outside_folder`` of the facts file.
    """
    columns: dict[str, list[str]] = {name: [] for name in ("source", "generator", "kind", "group", "split")}
    path: list[str] = []
    is_fake, readable = bytearray(), bytearray()
    errors: dict[int, str] = {}
    values, words = array("f"), array("Q")
    digests: list[bytes] = []
    thumbs = bytearray()
    wrong: list[int] = []
    for row, found in _facts(manifest, common, store, workers):
        at = len(path)
        path.append(row.path or row.url)
        is_fake.append(row.label == "fake")
        for name, cells in columns.items():
            cells.append(intern(getattr(row, name)))  # a few names, millions of times
        readable.append(found.error is None)
        if found.error is not None:
            errors[at] = found.error
        values.extend(found.values)
        digests.append(found.sha256)
        words.extend(found.hash)
        thumbs += found.thumb
        claimed = row.extra.get("sha256", "").strip().lower()
        if found.error is None and len(claimed) == _HEX_DIGITS and claimed != found.sha256.hex():
            wrong.append(at)
        progress()
    if not path:
        raise ManifestError("empty_manifest", f"{manifest.name}: there are no rows")
    return Images(
        root=manifest.root,
        path=path,
        is_fake=np.frombuffer(bytes(is_fake), np.bool_),
        columns=columns,
        has=frozenset(columns) & frozenset(manifest.columns),
        readable=np.frombuffer(bytes(readable), np.bool_),
        errors=errors,
        facts=np.array(values, np.float32).reshape(len(path), len(FACTS)),
        sha256=digests,
        wrong_checksum=tuple(wrong),
        hashes=np.array(words, np.uint64).reshape(len(path), 4),
        thumbs=np.frombuffer(bytes(thumbs), np.uint8).reshape(len(path), -1),
    )


def _facts(
    manifest: Manifest, common: Preprocessing | None, store: Path | None, workers: int | None
) -> Iterator[tuple[ManifestRow, ImageFacts]]:
    finder = FaceFinder(common.faces) if common is not None and common.faces is not None else None
    known = _FactsFile(store, common) if store is not None else None

    def look(row: ManifestRow) -> ImageFacts:
        if not row.path:
            return _unread("not_fetched: The row has a URL and no file.")
        return measure(manifest.resolve(row), common, finder)

    def jobs() -> Iterator[tuple[ManifestRow, str, ImageFacts | None]]:
        for row in manifest:  # the facts file is read here, on the thread that also writes it
            key = _key(manifest, row) if known is not None else ""
            yield row, key, known.get(key) if known is not None else None

    def facts_of(job: tuple[ManifestRow, str, ImageFacts | None]) -> tuple[ManifestRow, str, ImageFacts, bool]:
        row, key, old = job
        return row, key, old or look(row), old is None

    try:
        for row, key, facts, is_new in ordered_map(facts_of, jobs(), workers):
            if is_new and known is not None:
                known.add(key, facts)
            yield row, facts
    finally:
        if known is not None:
            known.close()


def _unread(error: str) -> ImageFacts:
    return ImageFacts(bytes(32), (math.nan,) * len(FACTS), (0,) * 4, bytes(256), error)


def _key(manifest: Manifest, row: ManifestRow) -> str:
    """The file that a row's facts belong to; relative, so that a data set may move; blank where there is no file."""
    try:
        status = manifest.resolve(row).stat()
    except (OSError, ValueError, ManifestError):
        return ""
    return f"{row.path}:{status.st_size}:{status.st_mtime_ns}"


class _FactsFile:
    """The facts that an earlier pass measured; several audits may share it."""

    def __init__(self, path: Path, common: Preprocessing | None) -> None:
        policy = [_VERSION, FACTS, COMMON_QUALITY, common.model_dump_json() if common is not None else ""]
        self._salt = hashlib.sha256(json.dumps(policy).encode()).hexdigest()[:16]
        self._journal = Journal(OutputFolder(path.parent).path / path.name, shared=True)

    def get(self, key: str) -> ImageFacts | None:
        found = self._journal.get(self._digest(key)) if key else None
        try:
            return None if found is None else _parse(found)
        except (ValueError, KeyError, TypeError):
            return None

    def add(self, key: str, facts: ImageFacts) -> None:
        if not key:
            return
        line = {
            "sha256": facts.sha256.hex(),
            "values": [None if math.isnan(value) else value for value in facts.values],
            "hash": [f"{word:x}" for word in facts.hash],
            "thumb": facts.thumb.hex(),
            "error": facts.error,
        }
        self._journal.note(self._digest(key), line)

    def close(self) -> None:
        self._journal.close()

    def _digest(self, key: str) -> str:
        return hashlib.sha256(f"{self._salt}:{key}".encode("utf-8", "surrogatepass")).hexdigest()[: _HEX_DIGITS // 2]


def _parse(line: Any) -> ImageFacts:
    values = tuple(math.nan if value is None else float(value) for value in line["values"])
    words = tuple(int(word, 16) for word in line["hash"])
    thumb, sha256 = bytes.fromhex(line["thumb"]), bytes.fromhex(line["sha256"])
    if len(values) != len(FACTS) or len(words) != 4 or len(thumb) != 256 or len(sha256) != 32:
        raise ValueError("not a line of this version")
    return ImageFacts(sha256, values, words, thumb, line["error"] if line["error"] is None else str(line["error"]))
