"""The limits of fetching and the possible results of a row: plain values that need no extra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from unmask.errors import UsageError
from unmask.text import printable
from unmask.version import __version__

DEFAULT_USER_AGENT: Final = f"unmask/{__version__} (fetches images that its user listed)"
FORMAT_SUFFIXES: Final = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
}

STATUSES: Final = {
    "ok": "the image is in the folder",
    "dead": "404 or 410, or there is no such host",
    "changed": "the bytes differ from the checksum in the manifest or from an earlier run",
    "refused": "not requested: scheme, address, downgrade, credentials, robots.txt, or a file that exists already",
    "too_large": "more bytes, or more pixels, than allowed",
    "not_an_image": "the bytes are not an image of an allowed format, or do not decode",
    "http_error": "a response other than 200, after retries",
    "timeout": "no connection, no data, or no end within the time limit, after retries",
    "network_error": "the connection or the protocol failed, or the body ended early, after retries",
    "too_many_redirects": "more redirects than allowed, or a loop",
    "no_url": "the row has no url",
    "pending": "the run was interrupted before this row",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """Limits and politeness of a fetch.

    Attributes:
        concurrency: concurrent requests, at least 1.
        per_host: concurrent requests to one host, at least 1.
        min_interval: seconds between the starts of two requests to one host.
        connect_timeout: seconds to look up a name and connect, and again for the TLS handshake.
        read_timeout: seconds without a byte.
        total_timeout: seconds that one attempt may take, its redirects included; waiting for a turn is not counted.
        retries: retries after a 408, 425, 429, 500, 502, 503 or 504, a timeout or a failed connection.
        backoff: seconds before the first retry, doubled each time, times a random factor from 0.5 to 1.5.
        max_backoff: greatest number of seconds between retries.
        max_retry_after: longest Retry-After that is obeyed, in seconds; a server that asks for more gets no retry.
        max_redirects: redirects followed.
        max_bytes: bytes of one image as it is sent.
        formats: names of :data:`FORMAT_SUFFIXES` that are accepted, decided by content.
        decode: whether each image must also decode.
        allow_private: whether loopback, private and other addresses that are not public are allowed; link-local,
            multicast and metadata services never are.
        robots: whether robots.txt is read and obeyed.
        user_agent: the User-Agent header: printable ASCII.
        seed: seed for retry jitter.

    Raises:
        UsageError: ``bad_policy``, a value out of its range.
    """

    concurrency: int = 16
    per_host: int = 4
    min_interval: float = 0.1
    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    total_timeout: float = 120.0
    retries: int = 3
    backoff: float = 1.0
    max_backoff: float = 30.0
    max_retry_after: float = 120.0
    max_redirects: int = 5
    max_bytes: int = 32 * 2**20
    formats: frozenset[str] = frozenset(FORMAT_SUFFIXES)
    decode: bool = True
    allow_private: bool = False
    robots: bool = False
    user_agent: str = DEFAULT_USER_AGENT
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("concurrency", "per_host", "connect_timeout", "read_timeout", "total_timeout", "max_bytes"):
            if not getattr(self, name) > 0:
                raise UsageError("bad_policy", f"{name} must be above 0")
        for name in ("min_interval", "retries", "backoff", "max_backoff", "max_retry_after", "max_redirects"):
            if not getattr(self, name) >= 0:
                raise UsageError("bad_policy", f"{name} must not be below 0")
        unknown = sorted(self.formats - FORMAT_SUFFIXES.keys())
        if unknown or not self.formats:
            raise UsageError("bad_policy", f"unknown formats {unknown}; choose from {', '.join(FORMAT_SUFFIXES)}")
        if not (self.user_agent.isascii() and self.user_agent.isprintable() and self.user_agent.strip()):
            raise UsageError("bad_policy", "user_agent must be printable ASCII")


class FetchError(Exception):
    """Why a URL gave no image; it never leaves the package but becomes a row's status.

    Attributes:
        status: a key of :data:`STATUSES`.
        message: one sentence for people.
        http_status: of the response, if there was one.
        retry: whether another attempt may succeed.
        wait: seconds that the server asks to wait.
        sha256: of the bytes received, for ``changed``.
    """

    def __init__(
        self,
        status: str,
        message: str,
        *,
        http_status: int | None = None,
        retry: bool = False,
        wait: float = 0.0,
        sha256: str = "",
    ) -> None:
        # A server's words must not command a terminal.
        message = printable(message)
        super().__init__(message)
        self.status = status
        self.message = message
        self.http_status = http_status
        self.retry = retry
        self.wait = wait
        self.sha256 = sha256
