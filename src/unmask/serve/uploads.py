"""Uploads: read into memory, never onto the disk, and never named by the sender."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator
from dataclasses import dataclass

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
        filename: what the sender called it, only to be shown: without folders and control characters.
        data: its bytes.
    """

    filename: str
    data: bytes


async def read_uploads(request: Request, field: str, most: int) -> list[Upload]:
    """The files of one field of a multipart request, whose body is limited by ``BodyLimits``.

    Args:
        request: its body has not been read.
        field: name of the form's field.
        most: files at most.

    Raises:
        Problem: 415 when it is no multipart form, 400 when it is a broken one, 422 when there is no file or too many.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Problem(415, "not_multipart", f"Send the image as multipart/form-data in the field {field!r}.")
    parser = MultiPartParser(request.headers, _body(request), max_files=most, max_fields=_MOST_FIELDS)
    # The limit of the body is the limit of the memory; nothing spills into temporary files.
    parser.spool_max_size = 0
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise Problem(422, "too_many_pictures", f"At most {most} images can be sent at once.") from None
        raise Problem(400, "bad_multipart", error.message) from None
    files = [item for name, item in form.multi_items() if name == field and isinstance(item, UploadFile)]
    try:
        if not files:
            raise Problem(422, "no_picture", f"There is no file in the field {field!r}.")
        return [Upload(shown_name(file.filename), file.file.read()) for file in files]
    finally:
        await form.close()


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        yield chunk


def shown_name(name: str | None) -> str:
    """A file's name without folders, control characters and invisible directions, cut to 255 characters."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if unicodedata.category(character)[0] != "C")
    return kept.strip()[:_LONGEST_NAME]
