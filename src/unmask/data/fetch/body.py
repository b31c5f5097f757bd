"""An image on its way to disk, checked as it arrives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from unmask.data.fetch.policy import FetchError, FetchPolicy
from unmask.errors import ImageError, UsageError
from unmask.imaging.decode import read_bytes
from unmask.imaging.formats import sniff_format

# The most bytes needed to recognise a format (AVIF's list of brands).
_SNIFFED_BYTES = 1024
_TOO_LARGE = {"file_too_large", "too_many_pixels", "side_too_long", "too_complex", "out_of_memory", "decode_stopped"}
_WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<?xml")


class ImageBody:
    """Writes a body to its own file; hashes it, counts it and recognises its format on the way.

    Attributes:
        path: the file, which :meth:`close` leaves where it is.
        count: bytes written.
        format: a key of :data:`~unmask.data.fetch.policy.FORMAT_SUFFIXES`, once known; else ''.
    """

    def __init__(self, path: Path, policy: FetchPolicy) -> None:
        self.path = path
        self.count = 0
        self.format = ""
        self._policy = policy
        self._file: IO[bytes] | None = None

    @property
    def sha256(self) -> str:
        """Of the bytes written, as 64 hexadecimal digits."""
        return self._sha.hexdigest()

    def start(self, declared: int | None, encoding: str) -> None:
        """Start again with an empty file.

        Raises:
            UsageError: ``write_failed``, here and below: the folder is full or closed to writing.
            FetchError: ``too_large`` by the Content-Length, or ``not_an_image``: compressed bodies are refused.
        """
        self.close()
        self.count, self.format, self._first = 0, "", b""
        self._sha = hashlib.sha256()
        if encoding:
            raise FetchError("not_an_image", "the server compressed the body although asked not to")
        if declared is not None and declared > self._policy.max_bytes:
            raise self._too_large(f"{declared:,}")
        with _disk_errors(self.path):
            self._file = self.path.open("wb")

    def write(self, chunk: bytes) -> bool:
        """Take the next bytes.

        Raises:
            FetchError: ``too_large`` or ``not_an_image``, as soon as that is known.
        """
        assert self._file is not None, "write comes after start"
        self.count += len(chunk)
        if self.count > self._policy.max_bytes:
            raise self._too_large("more than that")
        self._sha.update(chunk)
        with _disk_errors(self.path):
            self._file.write(chunk)
        if not self.format:
            self._first = (self._first + chunk)[:_SNIFFED_BYTES]
            if len(self._first) == _SNIFFED_BYTES:
                self._name_format()
        return True

    def finish(self) -> None:
        """Take note that the body is complete.

        Raises:
            FetchError: ``not_an_image``, for a body too short to have been recognised before.
        """
        if not self.format:
            self._name_format()
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            with _disk_errors(self.path):
                file.close()

    def check(self, decoder: Callable[[bytes], object]) -> None:
        """Decode the image; slow, so call it in a thread.

        Args:
            decoder: what decodes it, within the policy's limits.

        Raises:
            FetchError: ``not_an_image``, or ``too_large`` for its pixels.
        """
        try:
            decoder(read_bytes(self.path))
        except ImageError as error:
            status = "too_large" if error.code in _TOO_LARGE else "not_an_image"
            raise FetchError(status, f"{error.code}: {error.message}", http_status=200) from None

    def _name_format(self) -> None:
        name = sniff_format(self._first)
        if name in self._policy.formats:
            self.format = name
            return
        if name is not None:
            raise FetchError("not_an_image", f"the image is {name}, which is not an accepted format")
        if not self._first:
            raise FetchError("not_an_image", "the body is empty")
        page = self._first.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_PAGE)
        what = "is a web page" if page else "is not an image of a known format"
        raise FetchError("not_an_image", f"the body {what}")

    def _too_large(self, count: str) -> FetchError:
        return FetchError("too_large", f"{self._policy.max_bytes:,} bytes are allowed; the body has {count}")


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError("write_failed", f"{path}: cannot be written: {error.strerror or error}") from error
