"""The report: what it cites, that its commands give the same verdict, and how it behaves in a browser and on paper."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.explain.test_explainer import Page
from tests.serve.conftest import check_accessible, open_chromium
from typer.testing import CliRunner

from unmask.cli import app
from unmask.detect.detector import load
from unmask.detect.verdict import RegionVerdict
from unmask.errors import UsageError
from unmask.explain.citation import report_time
from unmask.explain.explainer import Explainer, Explanation
from unmask.explain.page import render_html
from unmask.imaging.faces import Face
from unmask.imaging.provenance import read_provenance
from unmask.version import __version__

TIME = datetime(2026, 11, 28, 13, 5, 9, tzinfo=timezone(timedelta(hours=1)))
# Width and height in CSS pixels of what the report's margins leave of a sheet: 96 per 25.4 mm.
SHEETS = {"A4": (703, 1039), "Letter": (725, 972)}
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)> {{7*7}}"


@pytest.fixture(scope="module")
def portrait(astronaut: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "a portrait.jpg"
    astronaut.save(path, quality=90)
    return path


@pytest.fixture(scope="module")
def explained(tiny_bundle: Path, portrait: Path) -> Explanation:
    """One face; the tiny detector is uncertain of it."""
    return Explainer(load(tiny_bundle)).explain(str(portrait))


@pytest.fixture(scope="module")
def faceless(tiny_bundle: Path) -> Explanation:
    return Explainer(load(tiny_bundle)).explain(Image.new("RGB", (300, 200), (200, 200, 200)), forensics=False)


@pytest.fixture(scope="module")
def crowded(explained: Explanation) -> Explanation:
    """As much as a report can hold: sixteen faces, every kind of mark, notes, and long texts in the file."""
    text = PngInfo()
    for key in ("parameters", "workflow", "invokeai_metadata", "generation_data"):
        text.add_text(key, "steps")
    text.add_text("Software", "Midjourney, Adobe Firefly, DALL-E 3")
    text.add_itxt(
        "XML:com.adobe.xmp", "<x DigitalSourceType='trainedAlgorithmicMedia' CreatorTool='Stable Diffusion'/>"
    )
    saved = io_bytes(Image.new("RGB", (8, 8)), text)
    decided = explained.verdict.regions[0]
    regions = tuple(
        RegionVerdict(
            Face((x, y, x + 90.0, y + 90.0), 0.9, ()), (x, y, x + 90.0, y + 90.0), 0.01 * number, decided.evidence, None
        )
        for number, (x, y) in enumerate((float(x), float(y)) for y in (5, 130, 260, 390) for x in (10, 130, 260, 400))
    )
    assert explained.metadata is not None
    return replace(
        explained,
        verdict=replace(
            explained.verdict,
            path="photos/" + "long name " * 24 + ".jpg",
            regions=regions,
            provenance=read_provenance(saved),
            notes=("The EXIF block is damaged and was left out.",) * 4,
        ),
        deciding=15,
        metadata=replace(
            explained.metadata,
            texts={f"Comment {number}": "word " * 50 for number in range(32)},
            iptc={f"field {number}": "word " * 50 for number in range(12)},
        ),
    )


def io_bytes(image: Image.Image, text: PngInfo) -> bytes:
    import io

    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=text)
    return out.getvalue()


def words(page: str) -> str:
    """The text of a page without its markup and styles, white space collapsed."""
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("&#34;", '"').replace("&#39;", "'").split())


def test_it_cites_file_time_and_detector(explained: Explanation, portrait: Path, tiny_bundle: Path) -> None:
    shown = words(render_html(explained, TIME))
    data = portrait.read_bytes()
    for part in (
        f"SHA-256 {hashlib.sha256(data).hexdigest()}",
        f"{len(data):,} bytes, 512 × 512 pixels, JPEG",
        f"2026-11-28 12:05:09 UTC, unmask {__version__}",
        f"tiny@1, bundle {hashlib.sha256((tiny_bundle / 'SHA256SUMS').read_bytes()).hexdigest()}",
        f"{100 * (explained.verdict.fake_probability or 0):.1f} % probability of fake",
        "Hatched: uncertain, 40.0 % to 60.0 %. Dashed: threshold for fake, 50.0 %",
        "about 5 reach the threshold for fake",  # of 100 real images: fpr_5 of the tiny bundle
        "A verdict is a lead to follow up, not proof.",
    ):
        assert part in shown, part
    assert explained.verdict.verdict == "UNCERTAIN" and "Uncertain 55.1 % probability of fake" in shown
    assert 1 <= len(explained.reasons) <= 3
    assert all(sentence.text in shown for sentence in (*explained.reasons, *explained.sentences))


def test_its_commands_give_the_same_verdict(
    portrait: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied from the page and run beside the image and the bundle, with a threshold that is not the bundle's own."""
    found = Explainer(load(tiny_bundle, 0.123)).explain(str(portrait), forensics=False, faithfulness=False)
    page = render_html(found, TIME)
    commands = [words(code) for code in re.findall(r"<li><code>(.*?)</code>", page)]
    assert commands[0] == "unmask --version"
    assert f"unmask --version prints unmask {__version__}; its package lacks the bundle" in words(page)
    shutil.copytree(tiny_bundle, tmp_path / "tiny")
    shutil.copy(portrait, tmp_path)
    monkeypatch.chdir(tmp_path)
    printed = []
    for command in commands[1:]:
        program, *arguments = shlex.split(command)
        assert program == "unmask"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        printed.append(json.loads(result.stdout))
    bundle, verdict = printed
    assert bundle["sha256"] == found.verdict.bundle_sha256
    assert {**verdict, "ms": ANY, "path": ANY} == {**found.verdict.to_json(), "ms": ANY, "path": ANY}
    shown = words(page)
    assert f"prints sha256 {bundle['sha256']}" in shown
    assert f"prints sha256 {verdict['sha256']} and fake_probability {verdict['fake_probability']}" in shown


def test_the_same_input_and_time_give_the_same_bytes(explained: Explanation, monkeypatch: pytest.MonkeyPatch) -> None:
    page = render_html(explained, TIME)
    assert render_html(explained, TIME.astimezone(UTC)) == page
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(TIME.timestamp())))
    assert render_html(explained) == page
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        render_html(explained)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert abs(report_time() - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_time_of_indexes_and_galleries_is_set_too(
    portrait: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(TIME.timestamp())))
    common = [str(portrait), str(portrait), "--model", str(tiny_bundle)]
    quick = ["--no-forensics", "--check", "none"]
    for number in ("1", "2"):
        for command in (["detect", *common, "--html"], ["explain", *common, *quick, "--out"]):
            result = CliRunner().invoke(app, [*command, str(tmp_path / command[0] / number)])
            assert result.exit_code == 0, result.output
    for folder in (tmp_path / "detect", tmp_path / "explain"):
        page = (folder / "1" / "index.html").read_text()
        assert "2026-11-28 12:05:09 UTC" in page and page == (folder / "2" / "index.html").read_text()


def test_no_face_has_no_probability_and_no_evidence(faceless: Explanation) -> None:
    page = render_html(faceless, TIME)
    shown = words(page)
    assert faceless.verdict.verdict == "NO_FACE" and faceless.verdict.fake_probability is not None
    assert "probability of fake" not in shown
    assert f"{100 * faceless.verdict.fake_probability:.1f} %" not in shown
    assert "No face was found, so no evidence is shown" in shown
    assert "from memory" in shown and "To verify" not in shown
    assert len(Page(page).all("img")) == 1


def test_marks_and_faces_are_told(crowded: Explanation) -> None:
    page = render_html(crowded, TIME)
    shown = words(page)
    assert {mark.kind for mark in crowded.verdict.marks} >= {"generator", "settings", "source_type"}
    assert "The file says how it was made" in shown
    assert f"Notes {' '.join(crowded.verdict.notes)} Report" in shown
    assert all(mark.text in shown for mark in crowded.verdict.marks)
    numbers = re.findall(r'<text [^>]*text-anchor="middle">(\d+)</text></g>', page)
    assert numbers == [str(number) for number in range(16, 0, -1)]  # the largest on top
    assert re.findall(r'<li class="decides"><b>(\d+)</b> ([\d.]+ %), decides', page) == [("16", "15.0 %")]
    assert page.count('<g class="decides">') == 1


def test_the_kind_of_fake_is_told(explained: Explanation) -> None:
    kinds = {"generated": 0.91, "manipulated": 0.2}
    shown = words(
        render_html(replace(explained, verdict=replace(explained.verdict, verdict="FAKE", kinds=kinds)), TIME)
    )
    assert "probability of fake Probably wholly generated." in shown
    assert "Probability by question: generated 91.0 %, manipulated 20.0 %." in shown


@pytest.mark.parametrize("where", ["name", "texts"])
def test_texts_of_others_are_no_markup(tiny_bundle: Path, where: str) -> None:
    texts = PngInfo()
    if where == "texts":
        texts.add_text("Software", HOSTILE)
        texts.add_text(HOSTILE[:70], HOSTILE)
    data = io_bytes(Image.new("RGB", (64, 64), (90, 90, 90)), texts)
    found = Explainer(load(tiny_bundle)).explain(data, forensics=False)
    text = render_html(found, TIME, name=HOSTILE if where == "name" else None)
    page = Page(text)
    assert len(page.all("script")) == len(page.all("title")) == 1  # the page's own
    assert "&lt;script&gt;" in text and "{{7*7}}" in text and ">49<" not in text
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")}


def test_the_page_needs_nothing_else(explained: Explanation) -> None:
    text = render_html(explained, TIME)
    page = Page(text)
    assert not page.all("link")
    links = {str(link["href"]): link for link in page.all("a")}
    assert len(links) == 5 and all(address.startswith("https://") for address in links)
    for link in links.values():  # they open on a click only, and tell nobody where from
        assert (link["rel"], link["target"]) == ("noreferrer noopener", "_blank")
    rest = text.replace("http://www.w3.org/2000/svg", "")
    for address in links:
        rest = rest.replace(f'"{address}"', "")
    assert "http://" not in rest and "https://" not in rest
    assert "default-src &#39;none&#39;" in text
    images = page.all("img")
    assert len(images) >= 4 + sum(view.image is not None for view in explained.views or ())
    assert all((image["src"] or "").startswith("data:image/") and image["alt"] for image in images)
    assert "prefers-color-scheme: dark" in text


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=["explained", "crowded", "faceless"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reports") / "report.html"
    path.write_text(render_html(request.getfixturevalue(request.param), TIME))
    return path


@pytest.fixture
def visit(chromium: Any, written: Path) -> Iterator[Callable[..., Any]]:
    """Opens the report; fails at the end after any complaint of the browser or any request."""
    contexts, complaints = [], []

    def opened(**options: Any) -> Any:
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if request.url[:5] != "data:" else None)
        page.goto(written.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == [written.as_uri()] * len(contexts)


def test_it_prints_on_two_pages(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 1280, "height": 900})
    for sheet in SHEETS:
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=sheet))) == 2, sheet
    page.emulate_media(media="print")
    for width, height in SHEETS.values():
        page.set_viewport_size({"width": width, "height": height})
        assert page.locator(".first").bounding_box()["height"] <= height
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not page.get_by_role("button", name="Save as PDF").is_visible()


def test_it_is_accessible_and_fits(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)


@pytest.mark.parametrize("written", ["explained"], indirect=True)
def test_one_screen_first_images_enlarge_and_pdf_is_the_browsers(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 1280, "height": 900})
    first = page.locator(".first").bounding_box()
    assert first["y"] + first["height"] <= 900
    # By keyboard alone; the numbered boxes are enlarged too.
    image, dialog = page.locator(".subject .zoom"), page.get_by_role("dialog")
    image.focus()
    page.keyboard.press("Enter")
    large = dialog.locator("img").bounding_box()
    assert (large["width"], large["height"]) == (512, 512)
    box = np.array([dialog.locator("rect.box").bounding_box()[edge] for edge in ("x", "width")])
    assert box[0] - large["x"] == pytest.approx(173, abs=3) and box[1] == pytest.approx(107, abs=4)
    dialog.get_by_role("button", name="200 %").press("Enter")
    assert dialog.locator("img").bounding_box()["width"] == 1024
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.evaluate("window.print = () => (document.title = 'printed')")
    page.get_by_role("button", name="Save as PDF").click()
    assert page.title() == "printed"
