"""Clips among the images of ``unmask detect``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

from unmask.detect.detector import Detector
from unmask.detect.kept import KeptVerdicts
from unmask.detect.verdict import Verdict
from unmask.errors import UsageError
from unmask.imaging.decode import read_bytes
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.video.delays import is_animation
from unmask.imaging.video.facts import is_clip
from unmask.imaging.video.frames import DEFAULT_FRAMES

if TYPE_CHECKING:
    from PIL import Image

    from unmask.video.detector import ClipDetector
    from unmask.video.verdict import ClipVerdict


_MOST_UNLIKE: Final = 0.5  # proportion of frames that are unlike the training images, beyond which a clip is


class FileJudge:
    """Judges files: clips by their frames, anything else as images. Safe to call from several threads.

    Args:
        detector: of the verdicts.
        threshold: as given, for clips.
        frames: number of frames of a clip; ``None`` for the usual one.
        every: instead, the seconds between them.
        as_clip: whether animated GIF, WebP and PNG files are clips.
        kept: a journal of verdicts.
        workers: threads for the frames of one clip; ``None`` for one a CPU.

    Attributes:
        advance: is called after each frame of a clip.

    Raises:
        UsageError: ``bad_call``, ``bad_frames``.
    """

    def __init__(
        self,
        detector: Detector,
        threshold: str | None,
        *,
        frames: int | None,
        every: float | None,
        as_clip: bool,
        kept: KeptVerdicts | None,
        workers: int | None,
    ) -> None:
        if frames is not None and every is not None:
            raise UsageError("bad_call", "--frames and --every cannot be combined.")
        if every is not None and not 0 < every < float("inf"):
            raise UsageError("bad_call", f"--every must be a number of seconds above 0, not {every}.")
        self._detector, self._threshold = detector, threshold
        self._frames, self._every, self._as_clip = frames or DEFAULT_FRAMES, every, as_clip
        self._kept, self._workers = kept, workers
        self.advance: Callable[[], object] = lambda: None

    def __call__(self, path: str) -> Verdict | ClipVerdict:
        """The verdict on a file, or its error.

        Raises:
            MissingExtraError: it is a clip, and the extra ``video`` is not installed.
            UsageError: ``cannot_write``: the journal.
        """
        if not self.is_clip(path):
            return self._detector.detect_or_error(path) if self._kept is None else self._kept.judge(path)
        if self._kept is None:
            return self._judge_clip(path)
        from unmask.video.kept import clip_facts, restored_clip

        about = ("clip", self._frames, self._every, self._detector.threshold, self._threshold)
        return self._kept.keep(path, about, lambda: self._judge_clip(path), clip_facts, restored_clip)

    def is_clip(self, path: str) -> bool:
        """Whether a file is judged as a clip."""
        return is_clip(path) or (self._as_clip and is_animation(path, self._detector.limits.max_bytes))

    def image(self, path: str, time_s: float | None = None, limits: DecodeLimits | None = None) -> Image.Image:
        """What to show of a file: the image, or the frame of a clip at a time.

        Raises:
            ImageError: it cannot be read.
        """
        from unmask.imaging.decode import decode_image
        from unmask.imaging.video.frames import frames_at

        if time_s is None:
            return decode_image(read_bytes(path, limits), limits)
        return next(frames_at(path, [time_s], as_clip=self._as_clip)).image

    def _judge_clip(self, path: str) -> ClipVerdict:
        first = self.first.detect_or_error(
            path, self._frames, self._every, lambda done, _: self.advance() if done else None, as_clip=self._as_clip
        )
        if self._second is None or not (
            first.verdict == "UNCERTAIN" or (first.out_of_distribution or 0) > _MOST_UNLIKE
        ):
            return first
        return self._second.detect_or_error(path, self._frames, self._every, as_clip=self._as_clip)

    @cached_property
    def first(self) -> ClipDetector:
        """The detector of clips; with ``--thorough`` that of the first verdict."""
        return self._clip_detector(self._detector)

    @cached_property
    def _second(self) -> ClipDetector | None:
        """The accurate one of ``--thorough``, which judges clips that leave the first one in doubt."""
        _, *others = self._detector.detectors
        return self._clip_detector(others[0]) if others else None

    def _clip_detector(self, detector: Detector) -> ClipDetector:
        from unmask.video.detector import ClipDetector

        return ClipDetector(detector, self._threshold, workers=self._workers)
