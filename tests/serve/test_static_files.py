"""Files of the page, compressed and cached; the form of /docs."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.serve.conftest import Server, make_image, open_chromium

from unmask.serve import pages
from unmask.serve.static_files import accepted

SCRIPT = b"console.log('unmask');\n" * 50
INDEX = b"<!doctype html><title>unmask</title>" + b" " * 500
# Not brotli, which Python cannot make: the service only has to send the bytes of the right file.
BROTLI = b"made by the build"


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built page: a script with both encodings, an index with one, a font with none."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    for name, content in {
        "index.html": INDEX,
        "index.html.gz": gzip.compress(INDEX),
        "favicon.svg": b"<svg/>",
        "favicon.svg.br": BROTLI,
        "assets/index-1a2b.js": SCRIPT,
        "assets/index-1a2b.js.gz": gzip.compress(SCRIPT),
        "assets/index-1a2b.js.br": BROTLI,
        "assets/font.woff2": b"font",
    }.items():
        (folder / name).write_bytes(content)
        # As in a wheel, where all files have one date.
        os.utime(folder / name, (1580601600, 1580601600))
    monkeypatch.setattr(pages, "STATIC", folder)
    return folder


@pytest.fixture
def page(static: Path) -> Iterator[TestClient]:
    app = FastAPI(docs_url=None)
    pages.install(app)
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "takes", "encoding", "kind"),
    [
        # the smallest that the browser takes
        ("/assets/index-1a2b.js", "gzip, deflate, br, zstd", "br", "text/javascript"),
        ("/assets/index-1a2b.js", "gzip, deflate", "gzip", "text/javascript"),
        ("/assets/index-1a2b.js", "GZIP", "gzip", "text/javascript"),
        # anything
        ("/assets/index-1a2b.js", "*", "br", "text/javascript"),
        # one of them is refused
        ("/assets/index-1a2b.js", "br;q=0, *;q=0.5", "gzip", "text/javascript"),
        # none
        ("/assets/index-1a2b.js", "identity", None, "text/javascript"),
        ("/assets/index-1a2b.js", "", None, "text/javascript"),
        ("/assets/index-1a2b.js", "gzip;q=0, br;q=0.0", None, "text/javascript"),
        # a weight that is no number
        ("/assets/index-1a2b.js", "gzip;q=x", None, "text/javascript"),
        # only one encoding was built, or none
        ("/", "gzip, br", "gzip", "text/html"),
        ("/favicon.ico", "gzip, br", "br", "image/svg+xml"),
        ("/assets/font.woff2", "gzip, br", None, "font/woff2"),
    ],
)
def test_encodings(page: TestClient, path: str, takes: str, encoding: str | None, kind: str) -> None:
    for method in ("GET", "HEAD"):
        with page.stream(method, path, headers={"Accept-Encoding": takes}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.status_code == 200
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["content-type"].partition(";")[0] in (kind, kind.replace("text", "application"))
        assert answer.headers["vary"] == "Accept-Encoding"
        if method == "GET":
            assert int(answer.headers["content-length"]) == len(raw)
            assert raw == BROTLI if encoding == "br" else len(raw) > 0
            if path.endswith("js") and encoding != "br":
                assert (gzip.decompress(raw) if encoding else raw) == SCRIPT


def test_each_encoding_has_its_tag_and_is_not_sent_twice(page: TestClient) -> None:
    tags = {}
    for takes in ("br", "gzip", "identity"):
        answer = page.get("/assets/index-1a2b.js", headers={"Accept-Encoding": takes})
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        tags[takes] = answer.headers["etag"]
        for known in (tags[takes], f'"other", W/{tags[takes]}', "*"):
            again = page.get("/assets/index-1a2b.js", headers={"Accept-Encoding": takes, "If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert (again.headers["etag"], again.headers["vary"]) == (tags[takes], "Accept-Encoding")
    assert len({*tags.values()}) == 3
    # The tag of one encoding does not stand for another.
    assert page.get("/assets/index-1a2b.js", headers={"If-None-Match": tags["br"], "Accept-Encoding": "gzip"}).content


def test_a_new_version_of_the_same_size_and_date_is_another_file(page: TestClient, static: Path) -> None:
    answer = page.get("/")
    assert answer.headers["cache-control"] == "no-cache"
    for name, content in {"index.html": INDEX, "index.html.gz": gzip.compress(INDEX)}.items():
        (static / name).write_bytes(content)
        # Another installation, of a build with the same dates.
        os.utime(static / name, (1580601601, 1580601601))
    assert page.get("/").headers["etag"] == answer.headers["etag"], "the same content keeps its tag"
    (static / "index.html.gz").write_bytes(gzip.compress(INDEX.replace(b"unmask", b"masked")))
    os.utime(static / "index.html.gz", (1580601601, 1580601602))
    assert page.get("/", headers={"If-None-Match": answer.headers["etag"]}).status_code == 200


def test_what_an_earlier_build_left_is_not_sent(page: TestClient, static: Path) -> None:
    (static / "assets" / "index-1a2b.js").write_bytes(b"new")
    answer = page.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip, br"})
    assert (answer.content, answer.headers.get("content-encoding")) == (b"new", None)


@pytest.mark.parametrize("path", ["/assets/", "/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/index.html"])
def test_nothing_else_is_sent(page: TestClient, path: str) -> None:
    assert page.get(path).status_code == 404


def test_unknown_encodings_are_left_alone() -> None:
    assert accepted("zstd, deflate") == set()
    assert accepted("zstd;q=1, gzip;q=0.001") == {"gzip"}


def test_the_real_page_is_compressed(client: httpx2.Client) -> None:
    """The built page of this checkout, through all the middleware."""
    if not (pages.STATIC / "index.html.gz").is_file():
        pytest.skip("the page has not been built, which takes Node; see docs/page.md")
    (script,) = (pages.STATIC / "assets").glob("*.js")
    for takes, factor in (("gzip", 3), ("br", 3)):
        with client.stream("GET", f"/assets/{script.name}", headers={"Accept-Encoding": takes}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == takes
        assert len(raw) * factor < script.stat().st_size


# --- the form of /docs --------------------------------------------------------------------------------------


def test_a_request_can_be_tried(server: Server) -> None:
    with open_chromium() as browser:
        page = browser.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: request.url.startswith(server.url) or problems.append(request.url))
        page.goto(f"{server.url}/docs")
        output = page.locator("#try output")
        page.set_input_files("#try-images", [{"name": "a.png", "mimeType": "image/png", "buffer": make_image(255)}])
        page.get_by_role("button", name="Send").click()
        output.get_by_text("fake_probability").wait_for()
        assert output.inner_text().startswith("200 ")
        # Several images at once.
        page.get_by_label("Request").select_option("v1/detect")
        files = [{"name": f"{at}.png", "mimeType": "image/png", "buffer": make_image(at)} for at in (0, 255)]
        page.set_input_files("#try-images", files)
        page.get_by_role("button", name="Send").click()
        output.get_by_text('"results"').wait_for()
        assert output.inner_text().count('"fake_probability"') >= 2
        assert problems == []
