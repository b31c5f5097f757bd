"""Contact sheets: what they show, that the order of rows has no part in it, hostile names."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.data.make import sheets as sheet
from unmask.data.make.sheets import SheetPolicy, make_sheets
from unmask.data.manifest import Manifest
from unmask.errors import ManifestError, UsageError
from unmask.imaging.faces import FacePolicy


def shade(index: int, label: str) -> int:
    return 40 + 4 * index + (100 if label == "fake" else 0)


@pytest.fixture
def greys(tmp_path: Path) -> Manifest:
    """20 flat images of each label, each of its own grey, in two sources."""
    root = tmp_path / "in"
    root.mkdir()
    lines = ["path,label,source"]
    for label in ("real", "fake"):
        for index in range(20):
            name = f"{label}{index:02d}.png"
            level = shade(index, label)
            Image.new("RGB", (40, 30), (level, level, level)).save(root / name)
            lines.append(f"{name},{label},{'one' if index < 12 else 'two'}")
    (root / "m.csv").write_text("\n".join(lines) + "\n")
    return Manifest.open(root / "m.csv")


def shown(sheets: list[sheet.Sheet], label: str, source: str = "") -> list[str]:
    (found,) = (item for item in sheets if (item.label, item.source) == (label, source))
    return [str(entry["path"]) for entry in found.shown]


def shuffled(manifest: Manifest) -> Manifest:
    head, *lines = Path(manifest.name).read_text().splitlines()
    random.Random(3).shuffle(lines)
    (manifest.root / "shuffled.csv").write_text("\n".join([head, *lines]) + "\n")
    return Manifest.open(manifest.root / "shuffled.csv")


@pytest.mark.parametrize("pick", ["random", "nearest", "farthest"])
def test_a_sheet_for_each_class_and_source_the_same_in_any_order(pick: str, greys: Manifest, tmp_path: Path) -> None:
    policy = SheetPolicy(pick, per=5, seed=2)  # type: ignore[arg-type]
    sheets = make_sheets(greys, tmp_path / "one", policy)
    assert [(item.label, item.source, item.of, len(item.shown)) for item in sheets] == [
        ("fake", "one", 12, 5),
        ("fake", "two", 8, 5),
        ("real", "one", 12, 5),
        ("real", "two", 8, 5),
    ]
    make_sheets(shuffled(greys), tmp_path / "two", policy, workers=3)
    for item in (*(made.name for made in sheets), "sheets.json"):
        assert (tmp_path / "one" / item).read_bytes() == (tmp_path / "two" / item).read_bytes()


def test_random_is_uniform_over_seeds_and_without_repetition(greys: Manifest, tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    for seed in range(60):
        sheets = make_sheets(greys, tmp_path / "out", SheetPolicy(per=5, by_source=False, seed=seed))
        names = shown(sheets, "real")
        assert len(set(names)) == 5
        for name in names:
            seen[name] = seen.get(name, 0) + 1
    # 60 x 5 / 20 = 15 expected of each; five standard deviations.
    assert len(seen) == 20
    assert all(abs(count - 15) < 5 * np.sqrt(60 * 0.25 * 0.75) for count in seen.values())


def test_nearest_and_farthest_are_measured_to_the_sheets_own_mean(greys: Manifest, tmp_path: Path) -> None:
    # Greys 40, 44, ... 116 have their mean at 78: between the 10th and the 11th.
    near = make_sheets(greys, tmp_path / "near", SheetPolicy("nearest", per=2, by_source=False))
    assert set(shown(near, "real")) == {"real09.png", "real10.png"}
    assert [entry["value"] for entry in near[1].shown] == [2.0, 2.0]
    far = make_sheets(greys, tmp_path / "far", SheetPolicy("farthest", per=4, by_source=False))
    assert set(shown(far, "real")[:2]) == {"real00.png", "real19.png"}
    assert [entry["value"] for entry in far[1].shown] == [38.0, 38.0, 34.0, 34.0]


@dataclass
class Answer:
    result: str | None
    fake_probability: float | None


def test_errors_are_the_surest_mistakes(greys: Manifest, tmp_path: Path) -> None:
    def judge(paths: Iterable[str]) -> Iterator[Answer]:
        for path in paths:
            name = Path(path).stem
            if name in ("real03", "fake04"):
                yield Answer(None, None)  # not readable
            else:
                probability = int(name[-2:]) / 19
                yield Answer("FAKE" if probability >= 0.5 else "REAL", probability)

    sheets = make_sheets(greys, tmp_path / "out", SheetPolicy("errors", per=4, by_source=False), judge=judge)
    assert shown(sheets, "real") == ["real19.png", "real18.png", "real17.png", "real16.png"]
    assert shown(sheets, "fake") == ["fake00.png", "fake01.png", "fake02.png", "fake03.png"]
    assert sheets[1].shown[0]["caption"].startswith("100.0 % fake")
    with pytest.raises(UsageError) as caught:
        make_sheets(greys, tmp_path / "out", SheetPolicy("errors"))
    assert caught.value.code == "no_model"


def test_the_images_are_on_the_sheet(greys: Manifest, tmp_path: Path) -> None:
    (item,) = make_sheets(greys.select(label="real"), tmp_path / "out", SheetPolicy(per=30, by_source=False))
    drawn = np.asarray(Image.open(tmp_path / "out" / item.name))
    for index in range(20):
        assert (drawn == shade(index, "real")).all(2).sum() >= 40 * 30 // 2


def test_unreadable_images_are_shown_as_such(greys: Manifest, tmp_path: Path) -> None:
    for path in greys.root.glob("*0.png"):
        path.write_bytes(b"no image")
    sheets = make_sheets(greys, tmp_path / "out", SheetPolicy(per=30, by_source=False))
    assert [len(item.shown) for item in sheets] == [20, 20]
    sheets = make_sheets(greys, tmp_path / "out", SheetPolicy("farthest", per=30, by_source=False))
    assert [(item.of, len(item.shown)) for item in sheets] == [(20, 18), (20, 18)]


def test_hostile_names(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    names = ["a\x1b[31mred\nline.png", "ünï–😀.png", "n" * 200 + ".png"]
    for name in names:
        Image.new("RGB", (40, 30)).save(root / name)
    sources = ["../../etc", "/abs", "A", "a", "", "x" * 300, "con\0".replace("\0", ":")]
    lines = ["path,label,source"]
    lines += [f'"{names[index % 3]}",real,"{source}"' for index, source in enumerate(sources)]
    (root / "m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sheets = make_sheets(Manifest.open(root / "m.csv"), out)
    written = {path.name for path in out.iterdir()}
    assert len(sheets) == len({item.name.lower() for item in sheets}) == 7
    assert written == {item.name for item in sheets} | {"sheets.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    json.loads((out / "sheets.json").read_text())
    (root / "evil.csv").write_text("path,label\n../x.png,real\n")
    with pytest.raises(ManifestError) as caught:
        make_sheets(Manifest.open(root / "evil.csv"), out)
    assert caught.value.code == "path_escapes_root"


def test_limits(greys: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "_MOST_SHEETS", 3)
    with pytest.raises(UsageError) as caught:
        make_sheets(greys, tmp_path / "out")
    assert caught.value.code == "too_many_sheets"
    for policy in (SheetPolicy("best"), SheetPolicy(per=0)):  # type: ignore[arg-type]
        with pytest.raises(UsageError) as caught:
            make_sheets(greys, tmp_path / "out", policy)
        assert caught.value.code == "bad_sheet"


def test_faces_are_what_is_measured(tmp_path: Path, astronaut: Image.Image) -> None:
    root = tmp_path / "in"
    root.mkdir()
    # The same face in a bright and in a dark surround is near; without searching faces it is not.
    portrait = astronaut.crop((100, 20, 350, 250))
    for index, level in enumerate((0, 128, 255)):
        canvas = Image.new("RGB", (500, 460), (level, level, level))
        canvas.paste(portrait, (120, 110))
        canvas.save(root / f"{index}.png")
    (root / "m.csv").write_text("path,label\n" + "".join(f"{index}.png,real\n" for index in range(3)))
    manifest = Manifest.open(root / "m.csv")
    (item,) = make_sheets(manifest, tmp_path / "out", SheetPolicy("farthest"), faces=FacePolicy())
    assert max(float(entry["value"]) for entry in item.shown) < 15
