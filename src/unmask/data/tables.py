"""The files behind a manifest: CSV and Parquet, each read as a stream of rows of text.

A table has its column names and can be read any number of times. It holds no rows: CSV is read record by record,
Parquet a few thousand rows at a time. Class folders are a table, too: :mod:`unmask.data.folders`. The meaning of the
cells is a matter of :mod:`unmask.data.manifest`.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from unmask.data.scanned import ScanTable, is_scan
from unmask.errors import ManifestError, MissingExtraError, UnmaskError, UsageError
from unmask.files import OutputFolder, whole_file
from unmask.text import guard_cell, quote, shorten, unguard_cell

# A line is read whole before csv can look at it, so a file without a line end must not fill the memory.
_MAX_LINE = 16 * 2**20
MAX_COLUMNS = 1_000
# Also what the csv module reads by default.
MAX_CELL = 131_072
# Of a compressed file: a thousandth of it on disk can unpack to any number of blank lines.
MAX_UNPACKED = 4 * 2**30
CSV_ENDINGS: Final = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
# What a spreadsheet writes between cells, by its language and settings.
_DELIMITERS: Final = (",", ";", "\t")
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


def is_table(path: Path) -> bool:
    """Whether a file's name is that of a table, or a folder holds a scan."""
    return path.name.lower().endswith((*CSV_ENDINGS, ".parquet")) or is_scan(path)


def open_table(path: Path, *, guarded: bool = False) -> CsvTable | ParquetTable | ScanTable:
    """Open a table by its suffix, or the output of ``unmask scan`` by its folder, and read its column names.

    Cells of a CSV file are separated by commas, semicolons or tabs: by whatever gives the header most columns, and by
    commas if those give it a column ``path``, ``url`` or ``label``.

    Args:
        path: the file.
        guarded: whether an apostrophe before what would be a formula is taken away, see :func:`write_table`.

    Raises:
        ManifestError: ``unreadable_manifest`` or ``empty_manifest``.
        MissingExtraError: a Parquet file, and pyarrow is not installed.
        UsageError: ``no_scan``, a scan of another version.
    """
    if is_scan(path):
        return ScanTable(path)
    if path.name.lower().endswith(CSV_ENDINGS):
        delimiter, columns = _header(path)
        return CsvTable(path, tuple(columns), delimiter, guarded)
    if path.suffix.lower() == ".parquet":
        with _parquet(path) as file:
            return ParquetTable(path, tuple(file.schema_arrow.names))
    raise ManifestError("unreadable_manifest", f"{path}: a manifest's name must end in .csv, .csv.gz, .tsv or .parquet")


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


@dataclass(frozen=True)
class CsvTable(_FileTable):
    """A CSV file in UTF-8, with or without a byte-order mark. Row 1 is the header; blank lines count."""

    delimiter: str = ","
    guarded: bool = False

    def rows(self) -> Iterator[Row]:
        """Walk the records after the header."""
        records = _csv_records(self.path, self.delimiter)
        self._expect(next(records, (0, []))[1])
        if not self.guarded:
            yield from records
            return
        for line, cells in records:
            # Few cells begin with an apostrophe, and looking is cheap.
            yield line, [unguard_cell(cell) if cell[:1] == "'" else cell for cell in cells]


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


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row], name: str, *, guarded: bool = False) -> None:
    """Write rows as CSV or Parquet, by the suffix, so that the file appears whole or not at all.

    Args:
        path: the file; its folder must exist.
        columns: the column names.
        rows: each row's number, for messages, and one cell per column.
        name: the source of the rows, for messages.
        guarded: whether text in a CSV file that a spreadsheet would run as a formula gets an apostrophe, which
            :func:`open_table` takes away if asked. For tables that people look at, not for manifests, whose
            cells stay as they are for other programs.

    Raises:
        ManifestError: ``bad_row``, a cell that could not be read back: a NUL character, text that is not
            Unicode (a file name in another encoding), or text longer than the csv module reads.
        UsageError: ``unsupported_format``, any other suffix; ``cannot_write``, the folder is missing, full or closed
            to writing.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError("unsupported_format", f"{path}: a table's name must end in .csv or .parquet")
    if guarded and suffix == ".csv":
        rows = ((line, list(map(guard_cell, cells))) for line, cells in rows)
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


def _header(path: Path) -> tuple[str, list[str]]:
    """The delimiter of a CSV file, and its column names."""
    found = {}
    for delimiter in _DELIMITERS:
        try:
            found[delimiter] = next(_csv_records(path, delimiter), (0, []))[1]
        except ManifestError:
            if delimiter == ",":
                raise
        if delimiter == "," and {"path", "url", "label"} & {name.strip().lower() for name in found[","]}:
            break
    delimiter = max(found, key=lambda one: len(found[one]))
    return delimiter, found[delimiter]


def _csv_records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, header first, numbered from 1 as a spreadsheet does."""
    line = 0
    try:
        with _open_text(path) as file:
            lines = _CsvLines(file, MAX_UNPACKED if path.suffix.lower() == ".gz" else None)
            for cells in csv.reader(lines, strict=True, delimiter=delimiter):
                line += 1
                lines.of_record = 0
                if cells:
                    yield line, cells
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ManifestError("unreadable_manifest", f"{path}: cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        # Text is decoded a block ahead of the record at hand, so the row is not known exactly.
        utf_16 = error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        text = f"{path}: after row {line}: is not UTF-8 text" + (" but UTF-16; save it as UTF-8" if utf_16 else "")
        raise ManifestError("unreadable_manifest", text) from error
    except csv.Error as error:
        text = f"{path}: row {line + 1}: cannot be read: {error}"
        raise ManifestError("unreadable_manifest", text) from error


def _open_text(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


class _CsvLines:
    """The lines of a CSV file.

    Args:
        file: the text.
        most: characters to read at most; ``None`` for a file whose size on disk is that of its text.

    Attributes:
        of_record: characters read since it was last set to 0: a record in quotation marks may have any number of lines.
    """

    def __init__(self, file: IO[str], most: int | None = None) -> None:
        self._file = file
        self._left = most
        self.of_record = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._file.readline(_MAX_LINE)
        if not text:
            raise StopIteration
        self.of_record += len(text)
        if self._left is not None:
            self._left -= len(text)
            if self._left < 0:
                raise csv.Error(f"the file unpacks to more than {MAX_UNPACKED / 2**30:g} GiB")
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
