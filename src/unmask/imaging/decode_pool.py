"""Decode images in warm child processes that can be stopped: a hostile file can end its child, never the program.

A child that takes too much CPU time ends itself, one that takes too long is killed, one that takes too much memory
fails. In each case the file gets an error, and a new child takes the place of one that ended. The pixels are those of
:func:`~unmask.imaging.decode.decode`, which the children call.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import PIL.Image

from unmask.errors import ImageError
from unmask.imaging.decode import Decoded
from unmask.imaging.decode_worker import HEAD, arguments
from unmask.imaging.limits import DecodeLimits, default_limits
from unmask.parallel import end_process

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CPU_SECONDS: Final = 10.0
"""CPU time that one image may take, in seconds; the costliest that the limits allow takes about 2 s."""
MEMORY_BYTES: Final = 1024**3
"""Memory that a child may use for one image, on top of what it uses when idle."""
# Wall-clock time for each second of CPU time: the machine may be busy.
_PATIENCE: Final = 6.0


# An image of 512 x 512 pixels passes through such a pipe at once; by default pipes hold 64 KiB.
_PIPE_BYTES: Final = 2**20


class DecodePool:
    """Child processes that decode images, safe to call from any number of threads. A context manager.

    Args:
        workers: children; as many images are decoded at once.
        limits: on each file.
        cpu_seconds: CPU time that one image may take.
        memory_bytes: memory that one image may take in its child.
    """

    def __init__(
        self,
        workers: int = 1,
        limits: DecodeLimits | None = None,
        *,
        cpu_seconds: float = CPU_SECONDS,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.limits = limits or default_limits()
        self._command = [
            *(sys.executable, "-m", "unmask.imaging.decode_worker"),
            arguments(self.limits, cpu_seconds, memory_bytes),
        ]
        self._deadline = cpu_seconds * _PATIENCE
        self._closed = False
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        self._children = [_Child(self._command) for _ in range(workers)]
        for child in self._children:
            self._idle.put(child)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def decode(self, data: bytes) -> Decoded:
        """Decode an image file, as :func:`~unmask.imaging.decode.decode` does; waits for a child to be free.

        Args:
            data: the bytes of the file.

        Raises:
            ImageError: as ``decode``, and ``decode_stopped``: the file took too much time or memory, or its
                child crashed.
        """
        child = self._idle.get()
        try:
            return child.decode(data, self._deadline)
        except _StoppedError:
            if not self._closed:
                child.start()
            raise ImageError(
                "decode_stopped", "Decoding the image took too much time or memory, or crashed, and was stopped."
            ) from None
        finally:
            self._idle.put(child)

    def close(self) -> None:
        """End the children, whatever they do."""
        self._closed = True
        for child in self._children:
            child.end()


class _StoppedError(Exception):
    """The child ended before it answered."""


class _Child:
    def __init__(self, command: list[str]) -> None:
        self._command = command
        self.start()

    def start(self) -> None:
        # One thread for each child: there are as many children as there is work for.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            if fcntl is not None and hasattr(fcntl, "F_SETPIPE_SZ") and pipe is not None:
                with suppress(OSError):  # more than the system lets this user have
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def decode(self, data: bytes, deadline: float) -> Decoded:
        clock = threading.Timer(deadline, self._process.kill)
        clock.daemon = True
        clock.start()
        try:
            about, pixels = self._ask(data)
        except (OSError, ValueError):
            self.end()
            raise _StoppedError from None
        finally:
            clock.cancel()
        if "code" in about:
            raise ImageError(about["code"], about["message"])
        width, height = about["size"]
        image = PIL.Image.frombytes("RGB", (width, height), pixels)
        return Decoded(image, about["reduction"], tuple(about["notes"]))

    def _ask(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer to a request; raises OSError or ValueError when the child ends first."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        requests.write(len(data).to_bytes(4, "little"))
        requests.write(data)
        requests.flush()
        head = answers.read(HEAD.size)
        if len(head) < HEAD.size:
            raise ValueError("the child ended")
        text_size, pixel_size = HEAD.unpack(head)
        text, pixels = answers.read(text_size), answers.read(pixel_size)
        if len(pixels) < pixel_size:
            raise ValueError("the child ended")
        about: dict[str, Any] = json.loads(text)
        return about, pixels

    def end(self) -> None:
        end_process(self._process)
