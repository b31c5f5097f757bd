"""``data synthesize`` for clips: fakes of real clips, each by one transformation from its first frame to its last.

What is drawn is drawn once for a clip: every frame is blended, or gets its donor's face, with the same draws, on a face
that is followed through the clip without the finder's tremor. A tremor can be asked for: many generators work frame by
frame, and their fakes shiver.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from heapq import nsmallest
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

import numpy as np
from PIL import Image

from unmask.data import tables
from unmask.data.folders import CLASS_FOLDERS
from unmask.data.make.clip_faces import follow, tremble
from unmask.data.make.clip_file import ClipEncoding, encode_clip
from unmask.data.make.made import MANIFEST_NAME, MISSES_NAME, Names, Original, made_columns, made_name, row_cells
from unmask.data.make.self_blend import self_blend
from unmask.data.make.swap import misfit, swap_faces
from unmask.data.make.synthesize import COLUMNS, JOURNAL_NAME, LABELS, SynthesisReport
from unmask.data.manifest import Manifest
from unmask.errors import ImageError, UsageError
from unmask.files import OutputFolder, digest, stamp
from unmask.imaging.faces import Face, FaceFinder, FacePolicy
from unmask.imaging.video.frames import ClipReader
from unmask.journal import Journal
from unmask.version import __version__

ClipKind = Literal["self-blend", "swap"]

_VERSION: Final = 1  # of what is drawn and how
_DONORS: Final = 4  # clips that are tried
_DONOR_FRAMES: Final = 8  # of each of them
_WORST_MISFIT: Final = 0.3  # in eye distances, over the whole clip
_LEAST_SEEN: Final = 0.5  # of the frames must show the face
_USUAL_RATE: Final = 25.0  # frames per second, of a clip that does not tell


@dataclass(frozen=True, slots=True)
class ClipPolicy:
    """What to make of each real clip.

    Attributes:
        kind: ``self-blend`` or ``swap``.
        per_clip: number of fakes of each clip.
        seed: random seed; a draw depends on it and on the clip's path, not on the order of rows.
        limit: largest number of rows to use, chosen by a hash of their paths.
        frames: most frames of a clip; a longer one is cut there.
        tremor: standard deviation of each frame's own error of the face's place and size, as a fraction of its side.
        encoding: how clips are written.
        with_originals: also write the originals, cut alike and through the same encoder.
    """

    kind: ClipKind
    per_clip: int = 1
    seed: int = 0
    limit: int | None = None
    frames: int = 300
    tremor: float = 0.0
    encoding: ClipEncoding = field(default_factory=ClipEncoding)
    with_originals: bool = False


@dataclass(frozen=True, slots=True)
class _Donor:
    original: Original
    image: Image.Image
    face: Face
    mirrored: bool
    misfit: float


def synthesize_clips(
    manifest: Manifest,
    out: Path,
    policy: ClipPolicy,
    *,
    faces: FacePolicy | None = None,
    progress: Callable[[], object] = lambda: None,
) -> SynthesisReport:
    """Make fakes of the real clips of a manifest and write ``manifest.csv`` and ``misses.csv`` next to them.

    Columns, groups, splits and the rules for donors are those of :func:`unmask.data.make.synthesize.synthesize`; a clip
    is a group of its own where the manifest names none. Clips made by an earlier run are not made again.

    Args:
        manifest: the clips; fakes are made from rows labelled real only.
        out: the output folder; nothing is written outside it.
        policy: what to make.
        faces: how to search faces; the default policy if not given.
        progress: called once per used row.

    Raises:
        ManifestError: a row that is malformed or leads out of the root, or two rows of one file.
        MissingExtraError: the extra ``video`` is not installed.
        UsageError: ``bad_synthesis``, ``no_pictures``, ``cannot_write``, ``outside_folder``, ``folder_in_use``.
    """
    _check(policy)
    manifest.validate(check_files=False)
    folder, finder, names = OutputFolder(out), FaceFinder(faces), Names(manifest)
    everything = [Original(row, *names.of(row)) for row in manifest if row.path and row.label == "real"]
    if not everything:
        raise UsageError("no_pictures", f"{manifest.name}: no real clip has a path")
    used = _limited(everything, policy)
    columns = made_columns(manifest, COLUMNS)
    settings = {**asdict(policy), "limit": None, "version": _VERSION, "faces": finder.policy.model_dump()}
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    missed: list[dict[str, str]] = []

    with Journal(out / JOURNAL_NAME) as journal:

        def rows() -> Iterator[list[str]]:
            for original in used:
                donors = _donors(original, everything, policy)
                parts = [[(donor.name, stamp(donor.path)) for donor in draw] for draw in donors]
                key = digest("clips", settings, original.name, stamp(original.path), parts)
                done = journal.get(key)
                if done is not None and _is_there(folder, done):
                    counts["kept"] += 1
                else:
                    done = _make(original, donors, folder, finder, policy)
                    if not done["unreadable"]:
                        journal.note(key, done)
                progress()
                counts["unreadable"] += done["unreadable"]
                for reason, message in done["misses"]:
                    reasons[reason] += 1
                    old = {**original.row.extra, **row_cells(original.row)}
                    missed.append({**old, "reason": reason, "message": message})
                for made in done["made"]:
                    cells = {**row_cells(original.row), "group": original.group, **made["cells"]}
                    counts["originals" if cells["made_by"] == "original" else "made"] += 1
                    yield [cells.get(column, "") for column in columns]

        tables.write_rows(folder, MANIFEST_NAME, columns, rows())
        miss_columns = list(dict.fromkeys([*manifest.columns, "reason", "message"]))
        tables.write_rows(
            folder, MISSES_NAME, miss_columns, ([cells[name] for name in miss_columns] for cells in missed)
        )
    found = dict(sorted(reasons.items()))
    return SynthesisReport(len(used), counts["made"], counts["originals"], counts["kept"], found, counts["unreadable"])


def read_clip(path: Path, most: int) -> tuple[float, Iterator[Image.Image]]:
    """A clip's rate in frames per second, and its first frames as they follow each other.

    Args:
        path: of the clip.
        most: most frames.

    Raises:
        VideoError: it cannot be read.
    """
    frames = _frames(path, most)
    rate, first = next(frames)
    return rate, chain([first], (image for _, image in frames))


def _frames(path: Path, most: int) -> Iterator[tuple[float, Image.Image]]:
    with ClipReader(path) as clip:
        fps = clip.facts.fps or _USUAL_RATE
        count = min(most, max(1, round(clip.facts.duration_s * fps)))
        # The middle of each frame's time: rounding cannot reach the one before it.
        for frame in clip.at([(at + 0.5) / fps for at in range(count)]):
            yield fps, frame.image


def _check(policy: ClipPolicy) -> None:
    problem = ""
    if policy.kind not in ("self-blend", "swap"):
        problem = f"Of clips only self-blend and swap are made, not {policy.kind}."
    elif policy.per_clip < 1 or policy.frames < 1 or (policy.limit is not None and policy.limit < 1):
        problem = "The numbers of clips and frames must be at least 1."
    elif not 0 <= policy.tremor <= 0.2:
        problem = "The tremor is a fraction of the face's side from 0 to 0.2."
    if problem:
        raise UsageError("bad_synthesis", problem)


def _limited(clips: list[Original], policy: ClipPolicy) -> list[Original]:
    if policy.limit is None or policy.limit >= len(clips):
        return clips
    ranks = [digest("limit", policy.seed, original.name) for original in clips]
    chosen = set(nsmallest(policy.limit, ranks))
    return [original for original, rank in zip(clips, ranks, strict=True) if rank in chosen]


def _seed(policy: ClipPolicy, what: str, name: str, draw: int) -> list[int]:
    return [int(digest(_VERSION, policy.kind, policy.seed, what, name, draw), 16)]


def _donors(original: Original, everything: Sequence[Original], policy: ClipPolicy) -> tuple[tuple[Original, ...], ...]:
    """For each draw a few clips to try: same split, another group."""
    if policy.kind != "swap":
        return ((),) * policy.per_clip
    pool = sorted(
        (each for each in everything if each.group != original.group and each.row.split == original.row.split),
        key=lambda each: each.name,
    )
    draws = []
    for draw in range(policy.per_clip):
        rng = np.random.default_rng(_seed(policy, "donors", original.name, draw))
        draws.append(tuple(pool[at] for at in rng.permutation(len(pool))[:_DONORS]))
    return tuple(draws)


def _is_there(folder: OutputFolder, known: dict[str, Any]) -> bool:
    try:
        return all(folder.holds(name, size) for made in known["made"] for name, size in made["files"].items())
    except (KeyError, TypeError, AttributeError):
        return False


def _make(
    original: Original,
    donors: Sequence[Sequence[Original]],
    folder: OutputFolder,
    finder: FaceFinder,
    policy: ClipPolicy,
) -> dict[str, Any]:
    made: list[dict[str, Any]] = []
    misses: list[tuple[str, str]] = []
    try:
        rate, images = read_clip(original.path, policy.frames)
        found = [finder.find(image) for image in images]
    except ImageError as error:
        return {"made": [], "misses": [(error.code, error.message)], "unreadable": 1}
    faces = follow(found)
    if sum(face is not None for face in faces) < max(1, _LEAST_SEEN * len(faces)):
        text = "No face was followed through half of the clip's frames."
        return {"made": [], "misses": [("no_face", text)], "unreadable": 0}
    for draw, tried in enumerate(donors):
        recipe: dict[str, Any] = {"version": __version__, "seed": policy.seed, "draw": draw, "tremor": policy.tremor}
        recipe |= {"encoding": str(policy.encoding), "frames": len(faces)}
        cells: dict[str, str] = {}
        try:
            donor = _best_donor(tried, faces, finder) if policy.kind == "swap" else None
            if donor is not None:
                recipe["misfit"] = round(donor.misfit, 4)
                row = donor.original.row
                cells = {"donor_path": row.path, "donor_group": donor.original.group, "donor_source": row.source}
            content, size = _encoded(_changed(original, faces, donor, policy, draw), rate, policy)
        except UsageError as error:
            misses.append((error.code, error.message))
            continue
        cells |= {**LABELS[policy.kind], "made_by": policy.kind, "made_with": json.dumps(recipe, sort_keys=True)}
        made.append(_write(original, content, size, cells, draw, folder, policy))
    if policy.with_originals and made:
        made_with = json.dumps({"encoding": str(policy.encoding), "frames": len(faces), "version": __version__})
        cells = {"made_by": "original", "made_with": made_with}
        if policy.kind == "swap":
            cells["donor_group"] = original.group
        content, size = _encoded(read_clip(original.path, policy.frames)[1], rate, policy)
        made.insert(0, _write(original, content, size, cells, 0, folder, policy))
    return {"made": made, "misses": misses, "unreadable": 0}


def _changed(
    original: Original, faces: Sequence[Face | None], donor: _Donor | None, policy: ClipPolicy, draw: int
) -> Iterator[Image.Image]:
    """The frames of the fake; those without the face stay as they are."""
    seed = _seed(policy, "make", original.name, draw)
    tremor = np.random.default_rng([*seed, 1])
    for image, face in zip(read_clip(original.path, policy.frames)[1], faces, strict=True):
        if face is None:
            yield image
            continue
        shown = tremble(face, policy.tremor, tremor)
        rng = np.random.default_rng(seed)  # the same draws for every frame
        if donor is None:
            yield self_blend(image, shown, rng).image
        else:
            yield swap_faces(image, shown, donor.image, donor.face, rng, donor.mirrored).image


def _best_donor(tried: Iterable[Original], faces: Sequence[Face | None], finder: FaceFinder) -> _Donor:
    """The frame of a donor's clip whose face fits best over the whole of the target's."""
    seen = [face for face in faces if face is not None]
    sample = [seen[at] for at in np.linspace(0, len(seen) - 1, min(len(seen), 16)).astype(int)]
    best: _Donor | None = None
    for original in tried:
        try:
            with ClipReader(original.path) as clip:
                frames = [frame.image for frame in clip.frames(_DONOR_FRAMES)]
        except ImageError:
            continue
        for image in frames:
            face = max(finder.find(image), key=lambda each: each.side, default=None)
            if face is None:
                continue
            fits = [misfit(face, target) for target in sample]
            distance = float(np.mean([fit[0] for fit in fits]))
            if distance <= _WORST_MISFIT and (best is None or distance < best.misfit):
                mirrored = sum(fit[1] for fit in fits) > len(fits) / 2
                best = _Donor(original, image, face, mirrored, distance)
    if best is None:
        raise UsageError("no_donor", "No clip of the same split and another group has a matching face.")
    return best


def _encoded(images: Iterator[Image.Image], rate: float, policy: ClipPolicy) -> tuple[bytes, tuple[int, int]]:
    first = next(images)
    size = (first.width - first.width % 2, first.height - first.height % 2)
    return encode_clip(chain([first], images), rate, policy.encoding), size


def _write(
    original: Original,
    content: bytes,
    size: tuple[int, int],
    cells: Mapping[str, str],
    draw: int,
    folder: OutputFolder,
    policy: ClipPolicy,
) -> dict[str, Any]:
    label = cells.get("label", original.row.label)
    # Below a folder called "real" a fake would count as real wherever labels are read from folder names.
    parts = [label if part.lower() in CLASS_FOLDERS else part for part in PurePosixPath(original.name).parts[:-1]]
    tagged = PurePosixPath(made_name(original.name, "", cells["made_by"], policy.seed, draw)).name
    place = "originals" if cells["made_by"] == "original" else policy.kind
    name = "/".join([place, *parts, tagged + policy.encoding.suffix])
    folder.write(name, content)
    facts = {
        "path": name,
        "url": "",
        "made_from": original.row.path,
        "mask": "",
        "sha256": hashlib.sha256(content).hexdigest(),
        "width": str(size[0]),
        "height": str(size[1]),
    }
    return {"files": {name: len(content)}, "cells": {**cells, **facts}}
