"""The one atomic writer, the output folder and the root folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unmask.errors import UsageError
from unmask.files import OutputFolder, RootFolder, digest, lock, refuse_link, stamp, whole_file, write_whole


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x00\xff", b"\x00\xff"),
        # text is UTF-8 with its line ends as they are
        ("é\r\n", b"\xc3\xa9\r\n"),
        (b"", b""),
    ],
)
def test_a_file_is_written_or_replaced_whole(tmp_path: Path, content: bytes | str, expected: bytes) -> None:
    path = tmp_path / "a.json"
    for _ in range(2):  # once where there is none, once in place of another
        write_whole(path, content)
        assert path.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [path]


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("raised", [StopHereError, KeyboardInterrupt])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, raised: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(raised), whole_file(path) as file:
        file.write(b"new")
        file.flush()
        raise raised
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_then_name_then_folder_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        events.append("content" if name.endswith(".partial") else name)
        fsync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        events.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    write_whole(tmp_path / "a", b"x")
    assert events == ["content", "name", tmp_path.name]
    events.clear()
    write_whole(tmp_path / "a", b"x", durable=False)
    assert events == ["name"]


@pytest.mark.parametrize(
    "name",
    [
        "no/such/folder.json",
        # a folder is in the way
        "taken",
        "x" * 300,
    ],
)
def test_what_cannot_be_written_is_one_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match="cannot be written") as caught:
        write_whole(tmp_path / name, b"x")
    assert (caught.value.code, caught.value.exit_code) == ("cannot_write", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


_FULL_DISK = """
import resource, sys
from pathlib import Path
from unmask.errors import UsageError
from unmask.files import write_whole
path = Path(sys.argv[1])
write_whole(path, b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(path, b"x" * 5000)
except UsageError as error:
    print(error.code, path.read_bytes(), [each.name for each in path.parent.iterdir()])
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on file sizes")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _FULL_DISK, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "cannot_write b'old' ['a']\n"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to("real")
    write_whole(link, b"new")
    assert (tmp_path / "real").read_bytes() == b"old"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_an_output_folder_makes_what_it_needs(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "a" / "b")
    folder.write("c/d.txt", "text")
    folder.write("c/e.txt", b"bytes", durable=False)
    assert (tmp_path / "a/b/c/d.txt").read_text() == "text"
    assert folder.holds("c/e.txt", 5)
    assert not folder.holds("c/e.txt", 4)
    assert not folder.holds("c", 0)
    assert folder.locate("x/y.png") == tmp_path / "a/b/x/y.png"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\0b", "away/x"])
def test_an_output_folder_lets_nothing_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = OutputFolder(tmp_path / "out")
    (tmp_path / "out" / "away").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError) as caught:
        folder.write(name, b"x")
    assert caught.value.code == "outside_folder"
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        OutputFolder(tmp_path / "a")
    assert caught.value.code == "cannot_write"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        OutputFolder(tmp_path / "out").write("file/x", b"x")
    assert caught.value.code == "cannot_write"


def test_partials_of_killed_runs_are_removed_for_one_file_only(tmp_path: Path) -> None:
    for name in (".a.csv.0123abcd.partial", ".a.csv.ffff0000.partial", ".b.csv.0123abcd.partial", "a.csv"):
        (tmp_path / name).write_bytes(b"x")
    OutputFolder(tmp_path).remove_partials("a.csv")
    assert {path.name for path in tmp_path.iterdir()} == {".b.csv.0123abcd.partial", "a.csv"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.png", "a.png"),
        ("sub/./a.png", "sub/a.png"),
        ("sub/../a.png", "a.png"),
        ("inside/a.png", "sub/a.png"),  # a link to a folder of the root
        ("link.png", "sub/a.png"),  # a link to a file of the root
        ("no/such.png", "no/such.png"),
        ("..", None),
        ("../x.png", None),
        ("sub/../../x.png", None),
        ("/etc/passwd", None),
        ("away/x.png", None),  # a link to a folder elsewhere
        ("away.png", None),  # a link to a file elsewhere
        ("a\0b", None),
    ],
)
def test_a_root_folder_lets_no_path_out(tmp_path: Path, path: str, found: str | None) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.png").write_bytes(b"")
    (root / "inside").symlink_to("sub")
    (root / "link.png").symlink_to("sub/a.png")
    (root / "away").symlink_to(tmp_path)
    (root / "away.png").symlink_to(tmp_path / "x.png")
    expected = None if found is None else str(root.resolve() / found)
    assert RootFolder(root).locate(path) == expected


def test_a_file_is_held_by_one_process(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with (tmp_path / "lock").open("wb") as first, (tmp_path / "lock").open("wb") as second:
        lock(first, tmp_path)
        with pytest.raises(UsageError, match="another run is using this folder") as caught:
            lock(second, tmp_path)
        assert caught.value.code == "folder_in_use"
        first.close()
        lock(second, tmp_path)


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("file")
    refuse_link(tmp_path / "file")
    refuse_link(tmp_path / "missing")
    with pytest.raises(UsageError) as caught:
        refuse_link(tmp_path / "link")
    assert caught.value.code == "outside_folder"


def test_stamp_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert stamp(path) == (0, 0)
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1_234_567_000))
    assert stamp(path) == (3, 1_234_567_000)
    # BLAKE2b of '["a", 1, null]' to 16 bytes: keys of today's journals hang on it.
    assert digest("a", 1, None) == "c85e0d4da14dec0a0edabf921b726de1"
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
