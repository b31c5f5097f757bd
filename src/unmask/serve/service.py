"""The parts that all routes share, and the path of uploaded images through them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from unmask.detect.verdict import Verdict
from unmask.serve.clips import Clips, why_no_clips
from unmask.serve.engine import Engine, Judged
from unmask.serve.explain_queue import ExplainQueue
from unmask.serve.history import History
from unmask.serve.limits import until
from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem
from unmask.serve.settings import Settings
from unmask.serve.store import Record
from unmask.serve.uploads import Upload

_T = TypeVar("_T")


@dataclass(frozen=True)
class Service:
    """The parts of a running service.

    Attributes:
        settings: settings of the service.
        engine: the detector and its queue.
        explain_queue: the explainer and its queue.
        history: the history; ``None`` if none is kept.
        metrics: metrics of the service.
        clips: the parts for clips; ``None`` if none are accepted.
    """

    settings: Settings
    engine: Engine
    explain_queue: ExplainQueue
    history: History | None
    metrics: Metrics
    clips: Clips | None = None

    async def judge(self, request: Request, uploads: Sequence[Upload]) -> list[tuple[Verdict, Record | None]]:
        """Classify uploads; return verdicts in their order, each with its record in the history.

        Raises:
            Problem: 429, 504.
            ClientDisconnect: the client has gone; images that had not been started were dropped.
        """
        async with until(request.scope["unmask.deadline"]):
            judged = await while_connected(request, self.engine.judge([upload.data for upload in uploads]))
            records = self._records(uploads, judged)
            if self.history is not None and any(records):
                await self.history.add([record for record in records if record is not None])
        return [(item.verdict, record) for item, record in zip(judged, records, strict=True)]

    def _records(self, uploads: Sequence[Upload], judged: Sequence[Judged]) -> list[Record | None]:
        return [
            Record(hashlib.sha256(upload.data).hexdigest(), upload.filename, verdict, upload.data, thumbnail)
            if self.history is not None and verdict.error is None
            else None
            for upload, (verdict, thumbnail) in zip(uploads, judged, strict=True)
        ]

    def require_history(self) -> History:
        """Return the history.

        Raises:
            Problem: 404, this service keeps no history.
        """
        if self.history is None:
            raise Problem(404, "no_history", "This service keeps no history.")
        return self.history

    def require_clips(self) -> Clips:
        """Return the parts for clips.

        Raises:
            Problem: 404, this service accepts no clips.
        """
        if self.clips is None:
            raise Problem(404, "no_clips", why_no_clips(self.settings) or "This service accepts no clips.")
        return self.clips


def service_of(request: Request) -> Service:
    """Return the service that received a request."""
    found: Service = request.app.state.service
    return found


async def while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """Await some work, and cancel it if the client disconnects.

    Args:
        request: a request whose body has been read.
        work: a coroutine that has not been started.

    Raises:
        ClientDisconnect: the client has disconnected.
    """
    task = asyncio.ensure_future(work)
    disconnected = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        for future in (task, disconnected):
            future.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await future


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
