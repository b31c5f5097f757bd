"""A polite and careful HTTP client: limits per host, redirects, retries, robots.txt. Needs the ``fetch`` extra.

httpcore speaks HTTP/1.1 with TLS, limits a response's headers to 100 KiB and a body to its framing. It does not follow
redirects, decompress bodies or read proxy settings, which is what we want: a proxy would look names up itself, past
the guard.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Protocol, Self
from urllib.robotparser import RobotFileParser

import httpcore2
import httpx2

from unmask.data.fetch.guard import GuardedBackend, parse_url
from unmask.data.fetch.policy import FetchError, FetchPolicy

_REDIRECTS = {301, 302, 303, 307, 308}
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_GONE = {404, 410}
_KEEP_ALIVE_S = 15.0
_MAX_ROBOTS_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB
_MAX_CRAWL_DELAY_S = 30.0
_MAX_ROBOTS_KEPT = 1024
_ROBOTS_NAME = "unmask"


class Body(Protocol):
    """Takes the bytes of a 200 response. It raises no OSError, which would be mistaken for the network's."""

    def start(self, declared: int | None, encoding: str) -> None:
        """Forget what an earlier attempt wrote.

        Args:
            declared: the Content-Length, if there is one.
            encoding: the Content-Encoding in lower case; '' for plain bytes.
        """

    def write(self, chunk: bytes) -> bool:
        """Take the next bytes; returns whether more are wanted."""

    def finish(self) -> None:
        """Take note that the body is complete."""


class _Host:
    """Limits the requests to one host: how many at once, and how far apart they start."""

    def __init__(self, policy: FetchPolicy) -> None:
        self.slots = asyncio.Semaphore(policy.per_host)
        self.interval = policy.min_interval
        self._next = 0.0

    async def ready(self) -> None:
        while (wait := self._next - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    def claim(self) -> bool:
        """Take a turn if one is free now; others may have been faster, or the host asked for a pause."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.interval
        return True

    def pause(self, seconds: float) -> None:
        self._next = max(self._next, time.monotonic() + seconds)


class _Robots:
    """The rules of one origin, read when first needed."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.rules: RobotFileParser | None = None
        self.unreadable = ""


class Client:
    """Fetches URLs under a policy; an asynchronous context manager."""

    def __init__(self, policy: FetchPolicy, ssl_context: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context or httpcore2.default_ssl_context(),
            max_connections=policy.concurrency,
            keepalive_expiry=_KEEP_ALIVE_S,
            network_backend=GuardedBackend(policy.allow_private),
        )
        self._running = asyncio.Semaphore(policy.concurrency)
        self._hosts: dict[bytes, _Host] = {}
        self._robots: dict[str, _Robots] = {}

    async def __aenter__(self) -> Self:
        """Open the pool of connections."""
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._pool.__aexit__(kind, error, trace)

    async def fetch(self, text: str, body: Body) -> str:
        """Fetch a URL, with retries, into ``body``.

        Returns:
            The URL that answered with 200, after redirects.

        Raises:
            FetchError: of the last attempt.
        """
        url = parse_url(text)
        return await self._retrying(url, body, self._policy.robots)

    async def _retrying(self, url: httpx2.URL, body: Body, robots: bool) -> str:
        # One generator per URL: its waiting times must not depend on the other URLs.
        jitter = random.Random(f"{self._policy.seed} {url}")
        for attempt in range(self._policy.retries + 1):
            try:
                return await self._follow(url, body, robots)
            except FetchError as error:
                if not error.retry or attempt == self._policy.retries:
                    raise
                wait = min(self._policy.backoff * 2**attempt, self._policy.max_backoff)
                await asyncio.sleep(max(wait * jitter.uniform(0.5, 1.5), error.wait))
        raise AssertionError("the loop returns or raises")

    async def _follow(self, url: httpx2.URL, body: Body, robots: bool) -> str:
        left = self._policy.total_timeout
        for _ in range(self._policy.max_redirects + 1):
            if robots:
                await self._ask_robots(url)
            async with self._turn(self._host(url)):
                started = time.monotonic()
                try:
                    async with asyncio.timeout(left):
                        target = await self._exchange(url, body)
                except TimeoutError:
                    text = f"not done within {self._policy.total_timeout:g} s"
                    raise FetchError("timeout", text, retry=True) from None
                left -= time.monotonic() - started
            if target is None:
                return str(url)
            url = target
        raise FetchError("too_many_redirects", f"more than {self._policy.max_redirects} redirects")

    async def _exchange(self, url: httpx2.URL, body: Body) -> httpx2.URL | None:
        """Send one request; returns the target of a redirect, or None once the body is complete."""
        policy = self._policy
        headers = [
            (b"Host", url.netloc),
            (b"User-Agent", policy.user_agent.encode()),
            (b"Accept", b"image/*, */*;q=0.1"),
            (b"Accept-Encoding", b"identity"),  # nothing is decompressed, so no decompression bomb can go off
        ]
        timeouts = {"connect": policy.connect_timeout, "read": policy.read_timeout, "write": policy.read_timeout}
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        try:
            async with self._pool.stream("GET", target, headers=headers, extensions={"timeout": timeouts}) as response:
                answer = {name.lower(): value.decode("latin-1").strip() for name, value in response.headers}
                if response.status in _REDIRECTS and b"location" in answer:
                    return _redirect(url, response.status, answer[b"location"])
                if response.status != 200:
                    raise self._bad_answer(url, response.status, answer.get(b"retry-after", ""))
                declared, encoding = answer.get(b"content-length"), answer.get(b"content-encoding", "").lower()
                body.start(int(declared) if declared else None, "" if encoding == "identity" else encoding)
                # Closed as soon as the body is refused: the rest is never received.
                async for chunk in response.aiter_stream():
                    if not body.write(chunk):
                        break
                body.finish()
                return None
        except httpcore2.TimeoutException as error:
            what = "no connection" if isinstance(error, httpcore2.ConnectTimeout) else "no data"
            limit = policy.connect_timeout if isinstance(error, httpcore2.ConnectTimeout) else policy.read_timeout
            raise FetchError("timeout", f"{what} within {limit:g} s", retry=True) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, ValueError) as error:
            # The last two are not httpcore's; nothing that a server does may end the run.
            raise _failed(error) from None
        except FetchError as error:
            error.http_status = error.http_status or (200 if error.status in ("too_large", "not_an_image") else None)
            raise

    def _bad_answer(self, url: httpx2.URL, status: int, retry_after: str) -> FetchError:
        message = f"the server answered {status}"
        if status in _GONE:
            return FetchError("dead", message, http_status=status)
        if status not in _RETRIED:
            return FetchError("http_error", message, http_status=status)
        wait, most = _seconds(retry_after), self._policy.max_retry_after
        self._host(url).pause(min(wait, most))
        if wait > most:
            message = f"{message} and asks to wait {wait:.0f} s"
        return FetchError("http_error", message, http_status=status, retry=wait <= most, wait=min(wait, most))

    def _host(self, url: httpx2.URL) -> _Host:
        return self._hosts.setdefault(url.raw_host, _Host(self._policy))

    @asynccontextmanager
    async def _turn(self, host: _Host) -> AsyncIterator[None]:
        """Wait for a turn of the host and one of ours, without holding one while waiting for the other."""
        async with host.slots:
            while True:
                await host.ready()
                async with self._running:
                    if host.claim():
                        yield
                        return

    async def _ask_robots(self, url: httpx2.URL) -> None:
        """Read the origin's robots.txt once and obey it as RFC 9309 says."""
        home = url.copy_with(raw_path=b"/robots.txt")
        while len(self._robots) > _MAX_ROBOTS_KEPT:
            self._robots.pop(next(iter(self._robots)))
        robots = self._robots.setdefault(str(home), _Robots())
        async with robots.lock:
            if robots.rules is None:
                robots.rules = await self._read_robots(home, robots)
                delay = robots.rules.crawl_delay(_ROBOTS_NAME) or 0.0
                host = self._host(url)
                host.interval = max(host.interval, min(float(delay), _MAX_CRAWL_DELAY_S))
        if robots.unreadable:
            raise FetchError("refused", f"robots.txt could not be read: {robots.unreadable}")
        if not robots.rules.can_fetch(_ROBOTS_NAME, str(url)):
            raise FetchError("refused", "robots.txt forbids it")

    async def _read_robots(self, home: httpx2.URL, robots: _Robots) -> RobotFileParser:
        rules, text = RobotFileParser(), _Text()
        try:
            await self._retrying(home, text, robots=False)
        except FetchError as error:
            # "Unavailable" (4xx) allows everything, "unreachable" nothing.
            if error.http_status is None or not 400 <= error.http_status < 500 or error.http_status == 429:
                robots.unreadable = error.message
        try:
            rules.parse(text.data.decode("utf-8-sig", "replace").splitlines())
        except ValueError:  # not a valid number
            robots.unreadable = "it is malformed"
        return rules


class _Text:
    """The start of a short text, kept in memory."""

    def __init__(self) -> None:
        self.data = b""

    def start(self, declared: int | None, encoding: str) -> None:
        self.data = b""

    def write(self, chunk: bytes) -> bool:
        self.data = (self.data + chunk)[:_MAX_ROBOTS_BYTES]
        return len(self.data) < _MAX_ROBOTS_BYTES

    def finish(self) -> None:
        pass


def _redirect(url: httpx2.URL, status: int, location: str) -> httpx2.URL:
    with suppress(UnicodeDecodeError):
        location = location.encode("latin-1").decode()  # as servers send it, contrary to the RFC
    try:
        return parse_url(location, base=url)
    except FetchError as error:
        error.http_status = status
        error.message = f"redirected: {error.message}"
        raise


def _failed(error: Exception) -> FetchError:
    if isinstance(error, httpcore2.LocalProtocolError):
        return FetchError("refused", "the URL cannot be requested")
    cause = error.__context__  # httpcore's pool raises "from None", which leaves only this
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FetchError("network_error", f"the server's certificate is not trusted: {cause.verify_message}")
    what = {
        httpcore2.ConnectError: "no connection could be made",
        httpcore2.RemoteProtocolError: "the response is not valid HTTP or ends early",
    }.get(type(error), "the connection broke")
    return FetchError("network_error", what, retry=True)


def _seconds(retry_after: str) -> float:
    """The seconds to wait from a Retry-After header, a number or a date (RFC 9110, section 10.2.3); 0 if invalid."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        when = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return 0.0
    return max((when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
