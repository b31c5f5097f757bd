"""The verdict on a clip: frames are judged as images are, faces linked into tracks, tracks pooled."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from unmask.bundle.clip_head import ClipHead
from unmask.bundle.schema import log_odds, logistic
from unmask.detect.detector import Detector
from unmask.detect.verdict import RegionVerdict, Verdict, Word, word_of
from unmask.errors import ImageError
from unmask.imaging.video.frames import DEFAULT_FRAMES, ClipReader, Frame, count_every
from unmask.imaging.video.limits import VideoLimits, default_video_limits
from unmask.parallel import ordered_map
from unmask.video.marks import clip_credentials, clip_provenance
from unmask.video.pooling import pool
from unmask.video.tracks import FaceSeen, RawTrack, TrackBuilder, appearance_of
from unmask.video.verdict import ClipVerdict, Jitter, Track

_MAIN_LENGTH: Final = 0.33  # of the longest track's frames that a main track has at least
_AHEAD: Final = 3  # frames in hand for each thread, which bounds memory, and one of those that are large
_LARGE: Final = 4_000_000  # pixels

TEMPORAL: Final = "temporal"
"""The pooling that is a graph of the bundle, ``clips.onnx``."""

Progress = Callable[[int, int | None], object]


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """A frame with its verdict.

    Attributes:
        frame: its place and time; its image is let go.
        verdict: as of an image.
        faces: in it, largest first, ready to be linked.
    """

    index: int
    time_s: float
    after_cut: bool
    verdict: Verdict
    faces: tuple[FaceSeen, ...]


class ClipDetector:
    """Gives verdicts on clips with a detector of images. Safe to share between threads.

    Args:
        detector: judges the frames.
        threshold: a number in [0, 1], or the name of a threshold of the bundle's ``clips`` or else of its images
            (default: that of ``clips``, or else the detector's).
        limits: on each clip.
        workers: threads that judge the frames of one clip (default: number of CPUs).

    Attributes:
        policy: how frames become a verdict, by the bundle; ``None``: the mean of their logits, judged as an image's.
        threshold: probabilities from here up are FAKE.
    """

    def __init__(
        self,
        detector: Detector,
        threshold: float | str | None = None,
        limits: VideoLimits | None = None,
        workers: int | None = None,
    ) -> None:
        detector = detector.first  # logits of two detectors do not mix
        info = detector.bundle.info
        self.detector = detector
        self.limits = limits or default_video_limits()
        self.policy = info.clips
        self._seeks_faces = info.preprocessing.faces is not None
        self._head = ClipHead.of(detector.bundle)
        self._calibration = info.calibration if info.clips is None else info.clips.calibration
        self._band = info.uncertain if info.clips is None else info.clips.uncertain
        self._workers = workers
        named = {} if info.clips is None else {item.name: item.fake_probability for item in info.clips.thresholds}
        if isinstance(threshold, str) and threshold in named:
            self.threshold = named[threshold]
        elif threshold is not None:
            self.threshold = Detector(detector.bundle, threshold).threshold
        else:
            self.threshold = detector.threshold if info.clips is None else info.clips.threshold.fake_probability

    def __repr__(self) -> str:
        return f"<ClipDetector {self.detector.model_name}, {self.pooling}, threshold {self.threshold:.3f}>"

    def detect(
        self,
        path: str | os.PathLike[str],
        frames: int = DEFAULT_FRAMES,
        every: float | None = None,
        progress: Progress | None = None,
        *,
        as_clip: bool = False,
    ) -> ClipVerdict:
        """Give the verdict on one clip.

        Args:
            path: of the file.
            frames: number of frames to judge, spread over the clip.
            every: instead, the time between judged frames in seconds.
            progress: is called with the number of frames judged and the number expected (``None``: not known yet).
                What it raises ends the work and is raised here, so it can cancel.
            as_clip: whether an animated GIF, WebP or PNG file is taken as a clip.

        Raises:
            MissingExtraError: the extra ``video`` is not installed.
            VideoError: the clip cannot be accepted or read; see :class:`~unmask.imaging.video.frames.ClipReader`.
            UsageError: ``bad_frames``.
        """
        started = time.perf_counter()
        with ClipReader(path, self.limits, as_clip=as_clip) as clip:
            wanted = clip.frames(frames, every)
            expected = frames if every is None else count_every(clip.facts.duration_s, every)
            if clip.facts.frames is not None:
                expected = min(expected, clip.facts.frames)
            judged: list[JudgedFrame] = []
            if progress is not None:
                progress(0, expected)
            ahead = _AHEAD if math.prod(clip.facts.size) <= _LARGE else 1
            for each in ordered_map(self.judge_frame, wanted, self._workers, ahead=ahead):
                judged.append(each)
                if progress is not None:
                    progress(len(judged), max(expected, len(judged)))
            facts, notes, sha256 = clip.facts, clip.notes, clip.sha256()
        tracks = self.tracks_of(judged)
        deciding = self.deciding(tracks)
        if deciding is not None:
            shown = [judged[i].verdict for i in tracks[deciding].indices]
            probability = tracks[deciding].fake_probability
        else:
            shown = [each.verdict for each in judged]
            probability = self._pooled([each.regions[0] for each in shown], [each.time_s for each in judged])
        provenance = clip_provenance(path, facts.metadata)
        credentials = clip_credentials(path, provenance, self.detector.trust_anchors)
        return ClipVerdict(
            path=os.fspath(path),
            verdict=self._word(probability, no_face=deciding is None and self._seeks_faces),
            fake_probability=probability,
            result="FAKE" if probability >= self.threshold else "REAL",
            tracks=tracks,
            deciding_track=deciding,
            frames_judged=len(judged),
            times=tuple(each.time_s for each in judged),
            pooling=self.pooling,
            threshold=self.threshold,
            facts=facts,
            provenance=replace(provenance, credentials_state=credentials.state),
            model=self.detector.model_name,
            bundle_sha256=self.detector.bundle.sha256,
            ms=1000 * (time.perf_counter() - started),
            sha256=sha256,
            notes=notes,
            out_of_distribution=_unlike(shown),
            kinds=_kinds(shown),
        )

    def detect_or_error(
        self,
        path: str | os.PathLike[str],
        frames: int = DEFAULT_FRAMES,
        every: float | None = None,
        progress: Progress | None = None,
        *,
        as_clip: bool = False,
    ) -> ClipVerdict:
        """Like :meth:`detect`, but an unreadable clip gives a verdict with the error instead of raising it."""
        started = time.perf_counter()
        try:
            return self.detect(path, frames, every, progress, as_clip=as_clip)
        except ImageError as error:
            return self.unreadable(path, error, started)

    def unreadable(self, path: str | os.PathLike[str], error: ImageError, started: float) -> ClipVerdict:
        """The verdict with an error, on a clip begun at ``started`` by ``time.perf_counter()``."""
        return ClipVerdict(
            path=os.fspath(path),
            verdict=None,
            fake_probability=None,
            result=None,
            tracks=(),
            deciding_track=None,
            frames_judged=0,
            times=(),
            pooling=self.pooling,
            threshold=self.threshold,
            facts=None,
            provenance=None,
            model=self.detector.model_name,
            bundle_sha256=self.detector.bundle.sha256,
            ms=1000 * (time.perf_counter() - started),
            error=error,
        )

    def judge_frame(self, frame: Frame) -> JudgedFrame:
        """Judge one frame as :meth:`Detector.detect` judges an image: same pixels, same probability."""
        prepared = self.detector.prepare(frame.image)
        verdict = self.detector.judge([prepared])[0]
        faces = tuple(
            FaceSeen(region, appearance_of(seen.pixels))
            for region, seen in zip(verdict.regions, prepared.regions, strict=True)
            if region.face is not None
        )
        return JudgedFrame(frame.index, frame.time_s, frame.after_cut, verdict, faces)

    def tracks_of(self, judged: Sequence[JudgedFrame]) -> tuple[Track, ...]:
        """The tracks of judged frames, with their verdicts."""
        builder = TrackBuilder()
        for each in judged:
            builder.add(each.index, each.time_s, each.faces, after_cut=each.after_cut)
        raw = builder.tracks
        longest = max((len(track.times) for track in raw), default=0)
        largest = max((_mean_side(track) for track in raw), default=0.0)
        least = self.detector.bundle.info.main_face * largest
        return tuple(
            self._track(track, is_main=len(track.times) >= _MAIN_LENGTH * longest and _mean_side(track) >= least)
            for track in raw
        )

    @property
    def pooling(self) -> str:
        """How frames are pooled, by name: a key of ``POOLINGS``, or ``temporal``."""
        return "mean" if self.policy is None else self.policy.pooling

    @staticmethod
    def deciding(tracks: Sequence[Track]) -> int | None:
        """Place of the track whose probability is the clip's: the main one with the highest; the first of equal ones.

        Of a clip whose only long tracks are small and whose only large ones are short, no track is main: all count.
        """
        places = [at for at, track in enumerate(tracks) if track.is_main] or list(range(len(tracks)))
        return max(places, key=lambda at: tracks[at].fake_probability, default=None)

    def _pooled(self, regions: Sequence[RegionVerdict], times: Sequence[float]) -> float:
        """The calibrated probability of fake of a region through time."""
        logits = [_logit(region) for region in regions]
        if self.pooling != TEMPORAL:
            top = 1.0 if self.policy is None else self.policy.top
            return self._calibration.probability(pool(logits, self.pooling, top))
        assert self._head is not None
        features = np.stack([region.features for region in regions if region.features is not None])
        return self._calibration.probability(self._head.logit(logits, features, times))

    def _track(self, raw: RawTrack, *, is_main: bool) -> Track:
        probabilities = [face.region.fake_probability for face in raw.faces]
        regions = [face.region for face in raw.faces]
        pooled = self._pooled(regions, raw.times)
        return Track(
            start_s=raw.times[0],
            end_s=raw.times[-1],
            indices=tuple(raw.indices),
            times=tuple(raw.times),
            boxes=tuple(face.box for face in raw.faces),
            probabilities=tuple(probabilities),
            logits=tuple(_logit(region) for region in regions),
            fake_probability=pooled,
            verdict=self._word(pooled, no_face=False),
            jitter=_jitter(raw, probabilities),
            is_main=is_main,
        )

    def _word(self, probability: float, *, no_face: bool) -> Word:
        return word_of(probability, self.threshold, self._band, no_face=no_face)


def _logit(region: RegionVerdict) -> float:
    assert region.logit is not None
    return region.logit


def _mean_side(track: RawTrack) -> float:
    return float(np.mean([face.region.face.side for face in track.faces if face.region.face is not None]))


def _jitter(raw: RawTrack, probabilities: Sequence[float]) -> Jitter:
    probability = float(np.abs(np.diff(probabilities)).mean()) if len(probabilities) > 1 else None
    if len(probabilities) < 3:
        return Jitter(probability, None)
    boxes = np.array([face.box for face in raw.faces])
    centres, side = (boxes[:, :2] + boxes[:, 2:]) / 2, _mean_side(raw)
    middle = (centres[:-2] + centres[2:]) / 2
    return Jitter(probability, float(np.linalg.norm(centres[1:-1] - middle, axis=1).mean() / max(side, 1e-9)))


def _unlike(verdicts: Sequence[Verdict]) -> float | None:
    flags = [verdict.novelty.out_of_distribution for verdict in verdicts if verdict.novelty is not None]
    return float(np.mean(flags)) if flags else None


def _kinds(verdicts: Sequence[Verdict]) -> dict[str, float] | None:
    kinds = [verdict.kinds for verdict in verdicts if verdict.kinds]
    if not kinds:
        return None
    return {name: logistic(pool([log_odds(each[name]) for each in kinds])) for name in kinds[0]}
