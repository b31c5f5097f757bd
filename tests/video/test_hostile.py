"""Clips made to harm their reader end in an error within limits; ``benchmarks/video_hostile.py`` tries thousands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("av")
if not sys.platform.startswith("linux"):
    pytest.skip("the children are forked", allow_module_level=True)

from tests.video import hostile

import unmask.imaging.video.reading  # noqa: F401 - once, before the children are forked

SOUND = {"read"}
REFUSED = {
    *("truncated", "corrupt", "no_video", "unsupported_format", "too_complex", "too_many_frames", "too_many_pixels"),
    *("side_too_long", "too_small", "too_long", "out_of_memory", "empty", "decode_stopped"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sound clips; not to be changed."""
    folder = tmp_path_factory.mktemp("clips")
    hostile.originals(folder)
    return folder


def _read(data: bytes, tmp_path: Path) -> hostile.Outcome:
    path = tmp_path / "case"
    path.write_bytes(data)
    return hostile.read_in_child(path)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("headers claim 16k x 16k", "read"),  # the stream itself says 64 x 48, and that holds
        ("16k x 16k", "side_too_long"),
        ("frames of 16k x 16k behind small headers", "corrupt"),
        ("10,000 streams", "too_complex"),
        ("65 streams", "too_complex"),
        ("an endless GIF", "too_many_frames"),
        ("a GIF of 16k x 16k", "side_too_long"),
        ("a GIF with a frame beyond its canvas", "read"),  # up to that frame
        ("MP4 with the header of WebM", "corrupt"),
        ("WebM with the header of MP4", "truncated"),
        ("MP4 with the header of AVI", "truncated"),
        ("headers alone", "truncated"),
        ("noise behind a header", "truncated"),
        ("boxes within boxes", "corrupt"),
        ("a duration of centuries", "read"),  # the samples say otherwise
        ("a playlist", "unsupported_format"),
        ("a list of files", "unsupported_format"),
    ],
)
def test_special_cases(name: str, code: str, folder: Path, tmp_path: Path) -> None:
    outcome = _read(hostile.special_cases(folder)[name](), tmp_path)
    assert (outcome.code, outcome.detail) == (code, "")
    assert outcome.cpu_s < 5 and outcome.peak_mib < 600


def test_every_case_is_listed(folder: Path) -> None:
    marks = [mark for mark in test_special_cases.pytestmark if mark.name == "parametrize"]
    assert {name for name, _ in marks[0].args[1]} == set(hostile.special_cases(folder))


@pytest.mark.parametrize("name", ["b.mp4", "g.webm", "e.avi", "i.ts"])
def test_clips_that_are_cut(name: str, folder: Path, tmp_path: Path) -> None:
    for data in hostile.cut_copies((folder / name).read_bytes()):
        outcome = _read(data, tmp_path)
        assert outcome.code in SOUND | REFUSED, outcome


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("d.mp4", 900),  # FFmpeg tells the file object to go before its start
        ("c.mp4", 1234),
        ("k.flv", 2353),  # a stream appears that was not there
        ("m.gif", 163),  # a frame as large as frames get
    ],
)
def test_mutations_that_once_escaped(name: str, seed: int, folder: Path, tmp_path: Path) -> None:
    outcome = _read(hostile.mutate((folder / name).read_bytes(), seed), tmp_path)
    assert outcome.code in SOUND | REFUSED, outcome


def test_a_hundred_mutations(folder: Path, tmp_path: Path) -> None:
    files = sorted(folder.iterdir())
    for seed in range(100):
        outcome = _read(hostile.mutate(files[seed % len(files)].read_bytes(), seed), tmp_path)
        assert outcome.code in SOUND | REFUSED, (seed, outcome)
        assert outcome.peak_mib < 900
