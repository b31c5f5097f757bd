"""The page in a real browser, on a real service with the shipped detector."""

from __future__ import annotations

import base64
import csv
import io
import re
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.serve.conftest import Open, Server, Start
from tests.serve.page_steps import add, asked, checked_map, entry, expect, open_view, settled, share, sound

from unmask.serve.access import new_token


def test_real_and_manipulated_portraits_get_their_verdicts(
    visit: Open, desk: Server, portraits: dict[str, bytes]
) -> None:
    page = visit(desk)
    add(page, {name: portraits[name] for name in ("manipulated.jpg", "real.jpg")})
    items = asked(desk, "/v1/history?limit=2")["items"]
    shares = {item["filename"]: share(item["fake_probability"]) for item in items}
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text("Fake")
    expect(verdict).to_contain_text("about 5 of 100 real images are called fake")
    expect(verdict.get_by_role("img", name=f"Probability of fake: {shares['manipulated.jpg']}")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text(
        f"manipulated.jpg: Fake, {shares['manipulated.jpg']} probability of fake"
    )
    words = f"real.jpg: No sign of manipulation, {shares['real.jpg']} probability of fake"
    expect(page.get_by_role("log")).to_contain_text(words)
    entry(page, "real.jpg").click()
    expect(verdict).to_contain_text("No sign of manipulation")
    expect(verdict).to_contain_text("That is not a proof that the image is real.")
    expect(page.get_by_role("heading", name="real.jpg")).to_be_focused()
    expect(page.get_by_role("table")).to_contain_text(shares["real.jpg"])


def test_evidence_is_drawn_in_place_and_fades(visit: Open, desk: Server, portraits: dict[str, bytes]) -> None:
    page = visit(desk)
    checked_map(page, reliable=True)
    with page.expect_response(re.compile("/v1/detect")) as answer:
        add(page, {"real.jpg": portraits["real.jpg"]})
    judged = answer.value.json()["results"][0]
    image = page.get_by_role("img", name="The image real.jpg")
    # In colour once the map has passed its check.
    expect(page.get_by_text("evidence for real")).to_be_visible()
    for drawn, box in (
        (page.locator(".overlay image"), judged["evidence"][0]["box"]),
        (page.locator(".face rect").first, judged["faces"][0]["box"]),
    ):
        assert _in_pixels(drawn.bounding_box(), image.bounding_box(), 512) == pytest.approx(box, abs=5)
    page.get_by_label("Face frames").uncheck()
    expect(page.locator(".face, .face-tag")).to_have_count(0)
    frame, slider = page.locator(".frame"), page.get_by_label("Evidence")
    slider.fill("100")
    full = _pixels(frame)
    slider.fill("50")
    half = _pixels(frame)
    slider.fill("0")
    none = _pixels(frame)
    assert slider.get_attribute("aria-valuetext") == "0\u00a0% opaque"
    assert np.abs(full - none).max() > 30
    # Half the opacity is half the change, to the rounding of colours.
    assert np.abs((half - none) - (full - none) / 2).max() <= 3


def test_evidence_that_fails_its_check_is_grey(visit: Open, desk: Server, portraits: dict[str, bytes]) -> None:
    page = visit(desk)
    checked_map(page, reliable=False)
    with page.expect_response(re.compile("/v1/explain")) as answer:
        add(page, {"manipulated.jpg": portraits["manipulated.jpg"]})
        expect(page.get_by_text("This map has not been checked.")).to_be_visible()
    told = answer.value.json()
    expect(page.get_by_text("This map did not pass its check")).to_be_visible()
    expect(page.get_by_text("evidence for fake")).to_have_count(0)
    expect(page.locator(".overlay image")).to_have_css("filter", "grayscale(1)")
    reasons = page.locator(".verdict .prose li")
    expect(reasons).to_have_text([reason["text"] for reason in told["reasons"]])


def _in_pixels(box: dict[str, float], image: dict[str, float], side: int) -> list[float]:
    scale = side / image["width"]
    left, top = (box["x"] - image["x"]) * scale, (box["y"] - image["y"]) * scale
    return [left, top, left + box["width"] * scale, top + box["height"] * scale]


def _pixels(element: Any) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(np.int16)


def test_feedback_is_stored_found_exported_and_deleted(visit: Open, desk: Server, portraits: dict[str, bytes]) -> None:
    page = visit(desk)
    add(page, {"portrait.jpg": portraits["real.jpg"], "another.jpg": portraits["manipulated.jpg"]})
    page.get_by_role("radio", name="Right").check()
    page.get_by_label("Note").fill("Seen at the archive")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Your feedback was saved.").first).to_be_visible()
    entry(page, "another.jpg").click()
    entry(page, "portrait.jpg").click()
    expect(page.get_by_label("Note")).to_have_value("Seen at the archive")

    open_view(page, "History")
    expect(page.get_by_role("heading", level=1, name="History")).to_be_focused()
    page.get_by_label("Search").fill("archive")
    records = page.locator(".records li")
    expect(records).to_have_count(1)
    expect(records).to_contain_text("portrait.jpg")
    expect(records).to_contain_text("Right Seen at the archive")
    page.get_by_label("Search").fill("")
    page.get_by_label("Verdict").select_option("Fake")
    expect(records.filter(has_text="portrait.jpg")).to_have_count(0)
    page.get_by_label("Verdict").select_option("Any")
    expect(records.first.locator(".thumb img")).to_be_visible()
    page.get_by_label("Feedback").select_option("Right")
    expect(records.filter(has_text="another.jpg")).to_have_count(0)

    with page.expect_download() as download:
        page.get_by_role("button", name="Manifest (CSV)").click()
    with Path(download.value.path()).open(newline="") as file:
        assert "real" in {row["label"] for row in csv.DictReader(file)}

    records.get_by_role("link", name="portrait.jpg").click()
    expect(page.locator(".record .verdict")).to_contain_text("No sign of manipulation")
    expect(page.get_by_role("img", name="The image portrait.jpg")).to_be_visible()
    expect(page.locator(".record .overlay image")).to_have_count(1)
    expect(page.locator(".record").get_by_role("radio", name="Right")).to_be_checked()
    page.get_by_role("button", name="Delete this record").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1, name="History")).to_be_focused()
    expect(records.filter(has_text="another.jpg")).not_to_have_count(0)
    expect(records.filter(has_text="portrait.jpg")).to_have_count(0)
    assert asked(desk, "/v1/history?query=portrait")["items"] == []


def test_a_long_history_comes_in_pages(visit: Open, start: Start, portraits: dict[str, bytes]) -> None:
    with start("--rate", "0", model=None) as server:
        with server.client() as client:
            for _ in range(7):
                files = [("images", (f"{number}.jpg", portraits["real.jpg"])) for number in range(8)]
                assert client.post("/v1/detect", files=files).status_code == 200
        page = visit(server)
        open_view(page, "History")
        records = page.locator(".records li")
        expect(records).to_have_count(50)
        expect(page.get_by_text("First 50 records").first).to_be_visible()
        page.get_by_role("button", name="Show more").click()
        expect(records).to_have_count(56)
        expect(page.get_by_role("button", name="Show more")).to_have_count(0)
        # This service keeps no images: the evidence of a record is drawn in an empty frame.
        records.first.get_by_role("link").click()
        expect(page.get_by_text("The image was not kept.", exact=True)).to_be_visible()
        expect(page.locator(".blank")).to_be_visible()
        sound(page, "record without its image")
        expect(page.locator(".overlay image")).to_have_count(1)


def test_the_explanation_has_words_views_and_marks(visit: Open, desk: Server, astronaut: Image.Image) -> None:
    page = visit(desk)
    marked = io.BytesIO()
    notes = PngInfo()
    notes.add_text("parameters", "a portrait, Steps: 20, Sampler: Euler a, Model: Stable Diffusion")
    astronaut.save(marked, "PNG", pnginfo=notes)
    add(page, {"marked.png": marked.getvalue()})
    with page.expect_response(re.compile("/v1/explain")) as answer:
        page.get_by_role("tab", name="In words").click()
    told = answer.value.json()
    panel = page.get_by_role("tabpanel")
    expect(panel.locator(".words p")).to_have_text([sentence["text"] for sentence in told["sentences"]])
    expect(page.get_by_role("log")).to_contain_text("The explanation is ready.")

    page.get_by_role("tab", name="Forensic views").click()
    views = told["forensics"]
    assert len(views) >= 8
    expect(panel.get_by_role("heading", level=3)).to_have_text([view["title"] for view in views])
    drawn = panel.locator(".view-image img")
    expect(drawn).to_have_count(sum(view["picture"] is not None for view in views))
    assert drawn.evaluate_all("images => images.every((image) => image.naturalWidth > 0)")
    measured = [figure for view in views for figure in view["figures"] if figure["value"] is not None]
    expect(panel.locator(".range")).to_have_count(len(measured))
    expect(panel.locator(".range-track")).to_have_count(sum(figure["low"] is not None for figure in measured))
    panel.get_by_role("button", name=f"Enlarge: {views[0]['title']}").click()
    expect(page.get_by_role("dialog", name=views[0]["title"]).get_by_role("img")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_role("tab", name="Origin").click()
    for tag in told["verdict"]["provenance"]["generator_tags"]:
        expect(panel).to_contain_text(tag)
    expect(panel).to_contain_text("Steps: 20, Sampler: Euler a")
    expect(panel).to_contain_text(told["credentials"]["note"])


def test_problems_are_described_in_words(visit: Open, desk: Server, portraits: dict[str, bytes]) -> None:
    page = visit(desk)
    add(page, {"broken.jpg": portraits["broken.jpg"], "letter.jpg": b"Dear all"})
    expect(page.locator(".problem")).to_contain_text("The file ends too early")
    expect(page.get_by_role("log")).to_contain_text("broken.jpg: The file ends too early")
    entry(page, "letter.jpg").click()
    expect(page.locator(".problem")).to_contain_text("This is not an image that unmask reads.")
    page.goto(f"{desk.url}/#/history/00000000-0000-4000-8000-000000000000")
    expect(page.locator(".record .problem")).to_contain_text("Not found. It may have been deleted.")


def test_an_unreachable_service_is_reported(visit: Open, start: Start, portraits: dict[str, bytes]) -> None:
    with start("--no-store", model=None) as server:
        page = visit(server)
        expect(page.get_by_text("which keeps neither them nor the verdict")).to_be_visible()
        server.stop()
        add(page, {"real.jpg": portraits["real.jpg"]})
        expect(page.locator(".problem")).to_contain_text("The service does not respond.")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        sound(page, "unreachable")


def test_uploads_to_a_busy_service_are_retried(visit: Open, start: Start, portraits: dict[str, bytes]) -> None:
    statuses: list[int] = []
    with start("--rate", "0.3", "--burst", "10", model=None) as server:
        page = visit(server)
        page.on("response", lambda answer: statuses.append(answer.status))
        with pytest.raises(urllib.error.HTTPError, match="429"):
            for _ in range(12):
                asked(server, "/v1/model")
        add(page, {name: portraits[name] for name in ("real.jpg", "manipulated.jpg")})
        expect(page.locator(".queue .badge")).to_have_count(2)
    assert statuses.count(429) > 0


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_images_can_be_pasted_and_dropped(visit: Open, desk: Server, portraits: dict[str, bytes], way: str) -> None:
    page = visit(desk)
    page.evaluate(
        """([way, data]) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], "carried.jpg", { type: "image/jpeg" }));
            document.body.dispatchEvent(
                way === "paste"
                    ? new ClipboardEvent("paste", { clipboardData: carried, bubbles: true })
                    : new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }),
            );
        }""",
        [way, base64.b64encode(portraits["real.jpg"]).decode()],
    )
    settled(page, 1)
    expect(page.locator(".verdict")).to_contain_text("No sign of manipulation")


def test_a_phone_may_use_its_camera(visit: Open, desk: Server) -> None:
    page = visit(desk, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photo").click()
    assert chooser.value.element.get_attribute("capture") == "environment"


def test_a_token_is_asked_for_and_forgotten_with_the_tab(
    visit: Open, start: Start, portraits: dict[str, bytes]
) -> None:
    token, digest = new_token()
    with start("--token-hashes", digest, model=None) as server:
        page = visit(server)
        dialog = page.get_by_role("dialog", name="This service needs a token")
        dialog.get_by_label("Token").fill("not this one")
        dialog.get_by_role("button", name="Use this token").click()
        expect(dialog.get_by_role("alert")).to_have_text("This token was not accepted.")
        sound(page, "token")
        dialog.get_by_role("button", name="Not now").click()
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose images").click()
        chooser.value.set_files([{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": portraits["real.jpg"]}])
        dialog.get_by_label("Token").fill(token)
        dialog.get_by_role("button", name="Use this token").click()
        # The refused image is retried without a click.
        expect(page.locator(".verdict")).to_contain_text("No sign of manipulation")
        stores = page.evaluate("[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie]")
        assert [token in store for store in stores] == [True, False, False]
        page.get_by_role("button", name="Forget the token").click()
        expect(dialog).to_be_visible()
        assert token not in page.evaluate("JSON.stringify(sessionStorage)")


def test_everything_is_reached_by_keyboard(visit: Open, desk: Server, portraits: dict[str, bytes]) -> None:
    page = visit(desk)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose images")).to_be_focused()
    add(page, {"one.jpg": portraits["real.jpg"], "two.jpg": portraits["real.jpg"]})
    tab = page.get_by_role("tab", name="Summary")
    tab.focus()
    page.keyboard.press("ArrowLeft")
    origin = page.get_by_role("tab", name="Origin")
    expect(origin).to_be_focused()
    expect(origin).to_have_attribute("aria-selected", "false")
    page.keyboard.press("Enter")
    expect(origin).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Remove one.jpg").press("Enter")
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_focused()
    expect(page.get_by_role("heading", name="two.jpg")).to_be_visible()


def test_the_theme_follows_preference_until_it_is_switched(visit: Open, desk: Server) -> None:
    dark, light = "rgb(22, 20, 15)", "rgb(246, 242, 233)"
    page = visit(desk, color_scheme="light")
    root = page.locator("html")
    expect(root).to_have_css("background-color", light)
    page.emulate_media(color_scheme="dark")
    expect(root).to_have_css("background-color", dark)
    page.get_by_role("button", name="Light theme").click()
    expect(root).to_have_css("background-color", light)
    page.reload()
    expect(root).to_have_css("background-color", light)


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_view_is_accessible_and_fits(
    visit: Open, desk: Server, portraits: dict[str, bytes], theme: str, width: int
) -> None:
    page = visit(desk, color_scheme=theme, viewport={"width": width, "height": 800})
    sound(page, "empty")
    add(page, portraits)
    for name in portraits:
        entry(page, name).click()
        sound(page, name)
    entry(page, "manipulated.jpg").click()
    page.get_by_role("radio", name="Wrong").check()
    for tab in ("In words", "Forensic views", "Origin"):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(".busy")).to_have_count(0)
        sound(page, tab)
    open_view(page, "History")
    expect(page.locator(".records li").first).to_be_visible()
    sound(page, "history")
    page.locator(".records a").first.click()
    expect(page.locator(".record .verdict")).to_be_visible()
    sound(page, "record")
    page.get_by_role("button", name="Delete this record").click()
    sound(page, "dialog")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    open_view(page, "The detector")
    expect(page.get_by_role("table").first).to_be_visible()
    sound(page, "detector")
