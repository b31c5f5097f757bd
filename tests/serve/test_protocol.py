"""Limits on connections and headers, malformed HTTP, HEAD, health and readiness, and the end of a service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.imaging import hostile
from tests.serve.conftest import Server, Start, make_image, wait_until

from unmask.detect.detector import Detector, Prepared, load
from unmask.serve import routes
from unmask.serve.engine import Engine
from unmask.serve.limits import _client
from unmask.serve.metrics import Metrics
from unmask.serve.problems import Problem


@pytest.fixture(scope="module")
def small(start: Start) -> Iterator[Server]:
    """A service with tight limits on connections and headers."""
    with start("--no-store", "--max-connections", "20", "--header-seconds", "1", "--rate", "0") as running:
        yield running


@contextlib.contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as opened:
        yield opened


def answer(opened: socket.socket) -> tuple[int, dict[str, object]]:
    """Status and problem of what the server sends until it closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := opened.recv(65536):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request"),  # TLS
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "bad_request"),
        (b"nonsense\r\n\r\n", 400, "bad_request"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: loc", 408, "headers_too_slow"),
        (b"", 408, "headers_too_slow"),
    ],
)
def test_what_is_no_request_is_a_problem(small: Server, sent: bytes, status: int, code: str) -> None:
    with connected(small) as opened:
        opened.sendall(sent)
        found, problem = answer(opened)
    assert (found, problem["code"], problem["status"]) == (status, code, status)
    assert f"connection refused: {code}" in small.log.read_text()


def test_endless_headers_are_cut_off(small: Server) -> None:
    sent = 0
    with connected(small) as opened:
        opened.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 50 * 2**20:
                sent += opened.send(b"X: " + b"a" * 8000 + b"\r\n")
    assert sent < 20 * 2**20  # what the system's buffers hold, and no more
    with small.client() as client:
        assert client.get("/health").status_code == 200


def test_idle_connections_leave_room_for_others(small: Server) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(small)) for _ in range(20)]
        with connected(small) as one_more:
            assert answer(one_more)[1]["code"] == "too_many_connections"
        # They are closed when they send nothing, and then there is room again.
        assert {answer(opened)[1]["code"] for opened in idle} == {"headers_too_slow"}
        with small.client() as client:
            assert client.get("/health").status_code == 200


def test_a_kept_connection_may_ask_again_and_again(small: Server) -> None:
    with small.client() as client:
        for _ in range(5):
            assert client.post("/predict", files={"image": ("a.png", make_image())}).status_code == 200
            time.sleep(0.3)


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/docs", "/openapi.json", "/v1/model", "/metrics"])
def test_head_is_get_without_a_body(small: Server, path: str) -> None:
    with small.client() as client:
        head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


def test_links_hold_below_a_prefix(small: Server) -> None:
    with small.client() as client:
        assert 'href="/' not in client.get("/docs").text
        # A redirect would lead out of the prefix that a proxy has cut off.
        assert client.get("/docs/", follow_redirects=False).status_code == 404


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),  # an IPv4 client of a service on ::
        ("::ffff:192.0.2.8", "192.0.2.8"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_each_client_has_a_bucket_of_its_own(address: str, client: str) -> None:
    assert _client(address) == client


# --- health and readiness ----------------------------------------------------------------------------------


class Stuck(Detector):
    """A detector that waits for a sign before it prepares an image."""

    def __init__(self, detector: Detector) -> None:
        super().__init__(detector.bundle)
        self.go = threading.Event()

    def prepare(self, source: object) -> Prepared:
        assert self.go.wait(20)
        return super().prepare(source)  # type: ignore[arg-type]


def test_health_is_honest_about_images_that_nobody_finishes(tiny_bundle: Path) -> None:
    detector = Stuck(load(tiny_bundle))
    engine = Engine(detector, workers=1, capacity=4, metrics=Metrics())

    class Service:
        """The parts that the two routes look at."""

        history = None
        settings = type("S", (), {"deadline": 0.1, "store_kind": "none"})()

    Service.engine = engine  # type: ignore[attr-defined]

    async def ask() -> None:
        assert (await routes.health(Service())).status == "ok"  # type: ignore[arg-type]
        assert (await routes.ready(Service())).status == "ready"  # type: ignore[arg-type]
        asked = asyncio.create_task(engine.judge([make_image()] * 4))
        await asyncio.sleep(0.3)
        for route, code in ((routes.health, "stalled"), (routes.ready, "not_ready")):
            with pytest.raises(Problem) as caught:
                await route(Service())  # type: ignore[arg-type]
            assert (caught.value.status_code, caught.value.code) == (503, code)
        detector.go.set()
        assert len(await asked) == 4
        assert (await routes.health(Service())).status == "ok"  # type: ignore[arg-type]

    asyncio.run(ask())
    assert engine.close(5)
    with pytest.raises(Problem):
        asyncio.run(routes.ready(Service()))  # type: ignore[arg-type]


def test_closing_does_not_wait_for_ever(tiny_bundle: Path) -> None:
    detector = Stuck(load(tiny_bundle))
    engine = Engine(detector, workers=1, capacity=4, metrics=Metrics())

    async def ask() -> None:
        asked = asyncio.create_task(engine.judge([make_image()]))
        await asyncio.sleep(0.1)
        assert not await asyncio.to_thread(engine.close, 0.1)
        detector.go.set()
        await asked

    asyncio.run(ask())
    assert engine.close(5)


# --- costly images -----------------------------------------------------------------------------------------


def test_costly_images_cost_their_sender_only(start: Start) -> None:
    """Two that take long keep both workers; good ones are answered, and the service ends in time."""
    with start("--no-store", "--rate", "0", "--workers", "2", "--decode-seconds", "0.3", "--deadline", "20") as running:
        slow = hostile.CASES["png-rgba-64-megapixels"]()
        refused: list[str] = []

        def send() -> None:
            with running.client() as client:
                answer = client.post("/predict", files={"image": ("a.png", slow)})
                refused.append(answer.json()["code"])

        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        with running.client() as client:
            for _ in range(5):
                assert client.post("/predict", files={"image": ("a.png", make_image())}).status_code == 200
            assert client.get("/health").status_code == 200
        for sender in senders:
            sender.join(30)
        assert set(refused) == {"decode_stopped"}
        assert len(refused) == 4
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 10


def test_the_children_end_with_the_service_however_it_ends(start: Start) -> None:
    with start("--no-store", "--workers", "2") as running:
        listing = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
        if not listing.exists():
            pytest.skip("children are listed by Linux only")
        with running.client() as client:
            client.get("/health")  # by then it has started
        children = [int(number) for number in listing.read_text().split()]
        assert len(children) == 2
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(10)

        def gone() -> bool:
            return not any(Path(f"/proc/{number}/cmdline").exists() for number in children)

        wait_until(gone, 10)


# --- the store ---------------------------------------------------------------------------------------------


def test_a_history_of_a_newer_version_is_one_line(start: Start, tmp_path: Path) -> None:
    with start("--store", str(tmp_path)):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "unmask.sqlite3")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(AssertionError) as caught, start("--store", str(tmp_path)):
        pass
    log = str(caught.value)
    assert "The history was written by a newer version of unmask." in log
    assert "Traceback" not in log


@pytest.mark.skipif(os.name != "posix" or not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_takes_no_images_is_a_problem_with_a_code(start: Start, tmp_path: Path) -> None:
    (tmp_path / "store" / "images").mkdir(parents=True)
    with start("--store", str(tmp_path / "store"), "--keep-images", "--rate", "0") as running:
        images = tmp_path / "store" / "images"
        for name in range(256):  # where folders belong there are files
            (images / f"{name:02x}").write_bytes(b"")
        with running.client() as client:
            answer = client.post("/predict", files={"image": ("a.png", make_image())})
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            assert client.get("/health").status_code == 200


def test_partial_images_of_killed_processes_are_swept(start: Start, tmp_path: Path) -> None:
    left = tmp_path / "images" / "ab" / ".abcd.jpg.1234.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with start("--store", str(tmp_path), "--keep-images"):
        wait_until(lambda: not left.exists())
