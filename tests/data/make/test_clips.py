"""Clips that are made: one transformation from the first frame to the last, and encoded as asked."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from unmask.data.make.clip_faces import follow, tremble
from unmask.data.make.clip_file import ClipEncoding, encode_clip
from unmask.data.make.clips import ClipPolicy, synthesize_clips
from unmask.data.make.still_motion import still_frames
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.imaging.faces import Face, FaceFinder
from unmask.imaging.video.frames import ClipReader, sample_frames


def face_at(x: float, y: float, side: float = 40.0) -> Face:
    points = [(0.3, 0.3), (0.7, 0.3), (0.5, 0.5), (0.5, 0.75), (0.1, 0.4), (0.9, 0.4)]
    return Face((x, y, x + side, y + side), 0.9, tuple((x + side * a, y + side * b) for a, b in points))


def frames_of(path: Path) -> list[np.ndarray]:
    return [np.asarray(frame.image) for frame in sample_frames(path, 99)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h264:23", ClipEncoding("h264", 23)),
        # without a number, visually lossless
        ("h264", ClipEncoding("h264", 18)),
        (" FFV1 ", ClipEncoding("ffv1", 18)),
    ],
)
def test_encodings_by_name(text: str, expected: ClipEncoding) -> None:
    assert ClipEncoding.parse(text) == expected
    assert ClipEncoding.parse(str(expected)) == expected


@pytest.mark.parametrize("text", ["h265", "h264:52", "h264:-1", "ffv1:3", ""])
def test_other_encodings_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ClipEncoding.parse(text)
    assert caught.value.code == "bad_format"


@pytest.mark.parametrize(
    ("name", "size", "seen", "error"),
    [
        # without loss, also of an odd side, whose last column goes
        ("ffv1", (65, 48), (64, 48), 0.0),
        # both matrices: BT.601 below 720 rows, BT.709 from there
        ("h264:4", (64, 48), (64, 48), 2.5),
        ("h264:4", (80, 720), (80, 720), 2.5),
    ],
)
def test_frames_come_back(
    name: str, size: tuple[int, int], seen: tuple[int, int], error: float, tmp_path: Path
) -> None:
    encoding = ClipEncoding.parse(name)
    across, down = np.meshgrid(np.linspace(0, 200, size[0]), np.linspace(40, 220, size[1]))
    frames = [
        Image.fromarray(np.stack([across + 10 * i, down, 255 - across], -1).clip(0, 255).astype(np.uint8))
        for i in range(3)
    ]
    content = encode_clip(frames, 12.5, encoding)
    assert content == encode_clip(iter(frames), 12.5, encoding)
    path = tmp_path / f"clip{encoding.suffix}"
    path.write_bytes(content)
    with ClipReader(path) as clip:
        assert clip.facts.size == seen
        assert clip.facts.fps == pytest.approx(12.5)
        found = list(clip.frames(9))
    assert len(found) == 3
    for frame, before in zip(found, frames, strict=True):
        wanted = np.asarray(before.crop((0, 0, *seen)), int)
        assert np.abs(np.asarray(frame.image, int) - wanted).mean() <= error


def test_no_frames_make_no_clip() -> None:
    with pytest.raises(UsageError) as caught:
        encode_clip([], 25, ClipEncoding())
    assert caught.value.code == "no_frames"


def test_a_face_is_followed_and_smoothed() -> None:
    # It moves by 4 a frame, and the finder is 3 off in the middle; another face stands far away.
    other = face_at(300, 300, 20)
    seen = [[face_at(4 * i + (3 if i == 2 else 0), 10), other] for i in range(5)]
    found = follow(seen)
    boxes = [face.box[0] for face in found if face is not None]
    # The mean of one, three, five, three and one frames.
    assert boxes == pytest.approx([0, 5, 8.6, 13, 16])
    assert all(face is not None and face.box[1] == 10 for face in found)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        # a jump, as at a cut, ends it in both directions; the largest face is in the second frame
        ([[face_at(0, 0)], [face_at(5, 0, 44)], [face_at(200, 0)]], [True, True, False]),
        # a frame without a face ends it, too
        ([[face_at(0, 0, 44)], [], [face_at(0, 0)]], [True, False, False]),
        # none at all
        ([[], []], [False, False]),
    ],
)
def test_where_a_face_is_followed(seen: list[list[Face]], expected: list[bool]) -> None:
    assert [face is not None for face in follow(seen)] == expected


def test_a_tremor_moves_a_face_by_its_measure() -> None:
    face, rng = face_at(100, 100), np.random.default_rng(0)
    assert tremble(face, 0.0, rng) == face
    moves = np.array([tremble(face, 0.05, rng).keypoints[2] for _ in range(400)]) - face.keypoints[2]
    # The nose is in the middle: only the shift moves it, by 5 % of the side of 40.
    assert moves.std(0) == pytest.approx(2.0, rel=0.2)
    assert np.abs(moves.mean(0)).max() < 0.4


def test_a_still_image_moves_smoothly(astronaut: Image.Image) -> None:
    face = FaceFinder().find(astronaut)[0]
    made = list(still_frames(astronaut, face, 6, np.random.default_rng(3)))
    again = list(still_frames(astronaut, face, 6, np.random.default_rng(3)))
    assert [frame.image.tobytes() for frame in made] == [frame.image.tobytes() for frame in again]
    seconds = [frame.seconds for frame in made]
    assert seconds[0] == 0
    assert seconds == sorted(seconds)
    side = made[0].image.width
    for before, after in pairwise(made):
        assert np.hypot(*np.subtract(after.face.keypoints[2], before.face.keypoints[2])) < 0.08 * side
        assert before.image.tobytes() != after.image.tobytes()
    # The face is where it is said to be, and nothing outside the image is shown.
    found = FaceFinder().find(made[3].image)[0]
    assert np.abs(np.subtract(found.keypoints[:4], made[3].face.keypoints[:4])).max() < 0.04 * side
    assert np.asarray(made[3].image.convert("L"))[[0, -1]].min(1).max() > 0


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> Path:
    """Two real clips of two groups that stand still: three equal frames, and their mirror images."""
    folder = tmp_path_factory.mktemp("clips")
    still = astronaut.crop((100, 0, 360, 260)).resize((160, 160))
    for name, image in (("a.mkv", still), ("b.mkv", still.transpose(Image.Transpose.FLIP_LEFT_RIGHT))):
        (folder / name).write_bytes(encode_clip([image] * 3, 10, ClipEncoding("ffv1")))
    (folder / "clips.csv").write_text("path,label,group,source\na.mkv,real,one,x\nb.mkv,real,two,x\n")
    return folder / "clips.csv"


def made_rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return {f"{row['made_by']} {row['made_from']}": row for row in csv.DictReader(file)}


def test_a_blend_is_the_same_in_every_frame(clips: Path, tmp_path: Path) -> None:
    policy = ClipPolicy("self-blend", encoding=ClipEncoding("ffv1"), with_originals=True)
    report = synthesize_clips(Manifest.open(clips), tmp_path, policy)
    assert (report.made, report.originals, report.misses, report.unreadable) == (2, 2, {}, 0)
    rows = made_rows(tmp_path)
    fake, real = rows["self-blend a.mkv"], rows["original a.mkv"]
    assert (fake["label"], fake["kind"], fake["group"]) == ("fake", "self-blend", "one")
    assert (real["label"], real["group"], real["sha256"] == fake["sha256"]) == ("real", "one", False)
    first, *others = frames_of(tmp_path / fake["path"])
    assert len(others) == 2
    assert all((frame == first).all() for frame in others)
    original = frames_of(tmp_path / real["path"])[0]
    assert (original == frames_of(clips.parent / "a.mkv")[0]).all()
    # The face's surroundings end above the last rows.
    assert (first[156:] == original[156:]).all()
    assert (first != original).any()
    again = synthesize_clips(Manifest.open(clips), tmp_path, policy)
    assert (again.kept, again.made) == (2, 2)


def test_a_swap_takes_its_donor_from_another_group_and_trembles_if_asked(clips: Path, tmp_path: Path) -> None:
    policy = ClipPolicy("swap", limit=1, tremor=0.02, encoding=ClipEncoding("ffv1"))
    report = synthesize_clips(Manifest.open(clips), tmp_path, policy)
    assert (report.images, report.made, report.misses) == (1, 1, {})
    ((name, row),) = made_rows(tmp_path).items()
    groups = {"a.mkv": "one", "b.mkv": "two"}
    assert row["group"] == groups[name.split()[1]]
    assert row["donor_group"] == groups[row["donor_path"]] != row["group"]
    assert json.loads(row["made_with"])["tremor"] == 0.02
    first, second, _ = frames_of(tmp_path / row["path"])
    assert (first != second).any()


@pytest.mark.parametrize(
    "policy",
    [
        # of clips there are no degraded copies
        ClipPolicy("degrade"),  # type: ignore[arg-type]
        ClipPolicy("swap", per_clip=0),
        ClipPolicy("swap", tremor=0.5),
    ],
)
def test_bad_policies(policy: ClipPolicy, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        synthesize_clips(Manifest.open(clips), tmp_path, policy)
    assert caught.value.code == "bad_synthesis"
