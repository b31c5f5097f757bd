"""The queue of clips: apart from that of images, which go first while a clip is being judged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from unmask.errors import BundleError, UnmaskError
from unmask.serve.clip_records import ClipRecords
from unmask.serve.clip_store import INTERRUPTED, ClipRecord, ClipState
from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem

log = logging.getLogger("unmask.serve")

_GIVE_WAY_SECONDS: Final = 0.5
"""The longest that one frame waits for images, so that a busy service still finishes its clips."""
_LOOK_SECONDS: Final = 0.005
_NICENESS: Final = 10
_BEAT_SECONDS: Final = 5.0
_NOT_STORED: Final = {"code": "storage_unavailable", "message": "The verdict could not be stored."}


class Judge(Protocol):
    """Judges one clip in the calling thread."""

    def __call__(self, path: Path, frames: int, progress: Callable[[int, int], None]) -> dict[str, Any]:
        """Return the verdict as plain values.

        Args:
            path: the clip.
            frames: number of frames to judge.
            progress: to call after each frame with the number of frames judged and of all; it may raise to stop.

        Raises:
            UnmaskError: the clip cannot be read.
        """


class _StoppedError(Exception):
    """Nobody wants the verdict any more."""


@dataclass(eq=False)
class ClipJob:
    """One clip that waits or is being judged. Changed by the event loop's thread only.

    Attributes:
        id: identifier of its record.
        path: the clip; deleted once the job has ended.
        frames: number of frames to judge.
        state: as in its record.
        judged: number of frames judged.
        total: number of frames that will be judged; 0 while that is not known.
        changed: set at the next change, and then replaced by a new event.
        stop: set when nobody wants the verdict any more.
    """

    id: UUID
    path: Path
    frames: int
    state: ClipState = "waiting"
    judged: int = 0
    total: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def announce(self) -> None:
        """Wake whoever waits for a change."""
        self.changed.set()
        self.changed = asyncio.Event()


class ClipQueue:
    """Judges clips one after the other, in threads of their own that give way to images.

    Args:
        judge: judges one clip.
        records: the records of clips.
        capacity: most clips being uploaded, waiting or being judged.
        workers: number of clips judged at once.
        seconds: time limit for judging one clip.
        images_wait: whether images wait for the detector at this moment; called from threads.
        keep: store the clips with their verdicts.
        metrics: counts the clips.
    """

    def __init__(
        self,
        judge: Judge,
        records: ClipRecords,
        *,
        capacity: int,
        workers: int,
        seconds: float,
        images_wait: Callable[[], bool],
        keep: bool,
        metrics: Metrics,
    ) -> None:
        self.records = records
        self.capacity = capacity
        self._judge = judge
        self._seconds = seconds
        self._images_wait = images_wait
        self._keep = keep
        self._metrics = metrics
        self._jobs: dict[UUID, ClipJob] = {}
        self._waiting: deque[ClipJob] = deque()
        self._uploads = 0
        self._busy_threads = 0
        self._arrived = asyncio.Event()
        self._closing = False
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="unmask-clip", initializer=_go_last)
        self._tasks = [asyncio.create_task(self._work()) for _ in range(workers)]
        self._tasks.append(asyncio.create_task(self._beat()))

    @property
    def closing(self) -> bool:
        """Whether the queue accepts no more clips."""
        return self._closing

    def job(self, identifier: UUID) -> ClipJob | None:
        """The job of a record, if it is not finished and this instance has it."""
        return self._jobs.get(identifier)

    def identifiers(self) -> list[UUID]:
        """The records whose clips this instance has."""
        return list(self._jobs)

    def position(self, job: ClipJob) -> int | None:
        """Number of clips in front of a waiting one; ``None`` if it does not wait."""
        return self._waiting.index(job) if job in self._waiting else None

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue while a clip is uploaded.

        Raises:
            Problem: 429, the queue is full; 503, the service stops.
        """
        if self._closing:
            raise Problem(503, "not_ready", "The service accepts no more clips.", {"Retry-After": "5"})
        if self._uploads + len(self._jobs) >= self.capacity:
            self._metrics.clips_turned_away.inc()
            raise Problem(429, "busy", "Too many clips are waiting. Try again later.", {"Retry-After": "30"})
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    async def add(self, record: ClipRecord, path: Path) -> None:
        """Queue a clip that has its place; returns once its record is stored.

        Args:
            record: its new record.
            path: the clip, which the queue deletes.
        """
        job = ClipJob(record.id, path, record.frames)
        self._jobs[job.id] = job
        try:
            await self.records.run(self.records.store.add, record)
        except BaseException:
            del self._jobs[job.id]
            raise
        if self._closing:
            await self._end(job, "failed", INTERRUPTED)
            return
        self._waiting.append(job)
        self._count()
        self._arrived.set()

    def drop(self, identifier: UUID) -> None:
        """Stop a clip whose record was cancelled or deleted; does nothing for others."""
        job = self._jobs.get(identifier)
        if job is not None:
            self._settle(job, "cancelled")

    async def stop(self) -> None:
        """Accept no more clips and interrupt those that are not finished; returns once that is stored."""
        self._closing = True
        for job in list(self._jobs.values()):
            await self._end(job, "failed", INTERRUPTED)

    async def close(self, seconds: float) -> None:
        """Stop, and wait for the threads for at most ``seconds``."""
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + seconds
        while self._busy_threads and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            job = self._waiting.popleft()
            self._count()
            try:
                await self._run(job)
            except (SQLAlchemyError, UnmaskError, OSError) as error:
                log.error("the store failed: %s", type(error).__name__, exc_info=error)
                with contextlib.suppress(SQLAlchemyError):
                    await self._end(job, "failed", _NOT_STORED)
                _delete(job.path)

    async def _run(self, job: ClipJob) -> None:
        run = self.records.run
        if not await run(self.records.store.begin, job.id) or job.stop.is_set():
            self._settle(job, "cancelled")
            _delete(job.path)
            return
        job.state = "running"
        job.announce()
        started = time.perf_counter()
        content: dict[str, Any] | None = None
        error: dict[str, str] | None = None
        self._busy_threads += 1
        # Awaited to its end even if this task is cancelled: the file is in use until then.
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._in_thread, job)
        work.add_done_callback(lambda _: self._left())
        try:
            content = await work
            error = content.get("error")
        except _StoppedError:
            self._settle(job, "cancelled")
        except BundleError as caught:
            log.error("the detector failed: %s: %s", caught.code, caught.message)
            error = {"code": caught.code, "message": "The detector failed on this clip."}
        except UnmaskError as caught:
            error = {"code": caught.code, "message": caught.message}
        except MemoryError:
            error = {"code": "out_of_memory", "message": "Judging the clip needs more memory than there is."}
        except Exception:  # whatever it is, the clip's record must say that it failed
            log.exception("the detector failed on a clip")
            error = {"code": "internal_error", "message": "The detector failed on this clip."}
        if error is not None:
            await self._end(job, "failed", error)
        elif content is not None and job.id in self._jobs:
            kept = job.path if self._keep else None
            if await run(self.records.store.finish, job.id, content, kept):
                self._metrics.observe_clip(content["verdict"], time.perf_counter() - started)
                self._settle(job, "done")
            else:
                self._settle(job, "cancelled")
        _delete(job.path)

    def _in_thread(self, job: ClipJob) -> dict[str, Any]:
        loop_call = self.records.loop.call_soon_threadsafe
        deadline = time.monotonic() + self._seconds

        def progress(judged: int, total: int) -> None:
            if time.monotonic() > deadline:
                raise UnmaskError("clip_stopped", f"Judging the clip took more than {self._seconds:g} s.")
            loop_call(self._progressed, job, judged, total)
            end = time.monotonic() + _GIVE_WAY_SECONDS
            while self._images_wait() and time.monotonic() < end and not job.stop.is_set():
                time.sleep(_LOOK_SECONDS)
            if job.stop.is_set():
                raise _StoppedError

        if job.stop.is_set():
            raise _StoppedError
        return self._judge(job.path, job.frames, progress)

    def _progressed(self, job: ClipJob, judged: int, total: int) -> None:
        self._metrics.clip_frames.inc(max(0, judged - job.judged))
        job.judged, job.total = judged, total
        job.announce()

    async def _end(self, job: ClipJob, state: ClipState, error: dict[str, str]) -> None:
        """Settle an unfinished job at once, then store what became of it and say so."""
        if job.id in self._jobs:
            self._forget(job, state)
            try:
                await self.records.run(self.records.store.fail, job.id, error)
            finally:
                job.announce()

    def _settle(self, job: ClipJob, state: ClipState) -> None:
        """Forget a job whose record says that it is finished, and wake whoever waits for it."""
        self._forget(job, state)
        job.announce()

    def _forget(self, job: ClipJob, state: ClipState) -> None:
        if self._jobs.pop(job.id, None) is None:
            return
        was_waiting = job in self._waiting
        if was_waiting:
            self._waiting.remove(job)
            _delete(job.path)
        job.state = state
        job.stop.set()
        if state != "done":
            self._metrics.clips.labels(state).inc()
        self._count()

    def _left(self) -> None:
        self._busy_threads -= 1

    def _count(self) -> None:
        self._metrics.clips_waiting.set(len(self._jobs))

    async def _beat(self) -> None:
        """Say that this instance still has its clips, and drop those that another instance cancelled or deleted."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            mine = list(self._jobs)
            if not mine:
                continue
            try:
                wanted = await self.records.run(self.records.store.beat, mine)
            except SQLAlchemyError as error:
                log.warning("cannot note that clips are in progress: %s", type(error).__name__)
                continue
            for identifier in mine:
                if identifier not in wanted:
                    self.drop(identifier)


def _go_last() -> None:
    """Let other threads go first where the system can do so for one thread; its child processes inherit it."""
    if hasattr(os, "setpriority") and hasattr(threading, "get_native_id"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
