"""Clips on the page, in a real browser on a real service with the shipped detector."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import Open, Server
from tests.serve.page_steps import asked, expect, open_view, sound
from tests.video.clips import encode

pytest.importorskip("av", reason="the extra video is not installed")


@pytest.fixture(scope="module")
def clip(astronaut: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds of a portrait that drifts to the side, 32 frames."""
    small = astronaut.resize((256, 256))
    faces = [np.asarray(small.transform(small.size, Image.Transform.AFFINE, (1, 0, i, 0, 1, 0))) for i in range(32)]
    path = tmp_path_factory.mktemp("clip") / "portrait.mp4"
    return encode(path, faces, fps=8, options={"crf": "18", "g": "8"}).read_bytes()


def send(page: Any, name: str, data: bytes, kind: str = "video/mp4") -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose clips").click()
    chooser.value.set_files([{"name": name, "mimeType": kind, "buffer": data}])


def now_of(page: Any) -> float:
    return float(page.locator("video").evaluate("video => video.currentTime"))


def test_a_clip_gets_its_verdict_and_its_timeline_seeks(visit: Open, desk: Server, clip: bytes) -> None:
    page = visit(desk)
    open_view(page, "Check clips")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    sound(page, "no clips")
    # Two: the second one waits behind the first and can be cancelled.
    send(page, "portrait.mp4", clip)
    send(page, "second.mp4", clip)
    waiting = page.locator(".clip-list li", has_text="second.mp4")
    expect(waiting).to_contain_text("Waiting")
    expect(page.locator(".clip-list").get_by_role("progressbar")).to_have_count(2)
    waiting.get_by_role("button", name="Cancel second.mp4").click()
    expect(waiting).to_contain_text("Cancelled")
    entry = page.locator(".clip-list li", has_text="portrait.mp4")
    entry.locator(".entry").click()
    expect(page.locator("article video")).to_be_visible()
    sound(page, "a clip in progress")
    expect(entry.locator(".badge")).to_be_visible(timeout=90_000)
    job = asked(desk, "/v1/videos?state=done")["items"][0]
    verdict = asked(desk, f"/v1/videos/{job['id']}")["verdict"]
    track = verdict["tracks"][verdict["deciding_track"]]
    assert verdict["frames_judged"] == 32 and len(track["frames"]) >= 24
    expect(page.get_by_role("log")).to_contain_text("portrait.mp4: ")
    expect(page.locator(".verdict-word")).to_be_visible()

    # Keys go from frame to frame, and the player follows.
    timeline = page.get_by_role("slider", name=f"Timeline of Track {verdict['deciding_track'] + 1}", exact=True)
    timeline.focus()
    times = [frame["time_s"] for frame in track["frames"]]
    for key, place in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", len(times) - 1)):
        page.keyboard.press(key)
        expect(timeline).to_have_attribute("aria-valuetext", re.compile("probability of fake"))
        page.wait_for_function(
            "time => Math.abs(document.querySelector('video').currentTime - time) < 0.05", arg=times[place]
        )
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_function("first => document.querySelector('video').currentTime > first + 0.1", arg=times[0])
    page.keyboard.press("Space")
    assert page.locator("video").evaluate("video => video.paused")
    # So does a press with the pointer.
    box = timeline.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function(
        "time => Math.abs(document.querySelector('video').currentTime - time) < 0.1", arg=verdict["duration_s"] / 2
    )
    expect(page.locator(".clip-frame .face").first).to_be_visible()

    # The table behind the timeline has every frame, and seeks, too.
    page.get_by_text("All frames as a table").click()
    rows = page.locator(".frames tbody tr")
    expect(rows).to_have_count(sum(len(item["frames"]) for item in verdict["tracks"]))
    rows.nth(3).get_by_role("button").click()
    assert now_of(page) == pytest.approx(verdict["tracks"][0]["frames"][3]["time_s"], abs=0.1)
    sound(page, "a clip with its table")
    page.set_viewport_size({"width": 360, "height": 800})
    page.emulate_media(color_scheme="dark")
    sound(page, "a clip on a phone, dark")

    page.get_by_role("radio", name="Unsure").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Your feedback was saved.").first).to_be_visible()

    # After a reload the service's record is there, with the stored clip.
    page.reload()
    entry.locator(".entry").click()
    expect(page.locator("article video")).to_be_visible()
    expect(page.get_by_role("radio", name="Unsure")).to_be_checked()
    entry.get_by_role("button", name="Remove portrait.mp4").click()
    expect(entry).to_have_count(0)
    assert [item["state"] for item in asked(desk, "/v1/videos")["items"]] == ["cancelled"]


def test_what_is_no_clip_is_described_in_words(visit: Open, desk: Server, clip: bytes) -> None:
    page = visit(desk)
    # A clip that is added among images is checked as a clip.
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose images").click()
    chooser.value.set_files([{"name": "broken.mp4", "mimeType": "video/mp4", "buffer": b"no clip at all"}])
    expect(page.locator("article .problem")).to_be_visible()
    expect(page.locator(".clip-list")).to_contain_text("Failed")
    send(page, "none.png", b"x", "image/png")
    expect(page.get_by_role("log")).to_contain_text("No clip found in what you added.")
    sound(page, "a refused clip")


@pytest.mark.shared
def test_real_clips_of_the_shared_set(visit: Open, desk: Server, shared_faces: Path) -> None:
    found = shared_faces.parent / "videos" / "fake" / "art_0_japanese.mp4"
    if not found.is_file():
        pytest.skip("the shared clips are not here")
    page = visit(desk)
    open_view(page, "Check clips")
    send(page, found.name, found.read_bytes())
    entry = page.locator(".clip-list li", has_text=found.name)
    expect(entry.locator(".badge")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("slider", name="Timeline of Track 1", exact=True)).to_be_visible()
    sound(page, "a real clip")
