"""The report on a clip: what it shows and cites, that its commands give the same verdict, and how it behaves."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image
from tests.explain.test_explainer import Page
from tests.explain.test_report import HOSTILE, SHEETS, words
from tests.serve.conftest import check_accessible, open_chromium
from tests.video.clips import encode
from typer.testing import CliRunner

from unmask.cli import app
from unmask.detect.detector import load
from unmask.errors import MissingExtraError
from unmask.explain.clips.explainer import ClipExplainer, ClipExplanation
from unmask.explain.clips.page import MOST_TRACKS, render_clip
from unmask.explain.explainer import Explainer
from unmask.imaging.provenance import Provenance
from unmask.pages.timeline import clock
from unmask.version import __version__
from unmask.video.marks import clip_credentials, clip_provenance

pytest.importorskip("av")
TIME = datetime(2026, 11, 28, 12, 5, 9, tzinfo=UTC)
FRAMES = 10


@pytest.fixture(scope="module")
def clip(astronaut: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 s of a face that grows lighter, a cut, and the same face mirrored and darker: two tracks."""
    light = np.asarray(astronaut.crop((60, 0, 400, 256)), np.float32)
    dark = 0.45 * light[:, ::-1]
    frames = [np.uint8(np.clip(light * (0.8 + 0.02 * number), 0, 255)) for number in range(12)]
    frames += [np.uint8(dark + number / 2) for number in range(12)]
    return encode(tmp_path_factory.mktemp("clips") / "a clip.mp4", frames, keys={12})


@pytest.fixture(scope="module")
def explainer(tiny_bundle: Path) -> ClipExplainer:
    return ClipExplainer(Explainer(load(tiny_bundle)))


@pytest.fixture(scope="module")
def explained(explainer: ClipExplainer, clip: Path) -> ClipExplanation:
    return explainer.explain(str(clip), FRAMES)


@pytest.fixture(scope="module")
def faceless(explainer: ClipExplainer, tmp_path_factory: pytest.TempPathFactory) -> ClipExplanation:
    path = encode(tmp_path_factory.mktemp("clips") / "square.mp4", 6)
    return explainer.explain(path, 4, faithfulness=False)


@pytest.fixture(scope="module")
def crowded(explained: ClipExplanation) -> ClipExplanation:
    """As much as a report can hold: many tracks, marks, notes, entries of the file and long texts."""
    verdict, track = explained.verdict, explained.verdict.deciding
    assert track is not None and verdict.facts is not None
    marks = (
        "software:Midjourney",
        "software:Stable Diffusion",
        "xmp:trainedAlgorithmicMedia",
        "xmp:AIPromptInformation",
    )
    return replace(
        explained,
        verdict=replace(
            verdict,
            path="clips/" + "long name " * 24 + ".mp4",
            tracks=(track,) * 40,
            deciding_track=0,
            notes=("The clip ends early: its last frame is at 1.0 s.",) * 4,
            provenance=Provenance("none", marks),
            facts=replace(
                verdict.facts, metadata={f"entry {number}": "word " * 40 for number in range(60)}, encoder="word " * 40
            ),
        ),
    )


def test_it_explains_the_verdict_that_detect_gives(
    explained: ClipExplanation, explainer: ClipExplainer, clip: Path
) -> None:
    verdict = explainer.detector.detect(str(clip), FRAMES)
    assert {**explained.verdict.to_json(), "ms": 0} == {**verdict.to_json(), "ms": 0}
    track = verdict.deciding
    assert track is not None and len(verdict.tracks) == 2
    suspicious = [frame for frame in explained.frames if frame.side == "suspicious"]
    innocent = [frame for frame in explained.frames if frame.side == "innocent"]
    assert len(suspicious) == 3 and 1 <= len(innocent) <= 3
    # The frames are those of the track, judged again alone: the same number, bit for bit.
    ranked = sorted(track.probabilities)
    assert [frame.region.fake_probability for frame in suspicious] == ranked[::-1][:3]
    assert [frame.region.fake_probability for frame in innocent] == ranked[: len(innocent)]
    assert [frame.letter for frame in explained.frames] == list("ABCDEF"[: len(explained.frames)])
    assert all(frame.time_s == track.times[track.indices.index(frame.index)] for frame in explained.frames)
    assert len({frame.index for frame in explained.frames}) == len(explained.frames)
    assert all(frame.reliable is not None for frame in explained.frames)


def test_json_has_everything_but_the_images(explained: ClipExplanation) -> None:
    content = json.loads(json.dumps(explained.to_json(), allow_nan=False))
    assert content["kind"] == content["verdict"]["kind"] == "video"
    assert [frame["letter"] for frame in content["evidence"]["frames"]] == [each.letter for each in explained.frames]
    assert np.shape(content["evidence"]["frames"][0]["map"]) == (4, 4)
    assert content["facts"]["codec"] == "H.264" and content["facts"]["track_frames"] >= 4


def test_it_cites_file_time_and_detector(explained: ClipExplanation, clip: Path) -> None:
    page = render_clip(explained, TIME)
    shown, data, verdict = words(page), clip.read_bytes(), explained.verdict
    number = f"{100 * (verdict.fake_probability or 0):.1f} %"
    for part in (
        f"SHA-256 {hashlib.sha256(data).hexdigest()}",
        f"{len(data):,} bytes, 0:02.0, 340 × 256 pixels, H.264 in an MP4 or MOV file",
        f"Judged {FRAMES} frames, 2 tracks of a face",
        f"2026-11-28 12:05:09 UTC, unmask {__version__}",
        f"tiny@1, bundle {verdict.bundle_sha256}",
        f"{number} probability of fake",
        f"{FRAMES} of 24 frames were judged",
        "frame rate 12 frames per second, constant",
        "rotation none",
        "The clip was encoded by x264",
    ):
        assert part in shown, part
    assert all(sentence.text in shown for sentence in (*explained.reasons, *explained.sentences))
    assert all(f"{frame.letter} {clock(frame.time_s)}, frame {frame.index}" in shown for frame in explained.frames)


def test_the_timeline_has_every_point_and_a_table(explained: ClipExplanation) -> None:
    page = Page(render_clip(explained, TIME))
    points = sum(len(track.times) for track in explained.verdict.tracks)
    assert len([row for row in page.all("tr") if "data-time" in row]) == points
    drawn = [path["d"] or "" for path in page.all("path")]
    assert sum(path.count("h0") for path in drawn) == points
    assert [path["class"] for path in page.all("path") if path.get("class") == "main"] == ["main"]
    labels = [attributes["aria-label"] or "" for tag, attributes in page.tags if attributes.get("role") == "img"]
    assert any("table below" in label for label in labels)


def test_its_commands_give_the_same_verdict(
    clip: Path, explainer: ClipExplainer, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied from the page and run beside the clip and the bundle, with options that are not the usual ones."""
    found = explainer.explain(clip, every=0.5, faithfulness=False)
    commands = [words(code) for code in re.findall(r"<li><code>(.*?)</code>", render_clip(found, TIME))]
    assert commands[-1] == "unmask detect 'a clip.mp4' --model tiny/ --every 0.5 --json"
    shutil.copytree(tiny_bundle, tmp_path / "tiny")
    shutil.copy(clip, tmp_path)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, shlex.split(commands[-1])[1:])
    assert result.exit_code == 0, result.output
    assert {**json.loads(result.stdout), "ms": ANY, "path": ANY} == {**found.verdict.to_json(), "ms": ANY, "path": ANY}


def test_the_same_input_and_time_give_the_same_bytes(explainer: ClipExplainer, clip: Path) -> None:
    pages = [render_clip(explainer.explain(clip, 3, faithfulness=False), TIME) for _ in range(2)]
    assert pages[0] == pages[1]


def test_no_face_has_no_probability_no_timeline_and_no_frames(faceless: ClipExplanation) -> None:
    page = render_clip(faceless, TIME)
    shown = words(page)
    assert faceless.verdict.verdict == "NO_FACE" and not faceless.frames
    assert "probability of fake" not in shown and "nothing to draw" in shown
    assert "No face was found in 4 frames." in shown
    assert len(Page(page).all("img")) == 1


def test_a_detector_of_whole_images_and_an_animation(whole_image_bundle: Path, tmp_path: Path) -> None:
    """There is a probability, but no face to follow; the command that repeats it says that the GIF is a clip."""
    path = tmp_path / "moving.gif"
    frames = [Image.new("RGB", (64, 48), (40 * number, 90, 90)) for number in range(5)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=200)
    found = ClipExplainer(Explainer(load(whole_image_bundle))).explain(path, as_clip=True)
    shown = words(render_clip(found, TIME))
    assert found.verdict.verdict != "NO_FACE" and not found.verdict.tracks
    assert "probability of fake" in shown and "no face to follow" in shown
    assert "a GIF animation" in shown and "--as-clip --json" in shown


def test_many_tracks_are_cut_to_those_of_most_frames(crowded: ClipExplanation) -> None:
    shown = words(render_clip(crowded, TIME))
    assert f"{40 - MOST_TRACKS} shorter tracks are in the JSON" in shown
    assert "The file says how it was made" in shown


@pytest.mark.parametrize("where", ["name", "entries"])
def test_texts_of_others_are_no_markup(explained: ClipExplanation, where: str) -> None:
    facts = explained.verdict.facts
    assert facts is not None
    facts = replace(facts, metadata={HOSTILE: HOSTILE}, encoder=HOSTILE, profile=HOSTILE, container=HOSTILE)
    if where == "entries":
        explained = replace(explained, verdict=replace(explained.verdict, facts=facts))
    text = render_clip(explained, TIME, name=HOSTILE if where == "name" else None)
    page = Page(text)
    assert len(page.all("script")) == len(page.all("title")) == 1
    assert "&lt;script&gt;" in text and ">49<" not in text
    assert not {name for _, attributes in page.tags for name in attributes if name.startswith("on")}


def test_credentials_of_a_clip_are_checked(clip: Path, explainer: ClipExplainer, tmp_path: Path) -> None:
    """As an MP4 file is signed, and after one byte of its picture was changed."""
    pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    from tests.imaging.signing import Maker

    maker, path = Maker(), tmp_path / "signed.mp4"
    data = maker.signed_file(clip.read_bytes(), "video/mp4")
    path.write_bytes(data)
    provenance = clip_provenance(path)
    assert provenance.c2pa == "present"
    assert clip_credentials(path, provenance).state == "valid, signer unknown"
    assert clip_credentials(path, provenance, maker.root).state == "valid and trusted"
    at = data.index(b"mdat") + 2000
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    found = explainer.explain(path, 2, faithfulness=False)
    assert found.verdict.provenance is not None
    assert found.verdict.provenance.credentials_state == found.credentials.state == "changed after signing"
    assert "broken_signature" in [mark.kind for mark in found.verdict.marks]
    assert "changed after signing" in words(render_clip(found, TIME))
    assert clip_credentials(tmp_path / "gone.mp4", provenance).state == "could not be checked"


def test_folders_mix_images_and_clips(clip: Path, astronaut: Image.Image, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(clip, folder)
    astronaut.resize((200, 200)).save(folder / "b.jpg")
    (folder / "c.mp4").write_bytes(clip.read_bytes()[:900])
    quick = ["--no-forensics", "--check", "none", "--frames", "4", "--model", str(tiny_bundle)]
    result = CliRunner().invoke(app, ["explain", str(folder), "--out", str(tmp_path / "out"), "--json", *quick])
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(line["verdict"]["path"]).name for line in lines] == ["a clip.mp4", "b.jpg", "c.mp4"]
    assert [line["verdict"].get("kind") for line in lines] == ["video", None, "video"]
    assert lines[2]["verdict"]["error"]["code"] in {"truncated", "corrupt"}
    index = (tmp_path / "out" / "index.html").read_text()
    assert "Explanations of 1 image and 2 clips" in index and '"noun":"images and clips"' in index
    written = sorted(path.name for path in (tmp_path / "out").glob("a clip.*/*"))
    assert {"report.html", "explanation.json", "frame-A.png", "frame-A-close-up.png"} <= set(written)
    page = tmp_path / "one.html"
    result = CliRunner().invoke(app, ["explain", str(folder / "a clip.mp4"), "--html", str(page), *quick])
    assert result.exit_code == 0 and "Timeline" in page.read_text()


@pytest.mark.parametrize(("name", "codec"), [("clip.avi", "mpeg4"), ("clip.ts", "mpeg2video"), ("clip.webm", "libvpx")])
def test_frames_are_found_again_in_any_container(
    explainer: ClipExplainer, astronaut: Image.Image, tmp_path: Path, name: str, codec: str
) -> None:
    """Also where frames have no times of their own, as in AVI."""
    face = np.asarray(astronaut.crop((100, 0, 356, 256)).resize((192, 192)))
    path = encode(tmp_path / name, [face // 4 * 3 + number for number in range(16)], codec=codec)
    found = explainer.explain(path, 8, faithfulness=False)
    assert len(found.frames) == 6 and found.image.size == (192, 192)


def test_without_the_extra_it_says_what_to_install(
    clip: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.imaging.video.frames.has_video", lambda: False)
    result = CliRunner().invoke(app, ["explain", str(clip), "--out", str(tmp_path), "--model", str(tiny_bundle)])
    assert isinstance(result.exception, MissingExtraError) and result.exception.extra == "video"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(
    explained: ClipExplanation, crowded: ClipExplanation, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name, each in {"explained": explained, "crowded": crowded}.items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(render_clip(each, TIME))
    return found


@pytest.fixture
def visit(chromium: Any, pages: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """Opens a report; fails at the end after any complaint of the browser or any request."""
    contexts, complaints, asked = [], [], []

    def opened(name: str, **options: Any) -> Any:
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if request.url[:5] != "data:" else None)
        asked.append(pages[name].as_uri())
        page.goto(asked[-1])
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == asked


@pytest.mark.parametrize("name", ["explained", "crowded"])
def test_it_prints_on_two_pages_and_fits_a_telephone(visit: Callable[..., Any], name: str) -> None:
    page = visit(name, viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)
    for sheet in SHEETS:
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=sheet))) <= 2, sheet


def test_the_timeline_is_read_by_pointer_and_keyboard(visit: Callable[..., Any], explained: ClipExplanation) -> None:
    page = visit("explained", viewport={"width": 1280, "height": 900})
    first = page.locator(".first").bounding_box()
    assert first["y"] + first["height"] <= 900
    slider, told = page.get_by_role("slider"), page.locator("#readout")
    rows = [(at, line) for at, line in _points(explained)]
    slider.focus()
    page.keyboard.press("End")
    assert f"frame {rows[-1][0]}" in told.inner_text() and slider.get_attribute("aria-valuetext") == told.inner_text()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert f"frame {rows[1][0]}" in told.inner_text() and f"{100 * rows[1][1]:.1f} %" in told.inner_text()
    assert page.locator("#points tr.now").count() == 1
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.999, box["y"] + 10)
    assert f"frame {rows[-1][0]}" in told.inner_text()
    assert page.locator(".cursor").is_visible()


def test_it_can_be_read_without_a_script(visit: Callable[..., Any], pages: dict[str, Path]) -> None:
    page = visit("explained", java_script_enabled=False)
    assert (
        page.get_by_role("slider").count() == 0 and page.get_by_role("img", name="Probability of fake against").count()
    )
    assert not page.locator("#readout").is_visible()


def _points(explained: ClipExplanation) -> list[tuple[int, float]]:
    """Index and probability of all points, by time."""
    points = [
        (time, index, value)
        for track in explained.verdict.tracks
        for time, index, value in zip(track.times, track.indices, track.probabilities, strict=True)
    ]
    return [(index, value) for _, index, value in sorted(points)]
