"""A real service in a process of its own, and its page in a real browser."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from unmask.data.make.demo import demo_images

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "src" / "unmask" / "serve" / "static" / "index.html"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


@dataclass
class Server:
    """A running service.

    Attributes:
        url: where it listens.
        process: it.
        log: what it wrote to standard error.
    """

    url: str
    process: subprocess.Popen[str]
    log: Path

    def client(self, **options: object) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=30, **options)  # type: ignore[arg-type]

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=60)


Start = Callable[..., contextlib.AbstractContextManager[Server]]
Open = Callable[..., Any]


def make_image(grey: int = 128, side: int = 64, kind: str = "PNG") -> bytes:
    """An even image; without a face the tiny bundle gives it a logit of (grey - 128) / 16."""
    out = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), grey, np.uint8)).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="session")
def start(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Starts ``unmask serve`` on a free port with the tiny bundle, and stops it at the end."""

    @contextlib.contextmanager
    def started(*flags: str, model: Path | None = tiny_bundle, **environment: str) -> Iterator[Server]:
        log = tmp_path_factory.mktemp("serve") / "log"
        command = [sys.executable, "-m", "unmask", "serve", "--port", "0", *flags]
        command += ["--model", str(model)] if model else []
        with log.open("w") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("unmask: http://"), log.read_text()
        server = Server(line.split()[1].rstrip("/"), process, log)
        try:
            yield server
        finally:
            server.stop()
            process.stdout.close()

    return started


@pytest.fixture(scope="module")
def server(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a history on disk, kept images and no limit of the rate."""
    store = tmp_path_factory.mktemp("history") / "store"
    flags = ["--max-body-mib", "4", "--max-waiting-mib", "8", "--max-images", "4", "--max-megapixels", "1"]
    with start("--store", str(store), "--keep-images", "--rate", "0", *flags) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as opened:
        yield opened


@contextlib.contextmanager
def open_chromium(*flags: str) -> Iterator[Any]:
    """A browser of Playwright, closed at the end; without Chromium the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    # Without these flags, Chromium contacts Google's hosts at every start.
    quiet = ("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*quiet, *flags])
        yield browser
        browser.close()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that happens soon, and fail if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def check_accessible(page: Any) -> None:
    """Check a page that may run no script but its own with axe, in light and in dark; skips where axe is missing."""
    if not AXE.is_file():
        pytest.skip("axe is not installed: npm --prefix web install")
    page.evaluate(AXE.read_text(encoding="utf-8"))  # by the browser's own tools
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = page.evaluate("axe.run().then(({ violations }) => violations)")
        assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found] == [], theme


# Not session-scoped: while it is open, asyncio thinks that its loop runs in this thread, which breaks other tests.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not (BUILT.is_file() and AXE.is_file()):
        pytest.skip("the page has not been built, which takes Node; see docs/page.md")
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def portraits() -> dict[str, bytes]:
    """A real and a manipulated portrait, as the demo makes them, one that is truncated, and an image without a face."""
    pytest.importorskip("skimage")
    real, fake = map(_jpeg, demo_images().values())
    return {
        "real.jpg": real,
        "manipulated.jpg": fake,
        "broken.jpg": real[:9000],
        "wall.jpg": make_image(128, 256, "JPEG"),
    }


@pytest.fixture(scope="module")
def desk(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with the shipped detector, a history and kept images."""
    store = tmp_path_factory.mktemp("desk") / "store"
    with start("--store", str(store), "--keep-images", "--rate", "0", model=None) as running:
        yield running


@pytest.fixture
def visit(chromium: Any) -> Iterator[Open]:
    """Opens the page of a service, with axe; fails at the end after a script error or a request to another host."""
    expect = pytest.importorskip("playwright.sync_api").expect
    contexts, complaints = [], []

    def visited(server: Server, **options: Any) -> Any:
        context = chromium.new_context(**{"locale": "en-GB", **options})
        context.add_init_script(path=AXE)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: _heard(message, complaints))
        page.on("request", lambda request: _asked(request.url, server.url, complaints))
        page.goto(server.url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        return page

    yield visited
    for context in contexts:
        context.close()
    assert complaints == []


def _heard(message: Any, complaints: list[str]) -> None:
    # Chromium also logs every error response, which the page shows in words.
    if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
        complaints.append(message.text)


def _asked(url: str, own: str, complaints: list[str]) -> None:
    if not url.startswith((own, "data:", "blob:")):
        complaints.append(f"asked for {url}")


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92)
    return out.getvalue()
