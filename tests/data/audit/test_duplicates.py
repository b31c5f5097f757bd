from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageEnhance, ImageOps

from unmask.data.audit import duplicates, hashing
from unmask.data.audit.duplicates import (
    DEFAULT_MAX_DISTANCE,
    HASH_BITS,
    HASH_WORDS,
    Hashes,
    clusters,
    content_sha256,
    distances,
    hash_images,
    mirrored,
    near_duplicates,
    perceptual_hash,
)
from unmask.errors import ImageError, UsageError

Image = PIL.Image.Image


def random_hashes(n: int, rng: np.random.Generator) -> Hashes:
    return rng.integers(0, 1 << 64, (n, HASH_WORDS), dtype=np.uint64)


def flip(hash_: Hashes, count: int, rng: np.random.Generator) -> Hashes:
    bits = np.zeros(HASH_BITS, bool)
    bits[rng.permutation(HASH_BITS)[:count]] = True
    return hash_ ^ np.packbits(bits).view(np.uint64)


def planted_hashes(n: int, max_distance: int, rng: np.random.Generator) -> Hashes:
    """Random hashes with copies up to just beyond the distance, equal ones, a chain and a clique, shuffled."""
    base = random_hashes(n, rng)
    rows = list(base)
    for apart in range(max_distance + 4):
        rows.append(flip(base[rng.integers(n)], apart, rng))
    rows += [base[0]] * 5
    for _ in range(5):
        rows.append(flip(rows[-1], max_distance, rng))
    rows += [flip(base[1], int(rng.integers(max_distance // 2 + 1)), rng) for _ in range(10)]
    return np.stack(rows)[rng.permutation(len(rows))]


def brute_force(hashes: Hashes, max_distance: int) -> dict[tuple[int, int], int]:
    """What near_duplicates promises: equal hashes with the first of them, only first ones with each other."""
    numbers = [int.from_bytes(row.tobytes(), "little") for row in hashes]
    first = {number: row for row, number in reversed(list(enumerate(numbers)))}
    pairs = {(first[number], row): 0 for row, number in enumerate(numbers) if first[number] != row}
    heads = sorted(first.values())
    for at, i in enumerate(heads):
        for j in heads[at + 1 :]:
            apart = (numbers[i] ^ numbers[j]).bit_count()
            if apart <= max_distance:
                pairs[i, j] = apart
    return pairs


def as_dict(found: duplicates.NearDuplicates) -> dict[tuple[int, int], int]:
    return {(i, j): d for (i, j), d in zip(found.pairs.tolist(), found.distances.tolist(), strict=True)}


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def reference_partition(n: int, pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    member = {i: {i} for i in range(n)}
    for i, j in pairs:
        if member[i] is not member[j]:
            member[i] |= member[j]
            for k in member[j]:
                member[k] = member[i]
    return {frozenset(group) for group in member.values()}


# --- hashes ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=20))
def test_popcount_counts_as_python_does(words: list[int]) -> None:
    array = np.array(words, np.uint64)
    expected = [bin(word).count("1") for word in words]
    assert hashing.popcount(array).tolist() == expected
    assert hashing._popcount_by_halves(array).tolist() == expected  # what numpy 1 gets


def test_distances_broadcast() -> None:
    hashes = random_hashes(7, np.random.default_rng(0))
    numbers = [int.from_bytes(row.tobytes(), "little") for row in hashes]
    expected = [[bin(a ^ b).count("1") for b in numbers] for a in numbers]
    assert distances(hashes[:, None], hashes[None]).tolist() == expected


def noise_image(seed: int, size: tuple[int, int] = (300, 360)) -> Image:
    """Random colours with the falling spectrum of photographs: octaves of noise, each half as strong as the last."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for octave in range(2, 8):
        small = rng.normal(size=(1 << octave, 1 << octave, 3)) / (1 << octave)
        for channel in range(3):
            layer = PIL.Image.fromarray(small[..., channel].astype(np.float32))
            total[..., channel] += np.asarray(layer.resize(size, PIL.Image.Resampling.BICUBIC))
    total = (total - total.mean()) / total.std()
    return PIL.Image.fromarray(np.clip(128 + 45 * total, 0, 255).astype(np.uint8))


def photographs() -> list[Image]:
    data = pytest.importorskip("skimage.data")
    return [PIL.Image.fromarray(getattr(data, name)()).convert("RGB") for name in ("astronaut", "cat", "coffee")]


def jpeg(image: Image, quality: int) -> Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return PIL.Image.open(buffer).convert("RGB")


def crop(image: Image, share: float) -> Image:
    """Without that share of the width and height, half of it at each side."""
    across, down = (round(side * share / 2) for side in image.size)
    return image.crop((across, down, image.width - across, image.height - down))


CHANGES: dict[str, Callable[[Image], Image]] = {
    "saved as a poor JPEG": lambda image: jpeg(image, 40),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2), PIL.Image.Resampling.BICUBIC),
    "twice the size": lambda image: image.resize((image.width * 2, image.height * 2), PIL.Image.Resampling.BICUBIC),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.7),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "another shape": lambda image: image.resize((image.width, round(image.height * 0.9))),
    "grey": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_copies_are_near(change: Callable[[Image], Image]) -> None:
    for image in [noise_image(1), noise_image(2), *photographs()]:
        assert distances(perceptual_hash(image), perceptual_hash(change(image))) <= DEFAULT_MAX_DISTANCE - 8


def test_small_crops_are_near_in_photographs() -> None:
    for image in photographs():
        assert distances(perceptual_hash(image), perceptual_hash(crop(image, 0.02))) <= DEFAULT_MAX_DISTANCE


def test_other_images_are_far() -> None:
    hashes = np.stack([perceptual_hash(image) for image in [*map(noise_image, range(40)), *photographs()]])
    apart = distances(hashes[:, None], hashes[None])[np.triu_indices(len(hashes), 1)]
    assert apart.min() > 3 * DEFAULT_MAX_DISTANCE
    assert 120 < apart.mean() < 136


def test_hash_is_pinned() -> None:
    # Hashes that were stored must stay comparable: a change of these bits is a change of the format.
    y, x = np.mgrid[:80, :100]
    image = PIL.Image.fromarray(((x * x + 3 * y * y + 7 * x * y) // 50 % 256).astype(np.uint8))
    found = perceptual_hash(image)
    assert (found.dtype, found.shape) == (np.uint64, (HASH_WORDS,))
    assert [f"{word:016x}" for word in found] == PINNED


PINNED = ["ca6e113258dc3000", "696e9cd4b20969ad", "5e43032fd8e5d0a5", "a57ddcad0f1af3e7"]


@pytest.mark.parametrize("level", [0, 17, 255])
def test_blank_images_have_the_hash_zero(level: int) -> None:
    rng = np.random.default_rng(0)
    noise = np.clip(level + rng.integers(-1, 2, (200, 200, 3)), 0, 255).astype(np.uint8)  # as of a JPEG
    assert not perceptual_hash(PIL.Image.fromarray(noise)).any()


def test_cosines_sum_to_nothing() -> None:
    # Or brightness would leak into the bits.
    basis, rows, columns = hashing._transform()
    assert not basis[1:].sum(axis=1).any()
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == HASH_BITS
    assert (0, 0) not in zip(rows, columns, strict=True)
    assert 64 * 64 * 255 * np.abs(basis).max() ** 2 < 2**53


def test_mirrored_is_the_mirrored_image_s_hash() -> None:
    for image in [noise_image(3), *photographs()]:
        flipped = perceptual_hash(ImageOps.mirror(image))
        assert distances(mirrored(perceptual_hash(image)), flipped) <= 4  # Pillow's box is not quite symmetric
        assert distances(perceptual_hash(image), flipped) > DEFAULT_MAX_DISTANCE
    hashes = random_hashes(5, np.random.default_rng(0))
    assert (mirrored(mirrored(hashes)) == hashes).all()


def test_hash_images_keeps_order_and_records_errors(tmp_path: Path) -> None:
    images = {"a.png": noise_image(1), "b.png": noise_image(2)}
    for name, image in images.items():
        image.save(tmp_path / name)
    (tmp_path / "bad.png").write_bytes(b"no image")
    names = ["a.png", "bad.png", "b.png", "gone.png", "a.png"]
    calls: list[None] = []
    hashes, errors = hash_images([tmp_path / name for name in names], 3, lambda: calls.append(None))
    assert len(calls) == 5
    assert {row: error.code for row, error in errors.items()} == {1: "unsupported_format", 3: "not_found"}
    for row, name in enumerate(names):
        expected = perceptual_hash(images[name]) if name in images else np.zeros(HASH_WORDS)
        assert (hashes[row] == expected).all()


def test_hash_images_of_none() -> None:
    hashes, errors = hash_images([])
    assert (hashes.shape, hashes.dtype, errors) == ((0, HASH_WORDS), np.uint64, {})


def test_content_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert content_sha256(tmp_path / "a") == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(ImageError, match="no such file"):
        content_sha256(tmp_path / "b")


# --- the index ---------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), n=st.integers(2, 60), max_distance=st.integers(0, 40))
def test_all_pairs_are_found(seed: int, n: int, max_distance: int) -> None:
    hashes = planted_hashes(n, max_distance, np.random.default_rng(seed))
    found = near_duplicates(hashes, max_distance)
    assert found.complete
    assert as_dict(found) == brute_force(hashes, max_distance)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32), max_distance=st.sampled_from([1, 3, 8, 13, 20, 28, 33]))
def test_all_pairs_are_found_by_tables(seed: int, max_distance: int) -> None:
    # With comparisons made out to be dear, few hashes are searched with the tables of many.
    rng = np.random.default_rng(seed)
    hashes = planted_hashes(150, max_distance, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_PAIR_COST", 10.0 ** rng.integers(0, 5))
        found = near_duplicates(hashes, max_distance)
    assert found.complete
    assert as_dict(found) == brute_force(hashes, max_distance)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32), max_distance=st.sampled_from([2, 9, 20, 28]), max_pairs=st.integers(0, 10))
def test_too_many_pairs_connect_the_same(seed: int, max_distance: int, max_pairs: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = planted_hashes(100, max_distance, rng)
    expected = brute_force(hashes, max_distance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_PAIR_COST", 10.0 ** rng.integers(-1, 5))
        patch.setattr(duplicates, "_FOLD_PAIRS", int(rng.integers(0, 4)))
        patch.setattr(duplicates, "_CHUNK_PAIRS", int(rng.integers(1, 100)))
        found = near_duplicates(hashes, max_distance, max_pairs)
    assert not found.complete
    assert as_dict(found).items() <= expected.items()
    n = len(hashes)
    reference = reference_partition(n, list(expected))
    assert partition(clusters(n, found.pairs)) == reference
    assert len(found.pairs) == n - len(reference)  # a spanning forest


def test_pairs_are_limited_to_the_number_asked_for() -> None:
    rng = np.random.default_rng(0)
    base = random_hashes(1, rng)[0]
    clique = np.stack([flip(base, 4, rng) for _ in range(6)])  # 15 pairs
    assert near_duplicates(clique, 8, 15).complete
    found = near_duplicates(clique, 8, 14)
    assert (found.complete, len(found.pairs)) == (False, 5)


def test_order_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    hashes = planted_hashes(300, 20, rng)
    heads = np.sort(np.unique(hashes, axis=0, return_index=True)[1])
    hashes = hashes[heads]  # equal ones are reported by the first in order

    def content(order: np.ndarray, max_pairs: int) -> set[tuple[frozenset[int], int]]:
        found = near_duplicates(hashes[order], 20, max_pairs)
        return {(frozenset(order[list(pair)].tolist()), d) for pair, d in as_dict(found).items()}

    for max_pairs in (1000, 3):
        expected = content(np.arange(len(hashes)), max_pairs)
        assert expected
        for _ in range(3):
            assert content(rng.permutation(len(hashes)), max_pairs) == expected


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_to_pair(n: int) -> None:
    found = near_duplicates(np.zeros((n, HASH_WORDS), np.uint64))
    assert (found.pairs.shape, found.distances.shape, found.complete) == ((0, 2), (0,), True)
    assert found.pairs.dtype == np.int64
    assert clusters(n, found.pairs).tolist() == [0] * n


def test_distance_zero_pairs_equal_hashes_only() -> None:
    hashes = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], np.uint64)
    assert as_dict(near_duplicates(hashes, 0)) == {(0, 2): 0, (0, 3): 0}


def test_many_equal_hashes_are_a_star() -> None:
    hashes = np.zeros((300_000, HASH_WORDS), np.uint64)
    hashes[7] = np.uint64(1)
    started = time.process_time()
    found = near_duplicates(hashes)
    assert time.process_time() - started < 20
    assert found.complete
    assert len(found.pairs) == 299_999
    assert (found.pairs[:, 0] == 0).all()
    assert found.distances.tolist() == [0] * 6 + [4] + [0] * 299_992
    assert clusters(len(hashes), found.pairs).max() == 0


def test_many_alike_hashes_do_not_explode() -> None:
    # All 72 million pairs are near; compared one by one they would take minutes, kept they would fill the memory.
    rng = np.random.default_rng(0)
    bits = rng.random((12_000, HASH_BITS)) < 8 / HASH_BITS
    alike = np.packbits(bits, axis=1).view(np.uint64)
    hashes = np.concatenate([alike, random_hashes(5000, rng)])
    started = time.process_time()
    found = near_duplicates(hashes, max_pairs=100_000)
    assert time.process_time() - started < 30
    assert not found.complete
    labels = clusters(len(hashes), found.pairs)
    sizes = np.bincount(labels)
    assert sizes[labels[0]] >= 11_990  # a few have too many bits set to be near any
    assert (sizes[labels[12_000:]] == 1).all()


@pytest.mark.parametrize(
    ("hashes", "max_distance", "code"),
    [
        (np.zeros((3, 4), np.int64), 5, "bad_hashes"),  # signed
        (np.zeros((3, 2), np.uint64), 5, "bad_hashes"),  # too short
        (np.zeros(4, np.uint64), 5, "bad_hashes"),  # one hash, not a table
        (np.zeros((3, 4), np.uint64), -1, "bad_distance"),
        (np.zeros((3, 4), np.uint64), 65, "bad_distance"),
    ],
)
def test_wrong_calls(hashes: np.ndarray, max_distance: int, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        near_duplicates(hashes, max_distance)
    assert caught.value.code == code


# --- clusters ----------------------------------------------------------------------------------------------


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_clusters_are_connected_components(case: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = case
    labels = clusters(n, np.array(pairs, np.int64).reshape(-1, 2))
    assert partition(labels) == reference_partition(n, pairs)
    _, firsts = np.unique(labels, return_index=True)
    assert (np.diff(firsts) > 0).all()  # numbered in order of appearance
    assert sorted(set(labels.tolist())) == list(range(len(firsts)))


def test_a_long_chain_is_one_cluster() -> None:
    order = np.random.default_rng(0).permutation(100_000)
    assert clusters(len(order), np.stack([order[:-1], order[1:]], axis=1)).max() == 0


# --- the shared images -----------------------------------------------------------------------------------


@pytest.mark.shared
def test_aligned_faces_are_told_apart(shared_faces: Path) -> None:
    # The sets whose faces lie alike, with plain backgrounds or cut to the same square.
    for source in ("celeba/real", "tpdne/fake", "generated_photos/fake"):
        paths = sorted((shared_faces / source).iterdir())[:220]
        hashes, errors = hash_images(paths)
        assert not errors
        apart = distances(hashes[:, None], hashes[None])[np.triu_indices(len(hashes), 1)]
        assert apart.min() > DEFAULT_MAX_DISTANCE
