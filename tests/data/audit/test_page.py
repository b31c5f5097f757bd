"""The HTML page: it needs nothing from outside and takes nothing from the manifest as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from unmask.data.audit.page import render_page, write_report
from unmask.data.audit.run import Audit, audit

MakeSet = Callable[..., Any]
HOSTILE = "<img src=x onerror=alert(1)> & \"quoted\" '{{7*7}}' https://evil.example"


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def hostile(make_set: MakeSet) -> Audit:
    made = make_set(24)
    name = "<script>alert(1)</script>.jpg"
    (made.folder / made.rows[0].path).rename(made.folder / "x.jpg")
    (made.folder / "<script>alert(1)<").mkdir()
    (made.folder / "x.jpg").rename(made.folder / name)
    made.change(0, path=name, source=HOSTILE, kind=HOSTILE, generator=HOSTILE, split="train")
    made.add(made.images[0].resize((90, 90)), made.rows[0].label, "x", HOSTILE)
    return audit(made.manifest, probes=False)


def test_texts_from_the_manifest_are_escaped(hostile: Audit) -> None:
    tags = Tags(render_page(hostile)).tags
    assert not [tag for tag, _ in tags if tag in ("script", "iframe", "object", "link", "base", "form")]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "49" not in re.findall(r"'(\d+)'", render_page(hostile))


def test_nothing_is_loaded_from_elsewhere(hostile: Audit) -> None:
    html = render_page(hostile)
    sources = [
        value
        for _, attributes in Tags(html).tags
        for key, value in attributes.items()
        if key in ("src", "href", "data")
    ]
    assert sources and all(value and value.startswith("data:image/jpeg;base64,") for value in sources)
    assert "default-src 'none'" in unescape(html) and "url(" not in html and "@import" not in html
    # The only address in the page is the text that the manifest brought.
    assert set(re.findall(r"https?://[^\s<&]+", html)) == {"https://evil.example"}


def test_pairs_are_shown_unless_not_wanted(hostile: Audit) -> None:
    assert render_page(hostile).count("<img") == 2
    assert "<img" not in render_page(hostile, thumbnails=False)


def test_the_page_is_written_whole_beside_its_json(hostile: Audit, tmp_path: Path) -> None:
    write_report(hostile, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("audit*")) == ["audit.html", "audit.json"]
    assert not list(tmp_path.glob(".*.partial"))
    assert json.loads((tmp_path / "audit.json").read_text())["findings"]
    html = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "near-duplicate-across-splits" in html and html.count("<svg") >= 5
    assert "prefers-color-scheme: dark" in html


def test_a_vanished_image_leaves_a_gap(hostile: Audit) -> None:
    (hostile.images.root / hostile.images.path[-1]).unlink()
    assert render_page(hostile).count("<img") == 1


def test_a_clean_set_says_so(make_set: MakeSet) -> None:
    assert "No findings." in render_page(audit(make_set(40).manifest, probes=False))
