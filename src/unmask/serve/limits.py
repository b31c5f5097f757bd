"""What one request, one client and all requests together may use."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem

_MOST_CLIENTS = 10_000


@asynccontextmanager
async def until(deadline: float) -> AsyncIterator[None]:
    """Bound some work of a request in time.

    Args:
        deadline: on the clock of the event loop.

    Raises:
        Problem: 504 when it has passed.
    """
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise Problem(504, "deadline", "The answer was not ready in time.", {"Retry-After": "5"}) from None


class RateLimiter:
    """A token bucket a client; the least recently seen clients are forgotten.

    Args:
        rate: requests a second on average; 0: any number.
        burst: requests at once.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Count one request of a client: 0, or the seconds until it may come again."""
        if not self._rate:
            return 0.0
        client, now = _client(address), time.monotonic()
        left, then = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate


class BodyLimits:
    """Middleware that bounds bodies while they are read: the size of each, the room of all, and the time taken.

    It also sets ``scope["unmask.deadline"]``, the time of the event loop's clock when the answer is due.

    Args:
        app: what it protects.
        most: bytes of one body.
        room: bytes of all bodies together.
        deadline: seconds from the start of a request to its answer.
        metrics: where the bytes of all bodies are shown.
    """

    def __init__(self, app: ASGIApp, most: int, room: int, deadline: float, metrics: Metrics) -> None:
        self._app = app
        self._most = most
        self._room = room
        self._used = 0
        self._deadline = deadline
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + self._deadline
        scope["unmask.deadline"] = deadline
        held, complete = 0, False

        async def limited() -> Message:
            nonlocal held, complete
            if complete:
                return await receive()  # the next message says that the client has gone
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Problem(408, "upload_too_slow", "The request did not arrive in time.") from None
            size = len(message.get("body", b""))
            held += size
            self._use(size)
            complete = not message.get("more_body", False)
            if held > self._most:
                raise self._too_large()
            if self._used > self._room:
                raise Problem(
                    429, "too_much_waiting", "Too many uploads are under way; try again.", {"Retry-After": "2"}
                )
            return message

        try:
            announced = dict(scope["headers"]).get(b"content-length", b"0")
            if not announced.isdigit() or int(announced) > self._most:
                raise self._too_large()
            await self._app(scope, limited, send)
        finally:
            self._use(-held)

    def _use(self, change: int) -> None:
        self._used += change
        self._metrics.body_bytes.set(self._used)

    def _too_large(self) -> Problem:
        return Problem(413, "body_too_large", f"A request may have {self._most:,} bytes at most.")


def _client(address: str) -> str:
    """Whose bucket it is: an IPv4 address, or the network of 64 bits that one IPv6 subscriber has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
