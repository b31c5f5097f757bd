"""Run the service in this process until a signal stops it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading

import uvicorn
from alembic.util import CommandError
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from unmask.errors import UsageError
from unmask.serve.access import check_exposure
from unmask.serve.app import create_app, load_detector
from unmask.serve.history import open_store
from unmask.serve.protocol import bounded
from unmask.serve.settings import Settings
from unmask.serve.store import Store

_BACKLOG = 2048
# Time to note that clips were interrupted, should the history be slow.
_STOP_SECONDS = 2.0
_MAIN = threading.main_thread()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open requests are finished first.

    Prints the address once connections are accepted.

    Raises:
        UsageError: ``open_service``, ``cannot_listen``, ``no_store``.
        BundleError: the detector cannot be loaded.
    """
    check_exposure(settings)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("alembic", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    detector, store = load_detector(settings), _store(settings)
    with _listen(settings) as listener:
        app = create_app(settings, detector, store)
        server = _Server(
            app,
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # the service writes its own log, without paths and queries
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                http=bounded(settings.max_connections, settings.header_seconds),
                timeout_keep_alive=15,
                timeout_graceful_shutdown=round(settings.deadline) + 1,
                backlog=_BACKLOG,
            ),
        )
        # uvicorn handles the signals while it runs and raises them again when it ends, which must not count as failure.
        # One that arrives before it runs must stop it, too.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        print(f"unmask: {_address(listener)}", flush=True)
        server.run(sockets=[listener])
    if any(thread.is_alive() and not thread.daemon for thread in threading.enumerate() if thread is not _MAIN):
        # A thread that hangs in a library must not keep the process alive: Python would wait for it without end.
        logging.getLogger("unmask.serve").warning("stopped with work in progress")
        logging.shutdown()
        os._exit(0)


class _Server(uvicorn.Server):
    """A server that interrupts clips, and with them the streams about them, before it waits for open responses."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        service = getattr(self.app.state, "service", None)
        if service is not None and service.clips is not None:
            with contextlib.suppress(SQLAlchemyError, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await service.clips.queue.stop()
        await super().shutdown(sockets)


def _store(settings: Settings) -> Store | None:
    try:
        return open_store(settings)
    except CommandError:
        # Alembic's word for a revision that it does not know.
        raise UsageError(
            "newer_history",
            "The history was written by a newer version of unmask. Install that version, or use another --store.",
        ) from None
    except (SQLAlchemyError, OSError) as error:
        # Only the first line: the others show SQL statements and links.
        reason = str(error).partition("\n")[0]
        raise UsageError("no_store", f"The history cannot be opened: {reason}") from None


def _listen(settings: Settings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError("cannot_listen", f"Cannot listen on {settings.host} port {settings.port}: {reason}.") from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if listener.family == socket.AF_INET6 else f"http://{host}:{port}/"
