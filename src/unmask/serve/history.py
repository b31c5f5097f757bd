"""The store for the event loop: records that arrive together are written in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from unmask.serve.images import ImageFolder
from unmask.serve.settings import MEMORY, Settings
from unmask.serve.store import Record, Retention, Store

log = logging.getLogger("unmask.serve")

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MOST_IN_MEMORY = 10_000
_SECONDS_BETWEEN_RETENTIONS = 60.0


def open_store(settings: Settings) -> Store | None:
    """Open the store that the settings name; ``None`` for no history.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError: the store cannot be reached or written.
    """
    if settings.database_url is None:
        return None
    if settings.store_folder is not None:
        settings.store_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    images = ImageFolder(settings.images_folder) if settings.images_folder is not None else None
    return Store(settings.database_url, images, retention_of(settings))


def retention_of(settings: Settings) -> Retention:
    """The limits of the history that the settings give."""
    records = settings.keep_records
    if settings.store == MEMORY:
        records = min(records or _MOST_IN_MEMORY, _MOST_IN_MEMORY)
    return Retention(settings.keep_days, records, round(settings.keep_mib * 2**20))


class History:
    """Runs the methods of a store in threads.

    Args:
        store: an open store, which the history closes.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._pool = ThreadPoolExecutor(store.threads, thread_name_prefix="unmask-store")
        self._pending: list[tuple[Sequence[Record], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._retaining: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to delete records and images beyond the limits, once a minute."""
        self._retaining = asyncio.create_task(self._retain())

    async def run(self, method: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a method of the store in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: method(*args, **kwargs))

    async def add(self, records: Sequence[Record]) -> None:
        """Store verdicts; returns once they are on the disk.

        Records that arrive during a transaction are written together in the next one, so concurrent requests
        share one wait for the disk.
        """
        written = asyncio.get_running_loop().create_future()
        self._pending.append((records, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(written)

    async def close(self) -> None:
        """Finish pending writes, then close the store."""
        if self._retaining is not None:
            self._retaining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._retaining
        if self._writing is not None:
            await self._writing
        await asyncio.to_thread(self._pool.shutdown)
        self.store.close()

    async def _write(self) -> None:
        while self._pending:
            pending, self._pending = self._pending, []
            try:
                await self.run(self.store.add, [record for records, _ in pending for record in records])
            except Exception as error:  # every waiting request must get it
                for _, written in pending:
                    written.set_exception(error)
            else:
                for _, written in pending:
                    written.set_result(None)

    async def _retain(self) -> None:
        with contextlib.suppress(SQLAlchemyError, OSError):
            await self.run(self.store.sweep)
        while True:
            try:
                if deleted := await self.run(self.store.apply_retention):
                    log.info("deleted %d records beyond the limits", deleted)
            except (SQLAlchemyError, OSError) as error:
                log.warning("cannot delete old records: %s", type(error).__name__)
            await asyncio.sleep(_SECONDS_BETWEEN_RETENTIONS)
