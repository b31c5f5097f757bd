"""``data sheet``: contact sheets, to look at a data set before training on it.

A sheet shows images of one class, or of one class and source. They are chosen in one pass: memory holds only the
chosen images of each sheet, whatever the size of the manifest.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from unmask.data.make.made import Encoding, Names
from unmask.data.make.sheet_drawing import Cell, draw_sheet
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ImageError, UsageError
from unmask.files import OutputFolder, digest
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import FaceFinder, FacePolicy, square_crop
from unmask.parallel import ordered_map

Pick = Literal["random", "nearest", "farthest", "errors"]
PICKS: Final[tuple[str, ...]] = get_args(Pick)
INDEX_NAME: Final = "sheets.json"

_FEATURE_SIDE = 16
_FEATURE_BYTES = _FEATURE_SIDE * _FEATURE_SIDE * 3
_FACE_MARGIN = 0.3
_MOST_SHEETS = 1000


class Judged(Protocol):
    """The parts of a detector's verdict that are needed; see :class:`unmask.detect.verdict.Verdict`."""

    @property
    def result(self) -> str | None:
        """``"REAL"``, ``"FAKE"`` or, with an error, ``None``."""

    @property
    def fake_probability(self) -> float | None:
        """In [0, 1]; ``None`` with an error."""


Judge = Callable[[Iterable[str]], Iterable[Judged]]
"""Verdicts for paths, in their order; e.g. :meth:`unmask.detect.detector.Detector.detect_many`."""


@dataclass(frozen=True, slots=True)
class SheetPolicy:
    """The choice of images for sheets.

    Attributes:
        pick: ``random``; ``nearest`` to or ``farthest`` from the mean of the sheet's class (and source), measured on
            the largest face (the finder's box with a margin of 30 %; the whole image where there is no face) reduced to
            16 x 16 RGB, as root mean square difference in levels from 0 to 255; ``errors``: a detector's mistakes, the
            most confident first.
        per: most images on a sheet.
        by_source: one sheet per class and source instead of one per class.
        seed: random seed; the choice depends on it and on the paths, not on their order.
    """

    pick: Pick = "random"
    per: int = 48
    by_source: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet that was written.

    Attributes:
        name: the PNG, relative to the output folder.
        label: ``real`` or ``fake``.
        source: '' where sheets are by class only.
        of: number of images to choose from.
        shown: path, caption and value of each image, in reading order. The value is the distance or the probability
            of being fake; ``None`` for random choices.
    """

    name: str
    label: str
    source: str
    of: int
    shown: list[dict[str, Any]]


# Rank, tie breaker, path, caption, detail, value.
_Entry = tuple[float, str, str, str, str, float | None]


@dataclass(slots=True)
class _Chosen:
    """The best images of one sheet so far: a heap with the worst of them at the top."""

    of: int = 0
    heap: list[_Entry] = field(default_factory=list)

    def offer(self, rank: float, name: str, what: tuple[str, str, str, float | None], per: int) -> None:
        # Higher ranks win; ties are broken by a hash of the name, so that the order of rows does not matter.
        entry = (rank, digest(name), *what)
        if len(self.heap) < per:
            heapq.heappush(self.heap, entry)
        elif entry > self.heap[0]:
            heapq.heapreplace(self.heap, entry)


_Key = tuple[str, str]


def make_sheets(
    manifest: Manifest,
    out: Path,
    policy: SheetPolicy = SheetPolicy(),
    *,
    judge: Judge | None = None,
    faces: FacePolicy | None = None,
    workers: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> list[Sheet]:
    """Write a PNG for every class (and source), and ``sheets.json``, which lists their images.

    Images that cannot be read are shown as such in a random choice; they have no distance and no verdict.

    Args:
        manifest: the images; rows without a path are skipped.
        out: the output folder; nothing is written outside it.
        policy: the choice of images.
        judge: the detector, for ``errors``.
        faces: how to search faces for a distance.
        workers: threads; the number of CPUs by default.
        progress: called once per image.

    Raises:
        ManifestError: a bad row.
        UsageError: ``bad_sheet``, ``no_model``, ``too_many_sheets``, ``no_pictures``, ``cannot_write``.
    """
    if policy.pick not in PICKS:
        raise UsageError("bad_sheet", f"Unknown choice {policy.pick!r}; choose from {', '.join(PICKS)}.")
    if not 1 <= policy.per <= 1000:
        raise UsageError("bad_sheet", "A sheet can show from 1 to 1,000 images.")
    folder = OutputFolder(out)
    if policy.pick == "random":
        chosen = _random(manifest, policy, progress)
    elif policy.pick == "errors":
        if judge is None:
            raise UsageError("no_model", "Picking errors needs a detector.")
        chosen = _errors(manifest, policy, judge, progress)
    else:
        chosen = _by_distance(manifest, policy, FaceFinder(faces), folder.path, workers, progress)
    if not chosen:
        raise UsageError("no_pictures", f"{manifest.name}: no image has a path")
    sheets = [_write(folder, manifest, key, chosen[key], policy, workers) for key in sorted(chosen)]
    listed = [
        {"sheet": sheet.name, "label": sheet.label, "source": sheet.source, "of": sheet.of, "shown": sheet.shown}
        for sheet in sheets
    ]
    content = {"pick": policy.pick, "per": policy.per, "seed": policy.seed, "sheets": listed}
    folder.write(INDEX_NAME, json.dumps(content, indent=2) + "\n")
    return sheets


def _rows(manifest: Manifest, policy: SheetPolicy) -> Iterator[tuple[_Key, ManifestRow, str, Path]]:
    names = Names(manifest)
    known: set[_Key] = set()
    for row in manifest:
        if not row.path:
            continue
        key = (row.label, row.source if policy.by_source else "")
        known.add(key)
        if len(known) > _MOST_SHEETS:
            text = f"There are more than {_MOST_SHEETS} sources; make sheets by class only."
            raise UsageError("too_many_sheets", text)
        yield (key, row, *names.of(row))


def _detail(row: ManifestRow) -> str:
    return row.generator or row.kind


def _random(manifest: Manifest, policy: SheetPolicy, progress: Callable[[], object]) -> dict[_Key, _Chosen]:
    chosen: dict[_Key, _Chosen] = {}
    for key, row, name, path in _rows(manifest, policy):
        # The images with the largest hashes are a uniform sample without replacement, in any order of the rows.
        rank = int(hashlib.sha256(f"{policy.seed}\0{name}".encode(errors="surrogateescape")).hexdigest()[:13], 16)
        mine = chosen.setdefault(key, _Chosen())
        mine.of += 1
        mine.offer(float(rank), name, (str(path), path.name, _detail(row), None), policy.per)
        progress()
    return chosen


def _errors(
    manifest: Manifest, policy: SheetPolicy, judge: Judge, progress: Callable[[], object]
) -> dict[_Key, _Chosen]:
    chosen: dict[_Key, _Chosen] = {}
    # Two passes at once: the detector reads ahead of its verdicts.
    paths = (str(path) for _, _, _, path in _rows(manifest, policy))
    for (key, row, name, path), verdict in zip(_rows(manifest, policy), judge(paths), strict=True):
        progress()
        mine = chosen.setdefault(key, _Chosen())
        mine.of += 1
        if verdict.result is None or verdict.fake_probability is None or verdict.result.lower() == row.label:
            continue
        probability = verdict.fake_probability
        wrongness = probability if row.label == "real" else 1 - probability
        caption = f"{100 * probability:.1f} % fake · {path.name}"
        mine.offer(wrongness, name, (str(path), caption, _detail(row), round(probability, 6)), policy.per)
    return chosen


def _by_distance(
    manifest: Manifest,
    policy: SheetPolicy,
    finder: FaceFinder,
    folder: Path,
    workers: int | None,
    progress: Callable[[], object],
) -> dict[_Key, _Chosen]:
    chosen: dict[_Key, _Chosen] = {}
    sums: dict[_Key, npt.NDArray[np.float64]] = {}
    counts: dict[_Key, int] = {}
    # The features are needed twice, for the mean and for the distances; 768 bytes per image are kept on the disk.
    with tempfile.TemporaryFile(dir=folder) as store:
        work = ((key, path) for key, _, _, path in _rows(manifest, policy))
        for key, feature in ordered_map(lambda job: (job[0], _feature(job[1], finder)), work, workers):
            progress()
            chosen.setdefault(key, _Chosen()).of += 1
            store.write(b"\0" if feature is None else b"\1")
            store.write(bytes(_FEATURE_BYTES) if feature is None else feature.tobytes())
            if feature is not None:
                sums[key] = sums.get(key, 0.0) + feature.astype(np.float64)
                counts[key] = counts.get(key, 0) + 1
        store.seek(0)
        for key, row, name, path in _rows(manifest, policy):
            if store.read(1) == b"\0":
                store.read(_FEATURE_BYTES)
                continue
            feature = np.frombuffer(store.read(_FEATURE_BYTES), np.uint8)
            distance = float(np.sqrt(((feature - sums[key] / counts[key]) ** 2).mean()))
            rank = -distance if policy.pick == "nearest" else distance
            caption = f"{distance:.1f} · {path.name}"
            chosen[key].offer(rank, name, (str(path), caption, _detail(row), round(distance, 3)), policy.per)
    return chosen


def _feature(path: Path, finder: FaceFinder) -> npt.NDArray[np.uint8] | None:
    """The largest face, or the whole image, as uint8 [768]; ``None`` where it cannot be read."""
    try:
        image = decode_image(path)
    except ImageError:
        return None
    found = finder.find(image)
    whole = (0.0, 0.0, float(image.width), float(image.height))
    box = square_crop(found[0].box, _FACE_MARGIN, image.size) if found else whole
    small = image.resize((_FEATURE_SIDE, _FEATURE_SIDE), Image.Resampling.BOX, box=box)
    return np.asarray(small, np.uint8).reshape(-1)


def _write(
    folder: OutputFolder, manifest: Manifest, key: _Key, chosen: _Chosen, policy: SheetPolicy, workers: int | None
) -> Sheet:
    label, source = key
    entries = sorted(chosen.heap, reverse=True)

    def cell(entry: _Entry) -> Cell:
        try:
            image = decode_image(entry[2])
        except ImageError as error:
            return Cell(None, entry[3], error.code)
        # Reduced at once: a sheet of a thousand photographs would not fit into memory otherwise.
        note = " · ".join(part for part in (f"{image.width} x {image.height}", entry[4]) if part)
        image.thumbnail((Cell.SIDE, Cell.SIDE), Image.Resampling.BICUBIC)
        return Cell(image, entry[3], note)

    cells = list(ordered_map(cell, entries, workers))
    of_what = f"{label} · {source}" if source else label
    how = {"random": "at random", "nearest": "nearest to the mean", "farthest": "farthest from the mean"}
    title = f"{of_what} · {len(cells)} of {chosen.of:,} {how.get(policy.pick, 'most confident errors first')}"
    name = f"{_file_name(label, source)}.{policy.pick}.png"
    folder.write(name, Encoding("png").encode(draw_sheet(title, cells)))
    root = manifest.root.resolve()
    shown = [
        {"path": Path(path).relative_to(root).as_posix(), "caption": caption, "value": value}
        for _, _, path, caption, _, value in entries
    ]
    return Sheet(name, label, source, chosen.of, shown)


def _file_name(label: str, source: str) -> str:
    """Letters, digits and a few signs; a source with others, or a long one, gets a tag so that none collide."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", source)[:60]
    # Upper case too: some file systems ignore case.
    tag = "" if safe == source and safe == safe.lower() else f"-{digest(source)[:8]}"
    return f"{label}.{safe}{tag}" if source else label
