"""A real service in a process of its own, with the tiny bundle."""

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
