"""A detector on clips that were encoded again: the same clips under each condition."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from unmask.data.make.clip_file import ClipEncoding, encode_clip
from unmask.data.make.clips import read_clip
from unmask.data.make.made import made_name
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ImageError, UsageError
from unmask.evaluation.clip_scores import clip_cells, tabulate_clips
from unmask.evaluation.degradations import CLEAN, Condition
from unmask.evaluation.scores import Cells, Scores
from unmask.files import OutputFolder, digest, stamp
from unmask.imaging.video.frames import DEFAULT_FRAMES, probe
from unmask.journal import Journal
from unmask.version import __version__
from unmask.video.detector import ClipDetector

MOST_FRAMES: Final = 1800
"""Of a longer clip, all conditions see this many frames from its start, a minute at 30 frames per second."""

_HALF_CRF: Final = 23
_LOSSLESS: Final = ClipEncoding("ffv1")


def score_clip_conditions(
    detectors: Sequence[ClipDetector],
    manifest: Manifest,
    conditions: Sequence[Condition],
    store: Path | None = None,
    *,
    frames: int = DEFAULT_FRAMES,
    keep: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[dict[str, Scores]]:
    """A table of scores by condition for each detector.

    Args:
        detectors: at least one.
        manifest: the clips.
        conditions: of :func:`unmask.evaluation.degradations.clip_grid`.
        store: file of known scores, from which a stopped run resumes; created if it does not exist.
        frames: number of frames judged of each clip.
        keep: a folder to write the encoded clips to, by condition (default: they are not written).
        progress: called after each clip.

    Raises:
        MissingExtraError: the extra ``video`` is not installed.
        UsageError: ``nothing_read`` when not a single clip could be read, ``empty_scores``; ``no_encoder``;
            ``folder_in_use``, ``cannot_write`` of the store.
        ManifestError: a bad row.
    """
    found: list[dict[str, list[tuple[ManifestRow, Cells]]]] = [{one.name: [] for one in conditions} for _ in detectors]
    with nullcontext() if store is None else Journal(store) as journal:
        for row in manifest:
            path = manifest.resolve(row)
            for condition in conditions:
                about = ("clip robustness 1", __version__, condition.name, frames, row.path, *stamp(path))
                keys = [digest(*about, each.detector.bundle.sha256) for each in detectors]
                known = [None if journal is None or keep is not None else journal.get(key) for key in keys]
                new = _judge(detectors, path, condition, frames, keep, row) if None in known else []
                for at, key in enumerate(keys):
                    stored = known[at]
                    cells = new[at] if stored is None else stored["cells"]
                    if stored is None and journal is not None and not cells["error"]:
                        journal.note(key, {"cells": cells})
                    found[at][condition.name].append((row, cells))
            progress()
    tables = [
        {name: tabulate_clips(clips, manifest, cells) for name, cells in by_name.items()}
        for clips, by_name in zip(detectors, found, strict=True)
    ]
    first = next(iter(tables[0].values()))
    if all(first.error):
        text = f"{manifest.name}: none of its {len(first)} clips could be read ({first.error[0]}); is the root right?"
        raise UsageError("nothing_read", text)
    return tables


def encode_again(path: Path, condition: Condition) -> tuple[bytes, str] | None:
    """A clip under a condition, and the suffix of its file; ``None`` where that is the file as it is.

    Args:
        path: of the clip.
        condition: of :func:`unmask.evaluation.degradations.clip_grid`.

    Raises:
        VideoError: the clip cannot be read.
        UsageError: ``no_encoder``.
    """
    if condition.family == CLEAN:
        facts = probe(path)
        if facts.duration_s * facts.fps <= MOST_FRAMES:
            return None
        encoding = _LOSSLESS
    else:
        encoding = ClipEncoding("h264", _HALF_CRF if condition.level is None else round(condition.level))
    rate, images = read_clip(path, MOST_FRAMES)
    if condition.family == "half-size":
        # As apps do that send clips on: the side halved, with a filter.
        images = (image.reduce(2) for image in images)
    return encode_clip(images, rate, encoding), encoding.suffix


def _judge(
    detectors: Sequence[ClipDetector],
    path: Path,
    condition: Condition,
    frames: int,
    keep: Path | None,
    row: ManifestRow,
) -> list[Cells]:
    try:
        made = encode_again(path, condition)
    except ImageError:
        made = None  # as in unmask evaluate: each detector's own error
    if made is None:
        return [clip_cells(clips.detect_or_error(path, frames)) for clips in detectors]
    content, suffix = made
    if keep is not None:
        name = made_name(Path(row.path).name, suffix, row.path)
        OutputFolder(keep).write(f"{condition.name}/{name}", content, durable=False)
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        file = Path(folder) / f"clip{suffix}"
        file.write_bytes(content)
        return [clip_cells(clips.detect_or_error(file, frames)) for clips in detectors]
