"""The result of splitting a manifest: the split of each row, counts, and notices for the user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import numpy as np

from unmask.data import tables
from unmask.data.manifest import Manifest
from unmask.data.rows import STANDARD_COLUMNS
from unmask.data.split.groups import Grouping, IntArray
from unmask.errors import ManifestError

_MAX_SLUG: Final = 60


@dataclass(frozen=True)
class Notice:
    """A notice about a split for its user.

    Attributes:
        code: ``no_groups``, ``unmatched_clusters``, ``one_class``, ``one_class_source``, ``missing_stratum``,
            ``given_unbalanced``, ``other_split``, ``blank_value``, ``carried``, ``small_test`` or ``skipped``.
        message: one sentence for people.
        split: the :class:`Split` concerned, '' for all.
    """

    code: str
    message: str
    split: str = ""


@dataclass(frozen=True)
class Count:
    """The number of images of one label and source in a split, and of their clusters."""

    split: str
    label: str
    source: str
    images: int
    clusters: int


@dataclass(frozen=True, eq=False)
class Split:
    """One way of dividing a manifest.

    Attributes:
        name: ``"split"``, ``"split-3"``, ``"fold-0"`` or ``"leave-out-lfw"``; fit for a file name.
        names: the splits in order; given splits that are kept come last.
        codes: [clusters] index into ``names``.
        seed: the random seed.
        left_out: the source or generator that only the test set holds, or None.
    """

    name: str
    names: tuple[str, ...]
    codes: IntArray
    seed: int
    left_out: str | None
    source: Manifest = field(repr=False)
    grouping: Grouping = field(repr=False)

    def manifest(self) -> Manifest:
        """The manifest with the column ``split`` filled: every row and column, in the same order.

        Each pass reads the original again; ManifestError ``manifest_changed`` if its rows have changed.
        """
        return Manifest(_SplitTable(self), self.source.root)

    def __iter__(self) -> Iterator[str]:
        """The split of each row, in the manifest's order."""
        for code in self.codes[self.grouping.cluster_of_row]:
            yield self.names[code]

    def counts(self) -> list[Count]:
        """Counts by split, label and source, without the empty ones."""
        grouping = self.grouping
        strata = sorted({(cell.source, cell.label) for cell in grouping.cells})
        place = {stratum: index for index, stratum in enumerate(strata)}
        of_cell = np.array([place[cell.source, cell.label] for cell in grouping.cells], np.int64)
        codes, stratum = self.codes[grouping.pair_cluster], of_cell[grouping.pair_cell]
        images = np.zeros((len(self.names), len(strata)), np.int64)
        np.add.at(images, (codes, stratum), grouping.pair_rows)
        # A cluster with two generators of one source occurs in two pairs and is one cluster.
        clusters = np.zeros_like(images)
        once = np.unique(grouping.pair_cluster * len(strata) + stratum)
        np.add.at(clusters, (self.codes[once // len(strata)], once % len(strata)), 1)
        return [
            Count(self.names[code], strata[at][1], strata[at][0], int(images[code, at]), int(clusters[code, at]))
            for code, at in zip(*np.nonzero(images), strict=True)
        ]


@dataclass(frozen=True)
class SplitSet:
    """One or several splits of a manifest, with notices."""

    splits: tuple[Split, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class _SplitTable:
    """The rows of a manifest with another split, as a table."""

    split: Split

    @property
    def name(self) -> str:
        return self.split.source.name

    @property
    def columns(self) -> tuple[str, ...]:
        columns = self.split.source.columns
        return columns if "split" in columns else (*columns, "split")

    def rows(self) -> Iterator[tables.Row]:
        standard = {name: at for at, name in enumerate(self.columns) if name in STANDARD_COLUMNS and name != "split"}
        extra = [(name, at) for at, name in enumerate(self.columns) if name not in STANDARD_COLUMNS]
        at_split = self.columns.index("split")
        try:
            for row, split in zip(self.split.source, self.split, strict=True):
                cells = [""] * len(self.columns)
                for name, at in standard.items():
                    cells[at] = getattr(row, name)
                for name, at in extra:
                    cells[at] = row.extra[name]
                cells[at_split] = split
                yield row.line, cells
        except ValueError as error:
            text = f"{self.name}: its number of rows changed after it was split"
            raise ManifestError("manifest_changed", text) from error


def file_names(values: Sequence[str]) -> list[str]:
    """``leave-out-`` and each value, made fit for a file name; where that loses something, a digest is added."""
    slugs = [re.sub(r"[^A-Za-z0-9._-]+", "-", value)[:_MAX_SLUG].strip("-.") for value in values]
    # Some file systems ignore case.
    folded = [slug.casefold() for slug in slugs]
    names = []
    for slug, value in zip(slugs, values, strict=True):
        parts = ["leave-out", *([slug] if slug else [])]
        if slug != value or folded.count(slug.casefold()) > 1:
            parts.append(sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8])
        names.append("-".join(parts))
    return names
