"""HTTP/1.1 connections with limits on their number, on the size of headers, and on the time that headers take.

uvicorn reads headers of any size for any time, and keeps any number of idle connections. A request counts for
``BodyLimits`` only once its headers are complete; until then these limits apply. What they refuse gets a problem
response and a line in the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from unmask.serve.problems import MEDIA_TYPE, Problem, details

log = logging.getLogger("unmask.serve")

MAX_HEADER_BYTES: Final = 64 * 1024
"""Bytes of the request line and all headers."""
MAX_HEADERS: Final = 128
HEADER_SECONDS: Final = 15.0
"""Time from the first byte of a connection's request, or from its opening, to the end of the headers."""
MAX_CONNECTIONS: Final = 1024


class BoundedProtocol(HttpToolsProtocol):
    """A connection that uvicorn handles, within limits."""

    open_connections: ClassVar[int] = 0
    max_connections: ClassVar[int] = MAX_CONNECTIONS
    header_seconds: ClassVar[float] = HEADER_SECONDS

    _counted = False
    _reading_headers = True
    _header_bytes = 0
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; refuse it if there are too many."""
        super().connection_made(transport)
        type(self).open_connections += 1
        self._counted = True
        if type(self).open_connections > self.max_connections:
            self._refuse(Problem(503, "too_many_connections", "Too many connections are open. Try again later."))
            return
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        if self._counted:
            type(self).open_connections -= 1
            self._counted = False
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the headers are too large."""
        if self.transport.is_closing():
            return
        if self._reading_headers:
            self._header_bytes += len(data)
            if self._clock is None:
                self._start_clock()
        super().data_received(data)
        # What came with the end of the headers is body; until then all of it is headers.
        if self._reading_headers and self._header_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
            self._refuse_headers()

    def on_message_begin(self) -> None:
        """Start to count the headers of a request."""
        self._reading_headers = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, unless there are too many."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS and not self.transport.is_closing():
            self._refuse_headers()

    def on_headers_complete(self) -> None:
        """Hand the request over, unless it was refused while its headers were read."""
        self._reading_headers = False
        self._header_bytes = 0
        self._stop_clock()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEADER_BYTES and not self.transport.is_closing():
            self._refuse_headers()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Hand on the end of a request, unless it was refused; the next one's headers follow."""
        if not self.transport.is_closing():
            super().on_message_complete()
        self._reading_headers = True

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP."""
        self._refuse(Problem(400, "bad_request", "The request is not valid HTTP."))

    def _refuse_headers(self) -> None:
        self._refuse(Problem(431, "headers_too_large", f"Headers may have at most {MAX_HEADER_BYTES:,} bytes in all."))

    def _refuse(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        client = self.client[0] if self.client else ""
        log.warning("%s connection refused: %s", client, problem.code)
        body = json.dumps(details(problem)).encode()
        head = (
            f"HTTP/1.1 {problem.status_code} {details(problem)['title']}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _start_clock(self) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(self.header_seconds, self._too_slow)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_slow(self) -> None:
        self._clock = None
        self._refuse(Problem(408, "headers_too_slow", "The request's headers did not arrive in time."))


def bounded(max_connections: int, header_seconds: float) -> type[Any]:
    """A protocol class with limits of its own, which counts its connections by itself."""
    return type(
        "Bounded",
        (BoundedProtocol,),
        {"open_connections": 0, "max_connections": max_connections, "header_seconds": header_seconds},
    )
