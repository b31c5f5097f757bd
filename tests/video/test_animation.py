"""Animated GIF, WebP and PNG files read as clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.video.clips import moving
from tests.video.hostile import endless_gif

from unmask.errors import ImageError
from unmask.imaging.decode import decode
from unmask.imaging.video.animation import OpenAnimation
from unmask.imaging.video.delays import frame_delays, is_animation
from unmask.imaging.video.limits import VideoLimits

LIMITS = VideoLimits()
SIZE = (96, 64)


def _write(path: Path, count: int = 6, **options: Any) -> Path:
    images = [Image.fromarray(moving(i, SIZE)) for i in range(count)]
    images[0].save(path, save_all=True, append_images=images[1:], **{"duration": 100} | options)
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_the_first_frame_is_the_image(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / name, lossless=True)
    clip = OpenAnimation(path.read_bytes(), LIMITS)
    frames = list(clip.frames([i / 10 + 0.05 for i in range(6)]))
    assert frames[0].image.tobytes() == decode(path).image.tobytes()
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert (clip.facts.frames, clip.facts.duration_s, clip.facts.fps) == (6, pytest.approx(0.6), pytest.approx(10))
    for i, frame in enumerate(frames):
        orange = np.asarray(frame.image).astype(int)
        place = np.nonzero((orange[:, :, 0] - orange[:, :, 2] > 100).any(axis=0))[0]
        assert place.min() == pytest.approx(2 * i, abs=1)


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ([0.0], [0]),
        ([0.05, 0.06, 0.09], [0]),  # one frame is judged once
        ([0.1, 0.55, 9.0], [1, 5]),  # beyond the end: the last one
    ],
)
def test_times(times: list[float], wanted: list[int], tmp_path: Path) -> None:
    clip = OpenAnimation(_write(tmp_path / "a.gif").read_bytes(), LIMITS)
    assert [round(10 * frame.time_s) for frame in clip.frames(times)] == wanted


def test_delays_of_zero_are_shown_as_browsers_show_them(tmp_path: Path) -> None:
    data = _write(tmp_path / "a.gif", duration=0).read_bytes()
    assert list(frame_delays("GIF", data)) == [0.0] * 6
    assert OpenAnimation(data, LIMITS).facts.duration_s == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("name", "count", "wanted"),
    [("a.gif", 2, True), ("a.gif", 1, False), ("a.webp", 2, True), ("a.webp", 1, False), ("a.png", 2, True)],
)
def test_what_is_an_animation(name: str, count: int, wanted: bool, tmp_path: Path) -> None:
    path = _write(tmp_path / name, count)
    assert is_animation(path, 2**20) is wanted
    assert is_animation(path, 10) is False  # too large to look at
    assert is_animation(tmp_path / "none.gif", 2**20) is False


@pytest.mark.parametrize(
    ("data", "limits", "code"),
    [
        (endless_gif(30_000), {}, "too_many_frames"),
        (endless_gif(1_000), {"max_duration_s": 90.0}, "too_long"),
        (endless_gif(2, (9_000, 20)), {}, "side_too_long"),
        (endless_gif(2, (8_000, 8_000)), {}, "too_many_pixels"),
        (b"GIF89a", {}, "truncated"),
        (b"\x89PNG\r\n\x1a\n", {}, "truncated"),
        (b"BM" + bytes(60), {}, "unsupported_format"),
    ],
)
def test_refusals(data: bytes, limits: dict[str, Any], code: str) -> None:
    with pytest.raises(ImageError) as caught:
        list(OpenAnimation(data, replace(LIMITS, **limits)).frames([0.0]))
    assert caught.value.code == code


def test_an_animation_that_is_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    data = _write(tmp_path / "a.gif", 12).read_bytes()
    clip = OpenAnimation(data[: int(0.7 * len(data))], LIMITS)
    frames = list(clip.frames([i / 10 for i in range(12)]))
    assert 4 <= len(frames) < 12


def test_much_to_decode_ends_early(tmp_path: Path) -> None:
    data = _write(tmp_path / "a.gif", 12).read_bytes()
    clip = OpenAnimation(data, replace(LIMITS, max_decoded_pixels=4 * SIZE[0] * SIZE[1]))
    assert len(list(clip.frames([i / 10 + 0.01 for i in range(12)]))) == 5
    assert any("only its first frames" in note for note in clip.notes)
