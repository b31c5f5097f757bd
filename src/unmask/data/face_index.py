"""Where the faces of a manifest's images are: found once, kept in a file, so that an epoch need not search again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from unmask.errors import ImageError
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import FINDER_VERSION, Face, FaceFinder, FacePolicy
from unmask.parallel import ordered_map


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """What is known of one image's faces.

    Attributes:
        face: the largest face, ``None`` when there is none.
        error: why the image could not be read, else ``None``.
    """

    face: Face | None
    error: str | None = None


class FaceIndex:
    """Largest face by image, in a JSON-lines file that an interrupted search goes on from.

    A line is valid for the file's path, size and time of change under one face policy, so a changed image or
    policy is searched again.
    """

    def __init__(self, store: Path, policy: FacePolicy | None) -> None:
        self._store = store
        self._policy = policy
        described = f"{FINDER_VERSION}:{policy.model_dump_json() if policy else ''}"
        self._policy_digest = hashlib.sha256(described.encode()).hexdigest()[:16]
        self._cut_short = False
        self._known = self._read()

    def locate(
        self, paths: Iterable[Path], progress: Callable[[], object] = lambda: None, workers: int | None = None
    ) -> dict[Path, FaceRecord]:
        """The record of every image, searching those that are not in the file yet.

        Args:
            paths: the images.
            progress: called once an image.
            workers: threads; the number of CPUs by default.
        """
        finder = FaceFinder(self._policy) if self._policy is not None else None
        records: dict[Path, FaceRecord] = {}
        self._store.parent.mkdir(parents=True, exist_ok=True)
        with self._store.open("a", encoding="utf-8", buffering=1) as out:
            if self._cut_short:
                out.write("\n")
                self._cut_short = False

            def search(path: Path) -> tuple[Path, str, FaceRecord, bool]:
                key = self._key(path)
                if key in self._known:
                    return path, key, self._known[key], False
                return path, key, _search(finder, path), True

            for path, key, record, is_new in ordered_map(search, paths, workers):
                records[path] = self._known[key] = record
                if is_new:
                    line = {
                        "key": key,
                        "face": asdict(record.face) if record.face else None,
                        "error": record.error,
                    }
                    out.write(json.dumps(line) + "\n")
                progress()
        return records

    def _key(self, path: Path) -> str:
        try:
            status = path.stat()
        except OSError:
            return f"{self._policy_digest}:{path}"
        return f"{self._policy_digest}:{path}:{status.st_size}:{status.st_mtime_ns}"

    def _read(self) -> dict[str, FaceRecord]:
        known: dict[str, FaceRecord] = {}
        if not self._store.exists():
            return known
        content = self._store.read_text(encoding="utf-8")
        self._cut_short = bool(content) and not content.endswith("\n")
        for text in content.splitlines():
            try:
                line = json.loads(text)
                face = line["face"] and Face(
                    tuple(line["face"]["box"]),
                    line["face"]["score"],
                    tuple((x, y) for x, y in line["face"]["keypoints"]),
                )
                known[line["key"]] = FaceRecord(face, line["error"])
            except (ValueError, KeyError, TypeError):
                continue  # a line that a kill cut short: that image is searched again
        return known


def _search(finder: FaceFinder | None, path: Path) -> FaceRecord:
    try:
        image = decode_image(path)
        faces = finder.find(image) if finder is not None else []
    except ImageError as error:
        return FaceRecord(None, f"{error.code}: {error.message}")
    return FaceRecord(faces[0] if faces else None)
