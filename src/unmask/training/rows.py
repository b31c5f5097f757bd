"""The rows of a manifest that a run trains and validates on, and the manifest's digest, from one pass over its file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from unmask.data.manifest import Manifest
from unmask.data.rows import LABELS, ManifestRow, RowsDigest
from unmask.data.split.validation import group_of, set_aside

Rows = list[tuple[ManifestRow, Path]]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """What a run needs of a manifest.

    Attributes:
        root: the folder that the manifest's paths are relative to.
        digest: of the whole manifest, as :meth:`unmask.data.manifest.Manifest.digest`.
        train: rows to train on, with their paths.
        validation: rows to validate on, with their paths.
        set_aside: whether ``validation`` was drawn from the rows to train on, for lack of rows with split ``val``.
        found: number of rows in the manifest by split and label.
    """

    root: Path
    digest: str
    train: Rows
    validation: Rows
    set_aside: bool
    found: Counter[tuple[str, str]]

    @classmethod
    def read(cls, manifest: Manifest) -> TrainingRows:
        """Read a manifest once.

        Rows with split ``train`` and ``val`` are kept. A manifest without ``val`` rows has about 15 % of the groups of
        its ``train`` rows, or of those without a split, set aside by a hash of the group's name, so no group is on both
        sides; see :func:`unmask.data.split.validation.set_aside`. Rows with any other split, or with only a URL, are
        left out.

        Raises:
            ManifestError: a bad row.
        """
        digest, found = RowsDigest(), Counter[tuple[str, str]]()
        kept: Rows = []
        for row in manifest:
            digest.add(row)
            found[row.split, row.label] += 1
            if row.path and row.split in {"", "train", "val"}:
                kept.append((row, manifest.resolve(row)))
        is_drawn = not any(split == "val" for split, _ in found)
        drawn = set_aside(row for row, _ in kept) if is_drawn else set()
        train: Rows = []
        validation: Rows = []
        for row, path in kept:
            if row.split == "val" or group_of(row) in drawn:
                validation.append((row, path))
            elif is_drawn or row.split == "train":
                train.append((row, path))
        return cls(manifest.root, digest.hexdigest(), train, validation, is_drawn, found)

    def describe(self) -> str:
        """The splits of the manifest with their numbers of rows, as ``train (6 real, 6 fake)``."""
        splits = dict.fromkeys(split for split, _ in self.found)
        return ", ".join(
            f"{split or 'no split'} ({', '.join(f'{self.found[split, label]:,} {label}' for label in LABELS)})"
            for split in splits
        )
