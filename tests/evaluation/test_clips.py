"""Clips in tables of scores, by clip, track and frame, and encoded again."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.data.clip_rows import holds_clips
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import UsageError, VideoError
from unmask.evaluation.by_face import by_face, by_frame
from unmask.evaluation.clip_scores import clip_cells
from unmask.evaluation.degradations import clip_grid
from unmask.evaluation.evaluate import evaluate
from unmask.evaluation.scores import Scores
from unmask.stats.resample import Draws
from unmask.video.verdict import ClipVerdict, Jitter, Track

FEW = Draws(100)


def track(*probabilities: float) -> Track:
    count = len(probabilities)
    return Track(
        start_s=0.0,
        end_s=float(count - 1),
        indices=tuple(range(count)),
        times=tuple(map(float, range(count))),
        boxes=((0.0, 0.0, 9.0, 9.0),) * count,
        probabilities=probabilities,
        logits=(0.0,) * count,
        fake_probability=float(np.mean(probabilities)),
        verdict="REAL",
        jitter=Jitter(None, None),
        is_main=True,
    )


def verdict(*tracks: Track, error: VideoError | None = None) -> ClipVerdict:
    deciding = max(range(len(tracks)), key=lambda at: tracks[at].fake_probability, default=None)
    return ClipVerdict(
        path="a.mp4",
        verdict=None if error else "REAL",
        fake_probability=None if error else (0.5 if deciding is None else tracks[deciding].fake_probability),
        result=None if error else "REAL",
        tracks=tracks,
        deciding_track=deciding,
        frames_judged=2,
        times=(0.0, 1.0),
        pooling="mean",
        threshold=0.5,
        facts=None,
        provenance=None,
        model="tiny@1",
        bundle_sha256="0",
        ms=1.0,
        error=error,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # two tracks: the second decides, and its frames count
        (
            verdict(track(0.1, 0.3), track(0.5, 0.75)),
            {"fake_probability": "0.625", "face_probabilities": "0.2 0.625", "frame_probabilities": "0.5 0.75"},
        ),
        # no face
        (verdict(), {"fake_probability": "0.5", "face_found": "false", "frame_probabilities": ""}),
        # not readable
        (verdict(error=VideoError("truncated", "x")), {"fake_probability": "", "error": "truncated", "uncertain": ""}),
    ],
)
def test_the_cells_of_a_clip(found: ClipVerdict, expected: dict[str, str]) -> None:
    cells = clip_cells(found)
    assert {name: cells[name] for name in expected} == expected


def test_clips_are_measured_by_clip_track_and_frame(make_scores: Callable[..., Scores]) -> None:
    scores = make_scores(
        [False, True, True],
        [0.2, 0.9, math.nan],
        face_probabilities=["0.2", "0.1 0.9", ""],
        frame_probabilities=["0.1 0.3", "0.7 1.0 1.0", ""],
    )
    frames = by_frame(scores)
    assert frames is not None
    assert frames.path == ("0.png@1", "0.png@2", "1.png@1", "1.png@2", "1.png@3")
    assert frames.fake_probability.tolist() == [0.1, 0.3, 0.7, 1.0, 1.0]
    # The frames of a clip are one group.
    assert len(np.unique(frames.groups())) == 2
    tracks = by_face(scores)
    assert tracks is not None
    assert tracks.is_fake.tolist() == [False, True, True]
    result = evaluate(scores, draws=FEW)
    assert result.by_frame is not None
    assert result.by_frame.metrics["accuracy"].value == 1.0
    assert result.by_face is not None
    assert result.by_face.metrics["accuracy"].value == pytest.approx(2 / 3)
    assert evaluate(make_scores([False, True], [0.1, 0.9]), draws=FEW).by_frame is None


@pytest.mark.parametrize(
    ("paths", "expected"),
    [(("a.mp4", "b.MKV"), True), (("a.jpg", "b.webp"), False), (("", ""), False)],
)
def test_manifests_of_clips(paths: tuple[str, str], expected: bool, tmp_path: Path) -> None:
    rows = [ManifestRow(path=path, url="x", label="real") for path in paths]
    assert holds_clips(Manifest.from_rows(rows, tmp_path)) is expected


def test_images_and_clips_are_different_units(tmp_path: Path) -> None:
    rows = [ManifestRow(path=path, label="real") for path in ("a.mp4", "b.jpg")]
    with pytest.raises(UsageError) as caught:
        holds_clips(Manifest.from_rows(rows, tmp_path))
    assert caught.value.code == "mixed_manifest"


def test_the_grid_of_clips() -> None:
    assert [each.name for each in clip_grid()] == ["clean", "h264-23", "h264-32", "h264-40", "half-size"]
    assert [each.name for each in clip_grid(["half-size"])] == ["clean", "half-size"]
    with pytest.raises(UsageError, match="there are h264, half-size"):
        clip_grid(["jpeg"])


def test_clips_are_encoded_again(tmp_path: Path) -> None:
    pytest.importorskip("av")
    from unmask.data.make.clip_file import ClipEncoding, encode_clip
    from unmask.evaluation.clip_robustness import encode_again
    from unmask.imaging.video.frames import probe

    noise = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (48, 64, 3)).astype(np.uint8)) for i in range(5)]
    path = tmp_path / "a.mkv"
    path.write_bytes(encode_clip(noise, 10, ClipEncoding("ffv1")))
    sizes = {}
    for condition in clip_grid():
        if condition.name == "h264-32":
            continue
        made = encode_again(path, condition)
        if made is None:
            assert condition.name == "clean"
            continue
        (tmp_path / "made.mp4").write_bytes(made[0])
        facts = probe(tmp_path / "made.mp4")
        assert facts.frames == 5
        assert facts.size == ((32, 24) if condition.name == "half-size" else (64, 48))
        sizes[condition.name] = len(made[0])
    # Noise needs fewer bytes the worse it may look.
    assert sizes["h264-23"] > sizes["h264-40"]
