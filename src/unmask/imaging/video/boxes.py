"""The outer parts of MP4, MOV and AVI files, walked without reading what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

_MOST_BOXES: Final = 4096


def outer_boxes(file: IO[bytes], size: int, at: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and claimed length of each outer box of an MP4 or MOV file; ends at the first malformed one.

    Args:
        file: seekable; its position is changed.
        size: its bytes, or the end of a box whose own boxes are wanted.
        at: where the first box begins.
    """
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            return
        file.seek(at)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if len(head) < 8:
            return
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:
            length = size - at
        if length < 8:
            return
        yield kind, at, length
        at += length


def ends_early(file: IO[bytes], container: str, size: int) -> bool:
    """Whether a file is shorter than its parts say, where its container tells."""
    if container == "mov":
        boxes = list(outer_boxes(file, size))
        return not boxes or sum(boxes[-1][1:]) > size or b"moov" not in {kind for kind, _, _ in boxes}
    if container == "avi":
        file.seek(4)
        return int.from_bytes(file.read(4), "little") + 8 > size
    return False
