"""Read the fields of a protocol buffer message, such as an ONNX file, without the onnx package."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unmask.errors import BundleError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Longer keys are read differently by different readers: some drop the upper bits.
_MAX_KEY = 2**32 - 1

MAX_FIELDS = 5_000_000

Field = tuple[int, int, int, int, int]
"""Field number, wire type, value of a varint (else 0), and start and end of the content of any other type."""


class Reader:
    """Reads messages of a file, of at most 5 million fields in all.

    Args:
        data: the file.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._read = 0

    def fields(self, start: int, end: int, skip: re.Pattern[bytes] | None = None) -> Iterator[Field]:
        """The fields of the message in ``data[start:end]``, in their order.

        Args:
            start: where the message begins.
            end: where it ends.
            skip: matches fields, from key to content, that are passed over.

        Raises:
            BundleError: ``bad_model``, the message is malformed or there are too many fields.
        """
        data = self._data
        at = start
        count, most = 0, MAX_FIELDS - self._read
        while at < end:
            if skip is not None and (skipped := skip.match(data, at, end)):
                at = skipped.end()
                continue
            count += 1
            key = data[at]
            at += 1
            if key >= 0x80:
                key, at = read_varint(data, at - 1, end)
            wire = key & 7
            value = length = 0
            if wire in (VARINT, BYTES):
                if at >= end:
                    raise malformed()
                value = data[at]
                at += 1
                if value >= 0x80:
                    value, at = read_varint(data, at - 1, end)
                if wire == BYTES:
                    value, length = 0, value
            elif wire in (FIXED32, FIXED64):
                length = 4 if wire == FIXED32 else 8
            else:
                raise malformed()
            if at + length > end or key > _MAX_KEY or count > most:
                raise malformed()
            yield key >> 3, wire, value, at, at + length
            at += length
        self._read += count


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The varint at a place, below 2**70, and where it ends.

    Raises:
        BundleError: ``bad_model``, it is cut short or too long.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise malformed()


def read_varints(data: bytes, field: Field, most: int) -> list[int] | None:
    """The values of a repeated number: one, or several packed into one field; ``None`` if those have more bytes."""
    _, wire, value, at, end = field
    if wire == VARINT:
        return [value]
    if end - at > most:
        return None
    values = []
    while at < end:
        value, at = read_varint(data, at, end)
        values.append(value)
    return values


def malformed() -> BundleError:
    """The error for a message that cannot be read."""
    return BundleError("bad_model", "The graph's file is malformed.")
