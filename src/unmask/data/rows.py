"""One row of a manifest, its columns, and the digest of rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

LABELS: Final = ("real", "fake")
STANDARD_COLUMNS: Final = ("path", "url", "label", "source", "generator", "kind", "group", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One image of a manifest. A column that the file lacks, or leaves blank, is ''.

    Attributes:
        path: the file, as written in the manifest: relative to its root, or absolute and inside it; or ''.
        url: where the image can be fetched from.
        label: ``"real"`` or ``"fake"``.
        source: the data set or collection the image comes from.
        generator: what made the image, e.g. ``"camera"`` or ``"stylegan2"``.
        kind: the kind of image or forgery.
        group: one value for images that must stay on one side of a split, e.g. of one person or one video.
        split: e.g. ``"train"``, ``"val"``, ``"test"``.
        extra: the cells of every other column.
        line: the row's number: in a CSV as a spreadsheet counts, the header being 1; otherwise from 1.
    """

    path: str = ""
    url: str = ""
    label: str
    source: str = ""
    generator: str = ""
    kind: str = ""
    group: str = ""
    split: str = ""
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    line: int = 0


class RowsDigest:
    """The digest of a manifest, row by row, for callers that need the rows of the same pass; see Manifest.digest."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256(b"unmask manifest 1\n")

    def add(self, row: ManifestRow) -> None:
        """Add the next row."""
        extra = sorted((name, cell) for name, cell in row.extra.items() if cell)
        self._sha.update(json.dumps([cells_of(row, STANDARD_COLUMNS, ()), extra]).encode() + b"\n")

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return self._sha.hexdigest()


def cells_of(row: ManifestRow, standard: Sequence[str], extra: Sequence[str]) -> list[str]:
    """The cells of a row: those of standard columns, then those of others."""
    return [getattr(row, name) for name in standard] + [row.extra.get(name, "") for name in extra]
