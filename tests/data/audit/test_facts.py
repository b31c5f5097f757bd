"""Facts of images, and the pass that gathers them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unmask.data.audit import images as pass_module
from unmask.data.audit.facts import CONTAINERS, FACTS, measure, pixel_facts
from unmask.data.audit.images import read_images
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.errors import ManifestError
from unmask.imaging.faces import FaceFinder
from unmask.imaging.preprocessing import Preprocessing

MakeSet = Callable[..., Any]


def facts_of(path: Path, **options: Any) -> dict[str, float]:
    found = measure(path, **options)
    assert found.error is None
    return dict(zip(FACTS, found.values, strict=True))


def test_file_facts(tmp_path: Path) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[271] = "camera"
    Image.fromarray(grain).save(tmp_path / "a.jpg", quality=88, subsampling="4:4:4", exif=exif)
    Image.fromarray(grain).convert("L").save(tmp_path / "a.png")
    jpeg, png = facts_of(tmp_path / "a.jpg"), facts_of(tmp_path / "a.png")
    assert CONTAINERS[int(jpeg["container"])] == "JPEG" and CONTAINERS[int(png["container"])] == "PNG"
    assert (jpeg["width"], jpeg["height"], jpeg["channels"], jpeg["exif"]) == (60, 40, 3, 1)
    assert jpeg["bytes_per_pixel"] == pytest.approx((tmp_path / "a.jpg").stat().st_size / 2400)
    assert jpeg["jpeg_quality"] == 88
    assert (png["channels"], png["exif"]) == (1, 0)
    assert math.isnan(png["jpeg_quality"])
    assert math.isnan(jpeg["common_red"])  # not asked for


def test_the_common_reading_is_the_same_for_every_container(tmp_path: Path, astronaut: Image.Image) -> None:
    astronaut.save(tmp_path / "a.png")
    astronaut.save(tmp_path / "a.webp", lossless=True)
    common = Preprocessing(size=64)
    options = {"common": common, "finder": FaceFinder(common.faces)}
    png, webp = facts_of(tmp_path / "a.png", **options), facts_of(tmp_path / "a.webp", **options)
    names = [name for name in FACTS if name.startswith("common_")]
    assert [png[name] for name in names] == [webp[name] for name in names]
    assert not any(math.isnan(png[name]) for name in names)


def test_facts_of_what_phones_write(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    from tests.imaging.test_heic import PLAIN

    (tmp_path / "a.heic").write_bytes(PLAIN)
    facts = facts_of(tmp_path / "a.heic")
    assert (CONTAINERS[int(facts["container"])], facts["width"], facts["height"]) == ("HEIC", 64, 48)


def test_pixel_facts_of_plain_images() -> None:
    grey = pixel_facts(Image.new("RGB", (100, 50), (90, 90, 90)))
    assert grey["red"] == pytest.approx(90) and grey["contrast"] == pytest.approx(0, abs=1e-3)
    assert (grey["sharpness"], grey["saturation"], grey["grey_share"]) == (pytest.approx(0, abs=1e-6), 0, 1)
    red = pixel_facts(Image.new("RGB", (100, 50), (255, 0, 0)))
    assert (red["saturation"], red["grey_share"]) == (255, 0)


def test_corners_are_named_after_where_they_are() -> None:
    image = Image.new("RGB", (200, 160), (100, 100, 100))
    image.paste((255, 255, 255), (0, 140, 20, 160))
    facts = pixel_facts(image)
    assert facts["bottom_left_mean"] > 240
    assert facts["top_left_mean"] == facts["bottom_right_mean"] == pytest.approx(100)


def test_blur_lowers_sharpness_and_enlarging_does_not_raise_it() -> None:
    grain = Image.fromarray(np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8))
    soft = grain.resize((64, 64), Image.Resampling.BICUBIC)
    assert pixel_facts(soft)["sharpness"] < pixel_facts(grain)["sharpness"]
    large = soft.resize((700, 700), Image.Resampling.BICUBIC)
    assert pixel_facts(large)["sharpness"] == pytest.approx(pixel_facts(soft)["sharpness"], abs=0.1)


@settings(max_examples=25, deadline=None)
@given(st.integers(16, 300), st.integers(16, 300), st.integers(0, 2**31))
def test_pixel_facts_are_finite_for_every_shape(width: int, height: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    facts = pixel_facts(Image.fromarray(pixels))
    assert all(math.isfinite(value) for value in facts.values())
    assert all(0 <= facts[name] <= 255 for name in ("red", "green", "blue", "saturation", "top_left_mean"))


def test_images_that_cannot_be_read_are_kept_with_the_reason(make_set: MakeSet) -> None:
    made = make_set(12)
    (made.folder / made.rows[3].path).write_bytes(b"no image")
    (made.folder / made.rows[5].path).unlink()
    made.rows.append(ManifestRow(url="https://example.org/a.jpg", label="real"))
    found = read_images(made.manifest)
    assert {row: error.partition(":")[0] for row, error in found.errors.items()} == {
        3: "unsupported_format",
        5: "not_found",
        12: "not_fetched",
    }
    assert found.readable.sum() == 10 and len(found) == 13
    assert np.isnan(found.facts[[3, 5, 12]]).all()


def test_a_second_pass_reads_the_facts_file_and_measures_only_what_changed(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, store = make_set(10), tmp_path / "out" / "facts.jsonl"
    first = read_images(made.manifest, store=store)
    # A kill in the middle of a line, and an image that changed.
    store.write_bytes(store.read_bytes()[:-100])
    Image.new("RGB", (64, 64)).save(made.folder / made.rows[0].path)
    measured = []
    monkeypatch.setattr(
        pass_module, "measure", lambda path, *rest: (measured.append(path.name), measure(path, *rest))[1]
    )
    second = read_images(made.manifest, store=store)
    assert sorted(measured) == ["p0000.jpg", "p0009.jpg"]
    np.testing.assert_array_equal(second.facts[1:], first.facts[1:])
    np.testing.assert_array_equal(second.hashes[1:], first.hashes[1:])
    assert second.sha256[1:] == first.sha256[1:]
    measured.clear()
    read_images(made.manifest, store=store)
    assert not measured


def test_a_damaged_facts_file_is_measured_again(make_set: MakeSet, tmp_path: Path) -> None:
    made, store = make_set(4), tmp_path / "facts.jsonl"
    first = read_images(made.manifest, store=store)
    lines = store.read_bytes().splitlines()
    store.write_bytes(b"\n".join(line[:32] + b'{"values": [1]}' for line in lines) + b"\n\xff\xfe\n")
    np.testing.assert_array_equal(read_images(made.manifest, store=store).facts, first.facts)


def test_an_empty_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label\n")
    with pytest.raises(ManifestError, match="no rows"):
        read_images(Manifest.open(tmp_path / "m.csv"))
