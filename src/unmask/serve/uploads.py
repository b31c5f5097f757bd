"""Uploads: read into memory, never written to disk, never stored under the sender's file name."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
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
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Problem(415, "not_multipart", f"Send the image as multipart/form-data in the field {field!r}.")
    parser = _Parser(request.headers, _body(request), max_files=max_files, max_fields=_MOST_FIELDS)
    parser.field = field.encode()
    # The body limit already bounds memory; nothing spills into temporary files.
    parser.spool_max_size = 0
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise Problem(422, "too_many_pictures", f"Send at most {max_files} images per request.") from None
        raise Problem(400, "bad_multipart", error.message) from None
    except (LookupError, ValueError):  # an unknown charset, header bytes that are none of it
        raise Problem(400, "bad_multipart", "The form's headers cannot be read.") from None
    files = [item for name, item in form.multi_items() if name == field and isinstance(item, UploadFile)]
    try:
        if not files:
            raise Problem(422, "no_picture", f"The request has no file in the field {field!r}.")
        return [Upload(shown_name(file.filename), file.file.read()) for file in files]
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """A parser that takes every part of one field for a file, whether or not its sender named one."""

    field = b""

    def on_headers_finished(self) -> None:
        part = self._current_part
        disposition, options = parse_options_header(part.content_disposition)
        if disposition == b"form-data" and options.get(b"name") == self.field and b"filename" not in options:
            part.content_disposition = (part.content_disposition or b"") + b'; filename=""'
        super().on_headers_finished()


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        yield chunk


def shown_name(name: str | None) -> str:
    """Return a file name without folders, control and direction characters, cut to 255 characters."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    return kept.strip()[:_LONGEST_NAME]
