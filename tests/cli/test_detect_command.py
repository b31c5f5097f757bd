"""``unmask detect`` as people and programs call it: what it takes, prints, writes and exits with."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.detecting import TIMEOUT, Ran, Unmask, make_image, make_marked, process

from unmask.cli.table import TableOutput
from unmask.detect.detector import load
from unmask.detect.verdict import Novelty

MARKS = (
    "The file holds settings of an image generator, as ComfyUI writes them.; The file names Midjourney as its software."
)


# --- hostile inputs ----------------------------------------------------------------------------------------


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header announces pixels that are not there."""

    def chunk(name: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def jpeg(**options: Any) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # a socket's path may not be long, so from within its folder


def writes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def unreadable(path: Path) -> None:
    path.write_bytes(jpeg())
    path.chmod(0)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.jpg": (lambda path: None, "not_found"),
    "empty.jpg": (writes(b""), "empty"),
    "truncated.jpg": (writes(jpeg()[:900]), "truncated"),
    "text.jpg": (writes(b"this is a text, whatever its name says\n"), "unsupported_format"),
    "page.jpg": (writes(b"<html><script>alert(1)</script></html>"), "unsupported_format"),
    "bomb.png": (writes(png_of(20_000, 20_000)), "too_many_pixels"),
    "strip.png": (writes(png_of(100_000, 20)), "side_too_long"),
    "tiny.png": (writes(png_of(1, 1)), "too_small"),
    "comments.jpg": (writes(jpeg()[:2] + b"\xff\xfe\0\x03x" * 10_000 + jpeg()[2:]), "too_complex"),
    "folder.jpg": (Path.mkdir, "is_directory"),
    "socket.jpg": (bind_socket, "not_a_file"),
    "fifo.jpg": (os.mkfifo, "not_a_file"),
    "device.jpg": (lambda path: path.symlink_to("/dev/zero"), "not_a_file"),
    "loop.jpg": (lambda path: path.symlink_to(path.name), "read_error"),
    "x" * 5000 + ".jpg": (lambda path: None, "read_error"),
    "locked.jpg": (unreadable, "permission_denied"),
}
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def hostile_run(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One process over all hostile inputs, as a list on standard input, and one good image at the end."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, (make, _) in HOSTILE.items():
            make(folder / name)
    make_image(folder / "good.png")
    names = "\n".join([*HOSTILE, "good.png"])
    return process("detect", "-", "--json", "--model", str(tiny_bundle), cwd=folder, stdin=names.encode())


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:20])
def test_a_hostile_input_is_one_line_with_a_code(name: str, hostile_run: Ran) -> None:
    if name == "locked.jpg" and IS_ROOT:
        pytest.skip("root may read everything")
    line = hostile_run.lines[list(HOSTILE).index(name)]
    assert line["path"] == name
    assert line["result"] is None
    assert line["error"]["code"] == HOSTILE[name][1]
    assert line["error"]["message"].endswith(".")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"icc_profile": b"no profile at all" * 10}, "colour profile is damaged and was ignored"),
        ({"exif": b"Exif\0\0no TIFF structure at all"}, "EXIF data is damaged and was ignored"),
    ],
)
def test_damaged_metadata_do_not_hide_the_pixels(
    unmask: Unmask, tiny_bundle: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    (tmp_path / "plain.jpg").write_bytes(jpeg())
    (tmp_path / "odd.jpg").write_bytes(jpeg(**options))
    plain, odd = unmask("plain.jpg", "odd.jpg", "--json", "--model", str(tiny_bundle)).lines
    assert odd["fake_probability"] == plain["fake_probability"]
    assert plain["notes"] == []
    assert [words in note for note in odd["notes"]] == [True]


def test_native_libraries_do_not_write_to_the_terminal(tiny_bundle: Path, tmp_path: Path) -> None:
    from tests.imaging import hostile

    (tmp_path / "fax.tif").write_bytes(hostile.CASES["tiff-fax-damaged"]())  # libtiff has much to say about it
    (tmp_path / "notes").write_text("no image")
    ran = process("detect", ".", "--json", "--model", str(tiny_bundle), cwd=tmp_path)
    # What Python prints arrives.
    assert ran.err == "unmask: passed over 1 file that is not an image\n"
    assert ran.paths == ["./fax.tif"]


def test_hostile_inputs_do_not_stop_the_run(hostile_run: Ran) -> None:
    assert hostile_run.code == 1
    assert hostile_run.paths == [*HOSTILE, "good.png"]
    assert hostile_run.lines[-1]["result"] == "FAKE"
    assert hostile_run.err == ""


def test_hostile_inputs_as_arguments(unmask: Unmask, tmp_path: Path) -> None:
    """As arguments a folder means what is in it; the rest is as in a list."""
    names = [name for name in HOSTILE if name not in ("folder.jpg", "locked.jpg")]
    for name in names:
        HOSTILE[name][0](tmp_path / name)
    ran = unmask(*names, "--json")
    assert ran.code == 1
    assert [(line["path"], line["error"]["code"]) for line in ran.lines] == [(name, HOSTILE[name][1]) for name in names]


# --- broken bundles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(lambda b: (b / "model.onnx").write_bytes(b"x"), "does not match its hash", id="wrong hash"),
        pytest.param(lambda b: (b / "bundle.json").unlink(), "bundle.json cannot be read", id="missing file"),
        pytest.param(lambda b: shutil.rmtree(b), "There is no bundle at", id="no bundle"),
    ],
)
def test_a_broken_bundle_is_one_line_and_exit_3(
    damage: Callable[[Path], object], words: str, unmask: Unmask, tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    damage(bundle)
    ran = unmask(str(make_image(tmp_path / "a.png")), "--json", model=bundle)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("unmask: ")
    assert ran.err.count("\n") == 1
    assert words in ran.err


# --- paths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "a b.png",
        " leading.png",
        "trailing.png ",
        "ünïcödé 写真.png",
        "-dash.png",
        "star*[1].png",
        "new\nline.png",
        "~.png",
    ],
)
def test_the_path_is_exactly_the_one_given(name: str, unmask: Unmask, tmp_path: Path) -> None:
    make_image(tmp_path / name)
    ran = unmask("--json", "--", name) if name.startswith("-") else unmask(name, "--json")
    # Under "--" the helper's --model would be a path too, so such a name goes through standard input below.
    if not name.startswith("-"):
        assert (ran.code, ran.paths) == (0, [name])
    if "\n" not in name:
        listed = unmask("-", "--json", stdin=f"{name}\n".encode())
        assert (listed.code, listed.paths) == (0, [name])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_path_that_is_no_text(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    name = b"caf\xe9.png"
    make_image(tmp_path / "x").rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    ran = process("detect", name, "-", "--json", "--model", str(whole_image_bundle), cwd=tmp_path, stdin=name + b"\n")
    assert (ran.code, ran.err) == (0, "")
    assert [os.fsencode(path) for path in ran.paths] == [name, name]
    for form in ((), ("--csv",)):
        ran = unmask(os.fsdecode(name), *form, "--evidence", "seen", model=whole_image_bundle)
        assert ran.code == 0
        assert r"caf\udce9.png" in ran.out
    assert len(list((tmp_path / "seen").iterdir())) == 1


def test_names_beyond_the_terminals_letters(tiny_bundle: Path, tmp_path: Path) -> None:
    make_image(tmp_path / "写真.png")
    arguments = ("detect", "写真.png", "--csv", "--model", str(tiny_bundle))
    ran = process(*arguments, cwd=tmp_path, PYTHONIOENCODING="latin-1")
    assert ran.code == 0
    assert r"\u5199\u771f.png" in ran.out


def make_tree(folder: Path) -> None:
    for name in ("b.png", "a.PNG", "sub/c.png", "sub/deep/d.png", ".hidden.png", ".secret/e.png"):
        make_image(folder / name)
    (folder / "notes.txt").write_text("no image")
    # Images whose names do not say so.
    (folder / "phone").write_bytes(jpeg())
    (folder / "sub" / "x.jfif").write_bytes(jpeg())


@pytest.mark.parametrize(
    ("arguments", "expected", "code", "passed_over"),
    [
        pytest.param(
            *(["p"], ["p/a.PNG", "p/b.png", "p/phone"], 1),
            "1 file that is not an image and 1 subfolder (--recursive searches them)",
            id="a folder, sorted, by content, without hidden files",
        ),
        pytest.param(
            *(["p/"], ["p/a.PNG", "p/b.png", "p/phone"], 1),
            "1 file that is not an image and 1 subfolder (--recursive searches them)",
            id="a folder with a slash",
        ),
        pytest.param(
            ["p", "--recursive"],
            ["p/a.PNG", "p/b.png", "p/phone", "p/sub/c.png", "p/sub/deep/d.png", "p/sub/x.jfif"],
            0,
            "1 file that is not an image",
            id="and those below",
        ),
        pytest.param(["p/*.png"], ["p/b.png"], 0, "", id="a glob"),
        pytest.param(
            ["p/**/*.png", "-r"], ["p/b.png", "p/sub/c.png", "p/sub/deep/d.png"], 0, "", id="a glob through folders"
        ),
        pytest.param(
            ["p/b.png", "p/a.PNG", "p/b.png"], ["p/b.png", "p/a.PNG", "p/b.png"], 0, "", id="the order given, twice"
        ),
        pytest.param(
            ["p/sub", "-", "p/a.PNG"],
            ["p/sub/c.png", "p/sub/x.jfif", "p/b.png", "p/a.PNG"],
            1,
            "1 subfolder (--recursive searches them)",
            id="a list in between",
        ),
    ],
)
def test_what_is_looked_at(
    arguments: list[str], expected: list[str], code: int, passed_over: str, unmask: Unmask, tmp_path: Path
) -> None:
    make_tree(tmp_path / "p")
    ran = unmask(*arguments, "--json", stdin=b"p/b.png\n")
    assert (ran.code, ran.paths) == (code, expected)
    assert ran.err == (f"unmask: passed over {passed_over}\n" if passed_over else "")


def test_a_folder_that_may_not_be_listed(unmask: Unmask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "p")
    real_scandir = os.scandir

    def scandir(folder: str) -> Any:
        if folder == "p/sub":
            raise PermissionError(13, "Permission denied")
        return real_scandir(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    ran = unmask("p", "-r", "--json")
    assert (ran.code, ran.paths) == (1, ["p/a.PNG", "p/b.png", "p/phone", "p/sub"])
    assert ran.lines[-1]["error"]["code"] == "is_directory"


def test_lists_with_line_ends_of_windows_and_blank_lines(unmask: Unmask, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    make_image(tmp_path / "b.png")
    assert unmask("-", "--json", stdin=b"a.png\r\n\r\n\nb.png").paths == ["a.png", "b.png"]


def test_a_literal_name_is_never_a_glob(unmask: Unmask, tmp_path: Path) -> None:
    make_image(tmp_path / "a[1].png")
    make_image(tmp_path / "a1.png")
    assert unmask("a[1].png", "--json").paths == ["a[1].png"]


def test_a_glob_without_a_match_is_reported(unmask: Unmask) -> None:
    ran = unmask("*.png", "--json")
    assert (ran.code, ran.paths) == (1, ["*.png"])


def test_the_order_is_the_same_for_any_workers(unmask: Unmask, tmp_path: Path) -> None:
    for index in range(8):
        make_image(tmp_path / "p" / f"{index}.png", 100 + 9 * index, side=[16, 300][index % 2])

    def answers(workers: str) -> list[dict[str, Any]]:
        return [{**line, "ms": 0} for line in unmask("p", "--json", "--workers", workers).lines]

    assert answers("1") == answers("4")
    assert [line["path"] for line in answers("4")] == [f"p/{index}.png" for index in range(8)]


# --- forms of output ---------------------------------------------------------------------------------------


def test_csv(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_marked(tmp_path / 'a, "b".png')
    make_image(tmp_path / "=cmd.png", 100)
    ran = unmask('a, "b".png', "=cmd.png", "missing.png", "--csv", model=whole_image_bundle)
    assert ran.code == 1
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    names = "path verdict fake_probability result confidence uncertain face_found faces boxes marks notes sha256"
    assert list(rows[0]) == [*names.split(), "model", "error"]
    assert [row["verdict"] for row in rows] == ["FAKE", "REAL", ""]
    assert [row["uncertain"] for row in rows] == ["False", "False", "False"]
    assert [row["marks"] for row in rows] == [MARKS, "", ""]
    assert rows[0]["sha256"] == hashlib.sha256((tmp_path / 'a, "b".png').read_bytes()).hexdigest()
    assert [row["path"] for row in rows] == ['a, "b".png', "'=cmd.png", "missing.png"]
    assert [row["result"] for row in rows] == ["FAKE", "REAL", ""]
    assert [row["error"] for row in rows] == ["", "", "not_found"]
    assert float(rows[0]["fake_probability"]) == pytest.approx(0.731059)  # a logit of 1
    assert rows[0]["model"] == "tiny@1"


def test_csv_of_faces(unmask: Unmask, tmp_path: Path, astronaut: Image.Image) -> None:
    """Two boxes; and of an image without a face no number, which would mean nothing."""
    canvas = Image.new("RGB", (900, 512))
    canvas.paste(astronaut, (388, 0))
    canvas.paste(astronaut.resize((380, 380)), (0, 0))
    canvas.save(tmp_path / "a.png")
    make_image(tmp_path / "b.png")
    two, none = csv.DictReader(io.StringIO(unmask("a.png", "b.png", "--csv").out))
    assert two["faces"] == "2"
    large, small = ([float(edge) for edge in box.split(" ")] for box in two["boxes"].split("; "))
    assert large == pytest.approx([388 + 173, 68, 388 + 280, 174], abs=12)
    assert small == pytest.approx([edge * 380 / 512 for edge in (173, 68, 280, 174)], abs=12)
    assert (none["verdict"], none["uncertain"], none["faces"], none["boxes"]) == ("NO_FACE", "True", "0", "")
    assert none["fake_probability"] == none["result"] == none["confidence"] == ""


def test_the_table_for_people(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    for name, grey in (("a.png", 144), ("b\x1b[31m.png", 100), ("c.png", 128)):
        make_image(tmp_path / "p" / name, grey)
    (tmp_path / "p" / "notes.txt").write_text("no image")
    ran = unmask("p", "missing.png", model=whole_image_bundle)
    assert ran.code == 1
    # Logits of 1, -1.75 and 0; the last lies in the band from 0.4 to 0.6. A name cannot steer the terminal.
    assert ran.out.splitlines() == [
        "verdict    probability of fake  image                             remarks",
        "FAKE                    73.1 %  p/a.png",
        "REAL                    14.8 %  p/b\\x1b[31m.png",
        "UNCERTAIN               50.0 %  p/c.png",
        "ERROR                           missing.png                       There is no such file.",
        "1 FAKE, 1 REAL, 1 UNCERTAIN, 0 NO_FACE, 1 not readable, passed over 1 file that is not an image",
        "Threshold 0.500 (5 % false positives on validation data), tiny@1",
    ]


def test_the_table_shows_marks_and_no_number_without_a_face(unmask: Unmask, tmp_path: Path) -> None:
    make_marked(tmp_path / "a.png")
    make_image(tmp_path / "b.png")
    ran = unmask("a.png", "b.png")
    assert ran.code == 0
    assert ran.out.splitlines()[1:-1] == [
        f"NO_FACE                         a.png                             {MARKS.replace('; ', ' ')}",
        "NO_FACE                         b.png",
        "0 FAKE, 0 REAL, 0 UNCERTAIN, 2 NO_FACE, 1 with marks",
    ]


@pytest.mark.parametrize(
    ("path", "distance", "line"),
    [
        # like the training images
        ("a.png", 0.5, "FAKE                    73.1 %  a.png"),
        # unlike them
        ("a.png", 2.0, f"FAKE                    73.1 %  {'a.png':<32}  Unlike the training images."),
        # a path that fills its column, and one that moves the remarks, with a gap
        (32 * "a", 2.0, f"FAKE                    73.1 %  {32 * 'a'}  Unlike the training images."),
        (80 * "a", 2.0, f"FAKE                    73.1 %  {80 * 'a'}  Unlike the training images."),
    ],
)
def test_remarks_never_touch_the_path(
    path: str, distance: float, line: str, whole_image_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = load(whole_image_bundle)
    verdict = detector.detect(Image.new("RGB", (32, 32), (144, 144, 144)))
    with TableOutput(detector) as output:
        output.add(replace(verdict, path=path, novelty=Novelty(distance, 1.0)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == line
    assert lines[0].rindex("image") == line.index(path)


def test_json_and_csv_exclude_each_other(unmask: Unmask, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    assert unmask("a.png", "--json", "--csv").code == 2


# --- thresholds and exit codes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "result"),
    [
        pytest.param([], 0, "FAKE", id="a fake is no failure"),
        pytest.param(["--fail-on", "fake"], 4, "FAKE", id="unless asked for"),
        pytest.param(["--fail-on", "fake", "--threshold", "0.731"], 4, "FAKE", id="just above the threshold"),
        pytest.param(["--fail-on", "uncertain,mark"], 0, "FAKE", id="neither uncertain nor marked"),
        pytest.param(["--fail-on", "uncertain, fake"], 4, "FAKE", id="any of several"),
        pytest.param(["--fail-on", "fake", "--threshold", "0"], 4, "FAKE", id="everything is fake"),
        pytest.param(["--fail-on", "fake", "--threshold", "1"], 0, "REAL", id="nothing is"),
        pytest.param(["--fail-on", "fake", "--threshold", "fpr_1"], 0, "REAL", id="a threshold by name"),
    ],
)
def test_exit_codes(
    arguments: list[str], code: int, result: str, unmask: Unmask, whole_image_bundle: Path, tmp_path: Path
) -> None:
    make_image(tmp_path / "a.png")
    ran = unmask("a.png", "--json", *arguments, model=whole_image_bundle)
    assert (ran.code, ran.lines[0]["verdict"]) == (code, result)


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [
        pytest.param("fake", 0, id="no face: no fake, whatever the probability"),
        pytest.param("uncertain", 4, id="no face: uncertain"),
        pytest.param("mark", 4, id="a mark"),
        pytest.param("fake,mark", 4, id="one of two"),
    ],
)
def test_exit_codes_without_a_face(fail_on: str, code: int, unmask: Unmask, tmp_path: Path) -> None:
    make_marked(tmp_path / "a.png")
    ran = unmask("a.png", "--json", "--fail-on", fail_on)
    assert (ran.code, ran.lines[0]["verdict"], ran.lines[0]["result"]) == (code, "NO_FACE", "FAKE")


def test_exit_code_of_the_uncertain_band(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png", 128)  # a probability of 0.5
    for fail_on, code in (("fake", 0), ("uncertain", 4), ("mark", 0)):
        assert unmask("a.png", "--json", "--fail-on", fail_on, model=whole_image_bundle).code == code


def test_a_fake_outweighs_a_failure(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    ran = unmask("missing.png", "a.png", "--json", "--fail-on", "fake", model=whole_image_bundle)
    assert ran.code == 4


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["a.png", "--threshold", "1.5"], id="a threshold over 1"),
        pytest.param(["a.png", "--threshold", "fpr_7"], id="no such threshold"),
        pytest.param(["a.png", "--threshold", "nan"], id="a threshold that is no number"),
        pytest.param(["a.png", "--fail-on", "real"], id="no such reason"),
        pytest.param(["a.png", "--fail-on", "fake,"], id="an empty reason"),
        pytest.param(["a.png", "--fail-on", ""], id="no reason"),
        pytest.param(["a.png", "--workers", "0"], id="no worker"),
        pytest.param(["a.png", "--evidence", "a.png"], id="evidence into a file"),
        pytest.param(["a.png", "--wat"], id="no such option"),
        pytest.param([], id="no path"),
        pytest.param(["empty"], id="a folder without images"),
        pytest.param(["-"], id="an empty list"),
    ],
)
def test_wrong_calls_exit_with_2(arguments: list[str], unmask: Unmask, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    ran = unmask(*arguments)
    assert ran.code == 2
    assert ran.err


# --- evidence ----------------------------------------------------------------------------------------------


def test_no_evidence_without_a_face(unmask: Unmask, tmp_path: Path, astronaut: Image.Image) -> None:
    make_image(tmp_path / "cup.png")
    astronaut.save(tmp_path / "face.png")
    assert unmask("cup.png", "face.png", "--json", "--evidence", "e").code == 0
    assert [path.name.split(".")[0] for path in (tmp_path / "e").iterdir()] == ["face"]


def test_evidence_of_images_of_one_name(
    unmask: Unmask, whole_image_bundle: Path, tmp_path: Path, astronaut: Image.Image
) -> None:
    for folder, side in (("one", 40), ("two", 50)):
        make_image(tmp_path / folder / "same.png", side=side)
    astronaut.save(tmp_path / "face.jpg")
    before = sorted(tmp_path.rglob("*"))
    paths = ("one", "two", "face.jpg", "missing.png")
    ran = unmask(*paths, "--json", "--evidence", "out/evidence", model=whole_image_bundle)
    assert ran.code == 1
    written = sorted((tmp_path / "out/evidence").iterdir())
    assert len(written) == 3
    sizes = []
    for path in written:
        assert path.name.endswith(".evidence.png")
        with Image.open(path) as image:
            sizes.append(image.size)
    assert sorted(sizes) == [(40, 40), (50, 50), (512, 512)]
    # Nothing is written outside the folder that was given.
    assert sorted({*tmp_path.rglob("*")} - {*written, tmp_path / "out", tmp_path / "out/evidence"}) == before


def test_an_image_that_vanishes_before_its_evidence_is_drawn(
    unmask: Unmask, whole_image_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unmask.detect.detector import Detector

    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 40), "teal").save(tmp_path / name)
    detect = Detector.detect

    def detect_and_lose(detector: Detector, source: Any) -> Any:
        verdict = detect(detector, source)
        if source == "a.png":
            (tmp_path / "a.png").unlink()
        return verdict

    monkeypatch.setattr(Detector, "detect", detect_and_lose)
    ran = unmask("a.png", "b.png", "--json", "--evidence", "e", model=whole_image_bundle)
    assert ran.code == 1
    assert [line["error"] for line in ran.lines] == [None, None]  # the verdicts stand
    assert "no evidence for a.png" in ran.err
    assert [path.name.split(".")[0] for path in (tmp_path / "e").iterdir()] == ["b"]


def test_evidence_of_an_image_with_a_long_name(unmask: Unmask, whole_image_bundle: Path, tmp_path: Path) -> None:
    name = "写" * 80 + ".png"  # 244 bytes of the 255 that there may be
    make_image(tmp_path / name)
    assert unmask(name, "--json", "--evidence", "e", model=whole_image_bundle).code == 0
    assert len(list((tmp_path / "e").iterdir())) == 1


# --- the process -------------------------------------------------------------------------------------------


def test_detect_imports_nothing_heavy(tiny_bundle: Path, tmp_path: Path) -> None:
    make_image(tmp_path / "a.png")
    code = f"""
import sys
sys.argv = ["unmask", "detect", "a.png", "--json", "--evidence", "e", "--model", {str(tiny_bundle)!r}]
from unmask.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = "torch torchvision timm lightning sklearn scipy pandas pyarrow matplotlib onnx fastapi av ray rich".split()
print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert done.stderr == "[]\n"
    assert json.loads(done.stdout)["path"] == "a.png"


@pytest.mark.skipif(os.name != "posix", reason="needs a pipe that breaks")
def test_a_reader_that_goes_away(tiny_bundle: Path, tmp_path: Path) -> None:
    """As ``head`` does: no complaint on standard error, and no hang."""
    make_image(tmp_path / "a.png")
    command = [sys.executable, "-m", "unmask", "detect", "-", "--json", "--model", str(tiny_bundle)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(b"a.png\n" * 300)
        running.stdin.flush()
        running.stdout.readline()
        running.stdout.close()
        running.stdin.close()
        assert running.stderr.read() == b""
        assert running.wait(TIMEOUT) == 1
