from __future__ import annotations

import csv
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from unmask.cli.data import split as data_split
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.data.split.groups import read_clusters, read_grouping
from unmask.data.split.splitter import PRESETS, Split, SplitSet, Splitter, named_fractions
from unmask.errors import ManifestError, UnmaskError, UsageError

THREE = {"train": 0.7, "val": 0.1, "test": 0.2}


def row(path: str, label: str = "real", source: str = "s", **columns: str) -> ManifestRow:
    extra = {name: value for name, value in columns.items() if name in {"person", "video"}}
    own = {name: value for name, value in columns.items() if name not in extra}
    return ManifestRow(path=path, label=label, source=source, extra=extra, **own)


def table(rows: Sequence[ManifestRow]) -> Manifest:
    return Manifest.from_rows(rows, "/images")


def faces(count: int, *, sources: int = 2, seed: int = 0) -> list[ManifestRow]:
    """As many real as fake, each its own group; each source holds both, each class of a source one generator."""
    rows = []
    for number in range(count):
        label = ("real", "fake")[number % 2]
        source = f"s{number // 2 % sources}"
        generator = "camera" if label == "real" else f"gan-{source}"
        name = f"{seed}-{number}"
        rows.append(row(f"{name}.jpg", label, source, group=f"g{name}", generator=generator))
    return rows


def split_by_path(split: Split) -> dict[str, str]:
    return {item.path: item.split for item in split.manifest()}


def only(result: SplitSet) -> Split:
    (split,) = result.splits
    return split


def codes(result: SplitSet) -> set[str]:
    return {notice.code for notice in result.notices}


def shares(split: Split, label: str) -> dict[str, float]:
    held = dict.fromkeys(split.names, 0)
    for count in split.counts():
        held[count.split] += count.images if count.label == label else 0
    return {name: images / sum(held.values()) for name, images in held.items()}


def refusal(call: Callable[[], object]) -> UnmaskError:
    with pytest.raises(UnmaskError) as caught:
        call()
    return caught.value


# --- properties --------------------------------------------------------------------------------------------

groups = st.sampled_from(["", "", *(f"g{number}" for number in range(12))])
tagged_rows = st.lists(
    st.tuples(st.sampled_from(["real", "fake"]), st.sampled_from(["a", "b", ""]), groups, groups, groups),
    min_size=1,
    max_size=60,
)


def build(tags: Iterable[tuple[str, str, str, str, str]]) -> tuple[list[ManifestRow], dict[str, str]]:
    rows, clusters = [], {}
    for number, (label, source, person, video, near) in enumerate(tags):
        rows.append(row(f"{number}.jpg", label, source, person=person, video=video))
        clusters[f"{number}.jpg"] = near
    return rows, clusters


def splitter(rows: Sequence[ManifestRow], clusters: Mapping[str, str], *, exact: bool) -> Splitter:
    # With a tolerance of 1 nothing is refused for its balance, so that every draw is seen.
    return Splitter(table(rows), group=["person", "video"], clusters=clusters, exact=exact, tolerance=1)


def drawn(found: Splitter, seed: int = 0) -> dict[str, str] | None:
    """The split of each path, or None where a class cannot be in every split."""
    try:
        return split_by_path(only(found.fractions(seed=seed)))
    except UsageError as error:
        assert error.code in {"too_few_clusters", "missing_class"}
        return None


@given(tagged_rows, st.booleans(), st.integers(0, 3))
@settings(deadline=None)
def test_nothing_that_belongs_together_is_divided(
    tags: list[tuple[str, str, str, str, str]], exact: bool, seed: int
) -> None:
    rows, clusters = build(tags)
    if (split_of := drawn(splitter(rows, clusters, exact=exact), seed)) is None:
        return
    assert set(split_of) == {item.path for item in rows}
    for name_of in (
        lambda item: item.extra["person"],
        lambda item: item.extra["video"],
        lambda item: clusters[item.path],
    ):
        splits = defaultdict(set)
        for item in rows:
            splits[name_of(item)].add(split_of[item.path])
        assert all(len(found) == 1 for name, found in splits.items() if name)


@given(tagged_rows, st.booleans(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_rows_changes_nothing(
    tags: list[tuple[str, str, str, str, str]], exact: bool, shuffler: random.Random
) -> None:
    rows, clusters = build(tags)
    shuffled = rows.copy()
    shuffler.shuffle(shuffled)
    assert drawn(splitter(rows, clusters, exact=exact)) == drawn(splitter(shuffled, clusters, exact=exact))


@given(st.integers(60, 200), st.integers(1, 80), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_added_rows_move_no_group_of_a_stable_split(first: int, more: int, shuffler: random.Random) -> None:
    rows = faces(first)
    # New groups, new members of old groups, new sources, and names that sort before and after.
    added = [
        row(f"{shuffler.choice('!az')}{number}", "fake", "new", group=shuffler.choice([f"!{number}", f"g0-{number}"]))
        for number in range(more)
    ]
    together = rows + added
    shuffler.shuffle(together)
    before = drawn(Splitter(table(rows), tolerance=1))
    after = drawn(Splitter(table(together), tolerance=1))
    if before is not None and after is not None:
        assert before == {path: after[path] for path in before}


@given(st.integers(30, 400), st.integers(1, 6), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_exact_splits_of_single_images_are_exact_to_the_image(count: int, sources: int, seed: int) -> None:
    split = only(Splitter(table(faces(count, sources=sources)), exact=True, tolerance=1).fractions(seed=seed))
    for label in ("real", "fake"):
        images = sum(item.images for item in split.counts() if item.label == label)
        for name, share in shares(split, label).items():
            assert abs(share - THREE[name]) * images <= 1.5
    held = Counter[tuple[str, str, str]]()
    for item in split.counts():
        held[item.split, item.label, item.source] += item.images
    for label in ("real", "fake"):
        for source in {item.source for item in split.counts()}:
            whole = sum(held[name, label, source] for name in THREE)
            assert all(abs(held[name, label, source] - share * whole) <= 3 for name, share in THREE.items())


@given(st.lists(st.integers(1, 9), min_size=60, max_size=120), st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_exact_splits_of_clusters_are_within_the_default_tolerance(sizes: list[int], seed: int) -> None:
    rows = [
        row(f"{cluster}-{member}", ("real", "fake")[cluster % 2], group=f"g{cluster}")
        for cluster, size in enumerate(sizes)
        for member in range(size)
    ]
    split = only(Splitter(table(rows), exact=True).fractions(seed=seed))
    for label in ("real", "fake"):
        assert all(abs(share - THREE[name]) <= 0.05 for name, share in shares(split, label).items())


@pytest.mark.parametrize("seed", range(5))
def test_stable_splits_of_many_groups_are_close_to_the_fractions(seed: int) -> None:
    split = only(Splitter(table(faces(4000))).fractions(seed=seed))
    for label in ("real", "fake"):
        # Four standard deviations of the binomial: sqrt(0.21 / 2000) is one at most.
        assert all(abs(share - THREE[name]) <= 0.041 for name, share in shares(split, label).items())


def test_a_split_is_the_same_on_every_machine_and_in_every_release() -> None:
    # A change here would move the rows of every split that was ever made.
    split = only(Splitter(table(faces(60)), tolerance=1).fractions())
    assert "".join(item.split[1] for item in split.manifest()) == GOLDEN


GOLDEN = "ererrarrrerrrarreereraeraeeerarrrerrrrrrrrearererrreeaarerae"


def test_seeds_differ() -> None:
    both = Splitter(table(faces(400)))
    assert split_by_path(only(both.fractions(seed=0))) != split_by_path(only(both.fractions(seed=1)))


# --- grouping ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "group", "clusters", "expected"),
    [
        # one column
        ([row("a", group="x"), row("b", group="y"), row("c", group="x")], ["group"], {}, ["ac", "b"]),
        # blank cells unite nothing
        ([row("a"), row("b")], ["group"], {}, ["a", "b"]),
        # two columns, a chain: a and b by person, b and c by video
        (
            [row("a", person="p", video="u"), row("b", person="p", video="v"), row("c", person="q", video="v")],
            ["person", "video"],
            {},
            ["abc"],
        ),
        # the same text in two columns is no bond
        ([row("a", person="x", video=""), row("b", person="", video="x")], ["person", "video"], {}, ["a", "b"]),
        # near-duplicates bind groups
        ([row("a", group="x"), row("b", group="x"), row("c", group="y")], ["group"], {"b": "n", "c": "n"}, ["abc"]),
        # near-duplicates without a group
        ([row("a"), row("b"), row("c")], ["group"], {"a": "n", "c": "n"}, ["ac", "b"]),
        # no columns at all
        ([row("a", group="x"), row("b", group="x")], [], {}, ["a", "b"]),
        # rows with a URL and no path
        ([row("", url="http://h/1"), row("", url="http://h/2"), row("c")], ["group"], {}, ["", "", "c"]),
    ],
)
def test_grouping(rows: list[ManifestRow], group: list[str], clusters: dict[str, str], expected: list[str]) -> None:
    grouping = read_grouping(table(rows), group, clusters)
    members = defaultdict(str)
    for item, cluster in zip(rows, grouping.cluster_of_row, strict=True):
        members[int(cluster)] += item.path
    assert sorted(members.values()) == sorted(expected)


def test_the_key_is_the_first_column_and_never_a_name_of_duplicates() -> None:
    rows = [row("a", person="", video="v"), row("b", person="p2", video="v"), row("c", person="p1", video="v")]
    grouping = read_grouping(table(rows), ["person", "video"], {"a": "0", "b": "0"})
    assert grouping.keys == ("person\0p1",)
    assert read_grouping(table([row("z"), row("y")]), None, {"y": "0", "z": "0"}).keys == ("\0y",)


def test_renumbered_duplicates_give_the_same_split() -> None:
    rows = faces(300)
    names = {item.path: f"cluster-{number // 3}" for number, item in enumerate(rows)}
    other = {path: f"x{name[::-1]}" for path, name in names.items()}
    first, second = (
        split_by_path(only(Splitter(table(rows), clusters=c, tolerance=1).fractions())) for c in (names, other)
    )
    assert first == second


# --- ways of splitting -------------------------------------------------------------------------------------


def test_every_row_and_column_is_kept_in_order() -> None:
    rows = [row(f"{n}.jpg", ("real", "fake")[n % 2], person=f"p{n}", kind="k", url=f"http://h/{n}") for n in range(40)]
    result = list(only(Splitter(table(rows), exact=True).fractions()).manifest())
    assert [(item.path, item.url, item.kind, item.extra) for item in result] == [
        (item.path, item.url, item.kind, item.extra) for item in rows
    ]
    assert {item.split for item in result} == set(THREE)


def test_a_manifest_that_changed_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    lines = ["path,label", *(f"{n}.jpg,{('real', 'fake')[n % 2]}" for n in range(40))]
    file.write_text("\n".join(lines))
    split = only(Splitter(Manifest.open(file), exact=True).fractions())
    file.write_text("\n".join(lines[:-1]))
    assert refusal(lambda: list(split.manifest())).code == "manifest_changed"


@pytest.mark.parametrize("exact", [False, True])
def test_each_image_is_validated_in_one_fold(exact: bool) -> None:
    rows = faces(1000)
    result = Splitter(table(rows), exact=exact).folds(5)
    assert [split.name for split in result.splits] == [f"fold-{number}" for number in range(5)]
    assert all(split.names == ("train", "val") for split in result.splits)
    validated = Counter[str]()
    for split in result.splits:
        validated.update(path for path, name in split_by_path(split).items() if name == "val")
    assert validated == {item.path: 1 for item in rows}


def test_as_many_clusters_of_a_class_as_folds_are_enough_when_exact() -> None:
    rows = [row(f"r{n}", "real", f"s{n}") for n in range(5)] + [row(f"f{n}", "fake", f"s{n % 7}") for n in range(40)]
    for split in Splitter(table(rows), exact=True).folds(5).splits:
        assert Counter(name for path, name in split_by_path(split).items() if path[0] == "r") == {"train": 4, "val": 1}


def test_folds_leave_a_kept_test_set_alone() -> None:
    rows = faces(500)
    first = only(Splitter(table(rows)).fractions())
    with_test = Manifest.from_rows(list(first.manifest()), "/images")
    held = {path for path, name in split_by_path(first).items() if name == "test"}
    result = Splitter(with_test, keep=["test"]).folds(4)
    for split in result.splits:
        assert {path for path, name in split_by_path(split).items() if name == "test"} == held
    assert "other_split" not in codes(result)


@pytest.mark.parametrize("exact", [False, True])
def test_given_splits_are_kept_and_their_groups_follow(exact: bool) -> None:
    rows = faces(400)
    given_rows = [row("new", "real", group="g0-0")] + [
        row(item.path, item.label, item.source, group=item.group, split="test" if number < 40 else "")
        for number, item in enumerate(rows)
    ]
    result = Splitter(table(given_rows), keep=True, exact=exact).fractions()
    found = split_by_path(only(result))
    assert {found[item.path] for item in rows[:40]} == {"test"}
    assert found["new"] == "test"
    if exact:
        # What was given counts towards the fractions.
        assert abs(shares(only(result), "real")["test"] - 0.2) < 0.01


def test_without_keep_given_splits_are_ignored() -> None:
    rows = [row(item.path, item.label, group=item.group, split="test") for item in faces(200)]
    assert split_by_path(only(Splitter(table(rows), tolerance=1).fractions())) == split_by_path(
        only(Splitter(table(faces(200)), tolerance=1).fractions())
    )


def test_given_splits_that_no_assignment_can_mend_are_said_and_not_refused() -> None:
    rows = [row(i.path, i.label, group=i.group, split="test" if n < 100 else "") for n, i in enumerate(faces(200))]
    assert "given_unbalanced" in codes(Splitter(table(rows), keep=True, exact=True).fractions())


def test_a_kept_split_beside_those_asked_for_is_said() -> None:
    rows = [row(i.path, i.label, group=i.group, split="holdout" if n < 20 else "") for n, i in enumerate(faces(400))]
    result = Splitter(table(rows), keep=True, exact=True).fractions()
    assert only(result).names == ("train", "val", "test", "holdout")
    assert "other_split" in codes(result)


# --- leaving one out ---------------------------------------------------------------------------------------


def one_class_sources() -> list[ManifestRow]:
    """Two real sources, two of fakes by a generator each, one of both classes by a third generator."""
    rows = []
    for source, label, generator in [
        ("camera-a", "real", "camera"),
        ("camera-b", "real", "camera"),
        ("gan-a", "fake", "gan"),
        ("diffusion-b", "fake", "diffusion"),
        ("swap", "real", "camera"),
        ("swap", "fake", "swapper"),
    ]:
        rows += [row(f"{source}-{label}-{n}", label, source, generator=generator) for n in range(100)]
    return rows


@pytest.mark.parametrize("exact", [False, True])
def test_each_source_is_left_out_once_with_both_classes_in_its_test_set(exact: bool) -> None:
    rows = one_class_sources()
    result = Splitter(table(rows), exact=exact).leave_one_out("source")
    assert [split.left_out for split in result.splits] == ["camera-a", "camera-b", "diffusion-b", "gan-a", "swap"]
    for split in result.splits:
        found = split_by_path(split)
        by_split = defaultdict(list)
        for item in rows:
            by_split[found[item.path]].append(item)
        assert {item.path for item in rows if item.source == split.left_out} <= {i.path for i in by_split["test"]}
        assert all({item.label for item in by_split[name]} == {"real", "fake"} for name in THREE)
        if split.left_out == "swap":
            # It has both classes, so nothing else dilutes its test set.
            assert {item.source for item in by_split["test"]} == {"swap"}


@pytest.mark.parametrize("exact", [False, True])
def test_each_generator_is_tested_against_the_same_reals(exact: bool) -> None:
    rows = one_class_sources()
    result = Splitter(table(rows), exact=exact).leave_one_out("generator")
    assert [split.left_out for split in result.splits] == ["diffusion", "gan", "swapper"]
    reals = []
    for split in result.splits:
        found = split_by_path(split)
        tested = [item for item in rows if found[item.path] == "test"]
        assert {item.generator for item in tested if item.label == "fake"} == {split.left_out}
        assert all(found[item.path] == "test" for item in rows if item.generator == split.left_out)
        reals.append({item.path for item in tested if item.label == "real"})
    assert reals[0] == reals[1] == reals[2]
    assert 30 <= len(reals[0]) <= 90


def test_what_is_grouped_with_the_value_left_out_goes_along_and_is_said() -> None:
    rows = one_class_sources()
    twins = [
        row("twin", "real", "camera-a", group="pair", generator="camera"),
        row("swapped", "fake", "swap", group="pair", generator="swapper"),
    ]
    result = Splitter(table(rows + twins), exact=True).leave_one_out("generator")
    swapper = result.splits[-1]
    assert split_by_path(swapper)["twin"] == "test"
    assert [notice.split for notice in result.notices if notice.code == "carried"] == [swapper.name]


def test_a_value_without_which_a_class_is_gone_is_passed_over_and_said() -> None:
    rows = [row(f"r{n}", "real", f"s{n % 3}") for n in range(90)] + [row(f"f{n}", "fake", "only") for n in range(90)]
    result = Splitter(table(rows), exact=True).leave_one_out("source")
    assert [split.left_out for split in result.splits] == ["s0", "s1", "s2"]
    (skipped,) = (notice for notice in result.notices if notice.code == "skipped")
    assert "'only' is not left out: training and validation would have no fake" in skipped.message


def test_small_test_sets_and_blank_values_are_said() -> None:
    rows = [*one_class_sources(), *(row(f"few-{n}", "fake", "few") for n in range(3)), row("blank", "real", "")]
    result = Splitter(table(rows), exact=True).leave_one_out("source")
    assert {"small_test", "blank_value"} <= codes(result)
    assert [notice.split for notice in result.notices if notice.code == "small_test"] == ["leave-out-few"]


def test_hostile_values_make_plain_and_different_file_names() -> None:
    values = ["../../etc/passwd", "A", "a", "a b", "a/b", "\0", "x" * 500, "ok-1.0"]
    rows = [
        row(f"{at}-{label}-{n}", label, value)
        for at, value in enumerate(values)
        for label in ("real", "fake")
        for n in range(20)
    ]
    names = [split.name for split in Splitter(table(rows), exact=True).leave_one_out("source").splits]
    assert len({name.casefold() for name in names}) == len(values)
    assert "leave-out-ok-1.0" in names
    assert all(len(name) < 90 and set(name) <= set("abcdefghijklmnopqrstuvwxyzA0123456789.-") for name in names)


# --- refusals ----------------------------------------------------------------------------------------------


def big_group() -> list[ManifestRow]:
    return [row(f"r{n}", "real", group="crowd" if n < 60 else "") for n in range(100)] + [
        row(f"f{n}", "fake") for n in range(100)
    ]


@pytest.mark.parametrize(
    ("call", "code", "part"),
    [
        # two persons cannot be in three splits, however many their images
        (
            lambda: Splitter(
                table([row(f"r{n}", "real", group=f"p{n % 2}") for n in range(50)] + faces(50)[1::2])
            ).fractions(),
            "too_few_clusters",
            "2 clusters of real images cannot be in 3 splits",
        ),
        # fewer clusters than folds
        (lambda: Splitter(table(faces(8))).folds(5), "too_few_clusters", "4 clusters of real images"),
        # one group is most of a class and fits no split
        (
            lambda: Splitter(table(big_group()), exact=True).fractions({"train": 0.4, "val": 0.3, "test": 0.3}),
            "large_cluster",
            "group 'crowd' alone is 60.0 % of them and stays whole; raise --tolerance",
        ),
        # chance, and what helps
        (
            lambda: Splitter(table(faces(60)), tolerance=0.001).fractions(),
            "unbalanced",
            "by chance: 30 clusters vary by",
        ),
        # a class that chance keeps from a split
        (
            lambda: Splitter(table(faces(10)), tolerance=1).fractions({"train": 0.98, "val": 0.01, "test": 0.01}),
            "missing_class",
            "use --exact or another --seed",
        ),
        # a cluster with two given splits names both rows
        (
            lambda: Splitter(
                table([row("a", group="x", split="train"), row("b", group="x"), row("c", group="x", split="test")]),
                keep=True,
            ),
            "conflicting_split",
            "group 'x' has two splits, 'train' in row 1 and 'test' in row 3",
        ),
        # nothing is left to do
        (
            lambda: Splitter(table([row("a", split="train")]), keep=True).fractions(),
            "nothing_to_assign",
            "every row already has a split",
        ),
        # a misspelt split to keep
        (lambda: Splitter(table(faces(20)), keep=["tset"]), "unknown_split", "'tset'"),
        # no such column
        (lambda: Splitter(table(faces(20)), group=["persn"]), "unknown_column", "'persn'"),
        # duplicates of another manifest
        (lambda: Splitter(table(faces(20)), clusters={"else.jpg": "1"}), "no_cluster_matches", "another manifest"),
        # not one row
        (lambda: Splitter(table([])), "empty_manifest", "no rows"),
        # a tolerance that nothing can meet
        (lambda: Splitter(table(faces(20)), tolerance=0), "bad_tolerance", "above 0"),
        (lambda: Splitter(table(faces(20))).folds(1), "bad_folds", "from 2 to 200"),
        (lambda: Splitter(table(faces(20))).fractions(repeats=0), "bad_repeats", "from 1 to 200"),
        # leaving out decides all
        (
            lambda: Splitter(table([*one_class_sources(), row("a", split="test")]), keep=True).leave_one_out("source"),
            "conflicting_options",
            "no existing split can be kept",
        ),
        (lambda: Splitter(table(faces(20))).leave_one_out("kind"), "bad_column", "not a kind"),
        (
            lambda: Splitter(table(faces(20))).leave_one_out("source", (0.8, 0.2)),
            "bad_fractions",
            "train, val and test",
        ),
        # a single source
        (
            lambda: Splitter(table(faces(20, sources=1))).leave_one_out("source"),
            "nothing_to_leave_out",
            "there are 1 sources",
        ),
        # more manifests than anyone wants
        (
            lambda: Splitter(table(faces(402, sources=201))).leave_one_out("source"),
            "too_many_values",
            "201 values of source",
        ),
    ],
)
def test_refusals_say_why(call: Callable[[], object], code: str, part: str) -> None:
    error = refusal(call)
    assert error.code == code
    assert part in error.message


@pytest.mark.parametrize(
    "fractions",
    [
        (0.7,),
        (0.7, 0.1, 0.1, 0.1),
        (0.7, 0.2),
        (1.0, 0.0),
        (1.2, -0.2),
        (float("nan"), 0.5),
        {"train": 1.0},
        {"../train": 0.5, "test": 0.5},
        {"": 0.5, "test": 0.5},
    ],
)
def test_bad_fractions(fractions: Sequence[float] | Mapping[str, float]) -> None:
    assert refusal(lambda: named_fractions(fractions)).code == "bad_fractions"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # both classes in each source, a group each: nothing to say
        (faces(400), set()),
        # a source of one class
        ([*faces(400), *(row(f"x{n}", "fake", "fakes", group=f"x{n}") for n in range(40))], {"one_class_source"}),
        # one class in all
        ([row(f"{n}", "real", group=f"g{n}") for n in range(400)], {"one_class"}),
    ],
)
def test_notices(rows: list[ManifestRow], expected: set[str]) -> None:
    assert codes(Splitter(table(rows), exact=True).fractions()) == expected


def test_missing_group_column_and_stray_duplicates_are_said(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("path,label\n" + "".join(f"{n}.jpg,{('real', 'fake')[n % 2]}\n" for n in range(60)))
    result = Splitter(Manifest.open(file), exact=True, clusters={"0.jpg": "a", "gone.jpg": "a"}).fractions()
    assert codes(result) == {"no_groups", "unmatched_clusters"}


# --- the table of near-duplicates --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,cluster\na,1\nb,1\n", {"a": "1", "b": "1"}),
        # other columns and another order
        ("distance,cluster,path\n3,1,a\n", {"a": "1"}),
        # images in no cluster, and one named twice alike
        ("path,cluster\na,\nb,1\nb,1\n", {"b": "1"}),
        # one image in two clusters
        ("path,cluster\na,1\na,2\n", "bad_row"),
        ("path,cluster\na\n", "bad_row"),
        ("path,group\na,1\n", "missing_column"),
        ("", "empty_manifest"),
    ],
)
def test_read_clusters(tmp_path: Path, text: str, expected: dict[str, str] | str) -> None:
    file = tmp_path / "clusters.csv"
    file.write_text(text)
    if isinstance(expected, str):
        assert refusal(lambda: read_clusters(file)).code == expected
    else:
        assert read_clusters(file) == expected


# --- presets and the command -------------------------------------------------------------------------------

app = typer.Typer(rich_markup_mode=None)
app.command("split")(data_split.split)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Manifest.from_rows(one_class_sources(), folder).write(folder / "faces.csv")
    return folder / "faces.csv"


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize(
    ("preset", "expected", "files"),
    [
        ("s0", {"train": 0.7, "val": 0.1, "test": 0.2}, 1),
        ("s1", {"train": 0.8, "test": 0.2}, 1),
        ("s3", {"train": 0.7, "val": 0.1, "test": 0.2}, 5),
        ("s4", {"train": 0.75, "test": 0.25}, 1),
    ],
)
def test_presets(manifest: Path, tmp_path: Path, preset: str, expected: dict[str, float], files: int) -> None:
    out = tmp_path / ("out.csv" if files == 1 else "out")
    result = command(manifest, "--preset", preset, "--exact", "--out", out, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert len(report["splits"]) == files == PRESETS[preset].repeats
    assert [item["seed"] for item in report["splits"]] == list(range(files))
    written = [read(Path(item["file"])) for item in report["splits"]]
    for rows in written:
        held = Counter(item["split"] for item in rows)
        assert {name: round(count / 600, 2) for name, count in held.items()} == expected
    assert len({tuple(item["split"] for item in rows) for rows in written}) == files


def test_the_command_writes_all_columns_and_prints_counts(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    before = sorted(tmp_path.rglob("*"))
    result = command(manifest, "--out", out, "--exact")
    assert result.exit_code == 0, result.output
    assert sorted(tmp_path.rglob("*")) == sorted([*before, out])
    assert [{**item, "split": ""} for item in read(out)] == read(manifest)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["label", "source", "train", "val", "test", "all"]
    assert ["real", "camera-a", "70", "10", "20", "100"] in lines
    assert ["real", "all", "210", "30", "60", "300"] in lines
    assert "one class only" in result.stderr
    assert f"paths are relative to {manifest.parent}" in result.stderr


def test_json_counts_add_up(manifest: Path, tmp_path: Path) -> None:
    result = command(manifest, "--folds", 3, "--exact", "--out", tmp_path / "folds", "--json")
    report = json.loads(result.stdout)
    assert (report["images"], report["clusters"], report["group"]) == (600, 600, ["group"])
    assert [Path(item["file"]).name for item in report["splits"]] == ["fold-0.csv", "fold-1.csv", "fold-2.csv"]
    for item in report["splits"]:
        assert sum(count["images"] for count in item["counts"]) == 600
    assert {notice["code"] for notice in report["notices"]} == {"one_class_source"}


def test_several_manifests_print_a_line_each(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "unseen"
    result = command(manifest, "--leave-out", "generator", "--exact", "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "leave-out-diffusion.csv",
        "leave-out-gan.csv",
        "leave-out-swapper.csv",
    ]
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == sorted(map(str, out.iterdir()))


def test_named_fractions_columns_and_duplicates(manifest: Path, tmp_path: Path) -> None:
    near = tmp_path / "near.csv"
    near.write_text("path,cluster\n" + "".join(f"gan-a-fake-{n},{n % 50}\n" for n in range(100)))
    out = tmp_path / "split.parquet"
    pytest.importorskip("pyarrow")
    named = "train=0.6,val=0.1,calibration=0.1,test=0.2"
    options = ["--fractions", named, "--duplicates", near, "--group", "group", "--group", "kind", "--exact"]
    result = command(manifest, *options, "--out", out)
    assert result.exit_code == 0, result.output
    split_of = {item.path: item.split for item in Manifest.open(out, manifest.parent)}
    assert set(split_of.values()) == {"train", "val", "calibration", "test"}
    assert all(split_of[f"gan-a-fake-{n}"] == split_of[f"gan-a-fake-{n + 50}"] for n in range(50))


def test_class_folders_are_split_too(tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(30):
            (tmp_path / "set" / label / f"{number}.jpg").write_bytes(b"")
    result = command(tmp_path / "set", "--exact", "--out", tmp_path / "split.csv")
    assert result.exit_code == 0, result.output
    assert Counter(item["split"] for item in read(tmp_path / "split.csv")) == {"train": 42, "val": 6, "test": 12}


def test_force_overwrites_and_nothing_else_does(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    out.write_text("mine")
    result = command(manifest, "--out", out)
    assert isinstance(result.exception, UsageError) and result.exception.code == "exists"
    assert out.read_text() == "mine"
    assert command(manifest, "--out", out, "--force", "--exact").exit_code == 0
    assert len(read(out)) == 600


@pytest.mark.parametrize(
    ("options", "code"),
    [
        # the manifest itself, even when forced
        (["--out", "{folder}/faces.csv", "--force"], "same_file"),
        (["--out", "{folder}/split.txt"], "unsupported_format"),
        (["--out", "{folder}/none/split.csv"], "no_folder"),
        # a file where a folder is wanted
        (["--out", "{folder}/faces.csv", "--folds", "3"], "not_a_folder"),
        # a folder where a file is wanted
        (["--out", "{folder}/taken.csv", "--force"], "exists"),
        # manifests of an earlier split would stand beside the new ones
        (["--out", "{folder}/old", "--folds", "3", "--exact", "--force"], "stale_files"),
        (["--out", "{folder}/a.csv", "--folds", "3", "--preset", "s0"], "conflicting_options"),
        (["--out", "{folder}/a.csv", "--folds", "3", "--leave-out", "source"], "conflicting_options"),
        (["--out", "{folder}/a", "--folds", "3", "--repeats", "2"], "conflicting_options"),
        (["--out", "{folder}/a.csv", "--keep", "--keep-only", "test"], "conflicting_options"),
        (["--out", "{folder}/a.csv", "--preset", "s9"], "unknown_preset"),
        (["--out", "{folder}/a.csv", "--fractions", "most,rest"], "bad_fractions"),
        (["--out", "{folder}/a.csv", "--fractions", "train=0.5,0.5"], "bad_fractions"),
        (["--out", "{folder}/a.csv", "--fractions", "train=0.5,train=0.5"], "bad_fractions"),
        (["--out", "{folder}/a.csv", "--tolerance", "nan"], "bad_tolerance"),
        (["--out", "{folder}/a", "--repeats", "1000"], "bad_repeats"),
    ],
)
def test_wrong_calls_write_nothing(manifest: Path, options: list[str], code: str) -> None:
    (manifest.parent / "old").mkdir()
    (manifest.parent / "old" / "fold-3.csv").write_text("mine")
    (manifest.parent / "taken.csv").mkdir()
    before = {path: path.stat().st_mtime_ns for path in manifest.parent.rglob("*")}
    result = command(manifest, *(option.format(folder=manifest.parent) for option in options))
    assert isinstance(result.exception, UsageError), result.output
    assert result.exception.code == code
    assert {path: path.stat().st_mtime_ns for path in manifest.parent.rglob("*")} == before


def test_a_row_twice_is_refused(manifest: Path, tmp_path: Path) -> None:
    with manifest.open("a") as text:
        text.write("camera-a-real-0,real,camera-a,camera,,,\n")
    result = command(manifest, "--out", tmp_path / "split.csv")
    assert isinstance(result.exception, ManifestError)
    assert result.exception.code == "duplicate_path"


def test_help_has_examples() -> None:
    assert "unmask data split faces.csv --out split.csv" in command("--help").stdout


# --- the shared images -----------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("exact", [False, True])
def test_shared_manifest_by_the_first_preset(shared_faces: Path, exact: bool) -> None:
    manifest = Manifest.open(shared_faces / "manifest.csv")
    split = only(Splitter(manifest, exact=exact).fractions(PRESETS["s0"].fractions))
    split_of_group = defaultdict(set)
    for item in split.manifest():
        split_of_group[item.group].add(item.split)
    assert all(len(found) == 1 for found in split_of_group.values())
    for label in ("real", "fake"):
        limit = 0.002 if exact else 0.02
        assert all(abs(share - THREE[name]) < limit for name, share in shares(split, label).items())


@pytest.mark.shared
@pytest.mark.parametrize("column", ["source", "generator"])
def test_shared_manifest_with_each_left_out(shared_faces: Path, column: str) -> None:
    rows = list(Manifest.open(shared_faces / "manifest.csv"))
    result = Splitter(table(rows)).leave_one_out(column)
    wanted = {getattr(item, column) for item in rows if column == "source" or item.label == "fake"}
    assert {split.left_out for split in result.splits} == wanted
    for split in result.splits:
        classes, seen = defaultdict(set), set()
        for item, name in zip(rows, split, strict=True):
            classes[name].add(item.label)
            if name != "test":
                seen.add(getattr(item, column))
        assert all(classes[name] == {"real", "fake"} for name in THREE)
        assert split.left_out not in seen
