"""Pooled features: what they are, when they are computed anew, and a head trained on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnxscript")

from unmask.data.manifest import Manifest  # noqa: E402
from unmask.errors import UsageError  # noqa: E402
from unmask.imaging.decode import decode_image  # noqa: E402
from unmask.imaging.preprocessing import crop_of, render  # noqa: E402
from unmask.models.network import FaceNetwork  # noqa: E402
from unmask.recipes import Recipe  # noqa: E402
from unmask.training.dataset import Sample, plan_epoch  # noqa: E402
from unmask.training.features import (  # noqa: E402
    FeatureCache,
    FeatureData,
    HeadModule,
    Pooled,
    check_cacheable,
    extract,
)
from unmask.training.fit import fit  # noqa: E402
from unmask.training.state import read_history  # noqa: E402

pytestmark = pytest.mark.train


def recipe_of(path: Path, *overrides: str, copies: int = 0) -> Recipe:
    return Recipe.load(path, [f"features.copies={copies}", *overrides])


@pytest.fixture(scope="module")
def network(toy_recipe: Path) -> FaceNetwork:
    torch.manual_seed(1)
    return FaceNetwork(Recipe.load(toy_recipe)).eval()


@pytest.fixture
def samples(toy_manifest: Path) -> list[Sample]:
    manifest = Manifest.open(toy_manifest)
    return [Sample(manifest.resolve(row), row.label == "fake", row.source, None) for row in manifest]


class Counting(FeatureCache):
    """Counts what had to be computed."""

    computed = 0

    def add(self, keys: Any, features: Any) -> bool:
        self.computed += len(keys)
        return super().add(keys, features)


def test_features_are_what_torch_gives(
    network: FaceNetwork, samples: list[Sample], toy_recipe: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(toy_recipe, copies=2)
    pooled = extract(network, samples[:16], samples[16:], recipe, FeatureCache(tmp_path / "c"), workers=1)
    assert pooled.train.shape == (3 * 16, network.feature_width)
    assert pooled.validation.shape == (8, network.feature_width)
    assert pooled.train_sample.tolist() == [*range(16)] * 3
    assert pooled.train_is_fake.tolist() == [sample.is_fake for sample in samples[:16]] * 3
    # Plain views by hand.
    for rows, of in ((pooled.train[:16], samples[:16]), (pooled.validation, samples[16:])):
        images = [decode_image(sample.path) for sample in of]
        pixels = np.stack(
            [render(i, crop_of(None, i.size, recipe.preprocessing), recipe.preprocessing) for i in images]
        )
        with torch.inference_mode():
            np.testing.assert_allclose(rows, network.pooled(torch.from_numpy(pixels)).numpy(), atol=1e-5)
    # Augmented views differ from the plain one and from each other, but for an image that no step was drawn for.
    views = pooled.train.reshape(3, 16, -1)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.count_nonzero(np.abs(views[one] - views[other]).max(1) > 1e-4) >= 15


def test_what_is_kept_is_not_computed_again(
    network: FaceNetwork, samples: list[Sample], toy_recipe: Path, tmp_path: Path
) -> None:
    train, validation = samples[:6], samples[16:18]

    def run(recipe: Recipe, on: FaceNetwork = network) -> tuple[int, Pooled]:
        cache = Counting(tmp_path / "c")
        return_value = extract(on, train, validation, recipe, cache, workers=1)
        return cache.computed, return_value

    plain = recipe_of(toy_recipe, "schedule.batch_size=4")
    first = run(plain)
    assert first[0] == 8
    again = run(plain)
    assert again[0] == 0
    np.testing.assert_array_equal(again[1].train, first[1].train)
    np.testing.assert_array_equal(again[1].validation, first[1].validation)
    # A head's settings and the seed are nothing to plain features.
    assert run(recipe_of(toy_recipe, "head.dropout=0.5", "schedule.epochs=1", "seed=9"))[0] == 0
    # Copies are added to what there is, and depend on seed and augmentation.
    assert run(recipe_of(toy_recipe, copies=1))[0] == 6
    assert run(recipe_of(toy_recipe, copies=2))[0] == 6
    assert run(recipe_of(toy_recipe, "seed=9", copies=1))[0] == 6
    assert run(recipe_of(toy_recipe, "augmentation.flip=1", copies=1))[0] == 6
    # Another preprocessing, precision, other weights: all of them.
    assert run(recipe_of(toy_recipe, "preprocessing.resample=bilinear"))[0] == 8
    computed, rough = run(recipe_of(toy_recipe, "schedule.precision=bf16-mixed"))
    assert computed == 8
    # bfloat16 has 8 bits of precision: the features are near those of float32, and not the same.
    scale = np.abs(first[1].train).max()
    assert 0 < np.abs(rough.train - first[1].train).max() < 0.05 * scale
    torch.manual_seed(2)
    other = FaceNetwork(plain).eval()
    assert run(plain, other)[0] == 8
    # Another head on the same backbone: nothing.
    other.branches.load_state_dict(network.branches.state_dict())
    assert run(plain, other)[0] == 0


def test_a_changed_image_is_looked_at_again(network: FaceNetwork, toy_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    recipe = recipe_of(toy_recipe)
    found = []
    for level in (10, 200):
        Image.fromarray(np.full((40, 40 + level, 3), level, np.uint8)).save(path)
        sample = Sample(path, False, "", None)
        found.append(extract(network, [sample], [sample], recipe, FeatureCache(tmp_path / "c")).train)
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_how_a_copy_varies_does_not_depend_on_where_the_image_lies(
    network: FaceNetwork, samples: list[Sample], toy_recipe: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(toy_recipe, copies=1)
    moved = tmp_path / "elsewhere" / "other-name.png"
    moved.parent.mkdir()
    moved.write_bytes(samples[3].path.read_bytes())
    here, there = (
        extract(network, [Sample(path, True, "", None)], [samples[0]], recipe, FeatureCache(tmp_path / name))
        for name, path in (("a", samples[3].path), ("b", moved))
    )
    np.testing.assert_array_equal(here.train, there.train)


def test_a_kill_loses_a_block_at_most(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert cache.add(["a", "b"], rows[:2])
    assert cache.add(["c", "d"], rows[2:])
    listed = sorted(tmp_path.glob("*.json"), key=lambda path: json.loads(path.read_text()))
    [array_of_second] = [path.with_suffix(".npy") for path in listed if "c" in json.loads(path.read_text())]
    # Killed while the second array was written, or before its list was: as if it had never been.
    whole = array_of_second.read_bytes()
    array_of_second.write_bytes(whole[:-8])
    again = FeatureCache(tmp_path)
    assert len(again) == 2
    assert again.get("c") is None
    np.testing.assert_array_equal(again.get("b"), rows[1])
    array_of_second.with_suffix(".json").unlink()
    assert len(FeatureCache(tmp_path)) == 2
    # It is made again in place.
    assert again.add(["c", "d"], rows[2:])
    np.testing.assert_array_equal(FeatureCache(tmp_path).get("d"), rows[3])
    assert not list(tmp_path.glob("*.partial"))


def test_pickled_and_odd_shards_are_passed_over(tmp_path: Path) -> None:
    # An array of objects, of another type, of another length, and a list that is no list.
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.zeros((1, 3)))
    np.save(tmp_path / "c.npy", np.zeros((2, 3), np.float32))
    np.save(tmp_path / "d.npy", np.zeros((2, 3), np.float32))
    for name, keys in (("a", '["k"]'), ("b", '["k"]'), ("c", '["k"]'), ("d", "7")):
        (tmp_path / f"{name}.json").write_text(keys)
    assert len(FeatureCache(tmp_path)) == 0


def test_the_cache_is_bounded(network: FaceNetwork, samples: list[Sample], toy_recipe: Path, tmp_path: Path) -> None:
    rows = np.zeros((2, 3), np.float32)
    cache = FeatureCache(tmp_path / "c", max_bytes=40)
    assert cache.add(["a", "b"], rows)
    assert not cache.add(["c", "d"], rows)
    assert cache.size_bytes == FeatureCache(tmp_path / "c", max_bytes=40).size_bytes == 24
    # What there is no room for is computed all the same.
    recipe = recipe_of(toy_recipe)
    kept = extract(network, samples[:2], samples[2:4], recipe, FeatureCache(tmp_path / "roomy"))
    without = extract(network, samples[:2], samples[2:4], recipe, FeatureCache(tmp_path / "none", max_bytes=0))
    np.testing.assert_array_equal(kept.train, without.train)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("override", "part"),
    [
        # attention learns with the head; blends and mixed images are new in each epoch
        ("backbone.attention=se", "attention"),
        ("data.self_blended=0.1", "self_blended"),
        ("schedule.mixup=0.2", "mixup"),
        ("schedule.cutmix=0.2", "cutmix"),
    ],
)
def test_what_needs_pixels_is_refused(toy_recipe: Path, override: str, part: str) -> None:
    check_cacheable(recipe_of(toy_recipe))
    with pytest.raises(UsageError, match=part) as caught:
        check_cacheable(recipe_of(toy_recipe, override))
    assert caught.value.code == "not_cacheable"


def test_epochs_of_features_are_planned_like_epochs_of_images(samples: list[Sample], toy_recipe: Path) -> None:
    recipe = recipe_of(toy_recipe, copies=1)
    train = samples[:16]
    # A feature that names its row.
    rows = np.arange(32, dtype=np.float32)[:, None]
    is_fake = np.array([sample.is_fake for sample in train])
    pooled = Pooled(rows, np.tile(is_fake, 2), np.tile(np.arange(16), 2), rows[:5], is_fake[:5])
    data = FeatureData(pooled, train, recipe)
    batches = list(data.train_dataloader())
    seen = np.concatenate([features[:, 0].numpy() for features, _ in batches]).astype(int)
    assert {len(features) for features, _ in batches} == {4}
    np.testing.assert_array_equal(seen % 16, plan_epoch(train, recipe.data, recipe.seed, 0).index)
    assert {*(seen // 16)} == {0, 1}  # both views are shown
    targets = np.concatenate([target.numpy() for _, target in batches])
    np.testing.assert_array_equal(targets, is_fake[seen % 16])
    validation = np.concatenate([features[:, 0].numpy() for features, _ in data.val_dataloader()])
    np.testing.assert_array_equal(validation, rows[:5, 0])


def test_the_head_on_features_is_the_head_on_pixels(network: FaceNetwork, toy_recipe: Path) -> None:
    module = HeadModule(Recipe.load(toy_recipe), 1)
    module.network.load_state_dict(network.state_dict())
    module.eval()
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        on_features = module._logit(network.pooled(pixels))
        np.testing.assert_allclose(on_features.numpy(), network(pixels)[0].numpy(), atol=1e-5)


def test_a_run_on_features_trains_the_head_alone(toy_recipe: Path, toy_manifest: Path, tmp_path: Path) -> None:
    phases = "schedule.phases=[{epochs: 3, learning_rate: 0.01, train: head}]"
    recipe = recipe_of(toy_recipe, phases, copies=1)
    manifest = Manifest.open(toy_manifest)
    bundles = [
        fit(recipe, manifest, tmp_path / name, workers=0, cache=tmp_path / "cache") for name in ("first", "second")
    ]
    # The second one computed no features, and is the same to the bit.
    assert bundles[0].model == bundles[1].model
    history = [read_history(tmp_path / name / "history.csv") for name in ("first", "second")]
    assert len(history[0]) == 3
    assert [row["val_loss"] for row in history[0]] == [row["val_loss"] for row in history[1]]
    assert history[0][0]["train_loss"] != history[0][2]["train_loss"]
    assert bundles[0].verify()["cases"] == 8
    start, best = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (tmp_path / "first/checkpoints/best.ckpt", tmp_path / "second/checkpoints/last.ckpt")
    )
    backbone = [name for name in start if "branches" in name]
    assert backbone
    assert all(torch.equal(start[name], best[name]) for name in backbone)
