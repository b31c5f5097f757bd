"""``data synthesize``: fakes or degraded copies of a manifest's images, each with the recipe that made it."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from heapq import nsmallest
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.data import tables
from unmask.data.degrade import apply_steps, draw_steps
from unmask.data.face_index import FaceIndex, FaceRecord
from unmask.data.folders import CLASS_FOLDERS
from unmask.data.make.made import (
    MANIFEST_NAME,
    MISSES_NAME,
    Encoding,
    Names,
    Original,
    made_columns,
    made_name,
    row_cells,
)
from unmask.data.make.reconstruct import reconstruct
from unmask.data.make.self_blend import self_blend
from unmask.data.make.swap import misfit, swap_faces
from unmask.data.manifest import Manifest
from unmask.errors import ImageError, UsageError
from unmask.files import OutputFolder, digest, refuse_link, stamp
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import FacePolicy
from unmask.journal import Journal
from unmask.parallel import ordered_map
from unmask.version import __version__

Kind = Literal["self-blend", "reconstruct", "swap", "degrade"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
COLUMNS: Final = ("made_by", "made_from", "made_with", "donor_path", "donor_group", "donor_source", "mask")
JOURNAL_NAME: Final = ".synthesize-journal.jsonl"
FACES_NAME: Final = ".faces.jsonl"

_VERSION = 1  # of what is drawn and how; after a change, everything is made again
_DONORS_DRAWN, _DONORS_TRIED = 64, 16
_WORST_MISFIT = 0.22  # in eye distances; beyond it the two look in different directions
LABELS: Final[dict[str, dict[str, str]]] = {
    "self-blend": {"label": "fake", "kind": "self-blend", "generator": "unmask-self-blend"},
    "reconstruct": {"label": "fake", "kind": "reconstruct", "generator": "unmask-reconstruct"},
    "swap": {"label": "fake", "kind": "faceswap", "generator": "unmask-faceswap"},
    "degrade": {},
    "original": {},
}


@dataclass(frozen=True, slots=True)
class SynthesisPolicy:
    """What to make.

    Attributes:
        kind: ``self-blend`` and ``reconstruct``: fakes from one real image each; ``swap``: fakes from two;
            ``degrade``: degraded copies of any image, which keep its label.
        per_image: number of images to make from each.
        seed: random seed; a draw depends on it and on the image's path, not on the order of rows or on threads.
        limit: largest number of rows to use, chosen by a hash of their paths.
        encoding: how images are written.
        masks: also write a mask of the changed region: PNG, grey, 255 for full opacity.
        with_originals: also write the originals of the made images through the same encoder.
        steps: which degradations to draw from; empty for all.
    """

    kind: Kind
    per_image: int = 1
    seed: int = 0
    limit: int | None = None
    encoding: Encoding = field(default_factory=Encoding)
    masks: bool = False
    with_originals: bool = False
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SynthesisReport:
    """The result of making images.

    Attributes:
        images: rows that were used.
        made: fakes or degraded images in the manifest that was written.
        originals: originals in it.
        kept: rows whose images existed already.
        misses: number of images that could not be made, by reason.
        unreadable: number of these because an image could not be read.
    """

    images: int
    made: int
    originals: int
    kept: int
    misses: dict[str, int]
    unreadable: int


@dataclass(frozen=True, slots=True)
class _Job:
    original: Original
    donors: tuple[tuple[Original, ...], ...]
    key: str
    known: dict[str, Any] | None


def synthesize(
    manifest: Manifest,
    out: Path,
    policy: SynthesisPolicy,
    *,
    faces: FacePolicy | None = None,
    workers: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> SynthesisReport:
    """Make images from those of a manifest and write ``manifest.csv`` and ``misses.csv`` next to them.

    A row keeps ``source``, ``split``, ``group`` and every other column of its original. A swap also has
    ``donor_group``; split by both columns, or a donor's face may be on both sides of a split: originals written with
    the fakes have their own group there, which links the two columns. Donor and target are of one split and of
    different groups. Images made by an earlier run are not made again.

    Args:
        manifest: the images; fakes are made from rows labelled real only.
        out: the output folder; nothing is written outside it.
        policy: what to make.
        faces: how to search faces; the default policy if not given.
        workers: threads; the number of CPUs by default.
        progress: called once per used row, and once per image while faces are searched.

    Raises:
        ManifestError: a row that is malformed or leads out of the root, or two rows of one file.
        UsageError: ``bad_synthesis``, ``no_pictures``, ``unknown_step``, ``cannot_write``, ``outside_folder``,
            ``folder_in_use``.
    """
    _check(policy)
    manifest.validate(check_files=False)
    folder = OutputFolder(out)
    everything = _images(manifest, policy)
    used = _limited(everything, policy)
    columns = made_columns(manifest, COLUMNS)
    missed: list[dict[str, str]] = []
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    settings = {**asdict(policy), "limit": None, "version": _VERSION, "faces": (faces or FacePolicy()).model_dump()}

    with Journal(out / JOURNAL_NAME) as journal:
        donors = _draw_donors(used, everything, policy)
        records = _faces(used, donors, out, policy, faces or FacePolicy(), workers, progress)

        def jobs() -> Iterator[_Job]:
            for original in used:
                mine = donors.get(original.name, ())
                parts = [[(donor.name, donor.group, stamp(donor.path)) for donor in draw] for draw in mine]
                key = digest(settings, original.name, stamp(original.path), parts)
                known = journal.get(key)
                yield _Job(original, mine, key, known if known and _is_there(folder, known) else None)

        def make(job: _Job) -> dict[str, Any]:
            return job.known if job.known is not None else _make(job, records, folder, policy)

        def rows() -> Iterator[list[str]]:
            for job, done in ordered_map(lambda job: (job, make(job)), jobs(), workers):
                counts["kept"] += job.known is not None
                if job.known is None and not done["unreadable"]:
                    journal.note(job.key, done)
                progress()
                counts["unreadable"] += done["unreadable"]
                for reason, message in done["misses"]:
                    reasons[reason] += 1
                    old = {**job.original.row.extra, **row_cells(job.original.row)}
                    missed.append({**old, "reason": reason, "message": message})
                for made in done["made"]:
                    cells = {**row_cells(job.original.row), "group": job.original.group, **made["cells"]}
                    counts["originals" if cells["made_by"] == "original" else "made"] += 1
                    yield [cells.get(column, "") for column in columns]

        tables.write_rows(folder, MANIFEST_NAME, columns, rows())
        miss_columns = list(dict.fromkeys([*manifest.columns, "reason", "message"]))
        tables.write_rows(
            folder, MISSES_NAME, miss_columns, ([cells[name] for name in miss_columns] for cells in missed)
        )
    found = dict(sorted(reasons.items()))
    return SynthesisReport(len(used), counts["made"], counts["originals"], counts["kept"], found, counts["unreadable"])


def _check(policy: SynthesisPolicy) -> None:
    problem = ""
    if policy.kind not in KINDS:
        problem = f"Unknown kind {policy.kind!r}; choose from {', '.join(KINDS)}."
    elif policy.per_image < 1 or (policy.limit is not None and policy.limit < 1):
        problem = "The number of images must be at least 1."
    elif policy.kind == "degrade" and policy.masks:
        problem = "A degradation changes the whole image, so it has no mask."
    elif policy.kind != "degrade" and policy.steps:
        problem = "Degradations can be chosen only for the kind degrade."
    if problem:
        raise UsageError("bad_synthesis", problem)
    draw_steps(np.random.default_rng(0), policy.steps)  # an unknown step is an error before any work


def _images(manifest: Manifest, policy: SynthesisPolicy) -> list[Original]:
    names = Names(manifest)
    chosen = [
        Original(row, *names.of(row))
        for row in manifest
        if row.path and (policy.kind == "degrade" or row.label == "real")
    ]
    if not chosen:
        what = "image" if policy.kind == "degrade" else "real image"
        raise UsageError("no_pictures", f"{manifest.name}: no {what} has a path")
    return chosen


def _limited(images: list[Original], policy: SynthesisPolicy) -> list[Original]:
    if policy.limit is None or policy.limit >= len(images):
        return images
    # Not the first ones: manifests are often sorted, and the first rows would be one source. The order does not matter.
    ranks = [digest("limit", policy.seed, original.name) for original in images]
    chosen = set(nsmallest(policy.limit, ranks))
    return [original for original, rank in zip(images, ranks, strict=True) if rank in chosen]


def _rng(policy: SynthesisPolicy, what: str, name: str, draw: int) -> np.random.Generator:
    return np.random.default_rng(int(digest(_VERSION, policy.kind, policy.seed, what, name, draw), 16))


def _draw_donors(
    used: Sequence[Original], everything: Sequence[Original], policy: SynthesisPolicy
) -> dict[str, tuple[tuple[Original, ...], ...]]:
    """A few donors for each swap to try: same split, another group, independent of the order of rows."""
    if policy.kind != "swap":
        return {}
    pools: dict[str, list[Original]] = defaultdict(list)
    for original in sorted(everything, key=lambda original: original.name):
        pools[original.row.split].append(original)
    donors = {}
    for original in used:
        pool = pools[original.row.split]
        draws = []
        for draw in range(policy.per_image):
            rng = _rng(policy, "donors", original.name, draw)
            drawn = [pool[index] for index in rng.choice(len(pool), min(len(pool), _DONORS_DRAWN), replace=False)]
            others = [donor for donor in drawn if donor.group != original.group]
            draws.append(tuple(others[:_DONORS_TRIED]))
        donors[original.name] = tuple(draws)
    return donors


def _faces(
    used: Sequence[Original],
    donors: Mapping[str, tuple[tuple[Original, ...], ...]],
    out: Path,
    policy: SynthesisPolicy,
    faces: FacePolicy,
    workers: int | None,
    progress: Callable[[], object],
) -> dict[Path, FaceRecord]:
    if policy.kind == "degrade":
        return {}
    wanted = {original.path: None for original in used}
    wanted.update({donor.path: None for draws in donors.values() for draw in draws for donor in draw})
    refuse_link(out / FACES_NAME)
    return FaceIndex(out / FACES_NAME, faces).locate(wanted, progress, workers)


def _is_there(folder: OutputFolder, known: dict[str, Any]) -> bool:
    try:
        return all(folder.holds(name, size) for made in known["made"] for name, size in made["files"].items())
    except (KeyError, TypeError, AttributeError):
        return False


def _make(
    job: _Job, records: Mapping[Path, FaceRecord], folder: OutputFolder, policy: SynthesisPolicy
) -> dict[str, Any]:
    made: list[dict[str, Any]] = []
    misses: list[tuple[str, str]] = []
    original = job.original
    try:
        image = decode_image(original.path)
    except ImageError as error:
        return {"made": [], "misses": [(error.code, error.message)], "unreadable": 1}
    for draw in range(policy.per_image):
        try:
            new, mask, facts, with_ = _one(job, image, records, policy, draw)
        except UsageError as error:
            misses.append((error.code, error.message))
            continue
        recipe = {"version": __version__, "seed": policy.seed, "draw": draw, "encoding": str(policy.encoding), **with_}
        made_with = json.dumps(recipe, sort_keys=True)
        cells = {**LABELS[policy.kind], "made_by": policy.kind, "made_with": made_with, **facts}
        made.append(_write(original, new, mask, cells, draw, folder, policy))
    if policy.with_originals and made:
        made_with = json.dumps({"encoding": str(policy.encoding), "version": __version__})
        cells = {"made_by": "original", "made_with": made_with}
        if policy.kind == "swap":
            # Splitters compare each column with itself only; this row links a person's target and donor groups.
            cells["donor_group"] = original.group
        made.insert(0, _write(original, image, None, cells, 0, folder, policy))
    return {"made": made, "misses": misses, "unreadable": 0}


_Made = tuple[Image.Image, npt.NDArray[np.float32] | None, dict[str, str], dict[str, Any]]


def _one(
    job: _Job, image: Image.Image, records: Mapping[Path, FaceRecord], policy: SynthesisPolicy, draw: int
) -> _Made:
    rng = _rng(policy, "make", job.original.name, draw)
    if policy.kind == "degrade":
        steps = draw_steps(rng, policy.steps)
        return apply_steps(image, steps), None, {}, {"steps": [step.to_json() for step in steps]}
    face = records[job.original.path].face
    if face is None:
        raise UsageError("no_face", "No face was found in the image.")
    if policy.kind == "self-blend":
        blend = self_blend(image, face, rng)
        return blend.image, blend.mask, {}, {"method": "self-blend after Shiohara and Yamasaki, CVPR 2022"}
    if policy.kind == "reconstruct":
        shown = reconstruct(image, face, rng)
        return shown.image, shown.mask, {}, {"network": shown.network}
    fits = []
    for place, donor in enumerate(job.donors[draw]):
        donor_face = records[donor.path].face
        if donor_face is not None:
            distance, _ = misfit(donor_face, face)
            if distance <= _WORST_MISFIT:
                fits.append((distance, place, donor, donor_face))
    for distance, _, donor, donor_face in sorted(fits, key=lambda fit: fit[:2]):
        try:
            swap = swap_faces(image, face, decode_image(donor.path), donor_face, rng)
        except (UsageError, ImageError):
            continue
        facts = {"donor_path": donor.row.path, "donor_group": donor.group, "donor_source": donor.row.source}
        return swap.image, swap.mask, facts, {"misfit": round(distance, 4), **swap.parameters}
    raise UsageError("no_donor", "No image of the same split and another group has a matching face.")


def _write(
    original: Original,
    image: Image.Image,
    mask: npt.NDArray[np.float32] | None,
    cells: dict[str, str],
    draw: int,
    folder: OutputFolder,
    policy: SynthesisPolicy,
) -> dict[str, Any]:
    content = policy.encoding.encode(image)
    label = cells.get("label", original.row.label)
    # Below a folder called "real" a fake would count as real wherever labels are read from folder names.
    parts = [label if part.lower() in CLASS_FOLDERS else part for part in PurePosixPath(original.name).parts[:-1]]
    tagged = PurePosixPath(made_name(original.name, "", cells["made_by"], policy.seed, draw)).name
    place = "originals" if cells["made_by"] == "original" else policy.kind
    name = "/".join([place, *parts, tagged + policy.encoding.suffix])
    folder.write(name, content, durable=False)
    files = {name: len(content)}
    mask_name = ""
    if policy.masks and mask is not None:
        buffer = io.BytesIO()
        Image.fromarray(np.rint(255 * mask).astype(np.uint8)).save(buffer, "PNG")
        mask_name = "/".join(["masks", *parts, f"{tagged}.png"])
        folder.write(mask_name, buffer.getvalue(), durable=False)
        files[mask_name] = len(buffer.getvalue())
    return {
        "files": files,
        "cells": {
            **cells,
            "path": name,
            "url": "",
            "made_from": original.row.path,
            "mask": mask_name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "width": str(image.width),
            "height": str(image.height),
        },
    }
