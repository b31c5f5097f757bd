"""The store for the event loop: records that arrive together are written together."""

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
    """The store of a service with these settings; ``None`` when nothing is kept.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError: it cannot be reached or written.
    """
    if settings.database_url is None:
        return None
    if settings.store_folder is not None:
        settings.store_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    images = ImageFolder(settings.images_folder) if settings.images_folder is not None else None
    records = settings.keep_records
    if settings.store == MEMORY:
        records = min(records or _MOST_IN_MEMORY, _MOST_IN_MEMORY)
    return Store(
        settings.database_url, images, Retention(settings.keep_days, records, round(settings.keep_mib * 2**20))
    )


class History:
    """Runs a store's methods in threads.

    Args:
        store: opened; is closed with the history.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._pool = ThreadPoolExecutor(store.threads, thread_name_prefix="unmask-store")
        self._pending: list[tuple[Sequence[Record], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._retaining: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to delete what is too old or too much, from time to time."""
        self._retaining = asyncio.create_task(self._retain())

    async def run(self, method: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """A method of the store, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: method(*args, **kwargs))

    async def add(self, records: Sequence[Record]) -> None:
        """Keep verdicts; returns once they are on the disk.

        What arrives while a transaction is under way goes into the next one together, so many requests share the
        wait for the disk.
        """
        written = asyncio.get_running_loop().create_future()
        self._pending.append((records, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(written)

    async def close(self) -> None:
        """Finish what is being written, then close the store."""
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
            except Exception as error:  # every request that waits must hear of it
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
                if gone := await self.run(self.store.retain):
                    log.info("%d records were too old or too many", gone)
            except (SQLAlchemyError, OSError) as error:
                log.warning("old records could not be deleted: %s", type(error).__name__)
            await asyncio.sleep(_SECONDS_BETWEEN_RETENTIONS)
