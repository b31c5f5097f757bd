"""Limits on time, request rate and memory."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem

_MOST_CLIENTS = 10_000


@asynccontextmanager
async def until(deadline: float) -> AsyncIterator[None]:
    """Limit the time of a block.

    Args:
        deadline: latest end, by the clock of the event loop.

    Raises:
        Problem: 504, the deadline has passed.
    """
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise Problem(504, "deadline", "The response was not ready in time.", {"Retry-After": "5"}) from None


class RateLimiter:
    """One token bucket per client; the clients seen least recently are forgotten.

    Args:
        rate: average requests per second; 0 sets no limit.
        burst: most requests at once.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Count one request of a client; return 0, or the seconds to wait if it is over the limit."""
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


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Limits of one request.

    Attributes:
        max_bytes: largest body in bytes.
        deadline: seconds from the start of the request to its response.
        in_memory: whether the body is held in memory until the response, and not written to the disk as it arrives.
    """

    max_bytes: int
    deadline: float
    in_memory: bool = True


class BodyLimits:
    """Middleware that limits request bodies as they are read: size of each, size of all together, and time.

    It also sets ``scope["unmask.deadline"]``: when the response is due, by the clock of the event loop.

    Args:
        app: the application to protect.
        limit: of each request.
        max_total_bytes: largest size of all bodies in memory, in bytes.
        metrics: shows the bytes of all bodies in memory.
        uploads: other limits for requests to some paths that are not GET.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: BodyLimit,
        max_total_bytes: int,
        metrics: Metrics,
        uploads: Mapping[str, BodyLimit] | None = None,
    ) -> None:
        self._app = app
        self._limit = limit
        self._uploads = uploads or {}
        self._max_total_bytes = max_total_bytes
        self._used = 0
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit if scope["method"] == "GET" else self._uploads.get(scope["path"], self._limit)
        deadline = asyncio.get_running_loop().time() + limit.deadline
        scope["unmask.deadline"] = deadline
        held, complete = 0, False

        async def limited() -> Message:
            nonlocal held, complete
            if complete:
                return await receive()  # the next message is that the client has disconnected
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Problem(408, "upload_too_slow", "The request did not arrive in time.") from None
            size = len(message.get("body", b""))
            held += size
            if limit.in_memory:
                self._use(size)
            complete = not message.get("more_body", False)
            if held > limit.max_bytes:
                raise _too_large(limit)
            if limit.in_memory and self._used > self._max_total_bytes:
                raise Problem(
                    429, "too_much_waiting", "Too many uploads are in progress. Try again later.", {"Retry-After": "2"}
                )
            return message

        try:
            announced = dict(scope["headers"]).get(b"content-length", b"0")
            if not announced.isdigit() or int(announced) > limit.max_bytes:
                raise _too_large(limit)
            await self._app(scope, limited, send)
        finally:
            if limit.in_memory:
                self._use(-held)

    def _use(self, change: int) -> None:
        self._used += change
        self._metrics.body_bytes.set(self._used)


def _too_large(limit: BodyLimit) -> Problem:
    return Problem(413, "body_too_large", f"A request may have at most {limit.max_bytes:,} bytes.")


def _client(address: str) -> str:
    """Name the client: its IPv4 address, or its /64 network in IPv6, which one subscriber has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:  # an IPv4 client of a service that listens on ::
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
