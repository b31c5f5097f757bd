"""The records of clips in the history's database, with stored clips in a folder. Every method blocks."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, insert, or_, select, tuple_, update

from unmask.serve import rows
from unmask.serve.clip_files import ClipFolder
from unmask.serve.database import clips, lock
from unmask.serve.problems import Problem
from unmask.serve.schemas import Feedback
from unmask.serve.store import CLOCK_TRUSTED_AFTER, Retention

ClipState = Literal["waiting", "running", "done", "failed", "cancelled"]
UNFINISHED: Final = ("waiting", "running")
INTERRUPTED: Final = {
    "code": "interrupted",
    "message": "The service stopped before the clip was judged. Send it again.",
}
_REMOVED = [clips.c.id, clips.c.clip, clips.c.clip_bytes]


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One accepted clip.

    Attributes:
        sha256: SHA-256 of the uploaded bytes.
        filename: file name, safe to show.
        bytes: size of the upload.
        frames: number of frames to judge.
        id: identifier of the record.
        time_ms: milliseconds since 1970, UTC.
    """

    sha256: str
    filename: str
    bytes: int
    frames: int
    id: UUID = field(default_factory=uuid4)
    time_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


@dataclass(frozen=True, slots=True)
class ClipQuery:
    """Filter for the clips.

    Attributes:
        text: part of a file name or note, or the start of a SHA-256; '' for all.
        state: of the clip, or ``None`` for all.
        verdict: ``FAKE``, ``REAL``, ``UNCERTAIN``, ``NO_FACE``, or ``None`` for all.
    """

    text: str = ""
    state: str | None = None
    verdict: str | None = None


class ClipStore:
    """The table of clips.

    Args:
        database: open, with the tables of the history; not closed here.
        folder: folder for clips; ``None`` stores none.
        retention: limits of the history; those on images hold for clips by themselves.
    """

    def __init__(self, database: Engine, folder: ClipFolder | None = None, retention: Retention | None = None) -> None:
        self._database = database
        self._folder = folder
        self._retention = retention or Retention()
        self._opened = time.monotonic()

    def add(self, record: ClipRecord) -> None:
        """Store a clip that waits; once this returns it is on the disk."""
        values = {name: getattr(record, name) for name in ("id", "time_ms", "sha256", "filename", "bytes", "frames")}
        with self._database.begin() as connection:
            connection.execute(insert(clips).values(**values, state="waiting", alive_ms=record.time_ms))

    def get(self, identifier: UUID) -> RowMapping:
        """Return one record.

        Raises:
            Problem: 404, no such record.
        """
        with self._database.begin() as connection:
            return rows.one(connection, clips, identifier)

    def begin(self, identifier: UUID) -> bool:
        """Note that a waiting clip is being judged; return whether it is still wanted."""
        return self._change(identifier, {"state": "running", "alive_ms": _now()})

    def finish(self, identifier: UUID, content: dict[str, Any], source: Path | None) -> bool:
        """Store a verdict; return whether it was still wanted.

        Args:
            identifier: of the record.
            content: the verdict as plain values.
            source: the clip, which is moved to the folder for clips; ``None`` does not store it.
        """
        with self._database.begin() as connection:
            lock(connection)
            row = connection.execute(select(clips).where(clips.c.id == identifier)).mappings().one_or_none()
            if row is None or row["state"] not in UNFINISHED:
                return False
            name = self._folder.take(row["sha256"], source) if self._folder is not None and source else None
            values = {
                "state": "done",
                "ended_ms": _now(),
                "word": content["verdict"],
                "fake_probability": content["fake_probability"],
                "verdict": json.dumps(content, separators=(",", ":")),
                "clip": name,
                "clip_bytes": row["bytes"] if name else None,
            }
            connection.execute(update(clips).where(clips.c.id == identifier).values(values))
        return True

    def fail(self, identifier: UUID, error: dict[str, str]) -> bool:
        """Note that a clip could not be judged; return whether that changed anything.

        Args:
            identifier: of the record.
            error: ``code`` and ``message``.
        """
        return self._change(identifier, {"state": "failed", "ended_ms": _now(), "error": json.dumps(error)})

    def cancel(self, identifier: UUID) -> RowMapping:
        """Cancel a clip that is not finished; return its record, finished or not.

        Raises:
            Problem: 404, no such record.
        """
        self._change(identifier, {"state": "cancelled", "ended_ms": _now()})
        return self.get(identifier)

    def beat(self, identifiers: Collection[UUID]) -> set[UUID]:
        """Note that this instance still has these clips; return those that nobody cancelled or deleted meanwhile."""
        with self._database.begin() as connection:
            wanted = clips.c.id.in_(list(identifiers)) & clips.c.state.in_(UNFINISHED)
            connection.execute(update(clips).where(wanted).values(alive_ms=_now()))
            return set(connection.execute(select(clips.c.id).where(wanted)).scalars())

    def interrupt(self, silent_seconds: float, spared: Collection[UUID] = ()) -> int:
        """Fail the clips whose instance has ended; return their number.

        Args:
            silent_seconds: time since their instance last said that it has them; 0 for all.
            spared: clips of this instance.
        """
        lost = clips.c.state.in_(UNFINISHED) & (clips.c.alive_ms <= _now() - round(1000 * silent_seconds))
        values = {"state": "failed", "ended_ms": _now(), "error": json.dumps(INTERRUPTED)}
        with self._database.begin() as connection:
            found = connection.execute(update(clips).where(lost & clips.c.id.not_in(list(spared))).values(values))
            return found.rowcount

    def page(self, query: ClipQuery, cursor: str | None, limit: int) -> tuple[list[RowMapping], str | None]:
        """Return records without their verdicts, newest first, and the cursor of the next page if there is one.

        Raises:
            Problem: 422, the cursor is invalid.
        """
        statement = select(*[column for column in clips.c if column.name != "verdict"]).where(*_conditions(query))
        if cursor is not None:
            statement = statement.where(tuple_(clips.c.time_ms, clips.c.id) < tuple_(*rows.parse_cursor(cursor)))
        statement = statement.order_by(clips.c.time_ms.desc(), clips.c.id.desc()).limit(limit + 1)
        with self._database.begin() as connection:
            found = list(connection.execute(statement).mappings())
        return found[:limit], rows.cursor_of(found[limit - 1]) if len(found) > limit else None

    def give_feedback(self, identifier: UUID, feedback: Feedback) -> RowMapping:
        """Store feedback on a verdict, in place of earlier feedback.

        Raises:
            Problem: 404, no such record; 409, it has no verdict.
        """
        values = {"feedback": feedback.verdict, "note": feedback.note, "feedback_ms": _now()}
        judged = (clips.c.id == identifier) & (clips.c.state == "done")
        with self._database.begin() as connection:
            if connection.execute(update(clips).where(judged).values(values)).rowcount == 0:
                rows.one(connection, clips, identifier)
                raise Problem(409, "no_verdict", "There is no verdict on this clip to give feedback on.")
            return rows.one(connection, clips, identifier)

    def remove(self, identifier: UUID) -> None:
        """Delete a record, and its clip if no other record has the same.

        Raises:
            Problem: 404, no such record.
        """
        with self._database.begin() as connection:
            lock(connection)
            self._delete(connection, [rows.one(connection, clips, identifier)])

    def file(self, identifier: UUID) -> Path:
        """Where the clip of a record is stored.

        Raises:
            Problem: 404, no such record, or its clip was not stored.
        """
        name = self.get(identifier)["clip"]
        path = self._folder.locate(name) if self._folder is not None and name else None
        if path is None:
            raise Problem(404, "no_clip", "The clip of this record was not stored.")
        return path

    def apply_retention(self) -> int:
        """Delete finished records beyond the limits; return their number. See ``Store.apply_retention``."""
        trusts_clock = time.monotonic() - self._opened > CLOCK_TRUSTED_AFTER
        limits, deleted = self._retention, 0
        with self._database.begin() as connection:
            lock(connection)
            if limits.days:
                old = rows.aged(connection, _REMOVED, clips, limits.days, trusts_clock=trusts_clock)
                deleted += self._delete(connection, old)
            if limits.records:
                deleted += self._delete(connection, rows.surplus(connection, _REMOVED, clips, limits.records))
            if limits.image_bytes and self._folder is not None:
                stored = (clips.c.clip, clips.c.clip_bytes)
                deleted += self._delete(connection, rows.beyond(connection, _REMOVED, *stored, limits.image_bytes))
        return deleted

    def sweep(self) -> int:
        """Delete the files that killed processes leave without a record; return their number."""
        if self._folder is None:
            return 0
        with self._database.begin() as connection:
            lock(connection)
            orphans = [name for name in self._folder.names() if not rows.is_named(connection, clips.c.clip, name)]
            for name in orphans:
                self._folder.remove(name)
            return len(orphans)

    def _change(self, identifier: UUID, values: dict[str, Any]) -> bool:
        unfinished = (clips.c.id == identifier) & clips.c.state.in_(UNFINISHED)
        with self._database.begin() as connection:
            return connection.execute(update(clips).where(unfinished).values(values)).rowcount == 1

    def _delete(self, connection: Connection, found: Sequence[RowMapping]) -> int:
        rows.delete_rows(connection, clips, found)
        if self._folder is not None:
            for name in {row["clip"] for row in found if row["clip"]}:
                if not rows.is_named(connection, clips.c.clip, name):
                    self._folder.remove(name)
        return len(found)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _conditions(query: ClipQuery) -> Iterator[ColumnElement[bool]]:
    if query.text:
        yield or_(
            clips.c.filename.icontains(query.text, autoescape=True),
            clips.c.note.icontains(query.text, autoescape=True),
            clips.c.sha256.startswith(query.text.lower(), autoescape=True),
        )
    if query.state is not None:
        yield clips.c.state == query.state
    if query.verdict is not None:
        yield clips.c.word == query.verdict
