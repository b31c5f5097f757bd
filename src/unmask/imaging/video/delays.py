"""The delays of the frames of GIF, WebP and PNG files, by their parts alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from unmask.imaging.formats import sniff_format


def frame_delays(name: str, data: bytes) -> Iterator[float]:
    """Seconds that each frame is shown, as the file says; 0 is frequent. Ends at the first malformed part.

    Args:
        name: ``GIF``, ``WEBP`` or ``PNG``.
        data: the file. One without animation has one frame.
    """
    return _DELAYS[name](data)


def is_animation(path: str | os.PathLike[str], most_bytes: int) -> bool:
    """Whether a file is a GIF, WebP or PNG image of several frames. A file that cannot be read is not.

    Args:
        path: of a regular file.
        most_bytes: a larger file is not read, and so is none.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(1024)
            name = sniff_format(head)
            if name not in ANIMATIONS or os.fstat(file.fileno()).st_size > most_bytes:
                return False
            data = head + file.read()
    except (OSError, ValueError):
        return False
    return len(list(islice(frame_delays(name, data), 2))) > 1


def _gif_delays(data: bytes) -> Iterator[float]:
    at, delay, size = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 128 else 0), 0.0, len(data)
    while at < size and data[at] in (0x21, 0x2C):
        if data[at] == 0x21:
            if data[at + 1 : at + 3] == b"\xf9\x04":
                delay = int.from_bytes(data[at + 4 : at + 6], "little") / 100
            at += 2
        else:
            flags = data[at + 9] if at + 9 < size else 0
            at += 11 + (3 << (flags & 7) + 1 if flags & 128 else 0)
            yield delay
            delay = 0.0
        while at < size and data[at]:
            at += 1 + data[at]
        at += 1


def _webp_delays(data: bytes) -> Iterator[float]:
    at, found = 12, False
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == b"ANMF":
            found = True
            yield int.from_bytes(data[at + 20 : at + 23], "little") / 1000
        at += 8 + size + size % 2
    if not found:
        yield 0.1


def _png_delays(data: bytes) -> Iterator[float]:
    at, found = 8, False
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"fcTL":
            found = True
            top, bottom = (int.from_bytes(data[at + p : at + p + 2], "big") for p in (28, 30))
            yield top / (bottom or 100)
        elif kind == b"IEND":
            break
        at += 12 + size
    if not found:
        yield 0.1


_DELAYS: Final[dict[str, Callable[[bytes], Iterator[float]]]] = {
    "GIF": _gif_delays,
    "WEBP": _webp_delays,
    "PNG": _png_delays,
}
ANIMATIONS: Final = frozenset(_DELAYS)
"""Image formats that may hold several frames, and are read as clips where that is asked for."""
