"""Uploads: images are read into memory, clips into a file; neither is stored under the sender's file name."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from unmask.serve.problems import Problem

_MOST_FIELDS = 8
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file.

    Attributes:
        filename: the sender's name for it, for display only, without folders and control characters.
        data: content of the file.
    """

    filename: str
    data: bytes


async def read_uploads(request: Request, field: str, max_files: int) -> list[Upload]:
    """Read the files in one field of a multipart request; ``BodyLimits`` limits its body.

    Args:
        request: a request whose body has not been read.
        field: name of the form field.
        max_files: most files in the request.

    Raises:
        Problem: 415, not a multipart form; 400, malformed form; 422, no file or too many files.
    """
    _require_form(request, "image", field)
    parser = _Parser(request.headers, _body(request), max_files=max_files, max_fields=_MOST_FIELDS)
    parser.field = field.encode()
    # The body limit already bounds memory; nothing spills into temporary files.
    parser.spool_max_size = 0
    form = await _parsed(parser, Problem(422, "too_many_pictures", f"Send at most {max_files} images per request."))
    files = [item for name, item in form.multi_items() if name == field and isinstance(item, UploadFile)]
    try:
        if not files:
            raise Problem(422, "no_picture", f"The request has no file in the field {field!r}.")
        return [Upload(shown_name(file.filename), file.file.read()) for file in files]
    finally:
        await form.close()


@dataclass(frozen=True, slots=True)
class ClipUpload:
    """One uploaded clip.

    Attributes:
        filename: as of :class:`Upload`.
        path: its content, on the disk.
        bytes: its size.
    """

    filename: str
    path: Path
    bytes: int


async def read_clip(request: Request, field: str, choose: Callable[[str], Path]) -> ClipUpload:
    """Write the one file of a multipart request to the disk as it arrives; ``BodyLimits`` limits its body.

    Args:
        request: a request whose body has not been read.
        field: name of the form field.
        choose: returns the new file for a clip of this name; the caller deletes it, also after a failure.

    Raises:
        Problem: 415, not a multipart form; 400, malformed form; 422, no file or several.
        OSError: the file cannot be written.
    """
    _require_form(request, "clip", field)
    parser = _ClipParser(request.headers, _body(request), max_files=1, max_fields=_MOST_FIELDS)
    parser.field, parser.choose = field.encode(), choose
    try:
        form = await _parsed(parser, Problem(422, "too_many_clips", "Send one clip per request."))
        await form.close()
    finally:
        parser.close()
    if parser.written is None:
        raise _no_clip(field)
    return ClipUpload(parser.filename, parser.written, parser.written.stat().st_size)


def _no_clip(field: str) -> Problem:
    return Problem(422, "no_clip_sent", f"The request has no file in the field {field!r}, or one in another field.")


def _require_form(request: Request, kind: str, field: str) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Problem(415, "not_multipart", f"Send the {kind} as multipart/form-data in the field {field!r}.")


async def _parsed(parser: MultiPartParser, too_many: Problem) -> FormData:
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise (
            too_many if error.message.startswith("Too many files") else Problem(400, "bad_multipart", error.message)
        ) from None
    except (LookupError, ValueError):  # an unknown charset, header bytes that are none of it
        raise Problem(400, "bad_multipart", "The form's headers cannot be read.") from None


class _Parser(MultiPartParser):
    """A parser that takes every part of one field for a file, whether or not its sender named one."""

    field = b""

    def on_headers_finished(self) -> None:
        part = self._current_part
        disposition, options = parse_options_header(part.content_disposition)
        if disposition == b"form-data" and options.get(b"name") == self.field and b"filename" not in options:
            part.content_disposition = (part.content_disposition or b"") + b'; filename=""'
        super().on_headers_finished()


class _ClipParser(_Parser):
    """A parser that writes the file of the field to the disk as it arrives."""

    choose: Callable[[str], Path]
    filename = ""
    written: Path | None = None
    _file: IO[bytes] | None = None

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.file is None:
            return
        if part.field_name != self.field.decode():
            raise _no_clip(self.field.decode())
        self.filename = shown_name(part.file.filename)
        self.written = self.choose(self.filename)
        self._file = part.file.file = self.written.open("xb")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        yield chunk


def shown_name(name: str | None) -> str:
    """Return a file name without folders, control and direction characters, cut to 255 characters."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    return kept.strip()[:_LONGEST_NAME]
