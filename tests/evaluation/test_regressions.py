"""Images whose verdict is known: what passes, fails, is a known miss or passes now, and what the card says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from unmask import install
from unmask.bundle.bundle import Bundle
from unmask.cli import app
from unmask.data.manifest import Manifest
from unmask.detect.detector import load
from unmask.errors import UsageError
from unmask.evaluation.regressions import read_cases, record_of, run_regressions, write_into_card
from unmask.evaluation.reports.model_card import model_card
from unmask.evaluation.results import Regressions

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "tests" / "regressions" / "manifest.csv"
HEADER = "path,label,expected,known_miss,sha256"


def _table(folder: Path, rows: Sequence[tuple[str, int | None, str, str]]) -> Path:
    """A table of grey images, a row for each name, grey level, expected verdicts and known miss; no level, no image."""
    lines = [HEADER]
    for name, level, expected, known_miss in rows:
        if level is not None:
            Image.new("RGB", (40, 40), (level,) * 3).save(folder / name)
        sha256 = "0" * 64 if level is None else hashlib.sha256((folder / name).read_bytes()).hexdigest()
        lines.append(f"{name},real,{expected},{known_miss},{sha256}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "manifest.csv"


def test_what_passes_fails_and_is_known(whole_image_bundle: Path, tmp_path: Path) -> None:
    # The tiny detector's logit is (grey - 128) / 16, its threshold 0.5, its uncertain band 0.4 to 0.6.
    table = _table(
        tmp_path,
        [
            ("dark.png", 0, "REAL", ""),  # passes
            ("mid.png", 128, "REAL UNCERTAIN", ""),  # passes by the second word
            ("bright.png", 255, "REAL", ""),  # FAKE: fails
            ("missed.png", 255, "REAL", "too bright"),  # FAKE: known
            ("fixed.png", 1, "REAL", "was too dark"),  # REAL: passes now
            ("private.png", None, "REAL", ""),  # not here
        ],
    )
    detector = load(whole_image_bundle)
    result = run_regressions(detector, read_cases(table))
    assert [(case.path, case.verdict, case.status) for case in result.cases] == [
        ("dark.png", "REAL", "passed"),
        ("mid.png", "UNCERTAIN", "passed"),
        ("bright.png", "FAKE", "failed"),
        ("missed.png", "FAKE", "known_miss"),
        ("fixed.png", "REAL", "fixed"),
        ("private.png", None, "absent"),
    ]
    assert result.cases_digest == Manifest.open(table).digest()
    assert Regressions.from_json(result.to_json()) == result
    record = record_of(result)
    assert (record.passed, record.failed) == (2, ("bright.png",))
    assert (record.known_misses, record.fixed) == (("missed.png",), ("fixed.png",))

    before = Bundle.open(whole_image_bundle)
    assert "regressions" not in before.info.model_dump()["card"]  # earlier versions refuse what they do not know
    after = write_into_card(before, result, tmp_path / "new")
    assert after.info.card.regressions == record and after.sha256 != before.sha256 and after.model == before.model
    # The card says the same from the result and from the bundle.
    sections = [
        text[text.index("### Images whose verdict is known") : text.index("## Technical")]
        for text in (model_card(before, [result]), model_card(after))
    ]
    assert sections[0] == sections[1]
    assert "2 of 3 cases that must pass do." in sections[0] and "Failed: bright.png." in sections[0]
    with pytest.raises(UsageError, match="different bundle"):
        write_into_card(after, result, tmp_path / "other")


def test_the_command(whole_image_bundle: Path, tmp_path: Path) -> None:
    good = _table(tmp_path, [("dark.png", 0, "REAL", ""), ("fixed.png", 1, "REAL", "was too dark")])
    command = ["regressions", "run", str(whole_image_bundle), "--cases", str(good)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "1 of 1 cases that must pass do, 0 known misses." in result.stdout
    assert "Known misses that pass now: fixed.png." in result.stdout
    told = CliRunner().invoke(app, [*command, "--json", "--card", str(tmp_path / "new")])
    assert [case["status"] for case in json.loads(told.stdout)["cases"]] == ["passed", "fixed"]
    assert Bundle.open(tmp_path / "new").info.card.regressions is not None

    (tmp_path / "bad").mkdir()
    bad = _table(tmp_path / "bad", [("bright.png", 255, "REAL", "")])
    assert CliRunner().invoke(app, [*command[:-1], str(bad)]).exit_code == 1


def test_without_the_source_the_table_must_be_named(
    whole_image_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_CHECKOUT", tmp_path)
    result = CliRunner().invoke(app, ["regressions", "run", str(whole_image_bundle)])
    assert isinstance(result.exception, UsageError) and result.exception.code == "no_cases"
    assert "--cases" in result.exception.message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("path,label\na.png,real\n", "missing_column"),
        (f"{HEADER}\na.png,real,GENUINE,,0\n", "bad_row"),  # no word of a verdict
        (f"{HEADER}\na.png,real,,,0\n", "bad_row"),  # nothing passes
        (f"{HEADER}\ngone.png,real,REAL,,0\n", "nothing_read"),
        (f"{HEADER}\na.png,real,REAL,,{'0' * 64}\n", "changed_image"),
    ],
)
def test_tables_that_are_refused(content: str, code: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_cases(tmp_path / "manifest.csv")
    assert caught.value.code == code


def test_the_published_cases_are_whole() -> None:
    rows = list(Manifest.open(PUBLISHED))
    cases = read_cases(PUBLISHED).cases
    assert len(cases) == len(rows) >= 15
    assert all(case.file is not None for case in cases)
    assert {file.name for file in PUBLISHED.parent.glob("*.jpg")} == {row.path for row in rows}
    # Nothing is published without the right to.
    assert all(row.extra["licence"].startswith(("Public domain: ", "CC0: ")) for row in rows)
    assert {row.label for row in rows} == {"real", "fake"}


def test_the_shipped_detector_passes_the_published_cases() -> None:
    result = run_regressions(load(), read_cases(PUBLISHED))
    assert [case.path for case in result.of_status("failed", "absent")] == []
    # A known miss that passes must no longer be called one.
    assert [case.path for case in result.of_status("fixed")] == []
