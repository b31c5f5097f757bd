"""Who may use the service: tokens, host names, origins; and the headers that keep browsers safe."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
import time
import uuid
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unmask.errors import UsageError
from unmask.serve import problems
from unmask.serve.limits import RateLimiter
from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem
from unmask.serve.settings import Settings

log = logging.getLogger("unmask.serve.access")

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Answered without a token: they say nothing of any image. The page asks for the token itself.
_OPEN_PATHS = {"/", "/health", "/docs", "/openapi.json", "/favicon.ico", "/favicon.svg"}
_OPEN_FOLDERS = ("/assets/",)
_UNLIMITED_PATHS = {"/health", "/metrics"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def new_token() -> tuple[str, str]:
    """A bearer token of 256 random bits, and its hash for the settings.

    A plain SHA-256 is enough for a token that nobody can guess, unlike for a password.
    """
    token = f"unmask_{secrets.token_urlsafe(32)}"
    return token, hash_of(token)


def hash_of(token: str) -> str:
    """The hash of a token as the settings hold it."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def check_exposure(settings: Settings) -> None:
    """Refuse to be reachable from other machines by everybody, unless that was asked for.

    Raises:
        UsageError: ``open_service``.
    """
    if not (settings.loopback or settings.token_hashes or settings.without_token):
        raise UsageError(
            "open_service",
            f"{settings.host} can be reached from other machines: give --token-hashes (a token is made by "
            "`unmask serve --new-token`), or --without-token to let everybody in.",
        )


@dataclass(frozen=True)
class Access:
    """The rules of one service, applied to the head of a request.

    Args:
        settings: of the service.
    """

    settings: Settings

    def check(self, scope: Scope) -> None:
        """Let a request through or not.

        Raises:
            Problem: 401, 403 or 421.
        """
        headers = Headers(scope=scope)
        self._check_host(headers.get("host", ""))
        if scope["method"] not in _SAFE_METHODS:
            self._check_origin(scope["scheme"], headers)
        self._check_token(scope, headers.get("authorization", ""))

    def _check_host(self, host: str) -> None:
        """A page of another site whose name was pointed at this machine sends its own name (DNS rebinding)."""
        allowed = self.settings.allowed_hosts or (_LOOPBACK_HOSTS if self.settings.loopback else ())
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if allowed and name.lower() not in {item.lower() for item in allowed}:
            raise Problem(421, "wrong_host", "The service does not answer to that host name.")

    def _check_origin(self, scheme: str, headers: Headers) -> None:
        """Browsers say where a request comes from; other clients send neither header and have no user to trick."""
        origin = headers.get("origin", "").lower()
        if origin in self.settings.cors:
            return
        own = f"{scheme}://{headers.get('host', '')}".lower()
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"} or origin not in {"", own}:
            raise Problem(403, "cross_origin", "Pages of other sites may not use the service.")

    def _check_token(self, scope: Scope, authorization: str) -> None:
        path = scope["path"]
        preflight = scope["method"] == "OPTIONS"
        if not self.settings.token_hashes or preflight or path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS):
            return
        kind, _, token = authorization.partition(" ")
        given = hash_of(token.strip())
        # Every hash is compared, so that the time taken does not tell which one was near.
        known = [hmac.compare_digest(given, item) for item in self.settings.token_hashes]
        if kind.lower() != "bearer" or not any(known):
            raise Problem(
                401, "unauthorized", "The service needs a valid bearer token.", {"WWW-Authenticate": "Bearer"}
            )


class Gate:
    """The outermost middleware: access, rate, headers, one log line and the counts of every request.

    Args:
        app: what it protects.
        settings: of the service.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._access = Access(settings)
        self._limiter = RateLimiter(settings.rate, settings.burst)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        request_id = scope["unmask.request_id"] = str(uuid.uuid4())

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = request_id
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        client = scope["client"][0] if scope.get("client") else ""
        self._metrics.in_progress.inc()
        try:
            if scope["path"] not in _UNLIMITED_PATHS and (seconds := self._limiter.wait(client)):
                raise Problem(
                    429, "too_many_requests", "Too many requests; slow down.", {"Retry-After": str(math.ceil(seconds))}
                )
            self._access.check(scope)
            await self._app(scope, receive, guarded)
        except Problem as problem:
            await problems.response(problem, f"urn:uuid:{request_id}")(scope, receive, guarded)
        except Exception:
            log.exception("unexpected error in request %s", request_id)
            if status:
                raise  # the answer had begun: all that is left is to break it off
            unforeseen = Problem(500, "internal_error", "Something went wrong in the service.")
            await problems.response(unforeseen, f"urn:uuid:{request_id}")(scope, receive, guarded)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.in_progress.dec()
            self._metrics.observe_request(scope["method"], route, status, seconds)
            # The path's template, not the path or the query: a search text or an id is nobody's business.
            log.info("%s %s %s %d %.0f ms %s", client, scope["method"], route, status, 1000 * seconds, request_id)
