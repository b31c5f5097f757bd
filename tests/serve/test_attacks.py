"""Attacks by web pages, in a real browser: another site's page against a service on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.serve.conftest import Server, Start, make_image, open_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # The attacker's names: one of its own, and one that it points at the victim's machine (DNS rebinding).
    with open_chromium("--host-resolver-rules=MAP attacker.test 127.0.0.1, MAP rebound.test 127.0.0.1") as opened:
        yield opened


@pytest.fixture(scope="module")
def victim(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start("--store", str(tmp_path_factory.mktemp("victim")), "--keep-images", "--rate", "0") as running:
        yield running


@pytest.fixture
def attacker() -> Iterator[Any]:
    """A site whose one page is whatever ``page`` holds."""

    class Site(BaseHTTPRequestHandler):
        page = b""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(type(self).page)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def visit(browser: Any, attacker: Any, html: str) -> Any:
    """The attacker's page, opened by the victim."""
    attacker.RequestHandlerClass.page = html.encode()
    page = browser.new_context().new_page()
    page.goto(f"http://attacker.test:{attacker.server_port}/")
    return page


def records(victim: Server) -> list[dict[str, Any]]:
    with victim.client() as client:
        return list(client.get("/v1/history").json()["items"])


@pytest.mark.parametrize(
    "script",
    [
        # requests that need no preflight
        "fetch(V + '/predict', {method: 'POST', mode: 'no-cors', body: form()})",
        "fetch(V + '/predict', {method: 'POST', mode: 'no-cors', credentials: 'include', body: form()})",
        "navigator.sendBeacon(V + '/predict', form())",
        "fetch(FEEDBACK, {method: 'POST', mode: 'no-cors', body: WRONG})",
        # and some that do
        "fetch(V + '/v1/history/' + ID, {method: 'DELETE'})",
        "fetch(FEEDBACK, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: WRONG})",
    ],
)
def test_other_sites_cannot_write(browser: Any, attacker: Any, victim: Server, script: str) -> None:
    with victim.client() as client:
        client.post("/predict", files={"image": ("a.png", make_image())})
    before = records(victim)
    png = list(make_image(50))
    page = visit(
        browser,
        attacker,
        f"""<script>
        const V = "{victim.url}", ID = "{before[0]["id"]}";
        const FEEDBACK = V + "/v1/history/" + ID + "/feedback", WRONG = JSON.stringify({{verdict: "wrong", note: ""}});
        function form() {{
          const made = new FormData();
          made.append("image", new Blob([new Uint8Array({png})], {{type: "image/png"}}), "evil.png");
          return made;
        }}
        window.done = Promise.resolve({script}).then(() => "sent", (error) => "refused");
        </script>""",
    )
    page.evaluate("window.done")
    page.wait_for_timeout(200)
    assert records(victim) == before
    page.context.close()


def test_a_form_of_another_site_is_refused(browser: Any, attacker: Any, victim: Server) -> None:
    before = records(victim)
    page = visit(
        browser,
        attacker,
        f"""<form id=f method=post enctype=multipart/form-data action="{victim.url}/predict">
        <input name=image value=text></form>""",
    )
    with page.expect_navigation() as answered:
        page.evaluate("document.getElementById('f').submit()")
    assert answered.value.status == 403
    assert answered.value.json()["code"] == "cross_origin"
    assert records(victim) == before
    page.context.close()


@pytest.mark.parametrize("path", ["/v1/history", "/v1/model", "/health", "/metrics"])
def test_other_sites_cannot_read(browser: Any, attacker: Any, victim: Server, path: str) -> None:
    page = visit(browser, attacker, "")
    found = page.evaluate(f"fetch('{victim.url}{path}').then((a) => a.text(), (error) => 'refused')")
    assert found == "refused"
    page.context.close()


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_other_sites_cannot_frame_the_page(browser: Any, attacker: Any, victim: Server, path: str) -> None:
    page = visit(browser, attacker, f'<iframe src="{victim.url}{path}"></iframe>')
    page.wait_for_timeout(500)
    (framed,) = page.main_frame.child_frames
    assert not framed.url.startswith(victim.url)
    assert framed.locator("body").inner_text().find("unmask") < 0
    page.context.close()


def test_a_name_that_is_pointed_at_this_machine_is_refused(browser: Any, victim: Server) -> None:
    """DNS rebinding: for the browser the service then belongs to the attacker's origin."""
    page = browser.new_context().new_page()
    port = urlsplit(victim.url).port
    answer = page.goto(f"http://rebound.test:{port}/")
    assert answer.status == 421
    assert answer.json()["code"] == "wrong_host"
    found = page.evaluate("fetch('/v1/history').then((a) => a.status)")
    assert found == 421
    page.context.close()
