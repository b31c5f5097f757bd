"""The exported page in a real browser: it judges as Python does, offline, and asks nobody for anything."""

from __future__ import annotations

import functools
import http.server
import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from tests.imaging.test_decode import LINEAR
from tests.serve.conftest import AXE
from tests.serve.page_steps import add, entry, expect, share, sound

from unmask.bundle.bundle import Bundle
from unmask.detect.detector import load
from unmask.detect.verdict import Verdict
from unmask.serve.local_site import BUILT, export_site

pytestmark = pytest.mark.skipif(
    not (BUILT / "index.html").is_file(), reason="the page has not been built, which takes Node; see docs/page.md"
)

# The policy of the page allows no polling by Playwright, which evaluates text.
_KEPT = """() => new Promise((resolve) => {
  if (navigator.serviceWorker.controller) resolve();
  else navigator.serviceWorker.addEventListener("controllerchange", () => resolve());
})"""


class _Host(http.server.SimpleHTTPRequestHandler):
    """A host of static files that notes what it was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    folder = tmp_path_factory.mktemp("local") / "site"
    export_site(folder, Bundle.open())
    asked: list[str] = []
    handler = type("_Noting", (_Host,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def made(portraits: dict[str, bytes]) -> dict[str, bytes]:
    """Images in the formats and with the facts that are read differently outside Pillow."""
    real, fake = (Image.open(io.BytesIO(portraits[name])).convert("RGB") for name in ("real.jpg", "manipulated.jpg"))
    sideways = Image.Exif()
    sideways[0x0112] = 6
    marked = PngInfo()
    marked.add_text("parameters", "a portrait, Steps: 20, Sampler: Euler")
    faint = fake.copy()
    faint.putalpha(200)
    return {
        **portraits,
        "turned.jpg": _saved(real.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=sideways),
        "turned.webp": _saved(real.transpose(Image.Transpose.ROTATE_90), "WEBP", quality=95, exif=sideways),
        "turned-by-xmp.jpg": _saved(
            fake.transpose(Image.Transpose.ROTATE_180), "JPEG", quality=95, xmp=b'<x tiff:Orientation="3"/>'
        ),
        "profile.jpg": _saved(real, "JPEG", quality=95, icc_profile=LINEAR),
        "profile.png": _saved(fake, "PNG", icc_profile=LINEAR),
        "grey.jpg": _saved(ImageOps.grayscale(fake), "JPEG", quality=95),
        "marked.png": _saved(real, "PNG", pnginfo=marked),
        "transparent.png": _saved(faint, "PNG"),
        "lossy.webp": _saved(fake, "WEBP", quality=90),
        "palette.gif": _saved(real.quantize(256), "GIF"),
        "small-faces.jpg": _saved(ImageOps.expand(real.resize((160, 160)), (700, 300), fill=(90, 120, 90)), "JPEG"),
    }


def test_the_page_judges_as_python_does_offline_and_sends_nothing(
    chromium: Any, host: tuple[str, list[str]], made: dict[str, bytes], tmp_path: Path
) -> None:
    address, asked_of_host = host
    context = chromium.new_context(locale="en-GB", viewport={"width": 360, "height": 740}, has_touch=True)
    context.add_init_script(path=AXE)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto(address)
    expect(page.locator("html[data-detector=ready]")).to_have_count(1)
    page.evaluate(_KEPT)
    camera = page.get_by_role("button", name="Take a photo").locator("xpath=following-sibling::input[1]")
    assert camera.get_attribute("capture") == "environment"
    expect(page.get_by_text("Nothing is sent anywhere.")).to_be_visible()
    assert page.get_by_role("navigation").get_by_role("link").all_inner_texts() == ["Check images", "The detector"]
    sound(page, "empty")

    # From here there is no network: what is judged is judged here.
    context.set_offline(True)
    known = len(asked_of_host)
    page.reload()
    expect(page.locator("html[data-detector=ready]")).to_have_count(1)
    assert page.evaluate("crossOriginIsolated"), "the service worker gives the headers that threads need"
    add(page, made)
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    found = {each["path"]: each for each in json.loads(download.value.path().read_text())}
    detector = load()
    for name, data in made.items():
        _same(detector.detect_or_error(data), found[name], name)

    entry(page, "manipulated.jpg").click()
    expect(page.locator(".verdict")).to_contain_text("Fake")
    expect(page.locator(".verdict")).to_contain_text(share(found["manipulated.jpg"]["fake_probability"]))
    expect(page.locator(".overlay image").first).to_have_attribute("href", re.compile("^data:image/png;base64,"))
    expect(page.get_by_role("tab")).to_have_text(["Summary", "Origin"])
    sound(page, "result")
    entry(page, "marked.png").click()
    expect(page.get_by_role("region", name="The file says something about its origin")).to_contain_text("AUTOMATIC1111")
    # The browser itself looks for a new version of the page.
    assert set(asked_of_host[known:]) <= {"/service-worker.js"}
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert complaints == []
    # The policy would stop what the code does not do.
    context.set_offline(False)
    blocked = page.evaluate("fetch('http://localhost:9/').then(() => 'sent', (error) => error.name)")
    assert blocked == "TypeError"
    assert any("Content Security Policy" in text for text in complaints)
    context.close()


def _same(python: Verdict, browser: dict[str, Any], name: str) -> None:
    """The same word, probability, faces, marks and hash; the same error code where there is one."""
    expected = python.to_dict()
    if python.error is not None:
        assert browser["error"]["code"] == python.error.code, name
        return
    assert browser["verdict"] == expected["verdict"], name
    assert browser["fake_probability"] == pytest.approx(expected["fake_probability"], abs=0.01), name
    assert len(browser["faces"]) == len(expected["faces"]), name
    for ours, theirs in zip(expected["faces"], browser["faces"], strict=True):
        assert theirs["box"] == pytest.approx(ours["box"], abs=1), name
    for field in ("result", "uncertain", "face_found", "marks", "sha256", "model", "bundle_sha256"):
        assert browser[field] == expected[field], (name, field)
    assert browser["provenance"]["generator_tags"] == expected["provenance"]["generator_tags"], name
    unlike, ours = browser["out_of_distribution"], expected["out_of_distribution"]
    assert unlike["distance"] == pytest.approx(ours["distance"], abs=0.02), name


def test_the_page_of_the_service_carries_no_network() -> None:
    """Its worker and WebAssembly would be 14 MiB in every wheel once more."""
    served = {path.suffix for path in (BUILT.parent / "static").rglob("*")}
    assert ".wasm" not in served
    assert {path.suffix for path in BUILT.rglob("*")} >= {".wasm", ".mjs", ".js", ".html"}
