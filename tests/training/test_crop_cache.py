"""Face crops: ``data faces`` and the crop cache for training."""

from __future__ import annotations

import csv
import json
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.data.make.faces import CutPolicy, cut_faces
from unmask.data.make.made import Encoding, check_apart, made_name
from unmask.data.make.self_blend import self_blend
from unmask.data.manifest import Manifest
from unmask.data.transforms import Augmentation, augment
from unmask.errors import ImageError, ManifestError, UsageError
from unmask.files import OutputFolder
from unmask.imaging.decode import decode_image
from unmask.imaging.faces import FaceFinder, FacePolicy
from unmask.imaging.preprocessing import Preprocessing, crop_of, render
from unmask.training import crop_cache as crops
from unmask.training.crop_cache import CropCache, CropPolicy


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def photos(tmp_path: Path, astronaut: Image.Image) -> Manifest:
    """Faces of several sizes and places, one image without a face, one damaged, one missing."""
    root = tmp_path / "photos"
    (root / "a").mkdir(parents=True)
    astronaut.save(root / "a/x.png")
    astronaut.crop((0, 0, 301, 299)).save(root / "a/x.jpg", quality=95)
    astronaut.crop((150, 41, 300, 199)).save(root / "tight.png")
    both = Image.new("RGB", (1024, 512))
    both.paste(astronaut, (0, 0))
    both.paste(astronaut.resize((380, 380)), (560, 60))
    both.save(root / "two.png")
    Image.new("RGB", (200, 200), (90, 120, 90)).save(root / "wall.png")
    (root / "broken.jpg").write_bytes((root / "a/x.jpg").read_bytes()[:900])
    rows = ["path,label,source,group,split,sha256,note"]
    rows += [f"{name},real,s,g{i},train,ff,n{i}" for i, name in enumerate(
        ["a/x.png", "a/x.jpg", "tight.png", "two.png", "wall.png", "broken.jpg", "gone.png"])]  # fmt: skip
    (root / "m.csv").write_text("\n".join(rows) + "\n")
    return Manifest.open(root / "m.csv")


# --- data faces --------------------------------------------------------------------------------------------


def test_crops_keep_the_columns_and_misses_have_a_reason(photos: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = cut_faces(photos, out)
    rows = read(out / "manifest.csv")
    assert [row["original_path"] for row in rows] == ["a/x.png", "a/x.jpg", "tight.png", "two.png"]
    assert [row["note"] for row in rows] == ["n0", "n1", "n2", "n3"]
    assert [row["group"] for row in rows] == ["g0", "g1", "g2", "g3"]
    assert {row["original_sha256"] for row in rows} == {"ff"}
    assert len({row["path"] for row in rows}) == 4
    assert all(row["path"].startswith("a/x.") for row in rows[:2])
    assert {row["face_found"] for row in rows} == {"true"}
    misses = {row["path"]: row["reason"] for row in read(out / "misses.csv")}
    assert misses == {"wall.png": "no_face", "broken.jpg": "truncated", "gone.png": "not_found"}
    assert (report.images, report.crops, report.kept, report.unreadable) == (7, 4, 0, 2)
    assert report.misses == {"no_face": 1, "not_found": 1, "truncated": 1}
    # The manifest can be read as one, all its files are there, and a native crop is the original's own pixels.
    made = Manifest.open(out / "manifest.csv")
    assert made.validate() == 4
    left, top, right, bottom = map(int, json.loads(rows[0]["crop_box"]))
    assert right - left == bottom - top == int(rows[0]["width"])
    cut = decode_image(out / rows[0]["path"])
    original = decode_image(photos.root / "a/x.png").crop((left, top, right, bottom))
    assert cut.tobytes() == original.tobytes()


def test_a_sized_box_crop_is_what_the_preprocessing_renders(photos: Manifest, tmp_path: Path) -> None:
    cut_faces(photos, tmp_path / "out", CutPolicy(size=96))
    image = decode_image(photos.root / "a/x.png")
    face = FaceFinder().find(image)[0]
    preprocessing = Preprocessing(size=96)
    expected = render(image, crop_of(face, image.size, preprocessing), preprocessing)
    made = read(tmp_path / "out/manifest.csv")[0]["path"]
    assert np.array_equal(np.asarray(decode_image(tmp_path / "out" / made)), expected)


def test_aligned_crops_have_the_eyes_in_their_places(photos: Manifest, tmp_path: Path, astronaut: Image.Image) -> None:
    astronaut.rotate(20, Image.Resampling.BICUBIC).save(photos.root / "a/x.png")
    cut_faces(photos, tmp_path / "out", CutPolicy(mode="aligned", size=200, margin=0.5))
    rows = read(tmp_path / "out/manifest.csv")
    crop = decode_image(tmp_path / "out" / rows[0]["path"])
    assert crop.size == (200, 200)
    right_eye, left_eye = FaceFinder().find(crop)[0].keypoints[:2]
    assert abs(right_eye[1] - left_eye[1]) < 6
    assert right_eye[0] == pytest.approx((0.295 + 0.5) / 2 * 200, abs=8)
    # The image ends close to the face of the tight one: what was made up is said.
    outside = {row["original_path"]: float(row["crop_outside"]) for row in rows}
    assert outside["a/x.png"] < 0.02 < outside["tight.png"]


def test_all_faces_and_whole_images(photos: Manifest, tmp_path: Path) -> None:
    cut_faces(photos, tmp_path / "out", CutPolicy(every_face=True, whole_without_face=True))
    rows = read(tmp_path / "out/manifest.csv")
    two = [row for row in rows if row["original_path"] == "two.png"]
    assert [row["face_index"] for row in two] == ["0", "1"]
    assert {row["face_count"] for row in two} == {"2"}
    (wall,) = (row for row in rows if row["original_path"] == "wall.png")
    assert (wall["face_found"], wall["width"], wall["face_box"]) == ("false", "200", "")


def test_a_second_run_opens_nothing_and_a_changed_image_is_done_again(
    photos: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    cut_faces(photos, out)
    before = {path: path.read_bytes() for path in out.rglob("*.png")}
    opened: list[Path] = []
    monkeypatch.setattr("unmask.data.make.faces.decode_image", lambda path: opened.append(path) or decode_image(path))
    report = cut_faces(photos, out)
    # What could not be read is tried again; what has no face is not.
    assert {path.name for path in opened} == {"broken.jpg", "gone.png"}
    assert report.kept == 5
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == before
    opened.clear()
    next(iter(before)).unlink()
    decode_image(photos.root / "two.png").rotate(1).save(photos.root / "two.png")
    cut_faces(photos, out)
    assert len({path.name for path in opened} - {"broken.jpg", "gone.png"}) in (1, 2)
    opened.clear()
    cut_faces(photos, out, CutPolicy(margin=0.5))
    assert len(opened) == 7


def test_a_killed_run_goes_on(photos: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    cut_faces(photos, whole)
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_faces(photos, out, workers=1, progress=stop)
    assert not (out / "manifest.csv").exists()
    assert not list(out.rglob("*.partial"))
    # As if the kill had come in the middle of a line.
    journal = out / ".faces-journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"key": "00')
    report = cut_faces(photos, out)
    assert report.kept == 3
    for name in ("manifest.csv", "misses.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_hostile_paths(photos: Manifest, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes((photos.root / "a/x.png").read_bytes())
    (photos.root / "evil.csv").write_text("path,label\n../secret.png,real\n")
    with pytest.raises(ManifestError) as caught:
        cut_faces(Manifest.open(photos.root / "evil.csv"), tmp_path / "out")
    assert caught.value.code == "path_escapes_root"
    # A folder in the output that leads elsewhere is not followed.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "linked"
    out.mkdir()
    (out / "a").symlink_to(elsewhere)
    with pytest.raises(UsageError) as refused:
        cut_faces(photos, out)
    assert refused.value.code == "outside_folder"
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "", "a\0b"])
def test_the_output_folder_lets_nothing_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        OutputFolder(tmp_path / "out").write(name, b"x")
    assert caught.value.code == "outside_folder"


def test_the_input_is_not_written_over(photos: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        check_apart(photos, photos.root, from_folders=False)
    with pytest.raises(UsageError):
        check_apart(photos, photos.root / "crops", from_folders=True)
    check_apart(photos, photos.root / "crops", from_folders=False)


def test_two_runs_do_not_mix(photos: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")

    def again() -> None:
        cut_faces(photos, tmp_path / "out")

    with pytest.raises(UsageError) as caught:
        cut_faces(photos, tmp_path / "out", progress=again)
    assert caught.value.code == "folder_in_use"


def test_names_do_not_collide_and_stay_short() -> None:
    names = [made_name(name, ".png", 0) for name in ("a/x.jpg", "a/x.png", "a/X.jpg", "b/x.jpg", "a/x")]
    assert len({name.lower() for name in names}) == 5
    assert len(made_name("é" * 250, ".png", 0).encode()) < 200


@pytest.mark.parametrize("text", ["gif", "jpeg:0", "jpeg:101", "png:9", "jpeg:x", ""])
def test_bad_formats(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Encoding.parse(text)
    assert caught.value.code == "bad_format"


# --- the cache ---------------------------------------------------------------------------------------------


@pytest.fixture
def paths(photos: Manifest) -> list[Path]:
    return [photos.root / name for name in ("a/x.png", "a/x.jpg", "tight.png", "two.png", "wall.png")]


def test_augmenting_the_region_gives_the_pixels_of_augmenting_the_image(paths: list[Path], tmp_path: Path) -> None:
    cache = CropCache(tmp_path / "cache")
    report = cache.build(paths)
    assert (report.added, report.present, report.refused, report.failed) == (5, 0, 0, {})
    finder = FaceFinder(FacePolicy())
    for path in paths:
        assert path in cache
        image = decode_image(path)
        found = finder.find(image)
        face = found[0] if found else None
        crop = crop_of(face, image.size, Preprocessing())
        region = cache.get(path)
        for seed in range(12):
            for config in (Augmentation(), Augmentation(crop_jitter=0.3), Augmentation.off()):
                direct = augment(image, crop, 64, config, np.random.default_rng(seed))
                cached = augment(region.image, region.crop, 64, config, np.random.default_rng(seed))
                assert np.array_equal(direct, cached)
            if face is not None:
                assert region.face is not None
                one, two = np.random.default_rng(seed), np.random.default_rng(seed)
                direct = augment(self_blend(image, face, one).image, crop, 64, Augmentation(), one)
                blended = self_blend(region.image, region.face, two).image
                assert np.array_equal(direct, augment(blended, region.crop, 64, Augmentation(), two))
        rendered = render(region.image, region.crop, Preprocessing()).astype(int)
        assert np.abs(rendered - render(image, crop, Preprocessing())).max() <= 1


def test_a_cached_image_is_not_opened_and_an_uncached_one_gives_the_same(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = CropCache(tmp_path / "cache")
    direct = [cache.get(path) for path in paths]
    cache.build(paths)
    again = CropCache(tmp_path / "cache")
    assert len(again) == 5
    monkeypatch.setattr(crops, "decode_image", lambda path: pytest.fail("opened"))
    for path, (image, crop, face) in zip(paths, direct, strict=True):
        kept = again.get(path)
        assert (kept.image.tobytes(), kept.crop, kept.face) == (image.tobytes(), crop, face)
    assert again.build(paths).present == 5


def test_other_policies_and_changed_files_are_not_mistaken(paths: list[Path], tmp_path: Path) -> None:
    CropCache(tmp_path / "cache").build(paths)
    other = CropCache(tmp_path / "cache", CropPolicy(margin=0.5))
    assert len(other) == 0
    cache = CropCache(tmp_path / "cache")
    Image.new("RGB", (64, 64), (1, 2, 3)).save(paths[0])
    assert paths[0] not in cache
    assert cache.get(paths[0]).image.size == (64, 64)


def test_it_is_bounded_and_refuses_what_comes_later(paths: list[Path], tmp_path: Path) -> None:
    sizes = [3 * region.image.width * region.image.height for region in map(CropCache(tmp_path / "x").get, paths)]
    cache = CropCache(tmp_path / "cache", max_bytes=sizes[0] + sizes[1])
    report = cache.build(paths)
    assert (report.added, report.refused) == (2, 3)
    assert report.bytes == cache.size_bytes <= cache.max_bytes
    files = list(cache.folder.glob("shard-*.bin"))
    assert sum(path.stat().st_size for path in files) == report.bytes
    assert cache.get(paths[3]).face is not None


def test_an_interrupted_build_keeps_what_it_had(paths: list[Path], tmp_path: Path) -> None:
    cache = CropCache(tmp_path / "cache")
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.build(paths, stop, workers=1)
    # A kill may also leave half a region in the shard and half a line in the index.
    for name in ("shard-00000.bin", "index.jsonl"):
        with (cache.folder / name).open("ab") as file:
            file.write(b'{"key": "torn')
    again = CropCache(tmp_path / "cache")
    assert len(again) == 2
    report = again.build(paths)
    assert (report.added, report.present) == (3, 2)
    fresh = CropCache(tmp_path / "fresh")
    for path in paths:
        assert CropCache(tmp_path / "cache").get(path).image.tobytes() == fresh.get(path).image.tobytes()


def test_a_shard_that_was_cut_off_is_not_read(paths: list[Path], tmp_path: Path) -> None:
    cache = CropCache(tmp_path / "cache")
    cache.build(paths)
    shard = cache.folder / "shard-00000.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert len(CropCache(tmp_path / "cache")) == 4


def test_shards_follow_each_other(paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "_SHARD_BYTES", 100_000)
    cache = CropCache(tmp_path / "cache")
    cache.build(paths)
    assert len(list(cache.folder.glob("shard-*.bin"))) > 1
    for path in paths:
        assert cache.get(path).image.tobytes() == CropCache(tmp_path / "none").get(path).image.tobytes()


def test_a_large_region_is_kept_smaller_with_its_coordinates(paths: list[Path], tmp_path: Path) -> None:
    large, small = (CropCache(tmp_path / "c", CropPolicy(max_side=side)).get(paths[0]) for side in (1024, 100))
    assert max(small.image.size) == 100
    assert large.face is not None
    assert small.face is not None
    factor = small.image.width / large.image.width
    assert small.crop == pytest.approx([edge * factor for edge in large.crop], abs=1)
    assert np.asarray(small.face.keypoints) == pytest.approx(np.asarray(large.face.keypoints) * factor, abs=1)


def test_unreadable_images_are_reported_and_raise(photos: Manifest, tmp_path: Path) -> None:
    cache = CropCache(tmp_path / "cache")
    broken = photos.root / "broken.jpg"
    assert list(cache.build([broken]).failed) == [broken]
    with pytest.raises(ImageError):
        cache.get(broken)


def _first_bytes(job: tuple[CropCache, Path]) -> bytes:
    return job[0].get(job[1]).image.tobytes()


def test_it_travels_to_other_processes(paths: list[Path], tmp_path: Path) -> None:
    cache = CropCache(tmp_path / "cache")
    cache.build(paths)
    expected = [cache.get(path).image.tobytes() for path in paths]
    assert [pickle.loads(pickle.dumps(cache)).get(path).image.tobytes() for path in paths] == expected
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_first_bytes, [(cache, path) for path in paths]) == expected
