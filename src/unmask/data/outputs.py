"""A folder of images that a command makes: where each goes, how it is written, and what is done already.

Shared by ``data faces``, ``data sheet`` and ``data synthesize``. Nothing is written outside the folder, every file
appears whole or not at all, and a journal lets a killed run go on.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal, Self

from PIL import Image

from unmask.data import tables
from unmask.data.manifest import STANDARD_COLUMNS, Manifest, ManifestRow
from unmask.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MANIFEST_NAME = "manifest.csv"
MISSES_NAME = "misses.csv"
MADE_BY_US = ("path", "url", "sha256", "width", "height")
"""Columns that speak of one file, not of what it shows: a made image has its own, the old ones get ``original_``."""

_MAX_STEM_BYTES = 120  # names may have 255 bytes on most systems; tag, suffix and the partial's name need room
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


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
        raise UsageError("bad_format", f"A format is png, jpeg:QUALITY or webp:QUALITY, not {tables.quote(text)}.")

    def __str__(self) -> str:
        return self.format if self.quality is None else f"{self.format}:{self.quality}"

    @property
    def suffix(self) -> str:
        """What file names end with, with the dot."""
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


class OutputFolder:
    """A folder that files are written into and never out of.

    Args:
        folder: made if it is not there.

    Raises:
        UsageError: ``cannot_write``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(folder, error) from error
        self._root = tables.RootFolder(folder)

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that it appears whole or not at all.

        Args:
            name: relative to the folder, parts joined by '/'.
            content: the bytes.

        Raises:
            UsageError: ``outside_folder``, the name leads out, by itself or through a link; ``cannot_write``.
        """
        target = self._inside(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
            try:
                partial.write_bytes(content)
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _cannot_write(target, error) from error

    def holds(self, name: str, size: int) -> bool:
        """Whether a file of that name and size in bytes is there."""
        try:
            target = self.path / name
            return target.is_file() and target.stat().st_size == size
        except OSError:
            return False

    def write_rows(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
        """Write a CSV table; returns the number of rows.

        Raises:
            ManifestError: ``bad_row``, a cell that cannot be written.
            UsageError: ``outside_folder``, ``cannot_write``.
        """
        count = 0

        def numbered() -> Iterator[tables.Row]:
            nonlocal count
            for cells in rows:
                count += 1
                yield count, cells

        target = self._inside(name)
        try:
            for left_over in target.parent.glob(f".{target.name}.*.partial"):  # of a run that was killed
                left_over.unlink()
            tables.write_table(target, columns, numbered(), name)
        except OSError as error:
            raise _cannot_write(target, error) from error
        return count

    def _inside(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        # The last part is replaced, not followed; the folders down to it may be links that somebody put there.
        parent = self._root.locate("/".join(parts[:-1]) or ".")
        if not parts or name.startswith("/") or ".." in parts or "\0" in name or parent is None:
            raise UsageError("outside_folder", f"{self.path}: {tables.quote(name)} leads out of the folder")
        return self.path.joinpath(*parts)


def refuse_link(path: Path) -> None:
    """Refuse a file to be appended to that is a link, and so may lie outside its folder.

    Raises:
        UsageError: ``outside_folder``.
    """
    if path.is_symlink():
        raise UsageError("outside_folder", f"{path}: is a link, which may lead out of the folder")


def _cannot_write(path: Path, error: OSError) -> UsageError:
    return UsageError("cannot_write", f"{path}: cannot be written: {error.strerror or error}")


class Journal:
    """What was done, one JSON object a line, by key; only where each begins is kept in memory.

    A context manager; locked while open, so that two runs cannot mix in one folder.

    Args:
        path: the file, made if it is not there.

    Raises:
        UsageError: ``folder_in_use``, ``cannot_write``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets: dict[bytes, int] = {}
        refuse_link(path)
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise _cannot_write(path, error) from error
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise UsageError("folder_in_use", f"{path.parent}: another run is at work there") from None
        self._load()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def get(self, key: str) -> dict[str, Any] | None:
        """What was last noted under a key."""
        offset = self._offsets.get(bytes.fromhex(key))
        if offset is None:
            return None
        self._file.seek(offset)
        found: dict[str, Any] = json.loads(self._file.readline())
        return found

    def note(self, key: str, facts: dict[str, Any]) -> None:
        """Write down what was done; it then survives a kill of this program."""
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps({"key": key, **facts}).encode() + b"\n")
        self._file.flush()
        self._offsets[bytes.fromhex(key)] = offset

    def _load(self) -> None:
        self._file.seek(0)
        end = 0
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._file.truncate(end)  # a line that a kill cut short: that image is made again
                break
            with suppress(ValueError, KeyError, TypeError):
                self._offsets[bytes.fromhex(json.loads(line)["key"])] = end
            end += len(line)


def digest(*facts: object) -> str:
    """32 hexadecimal digits over anything that JSON can hold; the key of a journal."""
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds; zeros where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


class Names:
    """What the rows of a manifest are known by, and where their files are; quick over many rows."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._root = os.path.realpath(manifest.root)
        self._folder = tables.RootFolder(manifest.root)

    def of(self, row: ManifestRow) -> tuple[str, Path]:
        """The file relative to the manifest's real root, parts joined by '/', and its absolute path without links.

        Raises:
            ManifestError: as :meth:`Manifest.resolve`.
        """
        real = self._folder.locate(row.path) if row.path else None
        path = self._manifest.resolve(row) if real is None else Path(real)
        return os.path.relpath(path, self._root).replace(os.sep, "/"), path


def made_name(source: str, suffix: str, *variant: object) -> str:
    """What an image made from another is called: in the same folder, under its stem and a tag.

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
    """Refuse an output folder in which the input's own files would be written over or mixed with what is made.

    Raises:
        UsageError: ``output_over_input``.
    """
    target, root = out.resolve(), manifest.root.resolve()
    table = Path(manifest.name)
    over_table = table.is_file() and table.resolve() in (target / MANIFEST_NAME, target / MISSES_NAME)
    # Class folders are searched anew each time: what is written below them would be found as input.
    if target == root or over_table or (from_folders and target.is_relative_to(root)):
        raise UsageError("output_over_input", f"{out}: holds the input; choose another folder for what is made")
