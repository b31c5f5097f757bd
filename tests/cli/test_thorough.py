"""``unmask detect --thorough``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.detecting import Unmask, make_image

from unmask.bundle.bundle import Bundle
from unmask.imaging.preprocessing import Preprocessing

WHOLE = Preprocessing(size=32, faces=None)


@pytest.fixture
def queue(unmask: Unmask, tmp_path: Path, make_bundle: Callable[..., Bundle], make_graph: Callable[..., bytes]) -> Path:
    """Images of which every other is uncertain, and in the folder of the test a detector called ``accurate``."""
    make_bundle(tmp_path / "first", preprocessing=WHOLE)
    make_bundle(tmp_path / "accurate", name="sharp", model=make_graph(offset=-5.0), preprocessing=WHOLE)
    for name, grey in (("a", 160), ("b", 128), ("c", 96), ("d", 127), ("e", 170)):
        make_image(tmp_path / "queue" / f"{name}.png", grey)
    (tmp_path / "queue" / "f.png").write_bytes(b"")
    return tmp_path / "queue"


def test_a_batch_in_order_and_resumed(unmask: Unmask, queue: Path, tmp_path: Path) -> None:
    arguments = ("queue", "--thorough", "--json", "--resume", "kept.jsonl")
    (queue / "f.png").write_bytes((queue / "a.png").read_bytes())
    done = [line | {"ms": 0} for line in unmask(*arguments, model=tmp_path / "first").lines]
    assert [line["model"] for line in done] == ["tiny@1", "sharp@1", "tiny@1", "sharp@1", "tiny@1", "tiny@1"]
    assert [line["verdict"] for line in done] == ["FAKE", "FAKE", "REAL", "FAKE", "FAKE", "FAKE"]
    assert len({line["bundle_sha256"] for line in done}) == 2
    # A run that was killed in between: half of the journal.
    kept = (tmp_path / "kept.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "kept.jsonl").write_text("".join(kept[:4]))
    again = unmask(*arguments, model=tmp_path / "first")
    assert [line | {"ms": 0} for line in again.lines] == done
    assert "3 of 6 verdicts are from kept.jsonl" in again.err
    alone = unmask("queue", "--json", "--resume", "kept.jsonl", model=tmp_path / "first")
    assert alone.code == 2 and "use another journal" in alone.err


def test_the_table_says_which_detector_judged_how_many(unmask: Unmask, queue: Path, tmp_path: Path) -> None:
    ran = unmask("queue", "--thorough", "--html", "page.html", model=tmp_path / "first")
    assert ran.code == 1  # one file cannot be read
    assert "tiny@1: 3 verdicts" in ran.out and "sharp@1: 2 verdicts" in ran.out
    page = (tmp_path / "page.html").read_text()
    assert "Detector tiny@1" in page and "Then sharp@1" in page


def test_it_is_said_how_to_get_the_accurate_detector(
    unmask: Unmask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    make_image(tmp_path / "a.png")
    ran = unmask("a.png", "--thorough")
    assert ran.code == 3 and not ran.out
    assert len(ran.err.splitlines()) == 1 and "accurate detector" in ran.err


def test_the_accurate_detector_is_no_first_one(unmask: Unmask, queue: Path, tmp_path: Path) -> None:
    ran = unmask("queue", "--thorough", model=tmp_path / "accurate")
    assert ran.code == 2 and "sharp@1" in ran.err


def test_a_doubtful_clip_is_judged_again_as_a_whole(unmask: Unmask, queue: Path, tmp_path: Path) -> None:
    """Its frames' verdicts are all of one detector, since logits of two do not mix."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, grey in (("doubtful", 128), ("sure", 170)):
        # Of two greys: frames that are equal would become one.
        frames = [Image.new("L", (40, 40), grey + at % 2) for at in range(4)]
        frames[0].save(clips / f"{name}.gif", save_all=True, append_images=frames[1:], duration=200)
    ran = unmask("clips", "--thorough", "--as-clip", "--json", model=tmp_path / "first")
    doubtful, sure = ran.lines
    assert (doubtful["kind"], doubtful["model"], doubtful["verdict"]) == ("video", "sharp@1", "FAKE")
    assert (sure["kind"], sure["model"], sure["verdict"]) == ("video", "tiny@1", "FAKE")
    alone = unmask("clips/doubtful.gif", "--as-clip", "--json", model=tmp_path / "first").lines[0]
    assert alone["verdict"] == "UNCERTAIN"
