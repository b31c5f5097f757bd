"""Access control (tokens, host names, origins), rate limits and security headers."""

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
# Served without a token: they reveal nothing about any image. The page asks for the token itself.
_OPEN_PATHS = {"/", "/health", "/ready", "/docs", "/openapi.json", "/favicon.ico", "/favicon.svg"}
_OPEN_FOLDERS = ("/assets/",)
_UNLIMITED_PATHS = {"/health", "/ready", "/metrics"}
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
    """Make a bearer token of 256 random bits; return it with its hash for the settings.

    Plain SHA-256 is enough here: unlike a password, a random token cannot be guessed.
    """
    token = f"unmask_{secrets.token_urlsafe(32)}"
    return token, hash_of(token)


def hash_of(token: str) -> str:
    """Hash a token as the settings store it."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond loopback without a token, unless that was asked for.

    Raises:
        UsageError: ``open_service``.
    """
    if not (settings.loopback or settings.token_hashes or settings.without_token):
        raise UsageError(
            "open_service",
            f"{settings.host} can be reached from other machines: give --token-hashes (`unmask serve --new-token` "
            "makes a token), or --without-token to let everybody in.",
        )


@dataclass(frozen=True)
class Access:
    """The access rules of one service, checked against the headers of a request.

    Args:
        settings: settings of the service.
    """

    settings: Settings

    def check(self, scope: Scope) -> None:
        """Reject a request that breaks a rule.

        Raises:
            Problem: 401, 403 or 421.
        """
        headers = Headers(scope=scope)
        self._check_host(headers.get("host", ""))
        if scope["method"] not in _SAFE_METHODS:
            self._check_origin(scope["scheme"], headers)
        self._check_token(scope, headers.get("authorization", ""))

    def _check_host(self, host: str) -> None:
        """Reject unknown host names, such as that of a site that points its name at this machine (DNS rebinding)."""
        allowed = self.settings.allowed_hosts or (_LOOPBACK_HOSTS if self.settings.loopback else ())
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if allowed and name.lower() not in {item.lower() for item in allowed}:
            raise Problem(421, "wrong_host", "The service does not accept this host name.")

    def _check_origin(self, scheme: str, headers: Headers) -> None:
        """Reject other origins. Only browsers send these headers; other clients have no user who could be tricked."""
        origin = headers.get("origin", "").lower()
        if origin in self.settings.cors:
            return
        own = f"{scheme}://{headers.get('host', '')}".lower()
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"} or origin not in {"", own}:
            raise Problem(403, "cross_origin", "Pages of other sites may not use this service.")

    def _check_token(self, scope: Scope, authorization: str) -> None:
        path = scope["path"]
        preflight = scope["method"] == "OPTIONS"
        if not self.settings.token_hashes or preflight or path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS):
            return
        kind, _, token = authorization.partition(" ")
        given = hash_of(token.strip())
        # Compare every hash, so that the time taken does not reveal which one was close.
        known = [hmac.compare_digest(given, item) for item in self.settings.token_hashes]
        if kind.lower() != "bearer" or not any(known):
            raise Problem(
                401, "unauthorized", "This service needs a valid bearer token.", {"WWW-Authenticate": "Bearer"}
            )


class Gate:
    """The outermost middleware: access, rate limit, security headers, one log line and metrics for each request.

    Args:
        app: the application to protect.
        settings: settings of the service.
        metrics: counts the requests.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._access = Access(settings)
        self._limiter = RateLimiter(settings.rate, settings.burst)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # Answered as GET; the server, which knows the method that was asked for, sends no body.
            scope = {**scope, "method": "GET"}
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
                    429, "too_many_requests", "Too many requests. Slow down.", {"Retry-After": str(math.ceil(seconds))}
                )
            self._access.check(scope)
            await self._app(scope, receive, guarded)
        except Problem as problem:
            await problems.response(problem, f"urn:uuid:{request_id}")(scope, receive, guarded)
        except Exception:
            log.exception("unexpected error in request %s", request_id)
            if status:
                raise  # the response has started: it can only be broken off
            unexpected = Problem(500, "internal_error", "The service failed unexpectedly.")
            await problems.response(unexpected, f"urn:uuid:{request_id}")(scope, receive, guarded)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.in_progress.dec()
            self._metrics.observe_request(scope["method"], route, status, seconds)
            # Log the path's template, not the path or query: search texts and ids are private.
            log.info("%s %s %s %d %.0f ms %s", client, scope["method"], route, status, 1000 * seconds, request_id)
