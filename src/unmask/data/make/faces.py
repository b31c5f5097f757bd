"""``data faces``: crops of the faces in a manifest's images or clips, with their own manifest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from unmask.data import tables
from unmask.data.clip_rows import holds_clips
from unmask.data.make.align import coverage, face_alignment, warp
from unmask.data.make.made import MANIFEST_NAME, MISSES_NAME, Encoding, Names, made_columns, made_name, row_cells
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ImageError, UsageError
from unmask.files import OutputFolder, digest, stamp
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import Face, FaceFinder, FacePolicy, square_crop
from unmask.imaging.video.frames import sample_frames
from unmask.journal import Journal
from unmask.parallel import ordered_map

JOURNAL_NAME = ".faces-journal.jsonl"
COLUMNS = (
    "face_found",
    "face_box",
    "face_score",
    "face_index",
    "face_count",
    "face_keypoints",
    "crop_box",
    "crop_outside",
)
"""The columns that ``data faces`` adds. Boxes are [x0, y0, x1, y1] in pixels of the upright original, as JSON."""
CLIP_COLUMNS = ("frame_index", "frame_time")
"""Of clips, besides: the frame's place among those that were taken, and its time in seconds."""

_Part = tuple[Image.Image, dict[str, str]]


@dataclass(frozen=True, slots=True)
class CutPolicy:
    """How faces are cut out.

    Attributes:
        mode: ``box``: the square around the face that detectors see, moved inwards at the image's edges.
            ``aligned``: rotated upright and scaled so that eyes and mouth are at fixed places; black where it is
            outside the image.
        margin: margin around the finder's box on each side, as a fraction of its longer side.
        size: side of the crops in pixels; ``None``: the face's own.
        every_face: crop all faces of an image instead of the largest.
        whole_without_face: use the whole image where no face is found, instead of reporting a miss.
        encoding: how crops are written.
        frames: number of frames of a clip, spread over it.
    """

    mode: Literal["box", "aligned"] = "box"
    margin: float = 0.3
    size: int | None = None
    every_face: bool = False
    whole_without_face: bool = False
    encoding: Encoding = field(default_factory=Encoding)
    frames: int = 8


@dataclass(frozen=True, slots=True)
class CutReport:
    """The result of cutting out faces.

    Attributes:
        images: rows of the input.
        crops: rows of the manifest that was written.
        kept: images whose crops existed already.
        misses: number of images without a crop, by reason; ``no_face`` or the code of an error.
        unreadable: number of these that could not be read.
        beyond_image: crops with more than 1 % outside the image, which is black.
    """

    images: int
    crops: int
    kept: int
    misses: dict[str, int]
    unreadable: int
    beyond_image: int


@dataclass(frozen=True, slots=True)
class _Job:
    row: ManifestRow
    name: str
    path: Path | None
    key: str
    known: dict[str, Any] | None


def cut_faces(
    manifest: Manifest,
    out: Path,
    policy: CutPolicy = CutPolicy(),
    *,
    faces: FacePolicy | None = None,
    workers: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> CutReport:
    """Write a crop of each image's face, ``manifest.csv`` with a row each, and ``misses.csv``.

    An image that is unchanged since an earlier run wrote its crops with the same settings is not opened again.
    Manifest and misses are written at the end. The crops of a clip are one group, its own if the manifest names none,
    so that a split never divides them.

    Args:
        manifest: the images, or clips. Its columns are kept; ``path``, ``url``, ``sha256``, ``width`` and ``height``
            are kept as ``original_path`` and so on, as a crop has its own.
        out: the output folder; nothing is written outside it.
        policy: how to crop.
        faces: how to search faces; the default policy if not given.
        workers: threads; the number of CPUs by default.
        progress: called once per image.

    Raises:
        ManifestError: a row that is malformed or leads out of the root, or two rows of one file.
        UsageError: ``cannot_write``, ``outside_folder``, ``folder_in_use``.
    """
    manifest.validate(check_files=False)
    folder = OutputFolder(out)
    finder = FaceFinder(faces)
    names = Names(manifest)
    are_clips = holds_clips(manifest)
    # What was made of images before clips were read is not made again.
    chosen = {name: value for name, value in asdict(policy).items() if name != "frames" or are_clips}
    settings = [chosen, finder.policy.model_dump(mode="json")]
    columns = made_columns(manifest, (*COLUMNS, *CLIP_COLUMNS) if are_clips else COLUMNS)
    missed: list[dict[str, str]] = []
    reasons: Counter[str] = Counter()
    images = kept = unreadable = beyond = 0

    with Journal(out / JOURNAL_NAME) as journal:

        def jobs() -> Iterator[_Job]:
            for row in manifest:
                if not row.path:
                    yield _Job(row, "", None, "", None)
                    continue
                name, path = names.of(row)
                key = digest("faces", settings, name, stamp(path))
                known = journal.get(key)
                yield _Job(row, name, path, key, known if known and _is_there(folder, known) else None)

        def cut(job: _Job) -> dict[str, Any]:
            if job.known is not None:
                return job.known
            if job.path is None:
                return {
                    "crops": [],
                    "miss": ["no_file", "The row has only a URL; run unmask data fetch first."],
                    "failed": True,
                }
            cut_one = _cut_clip if are_clips else _cut_one
            return cut_one(job.path, job.name, folder, finder, policy)

        def rows() -> Iterator[list[str]]:
            nonlocal images, kept, unreadable, beyond
            for job, done in ordered_map(lambda job: (job, cut(job)), jobs(), workers):
                images += 1
                kept += job.known is not None
                if job.known is None and not done.get("failed"):
                    journal.note(job.key, done)
                progress()
                if done["miss"]:
                    reasons[done["miss"][0]] += 1
                    unreadable += bool(done.get("failed"))
                    reason = {"reason": done["miss"][0], "message": done["miss"][1]}
                    missed.append({**job.row.extra, **row_cells(job.row), **reason})
                for crop in done["crops"]:
                    cells = {**row_cells(job.row), **crop["cells"]}
                    if are_clips:
                        cells["group"] = job.row.group or job.name
                    beyond += float(cells["crop_outside"]) > 0.01
                    yield [cells.get(column, "") for column in columns]

        crops = tables.write_rows(folder, MANIFEST_NAME, columns, rows())
        miss_columns = list(dict.fromkeys([*manifest.columns, "reason", "message"]))
        tables.write_rows(
            folder, MISSES_NAME, miss_columns, ([cells[name] for name in miss_columns] for cells in missed)
        )
    return CutReport(images, crops, kept, dict(sorted(reasons.items())), unreadable, beyond)


def _is_there(folder: OutputFolder, known: dict[str, Any]) -> bool:
    try:
        return all(folder.holds(crop["cells"]["path"], crop["bytes"]) for crop in known["crops"])
    except (KeyError, TypeError):
        return False


def _cut_one(path: Path, name: str, folder: OutputFolder, finder: FaceFinder, policy: CutPolicy) -> dict[str, Any]:
    try:
        image = decode_image(path)
    except ImageError as error:
        return {"crops": [], "miss": [error.code, error.message], "failed": True}
    return _cut_image(image, name, folder, finder, policy, {})


def _cut_clip(path: Path, name: str, folder: OutputFolder, finder: FaceFinder, policy: CutPolicy) -> dict[str, Any]:
    """The crops of a clip's frames; a frame without a crop is passed over unless all are."""
    crops: list[dict[str, Any]] = []
    miss: list[str] | None = None
    try:
        for frame in sample_frames(path, policy.frames):
            facts = {"frame_index": str(frame.index), "frame_time": f"{frame.time_s:.3f}"}
            done = _cut_image(frame.image, name, folder, finder, policy, facts)
            crops += done["crops"]
            miss = miss or done["miss"]
    except ImageError as error:
        return {"crops": [], "miss": [error.code, error.message], "failed": True}
    return {"crops": crops, "miss": None if crops else miss}


def _cut_image(
    image: Image.Image,
    name: str,
    folder: OutputFolder,
    finder: FaceFinder,
    policy: CutPolicy,
    about: dict[str, str],
) -> dict[str, Any]:
    """The crops of an image; ``about`` holds further cells, and tells the frames of a clip apart."""
    found = finder.find(image)
    if not found and not policy.whole_without_face:
        return {"crops": [], "miss": ["no_face", "No face was found in the image."]}
    crops = []
    for index, face in enumerate(found if policy.every_face else found[:1]):
        try:
            part, facts = _aligned(image, face, policy) if policy.mode == "aligned" else _boxed(image, face, policy)
        except UsageError:
            if index == 0:
                return {"crops": [], "miss": ["bad_keypoints", "The face's key points coincide."]}
            continue
        facts |= {
            "face_found": "true",
            "face_box": _numbers(face.box),
            "face_score": f"{face.score:.4f}",
            "face_index": str(index),
            "face_count": str(len(found)),
            "face_keypoints": _numbers(face.keypoints),
            **about,
        }
        crops.append(_write(part, facts, name, index, folder, policy))
    if not found:
        whole = (0.0, 0.0, float(image.width), float(image.height))
        part = image if policy.size is None else image.resize((policy.size, policy.size), Image.Resampling.BICUBIC)
        facts = {"face_found": "false", "face_count": "0", "crop_box": _numbers(whole), "crop_outside": "0"}
        facts |= about
        crops.append(_write(part, facts, name, 0, folder, policy))
    return {"crops": crops, "miss": None}


def _boxed(image: Image.Image, face: Face, policy: CutPolicy) -> _Part:
    x0, y0, x1, y1 = square_crop(face.box, policy.margin, image.size)
    if policy.size is not None:
        # As in the detectors' preprocessing, in one resampling step.
        box = (x0, y0, x1, y1)
        part = image.resize((policy.size, policy.size), Image.Resampling.BICUBIC, box=box)
        return part, {"crop_box": _numbers(box), "crop_outside": "0"}
    # Whole pixels, so that none is interpolated, and still a square inside the image.
    side = max(1, min(round(x1 - x0), *image.size))
    left, top = min(round(x0), image.width - side), min(round(y0), image.height - side)
    whole = (left, top, left + side, top + side)
    return image.crop(whole), {"crop_box": _numbers(whole), "crop_outside": "0"}


def _aligned(image: Image.Image, face: Face, policy: CutPolicy) -> _Part:
    side = policy.size or max(16, round(face.side * (1 + 2 * policy.margin)))
    transform = face_alignment(face, side, policy.margin)
    if not 1e-3 < transform.scale < 1e3:
        raise UsageError("degenerate_points", "The key points are too close together or too far apart.")
    part = warp(image, transform, (side, side))
    inside = np.asarray(coverage(image.size, transform, (side, side)))
    corners = (
        np.linalg.inv(transform.matrix[:, :2])
        @ (np.array([(0, 0), (side, 0), (side, side), (0, side)], float) - transform.shift).T
    )
    return part, {"crop_box": _numbers(corners.T), "crop_outside": f"{1 - (inside > 0).mean():.4f}"}


def _write(
    part: Image.Image, facts: dict[str, str], name: str, index: int, folder: OutputFolder, policy: CutPolicy
) -> dict[str, Any]:
    content = policy.encoding.encode(part)
    frame = [facts["frame_index"]] if "frame_index" in facts else []
    target = made_name(name, policy.encoding.suffix, "face", index, *frame)
    folder.write(target, content, durable=False)
    cells = {
        **facts,
        "path": target,
        "url": "",
        "sha256": hashlib.sha256(content).hexdigest(),
        "width": str(part.width),
        "height": str(part.height),
    }
    return {"bytes": len(content), "cells": cells}


def _numbers(values: Any) -> str:
    return json.dumps(np.round(np.asarray(values, float), 1).tolist())
