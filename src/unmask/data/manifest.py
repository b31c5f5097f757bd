"""The manifest: a table of images with the path, label and origin of each.

Every pass over a manifest streams from its file, so a million rows take no more memory than a thousand.
No row is trusted: labels are checked, and a path that leaves the manifest's root, by ``..``, as an absolute path
or through a symbolic link, is an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path
from typing import Final

from unmask.data import tables
from unmask.data.folders import CLASS_FOLDERS, FolderTable, no_class
from unmask.data.rows import STANDARD_COLUMNS, ManifestRow, RowsDigest, cells_of
from unmask.data.scanned import ScanTable
from unmask.data.translation import Renamed, Translation, columns_found, labels_found, renamed
from unmask.errors import ManifestError, UsageError
from unmask.files import RootFolder
from unmask.imaging.find import PassedOver
from unmask.text import quote

MAX_LISTED_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True)
class _Problem:
    line: int
    code: str
    text: str


class Manifest:
    """A table of images, read from its source again on every pass.

    Iterating gives :class:`ManifestRow` in the source's order and raises ManifestError at the first bad row.
    Make one with :meth:`open`, :meth:`from_folders` or :meth:`from_rows`.

    Attributes:
        name: for messages: the file, the folder, or ``"<rows>"``.
        root: the absolute folder that paths are relative to and must not leave.
        columns: the source's column names, in its order.
    """

    def __init__(
        self,
        table: tables.Table,
        root: str | os.PathLike[str],
        *,
        check_files: bool = False,
        where: Mapping[str, frozenset[str]] | None = None,
        translation: Translation | None = None,
    ) -> None:
        self._translation = translation or Translation()
        self.name = table.name
        self.root = Path(root).absolute()
        self.columns = table.columns
        self._table = table
        self._check_files = check_files
        self._where = dict(where or {})
        for wanted in (("label",), ("path", "url")):
            if not set(wanted) & set(self.columns):
                needed = ("label",) if {"path", "url"} & set(self.columns) else ("path", "label")
                text = f"{self.name}: there is no column {' or '.join(wanted)}; {columns_found(self.columns, needed)}"
                raise ManifestError("missing_column", text)

    def __repr__(self) -> str:
        where = "".join(f", {column} in {sorted(values)}" for column, values in self._where.items())
        return f"<Manifest {self.name}{where}>"

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        check_files: bool = False,
        translation: Translation | None = None,
    ) -> Manifest:
        """Open a CSV (UTF-8) or Parquet file, or the output of ``unmask scan``, reading no more than its column names.

        Names of columns count in any case; cells of a CSV file may be separated by semicolons or tabs, too.

        Args:
            path: the file, ending in .csv, .tsv, either of them with .gz after it, or .parquet; or a scan's folder.
            root: the folder that paths are relative to; by default the file's own, or the one that a scan notes.
            check_files: whether iterating also raises ``missing_file`` for a path where no file is.
            translation: what the file calls our columns and labels, where it has other names for them.

        Raises:
            ManifestError: ``unreadable_manifest``, ``empty_manifest`` (not even a header), ``missing_column``
                (no ``label``, or neither ``path`` nor ``url``), ``bad_row`` (a column named twice).
            UsageError: ``unknown_column``, a column named by ``translation``.
            MissingExtraError: a Parquet file, and pyarrow is not installed.
        """
        path = Path(path).absolute()
        opened, translation = tables.open_table(path), translation or Translation()
        if root is None:
            root = opened.root if isinstance(opened, ScanTable) else path.parent
        table = renamed(opened, translation, STANDARD_COLUMNS)
        return cls(table, root, check_files=check_files, translation=translation)

    @property
    def judged_by(self) -> str | None:
        """The hash of the bundle whose verdicts the rows of a scan hold; ``None`` for all other tables."""
        table = self._table.table if isinstance(self._table, Renamed) else self._table
        return table.bundle_sha256 if isinstance(table, ScanTable) else None

    def passed_over(self) -> PassedOver:
        """Count what class folders hold besides images with a label; nothing for a table."""
        return self._table.passed_over() if isinstance(self._table, FolderTable) else PassedOver()

    @classmethod
    def from_folders(cls, root: str | os.PathLike[str], translation: Translation | None = None) -> Manifest:
        """The images below folders called ``real`` and ``fake``, in any case and at any depth below ``root``.

        The nearest such folder above an image gives its label, the other folders above it, joined by '/', its
        source. Images with no class folder above them and hidden files and folders are left out. Folders are
        read on each pass, in sorted order, one folder's names in memory at a time.

        Args:
            root: the folder.
            translation: its labels are the names of further class folders.

        Raises:
            ManifestError: ``no_class_folders``, ``empty_manifest`` (class folders without an image),
                ``path_escapes_root``, ``linked_folder`` (a link to a folder inside the root), ``unreadable_manifest``.
        """
        translation = translation or Translation()
        table = FolderTable(Path(root).absolute(), CLASS_FOLDERS | translation.fake | translation.real)
        manifest = cls(table, root, translation=translation)
        if next(table.rows(), None) is None:
            raise no_class(table)
        # Links are looked for now: a caller who gets a manifest may take its paths to be inside the root.
        for found, _ in manifest._scan(check_files=False):
            if isinstance(found, _Problem):
                raise manifest._error(found)
        return manifest

    @classmethod
    def from_rows(cls, rows: Iterable[ManifestRow], root: str | os.PathLike[str]) -> Manifest:
        """A manifest of the rows given, renumbered from 1.

        An iterator is read to its end and its rows are kept. Anything that can be iterated again, such as a
        list or another manifest, is not copied but read on every pass.

        Raises:
            ManifestError: ``bad_row``, an ``extra`` column has the name of a standard one.
        """
        return cls(_RowsTable(tuple(rows) if isinstance(rows, Iterator) else rows), root)

    def __iter__(self) -> Iterator[ManifestRow]:
        for found, _ in self._scan(self._check_files):
            if isinstance(found, _Problem):
                raise self._error(found)
            yield found

    def select(self, /, **equals: str | Collection[str]) -> Manifest:
        """The rows whose columns equal the values given: ``select(split="train", label={"real", "fake"})``.

        A set or list selects any of its values; further selections narrow this one. Nothing is read before the
        selection is iterated. Rows left out need not have a file or a path inside the root.

        Raises:
            UsageError: ``unknown_column``.
        """
        where = dict(self._where)
        for column, value in equals.items():
            if column not in self.columns:
                raise UsageError("unknown_column", f"{self.name}: there is no column {quote(column)}")
            values = frozenset([value] if isinstance(value, str) else value)
            where[column] = where.get(column, values) & values
        return Manifest(
            self._table, self.root, check_files=self._check_files, where=where, translation=self._translation
        )

    def resolve(self, row: ManifestRow) -> Path:
        """The absolute path of a row's file, free of links and inside the root; it need not exist.

        Raises:
            ManifestError: ``path_escapes_root``, or ``missing_file`` for a row that has only a URL.
        """
        if not row.path:
            raise ManifestError("missing_file", f"{self.name}: row {row.line}: has a URL but no path")
        real = RootFolder(self.root).locate(row.path)
        if real is None:
            raise self._error(_escape(row.line, row.path))
        return Path(real)

    def validate(self, check_files: bool = True) -> int:
        """Check every row and report all problems at once.

        At most one problem is reported per row, so that one mistake is not counted as several. Two rows are
        duplicates when their paths lead to the same file, or, without a path, they have the same URL.

        Memory does not grow with the rows: duplicates are found by sorting all paths in a temporary SQLite database,
        which spills to the system's temporary folder (about the size of the path column) and is gone afterwards.

        Args:
            check_files: whether each path must lead to a file.

        Returns:
            The number of rows.

        Raises:
            ManifestError: with the first 20 problems by row, their total, and the code of the first: ``missing_file``,
                ``unknown_label``, ``duplicate_path``, ``path_escapes_root``, ``bad_row`` (wrong number of cells, or
                neither path nor url), ``empty_manifest``, ``unreadable_manifest``.
        """
        import sqlite3  # here, since reading alone does not need it

        problems: list[_Problem] = []
        rows = total = 0

        def keys() -> Iterator[tuple[bytes, int]]:
            nonlocal rows, total
            try:
                for found, key in self._scan(check_files):
                    rows += 1
                    if isinstance(found, ManifestRow):
                        yield key.encode("utf-8", "surrogatepass"), found.line
                        continue
                    total += 1
                    if total <= MAX_LISTED_PROBLEMS:
                        problems.append(found)
            except ManifestError as error:
                # The error that makes the rest unreadable comes last, after the rows that were read.
                total += 1
                problems.append(_Problem(sys.maxsize, error.code, error.message.removeprefix(f"{self.name}: ")))

        def duplicates() -> Iterator[_Problem]:
            nonlocal total
            previous, first = b"", 0
            for key, line in database.execute("SELECT key, line FROM seen ORDER BY key, line"):
                if key == previous:
                    total += 1
                    text = f"{quote(key[1:].decode('utf-8', 'replace'))} is already in row {first}"
                    yield _Problem(line, "duplicate_path", text)
                else:
                    previous, first = key, line

        # "" is a temporary database on disk. Without an index it is filled and sorted in sequence, which stays fast
        # beyond its 2 MiB cache; an index would need random access.
        with closing(sqlite3.connect("", isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA cache_size = -2000")
            database.execute("CREATE TABLE seen (key BLOB, line INTEGER)")
            database.execute("BEGIN")
            database.executemany("INSERT INTO seen VALUES (?, ?)", keys())
            problems += nsmallest(MAX_LISTED_PROBLEMS, duplicates(), key=lambda problem: problem.line)
        if not rows and not total:
            raise ManifestError("empty_manifest", f"{self.name}: there are no rows")
        if problems:
            raise self._error(*sorted(problems, key=lambda problem: problem.line), total=total)
        return rows

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as CSV or Parquet, by the suffix; the file appears whole or not at all.

        The columns are path, url (if the source has it), label, source, generator, kind, group, split, then the others
        in the source's order. Every cell is kept as text, the label in lower case. Paths are written as they are, so
        they hold for a manifest opened with the same root.

        Raises:
            ManifestError: a bad row, or ``bad_row`` for a cell that could not be read back: a NUL character,
                text that is not Unicode, or more characters than the csv module reads (131072).
            UsageError: ``unsupported_format``, any other suffix; ``cannot_write``.
            MissingExtraError: a Parquet file, and pyarrow is not installed.
        """
        standard = tuple(name for name in STANDARD_COLUMNS if name != "url" or name in self.columns)
        extra = tuple(name for name in self.columns if name not in STANDARD_COLUMNS)
        rows = ((row.line, cells_of(row, standard, extra)) for row in self)
        tables.write_table(Path(path), standard + extra, rows, self.name)

    def digest(self) -> str:
        """SHA-256 over the rows in order, as 64 hexadecimal digits, for a training card to record.

        It covers every cell that is not blank, but not the file's format, column order or line numbers: the same
        table as CSV and as Parquet has one digest. It does not cover the images' content.

        Raises:
            ManifestError: a bad row.
        """
        digest = RowsDigest()
        for row in self:
            digest.add(row)
        return digest.hexdigest()

    def _scan(self, check_files: bool) -> Iterator[tuple[ManifestRow | _Problem, str]]:
        """Each selected row, or its problem, with the key that no other row may have."""
        root = RootFolder(self.root)
        columns = self.columns
        # A blank cell is appended to each row: index -1 finds it for a column that is not there.
        indices = [columns.index(name) if name in columns else -1 for name in STANDARD_COLUMNS]
        at_path, at_url, at_label, at_source, at_generator, at_kind, at_group, at_split = indices
        extras = [(name, i) for i, name in enumerate(columns) if name not in STANDARD_COLUMNS]
        where = [(columns.index(name), values) for name, values in self._where.items()]
        labels = self._translation.labels()
        for line, own_cells in self._table.rows():
            if len(own_cells) != len(columns):
                text = f"has {len(own_cells)} cells instead of {len(columns)}"
                yield _Problem(line, "bad_row", text), ""
                continue
            cells = [*own_cells, ""]
            label = labels[cells[at_label]]
            if label is None:
                text = f"the label {quote(own_cells[at_label])} is neither real nor fake"
                yield _Problem(line, "unknown_label", text), ""
                continue
            cells[at_label] = label
            if where and not all(cells[i] in values for i, values in where):
                continue
            path = cells[at_path]
            if path:
                real = root.locate(path)
                if "\\" in path:
                    path, real = _with_slashes(path, real, root)
                if real is None:
                    yield _escape(line, path), ""
                    continue
                if check_files and not os.path.isfile(real):  # noqa: PTH113 - as in RootFolder
                    yield _Problem(line, "missing_file", f"there is no file {quote(path)}"), ""
                    continue
            elif not cells[at_url]:
                yield _Problem(line, "bad_row", "has neither a path nor a url"), ""
                continue
            row = ManifestRow(
                path=path,
                url=cells[at_url],
                label=label,
                source=cells[at_source],
                generator=cells[at_generator],
                kind=cells[at_kind],
                group=cells[at_group],
                split=cells[at_split],
                extra={name: cells[i] for name, i in extras},
                line=line,
            )
            yield row, f"p{real}" if path else f"u{row.url}"

    def _error(self, *problems: _Problem, total: int = 1) -> ManifestError:
        texts = [p.text if p.line == sys.maxsize else f"row {p.line}: {p.text}" for p in problems]
        hint = self._hint(problems[0].code)
        if total == 1:
            return ManifestError(problems[0].code, f"{self.name}: {texts[0]}{f'; {hint}' if hint else ''}")
        shown = texts[:MAX_LISTED_PROBLEMS]
        which = f"; the first {len(shown)}" if total > len(shown) else ""
        text = f"{self.name}: {total} problems{which}:"
        return ManifestError(problems[0].code, text, *shown, *([hint] if hint else []))

    def _hint(self, code: str) -> str:
        """What was found instead, and what to type."""
        if code == "unknown_label":
            return labels_found(self._table)
        return f"paths are relative to {self.root}; --root names another folder" if code == "missing_file" else ""


@dataclass(frozen=True)
class _RowsTable:
    """Rows from a program, as a table."""

    given: Iterable[ManifestRow]
    name: str = "<rows>"
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        extra: dict[str, None] = {}
        has_url = False
        for line, row in enumerate(self.given, 1):
            for name in row.extra:
                if name in STANDARD_COLUMNS:
                    text = f"{self.name}: row {line}: extra repeats the column {name}"
                    raise ManifestError("bad_row", text)
            extra.update(dict.fromkeys(row.extra))
            has_url = has_url or bool(row.url)
        standard = tuple(name for name in STANDARD_COLUMNS if name != "url" or has_url)
        object.__setattr__(self, "columns", (*standard, *extra))

    def rows(self) -> Iterator[tables.Row]:
        standard = tuple(name for name in STANDARD_COLUMNS if name in self.columns)
        extra = self.columns[len(standard) :]
        for line, row in enumerate(self.given, 1):
            yield line, cells_of(row, standard, extra)


def _escape(line: int, path: str) -> _Problem:
    return _Problem(line, "path_escapes_root", f"the path {quote(path)} leads out of the root folder")


def _with_slashes(path: str, real: str | None, root: RootFolder) -> tuple[str, str | None]:
    """A path written under Windows, and where it leads, if there is a file only with its backslashes turned."""
    turned = path.replace("\\", "/")
    found = root.locate(turned)
    is_turned = found is not None and os.path.lexists(found) and not (real is not None and os.path.lexists(real))
    return (turned, found) if is_turned else (path, real)
