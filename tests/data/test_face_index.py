"""The face index: every image is searched once, and again only when there is a reason to."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.data.face_index import FaceIndex, FaceRecord
from unmask.imaging.faces import Face, FaceFinder, FacePolicy

POLICY = FacePolicy(zoom=False)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The mean grey of every image that was searched, in the order of searching."""
    seen: list[int] = []
    lock = threading.Lock()

    def find(self: FaceFinder, image: Image.Image) -> list[Face]:
        grey = round(float(np.asarray(image).mean()))
        with lock:
            seen.append(grey)
        if grey < 50:
            return []
        points = tuple((grey + 0.1 * index, 2.5) for index in range(6))
        small = Face((0.0, 0.0, 2.0, 2.0), 0.6, points)
        return [Face((1.0, 2.0, float(grey), 40.5), 0.75, points), small]

    monkeypatch.setattr(FaceFinder, "find", find)
    return seen


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Six grey images of levels 0, 40 ... 200: the first two show no face."""
    paths = [tmp_path / "pictures" / f"{level}.png" for level in range(0, 240, 40)]
    paths[0].parent.mkdir()
    for level, path in zip(range(0, 240, 40), paths, strict=True):
        Image.new("RGB", (48, 48), (level,) * 3).save(path)
    return paths


def test_an_image_is_searched_once_and_its_largest_face_kept(
    tmp_path: Path, images: list[Path], searched: list[int]
) -> None:
    store = tmp_path / "run" / "faces.jsonl"
    steps: list[None] = []
    records = FaceIndex(store, POLICY).locate(images, lambda: steps.append(None))
    assert len(steps) == 6
    assert sorted(searched) == [0, 40, 80, 120, 160, 200]
    assert list(records) == images
    assert records[images[0]] == FaceRecord(None)
    face = records[images[3]].face
    assert face is not None
    assert face.box == (1.0, 2.0, 120.0, 40.5)
    assert len(face.keypoints) == 6

    searched.clear()
    assert FaceIndex(store, POLICY).locate(images, lambda: steps.append(None)) == records
    assert searched == []
    assert len(steps) == 12
    assert len(store.read_text().splitlines()) == 6


def test_one_index_asked_twice_searches_once(tmp_path: Path, images: list[Path], searched: list[int]) -> None:
    index = FaceIndex(tmp_path / "faces.jsonl", POLICY)
    assert index.locate(images) == index.locate(images)
    assert len(searched) == 6
    assert len((tmp_path / "faces.jsonl").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    "keep",
    [
        # cut in the middle of the last line, as by a kill
        lambda text: text[:-30],
        # cut just before the last line's end: the line is whole
        lambda text: text[:-1],
        # a line of other JSON, and one that is no JSON at all
        lambda text: "[1, 2]\n7\nnull\n{}\nnonsense\n" + text,
        # a record whose face lacks its key points
        lambda text: text + '{"key": "x", "face": {"box": [1, 2, 3, 4], "score": 1}, "error": null}\n',
    ],
)
def test_a_broken_line_costs_at_most_its_own_image(
    tmp_path: Path, images: list[Path], searched: list[int], keep: object
) -> None:
    store = tmp_path / "faces.jsonl"
    records = FaceIndex(store, POLICY).locate(images, workers=1)
    store.write_text(keep(store.read_text()))  # type: ignore[operator]
    searched.clear()
    assert FaceIndex(store, POLICY).locate(images) == records
    assert len(searched) <= 1
    # What was searched after the broken line was kept: nothing is searched again.
    searched.clear()
    assert FaceIndex(store, POLICY).locate(images) == records
    assert searched == []


def test_a_search_goes_on_where_it_was_interrupted(tmp_path: Path, images: list[Path], searched: list[int]) -> None:
    store = tmp_path / "faces.jsonl"

    class StopHereError(Exception):
        pass

    done = 0

    def interrupt() -> None:
        nonlocal done
        done += 1
        if done == 3:
            # What was found before is in the file already, in case the process does not live to close it.
            assert len(store.read_text().splitlines()) == 3
            raise StopHereError

    with pytest.raises(StopHereError):
        FaceIndex(store, POLICY).locate(images, interrupt, workers=1)
    kept = len(store.read_text().splitlines())
    assert kept >= 3
    searched.clear()
    FaceIndex(store, POLICY).locate(images)
    assert len(searched) == 6 - kept


def test_a_changed_image_is_searched_again(tmp_path: Path, images: list[Path], searched: list[int]) -> None:
    store = tmp_path / "faces.jsonl"
    FaceIndex(store, POLICY).locate(images)
    searched.clear()
    Image.new("RGB", (48, 48), (90, 90, 90)).save(images[0])
    os.utime(images[1], ns=(1, 1))  # same bytes, another time of change
    records = FaceIndex(store, POLICY).locate(images)
    assert sorted(searched) == [40, 90]
    face = records[images[0]].face
    assert face is not None
    assert face.box[2] == 90


def test_another_policy_searches_again_and_the_first_is_still_known(
    tmp_path: Path, images: list[Path], searched: list[int]
) -> None:
    store = tmp_path / "faces.jsonl"
    FaceIndex(store, POLICY).locate(images)
    FaceIndex(store, FacePolicy(zoom=False, score_threshold=0.6)).locate(images)
    assert len(searched) == 12
    FaceIndex(store, POLICY).locate(images)
    assert len(searched) == 12


@pytest.mark.parametrize("policy", [POLICY, None], ids=["faces", "no faces"])
def test_an_image_that_cannot_be_read_is_an_error_on_record(
    tmp_path: Path, images: list[Path], searched: list[int], policy: FacePolicy | None
) -> None:
    images[2].write_bytes(images[2].read_bytes()[:60])
    images[3].write_bytes(b"no image")
    images[4].unlink()
    store = tmp_path / "faces.jsonl"
    records = FaceIndex(store, policy).locate(images)
    for path in images[2:5]:
        assert records[path].face is None
        error = records[path].error
        assert error is not None
        code, colon, _ = error.partition(": ")
        assert colon
        assert code == code.lower()
    assert all(records[path].error is None for path in (*images[:2], images[5]))
    assert FaceIndex(store, policy).locate(images) == records
    assert json.loads(store.read_text().splitlines()[0]).keys() == {"key", "face", "error"}


def test_a_file_that_was_missing_is_searched_once_it_is_there(
    tmp_path: Path, images: list[Path], searched: list[int]
) -> None:
    data = images[5].read_bytes()
    images[5].unlink()
    store = tmp_path / "faces.jsonl"
    assert FaceIndex(store, POLICY).locate(images)[images[5]].error is not None
    images[5].write_bytes(data)
    assert FaceIndex(store, POLICY).locate(images)[images[5]].face is not None


def test_without_a_policy_no_face_is_searched(tmp_path: Path, images: list[Path], searched: list[int]) -> None:
    records = FaceIndex(tmp_path / "faces.jsonl", None).locate(images)
    assert set(records.values()) == {FaceRecord(None)}
    assert searched == []


def test_order_and_threads_change_nothing(tmp_path: Path, images: list[Path], searched: list[int]) -> None:
    one = FaceIndex(tmp_path / "one.jsonl", POLICY).locate(images, workers=1)
    many = FaceIndex(tmp_path / "many.jsonl", POLICY).locate(images[::-1], workers=5)
    assert one == many
    assert list(many) == images[::-1]
    lines = [set((tmp_path / name).read_text().splitlines()) for name in ("one.jsonl", "many.jsonl")]
    assert lines[0] == lines[1]


def test_names_beyond_ascii_and_repeated_paths(tmp_path: Path, searched: list[int]) -> None:
    path = tmp_path / "bild \u2028 é 🙂.png"  # U+2028 is a line separator to str.splitlines
    Image.new("RGB", (48, 48), (99, 99, 99)).save(path)
    store = tmp_path / "faces.jsonl"
    first = FaceIndex(store, POLICY).locate([path, path], workers=1)
    searched.clear()
    assert FaceIndex(store, POLICY).locate([path]) == first
    assert searched == []


def test_a_real_face_survives_the_file_bit_for_bit(tmp_path: Path, astronaut: Image.Image) -> None:
    path = tmp_path / "astronaut.png"
    astronaut.save(path)
    store = tmp_path / "faces.jsonl"
    found = FaceIndex(store, FacePolicy()).locate([path])[path].face
    assert found == FaceFinder(FacePolicy()).find(astronaut)[0]
    assert FaceIndex(store, FacePolicy()).locate([path])[path].face == found
