"""Sources: what each kind lists, and the bytes that are read for it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.scan.scanning import make_image

from unmask.errors import ImageError, ManifestError, UsageError
from unmask.imaging.find import PassedOver
from unmask.imaging.limits import DecodeLimits
from unmask.scan.items import Item
from unmask.scan.reading import Reader
from unmask.scan.sources import list_items

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def listed(*sources: str, root: Path | None = None) -> list[Item]:
    return sorted(list_items(sources, PassedOver(), root), key=lambda item: item.order)


def contents(items: list[Item], limits: DecodeLimits | None = None) -> dict[str, bytes | str]:
    """Bytes by path, or the code of the error."""
    found: dict[str, bytes | str] = {}
    with Reader(limits or DecodeLimits()) as reader:
        for item in items:
            try:
                found[item.path] = reader.read(item)
            except ImageError as error:
                found[item.path] = error.code
    return found


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Three images below photos/, two of them in a subfolder; and what a search must pass over."""
    monkeypatch.chdir(tmp_path)
    names = ("photos/a.png", "photos/sub/b.png", "photos/sub/c")
    found = {name: make_image(tmp_path / name, 10 * at) for at, name in enumerate(names)}
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    make_image(tmp_path / "photos" / ".hidden.png", 1)
    make_image(tmp_path / "photos" / ".hidden" / "d.png", 1)
    return found


# --- folders and files -------------------------------------------------------------------------------------


def test_a_folder_stands_for_the_images_in_it_and_below(images: dict[str, bytes]) -> None:
    passed_over = PassedOver()
    found = sorted(list_items(["photos"], passed_over), key=lambda item: item.order)
    assert contents(found) == images
    assert passed_over.files == 1
    assert all(item.unit == item.path and Path(item.uri).is_absolute() for item in found)


def test_globs_files_and_missing_files(images: dict[str, bytes]) -> None:
    assert contents(listed("photos/*.png")) == {"photos/a.png": images["photos/a.png"]}
    assert set(contents(listed("photos/**/*.png"))) == {"photos/a.png", "photos/sub/b.png"}
    # what is not there has its error at its place
    assert contents(listed("missing.png", "photos/a.png")) == {
        "missing.png": "not_found",
        "photos/a.png": images["photos/a.png"],
    }


def test_a_list_on_standard_input(images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b"photos/a.png\r\n\nphotos/sub/c\nfile:///nowhere.png"))
    )
    found = contents(listed("-"))
    assert found == {name: images[name] for name in ("photos/a.png", "photos/sub/c")} | {
        "file:///nowhere.png": "not_found"
    }


# --- tables ------------------------------------------------------------------------------------------------


def write_csv(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_table_of_paths_keeps_its_other_columns(images: dict[str, bytes], tmp_path: Path) -> None:
    text = "Path,label,source\nphotos/a.png,fake,x\nphotos/sub/b.png,real,\nphotos/none.png,real,y\n"
    for source in (write_csv(tmp_path / "list.csv", text), write_parquet(tmp_path / "list.parquet", text)):
        found = listed(source)
        assert contents(found) == {
            "photos/a.png": images["photos/a.png"],
            "photos/sub/b.png": images["photos/sub/b.png"],
            "photos/none.png": "not_found",
        }
        assert [dict(item.cells) for item in found] == [
            {"label": "fake", "source": "x"}, {"label": "real", "source": "y"}, {"label": "real", "source": ""},
        ]  # fmt: skip


def write_parquet(path: Path, text: str) -> str:
    header, *rows = [line.split(",") for line in text.splitlines()]
    parquet.write_table(arrow.table({name: [row[at] for row in rows] for at, name in enumerate(header)}), path)
    return str(path)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("../outside.png", "path_escapes_root"),
        ("/etc/hostname", "path_escapes_root"),
        ("link.png", "path_escapes_root"),
        ("file:///etc/hostname", "path_escapes_root"),
        ("https://example.com/a.png", "unsupported_url"),
        ("sftp://example.com/a.png", "unsupported_url"),
        ("gs://bucket?endpoint_override=example.com/a.png", "read_error"),
        ("", "bad_row"),
    ],
    ids=["a parent", "another folder", "a link", "the same as a URL", "the web", "any host", "an endpoint", "nothing"],
)
def test_no_row_of_a_table_leads_out_or_is_lost(tmp_path: Path, cell: str, code: str) -> None:
    make_image(tmp_path / "outside.png", 1)
    home = tmp_path / "home"
    home.mkdir()
    (home / "link.png").symlink_to(tmp_path / "outside.png")
    source = write_csv(home / "list.csv", f"path,label\n{cell},real\n")
    assert list(contents(listed(source)).values()) == [code]
    if cell.startswith("/") or cell.startswith("file:"):  # with a root that holds it, it may be read
        assert list(contents(listed(source, root=Path("/"))).values()) != [code]


def test_a_table_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no column path, url or bytes"):
        listed(write_csv(tmp_path / "list.csv", "name,label\na,real\n"))
    with pytest.raises(ManifestError, match="no column path, url or bytes"):
        listed(write_parquet(tmp_path / "list.parquet", "name,label\na,real"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(ManifestError, match="cannot be read"):
        listed(str(tmp_path / "broken.parquet"))


def test_urls_of_object_stores(images: dict[str, bytes], tmp_path: Path) -> None:
    url = f"file://{tmp_path}/photos"
    found = contents(listed(url))
    # objects are known by their suffix, hidden names included: a store has no hidden objects
    assert {name.removeprefix(f"{url}/") for name in found} == {
        "a.png", "sub/b.png", ".hidden.png", ".hidden/d.png",
    }  # fmt: skip
    assert found[f"{url}/a.png"] == images["photos/a.png"]
    assert set(contents(listed(f"{url}/*.png"))) >= {f"{url}/a.png"}
    assert contents(listed(f"{url}/a.png")) == {f"{url}/a.png": images["photos/a.png"]}
    source = write_csv(tmp_path / "urls.csv", f"url,label\n{url}/a.png,real\n{url}/none.png,fake\n")
    assert contents(listed(source)) == {f"{url}/a.png": images["photos/a.png"], f"{url}/none.png": "not_found"}


# --- containers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True], ids=["a column of bytes", "as the datasets library writes"])
def test_a_table_of_bytes(tmp_path: Path, nested: bool) -> None:
    images = [make_image(tmp_path / f"{at}.png", at) for at in range(7)]
    cells: list[Any] = [*images[:3], None, *images[3:]]
    values: Any = [{"bytes": cell, "path": None} for cell in cells] if nested else cells
    table = arrow.table({"image": values, "label": [str(at) for at in range(8)]})
    parquet.write_table(table, tmp_path / "images.parquet", row_group_size=3)
    source = str(tmp_path / "images.parquet")
    found = listed(source)
    wanted: dict[str, bytes | str] = {f"{source}#{at + 1}": cell or "empty" for at, cell in enumerate(cells)}
    assert contents(found) == wanted
    assert contents(found[::-1]) == wanted  # in any order, if slowly
    assert [item.cells["label"] for item in found] == [str(at) for at in range(8)]
    assert len({item.unit for item in found}) == 3  # row groups stay together
    remote = listed(f"file://{source}")
    assert list(contents(remote).values()) == list(wanted.values())


def test_a_table_of_bytes_may_name_its_images(tmp_path: Path) -> None:
    image = make_image(tmp_path / "a.png", 1)
    parquet.write_table(arrow.table({"path": ["one.png"], "bytes": [image]}), tmp_path / "images.parquet")
    assert contents(listed(str(tmp_path / "images.parquet"))) == {"one.png": image}


def write_tar(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    return str(path)


def test_an_archive_of_images(tmp_path: Path) -> None:
    images = {f"{at:04d}.png": make_image(tmp_path / "x.png", at % 250) for at in range(300)}
    source = write_tar(
        tmp_path / "images.tar", {**images, "0000.json": b"{}", "../../up.png": b"x", "big.png": b"y" * 5000}
    )
    found = listed(source)
    wanted: dict[str, bytes | str] = {f"{source}/{name}": content for name, content in images.items()}
    wanted |= {f"{source}/../../up.png": b"x", f"{source}/big.png": "file_too_large"}
    assert contents(found, DecodeLimits(max_bytes=4000)) == wanted
    assert len({item.unit for item in found}) == 2  # pieces of 256
    assert len({item.order for item in found}) == len(found) == 302
    remote = listed(f"file://{source}")
    assert sorted(map(str, contents(remote, DecodeLimits(max_bytes=4000)).values())) == sorted(
        map(str, wanted.values())
    )


@pytest.mark.parametrize(
    ("damage", "codes"),
    [
        # the image that is cut short, and the archive, which may have held more
        (lambda data: data[:600], ["truncated", "truncated"]),
        (lambda data: data[:6000], ["truncated", "truncated"]),
        (lambda data: b"\x01" * 2000, ["truncated"]),
        (lambda data: b"", ["truncated"]),
    ],
    ids=["ends in the first image", "ends in the last image", "no archive", "empty"],
)
def test_a_damaged_archive_is_recorded(tmp_path: Path, damage: Callable[[bytes], bytes], codes: list[str]) -> None:
    source = Path(write_tar(tmp_path / "images.tar", {"a.png": b"z" * 700, "b.png": b"w" * 9000}))
    source.write_bytes(damage(source.read_bytes()))
    found = contents(listed(str(source)))
    assert [value for value in found.values() if isinstance(value, str)] == codes


def test_hostile_archives_end(tmp_path: Path) -> None:
    header = tarfile.TarInfo("a.png").tobuf()
    negative = bytearray(header)
    negative[124:136] = b"\xff" * 11 + b"\x00"  # in base 256: -256
    negative[148:156] = b"%06o\0 " % (sum(negative[:148]) + 8 * 32 + sum(negative[156:512]))
    # A header for notes of 3 GiB, which tarfile would read into memory.
    notes = tarfile.TarInfo("././@LongLink")
    notes.type, notes.size = tarfile.GNUTYPE_LONGNAME, 3 * 2**30
    for name, content in (("negative", bytes(negative)), ("notes", notes.tobuf(tarfile.GNU_FORMAT))):
        path = tmp_path / f"{name}.tar"
        path.write_bytes(header + content + bytes(1024))
        found = contents(listed(str(path)))
        assert found.pop(str(path)) == "truncated"
        assert found == {f"{path}/a.png": "empty"}


def test_what_cannot_be_sought_in_is_refused(tmp_path: Path) -> None:
    for source, part in (
        ("a.tar.gz", "unpack"),
        ("https://example.com/a.tar", "data fetch"),
        ("nosuch://x/y", "opened"),
    ):
        with pytest.raises(UsageError, match=part):
            listed(source)
