"""``unmask detect`` over many images: order, gallery, journal, and folders that are watched."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from tests.cli.detecting import TIMEOUT, Ran, Unmask, make_image, make_marked

from unmask.cli.watch import Watched
from unmask.detect.detector import Detector
from unmask.detect.ranking import most_suspicious
from unmask.errors import UsageError
from unmask.imaging.find import PassedOver


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that a detector looks at, as it does."""
    looked_at: list[str] = []
    detect = Detector.detect

    def detect_and_note(detector: Detector, source: Any) -> Any:
        looked_at.append(os.path.basename(source))  # noqa: PTH119
        return detect(detector, source)

    monkeypatch.setattr(Detector, "detect", detect_and_note)
    return looked_at


def comparable(ran: Ran) -> list[dict[str, Any]]:
    return [line | {"ms": 0} for line in ran.lines]


# --- order -------------------------------------------------------------------------------------------------


def make_queue(folder: Path) -> None:
    """Seven images that sort into another order than their names; a tie, and one that cannot be read."""
    for name, grey in (("a", 100), ("b", 144), ("c", 160), ("e", 144)):
        make_image(folder / f"{name}.png", grey)
    make_marked(folder / "d.png", 144)
    (folder / "f.png").write_bytes(b"")
    make_image(folder / "g.png", 128)


def test_the_most_suspicious_come_first(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_queue(tmp_path / "q")
    ran = unmask("q", "--json", "--sort", "suspicion", model=whole_image_bundle)
    # of equal probability: the one with marks, then as listed; errors last
    assert [Path(path).stem for path in ran.paths] == ["c", "d", "b", "e", "g", "a", "f"]
    assert [line["verdict"] for line in ran.lines] == ["FAKE", "FAKE", "FAKE", "FAKE", "UNCERTAIN", "REAL", None]
    assert ran.code == 1
    plain = unmask("q", "--json", model=whole_image_bundle)
    assert sorted(map(str, comparable(plain))) == sorted(map(str, comparable(ran)))


def test_images_without_a_face_come_after_all_others(unmask: Unmask, tmp_path: Path, astronaut: Image.Image) -> None:
    # The face is dark, so real; the others are bright, which means nothing without a face.
    astronaut.crop((120, 20, 320, 220)).point(lambda value: value // 3).save(tmp_path / "z.png")
    make_image(tmp_path / "a.png", 250)
    make_marked(tmp_path / "b.png", 200)
    ran = unmask("missing.png", "a.png", "b.png", "z.png", "--json", "--sort", "suspicion")
    assert [(line["path"], line["verdict"]) for line in ran.lines] == [
        ("z.png", "REAL"), ("b.png", "NO_FACE"), ("a.png", "NO_FACE"), ("missing.png", None),
    ]  # fmt: skip


@pytest.mark.parametrize("top", [1, 3, 7, 50])
def test_top_is_the_beginning_of_sort(top: int, unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_queue(tmp_path / "q")
    whole = unmask("q", "--json", "--sort", "suspicion", model=whole_image_bundle)
    ran = unmask("q", "--json", "--sort", "suspicion", "--top", str(top), model=whole_image_bundle)
    assert ran.paths == whole.paths[:top]
    assert ran.code == 1  # an image that is not shown could not be read


def test_what_is_not_shown_is_counted(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_queue(tmp_path / "q")
    call = ("q", "--sort", "suspicion", "--top", "1")
    ran = unmask(*call, model=whole_image_bundle)
    assert "4 FAKE, 1 REAL, 1 UNCERTAIN, 0 NO_FACE, 1 not readable, 1 with marks" in ran.out
    assert "the 1 most suspicious of 7 shown" in ran.out
    assert [line.split()[0] for line in ran.out.splitlines()[1:2]] == ["FAKE"]
    assert len(ran.out.splitlines()) == 4  # header, one image, totals, threshold
    # c.png is shown; the marks are in d.png
    assert unmask(*call, "--fail-on", "mark", model=whole_image_bundle).code == 4


def test_memory_does_not_grow_with_what_is_not_shown() -> None:
    alive = most_alive = 0

    class Verdict(SimpleNamespace):
        def __init__(self, p: float) -> None:
            nonlocal alive, most_alive
            alive += 1
            most_alive = max(most_alive, alive)
            super().__init__(error=None, verdict="FAKE", fake_probability=p, marks=())

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    kept: Any = most_suspicious((Verdict((at * 37 % 100) / 100) for at in range(1000)), 5)  # type: ignore[misc]
    assert [verdict.fake_probability for verdict in kept] == [0.99] * 5
    assert most_alive < 12


# --- calls that make no sense ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--top", "3"], "--top needs --sort suspicion", id="the first of no order"),
        pytest.param(["--sort", "size"], "--sort must be suspicion, not 'size'", id="no such order"),
        pytest.param(["--watch", "--sort", "suspicion"], "--watch prints verdicts as images come", id="sort of no end"),
        pytest.param(["--watch-interval", "3"], "--watch-interval needs --watch", id="interval of nothing"),
        pytest.param(["--watch", "--watch-interval", "inf"], "must be a number of seconds, not inf", id="no end"),
        pytest.param(["--watch"], "--watch needs folders: 'a.png' is not one", id="a file to watch"),
        pytest.param(["-", "--watch"], "--watch needs folders: ", id="a list to watch"),
        pytest.param(["--html", "a.png/x.html"], "a.png: cannot be written", id="a gallery below a file"),
        pytest.param(["--html", "page"], "page/index.html: cannot be written: it is a folder", id="a folder's name"),
        pytest.param(["--resume", "none/j"], "none/j: cannot be written", id="a journal in no folder"),
        pytest.param(["--resume", "a.png"], "a.png: is not a journal of this version", id="an image as journal"),
        pytest.param(["--resume", "fifo"], "fifo: is not a file", id="a FIFO as journal"),
        pytest.param(["--resume", "link"], "link: is a link", id="a link as journal"),
    ],
)  # fmt: skip
def test_a_call_that_makes_no_sense_is_one_line(
    arguments: list[str], words: str, unmask: Unmask, tmp_path: Path
) -> None:
    before = make_image(tmp_path / "a.png").read_bytes()
    (tmp_path / "page" / "index.html").mkdir(parents=True)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("elsewhere")
    ran = unmask("a.png", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1 and ran.err.startswith("unmask: ") and words in ran.err
    assert (tmp_path / "a.png").read_bytes() == before


def test_evidence_in_a_watched_folder_is_refused(unmask: Unmask, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for evidence, more in (("in", ()), ("in/seen", ("-r",)), ("in/../in/seen", ("-r",))):
        ran = unmask("in", "--watch", "--evidence", evidence, *more)
        assert (ran.code, "would be judged in turn" in ran.err) == (2, True), evidence


# --- the gallery -------------------------------------------------------------------------------------------


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_the_gallery(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_queue(tmp_path / "q")
    ran = unmask("q", "--json", "--html", "out/page.html", "--evidence", "out/seen", model=whole_image_bundle)
    rows = data_of(tmp_path / "out/page.html")["rows"]
    assert [row["name"] for row in rows] == [Path(path).name for path in ran.paths]
    assert [row["verdict"] for row in rows] == [line["verdict"] or "UNREADABLE" for line in ran.lines]
    assert [row["fake"] for row in rows] == [line["fake_probability"] for line in ran.lines]
    assert [len(row["marks"]) for row in rows] == [0, 0, 0, 2, 0, 0, 0]
    for row in rows:
        assert row["thumbnail"].startswith("data:image/jpeg;base64,") == (row["name"] != "f.png")
        # the link leads to the image with its evidence
        assert row["name"] == "f.png" or (tmp_path / "out" / row["link"]).is_file()
    assert rows[5]["text"] == ran.lines[5]["error"]["message"] and rows[5]["link"] is None
    text = (tmp_path / "out/page.html").read_text()
    assert "whole@1" in text or "tiny@1" in text
    assert "is no proof that an image is real" in text


def test_a_gallery_in_a_folder_leads_to_the_images(
    unmask: Unmask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(tmp_path / "q" / "a b#?.png")
    unmask("q", "--html", "out")
    (row,) = data_of(tmp_path / "out/index.html")["rows"]
    assert row["link"] == "../q/a%20b%23%3F.png"
    assert (row["verdict"], row["fake"]) == ("NO_FACE", None)  # a number would mean nothing
    # A name that would be code as an address.
    make_image(tmp_path / "javascript:alert(1).png")
    unmask("javascript:alert(1).png", "--html", "g.html")
    (row,) = data_of(tmp_path / "g.html")["rows"]
    assert row["link"] == "javascript%3Aalert%281%29.png"


def test_a_gallery_of_the_first_says_so(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_queue(tmp_path / "q")
    unmask("q", "--html", "g.html", "--sort", "suspicion", "--top", "2", model=whole_image_bundle)
    assert [row["name"] for row in data_of(tmp_path / "g.html")["rows"]] == ["c.png", "d.png"]
    assert "The 2 most suspicious of 7 images." in (tmp_path / "g.html").read_text()


def test_no_gallery_of_nothing(unmask: Unmask, tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    assert unmask("q", "--html", "g.html").code == 2
    assert not (tmp_path / "g.html").exists()


def test_thumbnails_of_large_images_take_little_memory(unmask: Unmask, tmp_path: Path) -> None:
    import unmask.cli.gallery as gallery

    sizes: list[tuple[int, int]] = []
    plain = gallery.thumbnail_uri

    def noted(image: Image.Image) -> str:
        sizes.append(image.size)
        return plain(image)

    Image.new("RGB", (3000, 2000)).save(tmp_path / "large.jpg")
    Image.new("RGB", (3000, 2000)).save(tmp_path / "large.png")  # a format that is decoded at full size only
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "thumbnail_uri", noted)
        unmask("large.jpg", "large.png", "--html", "g.html", "--workers", "1")
    assert sizes[0] == (1500, 1000)
    assert all(row["thumbnail"] for row in data_of(tmp_path / "g.html")["rows"])


# --- the journal -------------------------------------------------------------------------------------------


def test_a_second_run_judges_only_what_is_missing(
    unmask: Unmask, whole_image_bundle: Path, tmp_path: Path, judged: list[str]
) -> None:
    make_queue(tmp_path / "q")
    (tmp_path / "q/g.png").rename(tmp_path / "later.png")
    call = ("q", "--json", "--resume", "j.jsonl")
    first = unmask(*call, model=whole_image_bundle)
    assert sorted(judged) == ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]
    judged.clear()
    (tmp_path / "later.png").rename(tmp_path / "q/g.png")
    second = unmask(*call, model=whole_image_bundle)
    assert sorted(judged) == ["f.png", "g.png"]  # one could not be read, one is new
    assert second.out.startswith(first.out.partition('{"path": "q/f.png"')[0])  # to the byte, times included
    assert second.code == first.code == 1
    assert comparable(second) == comparable(unmask("q", "--json", model=whole_image_bundle))


def test_a_kept_verdict_has_all_that_is_shown(unmask: Unmask, tmp_path: Path, astronaut: Image.Image) -> None:
    canvas = Image.new("RGB", (900, 512), "grey")
    canvas.paste(astronaut, (388, 0))
    canvas.paste(astronaut.resize((380, 380)), (0, 0))
    canvas.save(tmp_path / "two.png")
    (tmp_path / "odd.jpg").write_bytes(b"")
    astronaut.save(tmp_path / "odd.jpg", exif=b"Exif\0\0no TIFF structure at all")
    make_marked(tmp_path / "marked.png")
    names = ("two.png", "odd.jpg", "marked.png")
    for form in ("--json", "--csv", "--fail-on=mark"):
        fresh = unmask(*names, form, "--resume", f"j{form}")
        kept = unmask(*names, form, "--resume", f"j{form}")
        assert (kept.code, kept.out) == (fresh.code, fresh.out)
        assert (fresh.err, kept.err) == ("", f"unmask: 3 of 3 verdicts are from j{form}\n")
        assert fresh.code == (4 if form == "--fail-on=mark" else 0)


def test_a_changed_file_is_judged_again(unmask: Unmask, tmp_path: Path, judged: list[str]) -> None:
    paths = [make_image(tmp_path / f"{name}.png") for name in "abc"]
    call = ("a.png", "b.png", "c.png", "--json", "--resume", "j")
    unmask(*call)
    judged.clear()
    make_image(paths[0], 30)
    os.utime(paths[0], ns=(0, paths[0].stat().st_mtime_ns + 1))  # as if written later than the clock can tell
    os.utime(paths[1], ns=(0, 5))
    ran = unmask(*call)
    assert sorted(judged) == ["a.png", "b.png"]
    assert ran.lines[0]["fake_probability"] < 0.01


def test_the_same_file_by_another_name_of_its_path(unmask: Unmask, tmp_path: Path, judged: list[str]) -> None:
    make_image(tmp_path / "q" / "a.png")
    unmask("q", "--resume", "j")
    judged.clear()
    ran = unmask("./q/../q/a.png", str(tmp_path / "q/a.png"), "--json", "--resume", "j")
    assert judged == []
    assert ran.paths == ["./q/../q/a.png", str(tmp_path / "q/a.png")]  # as given now


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"bundle_sha256": "0" * 64, "model": "b@3"}, "of the bundle b@3 (000000000000)", id="hash"),
        pytest.param({"threshold": 0.25}, "for the threshold 0.25, not 0.5; use another journal", id="threshold"),
        pytest.param({"schema": 99}, "is not a journal of this version", id="another version"),
        pytest.param({"journal": "unmask fetch"}, "is not a journal of this version", id="another command's"),
    ],
)  # fmt: skip
def test_a_journal_of_other_verdicts_is_refused(
    change: dict[str, Any], words: str, unmask: Unmask, tmp_path: Path
) -> None:
    make_image(tmp_path / "a.png")
    unmask("a.png", "--resume", "j")
    first, _, rest = (tmp_path / "j").read_text().partition("\n")
    (tmp_path / "j").write_text(content := json.dumps(json.loads(first) | change) + "\n" + rest)
    ran = unmask("a.png", "--json", "--resume", "j")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert words in ran.err
    assert (tmp_path / "j").read_text() == content


def test_another_threshold_by_option_is_refused(unmask: Unmask, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    unmask("a.png", "--resume", "j")
    assert unmask("a.png", "--resume", "j", "--threshold", "fpr_5").code == 0  # the same one by its name
    assert unmask("a.png", "--resume", "j", "--threshold", "fpr_1").code == 2


def test_damaged_lines_are_judged_again(unmask: Unmask, tmp_path: Path, judged: list[str]) -> None:
    for name in "abcdef":
        make_image(tmp_path / f"{name}.png", 100 + ord(name) % 7)
    call = ("a.png", "b.png", "c.png", "d.png", "e.png", "f.png", "--json", "--resume", "j", "--workers", "1")
    whole = unmask(*call)
    lines = (tmp_path / "j").read_text().splitlines(keepends=True)
    damage = [
        lines[1].replace('"NO_FACE"', '"SAFE"'),  # no such verdict
        lines[2].replace('"fake_probability": ', '"fake_probability": "x" , "was": '),  # no number
        lines[3].replace('"size"', '"dimensions"'),  # a field is missing, as in a journal of an older version
        "\0" * 40 + "\n",  # never reached the disk
        lines[5],
        lines[6][:60],  # cut short by a kill
    ]
    (tmp_path / "j").write_text(lines[0] + "".join(damage))
    judged.clear()
    assert comparable(unmask(*call)) == comparable(whole)
    assert judged == ["a.png", "b.png", "c.png", "d.png", "f.png"]
    judged.clear()
    assert comparable(unmask(*call)) == comparable(whole)
    assert judged == []


def test_evidence_and_gallery_of_kept_verdicts(
    unmask: Unmask, whole_image_bundle: Path, tmp_path: Path, judged: list[str]
) -> None:
    make_queue(tmp_path / "q")
    call = ("q", "--resume", "j", "--html", "g.html")
    unmask(*call, model=whole_image_bundle)
    rows = data_of(tmp_path / "g.html")["rows"]
    unmask(*call, "--evidence", "seen", model=whole_image_bundle)
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "seen").iterdir()}
    assert len(drawn) == 6
    again = data_of(tmp_path / "g.html")["rows"]
    assert [row | {"link": None} for row in again] == [row | {"link": None} for row in rows]
    # Drawn from kept verdicts as from new ones, and once only.
    judged.clear()
    unmask(*call, "--evidence", "seen", model=whole_image_bundle)
    assert judged == ["f.png"]
    unmask("q", "--evidence", "fresh", model=whole_image_bundle)
    assert {path.name: path.read_bytes() for path in (tmp_path / "fresh").iterdir()} == drawn


def test_names_that_no_file_has(unmask: Unmask, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    ran = unmask("-", "--json", "--resume", "j", stdin=b"a\0b\n" + b"x" * 5000 + b"\na.png\n")
    assert [line["error"] and line["error"]["code"] for line in ran.lines] == ["not_found", "read_error", None]


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_killed_run_is_resumed(tiny_bundle: Path, tmp_path: Path, unmask: Unmask, judged: list[str]) -> None:
    for at in range(40):
        make_image(tmp_path / "q" / f"{at:02}.png", 100 + at)
    code = "import time; from unmask.detect.detector import Detector; plain = Detector.detect\n" \
        "def slow(*given):\n    time.sleep(0.02)\n    return plain(*given)\n" \
        "Detector.detect = slow\nfrom unmask.cli import main; main()"  # fmt: skip
    call = ["detect", "q", "--json", "--resume", "j", "--workers", "2", "--model", str(tiny_bundle)]
    with subprocess.Popen([sys.executable, "-c", code, *call], cwd=tmp_path, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        for _ in range(10):
            assert running.stdout.readline()
        # A second run is refused while the first holds the journal.
        refused = unmask("q", "--json", "--resume", "j")
        assert (refused.code, refused.err) == (2, "unmask: j: another run is using this journal\n")
        running.kill()
        running.wait(TIMEOUT)
    noted = (tmp_path / "j").read_bytes().count(b"\n") - 1
    judged.clear()
    ran = unmask("q", "--json", "--resume", "j")
    assert 10 <= noted < 40
    assert len(judged) == 40 - noted  # what was noted is not judged again
    assert comparable(ran) == comparable(unmask("q", "--json"))


# --- watched folders ---------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_an_image_appears_when_it_stays_as_it_is(clock: Path) -> None:
    watched = Watched(["in"], PassedOver(), recursive=False)
    make_image(clock / "a.png")
    assert watched.look() == []  # it may still be growing
    assert watched.look() == ["in/a.png"]
    assert watched.look() == []
    content = (clock / "a.png").read_bytes()
    for end in (10, 20, 30):  # it grows
        (clock / "b.png").write_bytes(content[:end])
        assert watched.look() == []
    assert watched.look() == ["in/b.png"]
    (clock / "b.png").write_bytes(content)  # after a pause
    assert watched.look() == []
    assert watched.look() == ["in/b.png"]
    (clock / "a.png").unlink()
    assert watched.look() == []
    make_image(clock / "a.png")
    assert [watched.look(), watched.look()] == [[], ["in/a.png"]]


def test_unfinished_files_are_left_alone(clock: Path) -> None:
    passed_over = PassedOver()
    watched = Watched(["in"], passed_over, recursive=False)
    names = ("a.png.part", "b.png.crdownload", "c.PNG.Partial", "d.tmp", ".e.png.x7Yz", "f.png~", "g.png.download")
    for name in names:
        make_image(clock / name)
    (clock / "h.png").touch()  # a browser's placeholder
    (clock / "notes.txt").write_text("no image")
    (clock / "sub").mkdir()
    make_image(clock / "sub" / "i.png")
    assert [watched.look() for _ in range(3)] == [[], [], []]
    assert (passed_over.files, passed_over.subfolders) == (1, 1)
    (clock / "a.png.part").rename(clock / "a.png")
    make_image(clock / "h.png")
    assert [watched.look(), watched.look()] == [[], ["in/a.png", "in/h.png"]]
    recursive = Watched(["in"], PassedOver(), recursive=True)
    assert [recursive.look(), recursive.look()] == [[], ["in/a.png", "in/h.png", "in/sub/i.png"]]


def test_a_folder_that_is_away_for_a_moment_is_not_judged_again(clock: Path) -> None:
    make_image(clock / "a.png")
    watched = Watched(["in"], PassedOver(), recursive=True)
    assert [watched.look(), watched.look()] == [[], ["in/a.png"]]
    away = clock.rename(clock.with_name("away"))
    assert [watched.look(), watched.look()] == [[], []]
    away.rename(clock)
    make_image(clock / "b.png")
    assert [watched.look() for _ in range(3)] == [[], ["in/b.png"], []]


def test_only_folders_are_watched(clock: Path) -> None:
    make_image(clock / "a.png")
    for path in ("in/a.png", "none", "-", "x" * 5000):
        with pytest.raises(UsageError, match="--watch needs folders"):
            Watched(["in", path], PassedOver(), recursive=False)


@contextmanager
def watching(folder: Path, bundle: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """``unmask detect in --watch`` in a process of its own, begun and, after the block, ended."""
    (folder / "in").mkdir(exist_ok=True)
    call = ["detect", "in", "--watch", "--watch-interval", "0.1", "--model", str(bundle), *options]
    with subprocess.Popen(
        [sys.executable, "-m", "unmask", *call],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        try:
            assert running.stderr is not None
            assert running.stderr.readline() == "unmask: watching for new images; Ctrl-C ends.\n"
            yield running
        finally:
            running.kill()


def end(running: subprocess.Popen[str], number: int = signal.SIGINT) -> Ran:
    running.send_signal(number)
    out, err = running.communicate(timeout=TIMEOUT)
    assert "Traceback" not in err
    return Ran(running.returncode, out, err)


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_watched_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    make_image(tmp_path / "in" / "first.png")
    options = ("--json", "--resume", "j", "--html", "g.html", "--fail-on", "uncertain")
    with watching(tmp_path, tiny_bundle, *options) as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["path"] == "in/first.png"
        make_image(tmp_path / "new.png").rename(tmp_path / "in" / "new.png")
        assert json.loads(running.stdout.readline())["path"] == "in/new.png"
        ran = end(running)
    assert (ran.code, ran.out, ran.err) == (4, "", "")
    assert [row["name"] for row in data_of(tmp_path / "g.html")["rows"]] == ["first.png", "new.png"]
    assert (tmp_path / "j").read_text().count("\n") == 3


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_watched_folder_as_a_table_ends_with_its_summary(tiny_bundle: Path, tmp_path: Path) -> None:
    with watching(tmp_path, tiny_bundle, "--csv") as running:
        assert running.stdout is not None
        make_image(tmp_path / "in" / "a.png")
        lines = [running.stdout.readline() for _ in range(2)]
        ran = end(running, signal.SIGTERM)
    assert ran.code == 0
    assert [row["path"] for row in csv.DictReader(io.StringIO("".join(lines)))] == ["in/a.png"]
    with watching(tmp_path, tiny_bundle) as running:
        time.sleep(0.5)
        make_image(tmp_path / "in" / "b.png")
        assert running.stdout is not None
        for _ in range(3):
            running.stdout.readline()
        ran = end(running)
    assert ran.code == 0
    assert ran.out.startswith("0 FAKE, 0 REAL, 0 UNCERTAIN, 2 NO_FACE\nThreshold 0.500")


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_watch_of_nothing_ends_well(tiny_bundle: Path, tmp_path: Path) -> None:
    with watching(tmp_path, tiny_bundle, "--json") as running:
        assert end(running) == Ran(0, "", "")


# --- progress ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
@pytest.mark.parametrize(
    ("arguments", "stdin", "count"),
    [
        pytest.param(["q"], "", "4/4", id="a folder, counted first"),
        pytest.param(["q", "--sort", "suspicion"], "", "4/4", id="also where verdicts come at the end"),
        pytest.param(["q/a.png", "-"], "q/b.png\nq/c.png\n", "3/?", id="a list that is still to come"),
    ],
)
def test_progress_on_a_terminal(
    arguments: list[str], stdin: str, count: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    for name in "abcd":
        make_image(tmp_path / "q" / f"{name}.png")
    (tmp_path / "q" / "notes.txt").write_text("no image")
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "unmask", "detect", *arguments, "--csv", "--model", str(tiny_bundle)],
            cwd=tmp_path, input=stdin, stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
        shown = os.read(ours, 1 << 20).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert count in shown and "images/s" in shown


def test_the_example_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "many-images.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for at in range(2):
        Image.new("RGB", (40, 40), (9 * at, 99, 99)).save(make_image(tmp_path / "photos" / f"{at}.jpg"), "JPEG")
    for _ in range(2):
        exec(block, {})
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[1:] for line in lines] == [["NO_FACE", "photos/0.jpg"], ["NO_FACE", "photos/1.jpg"]]
    assert (tmp_path / "photos.jsonl").read_text().count("\n") == 3
