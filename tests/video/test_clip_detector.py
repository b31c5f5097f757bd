"""The verdict on a clip, with the detector that ships and with the tiny one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from tests.video.clips import encode, moving

from unmask.bundle.bundle import Bundle
from unmask.bundle.schema import Calibration, Clips, Threshold, UncertainBand
from unmask.detect.detector import Detector, load
from unmask.errors import VideoError
from unmask.imaging.video.frames import ClipReader, Frame, frames_at, probe, sample_frames
from unmask.video.detector import ClipDetector
from unmask.video.kept import clip_facts, restored_clip
from unmask.video.verdict import ClipVerdict

PHOTO_SIDE = 256


@pytest.fixture(scope="module")
def portrait_clip(astronaut: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a portrait that drifts to the side, and then a second of an empty room; not to be changed."""
    small = astronaut.resize((PHOTO_SIDE, PHOTO_SIDE))
    faces = [np.asarray(small.transform(small.size, Image.Transform.AFFINE, (1, 0, 2 * i, 0, 1, 0))) for i in range(8)]
    rooms = [moving(i, (PHOTO_SIDE, PHOTO_SIDE), 20) for i in range(8)]
    path = tmp_path_factory.mktemp("clip") / "portrait.mp4"
    return encode(path, [*faces, *rooms], fps=8, options={"crf": "18"})


@pytest.fixture(scope="module")
def judged(portrait_clip: Path) -> ClipVerdict:
    """The verdict of the detector that ships on the portrait."""
    return ClipDetector(load(), workers=1).detect(portrait_clip, frames=8)


def test_a_still_judged_alone_and_in_its_clip_gets_the_same_verdict(
    portrait_clip: Path, judged: ClipVerdict, tmp_path: Path
) -> None:
    detector = load()
    (track,) = judged.tracks
    assert len(track.times) == 4
    for frame in frames_at(portrait_clip, track.times):
        still = tmp_path / f"{frame.index}.png"
        frame.image.save(still)
        alone = detector.detect(still)
        at = track.times.index(frame.time_s)
        assert alone.fake_probability == track.probabilities[at]  # bit for bit
        assert alone.faces[0].face is not None and alone.faces[0].face.box == track.boxes[at]


def test_the_verdict_of_a_face_that_leaves(judged: ClipVerdict) -> None:
    (track,) = judged.tracks
    assert judged.frames_judged == 8 and judged.deciding_track == 0 and track.is_main
    assert track.indices == (0, 1, 2, 3) and track.end_s < 1
    assert judged.fake_probability == track.fake_probability
    # The drift of 4 pixels between judged frames is even, so the face does not tremble.
    assert track.jitter.position is not None and track.jitter.position < 0.05
    assert judged.shown_s == track.times[track.most_suspicious]


def test_json_has_what_images_have_and_what_clips_have(judged: ClipVerdict) -> None:
    content = json.loads(json.dumps(judged.to_dict()))
    assert content["kind"] == "video" and content["duration_s"] == 2.0 and content["frames_judged"] == 8
    assert content["tracks"][content["deciding_track"]]["frames"][0].keys() == {"time_s", "box", "fake_probability"}
    of_an_image = load().detect(Image.new("RGB", (64, 64))).to_dict()
    assert set(of_an_image) - set(content) <= {"faces", "abstained"}
    assert len(content["sha256"]) == 64 and content["video"]["codec"] == "h264" and content["error"] is None


def test_a_kept_verdict_is_the_same(judged: ClipVerdict) -> None:
    facts = json.loads(json.dumps(clip_facts(judged)))
    restored = restored_clip(facts, judged.path)
    assert restored == judged
    assert restored_clip(facts | {"tracks": 3}, judged.path) is None  # damaged


@pytest.fixture
def tiny(whole_image_bundle: Path) -> ClipDetector:
    """Judges whole frames: logit = (mean grey - 128) / 16."""
    return ClipDetector(Detector(Bundle.open(whole_image_bundle)), workers=1)


def _grey(path: Path, *shades: int) -> Path:
    return encode(path, [np.full((64, 64, 3), shade, np.uint8) for shade in shades], fps=4, options={"crf": "1"})


def test_a_clip_without_a_face(tiny_bundle: Path, tmp_path: Path) -> None:
    verdict = ClipDetector(Detector(Bundle.open(tiny_bundle)), workers=1).detect(_grey(tmp_path / "a.mp4", 112, 160))
    assert verdict.verdict == "NO_FACE" and verdict.uncertain and not verdict.face_found


def test_where_no_faces_are_sought_frames_are_pooled(tiny: ClipDetector, tmp_path: Path) -> None:
    verdict = tiny.detect(_grey(tmp_path / "a.mp4", 112, 112, 160, 160))
    # Logits -1, -1, 2 and 2: their mean is one half.
    assert verdict.verdict == "FAKE" and verdict.tracks == () and verdict.deciding_track is None
    assert verdict.fake_probability == pytest.approx(1 / (1 + np.exp(-0.5)), abs=0.02)
    assert verdict.times == (0.0, 0.25, 0.5, 0.75)


@pytest.mark.parametrize(
    ("pooling", "logit"),
    [
        ("mean", 0.5),
        ("top-k-mean", 2.0),  # a quarter of four frames is one
        # 1 - (1 - p)^2 (1 - q)^2 as odds, of p and q with logits -1 and 2.
        ("noisy-or", float(np.log((1 + np.exp(-1.0)) ** 2 * (1 + np.exp(2.0)) ** 2 - 1))),
    ],
)
def test_a_bundle_says_how_frames_are_pooled(
    pooling: Any, logit: float, make_bundle: Callable[..., Bundle], whole_image_bundle: Path, tmp_path: Path
) -> None:
    clips = Clips(
        pooling=pooling,
        calibration=Calibration(method="platt", slope=2.0, bias=-1.0),
        thresholds=(Threshold(name="fpr_5", false_positive_budget=0.05, fake_probability=0.6, true_positive_rate=0.5),),
        default_threshold="fpr_5",
        uncertain=UncertainBand(low=0.5, high=0.55, accuracy_outside=0.9, coverage=0.1),
    )
    info = Bundle.open(whole_image_bundle).info
    bundle = make_bundle(tmp_path / "bundle", preprocessing=info.preprocessing, clips=clips)
    detector = ClipDetector(Detector(bundle), workers=1)
    verdict = detector.detect(_grey(tmp_path / "a.mp4", 112, 112, 160, 160))
    assert (verdict.pooling, verdict.threshold) == (pooling, 0.6)
    assert verdict.fake_probability == pytest.approx(1 / (1 + np.exp(-(2 * logit - 1))), abs=0.03)
    assert ClipDetector(Detector(bundle), 0.3).threshold == 0.3
    assert ClipDetector(Detector(bundle), "fpr_1").threshold == 0.9  # one of images


def test_progress_and_stopping(tiny: ClipDetector, tmp_path: Path) -> None:
    path = _grey(tmp_path / "a.mp4", *range(100, 120))
    said: list[tuple[int, int | None]] = []
    tiny.detect(path, frames=5, progress=lambda done, total: said.append((done, total)))
    assert said == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]

    class Cancelled(Exception): ...  # noqa: N818

    def stop(done: int, total: int | None) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        tiny.detect(path, frames=5, progress=stop)


def test_an_unreadable_clip_is_a_verdict_with_an_error(tiny: ClipDetector, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    verdict = tiny.detect_or_error(tmp_path / "a.mp4")
    assert verdict.error is not None and verdict.error.code == "truncated" and verdict.verdict is None
    assert verdict.to_dict()["error"]["code"] == "truncated" and verdict.shown_s == 0


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda folder: folder / "none.mp4", "not_found"),
        (lambda folder: folder, "is_directory"),
        (lambda folder: Path("/dev/null"), "not_a_file"),
        (lambda folder: _written(folder / "a.mp4", b""), "empty"),
        (lambda folder: _written(folder / "a.mp4", b"hello"), "unsupported_format"),
    ],
)
def test_what_is_no_clip(make: Callable[[Path], Path], code: str, tmp_path: Path) -> None:
    with pytest.raises(VideoError) as caught:
        probe(make(tmp_path))
    assert caught.value.code == code


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_reader_gives_frames_more_than_once(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 12)
    with ClipReader(path) as clip:
        first = [(frame.time_s, frame.image.tobytes()) for frame in clip.frames(4)]
        left_early: Frame = next(iter(clip.frames(4)))
        again = [(frame.time_s, frame.image.tobytes()) for frame in clip.frames(4)]
    assert first == again and left_early.index == 0


def test_a_child_that_dies_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 12)
    with ClipReader(path) as clip, pytest.raises(VideoError) as caught:
        for _ in clip.frames(12):
            assert clip._process is not None
            clip._process.kill()
    assert caught.value.code == "decode_stopped"


def test_a_child_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 12)
    limits = replace(ClipReader(path)._limits, cpu_seconds=1e-4)
    with pytest.raises(VideoError) as caught:
        list(sample_frames(path, 4, limits=limits))
    assert caught.value.code == "decode_stopped"


def test_a_clip_that_is_replaced_while_it_is_read_is_an_error(tiny: ClipDetector, tmp_path: Path) -> None:
    path, other = _grey(tmp_path / "a.mp4", 100, 120), _grey(tmp_path / "b.mp4", 20, 30)
    with pytest.raises(VideoError) as caught:
        tiny.detect(path, progress=lambda done, total: other.replace(path) if done == 1 else None)
    assert caught.value.code == "changed"


def test_only_the_child_loads_pyav(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 4)
    code = (
        "import sys, unmask.cli.detect, unmask.cli.clips, unmask.video.detector\n"
        "import unmask.imaging.video.frames as frames\n"
        f"assert len(list(frames.sample_frames({str(path)!r}, 2))) == 2\n"
        "assert 'av' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 24)
    assert [round(frame.time_s, 2) for frame in sample_frames(path, every=0.5)] == [0.0, 0.5, 1.0, 1.5]
