"""A load generator for ``serve_load.py`` that needs little CPU: prepared requests on kept-alive connections."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_BOUNDARY = "unmask-benchmark"
_SLOW_PIECES, _SLOW_PAUSE = 20, 0.1


def form(data: bytes, path: str = "/predict") -> bytes:
    """A whole request with one image in the field ``image``."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'.encode()
    body = head + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass
class Tally:
    """Responses of a load.

    Attributes:
        seconds: time of each response with status 200, from the first byte sent to the last received.
        statuses: number of responses by status; 0 is a broken connection.
        elapsed: duration of the run in seconds.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    elapsed: float = 0.0


class Connection:
    """One kept-alive connection, opened again whenever it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes, pause: float = 0.0) -> tuple[int, float]:
        """Send a request, in pieces with pauses if so wished; the status, and the Retry-After in seconds."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            step = len(request) if not pause else max(1, len(request) // _SLOW_PIECES)
            for start in range(0, len(request), step):
                writer.write(request[start : start + step])
                await writer.drain()
                if pause:
                    await asyncio.sleep(pause)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
            await reader.readexactly(int(fields.get("content-length", "0")))
            if fields.get("connection") == "close":
                self.close()
            return int(head[0].split()[1]), float(fields.get("retry-after", "0"))
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, 0.0

    def close(self) -> None:
        """Close it, whatever is under way."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def load(
    port: int, requests: Sequence[bytes], clients: int, *, seconds: float = float("inf"), count: int | None = None
) -> Tally:
    """Ask from many clients at once, each as soon as it has its answer; after a 429 as soon as it may.

    Args:
        port: of the server.
        requests: are drawn from, with a generator of the client's own.
        clients: connections.
        seconds: how long.
        count: how many requests in all, at most.
    """
    tally, started, left = Tally(), time.perf_counter(), count if count is not None else float("inf")

    async def client(seed: int) -> None:
        nonlocal left
        connection, draw = Connection(port), random.Random(seed)
        while time.perf_counter() - started < seconds and left > 0:
            left -= 1
            before = time.perf_counter()
            status, wait = await connection.ask(draw.choice(requests))
            tally.statuses[status] += 1
            if status == 200:
                tally.seconds.append(time.perf_counter() - before)
            elif status == 429:
                await asyncio.sleep(wait)
        connection.close()

    await asyncio.gather(*(client(seed) for seed in range(clients)))
    tally.elapsed = time.perf_counter() - started
    return tally


async def misbehave(port: int, request: bytes, until: asyncio.Event) -> Counter[str]:
    """Slow uploads and uploads given up half way, until told to stop; how many of each."""
    done: Counter[str] = Counter()

    async def slow() -> None:
        while not until.is_set():
            connection = Connection(port)
            status, _ = await connection.ask(request, _SLOW_PAUSE)
            done[f"slow {status}"] += 1
            connection.close()

    async def give_up(share: float) -> None:
        while not until.is_set():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request[: round(share * len(request))])
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.close()
                done["given up"] += 1
            except OSError:
                done["given up, broken"] += 1

    await asyncio.gather(*(slow() for _ in range(8)), *(give_up(share) for share in (0.1, 0.5, 0.99, 1.0)))
    return done
