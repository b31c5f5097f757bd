"""The files behind a manifest: CSV, Parquet and class folders, each read as a stream of rows of text.

A table has its column names and can be read any number of times. It holds no rows: CSV is read record by record,
Parquet a few thousand rows at a time, class folders one folder's names at a time. The meaning of the cells is a
matter of :mod:`unmask.data.manifest`.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from unmask.errors import ManifestError, MissingExtraError, UnmaskError, UsageError
from unmask.files import OutputFolder, whole_file
from unmask.imaging.find import PassedOver, is_image
from unmask.text import quote, shorten

CLASS_FOLDERS = frozenset({"real", "fake"})
FOLDER_COLUMNS = ("path", "label", "source")

# A line is read whole before csv can look at it, so a file without a line end must not fill the memory.
_MAX_LINE = 16 * 2**20
MAX_COLUMNS = 1_000
# Also what the csv module reads by default.
MAX_CELL = 131_072
# Small enough to cost little to hold, large enough that Parquet's cost per batch does not show.
_READ_BATCH = 4096
_WRITE_BATCH = 16384

Row = tuple[int, Sequence[str]]


class Table(Protocol):
    """Rows of text under named columns.

    Attributes:
        name: the table's name for messages, usually the file's path.
        columns: the column names, in the table's order.
    """

    @property
    def name(self) -> str:
        """The table's name for messages."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names."""

    def rows(self) -> Iterator[Row]:
        """Each row's number and its cells, from the beginning.

        A row may have the wrong number of cells. Raises ManifestError where the table becomes unreadable.
        """


def open_table(path: Path) -> CsvTable | ParquetTable:
    """Open a manifest file by its suffix and read its column names.

    Raises:
        ManifestError: ``unreadable_manifest`` or ``empty_manifest``.
        MissingExtraError: a Parquet file, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return CsvTable(path, tuple(next(_csv_records(path), (0, []))[1]))
    if suffix == ".parquet":
        with _parquet(path) as file:
            return ParquetTable(path, tuple(file.schema_arrow.names))
    raise ManifestError("unreadable_manifest", f"{path}: a manifest's name must end in .csv or .parquet")


@dataclass(frozen=True)
class _FileTable:
    path: Path
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.columns:
            raise ManifestError("empty_manifest", f"{self.path}: the file is empty, without even a header")
        if len(self.columns) > MAX_COLUMNS:
            text = f"{self.path}: has {len(self.columns):,} columns; at most {MAX_COLUMNS:,} are read"
            raise ManifestError("unreadable_manifest", text)
        seen: set[str] = set()
        for column in self.columns:
            if column in seen:
                raise ManifestError("bad_row", f"{self.path}: the column {quote(column)} occurs twice")
            seen.add(column)

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def _expect(self, columns: Sequence[str]) -> None:
        if tuple(columns) != self.columns:
            text = f"{self.name}: its columns changed after it was opened"
            raise ManifestError("unreadable_manifest", text)


class CsvTable(_FileTable):
    """A CSV file in UTF-8, with or without a byte-order mark. Row 1 is the header; blank lines count."""

    def rows(self) -> Iterator[Row]:
        """Walk the records after the header."""
        records = _csv_records(self.path)
        self._expect(next(records, (0, []))[1])
        yield from records


class ParquetTable(_FileTable):
    """A Parquet file of any column types; cells are given as text, null as ''. The first row is row 1."""

    def rows(self) -> Iterator[Row]:
        """Walk the rows, a batch at a time."""
        line = 0
        with _parquet(self.path) as file:
            self._expect(file.schema_arrow.names)
            # One thread: with more, whole row groups are decoded ahead of the reader.
            for batch in file.iter_batches(batch_size=_READ_BATCH, use_threads=False):
                columns = [[_text(value) for value in column.to_pylist()] for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    line += 1
                    joined = "".join(cells)
                    problem = "holds a NUL character" if "\0" in joined else ""
                    if len(joined) > MAX_CELL and max(map(len, cells)) > MAX_CELL:
                        problem = f"a cell is longer than {MAX_CELL} characters"
                    if problem:
                        raise ManifestError("unreadable_manifest", f"{self.name}: row {line}: {problem}")
                    yield line, cells


@dataclass(frozen=True)
class FolderTable:
    """Images below class folders, searched on every pass, in sorted order folder by folder."""

    root: Path
    columns: tuple[str, ...] = FOLDER_COLUMNS

    @property
    def name(self) -> str:
        """The root folder."""
        return str(self.root)

    def passed_over(self) -> PassedOver:
        """Count what the folders hold besides images."""
        found = PassedOver()
        for _ in _walk(self.root, found):
            pass
        return found

    def rows(self) -> Iterator[Row]:
        """Walk the images that have a class folder above them."""
        line = 0
        for parents, name in _walk(self.root):
            depths = [depth for depth, parent in enumerate(parents) if parent.lower() in CLASS_FOLDERS]
            if depths:
                line += 1
                nearest = depths[-1]
                source = "/".join(parents[:nearest] + parents[nearest + 1 :])
                yield line, ("/".join((*parents, name)), parents[nearest].lower(), source)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row], name: str) -> None:
    """Write rows as CSV or Parquet, by the suffix, so that the file appears whole or not at all.

    Args:
        path: the file; its folder must exist.
        columns: the column names.
        rows: each row's number, for messages, and one cell per column.
        name: the source of the rows, for messages.

    Raises:
        ManifestError: ``bad_row``, a cell that could not be read back: a NUL character, text that is not
            Unicode (a file name in another encoding), or text longer than the csv module reads.
        UsageError: ``unsupported_format``, any other suffix; ``cannot_write``, the folder is missing, full or closed
            to writing.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError("unsupported_format", f"{path}: a table's name must end in .csv or .parquet")
    checked = _writable((row for part in ([(1, columns)], rows) for row in part), name)
    next(checked)
    if suffix == ".csv":
        with whole_file(path) as raw:
            text = io.TextIOWrapper(raw, "utf-8", newline="")
            # The csv module's own line end, CR LF: a lone CR or LF inside a cell is quoted only because of
            # it.
            writer = csv.writer(text)
            writer.writerow(columns)
            writer.writerows(checked)
            text.detach()  # written out, and left open for the file to be put in its place
        return
    arrow, parquet = _pyarrow()
    schema = arrow.schema([(column, arrow.string()) for column in columns])
    with whole_file(path) as raw, parquet.ParquetWriter(raw, schema) as writer:
        batch: list[Sequence[str]] = []
        for cells in checked:
            batch.append(cells)
            if len(batch) == _WRITE_BATCH:
                writer.write_table(_arrow_table(arrow, schema, batch))
                batch.clear()
        if batch:
            writer.write_table(_arrow_table(arrow, schema, batch))


def write_rows(folder: OutputFolder, name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a table of an output folder that this run has locked; returns the number of rows.

    Raises:
        ManifestError: ``bad_row``, a cell that cannot be written.
        UsageError: ``outside_folder``, ``cannot_write``.
    """
    count = 0

    def numbered() -> Iterator[Row]:
        nonlocal count
        for cells in rows:
            count += 1
            yield count, cells

    target = folder.locate(name)
    folder.remove_partials(name)  # of a run that was killed
    write_table(target, columns, numbered(), name)
    return count


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, header first, numbered from 1 as a spreadsheet does."""
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _CsvLines(file)
            for cells in csv.reader(lines, strict=True):
                line += 1
                lines.of_record = 0
                if cells:
                    yield line, cells
    except OSError as error:
        raise ManifestError("unreadable_manifest", f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        # Text is decoded a block ahead of the record at hand, so the row is not known exactly.
        raise ManifestError("unreadable_manifest", f"{path}: after row {line}: is not UTF-8 text") from error
    except csv.Error as error:
        text = f"{path}: row {line + 1}: cannot be read: {error}"
        raise ManifestError("unreadable_manifest", text) from error


class _CsvLines:
    """The lines of a CSV file.

    Attributes:
        of_record: characters read since it was last set to 0: a record in quotation marks may have any number of lines.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.of_record = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._file.readline(_MAX_LINE)
        if not text:
            raise StopIteration
        self.of_record += len(text)
        if self.of_record >= _MAX_LINE:
            raise csv.Error(f"a line is longer than {_MAX_LINE} characters")
        if "\0" in text:
            raise csv.Error("holds a NUL character")
        return text


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("train", "A manifest in Parquet") from error
    return pyarrow, pyarrow.parquet


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    _, parquet = _pyarrow()
    try:
        # Not read ahead (pre_buffer) and not mapped: memory then follows the batch, not the file.
        with parquet.ParquetFile(path, pre_buffer=False, memory_map=False) as file:
            yield file
    except UnmaskError:
        raise
    except Exception as error:  # ArrowException, and whatever the values of a damaged file make Python raise
        # Arrow's messages have several lines; the first gives the reason.
        reason = shorten((str(error).splitlines() or ["it is damaged"])[0])
        raise ManifestError("unreadable_manifest", f"{path}: cannot be read: {reason}") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _walk(root: Path, passed_over: PassedOver | None = None) -> Iterator[tuple[tuple[str, ...], str]]:
    """Images below a folder as (names of the folders between root and image, file name)."""
    pending = _entries(root, ())
    while pending:
        parents, name, is_folder = pending.pop()
        if is_folder:
            pending += _entries(root, (*parents, name))
        elif is_image(str(root.joinpath(*parents, name))):
            yield parents, name
        elif passed_over is not None:
            passed_over.files += 1


def _entries(root: Path, parents: tuple[str, ...]) -> list[tuple[tuple[str, ...], str, bool]]:
    """The entries of a folder as (names of the folders down to it, name, whether a folder), last name first."""
    folder = root.joinpath(*parents)
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            links = sorted(entry.name for entry in shown if entry.is_symlink() and entry.is_dir())
            found = [(parents, entry.name, entry.is_dir()) for entry in shown]
    except OSError as error:
        raise ManifestError("unreadable_manifest", f"{folder}: cannot be read: {error.strerror}") from error
    if links:
        # Followed, links between folders can make endless or exponentially many paths; skipped silently, a whole
        # class could be missing.
        link = folder / links[0]
        code = "linked_folder" if link.resolve().is_relative_to(root.resolve()) else "path_escapes_root"
        raise ManifestError(code, f"{link}: is a link to a folder; list its files in a CSV file instead")
    return sorted(found, reverse=True)


def _writable(rows: Iterable[Row], name: str) -> Iterator[Sequence[str]]:
    """The rows' cells, each row checked to be one that can be read back."""
    longest = min(MAX_CELL, csv.field_size_limit())
    for line, cells in rows:
        joined = "".join(cells)
        problem = "holds a NUL character" if "\0" in joined else ""
        if len(joined) > longest and max(map(len, cells)) > longest:
            problem = f"a cell is longer than {longest} characters"
        # A quotation mark is written twice, hence the factor.
        elif 2 * len(joined) + 3 * len(cells) >= _MAX_LINE:
            problem = f"is longer than {_MAX_LINE} characters"
        try:
            joined.encode()
        except UnicodeEncodeError:
            problem = "holds text that is not Unicode, such as a file name in another encoding"
        if problem:
            raise ManifestError("bad_row", f"{name}: row {line}: cannot be written: {problem}")
        yield cells


def _arrow_table(arrow: Any, schema: Any, batch: list[Sequence[str]]) -> Any:
    return arrow.table(list(map(list, zip(*batch, strict=True))), schema=schema)
