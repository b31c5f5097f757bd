"""CSV files in a spreadsheet: what is shown is the text that was meant, in LibreOffice where it is installed."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.cli.output import CsvOutput
from unmask.data import tables
from unmask.detect.frame import COLUMNS, Frame
from unmask.detect.verdict import Verdict
from unmask.errors import ImageError
from unmask.evaluation.scores import Scores
from unmask.text import guard_cell, harmless_cell, unguard_cell

TEXTS = {
    # what a spreadsheet would run, with an apostrophe in front
    "=1+1.jpg": "'=1+1.jpg",
    '=HYPERLINK("http://x";"y")': '\'=HYPERLINK("http://x";"y")',
    "+1 a": "'+1 a",
    "-a.jpg": "'-a.jpg",
    "@x": "'@x",
    "\t=1+1": "'\t=1+1",
    # what it would rewrite: leading zeros, exponents, more than 15 digits, decimals
    "0012": "'0012",
    "1e10": "'1e10",
    "12345678901234567890": "'12345678901234567890",
    "3.10": "'3.10",
    f"{'1' * 30}e{'2' * 3}": f"'{'1' * 30}e{'2' * 3}",
    # numbers that are shown as they are, and what only looks like one
    "12": "12",
    "0.5": "0.5",
    "1e10567890abcdef": "1e10567890abcdef",
    "0012.jpg": "0012.jpg",
    "1_000": "1_000",
    # separators, quotation marks, line ends, other scripts
    "a, b; c": "a, b; c",
    'say "hi"': 'say "hi"',
    "two\nlines": "two\nlines",
    "two\r\nlines": "two\nlines",
    "żółć 日本 😀.jpg": "żółć 日本 😀.jpg",
    "'quoted'": "'quoted'",
    # a CR outside quotation marks would end the row, and an escape sequence command a terminal
    "a\rb.jpg": r"a\rb.jpg",
    "a\x1b[2Jb": r"a\x1b[2Jb",
    "": "",
}


@pytest.mark.parametrize(("text", "cell"), TEXTS.items(), ids=range(len(TEXTS)))
def test_cells_for_people(text: str, cell: str) -> None:
    assert harmless_cell(text) == cell


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-a.jpg", "'-a.jpg"),
        ("\tx", "'\tx"),
        # numbers stay numbers for every reader
        ("-0.5", "-0.5"),
        ("+1e-5", "+1e-5"),
        ("0012", "0012"),
        # an apostrophe that was there before stays
        ("'=1", "''=1"),
        ("'x'", "'x'"),
    ],
)
def test_cells_that_are_read_again(text: str, cell: str) -> None:
    assert guard_cell(text) == cell
    assert unguard_cell(cell) == text


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("'=+-@\t\r1.ea "), max_size=6))
def test_no_text_is_lost(text: str) -> None:
    assert unguard_cell(guard_cell(text)) == text


# --- every file --------------------------------------------------------------------------------------------


def _detect(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)
    with CsvOutput() as output:
        for text in TEXTS:
            output.add(Verdict(text or "?", None, None, None, (), None, "m@1", "", 1.0, ImageError("truncated", "cut")))
    (folder / "detect.csv").write_text(shown.getvalue(), encoding="utf-8", newline="")


def _frame(folder: Path, _: pytest.MonkeyPatch) -> None:
    rows = [dict.fromkeys(COLUMNS) | {"path": text or "?", "verdict": "REAL"} for text in TEXTS]
    Frame(rows).to_csv(folder / "frame.csv")


def _export(folder: Path, _: pytest.MonkeyPatch) -> None:
    export = pytest.importorskip("unmask.serve.export")
    rows = [[harmless_cell(text or "?"), "real"] for text in TEXTS]
    (folder / "export.csv").write_text(export._lines([("path", "label"), *rows]), encoding="utf-8", newline="")


def _scores(folder: Path, _: pytest.MonkeyPatch) -> None:
    count = len(TEXTS)
    Scores(
        name="made",
        model="made",
        path=tuple(text or "?" for text in TEXTS),
        is_fake=np.arange(count) % 2 == 0,
        fake_probability=np.linspace(0, 1, count),
        error=("",) * count,
        threshold=0.5,
    ).write(folder / "scores.csv")


def _clusters(folder: Path, _: pytest.MonkeyPatch) -> None:
    rows = [(at, (text or "?", "c1")) for at, text in enumerate(TEXTS, 2)]
    tables.write_table(folder / "clusters.csv", ("path", "cluster"), rows, "made", guarded=True)


WRITERS: dict[str, tuple[str, bool, Callable[[Path, pytest.MonkeyPatch], None]]] = {
    # by file: the column with the texts, whether it is for people alone, and what writes it
    "detect": ("path", True, _detect),
    "frame": ("path", True, _frame),
    "export": ("path", True, _export),
    "scores": ("path", False, _scores),
    "clusters": ("path", False, _clusters),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("csv")
    for _, _, write in WRITERS.values():
        with pytest.MonkeyPatch.context() as patch:
            write(folder, patch)
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_no_cell_is_a_formula_and_every_row_has_its_cells(written: Path, name: str) -> None:
    text = (written / f"{name}.csv").read_bytes().decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == 1 + len(TEXTS)
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows:
        assert not any(cell.startswith(("=", "@", "\t", "\r")) for cell in row)


@pytest.mark.parametrize("name", ["scores", "clusters"])
def test_what_is_read_again_is_what_was_written(written: Path, name: str) -> None:
    table = tables.open_table(written / f"{name}.csv", guarded=True)
    at = table.columns.index(WRITERS[name][0])
    assert [cells[at] for _, cells in table.rows()] == [text or "?" for text in TEXTS]


@pytest.fixture(scope="module")
def shown(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same files as LibreOffice shows them, saved cell by cell."""
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice is not installed: apt-get install --no-install-recommends libreoffice-calc")
    out = tmp_path_factory.mktemp("shown")
    # Comma, quotation mark, UTF-8; at the end: cells as they are shown.
    subprocess.run(
        [office, "--headless", f"-env:UserInstallation={(out / 'profile').as_uri()}", "--infilter=CSV:44,34,76,1",
         "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true", "--outdir", str(out),
         *(str(written / f"{name}.csv") for name in WRITERS)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return out


@pytest.mark.parametrize("name", WRITERS)
def test_libreoffice_shows_the_text(shown: Path, name: str) -> None:
    column, for_people, _ = WRITERS[name]
    with (shown / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(TEXTS)
    for row, (text, cell) in zip(rows, TEXTS.items(), strict=True):
        found = row[column].replace("\r\n", "\n")
        if for_people:
            assert found == (cell or "?")
        elif cell.startswith("'") and not text.startswith(("=", "+", "-", "@", "\t", "'")):
            # A number in a table for programs stays one, and is shown as one.
            assert float(found.replace(",", "")) == pytest.approx(float(text), rel=0.01)
        else:
            assert found.replace("\r", "\n").strip("\n") in (
                guard_cell(text or "?").replace("\r\n", "\n").replace("\r", "\n"),
                cell,
            )
