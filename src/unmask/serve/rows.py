"""What the history's tables have in common: records by identifier and by time, cursors, and what retention deletes.

Every table here has the columns ``id`` and ``time_ms``, and may name a stored file by its content.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Table, delete, func, select

from unmask.serve.problems import Problem

ROWS_AT_ONCE = 1000


def one(connection: Connection, table: Table, identifier: UUID) -> RowMapping:
    """Return one record.

    Raises:
        Problem: 404, no such record.
    """
    row = connection.execute(select(table).where(table.c.id == identifier)).mappings().one_or_none()
    if row is None:
        raise Problem(404, "not_found", "No such record.")
    return row


def cursor_of(row: RowMapping) -> str:
    """Name the place behind a record in the list, newest first."""
    return base64.urlsafe_b64encode(f"{row['time_ms']}.{row['id'].hex}".encode()).decode().rstrip("=")


def parse_cursor(cursor: str) -> tuple[int, UUID]:
    """Read a cursor: time and identifier of the record that it lies behind.

    Raises:
        Problem: 422, the cursor is invalid.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        time_ms, _, identifier = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        parsed = int(time_ms)
        if not 0 <= parsed < 2**62:
            raise ValueError
        return parsed, UUID(hex=identifier)
    except ValueError:
        raise Problem(422, "bad_cursor", "Invalid cursor: use the value of next from the previous page.") from None


def is_named(connection: Connection, file: Column[Any], name: str) -> bool:
    """Whether a record names a stored file.

    Args:
        connection: to the database.
        file: the column that names files.
        name: of the file.
    """
    return connection.execute(select(file.table.c.id).where(file == name).limit(1)).first() is not None


def delete_rows(connection: Connection, table: Table, rows: Sequence[RowMapping]) -> None:
    """Delete records of a table; files that they name stay."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = [row["id"] for row in rows[start : start + ROWS_AT_ONCE]]
        connection.execute(delete(table).where(table.c.id.in_(some)))


def aged(
    connection: Connection, columns: Sequence[ColumnElement[Any]], table: Table, days: float, *, trusts_clock: bool
) -> list[RowMapping]:
    """Find records older than ``days``: at most a tenth of all records, so that no single mistake empties it.

    Args:
        connection: to the database.
        columns: to read.
        table: the records.
        days: greatest age of a record.
        trusts_clock: whether to go by the clock even where it says that all records are too old.
    """
    age, now = round(days * 86_400_000), time.time_ns() // 1_000_000
    count, newest = connection.execute(select(func.count(), func.max(table.c.time_ms)).select_from(table)).one()
    if not count:
        return []
    before = (now if trusts_clock or now - newest <= age else newest) - age
    old = select(*columns).where(table.c.time_ms < before).order_by(table.c.time_ms, table.c.id)
    return list(connection.execute(old.limit(math.ceil(count / 10))).mappings())


def surplus(
    connection: Connection, columns: Sequence[ColumnElement[Any]], table: Table, most: int
) -> Sequence[RowMapping]:
    """Find the oldest records beyond a number of them."""
    count = connection.execute(select(func.count()).select_from(table)).scalar_one()
    many = select(*columns).order_by(table.c.time_ms, table.c.id).limit(max(0, count - most))
    return connection.execute(many).mappings().all()


def beyond(
    connection: Connection,
    columns: Sequence[ColumnElement[Any]],
    file: Column[Any],
    size: Column[Any],
    limit: int,
) -> list[RowMapping]:
    """Find the oldest records to delete so that the files of the others fit into the limit in bytes.

    Args:
        connection: to the database.
        columns: to read, among them the next two.
        file: the column that names files.
        size: the column of their size in bytes.
        limit: greatest size of all files.
    """
    table = file.table
    newest = select(*columns).where(file.is_not(None)).order_by(table.c.time_ms.desc(), table.c.id)
    seen: set[str] = set()
    found = []
    for row in connection.execute(newest).mappings():
        if row[file.name] not in seen:
            limit -= row[size.name]
            seen.add(row[file.name])
        if limit < 0:
            found.append(row)
    return found
