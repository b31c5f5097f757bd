"""What a temporal head is trained on: the frames of clips and of moving still images, as a detector sees them.

A detector never changes while a head is trained, so each frame runs through it once; logits and features are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unmask.bundle.bundle import Bundle, ask_graph
from unmask.bundle.clip_head import join_frames
from unmask.bundle.frame_features import give_features
from unmask.bundle.session import GraphSession
from unmask.data.make.clip_faces import tremble
from unmask.data.make.self_blend import self_blend
from unmask.data.make.still_motion import still_frames
from unmask.data.rows import ManifestRow
from unmask.data.split.validation import group_of
from unmask.detect.detector import Detector
from unmask.detect.verdict import RegionVerdict
from unmask.errors import ImageError
from unmask.files import digest, stamp
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import FaceFinder, FacePolicy
from unmask.imaging.preprocessing import crop_of, render
from unmask.imaging.video.facts import is_clip
from unmask.imaging.video.frames import sample_frames
from unmask.journal import Journal
from unmask.parallel import ordered_map
from unmask.recipes.temporal import Temporal
from unmask.video.detector import ClipDetector
from unmask.video.tracks import RawTrack, TrackBuilder

_VERSION = 1  # of what is kept
_BLEND, _TREMOR = 1, 2  # draws apart from those of the motion
_TREMBLING = 0.01  # of the face's side
_AHEAD = 3  # frames in hand for each thread

Frames = npt.NDArray[np.float32]
Work = tuple[ManifestRow, Path]


@dataclass(frozen=True, eq=False)
class FrameSequence:
    """Frames in the order of time, as a temporal head takes them.

    Attributes:
        name: of the file.
        frames: float32 [t, 1 + k], the logit of each frame first.
        seconds: float32 [t].
        is_fake: the label.
        groups: of the clip or image and, of a swap, of its donor. Where one of them is left out, so is the sequence.
        is_still: whether it was made of a still image.
        is_made: whether it is a fake that was made for training, which is not measured.
    """

    name: str
    frames: Frames
    seconds: npt.NDArray[np.float32]
    is_fake: bool
    groups: frozenset[str]
    is_still: bool = False
    is_made: bool = False


def with_features(bundle: Bundle, directions: int) -> Bundle:
    """The bundle with a graph that gives features, in memory.

    Raises:
        BundleError: ``no_features``.
    """
    return replace(bundle, model=give_features(bundle.model, directions))


def clip_sequences(
    bundle: Bundle,
    settings: Temporal,
    rows: Sequence[Work],
    journal: Journal,
    progress: Callable[[], object] = lambda: None,
) -> tuple[list[FrameSequence], dict[str, str]]:
    """The main track of each clip.

    Args:
        bundle: whose graph gives features.
        settings: of the recipe.
        rows: the clips, with their paths.
        journal: where frames are kept.
        progress: called once per clip.

    Returns:
        The sequences, and by path why a clip has none.
    """
    clips = ClipDetector(Detector(replace(bundle, info=bundle.info.model_copy(update={"clips": None}))))

    def compute(path: Path) -> dict[str, Any]:
        try:
            track = _main_track(clips, path, settings.frames)
        except ImageError as error:
            return {"error": error.message}
        if track is None:
            return {"error": "No face was found in the clip."}
        frames, seconds = track_frames([face.region for face in track.faces], track.times)
        return {"frames": frames.tolist(), "seconds": seconds.tolist()}

    about = digest(_VERSION, "clip", bundle.sha256, settings.directions, settings.frames)
    sequences: list[FrameSequence] = []
    missed: dict[str, str] = {}
    for row, path in rows:
        _keep(sequences, missed, row, _known(journal, digest(about, str(path), stamp(path)), lambda: compute(path)))  # noqa: B023 - called at once
        progress()
    return sequences, missed


def still_sequences(
    bundle: Bundle,
    settings: Temporal,
    rows: Sequence[Work],
    journal: Journal,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> tuple[list[FrameSequence], dict[str, str]]:
    """A sequence of each still image by small motions, and of each real one a second, blended with itself and fake.

    A blended face trembles as frame-wise fakes do: each frame is blended by the same draws, but the mask follows the
    face of that frame with an error of its own.

    Args:
        bundle: whose graph gives features.
        settings: of the recipe.
        rows: the images, with their paths.
        journal: where frames are kept.
        seed: random seed of the motions.
        workers: threads; the number of CPUs by default.
        progress: called once per image.

    Returns:
        The sequences, and by path why an image has none.
    """
    session = bundle.session()
    finder = FaceFinder(bundle.info.preprocessing.faces or FacePolicy())
    about = digest(_VERSION, "still", bundle.sha256, settings.directions, settings.still_frames, seed)

    def judge(work: Work) -> tuple[ManifestRow, list[tuple[bool, dict[str, Any]]]]:
        row, path = work
        is_fake = row.label == "fake"
        found = []
        for blended in (False,) if is_fake else (False, True):
            key = digest(about, str(path), stamp(path), blended)
            found.append((blended, _known(journal, key, lambda: make(path, row, blended))))  # noqa: B023 - called at once
        return row, found

    def make(path: Path, row: ManifestRow, blended: bool) -> dict[str, Any]:
        try:
            image = decode_image(path)
        except ImageError as error:
            return {"error": error.message}
        faces = finder.find(image)
        if not faces:
            return {"error": "No face was found in the image."}
        key = int(digest(seed, row.path), 16)
        pixels, times, tremor = [], [], np.random.default_rng([key, _TREMOR])
        for frame in still_frames(image, faces[0], settings.still_frames, np.random.default_rng(key)):
            shown = frame.image
            if blended:
                # The same draws in every frame: one manipulation of the whole sequence.
                at = tremble(frame.face, _TREMBLING, tremor)
                shown = self_blend(shown, at, np.random.default_rng([key, _BLEND])).image
            crop = crop_of(frame.face, shown.size, bundle.info.preprocessing)
            pixels.append(render(shown, crop, bundle.info.preprocessing))
            times.append(frame.seconds)
        return {"frames": _ask(session, pixels).tolist(), "seconds": times}

    sequences: list[FrameSequence] = []
    missed: dict[str, str] = {}
    for row, made in ordered_map(judge, rows, workers):
        for blended, found in made:
            _keep(sequences, missed, row, found, is_still=True, blended=blended)
        progress()
    return sequences, missed


def split_rows(rows: Sequence[Work]) -> tuple[list[Work], list[Work]]:
    """The rows of clips, and those of still images."""
    clips: list[Work] = []
    stills: list[Work] = []
    for work in rows:
        (clips if is_clip(str(work[1])) else stills).append(work)
    return clips, stills


def track_frames(regions: Sequence[RegionVerdict], times: Sequence[float]) -> tuple[Frames, npt.NDArray[np.float32]]:
    """What a head takes of a track: float32 [t, 1 + k] and [t]."""
    frames = join_frames([region.logit for region in regions], np.stack([region.features for region in regions]))  # type: ignore[misc, arg-type]  # a bundle with features gives them
    return frames, np.asarray(times, np.float32)


def _main_track(clips: ClipDetector, path: Path, frames: int) -> RawTrack | None:
    """The face that is there longest, and of these the largest."""
    builder = TrackBuilder()
    for judged in ordered_map(clips.judge_frame, sample_frames(path, frames), None, ahead=_AHEAD):
        builder.add(judged.index, judged.time_s, judged.faces, after_cut=judged.after_cut)

    def rank(track: RawTrack) -> tuple[int, float]:
        return len(track.times), float(np.mean([face.box[2] - face.box[0] for face in track.faces]))

    return max(builder.tracks, key=rank, default=None)


def _ask(session: GraphSession, pixels: list[npt.NDArray[np.uint8]]) -> Frames:
    answer = ask_graph(session, np.stack(pixels))
    assert answer.features is not None
    return join_frames(answer.logit, answer.features)


def _known(journal: Journal, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    known = journal.get(key)
    if known is None:
        known = compute()
        if "error" not in known:  # what could not be read is tried again in the next run
            journal.note(key, known)
    return known


def _keep(
    sequences: list[FrameSequence],
    missed: dict[str, str],
    row: ManifestRow,
    found: dict[str, Any],
    *,
    is_still: bool = False,
    blended: bool = False,
) -> None:
    if "error" in found:
        missed[row.path] = found["error"]
        return
    frames, seconds = np.array(found["frames"], np.float32), np.array(found["seconds"], np.float32)
    groups = frozenset(filter(None, (group_of(row), row.extra.get("donor_group", ""))))
    is_fake, is_made = blended or row.label == "fake", blended or bool(row.extra.get("made_by", ""))
    sequences.append(FrameSequence(row.path, frames, seconds, is_fake, groups, is_still, is_made))
