"""A cache on disk of the region around each training image's face, decoded once.

Decoding a photograph costs more than everything that training does with the small region around the face. The cache
keeps that region uncompressed in a few large files that are mapped into memory, so an epoch reads it at the speed of
memory, and all worker processes share one copy in the system's page cache.

The region is large enough to move and resize the crop by ``reach`` of its side in any direction, and for the whole
window of :func:`~unmask.data.make.self_blend.self_blend`. Neither depends on the image beyond the region, so augmenting
the cached region gives the same pixels as augmenting the image. A resize to a box between pixels, as in evaluation, may
not: Pillow stores such boxes in single precision, which a change of origin may round differently. Evaluate from the
images themselves.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.data.face_index import FaceRecord
from unmask.errors import ImageError
from unmask.files import cannot_write, digest, lock, refuse_link, stamp
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import Box, Face, FaceFinder
from unmask.parallel import ordered_map
from unmask.training.cached_crop import CachedCrop, CropPolicy, region_of

__all__ = ["BuildReport", "CachedCrop", "CropCache", "CropPolicy"]

INDEX_NAME: Final = "index.jsonl"

_VERSION = 1
_SHARD_BYTES = 512 * 2**20
# A kill loses at most this: regions whose bytes are not yet safely on disk are not in the index.
_BATCH_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class BuildReport:
    """The result of building a cache.

    Attributes:
        added: number of images added.
        present: number of images that were already there.
        refused: number of images that did not fit; :meth:`CropCache.get` decodes them each time.
        failed: errors of images that could not be read, by path.
        bytes: total size of the regions.
    """

    added: int
    present: int
    refused: int
    failed: dict[Path, str]
    bytes: int


class _Entry(NamedTuple):
    shard: int
    offset: int
    width: int
    height: int
    crop: Box
    face: Face | None


class CropCache:
    """Regions of images by path. Many threads and processes may read; one process builds at a time.

    A region is valid for the path, size and time of modification of its file under one policy. Regions of changed files
    stay until the folder is deleted; a cache is cheap to build again.

    Args:
        folder: of the cache; made by :meth:`build`. Caches of several policies may share it.
        policy: which part of an image is kept.
        max_bytes: maximum size of all regions. Beyond it images are refused and none are removed: an epoch visits
            every image once, so removing the least recently used would miss every time.
    """

    def __init__(self, folder: Path, policy: CropPolicy | None = None, max_bytes: int = 8 * 2**30) -> None:
        self.policy = policy or CropPolicy()
        self.folder = folder / f"crops-{digest(_VERSION, self.policy.model_dump(mode='json'))[:16]}"
        self.max_bytes = max_bytes
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._maps: dict[int, npt.NDArray[np.uint8]] = {}
        self._finder: FaceFinder | None = None
        self._load()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: Path) -> bool:
        return _key(path) in self._entries

    def __getstate__(self) -> dict[str, Any]:
        # Maps and sessions are not passed to another process; it opens its own.
        return self.__dict__ | {"_lock": None, "_maps": {}, "_finder": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Total size of the regions."""
        return sum(entry.width * entry.height * 3 for entry in self._entries.values())

    def get(self, path: Path) -> CachedCrop:
        """The region of an image, from the cache or else from the decoded image.

        Raises:
            ImageError: it is not in the cache, and the image cannot be read.
        """
        entry = self._entries.get(_key(path))
        if entry is None:
            return self._look(path, None)
        end = entry.offset + entry.width * entry.height * 3
        pixels = self._map(entry.shard, end)[entry.offset : end]
        # This copies, since Pillow stores RGB in four bytes: the map is never written to.
        image = Image.fromarray(pixels.reshape(entry.height, entry.width, 3))
        return CachedCrop(image, entry.crop, entry.face)

    def build(
        self,
        paths: Iterable[Path],
        progress: Callable[[], object] = lambda: None,
        *,
        known: Mapping[Path, FaceRecord] | None = None,
        workers: int | None = None,
    ) -> BuildReport:
        """Add the regions of images in order, as long as they fit. May be interrupted and called again.

        Args:
            paths: the images.
            progress: called once per image.
            known: faces that were already detected under the same policy.
            workers: threads; default: the number of CPUs.

        Raises:
            UsageError: ``folder_in_use``, another process is building; ``outside_folder``; ``cannot_write``.
        """
        refuse_link(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_link(self.folder / INDEX_NAME)
            with (self.folder / INDEX_NAME).open("ab") as index:
                lock(index, self.folder)
                self._load()  # what another process added before we had the lock
                return self._fill(index, paths, progress, known or {}, workers)
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def _fill(
        self,
        index: IO[bytes],
        paths: Iterable[Path],
        progress: Callable[[], object],
        known: Mapping[Path, FaceRecord],
        workers: int | None,
    ) -> BuildReport:
        kept_bytes = self.size_bytes
        counts = {"added": 0, "present": 0, "refused": 0}
        failed: dict[Path, str] = {}
        full = False

        def prepare(path: Path) -> tuple[Path, str, CachedCrop | str | None]:
            key = _key(path)
            if key in self._entries or full:
                return path, key, None
            try:
                return path, key, self._look(path, known.get(path))
            except ImageError as error:
                return path, key, f"{error.code}: {error.message}"

        with _ShardWriter(self.folder, index, self._entries) as writer:
            for path, key, region in ordered_map(prepare, paths, workers):
                progress()
                if isinstance(region, str):
                    failed[path] = region
                elif key in self._entries or writer.waits(key):
                    counts["present"] += 1
                elif (
                    full or region is None or kept_bytes + 3 * region.image.width * region.image.height > self.max_bytes
                ):
                    # Smaller images might still fit, but which ones are kept must not depend on their sizes.
                    full = True
                    counts["refused"] += 1
                else:
                    kept_bytes += writer.add(key, region)
                    counts["added"] += 1
        return BuildReport(**counts, failed=failed, bytes=kept_bytes)

    def _look(self, path: Path, record: FaceRecord | None) -> CachedCrop:
        image = decode_image(path)
        face = record.face if record is not None and record.error is None else self._find(image)
        return region_of(image, face, self.policy)

    def _find(self, image: Image.Image) -> Face | None:
        if self.policy.faces is None:
            return None
        with self._lock:
            if self._finder is None:
                self._finder = FaceFinder(self.policy.faces)
        found = self._finder.find(image)
        return found[0] if found else None

    def _map(self, shard: int, end: int) -> npt.NDArray[np.uint8]:
        with self._lock:
            if shard not in self._maps or len(self._maps[shard]) < end:  # it grows while the cache is built
                self._maps[shard] = np.memmap(self.folder / _shard_name(shard), np.uint8, mode="r")
            return self._maps[shard]

    def _load(self) -> None:
        try:
            lines = (self.folder / INDEX_NAME).read_bytes().splitlines()
        except FileNotFoundError:
            return
        sizes: dict[int, int] = {}
        for line in lines:
            try:
                key, entry = _entry_of(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError):
                continue  # a line that a kill left incomplete: that image is added again
            if entry.shard not in sizes:
                sizes[entry.shard] = stamp(self.folder / _shard_name(entry.shard))[0]
            if 0 <= entry.offset <= sizes[entry.shard] - 3 * entry.width * entry.height:
                self._entries[key] = entry


class _ShardWriter:
    """Appends regions to shard files, and to the index only those that are safely in them."""

    def __init__(self, folder: Path, index: IO[bytes], entries: dict[str, _Entry]) -> None:
        self._folder, self._index, self._entries = folder, index, entries
        self._shard = max((entry.shard for entry in entries.values()), default=0)
        self._file: IO[bytes] | None = None
        self._waiting: dict[str, _Entry] = {}
        self._waiting_bytes = 0

    def __enter__(self) -> _ShardWriter:
        if self._index.tell():
            self._index.write(b"\n")  # ends a line that a kill left incomplete; blank lines are ignored
        return self

    def __exit__(self, *_: object) -> None:
        # Also after an interrupt: all regions written so far are complete.
        self._commit()
        if self._file is not None:
            self._file.close()

    def waits(self, key: str) -> bool:
        return key in self._waiting

    def add(self, key: str, region: CachedCrop) -> int:
        pixels = np.asarray(region.image).tobytes()
        if self._file is not None and self._file.tell() + len(pixels) > _SHARD_BYTES:
            self._commit()
            self._file.close()
            self._file = None
            self._shard += 1
        if self._file is None:
            name = self._folder / _shard_name(self._shard)
            refuse_link(name)
            self._file = name.open("ab")
        offset = self._file.tell()
        self._file.write(pixels)
        width, height = region.image.size
        self._waiting[key] = _Entry(self._shard, offset, width, height, region.crop, region.face)
        self._waiting_bytes += len(pixels)
        if self._waiting_bytes >= _BATCH_BYTES:
            self._commit()
        return len(pixels)

    def _commit(self) -> None:
        if self._file is None or not self._waiting:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._index.write(b"".join(_line_of(key, entry) for key, entry in self._waiting.items()))
        self._index.flush()
        os.fsync(self._index.fileno())
        self._entries.update(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0


def _key(path: Path) -> str:
    return digest(os.fspath(path.absolute()), stamp(path))


def _shard_name(shard: int) -> str:
    return f"shard-{shard:05d}.bin"


def _line_of(key: str, entry: _Entry) -> bytes:
    face = entry.face and [entry.face.box, entry.face.score, entry.face.keypoints]
    place = [entry.shard, entry.offset, entry.width, entry.height]
    return json.dumps({"key": key, "place": place, "crop": entry.crop, "face": face}).encode() + b"\n"


def _entry_of(line: dict[str, Any]) -> tuple[str, _Entry]:
    shard, offset, width, height = map(int, line["place"])
    x0, y0, x1, y1 = map(float, line["crop"])
    face = None
    if line["face"]:
        box, score, keypoints = line["face"]
        left, top, right, bottom = map(float, box)
        face = Face((left, top, right, bottom), float(score), tuple((float(x), float(y)) for x, y in keypoints))
    if min(width, height) < 1 or shard < 0:
        raise ValueError
    return str(line["key"]), _Entry(shard, offset, width, height, (x0, y0, x1, y1), face)
