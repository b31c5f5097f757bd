"""The history's tables, and opening and migrating their database."""

from __future__ import annotations

from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    create_engine,
    event,
    false,
    text,
)
from sqlalchemy.pool import StaticPool

metadata = MetaData()

# Times are whole milliseconds since 1970 in UTC: the same number in every database, and a sort key for cursors.
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("filename", Text, nullable=False),
    Column("result", String(4), nullable=False),
    Column("fake_probability", Float, nullable=False),
    Column("uncertain", Boolean, nullable=False),
    Column("model", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("image", Text),
    Column("image_bytes", BigInteger),
    Column("feedback", String(6)),
    Column("note", Text),
    Column("feedback_ms", BigInteger),
    Column("word", String(9), nullable=False, server_default=""),
    Column("marked", Boolean, nullable=False, server_default=false()),
    Column("evidence", Text),
    Column("thumbnail", LargeBinary),
    Index("verdicts_by_time", "time_ms", "id"),
    Index("verdicts_by_sha256", "sha256"),
)

# A clip has a record from the moment it is accepted; ``alive_ms`` is when the instance that has it last said so.
clips = Table(
    "clips",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("filename", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("state", String(9), nullable=False),
    Column("alive_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("word", String(9)),
    Column("fake_probability", Float),
    Column("verdict", Text),
    Column("error", Text),
    Column("clip", Text),
    Column("clip_bytes", BigInteger),
    Column("feedback", String(6)),
    Column("note", Text),
    Column("feedback_ms", BigInteger),
    Index("clips_by_time", "time_ms", "id"),
    Index("clips_by_sha256", "sha256"),
)

# An arbitrary number, the same for all instances of the service.
_LOCK = 0x756E6D61736B


def open_database(url: str) -> Engine:
    """Open a database and migrate its tables.

    Args:
        url: an SQLAlchemy URL; ``sqlite://`` is a database in memory, for one thread at a time.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached or written.
    """
    if url.startswith("sqlite"):
        # A second connection in memory would be a second database.
        pool: dict[str, Any] = {"poolclass": StaticPool} if url == "sqlite://" else {}
        engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 30}, **pool)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(url, pool_pre_ping=True, pool_size=4, connect_args={"connect_timeout": 10})
    with engine.begin() as connection:
        lock(connection)
        _upgrade(connection)
    return engine


def lock(connection: Connection) -> None:
    """Stop other instances from changing the tables or the stored files until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    # In SQLite every transaction here holds the database's one lock.


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "unmask.serve:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions would commit around CREATE TABLE.
    connection.isolation_level = None
    cursor = connection.cursor()
    # With a write-ahead log, readers and the writer never wait for each other. FULL: every commit is on the disk.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    # Overwrite deleted records, do not just unlink them.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
