"""What the queue of clips does with one clip, in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from unmask.detect.detector import Detector
from unmask.errors import VideoError
from unmask.imaging.video.delays import ANIMATIONS
from unmask.imaging.video.frames import probe
from unmask.imaging.video.limits import VideoLimits
from unmask.serve.settings import Settings
from unmask.video.detector import ClipDetector


class ClipJudge:
    """Reads and judges clips with the detector of the service, within the limits of its settings.

    Args:
        detector: shared with the images.
        settings: settings of the service.
    """

    def __init__(self, detector: Detector, settings: Settings) -> None:
        default = VideoLimits()
        self._limits = replace(
            default,
            max_bytes=settings.max_clip,
            max_duration_s=60 * settings.max_clip_minutes,
            max_judged=settings.max_clip_frames,
            cpu_seconds=min(default.cpu_seconds, settings.clip_seconds),
        )
        # One thread: more would take the cores from images.
        self._detector = ClipDetector(detector, settings.threshold, self._limits, workers=1)

    def check(self, path: Path) -> None:
        """Refuse what is no clip, or beyond the limits, by its headers alone.

        Raises:
            VideoError: with the code of the reason.
        """
        facts = probe(path, self._limits, as_clip=True)
        if facts.container in ANIMATIONS and facts.frames == 1:
            raise VideoError("unsupported_format", "The file is a still image, not a clip.")

    def __call__(self, path: Path, frames: int, progress: Callable[[int, int], None]) -> dict[str, Any]:
        """Judge a clip; see :class:`unmask.serve.clip_queue.Judge`. Its path here is no business of others."""
        verdict = self._detector.detect(
            path, frames, progress=lambda judged, total: progress(judged, total or 0), as_clip=True
        )
        return verdict.to_json() | {"path": None}
