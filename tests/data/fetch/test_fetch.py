"""Fetching from a local server that misbehaves. All traffic goes to 127.0.0.1 and [::1]."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("httpx2")

import httpcore2

from unmask.cli.data import fetch as data_fetch
from unmask.data.fetch import guard as fetch_guard
from unmask.data.fetch import http as fetch_http
from unmask.data.fetch.policy import FetchError
from unmask.data.fetch.run import FetchPolicy, FetchReport, fetch
from unmask.data.manifest import Manifest
from unmask.errors import ManifestError, MissingExtraError, UnmaskError, UsageError
from unmask.version import __version__

QUICK = FetchPolicy(
    allow_private=True,
    min_interval=0.0,
    backoff=0.01,
    connect_timeout=20.0,  # the machine may be busy; where a limit is to be met, the test sets its own
    read_timeout=20.0,
    total_timeout=30.0,
    retries=1,
    max_bytes=200_000,
    max_retry_after=2.0,
)
PATIENCE_S = 60.0  # how long the server goes on, unless the test ends
PUBLIC = "93.184.216.34"  # never asked: the tests bend connections to it to the local server


def make_image(seed: int = 0, format: str = "JPEG", side: int = 48) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, format)
    return file.getvalue()


@cache
def bomb() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(50)) + packer.flush()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        with self.server.lock:
            self.server.asked.append((self.path, time.monotonic(), dict(self.headers.items())))
        try:
            self.answer(path, path.strip("/").split("/")[0].split(".")[0])
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def answer(self, path: str, name: str) -> None:
        asked = sum(1 for other, *_ in self.server.asked if other == self.path)
        body = make_image()
        if name == "image":  # /image/SEED.FORMAT
            seed, _, suffix = path.rsplit("/", 1)[1].partition(".")
            self.send(200, make_image(int(seed), "JPEG" if suffix == "jpg" else suffix.upper()))
        elif name == "slow":
            self.server.gate.acquire(timeout=60)
            with self.server.lock:
                self.server.running += 1
                self.server.most = max(self.server.most, self.server.running)
            time.sleep(0.15)
            with self.server.lock:
                self.server.running -= 1  # before the answer, after which the client may at once ask again
            self.send(200, make_image(len(path)))
        elif name == "drip":
            self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
            self.forever(lambda: self.raw(b"\xff"), every=0.1)
        elif name == "drip-headers":
            self.raw(b"HTTP/1.1 200 OK\r\nX-Long: ")
            self.forever(lambda: self.raw(b"x"), every=0.1)
        elif name == "endless":
            self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (len(body), body))
            self.forever(lambda: self.raw(b"10000\r\n" + bytes(65536) + b"\r\n"))
        elif name == "endless-plain":
            self.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
            self.forever(lambda: self.raw(bytes(65536)))
        elif name == "declares-much":
            self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
            self.server.finished.wait(PATIENCE_S)
        elif name == "lies-long":
            self.send(200, body, length=len(body) + 100)
            self.close_connection = True
        elif name == "lies-short":
            self.send(200, body, length=len(body) // 2)
            self.close_connection = True
        elif name == "cut":  # a whole answer with half an image in it
            self.send(200, body[: len(body) // 2])
        elif name == "two-lengths":
            self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde")
            self.close_connection = True
        elif name == "garbage":
            self.raw(b"\0\1\2 what is this\r\n\r\n")
            self.close_connection = True
        elif name == "huge-header":
            self.raw(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * 2**20)
            self.close_connection = True
        elif name == "many-headers":
            self.raw(b"HTTP/1.1 200 OK\r\n")
            self.forever(lambda: self.raw(b"X-Header: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 100))
        elif name == "hang":
            self.server.finished.wait(PATIENCE_S)
            self.close_connection = True
        elif name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())
            self.close_connection = True
        elif name == "status":
            self.send(int(path.rsplit("/", 1)[1]), b"no")
        elif name == "loop":
            self.send(302, b"", location="/loop/" + path.rsplit("/", 1)[-1] + "x")
        elif name == "hops":  # /hops/N: N redirects, then an image
            left = int(path.rsplit("/", 1)[1])
            self.send(307, b"", location=f"../hops/{left - 1}") if left else self.send(200, body)
        elif name == "to":
            self.send(302, b"", location=self.path.partition("?")[2])
        elif name == "nowhere":
            self.send(302, b"")
        elif name == "busy":  # 429 first, Retry-After from the query
            wait = self.path.partition("?")[2]
            self.send(429, b"", retry_after=wait) if asked == 1 else self.send(200, body)
        elif name == "flaky":
            self.send(500, b"oops") if asked == 1 else self.send(200, body)
        elif name == "drops-once":
            self.send(200, body, length=len(body) + (9 if asked == 1 else 0))
            self.close_connection = True
        elif name == "bomb":
            self.send(200, bomb(), content_encoding="gzip")
        elif name == "costly":  # 10,000 comments before the image
            self.send(200, body[:2] + b"\xff\xfe\0\x03x" * 10_000 + body[2:])
        elif name == "png-bomb":  # few bytes, very many pixels
            header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
            chunk = b"IHDR" + header
            png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
            self.send(200, png + struct.pack(">I", 2000) + b"IDAT" + bytes(2000))
        elif name == "page":
            self.send(
                200, b"\n<!DOCTYPE html><title>Not here any more</title>" + b" " * 5000, content_type="image/jpeg"
            )
        elif name == "svg":
            self.send(200, b"<svg xmlns='http://www.w3.org/2000/svg'/>", content_type="image/svg+xml")
        elif name == "empty":
            self.send(200, b"")
        elif name == "robots":
            self.send(self.server.robots_status, self.server.robots)
        else:
            self.send(404, b"")

    def send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def forever(self, act: Any, every: float = 0.0) -> None:
        self.close_connection = True
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not self.server.finished.wait(every):
            act()

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 0), Handler)
        self.lock = threading.Lock()
        self.asked: list[tuple[str, float, dict[str, str]]] = []
        self.running = self.most = 0
        self.gate = threading.Semaphore(10**6)  # so many slow requests are let through
        self.finished = threading.Event()
        self.robots, self.robots_status = b"", 200
        self.port = self.server_address[1]
        self.url = f"http://{f'[{address}]' if ':' in address else address}:{self.port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *args: object) -> None:
        pass  # connections that the client closes are the point

    def paths(self) -> list[str]:
        return [path for path, *_ in self.asked]

    def stop(self) -> None:
        self.finished.set()
        self.shutdown()
        self.server_close()


@pytest.fixture(autouse=True)
def one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the system's certificates takes longer than most tests here."""
    monkeypatch.setattr(httpcore2, "default_ssl_context", system_context)


@cache
def system_context() -> ssl.SSLContext:
    return ssl.create_default_context()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def write(path: Path, *rows: dict[str, str]) -> Path:
    columns = ["url", "label", *dict.fromkeys(name for row in rows for name in row if name not in ("url", "label"))]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({"label": "real", **row} for row in rows)
    return path


def read(out: Path, name: str = "manifest.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run(tmp_path: Path, *rows: dict[str, str], policy: FetchPolicy = QUICK, **options: Any) -> FetchReport:
    return fetch(Manifest.open(write(tmp_path / "in.csv", *rows)), tmp_path / "out", policy, **options)


def one(tmp_path: Path, url: str, policy: FetchPolicy = QUICK, **cells: str) -> dict[str, str]:
    run(tmp_path, {"url": url, **cells}, policy=policy)
    return read(tmp_path / "out")[0]


def changed(**changes: Any) -> FetchPolicy:
    return FetchPolicy(**{name: getattr(QUICK, name) for name in QUICK.__slots__} | changes)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


TABLES = {"manifest.csv", "ok.csv", "fetch-journal.jsonl"}


# One row, one answer


@pytest.mark.parametrize(
    ("path", "status", "http_status", "error"),
    [
        # a good image
        ("/image/1.jpg", "ok", "200", ""),
        # every other format, by content
        ("/image/1.png", "ok", "200", ""),
        ("/image/1.webp", "ok", "200", ""),
        ("/image/1.gif", "ok", "200", ""),
        ("/image/1.bmp", "ok", "200", ""),
        ("/image/1.tiff", "ok", "200", ""),
        ("/image/1.avif", "ok", "200", ""),
        # as many redirects as are followed, relative ones
        ("/hops/5", "ok", "200", ""),
        # one redirect more
        ("/hops/6", "too_many_redirects", "", "more than 5"),
        # redirects without an end, each to another URL
        ("/loop/x", "too_many_redirects", "", "more than 5"),
        # a redirect without a Location
        ("/nowhere", "http_error", "302", "answered 302"),
        # gone
        ("/status/404", "dead", "404", "answered 404"),
        ("/status/410", "dead", "410", "answered 410"),
        # forbidden is not gone
        ("/status/403", "http_error", "403", "answered 403"),
        # a success that is not a whole image
        ("/status/206", "http_error", "206", "answered 206"),
        # broken for good
        ("/status/503", "http_error", "503", "answered 503"),
        # broken once
        ("/flaky", "ok", "200", ""),
        # the body ended early once
        ("/drops-once", "ok", "200", ""),
        # a byte a moment, which no limit between two bytes catches
        ("/drip", "timeout", "", "not done within 0.8 s"),
        ("/drip-headers", "timeout", "", "not done within 0.8 s"),
        # accepts, then says nothing
        ("/hang", "timeout", "", "no data within 0.3 s"),
        # resets the connection
        ("/reset", "network_error", "", "connection broke"),
        # never ends, with and without framing
        ("/endless", "too_large", "200", "200,000 bytes"),
        ("/endless-plain", "too_large", "200", "200,000 bytes"),
        # says beforehand that it is too large
        ("/declares-much", "too_large", "200", "99,999,999,999"),
        # ends before its Content-Length
        ("/lies-long", "network_error", "", "ends early"),
        # continues after its Content-Length, which leaves half an image
        ("/lies-short", "not_an_image", "200", "truncated"),
        # half an image in a proper answer
        ("/cut", "not_an_image", "200", "truncated"),
        # two lengths, a way to smuggle
        ("/two-lengths", "network_error", "", "not valid HTTP"),
        # not HTTP
        ("/garbage", "network_error", "", "not valid HTTP"),
        # a header of a megabyte, and headers without end
        ("/huge-header", "network_error", "", "not valid HTTP"),
        ("/many-headers", "network_error", "", "not valid HTTP"),
        # small when sent, huge when unpacked
        ("/bomb", "not_an_image", "200", "compressed"),
        ("/png-bomb", "too_large", "200", "side_too_long"),
        ("/costly", "too_large", "200", "too_complex: The JPEG file has 2,049 segments; at most 2,048 are read."),
        # a page that calls itself a JPEG
        ("/page.jpg", "not_an_image", "200", "web page"),
        # an image of a kind that is not accepted
        ("/svg", "not_an_image", "200", "not an image"),
        # nothing
        ("/empty", "not_an_image", "200", "empty"),
    ],
)
def test_answers(server: Server, tmp_path: Path, path: str, status: str, http_status: str, error: str) -> None:
    limits = {"/hang": {"read_timeout": 0.3}, "/drip": {"total_timeout": 0.8}, "/drip-headers": {"total_timeout": 0.8}}
    policy = changed(retries=0, **limits[path]) if path in limits else QUICK
    row = one(tmp_path, server.url + path, policy=policy)
    assert (row["status"], row["http_status"]) == (status, http_status), row["error"]
    assert error in row["error"]
    assert (row["path"] != "") == (status == "ok")
    stored = files(tmp_path / "out") - TABLES
    if status == "ok":
        data = (tmp_path / "out" / row["path"]).read_bytes()
        assert stored == {row["path"]}
        assert (row["sha256"], row["bytes"]) == (sha(data), str(len(data)))
        assert row["path"].startswith(f"images/{sha(data)[:2]}/{sha(data)}.")
    else:
        assert stored == set()  # no temporary file either
        assert (row["sha256"], row["bytes"]) == ("", "")


def test_endless_bodies_are_closed_at_once(server: Server, tmp_path: Path) -> None:
    # The limits on time are far off, and the server would go on for much longer.
    for path in ("endless", "declares-much"):
        started = time.monotonic()
        one(tmp_path, f"{server.url}/{path}")
        assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("url", "status", "error"),
    [
        # other schemes
        ("file:///etc/passwd", "refused", "neither http nor https"),
        ("ftp://example.org/a.jpg", "refused", "neither http nor https"),
        ("data:image/png;base64,AAAA", "refused", "neither http nor https"),
        # no scheme
        ("example.org/a.jpg", "refused", "neither http nor https"),
        # no host
        ("http:///a.jpg", "refused", "names no host"),
        # not a URL
        ("http://[::1/a.jpg", "refused", "is not a URL"),
        ("http://a:99999/", "refused", "is not a URL"),
        # a control character
        ("http://a/\x1b[31m", "refused", "is not a URL"),
        # longer than servers take
        ("http://a/" + "x" * 9000, "refused", "longer than"),
        # a password, which is not written down
        ("http://me:secret@127.0.0.1/a.jpg", "refused", "user name or password"),
        # private addresses in many spellings
        ("http://127.0.0.1/a.jpg", "refused", "not public"),
        ("http://localhost/a.jpg", "refused", "not public"),
        ("http://127.1/a.jpg", "refused", "not public"),
        ("http://2130706433/a.jpg", "refused", "not public"),
        ("http://0x7f000001/a.jpg", "refused", "not public"),
        ("http://0.0.0.0/a.jpg", "refused", "not public"),
        ("http://10.0.0.1/a.jpg", "refused", "not public"),
        ("http://169.254.169.254/latest/meta-data", "refused", "not public"),
        ("http://[::1]/a.jpg", "refused", "not public"),
        ("http://[::ffff:127.0.0.1]/a.jpg", "refused", "not public"),
        ("http://[fe80::1]/a.jpg", "refused", "not public"),
    ],
)
def test_refused_urls(tmp_path: Path, url: str, status: str, error: str) -> None:
    row = one(tmp_path, url, policy=changed(allow_private=False))
    assert row["status"] == status, row
    assert error in row["error"]
    assert "secret" not in row["error"]
    assert "secret" not in (tmp_path / "out" / "fetch-journal.jsonl").read_text()


FORBIDDEN = [
    "169.254.169.254",  # link-local: the clouds' metadata
    "169.254.0.1",  # any other link-local address
    "100.100.100.200",  # metadata of another cloud
    "168.63.129.16",  # of another, among public addresses
    "192.0.0.192",  # of another
    "fe80::1",  # link-local
    "fe80::a9fe:a9fe%eth0",  # with a zone
    "febf::1",  # the end of its block
    "fd00:ec2::254",  # metadata by IPv6
    "fd20:ce::254",
    "::ffff:169.254.169.254",  # IPv4-mapped
    "::ffff:168.63.129.16",
    "::ffff:0:169.254.169.254",  # IPv4-translated
    "::169.254.169.254",  # IPv4-compatible
    "64:ff9b::a9fe:a9fe",  # NAT64
    "64:ff9b::a83f:8110",
    "64:ff9b:1::a9fe:a9fe",  # NAT64 within one network, by prefixes of 96, 64, 56 and 48 bits
    "64:ff9b:1:0:a9:fea9:fe00:0",
    "64:ff9b:1:a9:fe:a9fe::",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::1",  # 6to4
    "2002:6464:64c8::",
    "2001:0:a9fe:a9fe::1",  # Teredo: the server
    "2001::ffff:5601:5601",  # Teredo: the client, its bits flipped
    "fd00::5efe:a9fe:a9fe",  # ISATAP
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_never_requested(address: str) -> None:
    assert fetch_guard.is_forbidden(address)
    assert not fetch_guard.is_public(address)
    assert not fetch_guard.GuardedBackend(allow_private=True)._allowed(address)
    assert not fetch_guard.GuardedBackend(allow_private=False)._allowed(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "168.63.129.17", "169.253.0.1", "fd00::1", "::1", "8.8.8.8"],
)
def test_private_addresses_that_may_be_allowed(address: str) -> None:
    assert not fetch_guard.is_forbidden(address)
    assert fetch_guard.GuardedBackend(allow_private=True)._allowed(address)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "metadata.test"],
)
@pytest.mark.parametrize("redirected", [False, True], ids=["directly", "by a redirect"])
def test_metadata_services_are_refused_though_private_addresses_are_allowed(
    server: Server, internet: Internet, tmp_path: Path, host: str, redirected: bool
) -> None:
    internet.name("metadata.test", ["169.254.169.254"])
    url = f"http://{host}:{server.port}/image/1.jpg"
    row = one(tmp_path, f"http://photos.test:{server.port}/to?{url}" if redirected else url)
    assert row["status"] == "refused", row
    assert "metadata service" in row["error"]
    assert "169.254.169.254" not in internet.connected
    assert "/image/1.jpg" not in server.paths()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("8.8.8.8", True),
        ("2606:2800:220:1::1", True),
        ("127.8.9.1", False),  # loopback
        ("10.1.2.3", False),  # private
        ("172.16.0.1", False),
        ("172.32.0.1", True),  # just past the private block
        ("192.168.1.1", False),
        ("100.64.0.1", False),  # shared by carriers
        ("168.63.129.16", False),  # metadata of a cloud, among public addresses
        ("169.254.169.254", False),  # link-local: the clouds' metadata
        ("192.0.0.192", False),  # protocol assignments: another cloud's metadata
        ("0.0.0.0", False),  # unspecified
        ("224.0.0.1", False),  # multicast
        ("240.0.0.1", False),  # reserved
        ("255.255.255.255", False),
        ("198.18.0.1", False),  # benchmarking
        ("203.0.113.9", False),  # documentation
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),  # link-local with a zone
        ("fec0::1", False),  # site-local
        ("fd00::1", False),  # unique local
        ("fd00:ec2::254", False),  # metadata by IPv6
        ("ff02::1", False),  # multicast
        ("2001:db8::1", False),  # documentation
        ("::ffff:10.0.0.1", False),  # IPv4-mapped
        ("::ffff:8.8.8.8", False),  # IPv4-mapped, and no good reason to be
        ("::127.0.0.1", False),  # IPv4-compatible
        ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
        ("2001:0:7f00:1::", False),  # Teredo
        ("64:ff9b::7f00:1", False),  # NAT64 of 127.0.0.1
        ("64:ff9b::808:808", True),  # NAT64 of 8.8.8.8
        ("64:ff9b:1::808:808", False),  # NAT64 within one network
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert fetch_guard.is_public(address) is public


# Names, addresses, redirects between hosts


class Internet:
    """Names with chosen answers; connections to PUBLIC are bent to the local machine, others recorded and failed."""

    def __init__(self) -> None:
        self.names: dict[str, Iterator[list[str]]] = {}
        self.connected: list[str] = []

    def name(self, host: str, *answers: list[str]) -> None:
        self.names[host] = itertools.chain(answers, itertools.repeat(answers[-1]))


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    internet = Internet()
    real_lookup, real_backend = fetch_guard.lookup, httpcore2.AnyIOBackend

    async def lookup(host: str, port: int) -> list[str]:
        return next(internet.names[host]) if host in internet.names else await real_lookup(host, port)

    class Bent(real_backend):  # type: ignore[misc, valid-type]
        async def connect_tcp(self, host: str, port: int, **options: Any) -> Any:
            internet.connected.append(host)
            if host != PUBLIC:
                raise httpcore2.ConnectError("the tests connect nowhere else")
            return await super().connect_tcp("127.0.0.1", port, **options)

    monkeypatch.setattr(fetch_guard, "lookup", lookup)
    monkeypatch.setattr(httpcore2, "AnyIOBackend", Bent)
    internet.name("photos.test", [PUBLIC])
    return internet


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        # on to a good image elsewhere
        ("http://photos.test:{port}/image/1.jpg", "ok", ""),
        # without the scheme
        ("//photos.test:{port}/image/1.jpg", "ok", ""),
        # to a file
        ("file:///etc/passwd", "refused", "neither http nor https"),
        # inwards
        ("http://10.0.0.1/", "refused", "not public"),
        ("http://169.254.169.254/latest/meta-data/", "refused", "not public"),
        ("http://[::1]:{port}/image/1.jpg", "refused", "not public"),
        ("http://127.0.0.1:{port}/image/1.jpg", "refused", "not public"),
        ("http://localhost:{port}/image/1.jpg", "refused", "not public"),
        # by a name whose address is private
        ("http://inside.test:{port}/image/1.jpg", "refused", "not public"),
        # by a name with a public and a private address
        ("http://mixed.test:{port}/image/1.jpg", "refused", "not public"),
        # with a password
        ("http://a:b@photos.test:{port}/image/1.jpg", "refused", "user name"),
    ],
)
def test_redirects_between_hosts(
    server: Server, internet: Internet, tmp_path: Path, target: str, status: str, error: str
) -> None:
    internet.name("inside.test", ["192.168.0.7"])
    internet.name("mixed.test", [PUBLIC, "127.0.0.1"])
    location = target.format(port=server.port)
    row = one(tmp_path, f"http://photos.test:{server.port}/to?{location}", policy=changed(allow_private=False))
    assert row["status"] == status, row
    assert error in row["error"]
    assert set(internet.connected) == {PUBLIC}
    assert server.paths().count("/image/1.jpg") == (status == "ok")
    assert server.asked[0][2]["Host"] == f"photos.test:{server.port}"


def test_rebinding_names_are_judged_at_each_connection(server: Server, internet: Internet, tmp_path: Path) -> None:
    # Public when first asked, private a moment later: each connection goes to what was judged for it.
    internet.name("rebind.test", [PUBLIC], ["127.0.0.1"])
    base = f"http://rebind.test:{server.port}"
    policy = changed(allow_private=False, concurrency=1, retries=0)
    run(tmp_path, {"url": f"{base}/reset"}, {"url": f"{base}/image/1.jpg"}, policy=policy)
    first, second = read(tmp_path / "out")
    assert (first["status"], second["status"]) == ("network_error", "refused")
    assert internet.connected == [PUBLIC]


def test_second_address_is_tried(server: Server, internet: Internet, tmp_path: Path) -> None:
    internet.name("two.test", ["8.8.8.8", PUBLIC])
    row = one(tmp_path, f"http://two.test:{server.port}/image/1.jpg", policy=changed(allow_private=False))
    assert row["status"] == "ok"
    assert internet.connected == ["8.8.8.8", PUBLIC]


def test_names_that_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    codes = iter([socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_AGAIN])

    def getaddrinfo(*args: object, **options: object) -> object:
        raise socket.gaierror(next(codes), "no")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    # No such name: the link is dead, and asked once only. A resolver in trouble: asked again.
    assert one(tmp_path, "http://gone.test/a.jpg")["status"] == "dead"
    assert one(tmp_path, "http://trouble.test/a.jpg")["status"] == "network_error"
    assert next(codes, None) is None


def test_slow_name_times_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def lookup(host: str, port: int) -> list[str]:
        await asyncio.sleep(5)
        return []

    monkeypatch.setattr(fetch_guard, "lookup", lookup)
    row = one(tmp_path, "http://slow.test/", policy=changed(connect_timeout=0.1, retries=0))
    assert (row["status"], row["error"]) == ("timeout", "no connection within 0.1 s")


def test_full_listen_queue_times_out_on_connect(tmp_path: Path) -> None:
    # Linux drops connection requests when nobody accepts and the queue is full: a hang on connect.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        policy = changed(connect_timeout=0.2, retries=0)
        row = one(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}/", policy=policy)
        for filler in fillers:
            filler.close()
    assert (row["status"], row["error"]) == ("timeout", "no connection within 0.2 s")


def test_closed_port_is_a_network_error(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert one(tmp_path, f"http://127.0.0.1:{port}/")["status"] == "network_error"


def test_loopback_by_ipv6(tmp_path: Path) -> None:
    try:
        server = Server("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    row = one(tmp_path, f"{server.url}/image/1.jpg")
    server.stop()
    assert row["status"] == "ok"
    assert server.asked[0][2]["Host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    ("base", "location", "result"),
    [
        # up is fine
        ("http://a.test/x", "https://a.test/y", "https://a.test/y"),
        # down is not
        ("https://a.test/x", "http://a.test/y", None),
        # relative, and without the fragment
        ("https://a.test/x/y", "../z#top", "https://a.test/z"),
        # UTF-8 in the header, as sent against the rules
        ("https://a.test/", "/\xc3\xa4.jpg", "https://a.test/%C3%A4.jpg"),
        # a name in another script
        ("https://a.test/", "https://m\xc3\xbcnchen.test/", "https://xn--mnchen-3ya.test/"),
    ],
)
def test_redirect_targets(base: str, location: str, result: str | None) -> None:
    url = fetch_guard.parse_url(base)
    if result is None:
        with pytest.raises(FetchError, match="from https down") as caught:
            fetch_http._redirect(url, 302, location)
        assert caught.value.http_status == 302
    else:
        found = fetch_http._redirect(url, 302, location)
        assert f"{found.scheme}://{found.netloc.decode()}{found.raw_path.decode()}" == result


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {path} -out {path}.crt"
    extra = ["-subj", "/CN=photos.test", "-addext", "subjectAltName=DNS:photos.test"]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "status", "error"),
    [
        # the certificate is for the name, though an address was connected to
        ("photos.test", True, "ok", ""),
        # a certificate for another name
        ("other.test", True, "network_error", "not trusted"),
        # a certificate that nobody vouches for
        ("photos.test", False, "network_error", "not trusted"),
    ],
)
def test_tls_is_verified_against_the_name(
    server: Server,
    internet: Internet,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    host: str,
    trusted: bool,
    status: str,
    error: str,
) -> None:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    if trusted:
        client = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(httpcore2, "default_ssl_context", lambda: client)
    internet.name(host, [PUBLIC])
    policy = changed(allow_private=False)
    row = one(tmp_path, f"https://{host}:{server.port}/image/1.jpg", policy=policy)
    assert row["status"] == status, row
    assert error in row["error"]
    assert names == [host]  # once: no retry makes a certificate good
    # From https to http on the same server: refused.
    if status == "ok":
        row = one(tmp_path, f"https://{host}:{server.port}/to?http://{host}:{server.port}/", policy=policy)
        assert (row["status"], row["http_status"]) == ("refused", "302")


# Retries and manners


def test_retry_after_is_waited_for_by_the_whole_host(server: Server, tmp_path: Path) -> None:
    policy = changed(concurrency=1)
    run(tmp_path, {"url": f"{server.url}/busy?1"}, {"url": f"{server.url}/image/1.jpg"}, policy=policy)
    assert [row["status"] for row in read(tmp_path / "out")] == ["ok", "ok"]
    first, *rest = (when for _, when, _ in server.asked)
    assert all(when - first >= 0.95 for when in rest)


def test_retry_after_beyond_the_cap_gives_up(server: Server, tmp_path: Path) -> None:
    started = time.monotonic()
    row = one(tmp_path, f"{server.url}/busy?3600")
    assert (row["status"], row["http_status"]) == ("http_error", "429")
    assert "asks to wait 3600 s" in row["error"]
    assert len(server.asked) == 1
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("", 0, 0),  # not there
        ("soon", 0, 0),  # nonsense
        ("-5", 0, 0),
        ("9" * 400, 1e8, 1e10),  # absurd, and still a number
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),  # past
        ("Wed, 21 Oct 2099 07:28:00 GMT", 1e9, 1e10),  # future
    ],
)
def test_retry_after_values(header: str, low: float, high: float) -> None:
    assert low <= fetch_http._seconds(header) <= high


def test_backoff_doubles_and_depends_on_the_seed_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def waits(seed: int) -> list[float]:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        with monkeypatch.context() as patch:
            patch.setattr(fetch_http.asyncio, "sleep", sleep)
            one(
                tmp_path, f"{server.url}/status/500", policy=changed(retries=4, backoff=1.0, max_backoff=4.0, seed=seed)
            )
        return slept

    first = waits(1)
    assert len(first) == 4
    assert all(0.5 * base <= wait <= 1.5 * base for wait, base in zip(first, [1, 2, 4, 4], strict=True))
    assert waits(1) == first
    assert waits(2) != first


def test_requests_to_one_host_are_limited_and_spaced(server: Server, tmp_path: Path) -> None:
    rows = [{"url": f"{server.url}/slow/{'x' * n}"} for n in range(1, 13)]
    run(tmp_path, *rows, policy=changed(concurrency=8, per_host=3))
    assert 2 <= server.most <= 3
    server.asked.clear()
    shutil.rmtree(tmp_path / "out")
    run(tmp_path, *rows[:6], policy=changed(concurrency=8, per_host=3, min_interval=0.1))
    times = [when for _, when, _ in server.asked]
    assert times[-1] - times[0] > 0.35  # 0.5, if the machine has time; without an interval 0.15


def test_total_concurrency_is_limited_and_slow_hosts_do_not_block_others(server: Server, tmp_path: Path) -> None:
    # 127.0.0.2 and so on are other hosts with the same server, which listens on one address only on some systems.
    hosts = ["127.0.0.1", "localhost", "127.1", "127.0.1"]
    rows = [{"url": f"http://{host}:{server.port}/slow/{'x' * n}"} for host in hosts for n in range(1, 5)]
    report = run(tmp_path, *rows, policy=changed(concurrency=5, per_host=2))
    assert report.counts == {"ok": 16}
    assert 2 < server.most <= 5


def test_the_request_says_who_asks(server: Server, tmp_path: Path) -> None:
    one(tmp_path, f"{server.url}/image/1.jpg?a=b%20c&d")
    path, _, headers = server.asked[0]
    assert path == "/image/1.jpg?a=b%20c&d"
    assert headers["User-Agent"].startswith(f"unmask/{__version__}")
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Referer", "Authorization"} & headers.keys()


@pytest.mark.parametrize(
    ("status", "rules", "outcome"),
    [
        # forbids this part
        (200, b"User-agent: *\nDisallow: /image/", "refused"),
        # forbids another part
        (200, b"User-agent: *\nDisallow: /private/", "ok"),
        # forbids us by name
        (200, b"User-agent: unmask\nDisallow: /\n\nUser-agent: *\nAllow: /", "refused"),
        # forbids another by name
        (200, b"User-agent: otherbot\nDisallow: /", "ok"),
        # none: everything is allowed (RFC 9309)
        (404, b"", "ok"),
        (403, b"", "ok"),
        # in trouble: nothing is
        (500, b"", "refused"),
        # bytes that are no text, and numbers that are none
        (200, b"\xff\xfe\x00\x01", "ok"),
        (200, "User-agent: *\nCrawl-delay: \u00b2".encode(), "refused"),
        # longer than anyone reads
        (200, b"# padding\n" * 100_000, "ok"),
    ],
)
def test_robots(server: Server, tmp_path: Path, status: int, rules: bytes, outcome: str) -> None:
    server.robots_status, server.robots = status, rules
    rows = [{"url": f"{server.url}/image/{n}.jpg"} for n in range(3)]
    run(tmp_path, *rows, policy=changed(robots=True, retries=0))
    assert {row["status"] for row in read(tmp_path / "out")} == {outcome}
    asked = Counter(server.paths())
    assert asked.pop("/robots.txt") == 1
    assert len(asked) == (3 if outcome == "ok" else 0)


def test_crawl_delay_spaces_requests(server: Server, tmp_path: Path) -> None:
    server.robots = b"User-agent: *\nCrawl-delay: 1"
    rows = [{"url": f"{server.url}/image/{n}.jpg"} for n in range(2)]
    run(tmp_path, *rows, policy=changed(robots=True))
    times = [when for path, when, _ in server.asked if path != "/robots.txt"]
    assert times[1] - times[0] > 0.5


def test_robots_is_not_asked_for_otherwise(server: Server, tmp_path: Path) -> None:
    server.robots = b"User-agent: *\nDisallow: /"
    assert one(tmp_path, f"{server.url}/image/1.jpg")["status"] == "ok"
    assert server.paths() == ["/image/1.jpg"]


# The folder


def test_checksums(server: Server, tmp_path: Path) -> None:
    good = sha(make_image(1))
    run(
        tmp_path,
        {"url": f"{server.url}/image/1.jpg?1", "sha256": good},
        # upper case and blanks are no difference
        {"url": f"{server.url}/image/1.jpg?2", "sha256": f" {good.upper()} "},
        {"url": f"{server.url}/image/2.jpg?3", "sha256": good},
        # not a checksum: refused before anything is asked
        {"url": f"{server.url}/image/1.jpg?4", "sha256": "abc"},
        {"url": f"{server.url}/image/1.jpg?5"},
    )
    rows = read(tmp_path / "out")
    assert [row["status"] for row in rows] == ["ok", "ok", "changed", "refused", "ok"]
    assert [row["sha256"] for row in rows] == [good, good, good, "abc", good]
    assert sha(make_image(2)) in rows[2]["error"]
    assert "/image/1.jpg?4" not in server.paths()
    # The image with the wrong checksum is not kept.
    assert files(tmp_path / "out") - TABLES == {rows[0]["path"]}


def test_result_keeps_rows_columns_and_order(server: Server, tmp_path: Path) -> None:
    cells = {"source": "s", "generator": "g", "split": "train", "difficulty": "hard", "note": '=1+1, "quoted"\nü'}
    report = run(
        tmp_path,
        {"url": f"{server.url}/status/404", **cells},
        {"url": f"{server.url}/image/1.jpg", "label": "FAKE", **cells},
        {"path": "mine.jpg", **cells},
        {"url": f"{server.url}/image/1.png", **cells},
        # the same row again: asked once, reported twice
        {"url": f"{server.url}/image/1.jpg", "label": "FAKE", **cells},
    )
    rows = read(tmp_path / "out")
    assert list(rows[0])[-6:] == ["status", "http_status", "sha256", "bytes", "fetched_at", "error"]
    assert [row["status"] for row in rows] == ["dead", "ok", "no_url", "ok", "ok"]
    assert [row["label"] for row in rows] == ["real", "fake", "real", "real", "fake"]
    assert all({name: row[name] for name in cells} == cells for row in rows)
    assert rows[2]["path"] == "mine.jpg"
    assert [row["url"] for row in read(tmp_path / "out", "ok.csv")] == [rows[n]["url"] for n in (1, 3, 4)]
    assert sum(1 for _ in Manifest.open(tmp_path / "out" / "ok.csv", check_files=True)) == 3
    assert sum(1 for _ in Manifest.open(tmp_path / "out" / "manifest.csv")) == 5
    assert (report.rows, report.failed, report.fetched, report.shared_content) == (5, 2, 2, 1)
    assert [failure[:2] for failure in report.failures] == [(2, "dead"), (4, "no_url")]
    assert server.paths().count("/image/1.jpg") == 1


@pytest.mark.parametrize(
    ("path", "used"),
    [
        ("real/a.jpg", True),
        ("a.PNG", True),  # the name stays, whatever the content
        ("real/../b.jpg", True),  # stays inside
        (".hidden/a.jpg", False),
        ("a/.jpg", False),  # hidden, and without a suffix
        ("run.sh", False),  # not an image's name
        ("manifest.csv", False),  # ours
        ("fetch-journal.jsonl", False),
        (f"images/ab/{'0' * 64}.jpg", False),  # looks like a name by content
        ("x" * 300 + ".jpg", False),  # longer than names can be
        ("y/" * 600 + "a.jpg", False),
        ("link/a.jpg", False),  # through a link out of the folder
    ],
)
def test_paths(server: Server, tmp_path: Path, path: str, used: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    row = one(tmp_path, f"{server.url}/image/1.jpg", path=path)
    assert row["status"] == "ok", row
    assert (tmp_path / "out" / row["path"]).read_bytes() == make_image(1)
    assert row["path"].startswith("images/") != used
    assert files(tmp_path / "elsewhere") == set()
    if used:
        assert row["path"] == os.path.normpath(path)


def test_path_out_of_the_root_stops_before_anything_is_fetched(server: Server, tmp_path: Path) -> None:
    rows = [{"url": f"{server.url}/image/1.jpg"}, {"url": f"{server.url}/image/2.jpg", "path": "../a.jpg"}]
    with pytest.raises(ManifestError, match="row 3") as caught:
        run(tmp_path, *rows)
    assert caught.value.code == "path_escapes_root"
    assert server.asked == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("folder_first", [False, True])
def test_paths_that_collide(server: Server, tmp_path: Path, folder_first: bool) -> None:
    paths = ["a.jpg", "A.JPG", "a.jpg/b.jpg", "A.jpg/c.jpg"][:: -1 if folder_first else 1]
    paths.append(paths[0])
    run(tmp_path, *({"url": f"{server.url}/image/{n}.jpg", "path": path} for n, path in enumerate(paths)))
    rows = read(tmp_path / "out")
    for n, row in enumerate(rows):
        assert row["status"] == "ok"
        assert (tmp_path / "out" / row["path"]).read_bytes() == make_image(n)
    # A path belongs to the first row that names it, as a file or as a folder; the others are stored by content.
    own = [row["path"] for row in rows if not row["path"].startswith("images/")]
    assert own == (["A.jpg/c.jpg", "a.jpg/b.jpg"] if folder_first else ["a.jpg"])


def test_files_that_no_fetch_wrote_are_left_alone(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.jpg").write_bytes(b"mine")
    row = one(tmp_path, f"{server.url}/image/1.jpg", path="a.jpg")
    assert (row["status"], row["path"]) == ("refused", "a.jpg")
    assert (out / "a.jpg").read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize("name", ["manifest.csv", "ok.csv"])
def test_the_input_is_not_overwritten(server: Server, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, {"url": f"{server.url}/image/1.jpg"})
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        fetch(Manifest.open(path), tmp_path, QUICK)
    assert caught.value.code == "would_overwrite"
    assert path.read_bytes() == before
    assert files(tmp_path) == {name}


def test_result_as_input_pins_the_content(server: Server, tmp_path: Path) -> None:
    one(tmp_path, f"{server.url}/image/1.jpg")
    pinned = tmp_path / "out" / "manifest.csv"
    text = pinned.read_text().replace("/image/1.jpg", "/image/2.jpg")
    (tmp_path / "pinned.csv").write_text(text)
    report = fetch(Manifest.open(tmp_path / "pinned.csv"), tmp_path / "again", QUICK)
    assert report.counts == {"changed": 1}
    assert list(read(tmp_path / "again")[0]) == list(read(tmp_path / "out")[0])


# Going on


def test_second_run_fetches_only_what_is_missing(server: Server, tmp_path: Path) -> None:
    rows = [{"url": f"{server.url}/image/{n}.jpg"} for n in range(4)]
    rows += [{"url": f"{server.url}/status/404"}, {"url": f"{server.url}/flaky"}]
    first = run(tmp_path, *rows, policy=changed(retries=0))
    assert (first.fetched, first.kept, first.counts) == (4, 0, {"ok": 4, "dead": 1, "http_error": 1})
    before = read(tmp_path / "out")
    server.asked.clear()

    # Nothing to do, and nothing is asked.
    second = run(tmp_path, *rows)
    assert (second.fetched, second.kept, server.asked) == (0, 6, [])
    assert read(tmp_path / "out") == before

    # One file gone, one damaged, one row new and in front: these three.
    (tmp_path / "out" / before[0]["path"]).unlink()
    damaged = tmp_path / "out" / before[1]["path"]
    damaged.write_bytes(bytes(len(damaged.read_bytes())))
    rows.insert(0, {"url": f"{server.url}/image/9.jpg"})
    third = run(tmp_path, *rows)
    assert sorted(server.paths()) == ["/image/0.jpg", "/image/1.jpg", "/image/9.jpg"]
    assert (third.fetched, third.kept) == (3, 4)
    assert damaged.read_bytes() == make_image(1)
    server.asked.clear()

    # Failed ones, when asked to.
    server.asked.append(("/flaky", 0.0, {}))
    fourth = run(tmp_path, *rows, retry_failed=True)
    assert sorted(server.paths()[1:]) == ["/flaky", "/status/404"]
    assert fourth.counts == {"ok": 6, "dead": 1}


def test_link_that_changed_since_an_earlier_run(server: Server, tmp_path: Path) -> None:
    rows = [{"url": f"{server.url}/image/1.jpg"}]
    run(tmp_path, *rows)
    journal = tmp_path / "out" / "fetch-journal.jsonl"
    journal.write_text(journal.read_text().replace(sha(make_image(1)), sha(make_image(2))))
    # The file is not what the journal says, nor is what the URL gives now; that does not pass on a retry, either.
    for _ in range(2):
        assert run(tmp_path, *rows, retry_failed=True).counts == {"changed": 1}


@pytest.mark.parametrize(
    ("tail", "asked"),
    [
        # torn in the middle of a line
        (b'{"key": "00', 0),
        # a line that is no JSON, and lines that are no records
        (b"nonsense\n[]\n{}\n\xff\xfe\n", 0),
        # deeper than JSON is read
        (b"[" * 100_000 + b"\n", 0),
    ],
)
def test_damaged_journals(server: Server, tmp_path: Path, tail: bytes, asked: int) -> None:
    rows = [{"url": f"{server.url}/image/1.jpg"}]
    run(tmp_path, *rows)
    server.asked.clear()
    journal = tmp_path / "out" / "fetch-journal.jsonl"
    with journal.open("ab") as file:
        file.write(tail)
    rows.append({"url": f"{server.url}/image/2.jpg"})
    assert run(tmp_path, *rows).counts == {"ok": 2}
    assert run(tmp_path, *rows).kept == 2
    assert server.paths() == ["/image/2.jpg"]


def test_journal_from_elsewhere_leads_nowhere_else(server: Server, tmp_path: Path) -> None:
    # A journal that says the image is a file outside the folder: it is not taken for it.
    rows = [{"url": f"{server.url}/image/1.jpg"}]
    run(tmp_path, *rows)
    journal = tmp_path / "out" / "fetch-journal.jsonl"
    (tmp_path / "outside.jpg").write_bytes(make_image(1))
    path = read(tmp_path / "out")[0]["path"]
    journal.write_text(journal.read_text().replace(path, "../outside.jpg"))
    report = run(tmp_path, *rows)
    assert (report.fetched, read(tmp_path / "out")[0]["path"]) == (1, path)


def test_not_a_journal(server: Server, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fetch-journal.jsonl").write_text('{"unmask_fetch_journal": 2}\n')
    with pytest.raises(UsageError, match="not a journal of this version"):
        run(tmp_path, {"url": f"{server.url}/image/1.jpg"})
    assert (tmp_path / "out" / "fetch-journal.jsonl").read_text() == '{"unmask_fetch_journal": 2}\n'


def command(manifest: Path, out: Path, *options: str) -> list[str]:
    # As a terminal starts it: what a shell starts in the background ignores SIGINT, and so would its children.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    code += "import typer; from unmask.cli.data.fetch import fetch; a = typer.Typer(); a.command()(fetch); a()"
    quick = ["--allow-private", "--min-interval", "0", "--per-host", "2"]
    return [sys.executable, "-c", code, str(manifest), "--out", str(out), *quick, *options]


def until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed(server: Server, tmp_path: Path, how: signal.Signals) -> None:
    rows = [{"url": f"{server.url}/slow/{'x' * n}", "path": f"{n}.jpg" if n % 2 else ""} for n in range(1, 21)]
    manifest, out = write(tmp_path / "in.csv", *rows), tmp_path / "out"
    server.gate = threading.Semaphore(7)
    process = subprocess.Popen(command(manifest, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: len(server.asked) >= 8)
    # The child process that decodes takes a while to start: what was received is in the journal only later.
    until(lambda: (out / "fetch-journal.jsonl").read_bytes().count(b"\n") >= 4)
    # While it works the folder is its own.
    with pytest.raises(UsageError) as caught:
        fetch(Manifest.open(manifest), out, QUICK)
    assert caught.value.code == "folder_in_use"
    process.send_signal(how)
    server.gate.release(100)
    assert process.wait(60) != 0

    done = {json.loads(line)["url"] for line in (out / "fetch-journal.jsonl").read_text().splitlines()[1:]}
    assert 3 <= len(done) < 20
    # What is there under an image's name is whole.
    stored = [path for path in out.rglob("*.jpg") if ".unmask-fetch" not in path.parts]
    assert len(done) - 1 <= len(stored) <= len(done)
    for path in stored:
        PIL.Image.open(path).load()
    if how == signal.SIGINT:
        statuses = Counter(row["status"] for row in read(out))
        assert statuses == {"ok": len(done), "pending": 20 - len(done)}
        assert not (out / ".unmask-fetch").exists()

    until(lambda: server.running == 0)
    server.asked.clear()
    finished = subprocess.run(command(manifest, out, "--json"), capture_output=True, text=True, check=True)
    summary = json.loads(finished.stdout)
    again = {server.url + path for path in server.paths()}
    # At most the image between its journal line and its place is fetched again.
    assert len(again & done) <= len(done) - len(stored)
    assert summary["counts"] == {"ok": 20}
    assert (summary["fetched"], summary["kept"]) == (len(again), 20 - len(again))
    assert all((out / row["path"]).is_file() for row in read(out))
    assert not (out / ".unmask-fetch").exists()


# Failures of ours


def test_full_disk_ends_the_run_in_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(UnmaskError, match="No space left") as caught:
            run(tmp_path, *({"url": f"{server.url}/image/{n}.jpg"} for n in range(5)))
    assert caught.value.code == "write_failed"
    assert run(tmp_path, *({"url": f"{server.url}/image/{n}.jpg"} for n in range(5))).counts == {"ok": 5}


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        # a bad label in the last row: nothing has been fetched before
        ([{"url": "http://127.0.0.1/"}, {"url": "http://127.0.0.1/", "label": "maybe"}], "unknown_label"),
        ([], "empty_manifest"),
    ],
)
def test_bad_manifests(tmp_path: Path, rows: list[dict[str, str]], code: str) -> None:
    with pytest.raises(ManifestError) as caught:
        run(tmp_path, *rows)
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_manifest_without_urls(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("path,label\na.jpg,real\n")
    with pytest.raises(ManifestError, match="no column url"):
        fetch(Manifest.open(tmp_path / "in.csv"), tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        {"concurrency": 0},
        {"read_timeout": float("nan")},
        {"retries": -1},
        {"formats": frozenset({"SVG"})},
        {"formats": frozenset()},
        {"user_agent": "a\r\nX-Injected: b"},
        {"user_agent": " "},
    ],
)
def test_bad_policies(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        FetchPolicy(**change)


def test_missing_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[fetch\]"):
        run(tmp_path, {"url": "http://127.0.0.1/"})


def test_importing_needs_no_network_package() -> None:
    code = "import sys, unmask.data.fetch.run, unmask.cli.data.fetch; assert not {'httpx2', 'anyio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# The command

app = typer.Typer()
app.command()(data_fetch.fetch)


def test_command(server: Server, tmp_path: Path) -> None:
    manifest = write(
        tmp_path / "in.csv", {"url": f"{server.url}/image/1.jpg"}, {"url": f"{server.url}/status/404?\x1b[31m"}
    )
    options = [str(manifest), "--out", str(tmp_path / "out"), "--allow-private", "--min-interval", "0"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 1
    assert "row 3: refused:" in result.stdout
    assert "2 rows: 1 ok, 1 refused" in result.stdout
    assert "\x1b[31m" not in result.stdout
    result = CliRunner().invoke(app, [*options, "--json"])
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["counts"] == {"ok": 1, "refused": 1}
    assert (summary["rows"], summary["failed"], summary["kept"]) == (2, 1, 2)
    assert summary["failures"][0]["line"] == 3
    assert summary["manifest"] == str(tmp_path / "out" / "manifest.csv")


def test_command_accepts_only_the_formats_asked_for(server: Server, tmp_path: Path) -> None:
    manifest = write(tmp_path / "in.csv", {"url": f"{server.url}/image/1.gif"}, {"url": f"{server.url}/cut"})
    options = [str(manifest), "--out", str(tmp_path / "out"), "--allow-private", "--formats", "jpeg, png"]
    assert CliRunner().invoke(app, [*options, "--no-decode", "--user-agent", "me (me@example.org)"]).exit_code == 1
    rows = read(tmp_path / "out")
    assert [row["status"] for row in rows] == ["not_an_image", "ok"]  # half a JPEG is not looked at
    assert "GIF" in rows[0]["error"]
    assert server.asked[0][2]["User-Agent"] == "me (me@example.org)"


def test_command_succeeds_and_helps(server: Server, tmp_path: Path) -> None:
    manifest = write(tmp_path / "in.csv", {"url": f"{server.url}/image/1.jpg"})
    assert CliRunner().invoke(app, [str(manifest), "--out", str(tmp_path / "out"), "--allow-private"]).exit_code == 0
    refused = CliRunner().invoke(app, [str(manifest), "--out", str(tmp_path / "out2")])
    assert refused.exit_code == 1  # loopback, without the flag
    assert "Example" in CliRunner().invoke(app, ["--help"]).stdout
