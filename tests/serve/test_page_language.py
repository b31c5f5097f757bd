"""The page in another language, in a real browser."""

from __future__ import annotations

import re

import pytest
from tests.serve.conftest import Open, Server
from tests.serve.page_steps import asked, expect, settled, share, sound


@pytest.mark.parametrize("width", [1280, 360])
def test_german_by_the_browser_and_english_by_choice(
    visit: Open, desk: Server, portraits: dict[str, bytes], width: int
) -> None:
    page = visit(desk, locale="de-CH", viewport={"width": width, "height": 800})
    text = page.locator("html")
    expect(text).to_have_attribute("lang", "de")
    expect(page).to_have_title("Bilder prüfen · unmask")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Bilder auswählen").click()
    files = [{"name": name, "mimeType": "image/jpeg", "buffer": portraits[name]} for name in ("real.jpg", "broken.jpg")]
    chooser.value.set_files(files)
    settled(page, 2)
    probability = share(asked(desk, "/v1/history?limit=1")["items"][0]["fake_probability"])
    verdict = page.locator(".verdict")
    # Never a proof; the number as the Swiss write it.
    expect(verdict).to_contain_text("Kein Hinweis auf Manipulation")
    expect(verdict).to_contain_text("Das beweist nicht, dass das Bild echt ist.")
    expect(verdict.get_by_role("img", name=f"Fälschungswahrscheinlichkeit: {probability}")).to_be_visible()
    expect(page.locator(".failed")).to_contain_text("Fehlgeschlagen")
    expect(page.get_by_role("log")).to_contain_text("broken.jpg: Die Datei endet zu früh")
    # What the service writes is marked as English.
    expect(verdict.locator(".prose[lang=en] li").first).to_be_visible()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        sound(page, f"{theme}, {width} px")

    page.get_by_label("Sprache").focus()
    page.get_by_label("Sprache").select_option("English")
    expect(text).to_have_attribute("lang", "en")
    expect(page).to_have_title("Check images · unmask")
    # The focus, the images and what was open stay.
    expect(page.get_by_label("Language")).to_be_focused()
    expect(verdict).to_contain_text("No sign of manipulation")
    expect(page.locator(".queue li")).to_have_count(2)
    page.goto(f"{desk.url}/#/detector")
    page.reload()
    expect(page.get_by_role("heading", level=1, name="The detector")).to_be_visible()
    page.get_by_label("Language").select_option("Deutsch")
    expect(page.get_by_role("columnheader", name="Fälschung ab").first).to_be_visible()
    sound(page, f"the detector, {width} px")
    page.get_by_role("navigation").get_by_role("link", name="Verlauf").click()
    expect(page.get_by_role("heading", level=1, name="Verlauf")).to_be_visible()
    expect(page.locator(".records li").first).to_contain_text("Kein Hinweis auf Manipulation")
    sound(page, f"the history, {width} px")
    page.locator(".records li a").first.click()
    expect(page).to_have_url(re.compile("#/history/."))
    expect(page.locator(".verdict")).to_contain_text("Kein Hinweis auf Manipulation")
    sound(page, f"one record, {width} px")
    page.goto(f"{desk.url}/#/clips")
    expect(page.get_by_role("heading", level=1, name="Ist dieses Video eine Aufnahme?")).to_be_visible()
    sound(page, f"clips, {width} px")


def test_numbers_are_those_of_the_language(visit: Open, desk: Server, portraits: dict[str, bytes]) -> None:
    page = visit(desk, locale="de-DE")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Bilder auswählen").click()
    chooser.value.set_files([{"name": "real.jpg", "mimeType": "image/jpeg", "buffer": portraits["real.jpg"]}])
    settled(page, 1)
    item = asked(desk, "/v1/history?limit=1")["items"][0]
    written = share(item["fake_probability"]).replace(".", ",")
    expect(page.get_by_role("log")).to_contain_text(f"real.jpg: Kein Hinweis auf Manipulation, {written} Fälschungs")
    year, month, day = item["time"][:10].split("-")
    page.get_by_role("navigation").get_by_role("link", name="Verlauf").click()
    expect(page.locator(".records li").first).to_contain_text(f"{day}.{month}.{year}")
