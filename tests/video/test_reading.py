"""Frames of clips, encoded here and read back."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")

from tests.video.clips import encode, moving

from unmask.errors import VideoError
from unmask.imaging.video.cuts import spread
from unmask.imaging.video.facts import HEAD, ClipFacts, is_clip, sniff_container
from unmask.imaging.video.limits import VideoLimits
from unmask.imaging.video.raw import RawFrame
from unmask.imaging.video.reading import OpenClip

SIZE = (176, 144)
LIMITS = VideoLimits()


def opened(path: Path, limits: VideoLimits = LIMITS) -> OpenClip:
    """In this process, where the child would open it."""
    data = path.read_bytes()[:HEAD]
    container = sniff_container(data)
    assert container is not None
    return OpenClip(path.open("rb"), path.stat().st_size, container, limits)


def read(path: Path, count: int = 6, limits: VideoLimits = LIMITS) -> list[RawFrame]:
    clip = opened(path, limits)
    cuts = clip.cuts()
    return list(clip.frames(spread(clip.facts.duration_s, count, cuts), cuts))


def square_at(frame: RawFrame) -> int:
    """The left edge of the square of ``moving``."""
    pixels = np.asarray(frame.image).astype(int)
    orange = pixels[:, :, 0] - pixels[:, :, 2] > 100
    return int(np.nonzero(orange.any(axis=0))[0].min())


def frames_of(count: int = 24) -> list[Any]:
    return [moving(i, SIZE) for i in range(count)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("b.mov", "prores_ks", {"pixel_format": "yuv422p10le"}),
        ("c.webm", "libvpx-vp9", {"options": {"cpu-used": "8"}}),
        ("d.avi", "mjpeg", {"pixel_format": "yuvj420p"}),
        ("e.ts", "libx264", {}),
        ("f.mkv", "ffv1", {}),
        ("g.mp4", "libx265", {"options": {"x265-params": "log-level=none:pools=1"}}),
        ("h.mp4", "libx264", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("i.mp4", "libx264", {"pixel_format": "yuv420p10le"}),
    ],
)
def test_what_the_wheel_encodes_is_read_back(name: str, codec: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = encode(tmp_path / name, frames_of(), codec=codec, **options)
    clip = opened(path)
    assert (clip.facts.size, clip.facts.fps, clip.facts.duration_s) == (SIZE, 12, pytest.approx(2.0, abs=0.01))
    frames = list(clip.frames(spread(clip.facts.duration_s, 6)))
    assert [frame.index for frame in frames] == list(range(6))
    for frame in frames:
        assert square_at(frame) == pytest.approx(2 * round(12 * frame.time_s), abs=2)
    assert is_clip(str(path))


@pytest.mark.nightly
def test_av1_is_read_back(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", frames_of(), codec="libsvtav1", options={"preset": "12"})
    frames = read(path)
    assert opened(path).facts.codec == "libdav1d" and len(frames) == 6
    assert [square_at(frame) for frame in frames] == pytest.approx([2 * round(12 * f.time_s) for f in frames], abs=4)


def _corners(frame: RawFrame) -> list[str]:
    """The colour of each corner, clockwise from the top left."""
    pixels = np.asarray(frame.image)
    names = {0: "r", 1: "g", 2: "b"}
    places = [(4, 4), (4, -5), (-5, -5), (-5, 4)]
    found = [pixels[place].astype(int) for place in places]
    return [names[int(value.argmax())] if np.ptp(value) > 60 else "w" for value in found]


def _four_corners() -> Any:
    """Red, green, blue and white, clockwise from the top left; 96 x 64."""
    frame = np.full((64, 96, 3), 255, np.uint8)
    frame[:32, :48], frame[:32, 48:], frame[32:, 48:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return frame


@pytest.mark.parametrize(
    ("rotation", "mirrored", "corners", "size", "degrees"),
    [
        (None, False, "rgbw", (96, 64), 0),
        (-90, False, "wrgb", (64, 96), 90),  # 90 degrees clockwise: the top left goes to the top right
        (180, False, "bwrg", (96, 64), 180),
        (90, False, "gbwr", (64, 96), 270),
        (0, True, "grwb", (96, 64), 0),
    ],
)
def test_frames_are_upright(
    rotation: float | None, mirrored: bool, corners: str, size: tuple[int, int], degrees: int, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.mp4", [_four_corners()] * 4, rotation=rotation, mirrored=mirrored)
    clip = opened(path)
    frame = next(iter(clip.frames([0.0])))
    assert (frame.image.size, "".join(_corners(frame))) == (size, corners)
    assert (clip.facts.size, clip.facts.rotation, clip.facts.mirrored) == (size, degrees, mirrored)


def test_wide_pixels_are_made_square(tmp_path: Path) -> None:
    def wide(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = 2

    path = encode(tmp_path / "a.mp4", 4, change=wide)
    clip = opened(path)
    assert (clip.facts.size, clip.facts.coded_size, clip.facts.pixel_aspect) == ((192, 64), (96, 64), 2.0)
    assert next(iter(clip.frames([0.0]))).image.size == (192, 64)


def test_a_variable_rate(tmp_path: Path) -> None:
    # 12 frames in the first second, then one a second.
    times = [*range(12), 24, 36, 48]
    path = encode(tmp_path / "a.mp4", frames_of(15), times=times)
    clip = opened(path)
    assert clip.facts.variable_rate is True
    shown = list(clip.frames([0.5, 1.5, 2.5, 3.5]))
    assert [round(frame.time_s, 3) for frame in shown] == [0.5, 0.917, 2.0, 3.0]  # what a player shows at those times
    assert opened(encode(tmp_path / "b.mp4", 15)).facts.variable_rate is False


@pytest.mark.parametrize("colorspace, matrix", [(1, "BT.709"), (6, "BT.601"), (2, "BT.601")])
def test_colours_follow_the_matrix(colorspace: int, matrix: str, tmp_path: Path) -> None:
    import av
    from av.video.reformatter import Colorspace

    wanted = (200, 60, 90)
    array = np.full((64, 96, 3), wanted, np.uint8)
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        stream: Any = output.add_stream("libx264", rate=10, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.colorspace = colorspace
        to = Colorspace.ITU709 if colorspace == 1 else Colorspace.ITU601
        frame = av.VideoFrame.from_ndarray(array).reformat(format="yuv420p", dst_colorspace=to)
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    clip = opened(tmp_path / "a.mp4")
    assert clip.facts.colour == f"{matrix}, limited"
    got = np.asarray(next(iter(clip.frames([0.0]))).image)[32, 48].astype(int)
    assert np.abs(got - np.array(wanted)).max() <= 4


# Many key frames, so that a reader that seeks and one that decodes on take different ways.
_KEYS = {"g": "4", "bf": "2", "sc_threshold": "0"}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
def test_a_frame_is_the_same_by_seeking_and_by_decoding_on(name: str, tmp_path: Path) -> None:
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    path = encode(tmp_path / name, frames_of(40), codec=codec, options=_KEYS)
    # Times of WebM and Matroska are rounded to milliseconds; AVI has none, and its first frame is shown one later.
    whole = {round(frame.time_s, 3): frame for frame in opened(path).frames([i / 12 + 1e-3 for i in range(42)])}
    assert len(whole) == 40
    for time in (0.0, 0.75, 1.5, 2.25, 3.25):
        alone = next(iter(opened(path).frames([time + 1e-3])))
        same = whole[round(alone.time_s, 3)]
        assert alone.image.tobytes() == same.image.tobytes()
        assert alone.time_s == pytest.approx(time, abs=1 / 12 + 1e-3)


@pytest.mark.parametrize("name", ["a.ts", "a.mpg"])
def test_containers_without_an_index_are_jumped_through(name: str, tmp_path: Path) -> None:
    # A key frame each 10 s, of which no index tells.
    codec, options = ("libx264", {"g": "100"}) if name == "a.ts" else ("mpeg2video", {"g": "250"})
    fps = 10 if name == "a.ts" else 25
    path = encode(tmp_path / name, frames_of(fps * 32), codec=codec, fps=fps, options=options)
    whole = {round(frame.time_s, 3): frame for frame in opened(path).frames([i / fps + 1e-3 for i in range(fps * 32)])}
    clip = opened(path)
    far = list(clip.frames([1.01, 14.01, 29.01]))
    assert [frame.time_s for frame in far] == pytest.approx([1, 14, 29], abs=1 / fps)
    assert [frame.image.tobytes() for frame in far] == [whole[round(frame.time_s, 3)].image.tobytes() for frame in far]
    assert clip._decoded_pixels < 0.9 * SIZE[0] * SIZE[1] * 32 * fps


def test_few_frames_are_all_judged_once(tmp_path: Path) -> None:
    frames = read(encode(tmp_path / "a.mp4", 5), count=32)
    assert [round(12 * frame.time_s) for frame in frames] == [0, 1, 2, 3, 4]


def _two_scenes(path: Path) -> Path:
    """Three seconds of a dark room, then three of a bright one, which begins with a key frame, as encoders begin it."""
    walls = [np.random.default_rng(seed).integers(low, low + 60, (18, 22, 3)) for seed, low in ((1, 10), (2, 170))]
    rooms = [np.kron(wall, np.ones((8, 8, 1))).astype(np.uint8) for wall in walls]
    return encode(path, [rooms[i // 36] for i in range(72)], keys={36}, options={"forced-idr": "1"})


def test_scenes_are_found_and_each_is_seen(tmp_path: Path) -> None:
    path = _two_scenes(tmp_path / "a.mp4")
    assert opened(path).cuts() == [pytest.approx(3.0, abs=0.01)]
    frames = read(path, count=4)
    assert [frame.time_s < 3 for frame in frames] == [True, True, False, False]
    assert [frame.after_cut for frame in frames] == [False, False, True, False]


def test_a_cut_without_a_key_frame_is_noticed_on_the_way(tmp_path: Path) -> None:
    frames = [moving(i, SIZE, 30 if i < 12 else 200) for i in range(48)]
    path = encode(tmp_path / "a.mp4", frames, options={"sc_threshold": "0", "g": "999"})
    clip = opened(path)
    assert clip.cuts() == []
    assert [frame.after_cut for frame in clip.frames([0.5, 1.5, 2.5])] == [False, True, False]


def test_hints_say_how_the_file_was_written(tmp_path: Path) -> None:
    hints = " ".join(opened(encode(tmp_path / "a.mp4", 12, options={"crf": "31"})).facts.hints)
    assert "x264 at CRF 31" in hints and "FFmpeg" in hints


def test_facts_survive_json(tmp_path: Path) -> None:
    facts = opened(encode(tmp_path / "a.mp4", 4)).facts
    assert ClipFacts.from_json(facts.to_json()) == replace(facts, duration_s=round(facts.duration_s, 4))


def _sound_only(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 16000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _cut(path: Path, proportion: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(proportion * len(data))])
    return path


@pytest.mark.parametrize(
    ("make", "limits", "code"),
    [
        (_sound_only, {}, "no_video"),
        # The index lies at the end, and is lost.
        (lambda path: _cut(encode(path, 24), 0.7), {}, "truncated"),
        (lambda path: encode(path, 4), {"max_side": 90}, "side_too_long"),
        (lambda path: encode(path, 4), {"max_pixels": 6_000}, "too_many_pixels"),
        (lambda path: encode(path, 4), {"min_side": 65}, "too_small"),
        (lambda path: encode(path, 24), {"max_duration_s": 1.9}, "too_long"),
        (lambda path: encode(path, 24), {"max_frames": 23}, "too_many_frames"),
    ],
)
def test_refusals(make: Callable[[Path], Path], limits: dict[str, Any], code: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4")
    with pytest.raises(VideoError) as caught:
        opened(path, replace(LIMITS, **limits))
    assert caught.value.code == code


def test_a_clip_whose_end_is_missing_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", frames_of(48), options=_KEYS, container_options={"movflags": "faststart"})
    clip = opened(_cut(path, 0.6))
    frames = list(clip.frames(spread(clip.facts.duration_s, 8)))
    assert 2 <= len(frames) < 8
    assert any("ends early" in note for note in clip.notes)


def test_a_damaged_middle_is_passed_over(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", frames_of(48), options=_KEYS, container_options={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = os.urandom(300)
    path.write_bytes(data)
    frames = read(path, 8)
    assert len(frames) >= 5 and frames[-1].time_s > 3


def test_much_to_decode_between_key_frames_ends_in_key_frames_alone(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", frames_of(48), options={"g": "24", "sc_threshold": "0", "bf": "0"})
    limits = replace(LIMITS, max_decoded_pixels=10 * SIZE[0] * SIZE[1])
    clip = opened(path, limits)
    frames = list(clip.frames(spread(clip.facts.duration_s, 8)))
    assert [frame.key_frame for frame in frames][-1] is True and frames[-1].time_s == pytest.approx(2.0, abs=0.01)
    assert any("only some of its frames" in note for note in clip.notes)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"\0\0\0\x18ftypisom", "mov"),
        (b"\0\0\0\x08moov", "mov"),
        (b"\0\0\0\x1cftypavif" + b"\0\0\0\0avifmif1miaf", None),  # an image
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"\x1a\x45\xdf\xa3\x01", "matroska"),
        (b"\x47" + bytes(187) + b"\x47" + bytes(187) + b"\x47", "mpegts"),
        (b"\x47" * 100, None),  # too short to tell
        (b"GIF89a" + bytes(20), None),
        (b"#EXTM3U\n", None),  # a playlist leads elsewhere
        (b"ffconcat version 1.0\nfile /etc/passwd\n", None),
        (b"", None),
    ],
)
def test_containers_are_known_by_their_first_bytes(data: bytes, wanted: str | None) -> None:
    assert sniff_container(data) == wanted


def test_times_rise(tmp_path: Path) -> None:
    times: Sequence[float] = [frame.time_s for frame in read(encode(tmp_path / "a.mp4", 24), 12)]
    assert all(late > early for early, late in pairwise(times))
