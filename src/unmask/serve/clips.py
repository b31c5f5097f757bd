"""Clips in the service: their folder, their records, their queue and what judges them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from unmask.detect.detector import Detector
from unmask.imaging.video.frames import DEFAULT_FRAMES, has_video
from unmask.install import install_line
from unmask.serve.clip_files import WaitingFolder
from unmask.serve.clip_judge import ClipJudge
from unmask.serve.clip_queue import ClipQueue
from unmask.serve.clip_records import ClipRecords
from unmask.serve.engine import Engine
from unmask.serve.history import History
from unmask.serve.metrics import Metrics
from unmask.serve.schemas import ClipLimits
from unmask.serve.settings import Settings


def why_no_clips(settings: Settings) -> str | None:
    """Why a service with these settings accepts no clips; ``None`` if it does."""
    if settings.no_clips:
        return "This service accepts no clips."
    if not has_video():
        return f"This service reads no clips, which needs more packages: {install_line('serve', 'video')}"
    return None


def limits_of(settings: Settings) -> ClipLimits | None:
    """The limits on clips; ``None`` if the service accepts none."""
    if why_no_clips(settings) is not None:
        return None
    return ClipLimits(
        max_bytes=settings.max_clip,
        max_seconds=60 * settings.max_clip_minutes,
        frames=min(DEFAULT_FRAMES, settings.max_clip_frames),
        max_frames=settings.max_clip_frames,
        queue=settings.clip_queue,
    )


@dataclass(frozen=True)
class Clips:
    """The parts of a service that accepts clips.

    Attributes:
        waiting: folder of the clips that wait.
        records: records of all clips.
        queue: clips that wait or are being judged.
        judge: reads and judges a clip.
        frames: number of frames to judge by default.
    """

    waiting: WaitingFolder
    records: ClipRecords
    queue: ClipQueue
    judge: ClipJudge
    frames: int
    _checks: asyncio.Semaphore

    @classmethod
    async def start(
        cls, settings: Settings, detector: Detector, engine: Engine, history: History | None, metrics: Metrics
    ) -> Clips:
        """Make the parts and start the queue.

        Raises:
            UsageError: ``cannot_write``, the folder for waiting clips cannot be made.
            sqlalchemy.exc.SQLAlchemyError: the history is not available.
        """
        records = ClipRecords(settings, history)
        # Beside the stored clips, so that a clip is stored by a new name alone.
        waiting = WaitingFolder(settings.clips_folder or settings.clip_folder)
        judge = ClipJudge(detector, settings)
        queue = ClipQueue(
            judge,
            records,
            capacity=settings.clip_queue,
            workers=settings.clip_workers,
            seconds=settings.clip_seconds,
            images_wait=lambda: engine.in_queue > 0,
            keep=settings.clips_folder is not None,
            metrics=metrics,
        )
        await records.start(queue.identifiers, alone=settings.store_kind != "postgresql")
        frames = min(DEFAULT_FRAMES, settings.max_clip_frames)
        return cls(waiting, records, queue, judge, frames, asyncio.Semaphore(settings.clip_workers))

    async def check(self, path: Path) -> None:
        """Refuse what is no clip, or beyond the limits, before it is queued.

        Raises:
            UnmaskError: with the code of the reason.
        """
        async with self._checks:
            await asyncio.to_thread(self.judge.check, path)

    async def close(self, seconds: float) -> None:
        """Interrupt what is not finished, wait at most ``seconds`` for the threads, and delete the waiting clips."""
        await self.queue.close(seconds)
        await self.records.close()
        await asyncio.to_thread(self.waiting.close)
