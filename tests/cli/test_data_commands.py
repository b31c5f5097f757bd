"""``unmask data faces | sheet | synthesize`` as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from unmask.cli.data.faces import faces
from unmask.cli.data.sheet import sheet
from unmask.cli.data.synthesize import synthesize
from unmask.errors import UnmaskError

app = typer.Typer(rich_markup_mode=None)
for command in (faces, sheet, synthesize):
    app.command(command.__name__)(command)


@pytest.fixture
def table(tmp_path: Path, astronaut: Image.Image) -> Path:
    root = tmp_path / "in"
    root.mkdir()
    for index, name in enumerate(("a", "b", "c")):
        astronaut.rotate(4 * index).crop((60, 10, 380, 330)).save(root / f"{name}.png")
    Image.new("RGB", (90, 90)).save(root / "wall.png")
    rows = ["path,label,group", "a.png,real,1", "b.png,real,2", "c.png,fake,3", "wall.png,real,4"]
    (root / "m.csv").write_text("\n".join(rows) + "\n")
    return root / "m.csv"


def run(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


def test_faces(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = run("faces", table, "--out", out, "--size", 64)
    assert "3 crops of 4 images" in text
    assert "1 no_face" in text
    report = json.loads(run("faces", table, "--out", out, "--size", 64, "--json"))
    assert (report["crops"], report["kept"], report["misses"]) == (3, 4, {"no_face": 1})
    changes = ("--mode", "aligned", "--margin", 1, "--format", "jpeg:90", "--all-faces", "--no-face", "whole")
    assert "beyond their image" in run("faces", table, "--out", out, *changes)
    (table.parent / "a.png").write_bytes(b"no image")
    run("faces", table, "--out", tmp_path / "other", exit_code=1)


def test_faces_of_folders(table: Path, tmp_path: Path) -> None:
    root = tmp_path / "classes"
    (root / "real").mkdir(parents=True)
    (table.parent / "a.png").rename(root / "real/a.png")
    assert "1 crops of 1" in run("faces", root, "--out", tmp_path / "out")
    with pytest.raises(UnmaskError) as caught:
        run("faces", root, "--out", root / "out")
    assert caught.value.code == "output_over_input"


def test_sheet(table: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    out = tmp_path / "out"
    assert "real.random.png: 3 of 3" in run("sheet", table, "--out", out)
    content = json.loads(run("sheet", table, "--out", out, "--pick", "errors", "--model", tiny_bundle, "--json"))
    assert [item["sheet"] for item in content["sheets"]] == ["fake.errors.png", "real.errors.png"]
    run("sheet", table, "--out", out, "--pick", "farthest", "--by", "label", "--per", 2)


def test_synthesize(table: Path, tmp_path: Path) -> None:
    report = json.loads(run("synthesize", table, "--kind", "swap", "--out", tmp_path / "s", "--json", "--masks"))
    assert (report["made"], report["misses"]) == (2, {"no_face": 1})
    text = run("synthesize", table, "--kind", "self-blend", "--out", tmp_path / "b", "--with-originals", "--limit", 3)
    assert "2 images made and 2 originals" in text
    run("synthesize", table, "--kind", "degrade", "--steps", "jpeg, grey", "--per-image", 2, "--out", tmp_path / "d")


def test_fakes_alone_are_warned_of(table: Path, tmp_path: Path) -> None:
    arguments = ["synthesize", str(table), "--kind", "self-blend", "--out", str(tmp_path / "b")]
    assert "the format reveals the label" in CliRunner().invoke(app, arguments).stderr
    assert CliRunner().invoke(app, [*arguments, "--with-originals"]).stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("faces", "--mode", "round"),
        ("faces", "--size", "3"),
        ("faces", "--format", "gif"),
        ("faces", "--no-face", "cry"),
        ("sheet", "--pick", "best"),
        ("sheet", "--by", "year"),
        ("sheet", "--model", "x"),
        ("synthesize", "--kind", "melt"),
        ("synthesize", "--kind", "degrade", "--steps", "melt"),
    ],
)
def test_wrong_calls(arguments: tuple[str, ...], table: Path, tmp_path: Path) -> None:
    with pytest.raises(UnmaskError) as caught:
        run(arguments[0], table, "--out", tmp_path / "out", *arguments[1:])
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_the_input_is_not_written_over(table: Path) -> None:
    with pytest.raises(UnmaskError) as caught:
        run("faces", table, "--out", table.parent)
    assert caught.value.code == "output_over_input"
