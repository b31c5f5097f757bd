"""An S3 server on loopback: moto's, behind a door that can misbehave.

moto and not MinIO: it is a Python package, which pip installs with the other test packages, where MinIO is a program of
another vendor to be downloaded; it pages listings as S3 does; and as a WSGI application it can be wrapped, so that a
test says which answer is slow, wrong or cut off. What moto does not show is a store's speed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>'
_INTERNAL = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>We failed.</Message></Error>'


@dataclass
class Store:
    """The server, and what was asked of it.

    Attributes:
        port: on loopback.
        failures: answers to give before the right one, by key: ``503`` or ``500`` each.
        broken: keys that answer 500 for ever.
        cut: keys of which half is sent.
        asked: requests by method and path.
        listings: requests that list.
    """

    port: int = 0
    failures: dict[str, list[int]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    listings: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def door(self, app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """The application with the failures that a test wants."""

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            key = environ["PATH_INFO"].partition("/")[2].partition("/")[2]
            query = environ.get("QUERY_STRING", "")
            self.asked[f"{environ['REQUEST_METHOD']} {key}"] += 1
            if "list-type=2" in query:
                self.listings.append(query)
            waiting = self.failures.get("?" if "list-type=2" in query else key, [])
            status = waiting.pop(0) if waiting else 500 if key in self.broken else None
            if status is not None:
                start(f"{status} Error", [("Content-Type", "application/xml")])
                return [b"" if environ["REQUEST_METHOD"] == "HEAD" else _SLOW_DOWN if status == 503 else _INTERNAL]
            body = app(environ, start)
            if key in self.cut and environ["REQUEST_METHOD"] == "GET":
                data = b"".join(body)
                return [data[: len(data) // 2]]
            return body

        return answer


@contextmanager
def serve(monkeypatch: Any) -> Iterator[Store]:
    """An empty server; the environment names it as the AWS conventions say."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any, **__: Any) -> None: ...

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    store = Store()
    app = store.door(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    store.port = server.server_port
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
