"""The faces in a manifest's images: found once and kept in a file, so that no epoch searches again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unmask.errors import ImageError
from unmask.files import OutputFolder
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import FINDER_VERSION, Face, FaceFinder, FacePolicy
from unmask.journal import Journal
from unmask.parallel import ordered_map


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """The faces of one image.

    Attributes:
        face: the largest face, ``None`` when there is none.
        error: why the image could not be read, else ``None``.
    """

    face: Face | None
    error: str | None = None


class FaceIndex:
    """Largest face by image, in a :class:`~unmask.journal.Journal` that an interrupted search resumes from.

    A record is valid for the file's path, size and time of change under one face policy, so a changed image or policy
    is searched again.
    """

    def __init__(self, store: Path, policy: FacePolicy | None) -> None:
        self._store = store
        self._policy = policy
        described = f"{FINDER_VERSION}:{policy.model_dump_json() if policy else ''}"
        self._policy_digest = hashlib.sha256(described.encode()).hexdigest()[:16]

    def locate(
        self, paths: Iterable[Path], progress: Callable[[], object] = lambda: None, workers: int | None = None
    ) -> dict[Path, FaceRecord]:
        """The record of every image, searching those that are not in the file yet.

        Args:
            paths: the images.
            progress: called once per image.
            workers: threads; the number of CPUs by default.

        Raises:
            UsageError: ``cannot_write`` or ``outside_folder`` of the file.
        """
        finder = FaceFinder(self._policy) if self._policy is not None else None
        records: dict[Path, FaceRecord] = {}
        store = OutputFolder(self._store.parent).path / self._store.name
        with Journal(store, shared=True) as journal:

            def search(path: Path) -> tuple[Path, str, FaceRecord, bool]:
                key = self._key(path)
                known = _parse(journal.get(key))
                return path, key, known or _search(finder, path), known is None

            for path, key, record, is_new in ordered_map(search, paths, workers):
                records[path] = record
                if is_new:
                    journal.note(key, {"face": asdict(record.face) if record.face else None, "error": record.error})
                progress()
        return records

    def _key(self, path: Path) -> str:
        try:
            status = path.stat()
        except OSError:
            return f"{self._policy_digest}:{path}"
        return f"{self._policy_digest}:{path}:{status.st_size}:{status.st_mtime_ns}"


def _parse(found: dict[str, Any] | None) -> FaceRecord | None:
    """A record from the journal; ``None`` where there is none that can be read."""
    try:
        if found is None:
            return None
        face, error = found["face"], found["error"]
        if face is None:
            return FaceRecord(None, error)
        points = tuple((x, y) for x, y in face["keypoints"])
        return FaceRecord(Face(tuple(face["box"]), face["score"], points), error)
    except (ValueError, KeyError, TypeError):
        return None


def _search(finder: FaceFinder | None, path: Path) -> FaceRecord:
    try:
        image = decode_image(path)
        faces = finder.find(image) if finder is not None else []
    except ImageError as error:
        return FaceRecord(None, f"{error.code}: {error.message}")
    return FaceRecord(faces[0] if faces else None)
