"""Work with many images on the page: kept over a reload, counted, filtered, sorted, by keys, and saved as files."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.serve.conftest import Open, Server, wait_until
from tests.serve.page_steps import add, asked, entry, expect, sound

from unmask.cli.output import CsvOutput

# Counts the images in the browser's database.
KEPT = """() => new Promise((resolve) => {
    const opened = indexedDB.open("unmask-queue");
    opened.onsuccess = () => {
        const count = opened.result.transaction("files").objectStore("files").count();
        count.onsuccess = () => { opened.result.close(); resolve(count.result); };
    };
})"""


@pytest.fixture(scope="module")
def images(portraits: dict[str, bytes], astronaut: Image.Image) -> dict[str, bytes]:
    """One image of each kind: real, fake, with a generator's settings, without a face, truncated."""
    out, settings = io.BytesIO(), PngInfo()
    settings.add_text("parameters", "a portrait\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512")
    astronaut.save(out, "PNG", pnginfo=settings)
    return {**portraits, "marked.png": out.getvalue()}


def names(page: Any) -> list[str]:
    return [str(name) for name in page.locator(".queue .entry-name").all_inner_texts()]


def press(page: Any, group: str) -> None:
    page.get_by_role("group", name="List only").get_by_role("button", name=group).click()


def saved(page: Any, button: str) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    return Path(download.value.path())


def test_the_queue_is_kept_over_a_reload_until_it_is_cleared(
    visit: Open, desk: Server, images: dict[str, bytes]
) -> None:
    page = visit(desk)
    add(page, {name: images[name] for name in ("manipulated.jpg", "broken.jpg", "real.jpg")})
    expect(page.get_by_role("radio", name="Wrong")).to_be_visible()  # the verdict is stored, and shown
    page.keyboard.press("w")
    expect(page.get_by_role("log")).to_contain_text("manipulated.jpg: your feedback is saved, Wrong.")
    expect(page.get_by_text("kept in this browser, on this machine only, until you clear them")).to_be_visible()
    words = page.locator(".queue .badge, .queue .failed")
    before = words.all_inner_texts()

    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/v1/detect" in request.url else None)
    page.reload()
    expect(words).to_have_text(before)
    assert names(page) == ["manipulated.jpg", "broken.jpg", "real.jpg"]
    expect(page.get_by_role("radio", name="Wrong")).to_be_checked()
    expect(page.get_by_role("img", name="The image manipulated.jpg")).to_be_visible()
    entry(page, "broken.jpg").click()
    expect(page.locator(".problem")).to_contain_text("The file ends too early")
    assert sent == []

    # What is cleared is gone even if the page is left in the same moment.
    with page.expect_navigation():
        page.get_by_role("button", name="Clear all").evaluate("button => { button.click(); location.reload(); }")
    # Once the browser says that it keeps images, it has restored what there was.
    expect(page.get_by_text("This browser keeps both, on this machine only")).to_be_visible()
    expect(page.locator(".queue li")).to_have_count(0)


def test_interrupted_images_are_sent_again_after_a_reload(visit: Open, desk: Server, images: dict[str, bytes]) -> None:
    page = visit(desk)
    expect(page.get_by_text("This browser keeps both")).to_be_visible()
    held = []
    page.route("**/v1/detect*", lambda route: held.append(route))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose images").click()
    chooser.value.set_files([{"name": "real.jpg", "mimeType": "image/jpeg", "buffer": images["real.jpg"]}])
    expect(page.get_by_text("until you clear them")).to_be_visible()
    wait_until(lambda: page.evaluate(KEPT) == 1)
    sound(page, "being sent")
    page.unroute("**/v1/detect*")
    page.reload()
    expect(page.locator(".queue .badge")).to_have_text("No sign of manipulation")
    assert len(held) == 1


def test_another_tab_keeps_its_own_images(visit: Open, desk: Server, images: dict[str, bytes]) -> None:
    first = visit(desk)
    add(first, {"wall.jpg": images["wall.jpg"]})
    expect(first.get_by_text("until you clear them")).to_be_visible()
    second = first.context.new_page()
    second.goto(desk.url)
    add(second, {"broken.jpg": images["broken.jpg"]})
    expect(second.get_by_text("Another tab keeps its images in this browser.")).to_be_visible()
    assert names(second) == ["broken.jpg"]


def test_images_are_counted_filtered_sorted_and_saved(visit: Open, desk: Server, images: dict[str, bytes]) -> None:
    page = visit(desk)
    add(page, {"=1+1.jpg": images["real.jpg"], **{name: images[name] for name in images if name != "real.jpg"}})
    added = ["=1+1.jpg", "manipulated.jpg", "broken.jpg", "wall.jpg", "marked.png"]
    assert names(page) == added
    totals = page.get_by_role("group", name="List only").get_by_role("button")
    expect(totals).to_have_text(
        ["All 5", "Fake 1", "No sign of manipulation 2", "No face 1", "With marks 1", "Failed 1"]
    )
    for group, listed in (("With marks", ["marked.png"]), ("Failed", ["broken.jpg"]), ("Fake", ["manipulated.jpg"])):
        press(page, group)
        assert names(page) == listed
        expect(totals.filter(has_text=group)).to_have_attribute("aria-pressed", "true")
    press(page, "All")

    page.get_by_label("Sort by").select_option("Name")
    assert names(page) == ["=1+1.jpg", "broken.jpg", "manipulated.jpg", "marked.png", "wall.jpg"]
    page.get_by_label("Sort by").select_option("Suspicion")
    shares = {item["filename"]: item["fake_probability"] for item in asked(desk, "/v1/history?limit=4")["items"]}
    with_face = sorted(("=1+1.jpg", "manipulated.jpg", "marked.png"), key=lambda name: -shares[name])
    assert names(page) == [*with_face, "wall.jpg", "broken.jpg"]

    with saved(page, "CSV").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CsvOutput._COLUMNS
    assert [row["path"] for row in rows] == ["'=1+1.jpg", *added[1:]]  # a spreadsheet would run the first
    assert [row["verdict"] for row in rows] == ["REAL", "FAKE", "", "NO_FACE", "REAL"]
    assert [bool(row["fake_probability"]) for row in rows] == [True, True, False, False, True]
    assert [bool(row["marks"]) for row in rows] == [False, False, False, False, True]
    assert rows[2]["error"] == "truncated"

    results = json.loads(saved(page, "JSON").read_text())
    assert [row["path"] for row in results] == added
    stored = {item["filename"]: item for item in asked(desk, "/v1/history?limit=5")["items"]}
    for row in results[:2]:
        record = asked(desk, f"/v1/history/{stored[row['path']]['id']}")
        assert row == {**record["verdict"], "path": row["path"]}


def test_keys_choose_images_and_give_feedback(visit: Open, desk: Server, images: dict[str, bytes]) -> None:
    page = visit(desk)
    add(page, {name: images[name] for name in ("manipulated.jpg", "wall.jpg", "broken.jpg")})
    log = page.get_by_role("log")
    chosen = page.locator("[data-chosen=true] .entry-name")
    for key, name in (("j", "wall.jpg"), ("j", "broken.jpg"), ("j", "broken.jpg"), ("k", "wall.jpg")):
        page.keyboard.press(key)
        expect(chosen).to_have_text(name)
        expect(page.get_by_role("heading", name=name)).to_be_focused()
    expect(log).to_contain_text("This is the last image.")
    expect(log).to_contain_text("wall.jpg: No face")
    press(page, "Fake")
    page.keyboard.press("k")
    expect(page.get_by_role("heading", name="manipulated.jpg")).to_be_focused()

    for key, verdict in (("r", "Right"), ("w", "Wrong"), ("u", "Unsure")):
        page.keyboard.press(key)
        expect(log).to_contain_text(f"manipulated.jpg: your feedback is saved, {verdict}.")
        expect(page.get_by_role("radio", name=verdict)).to_be_checked()
    page.get_by_label("Note").fill("w r j ? u")
    expect(page.get_by_role("radio", name="Unsure")).to_be_checked()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".done")).to_have_text("Your feedback was saved.")
    page.keyboard.press("r")
    expect(page.get_by_role("radio", name="Right")).to_be_checked()
    expect(page.get_by_label("Note")).to_have_value("w r j ? u")  # the key keeps it
    page.keyboard.press("Control+u")
    expect(page.get_by_role("radio", name="Right")).to_be_checked()

    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("Next image")
    page.keyboard.press("u")  # not while the dialog is open
    keys.get_by_label("Use these keys").uncheck()
    keys.get_by_role("button", name="Close").click()
    page.keyboard.press("u")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("radio", name="Right")).to_be_checked()


def test_one_word_one_number_and_marks_beside_them(visit: Open, desk: Server, images: dict[str, bytes]) -> None:
    page = visit(desk)
    add(page, {name: images[name] for name in ("manipulated.jpg", "marked.png", "wall.jpg")})
    verdict = page.locator(".verdict")

    def left(part: str) -> float:
        box = verdict.locator(part).bounding_box()
        return float(box["x"] + box["width"] / 2)

    expect(verdict.locator(".verdict-detail")).to_have_text(re.compile(r"^[\d.]+\s% probability of fake$"))
    assert left(".scale-here") > left(".scale-threshold")
    expect(page.locator(".marks")).to_have_count(0)
    expect(page.locator(".face-tag")).to_have_text(re.compile(r"^1 · \d+\s%$"))
    expect(page.get_by_role("table").get_by_role("rowheader")).to_have_text("1")

    entry(page, "marked.png").click()
    expect(verdict).to_contain_text("No sign of manipulation")
    assert left(".scale-here") < left(".scale-threshold")
    expect(page.get_by_role("region", name="The file says something about its origin")).to_contain_text(
        "The file holds settings of an image generator"
    )

    with page.expect_response(re.compile("/v1/model")):
        page.reload()
    entry(page, "wall.jpg").click()
    expect(verdict.locator(".verdict-word")).to_have_text("No face")
    expect(verdict.locator(".verdict-detail, .scale")).to_have_count(0)
    expect(page.locator(".overlay image")).to_have_count(0)
    expect(page.get_by_label("Evidence")).to_have_count(0)
    expect(page.get_by_role("heading", name="Reasons")).to_have_count(0)
    assert "%" not in page.locator(".sheet .verdict").inner_text()


def test_the_report_is_saved(visit: Open, desk: Server, images: dict[str, bytes]) -> None:
    page = visit(desk)
    add(page, {"manipulated.jpg": images["manipulated.jpg"]})
    report = saved(page, "Save the report").read_text()
    assert report.startswith("<!doctype html>")
    assert "manipulated.jpg" in report
    expect(page.get_by_role("log")).to_contain_text("The report is in your downloads.")


def test_an_image_is_zoomed_by_keys_and_buttons(visit: Open, desk: Server, images: dict[str, bytes]) -> None:
    page = visit(desk)
    add(page, {"manipulated.jpg": images["manipulated.jpg"]})
    view, frame = page.locator(".viewport"), page.locator(".frame")
    expect(page.locator(".overlay image")).to_have_count(1)
    whole = frame.bounding_box()
    view.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert frame.bounding_box()["width"] == pytest.approx(2 * view.evaluate("view => view.clientWidth"), abs=1)
    middle = view.evaluate("view => (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth")
    assert middle == pytest.approx(0.5, abs=0.01)
    before = view.evaluate("view => view.scrollTop")
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(200)
    assert view.evaluate("view => view.scrollTop") > before
    page.get_by_role("button", name="Zoom out").click()
    expect(page.get_by_role("button", name="Whole image")).to_contain_text("150")
    view.press("0")
    assert frame.bounding_box() == pytest.approx(whole, abs=1)
    expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()


@pytest.mark.parametrize(("theme", "width"), [("dark", 1280), ("light", 360)])
def test_every_state_of_the_queue_is_accessible_and_fits(
    visit: Open, desk: Server, images: dict[str, bytes], theme: str, width: int
) -> None:
    page = visit(desk, color_scheme=theme, viewport={"width": width, "height": 800}, reduced_motion="reduce")

    def doubtful(route: Any) -> None:
        answer = route.fetch()
        content = answer.json()
        content["results"][0] |= {"verdict": "UNCERTAIN", "uncertain": True, "fake_probability": 0.5}
        route.fulfill(response=answer, json=content)

    add(page, images)
    page.route("**/v1/detect*", doubtful)
    add(page, {f"{'a_long_name_' * 9}.jpg": images["real.jpg"]})
    for name in ("marked.png", "wall.jpg", "a_long_name"):
        entry(page, name).click()
        sound(page, name)
    expect(page.locator(".verdict-word")).to_have_text("Uncertain")
    expect(page.locator(".verdict")).to_contain_text("the detector was often wrong in tests")
    page.get_by_role("button", name="Zoom in").click()
    press(page, "Failed")
    page.get_by_label("Sort by").select_option("Suspicion")
    sound(page, "zoomed and filtered")
    page.keyboard.press("?")
    sound(page, "keys")
    page.get_by_role("button", name="Close").click()
    entry(page, "broken.jpg").click()
    sound(page, "failed")
