"""``unmask detect`` on clips, and on folders of images and clips."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from tests.cli.detecting import Unmask, make_image
from tests.video.clips import encode

from unmask.imaging.video import frames as frames_module


def _clip(path: Path, *shades: int) -> Path:
    return encode(path, [np.full((64, 64, 3), shade, np.uint8) for shade in shades], fps=4, options={"crf": "1"})


def _animation(path: Path, *shades: int) -> Path:
    images = [Image.new("RGB", (64, 64), (shade, shade, shade)) for shade in shades]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image, a fake clip, a real one and an animation, as the whole-image bundle sees them, and a text."""
    folder = tmp_path / "mixed"
    make_image(folder / "a.png", 160)
    _clip(folder / "b.mp4", 176, 176, 160, 160)
    _clip(folder / "c.mov", 64, 64)
    _animation(folder / "d.gif", 150, 20)
    (folder / "e.txt").write_text("a text")
    return folder


def test_a_folder_of_images_and_clips(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    ran = unmask("mixed", "--json", model=whole_image_bundle)
    lines = {Path(line["path"]).name: line for line in ran.lines}
    assert list(lines) == ["a.png", "b.mp4", "c.mov", "d.gif"] and ran.code == 0
    assert [line.get("kind") for line in lines.values()] == [None, "video", "video", None]
    # Logits 3, 3, 2 and 2: the mean is 2.5.
    assert lines["b.mp4"]["fake_probability"] == pytest.approx(1 / (1 + np.exp(-2.5)), abs=0.01)
    assert lines["c.mov"]["frames_judged"] == 2 and lines["c.mov"]["duration_s"] == 0.5
    assert "passed over 1 file that is not an image" in ran.err


def test_animations_are_clips_on_request(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    (line,) = unmask("mixed/d.gif", "--as-clip", "--json", model=whole_image_bundle).lines
    assert line["kind"] == "video" and line["frames_judged"] == 2
    # Logits 1.375 and -6.75.
    assert line["fake_probability"] == pytest.approx(1 / (1 + np.exp(2.6875)), abs=0.01)
    (still,) = unmask("mixed/a.png", "--as-clip", "--json", model=whole_image_bundle).lines
    assert "kind" not in still  # an image of one frame stays one


def test_frames_and_every(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    def judged(*options: str) -> list[float]:
        (line,) = unmask("mixed/b.mp4", "--json", *options, model=whole_image_bundle).lines
        times: list[float] = line["times"]
        return times

    assert judged("--frames", "2") == [0.25, 0.75]
    assert judged("--every", "0.5") == [0.0, 0.5]
    both = unmask("mixed/b.mp4", "--frames", "2", "--every", "1", model=whole_image_bundle)
    assert both.code == 2 and "cannot be combined" in both.err
    assert unmask("mixed/b.mp4", "--every", "0", model=whole_image_bundle).code == 2
    assert unmask("mixed/b.mp4", "--every", "0.00001", model=whole_image_bundle).code == 2
    assert unmask("mixed/b.mp4", "--frames", "0", model=whole_image_bundle).code == 2


def test_table_and_csv(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    table = unmask("mixed", "--sort", "suspicion", model=whole_image_bundle).out
    assert "Clip of 1.0 s, 4 frames." in table and "3 FAKE, 1 REAL, 0 UNCERTAIN, 0 NO_FACE" in table
    rows = list(csv.DictReader(io.StringIO(unmask("mixed", "--csv", model=whole_image_bundle).out)))
    assert [row["faces"] for row in rows] == ["0"] * 4 and all(len(row["sha256"]) == 64 for row in rows)


def test_exit_codes(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    (folder / "f.mp4").write_bytes(b"no clip")
    ran = unmask("mixed", "--json", model=whole_image_bundle)
    assert ran.code == 1 and ran.lines[-1]["error"]["code"] == "unsupported_format"
    assert unmask("mixed/b.mp4", "--fail-on", "fake", model=whole_image_bundle).code == 4
    assert unmask("mixed/c.mov", "--fail-on", "fake", model=whole_image_bundle).code == 0
    assert unmask("none.mp4", model=whole_image_bundle).code == 1


def test_a_journal_keeps_clips_by_how_they_were_judged(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    first = unmask("mixed", "--resume", "j.jsonl", "--json", model=whole_image_bundle)
    again = unmask("mixed", "--resume", "j.jsonl", "--json", model=whole_image_bundle)
    assert "4 of 4 verdicts are from j.jsonl" in again.err and again.out == first.out
    fewer = unmask("mixed", "--resume", "j.jsonl", "--frames", "2", "--json", model=whole_image_bundle)
    assert "2 of 4 verdicts" in fewer.err


def test_a_gallery_shows_a_frame(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    assert unmask("mixed", "--html", "page.html", model=whole_image_bundle).code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("data:image/") >= 4 and "Clip of 1.0 s, 4 frames." in page


def test_without_the_extra(
    unmask: Unmask, folder: Path, whole_image_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "has_video", lambda: False)
    monkeypatch.setattr("unmask.cli.inputs.has_video", lambda: False)
    alone = unmask("mixed/b.mp4", model=whole_image_bundle)
    assert alone.code == 3 and "[video]" in alone.err
    among = unmask("mixed", "--json", model=whole_image_bundle)
    assert among.code == 1 and len(among.lines) == 2 and "2 clips (reading them needs the extra video)" in among.err
    # Animations are read by Pillow.
    assert unmask("mixed/d.gif", "--as-clip", "--json", model=whole_image_bundle).code == 0


def test_each_line_is_json(unmask: Unmask, folder: Path, whole_image_bundle: Path) -> None:
    out = unmask("mixed/b.mp4", "--json", model=whole_image_bundle).out
    assert out.count("\n") == 1 and json.loads(out)["video"]["container"] == "mov"
