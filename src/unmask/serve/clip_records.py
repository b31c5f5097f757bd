"""The records of clips for the event loop, within the limits of the history."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from unmask.serve.clip_files import ClipFolder
from unmask.serve.clip_store import ClipStore
from unmask.serve.database import open_database
from unmask.serve.history import History, retention_of
from unmask.serve.settings import Settings
from unmask.serve.store import Retention

log = logging.getLogger("unmask.serve")

_P = ParamSpec("_P")
_T = TypeVar("_T")
_SECONDS_BETWEEN_RETENTIONS = 60.0
SILENT_SECONDS: Final = 60.0
"""After this time without a word from its instance, a clip counts as interrupted."""
WITHOUT_HISTORY: Final = Retention(days=1 / 24, records=100)
"""What is held in memory by a service that keeps no history: a verdict has to wait for whoever asks for it."""


class ClipRecords:
    """Runs the methods of a clip store in the history's threads, or in one of its own where there is no history.

    Args:
        settings: settings of the service.
        history: the history of images; ``None`` if none is kept.

    Attributes:
        store: the store.
        loop: the event loop.
    """

    def __init__(self, settings: Settings, history: History | None) -> None:
        self.loop = asyncio.get_running_loop()
        self._history = history
        self._pool = None if history is not None else ThreadPoolExecutor(1, thread_name_prefix="unmask-clip-store")
        self._own = open_database("sqlite://") if history is None else None
        database = history.store.database if history is not None else self._own
        assert database is not None
        folder = settings.clips_folder
        self.store = ClipStore(
            database,
            ClipFolder(folder) if folder is not None else None,
            retention_of(settings) if history is not None else WITHOUT_HISTORY,
        )
        self._retaining: asyncio.Task[None] | None = None

    async def run(self, method: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a method of the store in a thread."""
        if self._history is not None:
            return await self._history.run(method, *args, **kwargs)
        return await self.loop.run_in_executor(self._pool, lambda: method(*args, **kwargs))

    async def start(self, mine: Callable[[], Collection[UUID]], *, alone: bool) -> None:
        """Fail the clips of instances that have ended; from then on do so once a minute, and delete old records.

        Args:
            mine: the clips that this instance has.
            alone: whether no other instance uses the database.
        """
        if interrupted := await self.run(self.store.interrupt, 0.0 if alone else SILENT_SECONDS):
            log.info("%d clips were interrupted when the service stopped", interrupted)
        self._retaining = asyncio.create_task(self._retain(mine))

    async def close(self) -> None:
        """Stop the threads of its own; the history closes its database itself."""
        if self._retaining is not None:
            self._retaining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._retaining
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)
        if self._own is not None:
            self._own.dispose()

    async def _retain(self, mine: Callable[[], Collection[UUID]]) -> None:
        with contextlib.suppress(SQLAlchemyError, OSError):
            await self.run(self.store.sweep)
        while True:
            try:
                await self.run(self.store.interrupt, SILENT_SECONDS, list(mine()))
                if deleted := await self.run(self.store.apply_retention):
                    log.info("deleted %d records of clips beyond the limits", deleted)
            except (SQLAlchemyError, OSError) as error:
                log.warning("cannot delete old records of clips: %s", type(error).__name__)
            await asyncio.sleep(_SECONDS_BETWEEN_RETENTIONS)
