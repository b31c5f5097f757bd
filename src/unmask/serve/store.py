"""The history of verdicts in a database, with stored images in a folder. Every method blocks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, func, insert, or_, select, tuple_, update

from unmask.detect.verdict import Verdict
from unmask.serve import evidence, rows
from unmask.serve.database import lock, open_database, verdicts
from unmask.serve.images import ImageFolder
from unmask.serve.problems import Problem
from unmask.serve.schemas import Feedback

# Columns to read: evidence and thumbnails are most of a record, and few readers need them.
_WITHOUT_EVIDENCE = [column for column in verdicts.c if column.name != "evidence"]
_EXPORTED = [column for column in _WITHOUT_EVIDENCE if column.name != "thumbnail"]
_REMOVED = [verdicts.c.id, verdicts.c.image, verdicts.c.image_bytes]
CLOCK_TRUSTED_AFTER = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Record:
    """One verdict to store.

    Attributes:
        sha256: SHA-256 of the uploaded bytes.
        filename: file name, safe to show.
        verdict: a verdict without an error.
        data: the uploaded bytes, stored only with ``--keep-images``.
        thumbnail: the image as a small JPEG, if images are stored.
        id: identifier of the record.
        time_ms: milliseconds since 1970, UTC.
    """

    sha256: str
    filename: str
    verdict: Verdict
    data: bytes
    thumbnail: bytes | None = None
    id: UUID = field(default_factory=uuid4)
    time_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


@dataclass(frozen=True, slots=True)
class Query:
    """Filter for the history.

    Attributes:
        text: part of a file name or note, or the start of a SHA-256; '' for all.
        verdict: ``FAKE``, ``REAL``, ``UNCERTAIN``, ``NO_FACE``, or ``None`` for all.
        marked: only verdicts with marks, or only others; ``None`` for both.
        result: ``REAL``, ``FAKE``, or ``None`` for both.
        uncertain: only uncertain verdicts, or only others; ``None`` for both.
        feedback: ``right``, ``wrong``, ``unsure``, ``none``, or ``None`` for all.
    """

    text: str = ""
    verdict: str | None = None
    marked: bool | None = None
    result: str | None = None
    uncertain: bool | None = None
    feedback: str | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits of the history; 0 sets no limit.

    Attributes:
        days: greatest age of a record.
        records: greatest number of records.
        image_bytes: greatest size of all images.
    """

    days: float = 0
    records: int = 0
    image_bytes: int = 0


class Store:
    """The database of the history.

    Args:
        url: URL of the database; see ``open_database``.
        images: folder for images; ``None`` stores none.
        retention: limits of the history.

    Attributes:
        threads: number of threads that may use the store at once.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached or written; also raised by every method.
    """

    def __init__(self, url: str, images: ImageFolder | None = None, retention: Retention | None = None) -> None:
        self._engine = open_database(url)
        # SQLite has one writer; in memory also just one connection.
        self.threads = 4 if self._engine.dialect.name == "postgresql" else 1
        self._images = images
        self._retention = retention or Retention()
        self._opened = time.monotonic()

    @property
    def database(self) -> Engine:
        """The open database, for the other tables of the history; closed with the store."""
        return self._engine

    def add(self, records: Sequence[Record]) -> None:
        """Store verdicts, all or none; once this returns they are on the disk."""
        with self._engine.begin() as connection:
            if self._images is not None:
                lock(connection)
            connection.execute(insert(verdicts), [self._row(record) for record in records])

    def get(self, identifier: UUID) -> RowMapping:
        """Return one record.

        Raises:
            Problem: 404, no such record.
        """
        with self._engine.begin() as connection:
            return rows.one(connection, verdicts, identifier)

    def page(self, query: Query, cursor: str | None, limit: int) -> tuple[list[RowMapping], str | None]:
        """Return records, newest first, and the cursor of the next page if there is one.

        Raises:
            Problem: 422, the cursor is invalid.
        """
        statement = select(*_WITHOUT_EVIDENCE).where(*_conditions(query))
        if cursor is not None:
            statement = statement.where(tuple_(verdicts.c.time_ms, verdicts.c.id) < tuple_(*rows.parse_cursor(cursor)))
        statement = statement.order_by(verdicts.c.time_ms.desc(), verdicts.c.id.desc()).limit(limit + 1)
        with self._engine.begin() as connection:
            found = list(connection.execute(statement).mappings())
        return found[:limit], rows.cursor_of(found[limit - 1]) if len(found) > limit else None

    def give_feedback(self, identifier: UUID, feedback: Feedback) -> RowMapping:
        """Store feedback on a verdict, in place of earlier feedback.

        Raises:
            Problem: 404, no such record.
        """
        values = {
            "feedback": feedback.verdict,
            "note": feedback.note,
            "feedback_ms": time.time_ns() // 1_000_000,
        }
        with self._engine.begin() as connection:
            connection.execute(update(verdicts).where(verdicts.c.id == identifier).values(values))
            return rows.one(connection, verdicts, identifier)

    def remove(self, identifier: UUID) -> None:
        """Delete a record, and its image if no other record has the same.

        Raises:
            Problem: 404, no such record.
        """
        with self._engine.begin() as connection:
            lock(connection)
            row = rows.one(connection, verdicts, identifier)
            self._delete(connection, [row])

    def labelled(self, after: UUID | None) -> list[RowMapping]:
        """Return the next rows of the export: for each image the record with the latest feedback of right or wrong.

        Only that on ``FAKE`` and ``REAL`` counts: on the other verdicts it does not say what the image is.
        """
        judged = verdicts.c.feedback.in_(("right", "wrong")) & verdicts.c.word.in_(("FAKE", "REAL"))
        rank = func.row_number().over(
            partition_by=verdicts.c.sha256, order_by=(verdicts.c.feedback_ms.desc(), verdicts.c.id)
        )
        ranked = select(*_EXPORTED, rank.label("rank")).where(judged).subquery()
        return self._export(select(ranked).where(ranked.c.rank == 1), ranked.c.id, after)

    def everything(self, after: UUID | None) -> list[RowMapping]:
        """Return the next rows of the export of all records."""
        return self._export(select(*_EXPORTED), verdicts.c.id, after)

    def apply_retention(self) -> int:
        """Delete records beyond the limits; return their number.

        A clock that is set to the future must not empty the history. Where all records look too old, their age counts
        from the newest one until this store has been open for a day, in which a wrong clock is noticed.
        """
        trusts_clock = time.monotonic() - self._opened > CLOCK_TRUSTED_AFTER
        limits, deleted = self._retention, 0
        with self._engine.begin() as connection:
            lock(connection)
            if limits.days:
                old = rows.aged(connection, _REMOVED, verdicts, limits.days, trusts_clock=trusts_clock)
                deleted += self._delete(connection, old)
            if limits.records:
                deleted += self._delete(connection, rows.surplus(connection, _REMOVED, verdicts, limits.records))
            if limits.image_bytes and self._images is not None:
                images = (verdicts.c.image, verdicts.c.image_bytes)
                deleted += self._delete(connection, rows.beyond(connection, _REMOVED, *images, limits.image_bytes))
        return deleted

    def sweep(self) -> int:
        """Delete the image files that killed processes leave, partial or without a record; return their number."""
        if self._images is None:
            return 0
        with self._engine.begin() as connection:
            lock(connection)
            orphans = [name for name in self._images.names() if not rows.is_named(connection, verdicts.c.image, name)]
            for name in orphans:
                self._images.remove(name)
            return len(orphans) + self._images.remove_partials()

    def check(self) -> None:
        """Ask the database for nothing."""
        with self._engine.begin() as connection:
            connection.execute(select(1))

    def image(self, row: RowMapping) -> bytes:
        """Return the stored image of a record.

        Raises:
            Problem: 404, the image was not stored.
        """
        data = self._images.read(row["image"]) if self._images is not None and row["image"] else None
        if data is None:
            raise Problem(404, "no_image", "The image of this record was not stored.")
        return data

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _row(self, record: Record) -> dict[str, Any]:
        verdict = record.verdict
        content = verdict.to_json()
        name = self._images.write(record.sha256, record.data) if self._images is not None else None
        return {
            "id": record.id,
            "time_ms": record.time_ms,
            "sha256": record.sha256,
            "filename": record.filename,
            "result": content["result"],
            "fake_probability": content["fake_probability"],
            "uncertain": content["uncertain"],
            "model": content["model"],
            "verdict": json.dumps(content, separators=(",", ":")),
            "image": name,
            "image_bytes": len(record.data) + len(record.thumbnail or b"") if name else None,
            "word": verdict.verdict,
            "marked": bool(verdict.marks),
            "evidence": evidence.to_text(verdict),
            "thumbnail": record.thumbnail if name else None,
        }

    def _delete(self, connection: Connection, found: Sequence[RowMapping]) -> int:
        rows.delete_rows(connection, verdicts, found)
        if self._images is not None:
            for name in {row["image"] for row in found if row["image"]}:
                if not rows.is_named(connection, verdicts.c.image, name):
                    self._images.remove(name)
        return len(found)

    def _export(self, statement: Any, key: ColumnElement[UUID], after: UUID | None) -> list[RowMapping]:
        if after is not None:
            statement = statement.where(key > after)
        with self._engine.begin() as connection:
            return list(connection.execute(statement.order_by(key).limit(rows.ROWS_AT_ONCE)).mappings())


def _conditions(query: Query) -> Iterator[ColumnElement[bool]]:
    if query.text:
        yield or_(
            verdicts.c.filename.icontains(query.text, autoescape=True),
            verdicts.c.note.icontains(query.text, autoescape=True),
            verdicts.c.sha256.startswith(query.text.lower(), autoescape=True),
        )
    if query.verdict is not None:
        yield verdicts.c.word == query.verdict
    if query.marked is not None:
        yield verdicts.c.marked.is_(query.marked)
    if query.result is not None:
        yield verdicts.c.result == query.result
    if query.uncertain is not None:
        yield verdicts.c.uncertain.is_(query.uncertain)
    if query.feedback == "none":
        yield verdicts.c.feedback.is_(None)
    elif query.feedback is not None:
        yield verdicts.c.feedback == query.feedback
