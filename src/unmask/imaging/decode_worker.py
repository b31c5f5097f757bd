"""A child process that decodes images for :mod:`unmask.imaging.decode_pool`, one after the other, within limits.

Requests arrive on standard input and answers leave on standard output, each behind its length. Native libraries write
to the standard error of whoever calls them, so the child's goes nowhere.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any

from unmask.errors import ImageError
from unmask.imaging.decode import decode
from unmask.imaging.limits import DecodeLimits

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

HEAD = struct.Struct("<II")
"""Bytes of the JSON text and of the pixels that follow it."""


def arguments(limits: DecodeLimits, cpu_seconds: float, memory_bytes: int) -> str:
    """The argument that a child is started with."""
    return json.dumps({"limits": asdict(limits), "cpu_seconds": cpu_seconds, "memory_bytes": memory_bytes})


def main(told: str) -> None:
    """Answer requests until standard input ends."""
    settings = json.loads(told)
    limits = DecodeLimits(**settings["limits"])
    requests = sys.stdin.buffer
    # A print of a library must not end up between two answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    limit_memory(settings["memory_bytes"])
    while (head := requests.read(4)) and len(head) == 4:
        data = requests.read(int.from_bytes(head, "little"))
        with CpuClock(settings["cpu_seconds"]):
            about, pixels = _decode(data, limits)
        _answer(answers, about, pixels)


def _decode(data: bytes, limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    try:
        decoded = decode(data, limits)
        about = {"size": decoded.image.size, "reduction": decoded.reduction, "notes": decoded.notes}
        return about, decoded.image.tobytes()
    except ImageError as error:
        return {"code": error.code, "message": error.message}, b""
    except MemoryError:
        return {"code": "out_of_memory", "message": "Decoding the image needs more memory than there is."}, b""


def _answer(answers: IO[bytes], about: dict[str, Any], pixels: bytes) -> None:
    text = json.dumps(about).encode()
    answers.write(HEAD.pack(len(text), len(pixels)))
    answers.write(text)
    answers.write(pixels)
    answers.flush()


def limit_memory(memory_bytes: int) -> None:
    """Bound the growth of the address space, and write no file, not even a core file."""
    if resource is None:
        return  # type: ignore[unreachable]
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with suppress(ValueError, OSError), open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - Linux only
        now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory_bytes, now + memory_bytes))


class CpuClock:
    """Ends this process when the block takes more CPU time than it may.

    Args:
        seconds: of CPU time, all threads together.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._set(self._seconds)

    def __exit__(self, *_: object) -> None:
        self._set(0.0)

    @staticmethod
    def _set(seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends a process that does not handle it


if __name__ == "__main__":
    main(sys.argv[1])
