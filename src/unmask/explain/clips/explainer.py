"""Explain a verdict on a clip."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from PIL import Image

from unmask.bundle.schema import BundleInfo
from unmask.detect.overlay import draw_evidence
from unmask.detect.verdict import RegionVerdict
from unmask.explain.clips.facts import gather
from unmask.explain.clips.words import DOUBTS, RULES
from unmask.explain.explainer import Explainer
from unmask.explain.faithfulness import Depth, Faithfulness
from unmask.explain.places import Place, find_places
from unmask.explain.shown import close_up, shown, zoomed
from unmask.explain.words import Sentence, compose, reasons
from unmask.imaging.credentials import Credentials
from unmask.imaging.video.frames import DEFAULT_FRAMES, Frame, frames_at
from unmask.video.detector import ClipDetector
from unmask.video.marks import clip_credentials
from unmask.video.verdict import ClipVerdict, Track

MOST_FRAMES: Final = 3
"""Most suspicious frames, and most innocent ones, that are explained."""
_FRAME_SIDE: Final = 720  # pixels of a frame's longer side in the report
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Side = Literal["suspicious", "innocent"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FrameEvidence:
    """One frame of the track that decides, with its evidence.

    Attributes:
        letter: names the frame in the report.
        side: whether it is among the most suspicious or the most innocent ones.
        index: its place among the judged frames.
        time_s: seconds from the clip's start.
        key_frame: whether it was encoded on its own.
        region: the face of the track in it, with its evidence.
        method: how the map was made.
        faithfulness: whether the map can be relied on; ``None`` if it was not checked.
        places: where the evidence lies; empty unless the map is reliable.
        overlay: the frame with faces and evidence drawn on it.
        closeup_overlay: the face with its evidence.
    """

    letter: str
    side: Side
    index: int
    time_s: float
    key_frame: bool
    region: RegionVerdict
    method: str
    faithfulness: Faithfulness | None
    places: tuple[Place, ...]
    overlay: Image.Image
    closeup_overlay: Image.Image

    @property
    def reliable(self) -> bool | None:
        """Whether the map passed its check; ``None`` if it was not checked."""
        return None if self.faithfulness is None else self.faithfulness.reliable

    @property
    def check(self) -> str:
        """One or two sentences on the map."""
        if self.faithfulness is None:
            return "The map was not checked: do not rely on it."
        beaten = f"{self.faithfulness.beaten} of {len(self.faithfulness.random)} random orders"
        if not self.faithfulness.reliable:
            return f"The map failed its check (it beats {beaten}): do not rely on it."
        place = f" Most evidence: {self.places[0].name}." if self.places else ""
        return f"The map passed its check (it beats {beaten}).{place}"

    def to_json(self) -> dict[str, Any]:
        """Everything but the images, as plain values."""
        return {
            "letter": self.letter,
            "side": self.side,
            "index": self.index,
            "time_s": round(self.time_s, 3),
            "key_frame": self.key_frame,
            "fake_probability": round(self.region.fake_probability, 6),
            "crop": [round(edge, 1) for edge in self.region.crop],
            "method": self.method,
            "reliable": self.reliable,
            "map": [[round(float(cell), 4) for cell in row] for row in self.region.evidence],
            "places": [place.to_json() for place in self.places],
            "faithfulness": self.faithfulness and self.faithfulness.to_json(),
        }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClipExplanation:
    """The reasons for a verdict on a clip, and what else its file shows.

    Attributes:
        verdict: the verdict.
        frames: the most suspicious frames, the highest first, then the most innocent ones, the lowest first.
        credentials: content credentials of the file.
        facts: everything that was measured, by name.
        sentences: the facts in plain words.
        image: the frame that stands for the clip, at most 1,024 pixels per side; see
            :attr:`~unmask.video.verdict.ClipVerdict.shown_s`.
        info: description of the bundle that gave the verdict.
        frame_threshold: the probability from which a single image is FAKE.
        file_bytes: size of the file.
        asked: how many frames were asked for, the seconds between them if those were asked for instead, and whether an
            animation was taken as a clip.
    """

    verdict: ClipVerdict
    frames: tuple[FrameEvidence, ...]
    credentials: Credentials
    facts: dict[str, Any]
    sentences: tuple[Sentence, ...]
    image: Image.Image
    info: BundleInfo
    frame_threshold: float
    file_bytes: int
    asked: tuple[int, float | None, bool]

    def __repr__(self) -> str:
        return f"<ClipExplanation {self.verdict.verdict}, {len(self.sentences)} sentences, {len(self.frames)} frames>"

    @property
    def reasons(self) -> tuple[Sentence, ...]:
        """At most three of the sentences, for a first look; see :func:`unmask.explain.words.reasons`."""
        return reasons(self.sentences, DOUBTS)

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(sentence.text for sentence in self.sentences)

    def to_json(self) -> dict[str, Any]:
        """Everything but the images, as plain values; for one clip and detector always the same except ``ms``."""
        return {
            "schema": 1,
            "kind": "video",
            "verdict": self.verdict.to_json(),
            "text": self.text,
            "reasons": [sentence.to_json() for sentence in self.reasons],
            "sentences": [sentence.to_json() for sentence in self.sentences],
            "facts": self.facts,
            "frame_threshold": round(self.frame_threshold, 6),
            "evidence": {
                "unit": "calibrated logit, above 0 towards fake; the mean over cells is the logit of a linear detector",
                "frames": [frame.to_json() for frame in self.frames],
            },
            "credentials": self.credentials.to_json(),
        }

    def write(self, folder: Path, time: datetime | None = None) -> Path:
        """Write ``report.html``, ``explanation.json`` and the frames as PNG files into a folder.

        Args:
            folder: created if missing; nothing is written outside it.
            time: of the report; see :func:`unmask.explain.citation.report_time`.

        Returns:
            The path of ``report.html``.

        Raises:
            UsageError: ``cannot_write``, ``bad_source_date_epoch``.
        """
        from unmask.explain.clips.page import write_clip

        return write_clip(self, folder, time)

    def to_html(self, time: datetime | None = None) -> str:
        """The report as a self-contained page; see :func:`unmask.explain.clips.page.render_clip`."""
        from unmask.explain.clips.page import render_clip

        return render_clip(self, time)


class ClipExplainer:
    """Explains verdicts on clips.

    Args:
        explainer: explains single frames as it explains images.
        detector: gives the verdicts, by the same detector of images (default: one with its threshold for clips).
    """

    def __init__(self, explainer: Explainer, detector: ClipDetector | None = None) -> None:
        self.explainer = explainer
        self.detector = detector or ClipDetector(explainer.detector)

    def __repr__(self) -> str:
        return f"<ClipExplainer {self.explainer.detector.model_name}>"

    def explain(
        self,
        path: str | os.PathLike[str],
        frames: int = DEFAULT_FRAMES,
        every: float | None = None,
        *,
        faithfulness: bool | Depth = "quick",
        as_clip: bool = False,
        advance: Callable[[], None] = lambda: None,
    ) -> ClipExplanation:
        """Explain the verdict on one clip.

        Args:
            path: of the file.
            frames: number of frames to judge, spread over the clip.
            every: instead, the time between judged frames in seconds.
            faithfulness: how deeply to check the map of each frame that is shown; see :meth:`Explainer.explain`.
            as_clip: whether an animated GIF, WebP or PNG file is taken as a clip.
            advance: called after each judged frame, and after each run of the detector for a check.

        Raises:
            MissingExtraError: the extra ``video`` is not installed.
            VideoError: the clip cannot be accepted or read.
            UsageError: ``bad_frames``.
        """

        def judged(done: int, _: int | None) -> None:
            if done:
                advance()

        verdict = self.detector.detect(path, frames, every, judged, as_clip=as_clip)
        detector = self.explainer.detector
        info = detector.bundle.info
        assert verdict.provenance is not None
        credentials = clip_credentials(path, verdict.provenance, detector.trust_anchors)
        track = verdict.deciding
        chosen = [] if track is None else list(_chosen(track))
        still: Image.Image | None = None
        explained: dict[int, FrameEvidence] = {}
        times = {verdict.shown_s} if track is None else {track.times[place] for _, place in chosen}
        for frame in frames_at(path, sorted(times), self.detector.limits, as_clip=as_clip):
            if still is None or frame.time_s == verdict.shown_s:
                still = shown(frame.image)
            for letter, (side, place) in zip(_LETTERS, chosen, strict=False):
                if track is not None and track.times[place] == frame.time_s:
                    found = self._frame(frame, track, place, letter, side, faithfulness, advance)
                    explained |= {} if found is None else {place: found}
        assert still is not None
        facts = gather(verdict, info, detector.threshold, credentials)
        return ClipExplanation(
            verdict=verdict,
            frames=tuple(explained[place] for _, place in chosen if place in explained),
            credentials=credentials,
            facts=facts,
            sentences=compose(facts, RULES),
            image=still,
            info=info,
            frame_threshold=detector.threshold,
            file_bytes=Path(path).stat().st_size,
            asked=(frames, every, as_clip),
        )

    def steps(self, frames: int = DEFAULT_FRAMES, faithfulness: bool | Depth = "quick") -> int:
        """How often ``advance`` is called for a clip with one face, roughly."""
        return frames + 2 * MOST_FRAMES * self.explainer.steps(faithfulness)

    def _frame(
        self,
        frame: Frame,
        track: Track,
        place: int,
        letter: str,
        side: Side,
        faithfulness: bool | Depth,
        advance: Callable[[], None],
    ) -> FrameEvidence | None:
        try:
            seen = self.explainer.judge_face(frame.image, track.boxes[place], advance)
        except ValueError:  # a damaged file may give another frame when it is read again
            return None
        region = seen.verdict.regions[seen.deciding]
        checked = self.explainer.check_to(faithfulness, seen, advance)
        reliable = checked is not None and checked.reliable
        places: tuple[Place, ...] = ()
        if reliable and region.face is not None:
            places = find_places(region.evidence, seen.towards, region.crop, region.face)
        closeup = close_up(frame.image, region)
        return FrameEvidence(
            letter=letter,
            side=side,
            index=track.indices[place],
            time_s=frame.time_s,
            key_frame=frame.key_frame,
            region=region,
            method=seen.evidence.method,
            faithfulness=checked,
            places=places,
            overlay=draw_evidence(frame.image, seen.verdict, _FRAME_SIDE, muted=not reliable),
            closeup_overlay=draw_evidence(closeup, zoomed(seen.verdict, region, closeup.size), muted=not reliable),
        )


def _chosen(track: Track) -> Iterator[tuple[Side, int]]:
    """The frames of a track that are shown, by their places in it, no frame twice.

    The most suspicious ones, the highest first, and then the most innocent ones, the lowest first; of equal ones the
    earlier. A track of few frames gives the half of them to each.
    """
    ranked = sorted(range(len(track.times)), key=lambda place: -track.probabilities[place])  # stable
    count = min(MOST_FRAMES, (len(ranked) + 1) // 2)
    for place in ranked[:count]:
        yield "suspicious", place
    lowest = sorted(ranked[count:], key=lambda place: (track.probabilities[place], place))
    for place in lowest[:count]:
        yield "innocent", place
