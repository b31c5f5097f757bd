"""The page of many images: totals, filters, order and pages in a browser, and text of others that stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.serve.conftest import check_accessible, open_chromium

from unmask.pages.gallery import PAGE_SIZE, GalleryEntry, render_gallery
from unmask.pages.page import thumbnail_uri

WORDS = {"FAKE": "Fake", "UNCERTAIN": "Uncertain", "NO_FACE": "No face", "REAL": "No sign of manipulation"}
HOSTILE = "</script><img src=x onerror=alert(1)> {{7*7}} \u202e\x1b[2J\udc80.png"
MARK = "The file names Stable Diffusion as its software."


def entry(name: str, verdict: str | None = "REAL", fake: float | None = 0.02, **changes: Any) -> GalleryEntry:
    return GalleryEntry(name, "photos", verdict, fake, **changes)


@pytest.fixture(scope="module")
def entries() -> list[GalleryEntry]:
    """240 images without signs, and one of each other kind at the end."""
    grey = thumbnail_uri(Image.new("RGB", (64, 48), (120, 130, 140)))
    return [
        *(entry(f"img{number}.jpg", thumbnail=grey) for number in range(240)),
        entry("blend.jpg", "FAKE", 0.97, marks=(MARK,), thumbnail=grey, link="blend #1?.aa/report.html"),
        entry("maybe.jpg", "UNCERTAIN", 0.5, thumbnail=grey),
        entry("cup.jpg", "NO_FACE", None, thumbnail=grey),
        entry(HOSTILE, None, None, text="There is no such file."),
    ]


@pytest.fixture(scope="module")
def written(entries: list[GalleryEntry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gallery") / "index.html"
    path.write_text(render_gallery(entries, title="244 images", about=["Detector tiny@1"], words=WORDS))
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Any, written: Path) -> Iterator[Any]:
    """The gallery at 360 px; fails at the end after any complaint of the browser or request for another file."""
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": 360, "height": 740}, bypass_csp=False)
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.on("request", lambda request: complaints.append(request.url) if request.url[:5] != "data:" else None)
    opened.goto(written.as_uri())
    yield opened
    context.close()
    assert complaints == [written.as_uri()]


def shown(page: Any) -> list[str]:
    return [str(name) for name in page.locator("#images h2").all_inner_texts()]


def test_totals_filters_and_order(page: Any) -> None:
    assert [label.strip() for label in page.locator("#controls fieldset label").all_inner_texts()] == [
        "All (244)", "Fake (1)", "Uncertain (1)", "No face (1)", "No sign of manipulation (240)", "Unreadable (1)",
    ]  # fmt: skip
    assert len(shown(page)) == PAGE_SIZE
    page.get_by_label("Order").select_option("Most suspicious first")
    assert shown(page)[:3] == ["blend.jpg", "maybe.jpg", "img0.jpg"]
    page.get_by_label("Order").select_option("By name")
    # The hostile name, blend and cup come first, then img0 to img96: 10 follows 9.
    assert [shown(page)[at] for at in (1, 2, 3, -1)] == ["blend.jpg", "cup.jpg", "img0.jpg", "img96.jpg"]
    page.get_by_label("Only with marks").check()
    assert shown(page) == ["blend.jpg"]
    card = page.locator("#images li")
    assert card.locator("p").all_inner_texts() == ["photos", "Fake · probability of fake 97.0\u00a0%", MARK]
    assert card.get_by_role("link").get_attribute("href") == "blend%20%231%3F.aa/report.html"
    page.get_by_label("Only with marks").uncheck()
    page.get_by_label("No face").check()
    assert shown(page) == ["cup.jpg"]
    assert "%" not in card.inner_text()  # no probability without a face
    page.get_by_label("All").check()
    page.get_by_label("Name contains").fill("IMG23")
    assert shown(page) == ["img23.jpg", *(f"img23{digit}.jpg" for digit in range(10))]
    assert page.get_by_role("status").inner_text() == "11 of 244 images"


def test_pages_are_turned(page: Any) -> None:
    place, following = page.locator("#place"), page.get_by_role("button", name="Next")
    assert place.inner_text() == "1 to 100 of 244"
    following.click()
    following.click()
    assert (place.inner_text(), following.is_disabled(), len(shown(page))) == ("201 to 244 of 244", True, 44)
    page.get_by_role("button", name="Previous").click()
    assert shown(page)[0] == "img100.jpg"


def test_text_of_others_stays_text(page: Any, written: Path) -> None:
    page.get_by_label("Unreadable").check()
    assert shown(page) == ["</script><img src=x onerror=alert(1)> {{7*7}} \\u202e\\x1b[2J\\udc80.png"]
    assert page.locator("#images img").count() == 0
    text = written.read_text()
    assert text.count("<script") == text.count("</script") == 2
    assert "<img src=x" not in text
    assert not re.search("[\u202e\x1b]", text)


def test_it_is_accessible_and_fits(page: Any) -> None:
    page.get_by_label("Order").select_option("Most suspicious first")
    check_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_same_input_gives_the_same_page_and_no_script_is_no_loss(
    entries: list[GalleryEntry], written: Path, chromium: Any
) -> None:
    again = render_gallery(iter(entries), title="244 images", about=["Detector tiny@1"], words=WORDS)
    assert again == written.read_text()
    context = chromium.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(written.as_uri())
    assert opened.locator("noscript li").count() == len(entries)
    assert "maybe.jpg: Uncertain, probability of fake 50.0 %" in opened.locator("noscript").inner_text()
    context.close()
