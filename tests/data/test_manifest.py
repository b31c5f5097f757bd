from __future__ import annotations

import csv
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmask.data.manifest import Manifest
from unmask.data.rows import STANDARD_COLUMNS, ManifestRow
from unmask.errors import ManifestError, MissingExtraError, UsageError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write_text(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ManifestError) as caught:
        call()
    return caught.value.code


# --- reading -----------------------------------------------------------------------------------------------


def test_reads_every_column_of_a_csv(tmp_path: Path) -> None:
    header = "sha256,path,url,label,source,generator,kind,group,split"
    file = write_text(tmp_path / "m.csv", f"{header}\nff,a/b.jpg,http://x/b,real,s,camera,k,g,train\n")
    manifest = Manifest.open(file)
    assert manifest.columns == tuple(header.split(","))
    assert list(manifest) == [
        ManifestRow(
            path="a/b.jpg",
            url="http://x/b",
            label="real",
            source="s",
            generator="camera",
            kind="k",
            group="g",
            split="train",
            extra={"sha256": "ff"},
            line=2,
        )
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # a byte-order mark before the header, as spreadsheets write it
        ("\ufeffpath,label\na,real\n", [2]),
        # no line end after the last row
        ("path,label\na,real", [2]),
        # Windows line ends
        ("path,label\r\na,real\r\nb,fake\r\n", [2, 3]),
        # blank lines are passed over, and counted
        ("path,label\n\na,real\n\n\nb,fake\n\n", [3, 6]),
        # a line break inside a cell does not make a row
        ('path,label,note\na,real,"x\ny"\nb,fake,z\n', [2, 3]),
        # labels in any case and with blanks around them
        ("path,label\na, Real \nb,FAKE\n", [2, 3]),
        # a header and nothing else
        ("path,label\n", []),
        # cells that a spreadsheet would take for a formula are only text
        ("path,label,note\na,real,=1+1\n", [2]),
    ],
)
def test_csv_variants(tmp_path: Path, text: str, lines: list[int]) -> None:
    manifest = Manifest.open(write_text(tmp_path / "m.csv", text))
    assert [row.line for row in manifest] == lines
    assert [row.line for row in manifest] == lines, "a second pass gives the same"
    assert {row.label for row in manifest} <= {"real", "fake"}


def test_parquet_cells_of_any_type_become_text(tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "path": pyarrow.array(["a.jpg", "b.jpg"]).dictionary_encode(),
            "label": ["real", "Fake"],
            "width": [178, None],
        }
    )
    parquet.write_table(table, tmp_path / "m.parquet")
    rows = list(Manifest.open(tmp_path / "m.parquet"))
    assert [(row.path, row.label, row.extra, row.line) for row in rows] == [
        ("a.jpg", "real", {"width": "178"}, 1),
        ("b.jpg", "fake", {"width": ""}, 2),
    ]


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[train\]"):
        Manifest.open(tmp_path / "m.parquet")


def test_importing_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'pandas', 'pyarrow', 'sklearn', 'sqlite3'}"
    command = f"import sys, unmask.data.manifest; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", command], check=True, env=_environment())


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        # nothing at all
        (b"", "empty_manifest"),
        # blank lines only
        (b"\n\n", "empty_manifest"),
        # no label column
        (b"path,source\na,b\n", "missing_column"),
        # neither path nor url
        (b"label,source\nreal,b\n", "missing_column"),
        # a column twice
        (b"path,label,path\na,real,b\n", "bad_row"),
        # NUL in the header
        (b"path,label,\0\na,real,b\n", "unreadable_manifest"),
        # not UTF-8
        (b"path,label,\xff\n", "unreadable_manifest"),
    ],
)
def test_open_refuses(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    assert code_of(lambda: Manifest.open(tmp_path / "m.csv")) == code


@pytest.mark.parametrize(
    "name",
    [
        # no such file
        "absent.csv",
        # no such Parquet file
        "absent.parquet",
        # a folder
        "folder.csv",
        # a suffix that says nothing
        "m.txt",
        # not Parquet inside
        "text.parquet",
    ],
)
def test_open_refuses_what_is_no_manifest(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    write_text(tmp_path / "m.txt", "path,label\n")
    write_text(tmp_path / "text.parquet", "path,label\n")
    assert code_of(lambda: Manifest.open(tmp_path / name)) == "unreadable_manifest"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        # a label that is neither
        ("a.jpg,,maybe", "unknown_label"),
        # no label
        ("a.jpg,,", "unknown_label"),
        # a label with something after it
        ("a.jpg,,real?", "unknown_label"),
        # neither path nor url
        (",,real", "bad_row"),
        # a cell too few, and one too many
        ("a.jpg,real", "bad_row"),
        ("a.jpg,,real,x", "bad_row"),
        # up and out
        ("../a.jpg,,real", "path_escapes_root"),
        ("in/../../a.jpg,,real", "path_escapes_root"),
        ("..,,real", "path_escapes_root"),
        # a sibling whose name begins as the root's does
        ("../root-two/a.jpg,,real", "path_escapes_root"),
        # absolute
        ("/etc/passwd,,real", "path_escapes_root"),
        ("/a.jpg,,real", "path_escapes_root"),
        # a link to a file outside
        ("link.jpg,,real", "path_escapes_root"),
        # a link to a folder outside
        ("linked/secret.jpg,,real", "path_escapes_root"),
        # a link to a folder outside, and back up: the system goes up from where the link leads
        ("linked/../outside/secret.jpg,,real", "path_escapes_root"),
        # NUL
        ("a\0.jpg,,real", "unreadable_manifest"),
        # a cell longer than the csv module reads
        (f"a.jpg,,real{'x' * 140_000}", "unreadable_manifest"),
        # a quotation mark never closed
        ('"a.jpg,,real', "unreadable_manifest"),
        # a line without end
        (f"a.jpg,,real{'x,' * (9 * 2**20)}", "unreadable_manifest"),
    ],
    ids=lambda value: value[:30].replace("\0", "NUL"),
)
def test_bad_rows_are_named(tmp_path: Path, row: str, code: str) -> None:
    root = tmp_path / "root"
    touch(root, "ok.jpg")
    touch(tmp_path / "outside", "secret.jpg")
    (root / "link.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    (root / "linked").symlink_to(tmp_path / "outside")
    file = write_text(root / "m.csv", f"path,url,label\nok.jpg,,real\n{row}\n")
    manifest = Manifest.open(file)
    rows = iter(manifest)
    assert next(rows).path == "ok.jpg"
    with pytest.raises(ManifestError) as caught:
        next(rows)
    assert caught.value.code == code
    assert str(file) in caught.value.message
    assert "row 3: " in caught.value.message
    assert caught.value.message.isprintable() and len(caught.value.message) < 500
    with pytest.raises(ManifestError) as validated:
        manifest.validate()
    assert (validated.value.code, validated.value.message) == (code, caught.value.message)


def test_nul_in_parquet_is_refused(tmp_path: Path) -> None:
    table = pyarrow.table({"path": ["a.jpg"], "label": ["real"], "x": ["\0"]})
    parquet.write_table(table, tmp_path / "m.parquet")
    assert code_of(lambda: list(Manifest.open(tmp_path / "m.parquet"))) == "unreadable_manifest"


def test_truncated_parquet_is_refused(tmp_path: Path) -> None:
    Manifest.from_rows([ManifestRow(path="a.jpg", label="real")], tmp_path).write(tmp_path / "m.parquet")
    whole = (tmp_path / "m.parquet").read_bytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "m.parquet").write_bytes(whole[:size])
        assert code_of(lambda: list(Manifest.open(tmp_path / "m.parquet"))) == "unreadable_manifest"


@pytest.mark.parametrize(
    ("path", "real"),
    [
        # plain
        ("in/a.jpg", "in/a.jpg"),
        # up, and still inside
        ("in/../b.jpg", "b.jpg"),
        # a link that stays inside
        ("alias.jpg", "in/a.jpg"),
        # dots in a name are no way up
        ("..a.jpg", "..a.jpg"),
        # absolute and inside
        ("{root}/b.jpg", "b.jpg"),
    ],
)
def test_resolve_stays_inside(tmp_path: Path, path: str, real: str) -> None:
    touch(tmp_path, "in/a.jpg", "b.jpg", "..a.jpg")
    (tmp_path / "alias.jpg").symlink_to(tmp_path / "in" / "a.jpg")
    row = ManifestRow(path=path.format(root=tmp_path), label="real")
    manifest = Manifest.from_rows([row], tmp_path)
    assert manifest.validate() == 1
    assert manifest.resolve(row) == tmp_path.resolve() / real


def test_root_may_itself_be_a_link(tmp_path: Path) -> None:
    touch(tmp_path / "there", "a.jpg")
    (tmp_path / "here").symlink_to(tmp_path / "there")
    row = ManifestRow(path=str(tmp_path / "here" / "a.jpg"), label="real")
    manifest = Manifest.from_rows([row], tmp_path / "here")
    assert manifest.validate() == 1
    assert manifest.resolve(row) == (tmp_path / "there" / "a.jpg").resolve()


@pytest.mark.parametrize(
    ("row", "code"),
    [
        # out of the root
        (ManifestRow(path="../a", label="real"), "path_escapes_root"),
        # NUL, which the system's calls refuse
        (ManifestRow(path="a\0b", label="real"), "path_escapes_root"),
        # nothing to resolve
        (ManifestRow(url="http://x/a", label="real"), "missing_file"),
    ],
)
def test_resolve_refuses(tmp_path: Path, row: ManifestRow, code: str) -> None:
    assert code_of(lambda: Manifest.from_rows([], tmp_path).resolve(row)) == code


# --- validate ----------------------------------------------------------------------------------------------


def test_check_files_is_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "folder.jpg").mkdir()
    file = write_text(tmp_path / "m.csv", "path,url,label\na.jpg,,real\n,http://x/y,fake\nfolder.jpg,,real\n")
    assert len(list(Manifest.open(file))) == 3
    assert Manifest.open(file).validate(check_files=False) == 3
    assert code_of(lambda: list(Manifest.open(file, check_files=True))) == "missing_file"
    assert code_of(lambda: Manifest.open(file).validate()) == "missing_file"


def test_no_rows_are_no_manifest(tmp_path: Path) -> None:
    file = write_text(tmp_path / "m.csv", "path,label\n")
    assert code_of(lambda: Manifest.open(file).validate()) == "empty_manifest"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        # as written
        ("a/b.jpg,", "a/b.jpg,", True),
        # another way of writing it
        ("a/b.jpg,", "./a//../a/b.jpg,", True),
        # through a link
        ("a/b.jpg,", "link/b.jpg,", True),
        # one file from two URLs
        ("a/b.jpg,http://x/1", "a/b.jpg,http://x/2", True),
        # the same URL, no path
        (",http://x/1", ",http://x/1", True),
        # names that differ in case
        ("a/b.jpg,", "a/B.jpg,", False),
        # a path that looks like the other's URL
        (",a/b.jpg", "a/b.jpg,", False),
    ],
)
def test_duplicates_name_both_rows(tmp_path: Path, first: str, second: str, same: bool) -> None:
    touch(tmp_path, "a/b.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    text = f"path,url,label\n{first},real\nother.jpg,,real\n{second},fake\n"
    manifest = Manifest.open(write_text(tmp_path / "m.csv", text))
    if not same:
        assert manifest.validate(check_files=False) == 3
        return
    with pytest.raises(ManifestError, match=r"row 4: .* is already in row 2$") as caught:
        manifest.validate(check_files=False)
    assert caught.value.code == "duplicate_path"
    assert len(list(manifest)) == 3, "plain reading does not look for duplicates"


def test_problems_are_listed_by_row_and_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    lines = ["path,label", "a.jpg,real", "a.jpg,real", "b.jpg,odd", "c.jpg,real", "../d,real", "x"]
    lines += [f"{i}.jpg,real" for i in range(30)]
    manifest = Manifest.open(write_text(tmp_path / "m.csv", "\n".join(lines)))
    with pytest.raises(ManifestError) as caught:
        manifest.validate()
    first, *listed = caught.value.message.splitlines()
    assert first.endswith("m.csv: 35 problems; the first 20:")
    assert [line.split(":")[0].strip() for line in listed] == [f"row {i}" for i in range(3, 23)]
    assert caught.value.code == "duplicate_path"
    for line, words in zip(listed, ["already in row 2", "'odd'", "no file", "leads out", "1 cells"], strict=False):
        assert words in line


def test_rows_before_a_break_are_reported_too(tmp_path: Path) -> None:
    file = write_text(tmp_path / "m.csv", "path,label\na.jpg,odd\nb.jpg,real\nc\0,real\n")
    with pytest.raises(ManifestError) as caught:
        Manifest.open(file).validate(check_files=False)
    assert caught.value.code == "unknown_label"
    assert caught.value.message.splitlines()[2] == "  row 4: cannot be read: holds a NUL character"


# --- class folders -----------------------------------------------------------------------------------------


def test_class_folders(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "real/a.jpg",
        "FAKE/b.PNG",
        "train/ff/Fake/seq1/c.webp",
        # the nearest class folder decides
        "fake/x/real/d.jpg",
        # no class folder above
        "other/e.jpg",
        # a class folder's name must match whole
        "reals/f.jpg",
        # hidden, or no image
        "real/.g.jpg",
        ".cache/real/h.jpg",
        "real/notes.txt",
        # a file's own name decides nothing
        "other/real.jpg",
        *(f"real/suffix{suffix}" for suffix in (".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".avif")),
    )
    manifest = Manifest.from_folders(tmp_path)
    found = [(row.path, row.label, row.source) for row in manifest]
    assert found == [
        ("FAKE/b.PNG", "fake", ""),
        ("fake/x/real/d.jpg", "real", "fake/x"),
        ("real/a.jpg", "real", ""),
        *((f"real/suffix.{suffix}", "real", "") for suffix in ("avif", "bmp", "gif", "jpeg", "tif", "tiff")),
        ("train/ff/Fake/seq1/c.webp", "fake", "train/ff/seq1"),
    ]
    assert [row.line for row in manifest] == list(range(1, 11))
    assert manifest.validate() == 10


@pytest.mark.parametrize(
    ("names", "code"),
    [
        # nothing
        ([], "no_class_folders"),
        # images, and no class folder
        (["a.jpg", "b/c.jpg"], "no_class_folders"),
        # class folders without an image
        (["real/readme.txt", "fake/.hidden.jpg"], "empty_manifest"),
    ],
)
def test_class_folders_that_give_nothing(tmp_path: Path, names: list[str], code: str) -> None:
    touch(tmp_path, *names)
    assert code_of(lambda: Manifest.from_folders(tmp_path)) == code


def test_class_folders_below_no_folder(tmp_path: Path) -> None:
    assert code_of(lambda: Manifest.from_folders(tmp_path / "absent")) == "unreadable_manifest"


@pytest.mark.parametrize(
    ("link", "target", "code"),
    [
        # an image outside
        ("real/x.jpg", "../outside/secret.jpg", "path_escapes_root"),
        # a folder outside
        ("real/x", "../outside", "path_escapes_root"),
        # a folder inside
        ("real/x", "pool", "linked_folder"),
        # a folder that holds itself
        ("real/x", "real", "linked_folder"),
        # an image inside is one more path to it
        ("real/x.jpg", "pool/p.jpg", None),
    ],
)
def test_class_folders_with_links(tmp_path: Path, link: str, target: str, code: str | None) -> None:
    root = tmp_path / "root"
    touch(root, "real/a.jpg", "pool/p.jpg")
    touch(tmp_path / "outside", "secret.jpg")
    (root / link).symlink_to((root / target).resolve())
    if code is not None:
        assert code_of(lambda: Manifest.from_folders(root)) == code
    else:
        assert [row.path for row in Manifest.from_folders(root)] == ["real/a.jpg", "real/x.jpg"]


# --- rows, selections, digests -----------------------------------------------------------------------------


def test_rows_are_renumbered_and_checked(tmp_path: Path) -> None:
    rows = [
        ManifestRow(path="a", label="Real", line=9),
        ManifestRow(path="b", label="fake", extra={"q": "1"}),
    ]
    manifest = Manifest.from_rows(iter(rows), tmp_path)
    assert manifest.columns == (*(name for name in STANDARD_COLUMNS if name != "url"), "q")
    for _ in range(2):
        assert [(row.line, row.label, row.extra) for row in manifest] == [
            (1, "real", {"q": ""}),
            (2, "fake", {"q": "1"}),
        ]
    bad = [*rows, ManifestRow(path="../c", label="real")]
    with pytest.raises(ManifestError, match="<rows>: row 3: "):
        list(Manifest.from_rows(bad, tmp_path))
    clash = [ManifestRow(path="a", label="real", extra={"split": "train"})]
    assert code_of(lambda: Manifest.from_rows(clash, tmp_path)) == "bad_row"


def test_select(tmp_path: Path) -> None:
    text = "path,label,split,size\na,real,train,1\nb,FAKE,train,2\nc,real,test,3\n../d,real,other,3\n"
    manifest = Manifest.open(write_text(tmp_path / "m.csv", text))
    train = manifest.select(split="train")
    assert [row.path for row in train] == ["a", "b"]
    assert [row.path for row in train.select(label="fake")] == ["b"]
    assert [row.path for row in manifest.select(size={"1", "3"}, split=["train", "test"])] == ["a", "c"]
    assert list(train.select(split="test")) == []
    # a row left out may be one that would be refused
    assert train.validate(check_files=False) == 2
    with pytest.raises(UsageError) as caught:
        manifest.select(group="x")
    assert caught.value.code == "unknown_column"
    train.write(tmp_path / "train.csv")
    assert [row.line for row in Manifest.open(tmp_path / "train.csv")] == [2, 3]


def test_a_manifest_can_be_sent_to_another_process(tmp_path: Path) -> None:
    manifest = Manifest.open(write_text(tmp_path / "m.csv", "path,label\na,real\n")).select(label="real")
    copy = pickle.loads(pickle.dumps(manifest))
    assert list(copy) == list(manifest)


def test_a_manifest_outlives_a_change_of_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "m.csv", "path,label\na,real\n")
    monkeypatch.chdir(tmp_path)
    manifest = Manifest.open("m.csv")
    monkeypatch.chdir("/")
    assert manifest.resolve(next(iter(manifest))) == tmp_path.resolve() / "a"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        # as it was
        ("path,label,group,note\na,real,g,n\nb,fake,,\n", True),
        # columns in another order, one more that is blank, labels in capitals
        ("note,extra,label,path,group\nn,,REAL,a,g\n,,fake,b,\n", True),
        # rows in another order
        ("path,label,group,note\nb,fake,,\na,real,g,n\n", False),
        # a cell moved to its neighbour
        ("path,label,group,note\na,real,,gn\nb,fake,,\n", False),
        # another label
        ("path,label,group,note\na,fake,g,n\nb,fake,,\n", False),
    ],
)
def test_digest(tmp_path: Path, text: str, same: bool) -> None:
    reference = write_text(tmp_path / "r.csv", "path,label,group,note\na,real,g,n\nb,fake,,\n")
    manifest = Manifest.open(write_text(tmp_path / "m.csv", text))
    assert (manifest.digest() == Manifest.open(reference).digest()) is same


def test_digest_does_not_change_between_versions(tmp_path: Path) -> None:
    rows = [ManifestRow(path="é.jpg", label="real", source="s", extra={"b": "2", "a": "1"})]
    digest = Manifest.from_rows(rows, tmp_path).digest()
    assert digest == "27e9b8b400b3c3cc56975a900ec2a51fe3d0458117397971d73b95fdd4585b9f"


# --- writing -----------------------------------------------------------------------------------------------

cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
file_name = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=12)


@st.composite
def tables_of_rows(draw: st.DrawFn) -> list[ManifestRow]:
    names = draw(st.lists(cell.filter(lambda name: name not in STANDARD_COLUMNS), max_size=3, unique=True))
    return [
        ManifestRow(
            path=draw(file_name.filter(lambda name: name != "..")),
            url=draw(cell),
            label=draw(st.sampled_from(["real", "fake"])),
            source=draw(cell),
            generator=draw(cell),
            kind=draw(cell),
            group=draw(cell),
            split=draw(cell),
            extra={name: draw(cell) for name in names},
            line=i,
        )
        for i in range(1, draw(st.integers(1, 4)) + 1)
    ]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables_of_rows())
def test_round_trip_keeps_every_cell(tmp_path: Path, suffix: str, rows: list[ManifestRow]) -> None:
    manifest = Manifest.from_rows(rows, tmp_path)
    file = tmp_path / f"m.{suffix}"
    manifest.write(file)
    again = Manifest.open(file)
    header = 1 if suffix == "csv" else 0
    assert again.columns == manifest.columns
    assert [(row.line - header, *_cells(row)) for row in again] == [(row.line, *_cells(row)) for row in rows]
    assert again.digest() == manifest.digest()


def _cells(row: ManifestRow) -> tuple[object, ...]:
    return (*(getattr(row, name) for name in STANDARD_COLUMNS), dict(row.extra))


def test_columns_are_written_in_order(tmp_path: Path) -> None:
    file = write_text(tmp_path / "m.csv", "z,split,label,a,path\n1,train,real,2,p\n")
    Manifest.open(file).write(tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as text:
        assert list(csv.reader(text)) == [
            ["path", "label", "source", "generator", "kind", "group", "split", "z", "a"],
            ["p", "real", "", "", "", "", "train", "1", "2"],
        ]
    # a manifest may be written over the file that it is read from
    Manifest.open(file).write(file)
    assert file.read_bytes() == (tmp_path / "out.csv").read_bytes()


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        # NUL, which reading refuses
        ("a\0", "bad_row"),
        # a file name that is not UTF-8, as Python stands in for it
        ("\udcff", "bad_row"),
        # longer than the csv module reads
        ("x" * 140_000, "bad_row"),
    ],
    ids=["NUL", "surrogate", "long"],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_cannot_be_read_back_is_not_written(tmp_path: Path, suffix: str, extra: str, code: str) -> None:
    file = write_text(tmp_path / f"m.{suffix}", "what was here before")
    rows = [ManifestRow(path=str(i), label="real") for i in range(3)]
    rows.append(ManifestRow(path="x", label="real", extra={"note": extra}))
    with pytest.raises(ManifestError, match="row 4: cannot be written") as caught:
        Manifest.from_rows(rows, tmp_path).write(file)
    assert caught.value.code == code
    assert file.read_text() == "what was here before"
    assert list(tmp_path.iterdir()) == [file], "no partial file stays behind"


def test_write_refuses_other_suffixes(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Manifest.from_rows([], tmp_path).write(tmp_path / "m.xlsx")
    assert caught.value.code == "unsupported_format"


# --- many rows ---------------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def _write_many(path: Path, count: int) -> Path:
    with path.open("w") as file:
        file.write("path,label,source\n")
        file.writelines(f"folder{i % 1000}/{i}.jpg,real,s\n" for i in range(count))
    return path


def test_python_keeps_nothing_of_a_row(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        manifest = Manifest.open(_write_many(tmp_path / f"{count}.csv", count))
        manifest.validate(check_files=False)  # what the first call imports is not counted
        tracemalloc.start()
        assert sum(1 for _ in manifest) == count
        assert manifest.validate(check_files=False) == count
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    # Under tracemalloc a row takes four times as long, so the million is left to the test below. Even one
    # number kept for each row would be 400 kB here.
    assert peak(50_000) < peak(1_000) + 100_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak")
def test_a_million_rows_take_the_memory_of_a_thousand(tmp_path: Path) -> None:
    # The whole process is measured, since tracemalloc does not see what SQLite takes.
    program = """if True:
        import sys
        from pathlib import Path
        from unmask.data.manifest import Manifest
        count = Manifest.open(sys.argv[1]).validate(check_files=False)
        status = Path("/proc/self/status").read_text()
        print(count, next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    """

    def peak_kib(count: int) -> int:
        file = _write_many(tmp_path / f"{count}.csv", count)
        command = [sys.executable, "-c", program, str(file)]
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment()).stdout
        counted, kib = map(int, output.split())
        assert counted == count
        return kib

    # SQLite's two caches, one for the table and one for the sort, are 2 MB each and fill only with many rows.
    # Even eight bytes kept for each row would be 8 MB.
    assert peak_kib(1_000_000) < peak_kib(1_000) + 7 * 1024


@pytest.mark.shared
def test_the_shared_manifest(shared_faces: Path, tmp_path: Path) -> None:
    manifest = Manifest.open(shared_faces / "manifest.csv")
    assert manifest.validate(check_files=True) == 10972
    manifest.write(tmp_path / "m.parquet")
    again = Manifest.open(tmp_path / "m.parquet", root=shared_faces)
    assert again.digest() == manifest.digest()
    assert again.validate(check_files=True) == 10972


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # a header of very many columns
        (",".join(f"c{i}" for i in range(60_000)) + ",path,label\n", "60,002 columns"),
        # a cell of more characters than are read
        ("path,label\n" + "x" * 200_000 + ",real\n", "row 2: cannot be read"),
        # a record in quotation marks that never ends, of many short cells
        ("path,label\na,real\n" + '"\n",' * 7_000_000, "row 3: cannot be read"),
    ],
)
def test_csv_of_costly_shapes(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=message) as caught:
        list(Manifest.open(tmp_path / "m.csv"))
    assert caught.value.code == "unreadable_manifest"
    assert "\n" not in caught.value.message


def test_a_long_csv_of_records_in_quotation_marks_is_read(tmp_path: Path) -> None:
    """What counts is each record, not their sum."""
    cell = "x\n" * 60_000
    (tmp_path / "m.csv").write_text("path,label,note\n" + f'a.jpg,real,"{cell}"\n' * 200)
    assert sum(1 for _ in Manifest.open(tmp_path / "m.csv")) == 200


def test_parquet_of_costly_shapes(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    wide = pyarrow.table({"path": ["a"], "label": ["real"]} | {f"c{i}": ["x"] for i in range(1_500)})
    long = pyarrow.table({"path": ["a"], "label": ["real"], "note": ["x" * 200_000]})
    odd = pyarrow.table({"path": ["a"], "label": ["real"], "when": pyarrow.array([2**62], pyarrow.timestamp("us"))})
    for name, table, message in [
        ("wide", wide, "1,502 columns"),
        ("long", long, "row 1: a cell"),
        ("odd", odd, "read"),
    ]:
        parquet.write_table(table, tmp_path / f"{name}.parquet")
        with pytest.raises(ManifestError, match=message) as caught:
            list(Manifest.open(tmp_path / f"{name}.parquet"))
        assert caught.value.code == "unreadable_manifest"
