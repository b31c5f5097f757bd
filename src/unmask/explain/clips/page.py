"""An explanation of a clip as a self-contained HTML page or a folder of files."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from unmask.detect.overlay import TOWARDS_FAKE, TOWARDS_REAL
from unmask.detect.verdict import TITLES
from unmask.explain.citation import CREDENTIALS_CHECK, IMAGE_SEARCHES, commands_for, report_time, shown_time
from unmask.explain.clips.facts import codec_facts, frame_word, median_side, steadiness
from unmask.explain.page import (
    REPORT,
    NumberedFace,
    along,
    css_colour,
    encoded,
    jpeg_uri,
    numbered_boxes,
    percent,
)
from unmask.explain.page import SCRIPT as ZOOM
from unmask.files import OutputFolder
from unmask.imaging.video.frames import DEFAULT_FRAMES
from unmask.pages.page import render
from unmask.pages.timeline import TimeLine, Timeline, TimePoint, clock
from unmask.version import __version__
from unmask.video.verdict import Track

if TYPE_CHECKING:
    from unmask.explain.clips.explainer import ClipExplanation

SCRIPTS: Final = ("unmask.pages/timeline.js", ZOOM)
"""The scripts of the report, by package and file."""
MOST_TRACKS: Final = 12
"""Tracks in timeline and table; those with most frames, and always the one that decides."""

_FACES_ONLY: Final = (
    "Only faces are judged: not the scene, the sound, the caption, or whether the clip is old, cut or out of context."
)


def write_clip(explanation: ClipExplanation, folder: Path, time: datetime | None = None) -> Path:
    """Write ``report.html``, ``explanation.json`` and the frames as PNG; returns the path of the report.

    Args:
        explanation: what to write.
        folder: created if missing; nothing is written outside it.
        time: see :func:`render_clip`.

    Raises:
        UsageError: ``cannot_write``, ``bad_source_date_epoch``.
    """
    out = OutputFolder(folder)
    for frame in explanation.frames:
        out.write(f"frame-{frame.letter}.png", encoded(frame.overlay, "PNG"), durable=False)
        out.write(f"frame-{frame.letter}-close-up.png", encoded(frame.closeup_overlay, "PNG"), durable=False)
    out.write("explanation.json", (json.dumps(explanation.to_json(), indent=1, allow_nan=False) + "\n").encode())
    out.write(REPORT, render_clip(explanation, time).encode())
    return folder / REPORT


def render_clip(explanation: ClipExplanation, time: datetime | None = None, name: str | None = None) -> str:
    """The page of one explanation, with its frames inside; all text from the file is escaped.

    Args:
        explanation: what to show.
        time: time of the report, with its zone (default: see :func:`unmask.explain.citation.report_time`). The same
            explanation and time give the same bytes.
        name: file name of the clip (default: that of the verdict's path).

    Raises:
        UsageError: ``bad_source_date_epoch``.
    """
    verdict, facts = explanation.verdict, explanation.facts
    clip = verdict.facts
    assert verdict.verdict is not None and clip is not None
    name = Path(verdict.path).name if name is None else name
    tracks = _shown_tracks(explanation)
    frames = [(each, jpeg_uri(each.overlay), jpeg_uri(each.closeup_overlay)) for each in explanation.frames]
    width, height = clip.size
    return render(
        "unmask.explain.clips/report.html.j2",
        script=SCRIPTS,
        explanation=explanation,
        verdict=verdict,
        clip=clip,
        word=TITLES[verdict.verdict],
        has_probability=verdict.verdict != "NO_FACE",
        facts=facts,
        name=name,
        time=shown_time(time or report_time()),
        version=__version__,
        width=width,
        height=height,
        still=jpeg_uri(explanation.image),
        faces=numbered_boxes(_faces(explanation), width, height),
        reasons=[sentence for sentence in explanation.reasons if sentence.rule != "marks"],  # they have a banner
        limits=_limits(explanation),
        commands=_commands(explanation, name),
        searches=IMAGE_SEARCHES,
        credentials_check=CREDENTIALS_CHECK,
        timeline=_timeline(explanation, tracks),
        tracks=[_row(track, number, number - 1 == verdict.deciding_track) for number, track in tracks],
        tracks_left_out=len(verdict.tracks) - len(tracks),
        groups=[
            (
                "Most suspicious frames",
                f"The frames of track {facts['deciding_track']} with the highest probability of fake by themselves.",
                [each for each in frames if each[0].side == "suspicious"],
            ),
            (
                "Most innocent frames",
                f"The frames of track {facts['deciding_track']} with the lowest probability of fake by themselves.",
                [each for each in frames if each[0].side == "innocent"],
            ),
        ],
        steadiness=steadiness(verdict),
        codec=codec_facts(clip, explanation.file_bytes),
        fake_colour=css_colour(TOWARDS_FAKE),
        real_colour=css_colour(TOWARDS_REAL),
        percent=percent,
        along=along,
        clock=clock,
    )


def _shown_tracks(explanation: ClipExplanation) -> list[tuple[int, Track]]:
    """Number and track of those that are drawn, in order of appearance."""
    verdict = explanation.verdict
    ranked = sorted(
        enumerate(verdict.tracks), key=lambda each: (each[0] != verdict.deciding_track, -len(each[1].times), each[0])
    )
    return [(place + 1, track) for place, track in sorted(ranked[:MOST_TRACKS], key=lambda each: each[0])]


def _timeline(explanation: ClipExplanation, tracks: list[tuple[int, Track]]) -> Timeline:
    verdict, info, threshold = explanation.verdict, explanation.info, explanation.frame_threshold
    assert verdict.facts is not None
    lines = []
    for number, track in tracks:
        points = tuple(
            TimePoint(time, value, index, word, TITLES[word])
            for time, value, index in zip(track.times, track.probabilities, track.indices, strict=True)
            for word in [frame_word(value, info, threshold)]
        )
        lines.append(TimeLine(str(number), points, number - 1 == verdict.deciding_track))
    return Timeline(
        duration_s=max(verdict.facts.duration_s, *verdict.times, 0.0),
        lines=tuple(lines),
        threshold=threshold,
        band=(info.uncertain.low, info.uncertain.high),
        flags=tuple((frame.time_s, frame.letter) for frame in explanation.frames),
    )


def _faces(explanation: ClipExplanation) -> list[NumberedFace]:
    """The faces of the still, each with the number of its track."""
    verdict = explanation.verdict
    return [
        NumberedFace(place + 1, box, probability, place == verdict.deciding_track)
        for place, track in enumerate(verdict.tracks)
        for time, box, probability in zip(track.times, track.boxes, track.probabilities, strict=True)
        if time == verdict.shown_s
    ]


def _row(track: Track, number: int, decides: bool) -> dict[str, Any]:
    return {
        "number": number,
        "decides": decides,
        "start_s": track.start_s,
        "end_s": track.end_s,
        "frames": len(track.times),
        "side": median_side(track.boxes),
        "fake_probability": track.fake_probability,
        "title": TITLES[track.verdict],
    }


def _limits(explanation: ClipExplanation) -> list[str]:
    """At most three sentences on what the verdict cannot tell."""
    verdict, clips = explanation.verdict, explanation.info.clips
    found = [_FACES_ONLY]
    frames = verdict.facts and verdict.facts.frames
    if frames and frames > verdict.frames_judged:
        found.append(
            f"{verdict.frames_judged:,} of {frames:,} frames were judged: what happens only between them is not seen."
        )
    named = [] if clips is None else [each for each in clips.thresholds if each.fake_probability == verdict.threshold]
    if named:
        found.append(
            f"Of 100 real clips like those it was validated on, about {100 * named[0].false_positive_budget:g} reach "
            "the threshold for fake."
        )
    elif not any(sentence.rule == "uncalibrated" for sentence in explanation.reasons):
        found.append("How many real clips reach the threshold was not measured.")
    return found


def _commands(explanation: ClipExplanation, name: str) -> list[tuple[str, str]]:
    info, verdict, (frames, every, as_clip) = explanation.info, explanation.verdict, explanation.asked
    usual = info.threshold if info.clips is None else info.clips.threshold
    options = "" if frames == DEFAULT_FRAMES else f" --frames {frames}"
    if every is not None:
        options = f" --every {every!r}"
    if as_clip:
        options += " --as-clip"
    return commands_for(
        verdict, info, name, None if verdict.threshold == usual.fake_probability else verdict.threshold, options
    )
