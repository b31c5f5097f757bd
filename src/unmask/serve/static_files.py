"""Files of the built page, compressed where the browser takes it.

The build leaves a ``.br`` and a ``.gz`` beside each text file. Nothing is compressed while the service runs.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

# The smallest first.
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


def send_file(path: Path, headers: Headers, cache: str) -> Response:
    """The response with a file, or with 304 if the browser has it.

    The entity tag is a hash of the content: files from a wheel all have one date, and ``index.html`` has the same size
    in every version.

    Args:
        path: the file; its name says its type.
        headers: of the request.
        cache: value of ``Cache-Control``.
    """
    encoding, served = _variant(path, headers.get("accept-encoding", ""))
    status = served.stat()
    own = {
        "Cache-Control": cache,
        "ETag": f'"{_digest(served, status.st_mtime_ns, status.st_size)}"',
        # Also without compression: a cache must know that another browser may get another file.
        "Vary": "Accept-Encoding",
    }
    if encoding:
        own["Content-Encoding"] = encoding
    kind = guess_type(path.name)[0] or "application/octet-stream"
    response = FileResponse(served, headers=own, media_type=kind, stat_result=status)
    known = {tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")}
    return NotModifiedResponse(response.headers) if own["ETag"] in known or "*" in known else response


class Assets(StaticFiles):
    """Files whose names change with their content."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The response with a file that was found below the folder."""
        return send_file(Path(full_path), Headers(scope=scope), "public, max-age=31536000, immutable")


def accepted(header: str) -> set[str]:
    """The encodings that a browser takes, of those known here, from the value of ``Accept-Encoding``.

    >>> sorted(accepted("gzip, deflate, br;q=0.8"))
    ['br', 'gzip']
    >>> accepted("gzip;q=0, identity")
    set()
    """
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        try:
            weights[name.strip()] = float(weight.partition("=")[2]) if weight.strip() else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    anything = weights.get("*", 0.0)
    return {name for name, _ in _ENCODINGS if weights.get(name, anything) > 0}


def _variant(path: Path, header: str) -> tuple[str, Path]:
    takes = accepted(header)
    for encoding, suffix in _ENCODINGS:
        if encoding in takes:
            compressed = path.with_name(path.name + suffix)
            # Not one that an earlier build has left.
            if compressed.is_file() and compressed.stat().st_mtime >= path.stat().st_mtime:
                return encoding, compressed
    return "", path


@lru_cache(maxsize=256)
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
