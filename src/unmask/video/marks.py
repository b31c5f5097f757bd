"""What a clip's file says of its own making: content credentials and XMP in the boxes of MP4 and MOV files."""

from __future__ import annotations

import os
from typing import IO, Final

from unmask.imaging.credentials import Credentials, plain, read_file_credentials
from unmask.imaging.provenance import Provenance, read_provenance
from unmask.imaging.video.boxes import outer_boxes

_MOST_BOX: Final = 16 * 2**20  # bytes of one box that are read
_MOST: Final = 64 * 2**20  # of all
_MIME: Final = "video/mp4"  # of MOV, too: the boxes are the same
_HEIF_HEAD: Final = (16).to_bytes(4, "big") + b"ftypheic" + bytes(4)  # boxes behind it are read as those of an image


def clip_provenance(path: str | os.PathLike[str]) -> Provenance:
    """The marks of a clip, of which no frame is decoded and nothing but its outer boxes is read.

    Returns:
        The marks; ``Provenance("none", ())`` for files that are no MP4 or MOV or cannot be read. Never raises.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            boxes = _metadata_boxes(file, os.fstat(file.fileno()).st_size)
    except (OSError, ValueError):
        boxes = b""
    return read_provenance(_HEIF_HEAD + boxes)


def clip_credentials(
    path: str | os.PathLike[str], provenance: Provenance, trust_anchors: bytes | None = None
) -> Credentials:
    """Check the content credentials of a clip; the file is read piece by piece, and only if it has any.

    Args:
        path: of the file.
        provenance: what :func:`clip_provenance` found in it.
        trust_anchors: see :func:`~unmask.imaging.credentials.read_credentials`.

    Raises:
        UsageError: ``bad_trust_anchors``; never because of the file.
    """
    if provenance.c2pa == "none":
        return plain(provenance.credentials_state)
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return read_file_credentials(file, _MIME, provenance, trust_anchors)
    except OSError:
        return plain("could not be checked", "unreadable")


def _metadata_boxes(file: IO[bytes], size: int) -> bytes:
    """The outer boxes that may hold metadata: ``uuid`` and ``meta``."""
    found: list[bytes] = []
    total = 0
    for kind, at, length in outer_boxes(file, size):
        if kind in (b"uuid", b"meta") and total + min(length, _MOST_BOX) <= _MOST:
            file.seek(at)
            found.append(file.read(min(length, _MOST_BOX)))
            total += len(found[-1])
    return b"".join(found)
