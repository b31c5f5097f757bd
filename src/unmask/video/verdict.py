"""The verdict on one clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from unmask.detect.verdict import KIND_REMARKS, Label, Word
from unmask.errors import ImageError
from unmask.imaging.faces import Box
from unmask.imaging.provenance import Mark, Provenance
from unmask.imaging.video.facts import ClipFacts

_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Jitter:
    """How unsteady a track is from one judged frame to the next; ``None`` where it has fewer frames than it takes.

    Frame-wise manipulation may tremble, but so do fast motion and strong compression: this is shown, never part of the
    score.

    Attributes:
        probability: mean change of the probability of fake between frames in turn, in [0, 1]; needs 2 frames.
        position: mean distance of the face's centre from the middle between its neighbours, in sides of the face;
            needs 3 frames.
    """

    probability: float | None
    position: float | None

    def to_json(self) -> dict[str, float | None]:
        """The values, rounded."""
        return {"probability": _rounded(self.probability, 4), "position": _rounded(self.position, 4)}


@dataclass(frozen=True, slots=True, repr=False)
class Track:
    """One face through one scene.

    Attributes:
        start_s: time of its first judged frame.
        end_s: time of its last judged frame.
        indices: of its frames among those judged, rising.
        times: of its frames, in seconds.
        boxes: of the face in them: x0, y0, x1, y1 in pixels of the upright frame.
        probabilities: calibrated probability of fake of each frame.
        logits: the network's own of each frame, before calibration.
        fake_probability: of the track, pooled and calibrated, in [0, 1].
        verdict: FAKE, REAL or UNCERTAIN.
        jitter: how unsteady it is.
        is_main: whether it may decide about the clip: it is neither small nor short beside the others.
    """

    start_s: float
    end_s: float
    indices: tuple[int, ...]
    times: tuple[float, ...]
    boxes: tuple[Box, ...]
    probabilities: tuple[float, ...]
    logits: tuple[float, ...]
    fake_probability: float
    verdict: Word
    jitter: Jitter
    is_main: bool

    def __repr__(self) -> str:
        return (
            f"<Track {self.verdict} {self.fake_probability:.3f}, {self.start_s:.1f} to {self.end_s:.1f} s, "
            f"{len(self.times)} frames>"
        )

    @property
    def most_suspicious(self) -> int:
        """Place in the track of the frame with the highest probability of fake; the first of equal ones."""
        return max(range(len(self.times)), key=self.probabilities.__getitem__)

    @property
    def least_suspicious(self) -> int:
        """Place in the track of the frame with the lowest probability of fake; the first of equal ones."""
        return min(range(len(self.times)), key=self.probabilities.__getitem__)

    def to_json(self) -> dict[str, Any]:
        """The track as plain values."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "fake_probability": round(self.fake_probability, _DIGITS),
            "verdict": self.verdict,
            "is_main": self.is_main,
            "jitter": self.jitter.to_json(),
            "frames": [
                {
                    "time_s": round(time, 3),
                    "box": [round(edge, 1) for edge in box],
                    "fake_probability": round(probability, _DIGITS),
                }
                for time, box, probability in zip(self.times, self.boxes, self.probabilities, strict=True)
            ],
        }


@dataclass(frozen=True, slots=True, repr=False)
class ClipVerdict:
    """The verdict on one clip; what it has in common with :class:`~unmask.detect.verdict.Verdict` means the same.

    Attributes:
        path: as given.
        verdict: FAKE, REAL, UNCERTAIN or NO_FACE; ``None`` with an error.
        fake_probability: of the deciding track, in [0, 1]; ``None`` with an error. Without a face it is pooled over
            whole frames, and unreliable where faces were sought.
        result: ``"FAKE"`` if the probability reaches the threshold, else ``"REAL"``; ``None`` with an error.
        tracks: the faces through the clip, in order of appearance.
        deciding_track: place in ``tracks`` of the one that decides: the main track with the highest probability;
            ``None`` without a face.
        frames_judged: number of frames.
        times: of the judged frames, in seconds.
        pooling: how frames are pooled, by name.
        threshold: probabilities from here up are FAKE.
        facts: what the file says of itself; ``None`` with an error.
        provenance: what tools left in the file, never mixed into the score; ``None`` with an error.
        model: name and version of the bundle.
        bundle_sha256: hash of the bundle.
        ms: wall-clock time in milliseconds.
        sha256: hash of the file; ``None`` with an error.
        notes: sentences about problems in reading.
        out_of_distribution: proportion of the deciding track's frames that are unlike the training images; ``None`` if
            the bundle does not measure it.
        kinds: as of an image, the mean over the deciding track in log odds.
        error: why the clip could not be read; ``None`` if it could.
    """

    path: str
    verdict: Word | None
    fake_probability: float | None
    result: Label | None
    tracks: tuple[Track, ...]
    deciding_track: int | None
    frames_judged: int
    times: tuple[float, ...]
    pooling: str
    threshold: float
    facts: ClipFacts | None
    provenance: Provenance | None
    model: str
    bundle_sha256: str
    ms: float
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    out_of_distribution: float | None = None
    kinds: dict[str, float] | None = None
    error: ImageError | None = None

    kind = "video"

    def __repr__(self) -> str:
        if self.error is not None or self.fake_probability is None:
            return f"<ClipVerdict error {self.error and self.error.code}, {self.path!r}>"
        return (
            f"<ClipVerdict {self.verdict}, fake_probability {self.fake_probability:.3f}, {len(self.tracks)} tracks, "
            f"{self.frames_judged} frames, {self.path!r}>"
        )

    @property
    def duration_s(self) -> float | None:
        """Seconds that the clip lasts; ``None`` with an error."""
        return None if self.facts is None else self.facts.duration_s

    @property
    def deciding(self) -> Track | None:
        """The track that decides; ``None`` without a face."""
        return None if self.deciding_track is None else self.tracks[self.deciding_track]

    @property
    def shown_s(self) -> float:
        """Time of the frame that stands for the clip: the most suspicious one of the deciding track, else the middle.

        0 with an error.
        """
        if self.deciding is not None:
            return self.deciding.times[self.deciding.most_suspicious]
        return self.times[len(self.times) // 2] if self.times else 0.0

    @property
    def face_found(self) -> bool:
        """Whether any face was found."""
        return bool(self.tracks)

    @property
    def uncertain(self) -> bool:
        """Whether the verdict is ``UNCERTAIN`` or ``NO_FACE``."""
        return self.verdict in {"UNCERTAIN", "NO_FACE"}

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What the file says of its own making; never mixed into the score."""
        return () if self.provenance is None else self.provenance.marks

    @property
    def confidence(self) -> float | None:
        """Probability of the class in ``result``, in percent, but at least 50; ``None`` with an error."""
        if self.fake_probability is None:
            return None
        return max(50.0, 100 * (self.fake_probability if self.result == "FAKE" else 1 - self.fake_probability))

    @property
    def kind_remark(self) -> str:
        """Of a ``FAKE`` verdict, what kind of fake it probably is, in a sentence; '' if that is open."""
        if self.verdict != "FAKE" or not self.kinds:
            return ""
        name = max(self.kinds, key=self.kinds.__getitem__)
        return KIND_REMARKS.get(name, f"Probably: {name}.") if self.kinds[name] > 0.5 else ""

    def to_json(self) -> dict[str, Any]:
        """The same as :meth:`to_dict`."""
        return self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, ready for JSON; its keys are those of ``unmask detect --json``."""
        return {
            "kind": self.kind,
            "path": self.path,
            "verdict": self.verdict,
            "fake_probability": _rounded(self.fake_probability, _DIGITS),
            "kinds": self.kinds and {name: round(value, _DIGITS) for name, value in self.kinds.items()},
            "result": self.result,
            "confidence": _rounded(self.confidence, 2),
            "uncertain": self.uncertain,
            "face_found": self.face_found,
            "duration_s": _rounded(self.duration_s, 3),
            "frames_judged": self.frames_judged,
            "times": [round(time, 3) for time in self.times],
            "pooling": self.pooling,
            "threshold": round(self.threshold, _DIGITS),
            "tracks": [track.to_json() for track in self.tracks],
            "deciding_track": self.deciding_track,
            "marks": [mark.to_json() for mark in self.marks],
            "notes": list(self.notes),
            "sha256": self.sha256,
            "out_of_distribution": None
            if self.out_of_distribution is None
            else {"flagged": self.out_of_distribution > 0.5, "frames": round(self.out_of_distribution, 4)},
            "provenance": self.provenance and self.provenance.to_json(),
            "video": self.facts and self.facts.to_json(),
            "model": self.model,
            "bundle_sha256": self.bundle_sha256,
            "ms": round(self.ms, 1),
            "error": self.error and {"code": self.error.code, "message": self.error.message},
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
