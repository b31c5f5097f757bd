"""Training temporal heads: what is left out stays out, and order is learnt where only order tells."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("av")

from unmask.bundle.bundle import Bundle
from unmask.bundle.clip_head import ClipHead
from unmask.data.make.clip_file import ClipEncoding, encode_clip
from unmask.data.make.still_motion import still_frames
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector
from unmask.errors import UsageError
from unmask.imaging.faces import FaceFinder
from unmask.recipes import Recipe, Temporal
from unmask.training import temporal
from unmask.training.rows import TrainingRows
from unmask.training.temporal import (
    first_phase,
    fit_temporal,
    folds_of,
    judge,
    mean_logit,
    out_of_fold,
    second_phase,
)
from unmask.training.temporal_export import export_temporal, temporal_parity
from unmask.training.temporal_frames import FrameSequence
from unmask.video.detector import ClipDetector

SETTINGS = Temporal(width=8, epochs=40, learning_rate=1e-2, batch_size=8, pull=0.0, dropout=0.0)


def sequence(group: str, is_fake: bool, seed: int, **changes: object) -> FrameSequence:
    """A clip whose second feature rises in a fake and falls in a real one; all means are alike."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(0, 0.1, (8, 3)).astype(np.float32)
    frames[:, 2] += np.linspace(-1, 1, 8) * (1 if is_fake else -1)
    content = {"name": group, "frames": frames, "seconds": np.arange(8, dtype=np.float32), "is_fake": is_fake}
    return FrameSequence(**{**content, "groups": frozenset({group}), **changes})  # type: ignore[arg-type]


CLIPS = [sequence(f"g{i}", i % 2 == 0, i) for i in range(12)]


def test_a_head_learns_what_only_the_order_tells() -> None:
    start = first_phase(SETTINGS, [], 1, width=2)
    logits = out_of_fold(SETTINGS, CLIPS, CLIPS, start, folds_of(CLIPS, 2, 1), 1)
    fakes = [clip.is_fake for clip in CLIPS]
    assert logits[fakes].min() > logits[np.logical_not(fakes)].max()
    assert max(abs(mean_logit(clip)) for clip in CLIPS) < 0.2


def test_training_gives_the_same_head_again() -> None:
    one, other = (second_phase(SETTINGS, CLIPS[:4], first_phase(SETTINGS, CLIPS[4:6], 3, 2), 3) for _ in range(2))
    assert judge(one, CLIPS[7]) == judge(other, CLIPS[7])
    without_stills = second_phase(SETTINGS, CLIPS[:4], first_phase(SETTINGS, [], 3, 2), 3)
    assert judge(without_stills, CLIPS[7]) != judge(one, CLIPS[7])


def test_no_head_sees_a_group_that_it_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    # A made clip of g0 with a donor of g3 goes with either of them.
    made = sequence("g0", True, 50, groups=frozenset({"g0", "g3"}), is_made=True)
    seen: list[set[str]] = []

    def noted(settings: Temporal, clips: list[FrameSequence], start: object, seed: int) -> object:
        seen.append({group for clip in clips for group in clip.groups})
        return first_phase(settings, [], 1, 2)

    monkeypatch.setattr(temporal, "second_phase", noted)
    measured = CLIPS[:6]
    folds = folds_of(measured, 6, 1)
    assert sorted(map(sorted, folds)) == [[f"g{i}"] for i in range(6)]
    out_of_fold(SETTINGS, [*measured, made], measured, first_phase(SETTINGS, [], 1, 2), folds, 1)
    for fold, others in zip(folds, seen, strict=True):
        assert not fold & others
    # Left out with its donor as well as with its own group.
    without = [others for fold, others in zip(folds, seen, strict=True) if fold & {"g0", "g3"}]
    assert all(not {"g0", "g3"} <= others for others in without)


def test_folds_share_out_the_fakes() -> None:
    folds = folds_of(CLIPS, 3, 1)
    assert sorted(group for fold in folds for group in fold) == sorted(f"g{i}" for i in range(12))
    fakes = {group for clip in CLIPS if clip.is_fake for group in clip.groups}
    assert [len(fold & fakes) for fold in folds] == [2, 2, 2]


def test_the_exported_gru_takes_any_number_of_frames() -> None:
    head = second_phase(SETTINGS, CLIPS, first_phase(SETTINGS, [], 1, 2), 1)
    model = export_temporal(head)
    assert temporal_parity(head, model, (1, 2, 5, 64, 500)) < 1e-4
    clip = CLIPS[0]
    found = ClipHead(model).logit(clip.frames[:, 0], clip.frames[:, 1:], clip.seconds)
    assert found == pytest.approx(judge(head, clip), abs=1e-4)


@pytest.mark.nightly
def test_the_exported_transformer_takes_any_number_of_frames() -> None:
    settings = Temporal(kind="transformer", width=8, heads=2, layers=2, epochs=2)
    head = second_phase(settings, CLIPS, first_phase(settings, [], 1, 2), 1)
    assert temporal_parity(head, export_temporal(head), (1, 2, 5, 64, 500)) < 1e-4


@pytest.mark.nightly
def test_from_clips_to_a_bundle_that_judges_them(tmp_path: Path, astronaut: Image.Image) -> None:
    face = FaceFinder().find(astronaut)[0]
    rows = []
    for number in range(4):
        frames = [frame.image for frame in still_frames(astronaut, face, 6, np.random.default_rng(number))]
        if number % 2:
            frames = [frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for frame in frames]
        (tmp_path / f"{number}.mp4").write_bytes(encode_clip(frames, 10, ClipEncoding("h264", 20)))
        rows.append((f"{number}.mp4", ("real", "fake")[number % 2], f"g{number}"))
    astronaut.save(tmp_path / "still.png")
    rows.append(("still.png", "real", "g9"))
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group"), *rows])
    small = ["temporal.frames=4", "temporal.still_frames=3", "temporal.epochs=2", "temporal.still_epochs=1"]
    recipe = Recipe.load("video-gru", [*small, "temporal.folds=2"])
    table = TrainingRows.read(Manifest.open(tmp_path / "clips.csv"))
    bundle = fit_temporal(recipe, table, tmp_path / "run")
    assert bundle.info.clips is not None
    assert bundle.info.clips.pooling == "temporal"
    assert bundle.info.card.metrics["clips"] == 4
    # The still image, and its blend.
    assert bundle.info.card.metrics["still_sequences"] == 2
    bundle.verify()
    verdict = ClipDetector(Detector(bundle)).detect(tmp_path / "0.mp4", frames=4)
    assert verdict.pooling == "temporal"
    # Images get the probabilities of the detector that judges frames.
    shipped = Detector(Bundle.open()).detect(astronaut)
    assert Detector(bundle).detect(astronaut).fake_probability == shipped.fake_probability
    with pytest.raises(UsageError, match="groups of fake clips"):
        real = Manifest.open(tmp_path / "clips.csv").select(label="real")
        fit_temporal(recipe, TrainingRows.read(real), tmp_path / "other")
