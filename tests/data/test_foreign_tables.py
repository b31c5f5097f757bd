"""Tables of others: separators, names of columns, labels, folders, compressed files, and what errors say was found."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unmask.cli import app
from unmask.data import tables
from unmask.data.manifest import Manifest
from unmask.data.translation import Translation
from unmask.errors import ManifestError, UnmaskError, UsageError

WANTED = [("a.jpg", "real"), ("b.jpg", "fake")]


def write(folder: Path, text: str | bytes, name: str = "m.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def rows_of(manifest: Manifest) -> list[tuple[str, str]]:
    return [(row.path, row.label) for row in manifest]


# --- separators and names of columns ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        # semicolons, as spreadsheets write them where the decimal sign is a comma
        ("path;label\na.jpg;real\nb.jpg;fake\n", ("path", "label")),
        # tabs
        ("path\tlabel\na.jpg\treal\nb.jpg\tfake\n", ("path", "label")),
        # semicolons, commas inside a cell, a byte-order mark and Windows line ends
        ('\ufeffpath;label;note\r\na.jpg;real;"1,5"\r\nb.jpg;fake;a, b, c\r\n', ("path", "label", "note")),
        # a comma in the header of a table with semicolons
        ("path;label;age, sex\na.jpg;real;\nb.jpg;fake;\n", ("path", "label", "age, sex")),
        # a header of commas wins, however many semicolons a name has
        ("path,label,a;b;c;d;e\na.jpg,real,1\nb.jpg,fake,2\n", ("path", "label", "a;b;c;d;e")),
        # names in any case, with blanks around them
        (" Path ,LABEL,Split\na.jpg,real,\nb.jpg,fake,\n", ("path", "label", "split")),
        # a name that is right already is kept, and its twin is another column
        ("path,label,Label\na.jpg,real,x\nb.jpg,fake,y\n", ("path", "label", "Label")),
    ],
)
def test_separators_and_case(tmp_path: Path, text: str, columns: tuple[str, ...]) -> None:
    manifest = Manifest.open(write(tmp_path, text))
    assert manifest.columns == columns
    assert rows_of(manifest) == WANTED == rows_of(manifest)


@pytest.mark.parametrize(
    ("text", "translation", "columns"),
    [
        # two columns under other names
        ("file,y\na.jpg,real\nb.jpg,fake\n", {"path": "file", "label": "y"}, ("path", "label")),
        # with semicolons, which the named columns decide by their number
        ("file;y\na.jpg;real\nb.jpg;fake\n", {"path": "file", "label": "y"}, ("path", "label")),
        # a column that is replaced keeps its cells under another name
        (
            "path,label,truth\na.jpg,smile,real\nb.jpg,sad,fake\n",
            {"label": "truth"},
            ("path", "original_label", "label"),
        ),
        # the same name
        ("path,label\na.jpg,real\nb.jpg,fake\n", {"label": "label"}, ("path", "label")),
    ],
)
def test_columns_are_named(tmp_path: Path, text: str, translation: dict[str, str], columns: tuple[str, ...]) -> None:
    manifest = Manifest.open(write(tmp_path, text), translation=Translation.of(translation))
    assert manifest.columns == columns
    assert rows_of(manifest) == WANTED
    # A selection, and a file written from it, have the same meaning.
    manifest.select(label="fake").write(tmp_path / "out.csv")
    assert rows_of(Manifest.open(tmp_path / "out.csv")) == WANTED[1:]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        # what was found, and what to type
        (
            "file,y\na.jpg,1\n",
            "missing_column",
            "no column label; its first row names the columns 'file', 'y'; say which to read: "
            "--columns path=file,label=y",
        ),
        # a path is there, and no likely label
        ("path,verdict\na.jpg,1\n", "missing_column", "--columns label=NAME"),
        # a URL is enough
        ("url,class\nhttp://x/a,1\n", "missing_column", "--columns label=class"),
        # no header at all
        ("a.jpg,real\nb.jpg,fake\n", "missing_column", "its first row names the columns 'a.jpg', 'real'"),
        # more columns than a line should hold
        (",".join(f"c{at}" for at in range(30)), "missing_column", "'c7' and 22 more"),
        # UTF-16, as "Unicode text" of a spreadsheet
        ("path\tlabel\n".encode("utf-16"), "unreadable_manifest", "not UTF-8 text but UTF-16"),
        # separated by nothing known
        ("path|label\na.jpg|real\n", "missing_column", "'path|label'"),
    ],
)
def test_what_is_missing_is_said_with_what_was_found(tmp_path: Path, text: str | bytes, code: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        list(Manifest.open(write(tmp_path, text)))
    assert caught.value.code == code
    assert said in caught.value.message


def test_a_named_column_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column 'truth'; it has 'path', 'label'") as caught:
        Manifest.open(write(tmp_path, "path,label\n"), translation=Translation.of({"label": "truth"}))
    assert caught.value.code == "unknown_column"


# --- labels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "fake", "real"),
    [
        # numbers; the other one means real
        (("0", "1"), ["1"], []),
        # the other way round
        (("1", "0"), ["0"], []),
        # a number that became a fraction on its way through a data frame
        (("0.0", "1.0"), ["1"], []),
        # words in any case
        (("Original", "Deepfakes"), ["DEEPFAKES"], ["original"]),
        # booleans, of a column is_fake
        (("False", "True"), ["true"], []),
        # one of them named, the other as ours
        (("real", "GAN"), ["gan"], []),
        # our own words with another meaning
        (("fake", "real"), ["real"], ["fake"]),
    ],
)
def test_labels_are_named(tmp_path: Path, labels: tuple[str, str], fake: list[str], real: list[str]) -> None:
    file = write(tmp_path, f"path,label\na.jpg,{labels[0]}\nb.jpg,{labels[1]}\n")
    manifest = Manifest.open(file, translation=Translation.of(fake=fake, real=real))
    assert rows_of(manifest) == WANTED == rows_of(manifest.select(label=["real", "fake"]))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        # numbers are not guessed: in some sets 0 means fake
        (["0", "1"], "the column label holds '0', '1'; if '1' means fake, add --fake-label 1"),
        # several of a class
        (
            ["ffhq", "stylegan", "fake_b"],
            "if 'fake_b' means fake, add --fake-label fake_b --real-label ffhq,stylegan",
        ),
        # nothing that sounds like fake
        (["a", "b"], "--fake-label and --real-label say which labels mean fake and which real"),
        # a column of something else
        ([f"person {at}" for at in range(20)], "--columns label=NAME reads another column"),
    ],
)
def test_unknown_labels_are_listed(tmp_path: Path, labels: list[str], said: str) -> None:
    rows = "".join(f"{at}.jpg,{label}\n" for at, label in enumerate(labels))
    manifest = Manifest.open(write(tmp_path, f"path,label\n{rows}"))
    with pytest.raises(ManifestError) as caught:
        list(manifest)
    assert caught.value.code == "unknown_label"
    assert said in caught.value.message and "\n" not in caught.value.message
    with pytest.raises(ManifestError) as caught:
        manifest.validate(check_files=False)
    assert said in caught.value.message.splitlines()[-1]


def test_a_third_label_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "path,label\na,0\nb,1\nc,2\n")
    manifest = Manifest.open(file, translation=Translation.of(fake=["1"]))
    with pytest.raises(ManifestError, match="row 4: the label '2' is neither") as caught:
        list(manifest)
    assert caught.value.code == "unknown_label"


def test_a_label_has_one_meaning() -> None:
    with pytest.raises(UsageError, match="cannot mean both"):
        Translation.of(fake=["1"], real=["1.0"])


# --- paths and folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "found"),
    [
        # as Windows writes it
        (r"in\a.jpg", "in/a.jpg"),
        (r".\in\deep\b.jpg", "./in/deep/b.jpg"),
        # a name with a backslash in it comes first
        (r"in\c.jpg", r"in\c.jpg"),
    ],
)
def test_backslashes(tmp_path: Path, path: str, found: str) -> None:
    touch(tmp_path, "in/a.jpg", "in/deep/b.jpg", "in/c.jpg", r"in\c.jpg")
    manifest = Manifest.open(write(tmp_path, f"path,label\n{path},real\n"))
    assert manifest.validate() == 1
    (row,) = manifest
    assert row.path == found
    assert manifest.resolve(row).is_file()


@pytest.mark.parametrize(
    "path",
    [
        # out of the root, to a file that is there
        r"..\secret.jpg",
        # no file either way
        r"in\gone.jpg",
    ],
)
def test_backslashes_lead_nowhere_else(tmp_path: Path, path: str) -> None:
    touch(tmp_path, "secret.jpg", "root/in/a.jpg")
    manifest = Manifest.open(write(tmp_path / "root", f"path,label\n{path},real\n"))
    with pytest.raises(ManifestError) as caught:
        manifest.validate()
    assert caught.value.code == "missing_file"
    assert f"paths are relative to {tmp_path / 'root'}; --root names another folder" in caught.value.message


def test_foreign_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "Training_Real/a.jpg", "training_fake/b.jpg")
    with pytest.raises(ManifestError) as caught:
        Manifest.from_folders(tmp_path)
    assert caught.value.code == "no_class_folders"
    assert caught.value.message.endswith(
        "it holds the folders 'Training_Real', 'training_fake': if 'training_fake' means fake, add "
        "--fake-label training_fake --real-label Training_Real"
    )
    touch(tmp_path, "training_fake/x/c.jpg")
    translation = Translation.of(fake=["training_fake"], real=["training_real"])
    manifest = Manifest.from_folders(tmp_path, translation)
    assert [(row.path, row.label, row.source) for row in manifest] == [
        ("Training_Real/a.jpg", "real", ""),
        ("training_fake/b.jpg", "fake", ""),
        ("training_fake/x/c.jpg", "fake", "x"),
    ]


def test_a_folder_with_a_table_is_told_apart(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg")
    write(tmp_path, "path,label\n", "labels.csv")
    with pytest.raises(ManifestError, match=r"it holds the table 'labels\.csv': give that file"):
        Manifest.from_folders(tmp_path)


def test_a_class_that_would_vanish_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.jpg", "fakes/b.jpg", "fakes/c.jpg", "d.jpg", "real/notes.txt")
    manifest = Manifest.from_folders(tmp_path)
    assert rows_of(manifest) == [("real/a.jpg", "real")]
    said = str(manifest.passed_over())
    assert said.startswith("left out 3 images outside class folders, in 'fakes' (2), the folder itself (1); ")
    assert said.endswith("; passed over 1 file that is not an image")
    touch(tmp_path, *(f"more/{at}/x.jpg" for at in range(9)))
    assert "and others" in str(manifest.passed_over())


# --- compressed files ---------------------------------------------------------------------------------------

TEXT = "path,label\na.jpg,real\nb.jpg,fake\n"


@pytest.mark.parametrize("name", ["m.csv.gz", "m.TSV.GZ", "m.tsv"])
def test_compressed_and_tab_separated_files(tmp_path: Path, name: str) -> None:
    text = TEXT.replace(",", "\t") if "tsv" in name.lower() else TEXT
    file = write(tmp_path, gzip.compress(text.encode()) if name.lower().endswith("gz") else text, name)
    assert rows_of(Manifest.open(file)) == WANTED


@pytest.mark.parametrize(
    "content",
    [
        # not compressed at all
        TEXT.encode(),
        # cut
        gzip.compress(TEXT.encode() * 100)[:40],
        # damaged
        gzip.compress(TEXT.encode())[:12] + b"\xff" * 20,
        # compressed by another method
        zlib.compress(TEXT.encode()),
        # one line that never ends: as large as a line of a plain file may be, from 33 kB
        gzip.compress(b"path,label\n" + b"x" * 2 * tables._MAX_LINE),
    ],
    # Not the bytes: gzip's header holds the time.
    ids=["plain", "cut", "damaged", "zlib", "endless line"],
)
def test_broken_compressed_files(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ManifestError) as caught:
        list(Manifest.open(write(tmp_path, content, "m.csv.gz")))
    assert caught.value.code == "unreadable_manifest"


def test_a_compressed_file_may_not_unpack_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_UNPACKED", 100_000)
    file = write(tmp_path, gzip.compress(TEXT.encode() + b"\n" * 1_000_000), "m.csv.gz")
    with pytest.raises(ManifestError, match="unpacks to more than"):
        list(Manifest.open(file))
    # A plain file's size is known to whoever keeps it.
    assert len(list(Manifest.open(write(tmp_path, TEXT + "\n" * 200_000)))) == 2


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_is_told_columns_and_labels(tmp_path: Path) -> None:
    rows = "".join(f"{at}.jpg;{at % 2}\n" for at in range(40))
    file = write(tmp_path, f"file;y\n{rows}")
    told = ["--columns", "path=file", "--columns", "label=y", "--fake-label", "1"]
    result = CliRunner().invoke(app, ["data", "split", str(file), "--out", str(tmp_path / "out.csv"), *told])
    assert result.exit_code == 0, result.output
    split = list(Manifest.open(tmp_path / "out.csv"))
    assert [(row.path, row.label) for row in split] == [(f"{at}.jpg", "fake" if at % 2 else "real") for at in range(40)]
    assert {row.split for row in split} == {"train", "val", "test"}
    # Nothing is left of it for the next command.
    again = CliRunner().invoke(app, ["data", "split", str(file), "--out", str(tmp_path / "out2.csv")])
    assert isinstance(again.exception, ManifestError) and "--columns path=file,label=y" in str(again.exception)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        # no name on one side
        (["--columns", "path"], "path=FILE,label=Y"),
        (["--columns", "=x"], "path=FILE,label=Y"),
        # twice the same
        (["--columns", "path=a,path=b"], "names path twice"),
        (["--columns", "path=a,label=a"], "names a twice"),
        # both meanings
        (["--fake-label", "1", "--real-label", "0,1"], "cannot mean both"),
    ],
)
def test_wrong_calls(tmp_path: Path, told: list[str], said: str) -> None:
    file = write(tmp_path, "a,b\n")
    result = CliRunner().invoke(app, ["data", "split", str(file), "--out", str(tmp_path / "out.csv"), *told])
    assert isinstance(result.exception, UnmaskError) and said in str(result.exception)


def test_scores_are_told_columns_and_labels(tmp_path: Path) -> None:
    for name, flip in (("one", 0), ("two", 1)):
        rows = "".join(f"{at}.jpg\t{at % 2}\t0,{1 + (at + flip) % 9}\n" for at in range(40))
        write(tmp_path, f"Image\ty\tscore\n{rows}", f"{name}.csv")
    told = ["--columns", "path=Image,label=y,fake_probability=score", "--fake-label", "1", "--draws", "100"]
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "one.csv"), str(tmp_path / "two.csv"), *told])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["evaluate", "--scores", str(tmp_path / "one.csv"), "--json", *told])
    assert result.exit_code == 0, result.output
    bare = CliRunner().invoke(app, ["evaluate", "--scores", str(tmp_path / "one.csv"), "--json"])
    assert "--columns path=Image,label=y,fake_probability=score" in str(bare.exception)
