"""The bytes of an item, from a file, an object, a tar archive or a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from unmask.errors import ImageError
from unmask.imaging.decode import read_bytes
from unmask.imaging.limits import DecodeLimits
from unmask.scan import stores
from unmask.scan.extra import pyarrow
from unmask.scan.items import Item

# Rows of images that are decoded from a Parquet file at once.
_BATCH: Final = 16


class Reader:
    """Reads items one after the other; cheap where they come in the order of their shard. A context manager.

    The container that was read last stays open. Not to be shared between threads.

    Args:
        limits: of which ``max_bytes`` bounds an image.
    """

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._name = ""
        self._file: Any = None
        self._place: tuple[int, str, int] | None = None  # row group, column and next row of _rows
        self._rows: Iterator[Any] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def read(self, item: Item) -> bytes:
        """The bytes of an image.

        Raises:
            ImageError: the item's problem, or why it cannot be read.
        """
        if item.problem is not None:
            raise ImageError(*item.problem)
        if item.kind == "file":
            return read_bytes(item.uri, self._limits)
        if item.kind == "object":
            return stores.read_object(item.uri, self._limits)
        try:
            data = self._member(item) if item.kind == "tar" else self._cell(item)
        except ImageError:
            raise
        except Exception as error:
            self._close()
            raise stores.read_failure(error) from None
        if not data:
            raise ImageError("empty", "The image file is empty.")
        if len(data) > self._limits.max_bytes:
            raise stores.too_large(len(data), self._limits)
        return data

    def _member(self, item: Item) -> bytes:
        if item.size > self._limits.max_bytes:
            raise stores.too_large(item.size, self._limits)
        self._open(item)
        self._file.seek(item.start)
        data = bytes(self._file.read(item.size))
        if len(data) < item.size:
            raise ImageError("truncated", "The archive ends inside the image.")
        return data

    def _cell(self, item: Item) -> bytes:
        self._open(item)
        place = (item.start, item.column, item.position)
        if self._place is None or self._place[:2] != place[:2] or self._place[2] > item.position:
            self._rows = _rows(self._file, item.start, item.column)
            self._place = (item.start, item.column, 0)
        at = self._place[2]
        for value in self._rows:
            at += 1
            if at > item.position:
                self._place = (item.start, item.column, at)
                return value or b""
        raise ImageError("not_found", "The file has fewer rows than when it was listed.")

    def _open(self, item: Item) -> None:
        name = f"{item.kind}:{item.uri}"
        if name == self._name:
            return
        self._close()
        self._file = open_container(item.uri) if item.kind == "tar" else open_parquet(item.uri)
        self._name = name

    def _close(self) -> None:
        if self._file is not None:
            with suppress(Exception):
                self._file.close()
        self._name, self._file, self._place, self._rows = "", None, None, iter(())


def open_container(uri: str) -> Any:
    """A local file or an object, for bytes, that can seek."""
    return Path(uri).open("rb") if stores.scheme_of(uri) is None else stores.open_object(uri)


def open_parquet(uri: str) -> Any:
    """A ``pyarrow.parquet.ParquetFile``, which reads no more ahead than it must."""
    source = uri if stores.scheme_of(uri) is None else stores.open_object(uri)
    return pyarrow().parquet.ParquetFile(source, pre_buffer=False, memory_map=False)


def _rows(file: Any, group: int, column: str) -> Iterator[bytes | None]:
    arrow = pyarrow()
    in_struct = arrow.types.is_struct(file.schema_arrow.field(column).type)
    wanted = f"{column}.bytes" if in_struct else column
    for batch in file.iter_batches(_BATCH, row_groups=[group], columns=[wanted], use_threads=False):
        values = batch.column(0)
        for value in values.field("bytes") if in_struct else values:
            yield value.as_py()
