"""Verdicts kept in a journal, so that a run that was stopped judges only what is missing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar, get_type_hints

import numpy as np
from pydantic import BaseModel, Field, ValidationError, create_model

from unmask.detect.detector import Detector
from unmask.detect.verdict import RegionVerdict, Verdict
from unmask.errors import ImageError, UsageError
from unmask.files import digest, stamp
from unmask.imaging.faces import Box, Face
from unmask.journal import Journal

_KIND: Final = "unmask detect"
_SCHEMA: Final = 1
_MOST_HEADER: Final = 64 * 1024  # bytes of a first line that are read
_HASH_SHOWN: Final = 12


class _Face(BaseModel):
    box: Box
    fake_probability: float = Field(ge=0, le=1)


# What a journal holds of a verdict, by its own types. Not kept: the path, which is the one given, and evidence maps.
_FIELDS: Final = {
    name: kind for name, kind in get_type_hints(Verdict).items() if name not in {"path", "regions", "error"}
}
_Kept: Final[Any] = create_model(
    "_Kept", faces=(tuple[_Face, ...], ...), **{name: (kind, ...) for name, kind in _FIELDS.items()}
)  # type: ignore[call-overload]


class _Finished(Protocol):
    """A verdict, which may hold an error."""

    @property
    def error(self) -> ImageError | None: ...


_Judged = TypeVar("_Judged", bound=_Finished)


class KeptVerdicts:
    """A detector that keeps its verdicts in a journal and does not judge again what is in there.

    A verdict belongs to a file by its absolute path, its size and the time of its last change, so a changed file is
    judged again. Images that could not be read are not kept: the next run tries them again. Each verdict is one line,
    written as soon as it is made, so a kill loses at most the images in hand. A context manager; safe to use from
    several threads.

    Args:
        path: the journal, made if it is not there; its folder must exist.
        detector: makes the verdicts that are missing. The journal belongs to its bundle and threshold.

    Attributes:
        reused: verdicts that came from the journal.

    Raises:
        UsageError: ``journal_in_use``, another run has it open; ``bad_journal``, it is one of another bundle or
            threshold, or no journal; ``cannot_write``; ``outside_folder``, it is a link.
    """

    def __init__(self, path: Path, detector: Detector) -> None:
        self._detector = detector
        self.reused = 0
        self._turn = Lock()
        header = _header(detector)
        _check(path, header)
        try:
            self._journal = Journal(path, header=json.dumps(header).encode() + b"\n")
        except UsageError as error:
            if error.code != "folder_in_use":
                raise
            raise UsageError("journal_in_use", f"{path}: another run is using this journal") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def judge(self, path: str) -> Verdict:
        """The verdict on an image file: the kept one, without evidence maps, or a new one, which is then kept.

        An unreadable image gives a verdict with the error.

        Raises:
            UsageError: ``cannot_write``.
        """
        return self.keep(path, (), lambda: self._detector.detect_or_error(path), _facts, _restored)

    def keep(
        self,
        path: str,
        about: tuple[object, ...],
        judge: Callable[[], _Judged],
        facts: Callable[[_Judged], dict[str, Any]],
        restored: Callable[[dict[str, Any], str], _Judged | None],
    ) -> _Judged:
        """The verdict on a file: the kept one or a new one, which is then kept.

        Args:
            path: of the file.
            about: what else the verdict follows from, besides the file, the bundle and the threshold.
            judge: makes the verdict.
            facts: what is kept of it, as plain values.
            restored: makes it from the facts and the path; ``None`` where they are damaged.

        Raises:
            UsageError: ``cannot_write``.
        """
        if "\0" in path:  # no file has such a name
            return judge()
        # As it was before reading: a file that changes meanwhile is judged again by the next run.
        key = digest(os.path.abspath(path), *stamp(Path(path)), *about)  # noqa: PTH100 - Path.absolute keeps ".."
        kept = self._journal.get(key)
        if kept is not None and (verdict := restored(kept, path)) is not None:
            with self._turn:
                self.reused += 1
            return verdict
        verdict = judge()
        if verdict.error is None:
            self._journal.note(key, {"path": path, **facts(verdict)})
        return verdict


def _facts(verdict: Verdict) -> dict[str, Any]:
    faces = [
        {"box": region.face.box, "fake_probability": region.fake_probability} for region in verdict.faces if region.face
    ]
    fields = {name: getattr(verdict, name) for name in _FIELDS}
    facts: dict[str, Any] = _Kept(faces=faces, **fields).model_dump(mode="json")
    return facts


def _restored(facts: dict[str, Any], path: str) -> Verdict | None:
    """The verdict of a line; ``None`` where the line is damaged or lacks what verdicts now have."""
    try:
        kept: Any = _Kept.model_validate(facts)
    except ValidationError:
        return None
    nothing = np.zeros((0, 0), np.float32)
    regions = tuple(
        RegionVerdict(Face(face.box, 1.0, ()), face.box, face.fake_probability, nothing) for face in kept.faces
    )
    return Verdict(path=path, regions=regions, error=None, **{name: getattr(kept, name) for name in _FIELDS})


def _header(detector: Detector) -> dict[str, Any]:
    thresholds = [each.threshold for each in detector.detectors]
    return {
        "journal": _KIND,
        "schema": _SCHEMA,
        "model": ", then ".join(each.model_name for each in detector.detectors),
        "bundle_sha256": "+".join(each.bundle.sha256 for each in detector.detectors),
        "threshold": detector.threshold if len(thresholds) == 1 else thresholds,
    }


def _check(path: Path, wanted: dict[str, Any]) -> None:
    """Refuse a file that belongs to other verdicts, before it is opened for writing.

    Raises:
        UsageError: ``bad_journal``.
    """
    if not path.is_file():  # new, or an error to be found on opening
        if path.exists():
            raise UsageError("bad_journal", f"{path}: is not a file")
        return
    try:
        with path.open("rb") as file:
            first = file.readline(_MOST_HEADER)
        found = json.loads(first) if first.endswith(b"\n") else None
    except OSError:
        return  # as above
    except (ValueError, RecursionError):
        found = {}
    if found is None and len(first) < _MOST_HEADER:
        return  # empty, or killed while writing the very first line
    if not isinstance(found, dict) or found.get("journal") != _KIND or found.get("schema") != _SCHEMA:
        raise UsageError("bad_journal", f"{path}: is not a journal of this version of unmask detect")
    if found.get("bundle_sha256") != wanted["bundle_sha256"]:
        this, other = (
            f"{header.get('model')} ({str(header.get('bundle_sha256'))[:_HASH_SHOWN]})" for header in (wanted, found)
        )
        raise UsageError(
            "bad_journal", f"{path}: holds verdicts of the bundle {other}, not of {this}; use another journal"
        )
    if found.get("threshold") != wanted["threshold"]:
        raise UsageError(
            "bad_journal",
            f"{path}: holds verdicts for the threshold {found.get('threshold')}, not {wanted['threshold']}; "
            "use another journal",
        )
