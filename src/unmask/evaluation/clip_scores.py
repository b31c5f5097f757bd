"""The table of scores of clips: one row per clip, with the probabilities of its tracks and of its frames."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.evaluation.scores import Cells, Scores, tabulate
from unmask.files import digest, stamp
from unmask.imaging.video.frames import DEFAULT_FRAMES
from unmask.journal import Journal
from unmask.version import __version__
from unmask.video.detector import ClipDetector
from unmask.video.verdict import ClipVerdict

FRAME_COLUMNS: Final = ("frame_probabilities",)
"""What tables of clips have besides: the probability of each frame of the deciding track, separated by spaces. Their
column ``face_probabilities`` holds those of the tracks."""


def score_clips(
    clips: ClipDetector,
    manifest: Manifest,
    store: Path | None = None,
    *,
    frames: int = DEFAULT_FRAMES,
    progress: Callable[[], None] = lambda: None,
) -> Scores:
    """Score every clip of a manifest.

    Args:
        clips: its threshold and name go into the table.
        manifest: its columns are kept.
        store: file of known scores, from which a stopped run resumes; created if it does not exist.
        frames: number of frames judged of each clip.
        progress: called after each clip.

    Raises:
        MissingExtraError: the extra ``video`` is not installed.
        UsageError: ``nothing_read`` when not a single clip could be read, ``empty_scores``; ``folder_in_use``,
            ``cannot_write`` of the store.
        ManifestError: a bad row.
    """
    found = []
    with nullcontext() if store is None else Journal(store) as journal:
        for row in manifest:
            path = manifest.resolve(row)
            key = digest("clip scores 1", __version__, clips.detector.bundle.sha256, frames, row.path, *stamp(path))
            known = None if journal is None else journal.get(key)
            cells = clip_cells(clips.detect_or_error(path, frames)) if known is None else known["cells"]
            # A clip that could not be read is tried again in the next run.
            if known is None and journal is not None and not cells["error"]:
                journal.note(key, {"cells": cells})
            found.append((row, cells))
            progress()
    scores = tabulate_clips(clips, manifest, found)
    if all(scores.error):
        text = f"{manifest.name}: none of its {len(scores)} clips could be read ({scores.error[0]}); is the root right?"
        raise UsageError("nothing_read", text)
    return scores


def tabulate_clips(clips: ClipDetector, manifest: Manifest, found: list[tuple[Any, Cells]]) -> Scores:
    """The table of predictions for rows of a manifest, each with its cells from :func:`clip_cells`."""
    scores = tabulate(clips.detector, manifest, found)
    further = {name: tuple(cells[name] for _, cells in found) for name in FRAME_COLUMNS}
    return replace(scores, threshold=clips.threshold, columns={**scores.columns, **further})


def clip_cells(verdict: ClipVerdict) -> Cells:
    """What a table of scores holds of a verdict on a clip."""
    deciding = verdict.deciding
    frames = "" if deciding is None else " ".join(map(repr, deciding.probabilities))
    if verdict.error is not None or verdict.fake_probability is None:
        code = "no_answer" if verdict.error is None else verdict.error.code
        blank = ("fake_probability", "face_found", "face_probabilities", "uncertain")
        return {**dict.fromkeys(blank, ""), "error": code, "frame_probabilities": frames}
    return {
        "fake_probability": repr(verdict.fake_probability),
        "face_found": str(verdict.face_found).lower(),
        "face_probabilities": " ".join(repr(track.fake_probability) for track in verdict.tracks),
        "uncertain": str(verdict.uncertain).lower(),
        "error": "",
        "frame_probabilities": frames,
    }
