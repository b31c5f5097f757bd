"""Shards: every image in exactly one, which follows from its name alone."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scan.scanning import make_plan

from unmask.errors import UsageError
from unmask.scan.items import Item, shard_of
from unmask.scan.shards import ScanFolder, plan_scan

pytest.importorskip("pyarrow")

# Any text that a file system or an archive may hold, lone surrogates of names that are not Unicode among them.
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: "\0" not in name)
ITEMS = st.builds(
    Item,
    path=NAMES,
    uri=NAMES,
    unit=NAMES,
    position=st.integers(0, 3),
    kind=st.sampled_from(["file", "object", "tar", "parquet"]),
    start=st.integers(0, 2**40),
    size=st.integers(-1, 2**40),
    column=st.sampled_from(["", "image"]),
    cells=st.dictionaries(st.sampled_from(["label", "source"]), NAMES, max_size=2),
    problem=st.none() | st.tuples(NAMES, NAMES),
)


@given(ITEMS)
def test_an_item_survives_json(item: Item) -> None:
    assert Item.from_json(json.loads(json.dumps(item.to_json()))) == item


@settings(max_examples=15, deadline=None)
@given(items=st.lists(ITEMS, min_size=1, max_size=30), size=st.integers(1, 9), parts=st.integers(1, 4), data=st.data())
def test_every_image_is_in_exactly_one_shard_of_one_part(
    tiny_bundle: Path,
    tmp_path_factory: pytest.TempPathFactory,
    items: list[Item],
    size: int,
    parts: int,
    data: st.DataObject,
) -> None:
    home = tmp_path_factory.mktemp("shards")
    shuffled = data.draw(st.permutations(items))
    found: dict[tuple[str, int], int] = {}
    for part in range(1, parts + 1):
        folder = plan_scan(home / f"{part}", shuffled, make_plan(tiny_bundle, part=(part, parts)), size)
        assert folder.missing() == list(folder.plan.own_shards)
        for shard in folder.missing():
            for item in folder.items(shard):
                assert item.order not in found
                assert shard == shard_of(item.unit, folder.plan.shards)
                found[item.order] = shard
    assert set(found) == {item.order for item in items}
    # In another order the same: items with the same unit and position are one image, whichever was listed first.
    again = plan_scan(home / "again", items, make_plan(tiny_bundle), size)
    if again.plan.shards == folder.plan.shards:  # every part has at least one
        assert {item.order: shard for shard in again.missing() for item in again.items(shard)} == found
    shutil.rmtree(home)


def test_the_shards_of_a_version_stay_its_shards() -> None:
    # A scan that was begun by one version is finished by the next one.
    assert [shard_of(name, 1000) for name in ("a.jpg", "photos/b.png", "s3://bucket/ü.jpg", "\udcff")] == [
        int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") % 1000
        for name in (b"a.jpg", b"photos/b.png", "s3://bucket/ü.jpg".encode(), b"\xed\xb3\xbf")
    ]


def test_shards_are_of_about_the_size_that_was_asked_for(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.scan.shards._BUFFERED", 300)  # dealt out in several goes
    items = [Item(path=f"{number}.jpg", uri=f"/{number}.jpg", unit=f"{number}.jpg") for number in range(2000)]
    random.Random(0).shuffle(items)
    folder = plan_scan(tmp_path / "scan", items, make_plan(tiny_bundle), 100)
    sizes = [len(folder.items(shard)) for shard in folder.missing()]
    assert len(sizes) == 20 and sum(sizes) == folder.plan.images == 2000
    # binomial: 100 on average with a standard deviation of 9.7
    assert min(sizes) > 60 and max(sizes) < 140


def test_a_plan_that_was_not_finished_is_none(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "scan"

    def killed() -> None:
        def items() -> object:
            yield Item(path="a.jpg", uri="/a.jpg", unit="a.jpg")
            raise KeyboardInterrupt

        plan_scan(out, items(), make_plan(tiny_bundle), 10)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        killed()
    with pytest.raises(UsageError, match="holds no scan"):
        ScanFolder(out)
    folder = plan_scan(out, [Item(path="b.jpg", uri="/b.jpg", unit="b.jpg")], make_plan(tiny_bundle), 10)
    assert [item.path for item in folder.items(0)] == ["b.jpg"]


def test_nothing_to_scan_is_an_error(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No images"):
        plan_scan(tmp_path / "scan", [], make_plan(tiny_bundle), 10)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"scan": "unmask"}', '{"scan": "unmask", "schema": 1}', '{"scan": "unmask", "schema": 99}'],
    ids=["empty", "cut short", "no object", "no version", "no fields", "of a later version"],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "scan.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        ScanFolder(tmp_path)
    assert caught.value.code == "no_scan"
