"""Rows: those of unmask detect, and none is lost to an image that ends or blocks its worker."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.cli.detecting import make_marked
from tests.scan.scanning import BLOCK, CRASH, FAULT, make_image, make_plan, poisoned_workers

from unmask.detect.detector import load
from unmask.errors import BundleError, ImageError
from unmask.scan.items import Item
from unmask.scan.judge import judge_items
from unmask.scan.reading import Reader
from unmask.scan.rows import COLUMNS, schema, table_of
from unmask.scan.seen import SeenInMemory, SeenOnDisk
from unmask.scan.workers import Worker

pytest.importorskip("pyarrow")


def items_of(*paths: Path) -> list[Item]:
    return [Item(path=path.name, uri=str(path), unit=path.name) for path in paths]


@pytest.fixture
def mixed(tmp_path: Path, astronaut: Image.Image) -> list[Item]:
    """A face, no face, a mark of a generator, a copy, two that cannot be read, and a name that is not Unicode."""
    folder = tmp_path / "mixed"
    make_image(folder / "b-grey.png", 90)
    astronaut.save(folder / "a-face.png")
    make_marked(folder / "c-marked.png", 144)
    (folder / "d-copy.png").write_bytes((folder / "a-face.png").read_bytes())
    (folder / "e-broken.png").write_bytes((folder / "a-face.png").read_bytes()[:2000])
    odd = folder / "f-\udcff.png"
    odd.write_bytes((folder / "b-grey.png").read_bytes())
    return items_of(*sorted(folder.iterdir()), folder / "g-missing.png")


def rows_in_process(bundle: Path, items: list[Item], known: Any = None) -> list[dict[str, Any]]:
    plan = make_plan(bundle)
    with Reader(plan.limits) as reader:
        return list(judge_items(plan.settings().load(), items, reader.read, known))


def without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "ms": 0.0} for row in rows]


@pytest.mark.parametrize("seeks_faces", [True, False], ids=["faces", "whole images"])
def test_rows_say_what_detect_says(
    tiny_bundle: Path, whole_image_bundle: Path, mixed: list[Item], seeks_faces: bool
) -> None:
    bundle = tiny_bundle if seeks_faces else whole_image_bundle
    detector = load(bundle)
    rows = rows_in_process(bundle, mixed)
    assert [row["path"] for row in rows] == [item.path for item in mixed]
    for item, row in zip(mixed, rows, strict=True):
        verdict = detector.detect_or_error(item.uri)
        told = verdict.to_dict()
        assert set(row) == set(COLUMNS)
        assert row["verdict"] == told["verdict"] and row["fake_probability"] == verdict.fake_probability
        assert [(face["box"], face["fake_probability"]) for face in row["faces"]] == [
            (told["faces"][at]["box"], face.fake_probability) for at, face in enumerate(verdict.faces)
        ]
        assert row["marks"] == [mark.text for mark in verdict.marks] and row["notes"] == told["notes"]
        assert row["error"] == (told["error"] and told["error"]["code"])
        assert row["error_message"] == (told["error"] and told["error"]["message"])
        assert (row["width"], row["height"]) == (verdict.size or (None, None))
        assert (row["model"], row["bundle_sha256"], row["threshold"]) == (
            verdict.model, verdict.bundle_sha256, detector.threshold,
        )  # fmt: skip
        read = Path(item.uri).exists()
        assert row["sha256"] == (hashlib.sha256(Path(item.uri).read_bytes()).hexdigest() if read else None)
    assert [row["error"] for row in rows] == [None, None, None, None, "truncated", None, "not_found"]


def test_a_worker_gives_the_same_rows_and_they_make_a_table(tiny_bundle: Path, mixed: list[Item]) -> None:
    plan = make_plan(tiny_bundle, columns=("label", "verdict"))
    items = [replace(item, cells={"label": f"l{at}"} if at else {}) for at, item in enumerate(mixed)]
    seen: list[int] = []
    with Worker(plan.settings(), plan.model_name) as worker:
        rows = worker.rows(items, lambda: seen.append(len(seen)))
        assert worker.rows([]) == []
        assert without_time(worker.rows(items[:2])) == without_time(rows[:2])  # by the same process
    assert seen == list(range(len(items)))
    assert without_time(rows) == without_time(rows_in_process(tiny_bundle, items))
    table = table_of(rows, items, plan.columns)
    assert table.schema == schema(plan.columns)
    # a column of the source with the name of ours is kept under another one
    assert table.column_names == [*COLUMNS, "label", "given_verdict"]
    assert table["label"].to_pylist() == [None, *(f"l{at}" for at in range(1, len(items)))]
    assert table["fake_probability"].to_pylist() == [row["fake_probability"] for row in rows]
    assert table["path"].to_pylist()[5] == "f-\\udcff.png"


def test_another_bundle_than_the_plans_is_refused(tiny_bundle: Path, whole_image_bundle: Path) -> None:
    plan = make_plan(tiny_bundle, model=str(whole_image_bundle))
    with Worker(plan.settings(), plan.model_name) as worker, pytest.raises(BundleError) as caught:
        worker.rows(items_of(Path("a.png")))
    assert caught.value.code == "other_bundle"


def test_poison_is_tried_again_alone_and_then_recorded(
    whole_image_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned_workers(tmp_path / "site", monkeypatch)
    texts = [b"fine", CRASH, b"fine, too", FAULT, BLOCK, b"the last"]
    for at, text in enumerate(texts):
        make_image(tmp_path / "images" / f"{at}.png", 10 * at, text)
    items = items_of(*sorted((tmp_path / "images").iterdir()))
    plan = make_plan(whole_image_bundle, timeout=3.0)
    with Worker(plan.settings(), plan.model_name) as worker:
        rows = worker.rows(items)
    assert [row["error"] for row in rows] == [
        None, "worker_crashed", None, "judging_failed", "timed_out", None,
    ]  # fmt: skip
    assert [row["path"] for row in rows] == [item.path for item in items]
    # those around it are as they would be without it
    fine = [0, 2, 5]
    assert without_time([rows[at] for at in fine]) == without_time(
        rows_in_process(whole_image_bundle, [items[at] for at in fine])
    )
    assert "twice" in rows[1]["error_message"] and "3 s" in rows[4]["error_message"]
    assert all(set(row) == set(COLUMNS) for row in rows)


# --- copies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_disk", [True, False], ids=["on disk", "in memory"])
def test_copies_are_judged_once(
    tiny_bundle: Path, mixed: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    from unmask.detect.detector import Detector

    judged: list[int] = []
    judge = Detector.detect_or_error
    monkeypatch.setattr(
        Detector, "detect_or_error", lambda self, data: (judged.append(len(data)), judge(self, data))[1]
    )
    alone = rows_in_process(tiny_bundle, mixed)
    readable = len(judged)
    known = SeenOnDisk(tmp_path / "seen") if on_disk else SeenInMemory()
    assert without_time(rows_in_process(tiny_bundle, mixed, known)) == without_time(alone)
    assert len(judged) - readable == readable - 2  # two of them are copies
    if isinstance(known, SeenOnDisk):  # another process has them, too
        known.close()
        known = SeenOnDisk(tmp_path / "seen")
        assert without_time(rows_in_process(tiny_bundle, mixed, known)) == without_time(alone)
        assert len(judged) - readable == readable - 2
        known.close()


def test_what_is_known_in_memory_is_bounded() -> None:
    known = SeenInMemory(most=2)
    for key in "abc":
        known.put(key, {"sha256": key})
        known.get("a")
    assert known.get("a") and known.get("c") and not known.get("b")


def test_a_damaged_store_of_verdicts_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "seen").write_bytes(b"no database" * 100)
    known = SeenOnDisk(tmp_path / "seen")
    known.put("00" * 32, {"sha256": "00" * 32})
    known.share()
    assert known.get("00" * 32) is None
    known.close()


def test_what_a_reader_raises_is_the_images_error(tiny_bundle: Path) -> None:
    def read(item: Item) -> bytes:
        raise ImageError("read_error", "The disk is gone.")

    rows = list(judge_items(make_plan(tiny_bundle).settings().load(), items_of(Path("a.png")), read))
    assert (rows[0]["error"], rows[0]["error_message"], rows[0]["verdict"]) == ("read_error", "The disk is gone.", None)
