"""``data synthesize``: labels, groups and splits, recipes, the same bytes whatever the order, resuming."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.data.degrade import Step, apply_steps
from unmask.data.make.made import Encoding
from unmask.data.make.synthesize import Kind, SynthesisPolicy, synthesize
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.imaging.decode import decode_image


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_manifest(root: Path, rows: list[tuple[str, ...]], name: str = "m.csv") -> Manifest:
    lines = ["path,label,source,group,split,note", *(",".join(row) for row in rows)]
    (root / name).write_text("\n".join(lines) + "\n")
    return Manifest.open(root / name)


ROWS = [
    ("real/a.png", "real", "s", "g1", "train", "n0"),
    ("real/b.png", "real", "s", "g1", "train", "n1"),
    ("real/c.png", "real", "t", "g2", "train", "n2"),
    ("real/d.png", "real", "t", "", "test", "n3"),
    ("real/e.png", "real", "t", "g4", "test", "n4"),
    ("real/lonely.png", "real", "t", "g5", "val", "n5"),
    ("real/wall.png", "real", "t", "g6", "train", "n6"),
    ("real/broken.png", "real", "t", "g7", "train", "n7"),
    ("fake.png", "fake", "t", "g8", "train", "n8"),
]


@pytest.fixture
def portraits(tmp_path: Path, astronaut: Image.Image) -> Manifest:
    root = tmp_path / "in"
    (root / "real").mkdir(parents=True)
    for index, name in enumerate(("real/a", "real/b", "real/c", "real/d", "real/e", "real/lonely", "fake")):
        turned = astronaut.rotate(3 * index, Image.Resampling.BICUBIC)
        turned.crop((60 + 4 * index, 10, 380, 330 - 6 * index)).save(root / f"{name}.png")
    Image.new("RGB", (120, 120), (90, 120, 90)).save(root / "real/wall.png")
    (root / "real/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    return write_manifest(root, ROWS)


def files_of(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.png")}


def test_swaps_join_two_groups_of_one_split(portraits: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = synthesize(portraits, out, SynthesisPolicy("swap", per_image=2, masks=True))
    rows = read(out / "manifest.csv")
    given = {row[0]: row for row in ROWS}
    assert len(rows) == report.made == 10
    for row in rows:
        target, donor = given[row["made_from"]], given[row["donor_path"]]
        assert (row["label"], row["kind"], row["made_by"]) == ("fake", "faceswap", "swap")
        assert (row["source"], row["split"], row["note"]) == (target[2], target[4], target[5])
        assert target[4] == donor[4]
        # A row without a group is one of its own.
        assert row["group"] == (target[3] or target[0])
        assert row["donor_group"] == (donor[3] or donor[0])
        assert row["group"] != row["donor_group"]
        assert donor[1] == "real"
        assert not row["path"].split("/")[1:-1].count("real")
        assert set(json.loads(row["made_with"])) >= {"seed", "draw", "version", "encoding", "misfit", "mirrored"}
        mask = np.asarray(Image.open(out / row["mask"]))
        made, original = (np.asarray(decode_image(path)) for path in (out / row["path"], portraits.root / target[0]))
        assert mask.shape == made.shape[:2]
        assert not (made != original).any(2)[mask == 0].any()
        assert (made != original).any(2)[mask > 180].mean() > 0.8
    # No donor of its split, no face, not readable: said of each image that was to be made.
    reasons = [(row["path"], row["reason"]) for row in read(out / "misses.csv")]
    assert sorted(reasons) == [
        ("real/broken.png", "truncated"),
        ("real/lonely.png", "no_donor"),
        ("real/lonely.png", "no_donor"),
        ("real/wall.png", "no_face"),
        ("real/wall.png", "no_face"),
    ]
    assert report.unreadable == 1
    assert Manifest.open(out / "manifest.csv").validate() == 10


def test_originals_tie_the_two_group_columns_of_swaps_together(portraits: Manifest, tmp_path: Path) -> None:
    synthesize(portraits, tmp_path / "out", SynthesisPolicy("swap", with_originals=True))
    originals = [row for row in read(tmp_path / "out/manifest.csv") if row["made_by"] == "original"]
    assert len(originals) == 5
    assert all(row["donor_group"] == row["group"] and not row["donor_path"] for row in originals)


@pytest.mark.parametrize("kind", ["self-blend", "reconstruct"])
def test_fakes_with_originals_in_the_same_encoding(kind: Kind, portraits: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    policy = SynthesisPolicy(kind, encoding=Encoding("jpeg", 90), with_originals=True)
    report = synthesize(portraits, out, policy)
    rows = read(out / "manifest.csv")
    assert (report.made, report.originals) == (6, 6)
    assert [row["label"] for row in rows] == ["real", "fake"] * 6
    tables = set()
    for real, fake in zip(rows[::2], rows[1::2], strict=True):
        assert real["made_from"] == fake["made_from"]
        assert real["group"] == fake["group"] != ""
        assert (real["made_by"], fake["made_by"]) == ("original", kind)
        assert (real["kind"], fake["kind"], fake["generator"]) == ("", kind, f"unmask-{kind}")
        for row in (real, fake):
            with Image.open(out / row["path"]) as image:
                assert image.size == (int(row["width"]), int(row["height"]))
                tables.add((image.format, json.dumps(image.quantization)))
    assert len(tables) == 1


def test_degradations_keep_the_label_and_can_be_made_again(portraits: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    synthesize(portraits, out, SynthesisPolicy("degrade", steps=("jpeg", "noise", "screenshot")))
    rows = read(out / "manifest.csv")
    assert {(row["made_from"], row["label"]) for row in rows} == {(r[0], r[1]) for r in ROWS if "broken" not in r[0]}
    for row in rows:
        steps = [Step(step.pop("step"), step) for step in json.loads(row["made_with"])["steps"]]
        again = apply_steps(decode_image(portraits.root / row["made_from"]), steps)
        assert decode_image(out / row["path"]).tobytes() == again.tobytes()


@pytest.mark.parametrize("kind", ["swap", "self-blend", "reconstruct", "degrade"])
def test_neither_rows_order_nor_threads_nor_place_change_a_byte(kind: str, portraits: Manifest, tmp_path: Path) -> None:
    policy = SynthesisPolicy(kind, per_image=2, seed=5, masks=kind == "swap")  # type: ignore[arg-type]
    synthesize(portraits, tmp_path / "one", policy, workers=1)
    rows = ROWS.copy()
    random.Random(1).shuffle(rows)
    moved = tmp_path / "moved"
    portraits.root.rename(moved)
    synthesize(write_manifest(moved, rows), tmp_path / "two", policy, workers=4)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    synthesize(Manifest.open(moved / "m.csv"), tmp_path / "three", SynthesisPolicy(kind, per_image=2, seed=6))  # type: ignore[arg-type]
    assert not set(files_of(tmp_path / "one").values()) & set(files_of(tmp_path / "three").values())


def test_a_limit_takes_the_same_images_in_any_order(portraits: Manifest, tmp_path: Path) -> None:
    policy = SynthesisPolicy("degrade", limit=3)
    synthesize(portraits, tmp_path / "one", policy)
    synthesize(write_manifest(portraits.root, ROWS[::-1]), tmp_path / "two", policy)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert len(files_of(tmp_path / "one")) <= 3


def test_a_killed_run_goes_on(portraits: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = SynthesisPolicy("self-blend", masks=True)
    whole, out = tmp_path / "whole", tmp_path / "out"
    synthesize(portraits, whole, policy)
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 8 + 3:  # eight faces are searched first
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(portraits, out, policy, workers=1, progress=stop)
    report = synthesize(portraits, out, policy)
    assert report.kept == 3
    assert files_of(out) == files_of(whole)
    assert (out / "manifest.csv").read_bytes() == (whole / "manifest.csv").read_bytes()
    # A file that was lost is made again, and nothing else.
    lost = out / read(out / "manifest.csv")[0]["mask"]
    lost.unlink()
    assert synthesize(portraits, out, policy).kept == 6
    assert files_of(out) == files_of(whole)


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (SynthesisPolicy("melt"), "bad_synthesis"),  # type: ignore[arg-type]
        (SynthesisPolicy("swap", per_image=0), "bad_synthesis"),
        (SynthesisPolicy("degrade", masks=True), "bad_synthesis"),
        (SynthesisPolicy("swap", steps=("jpeg",)), "bad_synthesis"),
        (SynthesisPolicy("degrade", steps=("melt",)), "unknown_step"),
    ],
)
def test_what_makes_no_sense_is_refused(
    policy: SynthesisPolicy, code: str, portraits: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        synthesize(portraits, tmp_path / "out", policy)
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_a_set_of_fakes_gives_no_fakes(portraits: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        synthesize(portraits.select(label="fake"), tmp_path / "out", SynthesisPolicy("swap"))
    assert caught.value.code == "no_pictures"
