"""The bounded queue in front of the detector: worker threads, and batches when several images wait."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from PIL import Image

from unmask.detect.detector import Detector, Prepared
from unmask.detect.verdict import Verdict
from unmask.errors import ImageError
from unmask.serve.images import thumbnail
from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem

# Weight of the newest image in the moving average of the time per image.
_SMOOTHING = 0.1


class Judged(NamedTuple):
    """A verdict, and the image as a small JPEG if the engine makes thumbnails and could read it."""

    verdict: Verdict
    thumbnail: bytes | None


@dataclass(eq=False, slots=True)
class _Job:
    data: bytes
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Judged]
    thumbnail: bytes | None = None
    prepared: Prepared | None = None
    seconds: float = 0.0
    gone: bool = False


class Engine:
    """Classifies images for many requests at once.

    Each thread decodes and prepares images until a full batch is ready or no more are waiting, then runs the network.
    So no image waits for a batch to fill, and batches form only under load.

    Args:
        detector: shared by all threads.
        workers: number of threads; by default the number of CPUs.
        batch: most images per run of the network.
        capacity: most images waiting or in progress.
        metrics: counts the images.
        thumbnails: also make a thumbnail of each image.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        workers: int | None = None,
        batch: int = 1,
        capacity: int,
        metrics: Metrics,
        thumbnails: bool = False,
    ) -> None:
        self.detector = detector
        self.capacity = capacity
        self._batch = batch
        self._metrics = metrics
        self._thumbnails = thumbnails
        self._waiting: deque[_Job] = deque()
        self._ready: deque[_Job] = deque()
        self._in_queue = 0
        self._closing = False
        self._seconds = 0.0
        self._progress = time.monotonic()
        self._condition = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"unmask-{index}", daemon=True)
            for index in range(workers or os.cpu_count() or 1)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def in_queue(self) -> int:
        """Number of images waiting or in progress."""
        return self._in_queue

    @property
    def closing(self) -> bool:
        """Whether the engine accepts no more images."""
        return self._closing

    @property
    def stalled_seconds(self) -> float:
        """Seconds since an image was last finished while others were waiting or in progress; 0 if there are none."""
        with self._condition:
            return time.monotonic() - self._progress if self._in_queue else 0.0

    async def judge(self, images: Sequence[bytes]) -> list[Judged]:
        """Return verdicts in the order of the images; an unreadable image's verdict holds the error.

        If the caller is cancelled, images that have not been started are dropped.

        Args:
            images: the bytes of image files.

        Raises:
            Problem: 429, the queue is full.
        """
        loop = asyncio.get_running_loop()
        jobs = [_Job(data, loop, loop.create_future()) for data in images]
        self._enter(jobs)
        try:
            return await asyncio.gather(*(job.future for job in jobs))
        finally:
            self._leave(jobs)

    def close(self, seconds: float | None = None) -> bool:
        """Finish the images in the queue, then stop the threads.

        Args:
            seconds: time to wait for that; by default until it is done.

        Returns:
            Whether all threads have stopped.
        """
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        end = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _enter(self, jobs: list[_Job]) -> None:
        with self._condition:
            if self._closing or self._in_queue + len(jobs) > self.capacity:
                self._metrics.turned_away.inc(len(jobs))
                seconds = max(1, math.ceil(self._in_queue * self._seconds / len(self._threads)))
                raise Problem(
                    429, "busy", "Too many images are waiting. Try again later.", {"Retry-After": str(seconds)}
                )
            if not self._in_queue:
                self._progress = time.monotonic()
            self._waiting.extend(jobs)
            self._count(len(jobs))
            self._condition.notify(len(jobs))

    def _leave(self, jobs: list[_Job]) -> None:
        """Drop jobs that nobody is waiting for any more."""
        with self._condition:
            for job in jobs:
                job.gone = True
                if job in self._waiting:
                    self._waiting.remove(job)
                    self._drop()

    def _work(self) -> None:
        while True:
            with self._condition:
                while not (self._waiting or self._ready):
                    if self._closing:
                        return
                    self._condition.wait()
                if len(self._ready) >= self._batch or not self._waiting:
                    jobs = [self._ready.popleft() for _ in range(min(self._batch, len(self._ready)))]
                else:
                    jobs = []
                    job = self._waiting.popleft()
            if jobs:
                self._judge(jobs)
            else:
                self._prepare(job)

    def _prepare(self, job: _Job) -> None:
        started = time.perf_counter()
        try:
            if self._thumbnails:
                job.prepared = self.detector.prepare(job.data, partial(_look, job))
            else:
                job.prepared = self.detector.prepare(job.data)
        except ImageError as error:
            self._finish(job, self.detector.unreadable(error, started))
        except Exception as error:  # whatever it is, the waiting request must get it
            self._finish(job, error)
        else:
            job.data = b""
            job.seconds = time.perf_counter() - started
            with self._condition:
                self._ready.append(job)

    def _judge(self, jobs: list[_Job]) -> None:
        with self._condition:
            wanted = [job for job in jobs if not job.gone]
            self._drop(len(jobs) - len(wanted))
        if not wanted:
            return
        self._metrics.batch.observe(len(wanted))
        started = time.perf_counter()
        try:
            verdicts = self.detector.judge([job.prepared for job in wanted if job.prepared is not None])
        except Exception as error:
            for job in wanted:
                self._finish(job, error)
        else:
            run_seconds = (time.perf_counter() - started) / len(wanted)
            for job, verdict in zip(wanted, verdicts, strict=True):
                self._update_average(job.seconds + run_seconds)
                self._finish(job, verdict)

    def _finish(self, job: _Job, result: Verdict | Exception) -> None:
        with self._condition:
            self._progress = time.monotonic()
            self._count(-1)
        settled: Judged | Exception
        if isinstance(result, Verdict):
            self._metrics.observe_verdict(result)
            settled = Judged(result, job.thumbnail)
        else:
            settled = result
        with contextlib.suppress(RuntimeError):  # the loop was closed, so nobody is waiting
            job.loop.call_soon_threadsafe(_settle, job.future, settled)

    def _drop(self, count: int = 1) -> None:
        self._count(-count)
        self._metrics.dropped.inc(count)

    def _count(self, change: int) -> None:
        self._in_queue += change
        self._metrics.waiting.set(self._in_queue)

    def _update_average(self, seconds: float) -> None:
        """Update the moving average of the seconds per image."""
        with self._condition:
            self._seconds += _SMOOTHING * (seconds - self._seconds)


def _look(job: _Job, image: Image.Image) -> None:
    job.thumbnail = thumbnail(image)


def _settle(future: asyncio.Future[Judged], result: Judged | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
