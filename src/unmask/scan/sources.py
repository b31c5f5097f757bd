"""What a scan reads: folders, globs, lists, tables of paths, URLs or bytes, tar archives and object stores."""

from __future__ import annotations

import glob
import os
import sys
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast

from unmask.data.tables import CSV_ENDINGS, open_table
from unmask.errors import ManifestError, UsageError
from unmask.files import RootFolder
from unmask.imaging.find import IMAGE_SUFFIXES, PassedOver, is_image
from unmask.scan import stores
from unmask.scan.extra import pyarrow
from unmask.scan.items import Item
from unmask.scan.reading import open_container, open_parquet
from unmask.text import quote

# Members of a tar archive that belong together: read in one go, and never spread over shards.
_PIECE: Final = 256
# Of names and notes of one member; tarfile reads them whole.
_MAX_HEADER: Final = 2**20
_READ_BATCH: Final = 4096
# The names under which tables hold images: the datasets library writes image = {bytes, path}.
_BYTES_COLUMNS: Final = ("bytes", "image", "content", "data", "jpg", "png")
_COMPRESSED: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def list_items(sources: Sequence[str], passed_over: PassedOver, root: Path | None = None) -> Iterator[Item]:
    """The images of sources, in flat memory; folders are searched with their subfolders.

    Args:
        sources: each a folder, a glob, an image file, ``-`` for paths on standard input, a table (.csv, .tsv, .parquet)
            with a column ``path``, ``url`` or ``bytes``, a tar archive, or a URL of any of these but a folder of which
            only a prefix is known: it stands for the images below it.
        passed_over: files that are no images are counted there.
        root: folder that paths in tables are relative to and must not leave; by default the table's own.

    Yields:
        Items. What cannot be listed or must not be read is an item with a problem.

    Raises:
        UsageError: ``bad_source``, ``bad_store``, ``not_listed``.
        ManifestError: a table that cannot be read.
        MissingExtraError: the extra ``scale`` is not installed.
    """
    for source in sources:
        if source == "-":
            lines = (line.removesuffix(b"\n").removesuffix(b"\r") for line in sys.stdin.buffer)
            yield from (_item(os.fsdecode(line)) for line in lines if line)
        elif (scheme := stores.scheme_of(source)) is not None:
            if stores.is_web(scheme):
                text = f"{source}: is no object store; unmask data fetch downloads from the web"
                raise UsageError("bad_source", text)
            yield from _in_store(source, passed_over)
        elif os.path.isdir(source):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            yield from _in_folder(source, passed_over)
        elif glob.has_magic(source) and not os.path.lexists(source):
            for found in sorted(glob.glob(source, recursive=True)) or [source]:  # noqa: PTH207 - keeps the spelling
                if not os.path.isdir(found):  # noqa: PTH112
                    yield from _file(found, root)
        else:
            yield from _file(source, root)


def _file(path: str, root: Path | None) -> Iterator[Item]:
    """The images of a local file: those in it, or itself."""
    low = path.lower()
    if low.endswith(_COMPRESSED):
        raise UsageError("bad_source", f"{path}: unpack it first: images in a compressed archive cannot be sought")
    if low.endswith(".tar"):
        yield from _in_tar(path, os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps ".."
    elif low.endswith(".parquet"):
        yield from _in_parquet(path, Path(path).absolute().parent if root is None else root)
    elif low.endswith(CSV_ENDINGS):
        yield from _in_csv(Path(path), Path(path).absolute().parent if root is None else root)
    else:
        yield _item(path)


def _item(path: str) -> Item:
    scheme = stores.scheme_of(path)
    if scheme is None:
        return Item(path=path, uri=os.path.abspath(path) if "\0" not in path else path, unit=path)  # noqa: PTH100
    return _object(path)


def _object(url: str, cells: dict[str, str] | None = None, *, is_given: bool = False) -> Item:
    scheme = stores.scheme_of(url) or ""
    if not (is_given or stores.is_known(scheme)):
        web = ": unmask data fetch downloads such images" if stores.is_web(scheme) else ""
        problem = ("unsupported_url", f"{scheme}:// is no object store{web}.")
        return Item(path=url, uri=url, unit=url, kind="object", cells=cells or {}, problem=problem)
    return Item(path=url, uri=url, unit=url, kind="object", cells=cells or {})


def _in_folder(folder: str, passed_over: PassedOver) -> Iterator[Item]:
    """The images in a folder, without hidden files and folders, in the order of the file system."""
    try:
        listing = os.scandir(folder)
    except OSError as error:  # no permission, or gone
        reason = error.strerror or type(error).__name__
        problem = ("not_listed", f"The folder cannot be listed ({reason}).")
        yield Item(path=folder, uri=folder, unit=folder, problem=problem)
        return
    subfolders = []
    with listing:
        for entry in listing:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                subfolders.append(entry.path)
            elif is_image(entry.path):
                yield _item(entry.path)
            else:
                passed_over.files += 1
    for subfolder in subfolders:
        yield from _in_folder(subfolder, passed_over)


def _in_store(url: str, passed_over: PassedOver) -> Iterator[Item]:
    for found in stores.list_objects(url):
        low = found.lower()
        if low.endswith(".tar"):
            yield from _in_tar(found, found)
        elif low.endswith(".parquet"):
            yield from _in_parquet(found, None)
        elif stores.is_image_name(found) or found == url:
            yield _object(found, is_given=True)
        else:
            passed_over.files += 1


def _in_tar(path: str, uri: str) -> Iterator[Item]:
    """The members of an archive with the suffix of an image, and where their bytes are. Nothing is unpacked."""
    count = 0
    try:
        with (
            closing(open_container(uri)) as file,
            tarfile.open(fileobj=cast(IO[bytes], _Headers(file)), mode="r:") as archive,
        ):
            offset = -1
            while (member := archive.next()) is not None:
                if member.size < 0 or member.offset <= offset:  # it would be read for ever
                    raise tarfile.ReadError("a size is negative")
                offset = member.offset
                archive.members = []  # type: ignore[attr-defined]  # kept by tarfile: memory would grow with their number
                if not member.isreg() or PurePosixPath(member.name).suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                yield Item(
                    path=f"{path}/{member.name}",
                    uri=uri,
                    unit=f"{path}#{count // _PIECE}",
                    position=count,
                    kind="tar",
                    start=member.offset_data,
                    size=member.size,
                )
                count += 1
    except (OSError, tarfile.TarError, ValueError) as error:
        problem = stores.read_failure(error) if isinstance(error, OSError) else None
        code = "truncated" if isinstance(error, tarfile.TarError) else "read_error"
        text = f"The archive is damaged after {count:,} images ({error})."
        yield Item(
            path=path,
            uri=uri,
            unit=path,
            kind="tar",
            problem=(code, text) if problem is None else (problem.code, problem.message),
        )


class _Headers:
    """An archive of which only headers are read, never more at once than one may be large."""

    def __init__(self, file: IO[bytes]) -> None:
        self.tell, self.seek = file.tell, file.seek
        self._read = file.read

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER:
            raise tarfile.ReadError("a header is too large")
        return bytes(self._read(size))


def _in_csv(path: Path, root: Path) -> Iterator[Item]:
    table = open_table(path)
    names = _names(str(path), table.columns)
    locate = _Rows(str(path), root)
    for line, cells in table.rows():
        if len(cells) != len(table.columns):
            text = f"{path}: row {line}: has {len(cells)} cells instead of {len(table.columns)}"
            raise ManifestError("bad_row", text)
        yield locate.item(line, dict(zip(names, cells, strict=True)))


def _in_parquet(path: str, root: Path | None) -> Iterator[Item]:
    """The rows of a Parquet file: with bytes, or with a path or URL. Of bytes no more than their place is read."""
    arrow = pyarrow()
    is_remote = stores.scheme_of(path) is not None
    uri = path if is_remote else os.path.abspath(path)  # noqa: PTH100
    try:
        with closing(open_parquet(uri)) as file:
            schema = file.schema_arrow
            column = _bytes_column(arrow, schema)
            kept = [each.name for each in schema if not _is_bulky(arrow, each.type)]
            names = _names(path, kept, column is not None)
            locate = _Rows(path, root)
            line = 0
            for group in range(file.num_row_groups):
                position = 0
                for cells in _cells(file, group, kept):
                    line += 1
                    told = dict(zip(names, cells, strict=True))
                    if column is None:
                        yield locate.item(line, told)
                        continue
                    name = told.pop("path", "") or f"{path}#{line}"
                    told.pop("url", None)
                    yield Item(
                        path=name,
                        uri=uri,
                        unit=f"{path}#{group}",
                        position=position,
                        kind="parquet",
                        start=group,
                        column=column,
                        cells=told,
                    )
                    position += 1
    except (UsageError, ManifestError):
        raise
    except Exception as error:  # of Arrow, and of the store
        reason = (str(error).splitlines() or ["it is damaged"])[0]
        raise ManifestError("unreadable_manifest", f"{path}: cannot be read: {reason}") from error


def _cells(file: Any, group: int, columns: list[str]) -> Iterator[list[str]]:
    if not columns:  # nothing but the bytes
        yield from ([] for _ in range(file.metadata.row_group(group).num_rows))
        return
    for batch in file.iter_batches(_READ_BATCH, row_groups=[group], columns=columns, use_threads=False):
        texts = [["" if value is None else str(value) for value in column.to_pylist()] for column in batch.columns]
        yield from (list(cells) for cells in zip(*texts, strict=True))


def _bytes_column(arrow: Any, schema: Any) -> str | None:
    fields = {field.name.lower(): field for field in schema}
    for name in _BYTES_COLUMNS:
        if (field := fields.get(name)) is not None and _is_bulky(arrow, field.type):
            return str(field.name)
    return None


def _is_bulky(arrow: Any, kind: Any) -> bool:
    """Whether a column holds bytes, or is nested."""
    types = arrow.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_nested(kind))


def _names(table: str, columns: Iterable[str], has_bytes: bool = False) -> list[str]:
    names = [name.strip().lower() if name.strip().lower() in {"path", "url"} else name for name in columns]
    if not has_bytes and not {"path", "url"} & set(names):
        text = f"{table}: there is no column path, url or bytes; its columns are {', '.join(map(quote, names))}"
        raise ManifestError("missing_column", text)
    return names


class _Rows:
    """Turns rows of a table into items; paths must not leave the root."""

    def __init__(self, name: str, root: Path | None) -> None:
        self._name = name
        self._root = None if root is None else RootFolder(root)

    def item(self, line: int, cells: dict[str, str]) -> Item:
        path, url = cells.pop("path", ""), cells.pop("url", "")
        if not path and not url:
            problem = ("bad_row", "The row has neither a path nor a URL.")
            return Item(path=f"{self._name}#{line}", uri="", unit=f"{self._name}#{line}", cells=cells, problem=problem)
        where = path or url
        scheme = stores.scheme_of(where)
        if scheme is not None and scheme != "file":
            return _object(where, cells=cells)
        local = where if scheme is None else f"/{where[len('file://') :].partition('/')[2]}"
        real = None if self._root is None else self._root.locate(local)
        if real is None:
            problem = ("path_escapes_root", "The path leads out of the root folder; --root names another.")
            return Item(path=where, uri="", unit=where, cells=cells, problem=problem)
        return Item(path=where, uri=real, unit=where, cells=cells)
