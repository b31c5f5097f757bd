"""Names and encoding of images made from those of a manifest, and the columns of their own manifest.

Shared by ``data faces``, ``data sheet`` and ``data synthesize``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import Image

from unmask.data.manifest import Manifest
from unmask.data.rows import STANDARD_COLUMNS, ManifestRow
from unmask.errors import UsageError
from unmask.files import RootFolder, digest
from unmask.text import quote

MANIFEST_NAME = "manifest.csv"
MISSES_NAME = "misses.csv"
MADE_BY_US = ("path", "url", "sha256", "width", "height")
"""Columns about one file, not about what it shows: a made image has its own, the old ones get ``original_``."""

_MAX_STEM_BYTES = 120  # names may have 255 bytes on most systems; tag, suffix and the partial's name need room
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True, slots=True)
class Original:
    """A row of the manifest that something is made from.

    Attributes:
        row: of the manifest.
        name: of its file, unique in the manifest.
        path: of its file.
    """

    row: ManifestRow
    name: str
    path: Path

    @property
    def group(self) -> str:
        """Its group; a row without one is a group of its own, which includes what is made from it."""
        return self.row.group or self.name


@dataclass(frozen=True, slots=True)
class Encoding:
    """How images are written; the same pixels always give the same bytes (for one version of Pillow).

    Attributes:
        format: ``png`` is lossless.
        quality: of jpeg and webp, 1 to 100; ``None`` for png.
    """

    format: Literal["png", "jpeg", "webp"] = "png"
    quality: int | None = None

    @classmethod
    def parse(cls, text: str) -> Encoding:
        """From ``png``, ``jpeg:90`` or ``webp:80``; without a number the quality is 95.

        Raises:
            UsageError: ``bad_format``.
        """
        name, colon, number = text.strip().lower().partition(":")
        if name == "png" and not colon:
            return cls("png")
        if name in ("jpeg", "webp") and (not colon or (number.isdecimal() and 1 <= int(number) <= 100)):
            return cls(name, int(number) if colon else 95)  # type: ignore[arg-type]  # it is one of the two
        raise UsageError("bad_format", f"The format must be png, jpeg:QUALITY or webp:QUALITY, not {quote(text)}.")

    def __str__(self) -> str:
        return self.format if self.quality is None else f"{self.format}:{self.quality}"

    @property
    def suffix(self) -> str:
        """The suffix of file names, with the dot."""
        return _SUFFIXES[self.format]

    def encode(self, image: Image.Image) -> bytes:
        """The file's bytes, without metadata."""
        buffer = io.BytesIO()
        if self.format == "png":
            image.save(buffer, "PNG")
        elif self.format == "jpeg":
            image.save(buffer, "JPEG", quality=self.quality, subsampling="4:2:0")
        else:
            image.save(buffer, "WEBP", quality=self.quality, method=4)
        return buffer.getvalue()


class Names:
    """The names of a manifest's rows, whichever way their paths are written; fast over many rows."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._root = os.path.realpath(manifest.root)
        self._folder = RootFolder(manifest.root)

    def of(self, row: ManifestRow) -> tuple[str, Path]:
        """The file relative to the manifest's real root, parts joined by '/', and its absolute path without links.

        Raises:
            ManifestError: as :meth:`Manifest.resolve`.
        """
        real = self._folder.locate(row.path) if row.path else None
        path = self._manifest.resolve(row) if real is None else Path(real)
        return os.path.relpath(path, self._root).replace(os.sep, "/"), path


def made_name(source: str, suffix: str, *variant: object) -> str:
    """The name of an image made from another: in the same folder, its stem and a tag.

    The tag is a hash of the source's whole name and the variant, so that neither ``a.jpg`` and ``a.png`` nor, where
    case does not count, ``a.jpg`` and ``A.jpg`` collide.
    """
    path = PurePosixPath(source)
    stem = path.stem.encode(errors="replace")[:_MAX_STEM_BYTES].decode(errors="ignore")
    return (path.parent / f"{stem}.{digest(source, *variant)[:10]}{suffix}").as_posix()


def made_columns(manifest: Manifest, ours: Sequence[str]) -> list[str]:
    """The columns of a manifest of made images: path, all of the input's (see ``MADE_BY_US``), then ours."""
    standard = [name for name in STANDARD_COLUMNS if name != "url"]
    extra = [name for name in manifest.columns if name not in STANDARD_COLUMNS and name not in MADE_BY_US]
    originals = [f"original_{name}" for name in MADE_BY_US if name == "path" or name in manifest.columns]
    return list(dict.fromkeys([*standard, "sha256", "width", "height", *extra, *originals, *ours]))


def row_cells(row: ManifestRow) -> dict[str, str]:
    """Every cell of a row by column, with those of ``MADE_BY_US`` under their ``original_`` name as well."""
    cells = {**row.extra, **{name: str(getattr(row, name)) for name in STANDARD_COLUMNS}}
    return {**cells, **{f"original_{name}": cells.get(name, "") for name in MADE_BY_US}}


def check_apart(manifest: Manifest, out: Path, *, from_folders: bool) -> None:
    """Refuse an output folder where the input's own files would be overwritten or mixed with made images.

    Raises:
        UsageError: ``output_over_input``.
    """
    target, root = out.resolve(), manifest.root.resolve()
    table = Path(manifest.name)
    over_table = table.is_file() and table.resolve() in (target / MANIFEST_NAME, target / MISSES_NAME)
    # Class folders are searched on every pass: what is written below them would be found as input.
    if target == root or over_table or (from_folders and target.is_relative_to(root)):
        raise UsageError("output_over_input", f"{out}: holds the input; choose another output folder")
