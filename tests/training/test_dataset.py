"""What an epoch shows: exact balance, sources as the policy says, and nothing but seed and epoch decides."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from unmask.data.face_index import FaceRecord  # noqa: E402
from unmask.data.manifest import ManifestRow  # noqa: E402
from unmask.data.transforms import augment  # noqa: E402
from unmask.errors import UsageError  # noqa: E402
from unmask.imaging.faces import Face  # noqa: E402
from unmask.imaging.preprocessing import crop_of, render  # noqa: E402
from unmask.recipes import DataPolicy, Recipe  # noqa: E402
from unmask.training import dataset  # noqa: E402
from unmask.training.dataset import (  # noqa: E402
    AS_IT_IS,
    RECONSTRUCTED,
    SELF_BLENDED,
    FaceData,
    Sample,
    check_teacher,
    plan_epoch,
    samples_of,
)
from unmask.training.samples import cache_crops  # noqa: E402

pytestmark = pytest.mark.train

FACE = Face((10.0, 8.0, 40.0, 38.0), 0.9, ((18, 18), (32, 18), (25, 25), (25, 32), (11, 22), (39, 22)))

# 400 images: three sources of reals, of 144, 36 and 4; two of fakes, of 192 and 24. Every fourth real has no face.
COUNTS = {("a", False): 144, ("b", False): 36, ("c", False): 4, ("d", True): 192, ("e", True): 24}
SAMPLES = [
    Sample(Path(f"{source}{number}.png"), is_fake, source, None if not is_fake and number % 4 == 0 else FACE)
    for (source, is_fake), count in COUNTS.items()
    for number in range(count)
]
IS_FAKE = np.array([sample.is_fake for sample in SAMPLES])


def plan(seed: int = 1, epoch: int = 0, **policy: object) -> dataset.EpochPlan:
    return plan_epoch(SAMPLES, DataPolicy.model_validate(policy), seed, epoch)


@pytest.mark.parametrize("balance", ["class", "class-source"])
@pytest.mark.parametrize("size", [None, 1, 7, 1000])
@pytest.mark.parametrize("self_blended", [0.0, 0.3, 1.0])
def test_classes_are_balanced_exactly(balance: str, size: int | None, self_blended: float) -> None:
    for epoch in range(4):
        drawn = plan(epoch=epoch, balance=balance, epoch_size=size, self_blended=self_blended)
        count = size or len(SAMPLES)
        assert len(drawn.index) == len(drawn.making) == count
        shown_as_fake = IS_FAKE[drawn.index] | (drawn.making != AS_IT_IS)
        assert shown_as_fake.sum() == -(-count // 2)
        # Only real images with a face are blended.
        for index in drawn.index[drawn.making != AS_IT_IS]:
            assert not SAMPLES[index].is_fake
            assert SAMPLES[index].face is not None


def test_classes_are_mixed_within_the_epoch() -> None:
    drawn = plan(balance="class", epoch_size=2000)
    halves = IS_FAKE[drawn.index].reshape(20, 100).mean(1)
    assert halves.std() < 0.12
    assert halves.std() > 0


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_sources_follow_their_size_to_the_power(power: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    size = 40_000
    drawn = plan(balance="class-source", source_power=power, epoch_size=size)
    shown = Counter(SAMPLES[index].source for index in drawn.index)
    for is_fake in (False, True):
        sources = [source for source, of_class in COUNTS if of_class == is_fake]
        weights = np.array([COUNTS[source, is_fake] ** power for source in sources], float)
        expected = size / 2 * weights / weights.sum()
        assert stats.chisquare([shown[source] for source in sources], expected).pvalue > 0.001
    # By hand, power one half: 12, 6 and 2 of 20.
    if power == 0.5:
        assert shown["a"] / (size / 2) == pytest.approx(12 / 20, abs=0.01)
        assert shown["c"] / (size / 2) == pytest.approx(2 / 20, abs=0.01)


def test_within_a_source_every_image_is_as_likely() -> None:
    stats = pytest.importorskip("scipy.stats")
    drawn = plan(balance="class-source", source_power=0.0, epoch_size=40_000)
    shown = Counter(int(index) for index in drawn.index)
    of_e = [shown[index] for index, sample in enumerate(SAMPLES) if sample.source == "e"]
    assert stats.chisquare(of_e).pvalue > 0.001


def test_class_alone_leaves_sources_as_frequent_as_they_are() -> None:
    stats = pytest.importorskip("scipy.stats")
    drawn = plan(balance="class", source_power=0.0, epoch_size=40_000)
    shown = Counter(SAMPLES[index].source for index in drawn.index)
    assert stats.chisquare([shown[source] for source in "abc"], 20_000 * np.array([144, 36, 4]) / 184).pvalue > 0.001


@pytest.mark.parametrize(("blended", "rebuilt"), [(0.0, 0.0), (0.15, 0.0), (0.1, 0.2), (0.0, 0.3), (0.4, 0.6), (0, 1)])
def test_the_shares_of_fakes_made_on_the_fly(blended: float, rebuilt: float) -> None:
    drawn = plan(balance="class-source", self_blended=blended, reconstructed=rebuilt, epoch_size=20_000)
    # Half a percent point is one standard deviation at most.
    assert (drawn.making == SELF_BLENDED).sum() / 10_000 == pytest.approx(blended, abs=0.015)
    assert (drawn.making == RECONSTRUCTED).sum() / 10_000 == pytest.approx(rebuilt, abs=0.015)
    # One share leaves the images of the other as they are.
    alone = plan(balance="class-source", self_blended=blended, epoch_size=20_000)
    assert np.array_equal(alone.making == SELF_BLENDED, drawn.making == SELF_BLENDED)


def test_shares_of_the_same_fakes_are_at_most_all() -> None:
    with pytest.raises(ValidationError, match="their sum is at most 1"):
        DataPolicy(self_blended=0.6, reconstructed=0.5)


def test_without_balance_every_image_is_shown_once() -> None:
    drawn = plan(balance="none")
    assert sorted(drawn.index) == list(range(400))
    assert not drawn.making.any()
    assert not np.array_equal(drawn.index, np.arange(400))
    # A longer epoch shows all before any again, a shorter one shows none twice.
    longer = plan(balance="none", epoch_size=900).index
    assert sorted(longer[:400]) == sorted(longer[400:800]) == list(range(400))
    assert len(set(longer[800:])) == 100
    assert len(set(plan(balance="none", epoch_size=50).index)) == 50


def test_without_balance_a_share_of_the_reals_with_a_face_is_blended() -> None:
    drawn = plan(balance="none", self_blended=0.5, epoch_size=8000)
    able = np.array([not sample.is_fake and sample.face is not None for sample in SAMPLES])[drawn.index]
    assert not drawn.making[~able].any()
    assert drawn.making[able].mean() == pytest.approx(0.5, abs=0.04)


def test_seed_and_epoch_alone_decide() -> None:
    def key(seed: int, epoch: int) -> bytes:
        drawn = plan(seed, epoch, self_blended=0.3)
        return drawn.index.tobytes() + drawn.making.tobytes()

    np.random.seed(0)
    torch.manual_seed(0)
    keys = {(seed, epoch): key(seed, epoch) for seed in range(3) for epoch in range(3)}
    np.random.seed(1)
    torch.manual_seed(1)
    for (seed, epoch), expected in reversed(keys.items()):
        assert key(seed, epoch) == expected
    assert len(set(keys.values())) == 9


@pytest.mark.parametrize(
    ("kept", "policy", "code"),
    [
        # no fakes
        (lambda sample: not sample.is_fake, {}, "missing_class"),
        # no reals
        (lambda sample: sample.is_fake, {}, "missing_class"),
        # no reals, and all fakes should be made from them
        (lambda sample: sample.is_fake, {"self_blended": 1.0}, "missing_class"),
        # no real shows a face to blend
        (lambda sample: sample.is_fake or sample.face is None, {"self_blended": 0.5}, "no_face_to_change"),
    ],
)
def test_what_is_missing_is_an_error(kept: object, policy: dict[str, float], code: str) -> None:
    some = [sample for sample in SAMPLES if kept(sample)]  # type: ignore[operator]
    with pytest.raises(UsageError) as caught:
        plan_epoch(some, DataPolicy.model_validate(policy), 1, 0)
    assert caught.value.code == code


def test_samples_leave_out_what_could_not_be_read() -> None:
    rows = [(ManifestRow(path=f"{n}.png", label=label, source="s"), Path(f"/{n}.png")) for n, label in
            enumerate(["real", "fake", "real"])]  # fmt: skip
    records = {
        Path("/0.png"): FaceRecord(FACE),
        Path("/1.png"): FaceRecord(None),
        Path("/2.png"): FaceRecord(None, "truncated: The file ends early."),
    }
    assert samples_of(rows, records) == [
        Sample(Path("/0.png"), False, "s", FACE, family="real"),
        Sample(Path("/1.png"), True, "s", None, family="other"),
    ]


@pytest.fixture
def on_disk(tmp_path: Path) -> list[Sample]:
    """Ten images of noise, five of each class; all but one of either class have a face."""
    samples = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (48, 56, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        samples.append(Sample(path, number % 2 == 1, "s", FACE if number > 1 else None))
    return samples


def recipe(**changes: object) -> Recipe:
    content = {"name": "tiny", "preprocessing": {"size": 32}, "schedule": {"batch_size": 4}}
    return Recipe.model_validate(content | changes)


def in_epoch(epoch: int) -> Any:
    """Stands for a trainer of a module in an epoch of the run."""
    return SimpleNamespace(lightning_module=SimpleNamespace(epoch=epoch), global_rank=0, world_size=1)


def batches(data: FaceData, epoch: int) -> list[tuple[bytes, list[float]]]:
    data.trainer = in_epoch(epoch)
    return [(pixels.numpy().tobytes(), target.tolist()) for pixels, target in data.train_dataloader()]


def test_images_of_an_epoch_depend_neither_on_workers_nor_on_what_came_before(on_disk: list[Sample]) -> None:
    data = FaceData(on_disk, on_disk, recipe(data={"self_blended": 0.5}), workers=0)
    first, second = batches(data, 0), batches(data, 1)
    assert first != second
    fresh = FaceData(on_disk, on_disk, recipe(data={"self_blended": 0.5}), workers=2)
    assert batches(fresh, 1) == second
    assert batches(fresh, 0) == first
    # Ten images in batches of four: the last two are dropped.
    assert len(first) == 2
    assert batches(FaceData(on_disk, on_disk, recipe(seed=2, data={"self_blended": 0.5}), 0), 0) != first


@pytest.mark.parametrize(
    ("changes", "room"),
    [
        # as the default recipe does it, with blends
        ({"data": {"self_blended": 0.5}}, 2**30),
        # blended and reconstructed, with crops at the images' own resolution
        (
            {
                "data": {"self_blended": 0.3, "reconstructed": 0.6},
                "preprocessing": {"size": 48, "native": 1.5},
                "augmentation": {"crop_jitter": 0.3, "keep_scale": 0.5},
            },
            2**30,
        ),
        # the widest jitter there is
        ({"augmentation": {"crop_jitter": 0.5}}, 2**30),
        # rotated, shifted and zoomed
        ({"augmentation": {"preset": "s0"}, "data": {"self_blended": 0.5}}, 2**30),
        # room for some images only
        ({"data": {"self_blended": 0.5}}, 330_000),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_from_the_cache_is_the_same_to_the_bit(
    changes: dict[str, object], room: int, workers: int, tmp_path: Path
) -> None:
    """Images much larger than their faces, so that the cache keeps a part of each."""
    samples = []
    for number in range(8):
        path = tmp_path / f"{number}.jpg"
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (200, 240, 3), np.uint8)).save(path, quality=90)
        x, y = (float(value) + 0.37 for value in rng.integers(30, 140, 2))
        keypoints = tuple((x + a, y + b) for a, b in ((8, 10), (22, 10), (15, 17), (15, 24), (1, 14), (29, 14)))
        face = Face((x, y, x + 30.2, y + 30.2), 0.9, keypoints) if number > 1 else None
        samples.append(Sample(path, number % 2 == 1, "s", face))
    settings = recipe(**changes)
    cache = cache_crops(samples, settings, tmp_path / "cache", room)
    assert cache is not None
    kept = [sample for sample in samples if sample.path in cache]
    assert len(kept) == 8 if room == 2**30 else 0 < len(kept) < 8
    assert any(cache.get(sample.path).image.width < 240 for sample in kept)
    for epoch in (0, 3):
        direct = batches(FaceData(samples, samples, settings, 0), epoch)
        assert batches(FaceData(samples, samples, settings, workers, cache), epoch) == direct
    assert cache_crops(samples, settings, tmp_path / "none", 0) is None
    assert not (tmp_path / "none").exists()


def test_training_images_are_augmented_crops_with_the_right_target(on_disk: list[Sample]) -> None:
    settings = recipe(data={"balance": "none"})
    plan = plan_epoch(on_disk, settings.data, 1, 0)
    data = FaceData(on_disk, on_disk, settings, 0)
    data.trainer = in_epoch(0)
    pixels, target = next(iter(data.train_dataloader()))
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (4, 32, 32, 3)
    for position in range(4):
        sample = on_disk[plan.index[position]]
        image = Image.open(sample.path)
        rng = np.random.default_rng([1, 0, position])
        crop = crop_of(sample.face, image.size, settings.preprocessing)
        expected = augment(image, crop, 32, settings.augmentation, rng)
        assert np.array_equal(pixels[position].numpy(), expected)
        assert target[position] == float(sample.is_fake)


@pytest.mark.parametrize(("share", "function"), [("self_blended", "self_blend"), ("reconstructed", "reconstruct")])
def test_images_made_on_the_fly_are_shown_as_fakes(
    share: str, function: str, on_disk: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = []

    def spy(image: Image.Image, face: Face, rng: np.random.Generator) -> object:
        changed.append(face)
        return original(image, face, rng)

    original = getattr(dataset, function)
    monkeypatch.setattr(dataset, function, spy)
    data = FaceData(on_disk, on_disk, recipe(data={share: 1.0, "epoch_size": 8}), 0)
    data.trainer = in_epoch(0)
    targets = torch.cat([target for _, target in data.train_dataloader()])
    assert len(changed) == 4
    assert targets.sum() == 4


@pytest.mark.parametrize(
    ("weight", "targets"),
    [
        (0.0, {"real": 0.0, "fake": 1.0}),  # labels alone
        (0.25, {"real": 0.05, "fake": 0.925}),  # a quarter of the way from the label to the teacher
        (1.0, {"real": 0.2, "fake": 0.7}),  # the teacher alone
    ],
)
def test_a_teacher_moves_the_targets(weight: float, targets: dict[str, float], on_disk: list[Sample]) -> None:
    taught = [replace(sample, teacher=0.7 if sample.is_fake else 0.2) for sample in on_disk]
    settings = recipe(data={"balance": "none", "teacher_weight": weight})
    order = plan_epoch(taught, settings.data, 1, 0).index
    data = FaceData(taught, taught, settings, 0)
    data.trainer = in_epoch(0)
    shown = torch.cat([target for _, target in data.train_dataloader()]).tolist()
    assert shown == pytest.approx([targets["fake" if taught[at].is_fake else "real"] for at in order[: len(shown)]])
    # Validation is on labels.
    assert {float(target) for batch in data.val_dataloader() for target in batch[1]} == {0.0, 1.0}


@pytest.mark.skipif(sys.platform != "linux", reason="forking is safe on Linux only")
def test_loading_processes_are_forked_whatever_the_version_of_python(on_disk: list[Sample]) -> None:
    loader = FaceData(on_disk, on_disk, recipe(), 2).val_dataloader()
    assert loader.multiprocessing_context.get_start_method() == "fork"
    # With none, the loader refuses to be given a way of starting them.
    assert FaceData(on_disk, on_disk, recipe(), 0).val_dataloader().multiprocessing_context is None


def test_a_fake_made_on_the_fly_has_no_teacher(on_disk: list[Sample]) -> None:
    taught = [replace(sample, teacher=0.0) for sample in on_disk]
    data = FaceData(taught, taught, recipe(data={"self_blended": 1.0, "teacher_weight": 1.0, "epoch_size": 8}), 0)
    data.trainer = in_epoch(0)
    assert torch.cat([target for _, target in data.train_dataloader()]).sum() == 4


@pytest.mark.parametrize("cell", ["2", "-0.1", "nan", "fake"])
def test_a_bad_teacher_is_named(cell: str) -> None:
    row = ManifestRow(path="a.png", label="real", source="s", extra={"teacher": cell})
    with pytest.raises(UsageError, match=r"a\.png") as caught:
        samples_of([(row, Path("/a.png"))], {Path("/a.png"): FaceRecord(FACE)})
    assert caught.value.code == "bad_teacher"


def test_a_missing_teacher_is_counted() -> None:
    rows = [
        (ManifestRow(path=f"{cell}.png", label="real", source="s", extra={"teacher": cell}), Path(f"/{cell}.png"))
        for cell in ("0.25", "")
    ]
    samples = samples_of(rows, {path: FaceRecord(FACE) for _, path in rows})
    assert [sample.teacher for sample in samples] == [0.25, None]
    check_teacher(samples, DataPolicy())
    with pytest.raises(UsageError, match="1 of 2") as caught:
        check_teacher(samples, DataPolicy(teacher_weight=0.5))
    assert caught.value.code == "no_teacher"


def test_validation_images_are_what_detection_sees(on_disk: list[Sample]) -> None:
    settings = recipe()
    loaded = list(FaceData(on_disk, on_disk, settings, 0).val_dataloader())
    pixels = torch.cat([batch for batch, _ in loaded])
    targets = torch.cat([target for _, target in loaded])
    assert len(pixels) == 10  # none is dropped
    for sample, shown, target in zip(on_disk, pixels, targets, strict=True):
        image = Image.open(sample.path)
        expected = render(image, crop_of(sample.face, image.size, settings.preprocessing), settings.preprocessing)
        assert np.array_equal(shown.numpy(), expected)
        assert bool(target) == sample.is_fake
