"""Planted faults are found, each by its code, and a clean set has none."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from unmask.data.audit.findings import ADVICE, Finding
from unmask.data.audit.run import Audit, audit, write_clusters
from unmask.data.make.self_blend import self_blend
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.data.split.groups import read_clusters
from unmask.errors import MissingExtraError
from unmask.imaging.faces import Face

pytest.importorskip("sklearn")

MakeSet = Callable[..., Any]


def codes(result: Audit) -> set[str]:
    return {finding.code for finding in result.findings}


def named(result: Audit, code: str) -> Finding:
    (found,) = [finding for finding in result.findings if finding.code == code]
    return found


def paths(finding: Finding) -> set[str]:
    return {path for item in finding.items for path in item}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clean_set_has_no_findings(make_set: MakeSet, seed: int) -> None:
    result = audit(make_set(90, seed).manifest, seed=seed)
    assert result.findings == ()
    assert [probe.reading for probe in result.probes] == ["file-facts", "pixels"]
    assert all(probe.overall.low < 0.6 for probe in result.probes)


def test_fakes_in_png_and_reals_in_jpeg(make_set: MakeSet) -> None:
    made = make_set()
    for at in made.of("fake"):
        # Of the JPEG's own pixels: grain that JPEG never smoothed would be a shortcut of its own.
        Image.open(made.folder / made.rows[at].path).save(made.folder / f"{at}.png")
        made.change(at, path=f"{at}.png")
    result = audit(made.manifest)
    found = named(result, "shortcut-file-facts")
    assert found.severity == "error" and found.details["auc"] > 0.95
    assert found.items[0] == ("container", "container")
    assert "container: real JPEG 100 %, fake PNG 100 %" in found.message
    assert "shortcut-pixels" not in codes(result)


def test_fakes_of_another_jpeg_quality(make_set: MakeSet) -> None:
    made = make_set()
    for at in made.of("fake"):
        made.images[at].save(made.folder / made.rows[at].path, quality=60)
    found = named(audit(made.manifest), "shortcut-file-facts")
    assert found.severity == "error" and {"JPEG tables"} & {item[0] for item in found.items}


def test_a_corner_caption_on_the_fakes(make_set: MakeSet) -> None:
    made = make_set(100)
    for at in made.of("fake"):
        image = made.images[at].copy()
        draw = ImageDraw.Draw(image)
        draw.text((2, image.height - 13), "made by AI", fill=(255, 255, 255))
        image.save(made.folder / made.rows[at].path, quality=90)
    made_quality = made.of("real")
    for at in made_quality:  # the same quality, so that the caption is the only fault
        made.images[at].save(made.folder / made.rows[at].path, quality=90)
    found = named(audit(made.manifest), "shortcut-pixels")
    assert found.severity in ("warning", "error")
    assert found.items[0][0] == "bottom left corner"


def test_one_face_in_both_splits_at_another_size_and_quality(make_set: MakeSet) -> None:
    made = make_set()
    real = next(at for at in made.of("real") if made.rows[at].split == "train")
    smaller = made.images[real].resize((70, 70), Image.Resampling.LANCZOS)
    twin = made.add(smaller, "real", "another group", "test")
    smaller.save(made.folder / made.rows[twin].path, quality=45)
    result = audit(made.manifest)
    found = named(result, "near-duplicate-across-splits")
    assert (found.severity, found.total) == ("error", 1)
    assert paths(found) == {made.rows[real].path, made.rows[twin].path}


def test_a_mirrored_copy_across_splits(make_set: MakeSet) -> None:
    made = make_set(24)
    real = next(at for at in made.of("real") if made.rows[at].split == "train")
    made.add(made.images[real].transpose(Image.Transpose.FLIP_LEFT_RIGHT), "real", "another", "test")
    result = audit(made.manifest, probes=False)
    assert named(result, "near-duplicate-across-splits").total == 1
    assert result.copies.mirrored.tolist() == [True]


def test_a_fake_and_its_source_apart_without_a_group(make_set: MakeSet) -> None:
    made = make_set(40)
    real = next(at for at in made.of("real") if made.rows[at].split == "train")
    image = made.images[real].resize((160, 160), Image.Resampling.BICUBIC)
    face = Face((50, 50, 110, 110), 0.9, ((68, 71), (92, 71), (80, 83), (80, 95), (53, 77), (107, 77)))
    fake = image
    for seed in range(3):
        fake = self_blend(fake, face, np.random.default_rng(seed)).image
    ImageDraw.Draw(fake).ellipse((70, 85, 90, 95), fill=(150, 60, 60))  # another mouth
    made.add(fake, "fake", "unrelated", "test")
    result = audit(made.manifest, probes=False)
    assert result.copies.distances.tolist() > [28]  # beyond near-duplicates: found by what was left as it was
    assert named(result, "near-duplicate-across-splits").severity == "error"
    assert named(result, "fake-beside-its-source").severity == "info"
    assert "label-conflict" not in codes(result)


def test_a_fake_and_its_source_apart_with_a_group(make_set: MakeSet) -> None:
    made = make_set(40)
    real = next(at for at in made.of("real") if made.rows[at].split == "train")
    made.change(next(at for at in made.of("fake") if made.rows[at].split == "test"), group=made.rows[real].group)
    found = named(audit(made.manifest, probes=False), "group-crosses-splits")
    assert (found.severity, found.total, len(found.items[0])) == ("error", 1, 2)


def test_label_noise_is_found_where_a_twin_says_otherwise(make_set: MakeSet) -> None:
    made = make_set(40)
    exact, near = made.of("real")[:2]
    made.change(exact, split="train")
    made.change(near, split="train")
    made.rows.append(ManifestRow(path=made.rows[exact].path, label="fake", source="web", split="train"))
    made.add(made.images[near].resize((90, 90)), "fake", "n", "train")
    found = named(audit(made.manifest, probes=False), "label-conflict")
    assert (found.severity, found.total) == ("error", 2)


@pytest.mark.parametrize("column", ["kind", "generator", "folder"])
def test_label_noise_is_found_where_another_column_says_otherwise(make_set: MakeSet, column: str) -> None:
    made = make_set(60)
    for at in range(60):
        row = made.rows[at]
        path = row.path
        if column == "folder":
            (made.folder / row.label).mkdir(exist_ok=True)
            path = f"{row.label}/{row.path}"
            (made.folder / row.path).rename(made.folder / path)
        kept = {"kind": "", "generator": ""} | ({column: getattr(row, column)} if column != "folder" else {})
        made.change(at, path=path, **kept)
    flipped = [made.of("fake")[4], made.of("real")[6]]
    for at in flipped:
        made.change(at, label="real" if made.rows[at].label == "fake" else "fake")
    found = named(audit(made.manifest, probes=False), "label-contradiction")
    assert found.severity == "warning"
    assert paths(found) == {made.rows[at].path for at in flipped}


def test_label_noise_without_twins_is_found_only_by_a_strong_probe(make_set: MakeSet) -> None:
    made = make_set(120)
    for at in range(120):
        made.change(at, kind="", generator="")
    for at in made.of("fake"):
        made.images[at].save(made.folder / f"{at}.png")
        made.change(at, path=f"{at}.png")
    flipped = [made.of("fake")[4], made.of("real")[6]]
    for at in flipped:
        made.change(at, label="real" if made.rows[at].label == "fake" else "fake")
    found = named(audit(made.manifest), "label-suspect")
    assert found.severity == "info"
    assert {made.rows[at].path for at in flipped} <= paths(found)
    assert found.total <= 6


def test_copies_of_bytes_within_and_across_splits(make_set: MakeSet) -> None:
    made = make_set(30)
    first, second = made.of("fake")[:2]
    made.change(first, split="train")
    made.change(second, split="train")
    for at, split in ((first, "train"), (second, "test")):
        copy = made.add(made.images[at], "fake", f"copy-{at}", split)
        content = (made.folder / made.rows[at].path).read_bytes()
        (made.folder / made.rows[copy].path).write_bytes(content)
    result = audit(made.manifest, probes=False)
    assert named(result, "exact-duplicate").total == 1
    assert named(result, "exact-duplicate-across-splits").severity == "error"
    assert "near-duplicate" not in codes(result)


def test_near_copies_in_one_split_are_information(make_set: MakeSet) -> None:
    made = make_set(30)
    at = made.of("fake")[0]
    made.add(made.images[at], "fake", made.rows[at].group, made.rows[at].split)
    made.images[at].resize((80, 80)).save(made.folder / made.rows[-1].path)
    result = audit(made.manifest, probes=False)
    found = named(result, "near-duplicate")
    assert (found.severity, found.total, found.details) == ("info", 1, {"without_group": 0})
    assert not result.fails("warning")


def test_sources_of_one_label(make_set: MakeSet) -> None:
    made = make_set(40)
    for at in range(40):
        made.change(at, source="a" if at % 4 else made.rows[at].label)
    found = named(audit(made.manifest, probes=False), "one-class-source")
    assert found.severity == "warning" and set(found.items) == {("real", "real"), ("fake", "fake")}
    for at in range(40):
        made.change(at, source=f"only-{made.rows[at].label}")
    assert named(audit(made.manifest, probes=False), "one-class-source").severity == "error"


def test_imbalance_and_splits_of_one_label(make_set: MakeSet) -> None:
    made = make_set(60)
    keep = made.of("real") + made.of("fake")[:3]
    made.rows = [made.rows[at] for at in keep]
    for at, row in enumerate(made.rows):
        made.change(at, split="train" if row.label == "fake" else row.split)
    result = audit(made.manifest)
    assert named(result, "imbalance").severity == "info"
    assert {item[0] for item in named(result, "one-class-split").items} == {"val", "test"}
    assert result.probes == ()  # three fakes say nothing
    made.rows = [row for row in made.rows if row.label == "real"]
    assert named(audit(made.manifest), "one-class").severity == "error"


def test_broken_files_and_wrong_checksums(make_set: MakeSet) -> None:
    made = make_set(30)
    (made.folder / made.rows[2].path).write_bytes(b"\xff\xd8\xff\xe0 no more")
    made.change(4, extra={"sha256": "0" * 64})
    made.rows.append(ManifestRow(url="http://example.org/x.jpg", label="real", split="train"))
    result = audit(made.manifest, probes=False)
    assert paths(named(result, "unreadable")) == {made.rows[2].path}
    assert paths(named(result, "not-fetched")) == {"http://example.org/x.jpg"}
    assert paths(named(result, "checksum-mismatch")) == {made.rows[4].path}


def test_nothing_readable_is_no_crash(tmp_path: Any) -> None:
    rows = [ManifestRow(path=f"{at}.jpg", label=("real", "fake")[at % 2]) for at in range(6)]
    result = audit(Manifest.from_rows(rows, tmp_path), common=True)
    assert codes(result) == {"unreadable"}
    json.dumps(result.to_json(), allow_nan=False)


def test_blank_images_are_not_each_others_copies(make_set: MakeSet) -> None:
    made = make_set(20)
    for at in range(2):
        made.add(Image.new("RGB", (100, 100), (at * 40,) * 3), "real", f"blank-{at}", ("train", "test")[at])
    assert not codes(audit(made.manifest, probes=False)) & {"near-duplicate", "near-duplicate-across-splits"}


def test_the_common_reading_removes_a_file_shortcut_and_keeps_one_of_pixels(make_set: MakeSet) -> None:
    made = make_set(60)
    for at in made.of("fake"):
        made.images[at].save(made.folder / f"{at}.png")
        made.change(at, path=f"{at}.png")
    result = audit(made.manifest, common=True)
    by_reading = {probe.reading: probe.overall for probe in result.probes}
    assert by_reading["file-facts"].auc > 0.95
    assert by_reading["common-file-facts"].low < 0.6 and by_reading["common-pixels"].low < 0.6
    assert "shortcut-common" not in codes(result)


def test_the_same_seed_gives_the_same_audit_and_the_json_is_plain(make_set: MakeSet) -> None:
    made = make_set(40)
    first, second = (audit(made.manifest, seed=7, workers=workers).to_json() for workers in (1, 3))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)
    assert first["counts"]["by"]["source"].keys() == {"web", "studio"}


def test_lists_are_bounded_and_totals_are_not(make_set: MakeSet) -> None:
    made = make_set(4)
    made.rows += [ManifestRow(path=f"missing-{at}.jpg", label="real") for at in range(70)]
    found = named(audit(made.manifest, probes=False), "unreadable")
    assert (len(found.items), found.total) == (50, 70)


def test_clusters_are_what_split_reads(make_set: MakeSet, tmp_path: Any) -> None:
    made = make_set(20)
    for at in (0, 1):
        made.add(made.images[at].resize((80, 80)), made.rows[at].label, "x", "train")
    result = audit(made.manifest, probes=False)
    assert write_clusters(result, tmp_path / "c.csv") == 2
    read = read_clusters(tmp_path / "c.csv")
    assert read["p0000.jpg"] == read["p0020.jpg"] != read["p0001.jpg"] == read["p0021.jpg"]
    assert len(read) == 4


def test_without_scikit_learn_the_probes_say_so(make_set: MakeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[train\]"):
        audit(make_set(4).manifest)
    audit(make_set(4).manifest, probes=False)


def test_every_code_has_an_advice_and_is_made_somewhere() -> None:
    from pathlib import Path

    from unmask.data.audit import rules

    source = Path(rules.__file__).read_text(encoding="utf-8")
    assert [code for code in ADVICE if f'"{code}"' not in source] == []
    assert all(text.endswith(".") for text in ADVICE.values())


def test_an_image_saved_anew_shows_the_same_everywhere(make_set: MakeSet) -> None:
    made = make_set(40)
    for at in range(40):
        encoded = io.BytesIO()
        made.images[at].save(encoded, "JPEG", quality=60)
        made.add(Image.open(encoded), made.rows[at].label, made.rows[at].group, made.rows[at].split)
    copies = audit(made.manifest, probes=False).copies
    assert len(copies.pairs) == 40 and copies.same_everywhere.all()
