"""What people do on the page, for its tests."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from tests.serve.conftest import Server

expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=20_000)


def add(page: Any, images: dict[str, bytes]) -> None:
    """Choose files as a user does, and wait until all are done or failed."""
    before = page.locator(".queue li").count()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose images").click()
    chooser.value.set_files([{"name": name, "mimeType": "image/jpeg", "buffer": data} for name, data in images.items()])
    settled(page, before + len(images))


def settled(page: Any, count: int) -> None:
    expect(page.locator(".queue .badge, .queue .failed")).to_have_count(count, timeout=30_000)


def entry(page: Any, name: str) -> Any:
    return page.locator(".entry", has_text=name)


def open_view(page: Any, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).click()


def checked_map(page: Any, *, reliable: bool) -> None:
    """Let the service's check of the evidence map come out in one way, whatever the detector."""

    def answer(route: Any) -> None:
        response = route.fetch()
        content = response.json()
        content["evidence"]["reliable"] = reliable
        route.fulfill(response=response, json=content)

    page.route("**/v1/explain*", answer)


def share(probability: float) -> str:
    """A probability as the page shows it."""
    return f"{100 * probability:.1f}\u00a0%"


def sound(page: Any, state: str) -> None:
    """Check that axe finds no fault, and that nothing is wider than the window."""
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    faults = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found]
    assert faults == [], state
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), state


def asked(server: Server, path: str) -> Any:
    with urllib.request.urlopen(server.url + path) as answer:
        return json.load(answer)
