"""What a clip's file says of its own making: content credentials and XMP of MP4 and MOV files, names of generators."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import IO, Final

from unmask.imaging.bmff import XMP_BOX
from unmask.imaging.credentials import Credentials, plain, read_file_credentials
from unmask.imaging.generators import named_generators
from unmask.imaging.provenance import Provenance, read_provenance
from unmask.imaging.video.boxes import outer_boxes

_MOST_BOX: Final = 16 * 2**20  # bytes of one box that are read
_MOST: Final = 64 * 2**20  # of all
_MIME: Final = "video/mp4"  # of MOV, too: the boxes are the same
_HEIF_HEAD: Final = (16).to_bytes(4, "big") + b"ftypheic" + bytes(4)  # boxes behind it are read as those of an image


# Entries of a container that name software; a title or description may be about a generator and name it all the same.
_SOFTWARE: Final = frozenset(
    {"encoder", "encoded_by", "software", "tool", "writing_application", "com.apple.quicktime.software"}
)
# ComfyUI writes these as entries of their own, or as JSON into the comment.
_SETTINGS: Final = ("prompt", "workflow")
_SETTINGS_JSON: Final = re.compile(r"\s*\{\s*\"(prompt|workflow)\"\s*:")
_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


def clip_provenance(path: str | os.PathLike[str], metadata: Mapping[str, str] = _NO_METADATA) -> Provenance:
    """The marks of a clip; no frame is decoded for them.

    Args:
        path: of the file, of whose boxes those that hold metadata are read.
        metadata: the entries that the container has of itself, see
            :class:`~unmask.imaging.video.facts.ClipFacts`.

    Returns:
        The marks; of files that are no MP4 or MOV or cannot be read, those in ``metadata``. Never raises.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            boxes = b"".join(_metadata_boxes(file, os.fstat(file.fileno()).st_size))
    except (OSError, ValueError):
        boxes = b""
    found = read_provenance(_HEIF_HEAD + boxes)
    return replace(found, generator_tags=tuple(sorted({*found.generator_tags, *_tags(metadata)})))


def _tags(metadata: Mapping[str, str]) -> Iterator[str]:
    for name, text in metadata.items():
        if name.lower() in _SOFTWARE:
            yield from (f"software:{generator}" for generator in named_generators(text))
        elif name.lower() in _SETTINGS:
            yield f"video:{name.lower()}"
        elif name.lower() == "comment" and (settings := _SETTINGS_JSON.match(text)):
            yield f"video:{settings[1]}"


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


def _metadata_boxes(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The outer boxes that may hold metadata, ``uuid`` and ``meta``, and QuickTime's XMP as such a box."""
    total = 0
    for kind, at, length in _boxes_with_metadata(file, size):
        if total + min(length, _MOST_BOX) > _MOST:
            continue
        file.seek(at)
        box = file.read(min(length, _MOST_BOX))
        total += len(box)
        if kind == b"XMP_":
            box = (len(box) + 16).to_bytes(4, "big") + b"uuid" + XMP_BOX + box[8:]
        yield box


def _boxes_with_metadata(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int, int]]:
    for kind, at, length in outer_boxes(file, size):
        if kind in (b"uuid", b"meta"):
            yield kind, at, length
        elif kind == b"moov":
            for inner, start, own in outer_boxes(file, min(at + length, size), at + 8):
                if inner == b"udta":
                    end = min(start + own, size)
                    yield from (each for each in outer_boxes(file, end, start + 8) if each[0] == b"XMP_")
