"""The words of a verdict: by table over thresholds, band and faces, by property, and as the documents have them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.bundle.schema import UncertainBand
from unmask.cli.output import CsvOutput
from unmask.detect.frame import COLUMNS
from unmask.detect.verdict import TITLES, WORDS, Verdict, Word, word_of
from unmask.errors import ImageError
from unmask.imaging.provenance import Mark, Provenance

DOCUMENT = (Path(__file__).parents[2] / "docs" / "verdict.md").read_text(encoding="utf-8")


def band(low: float, high: float) -> UncertainBand:
    return UncertainBand(low=low, high=high, accuracy_outside=0.9, coverage=0.1)


@pytest.mark.parametrize(
    ("probability", "threshold", "low", "high", "no_face", "expected"),
    [
        # The shipped kind: a band around the threshold.
        pytest.param(0.0, 0.696, 0.6, 0.8, False, "REAL", id="the least probability"),
        pytest.param(0.599, 0.696, 0.6, 0.8, False, "REAL", id="just below the band"),
        pytest.param(0.6, 0.696, 0.6, 0.8, False, "UNCERTAIN", id="the band's lower end"),
        pytest.param(0.68, 0.696, 0.6, 0.8, False, "UNCERTAIN", id="in the band, below the threshold"),
        pytest.param(0.696, 0.696, 0.6, 0.8, False, "UNCERTAIN", id="in the band, at the threshold"),
        pytest.param(0.8, 0.696, 0.6, 0.8, False, "UNCERTAIN", id="the band's upper end"),
        pytest.param(0.801, 0.696, 0.6, 0.8, False, "FAKE", id="just above the band"),
        pytest.param(1.0, 0.696, 0.6, 0.8, False, "FAKE", id="the greatest probability"),
        # A band of one point, as narrow as there is.
        pytest.param(0.5, 0.5, 0.5, 0.5, False, "UNCERTAIN", id="the point"),
        pytest.param(0.4999, 0.5, 0.5, 0.5, False, "REAL", id="below the point"),
        pytest.param(0.5001, 0.5, 0.5, 0.5, False, "FAKE", id="above the point"),
        # Another threshold moves FAKE and REAL, not the band.
        pytest.param(0.85, 0.9, 0.6, 0.8, False, "REAL", id="a strict threshold: above the band and still below it"),
        pytest.param(0.9, 0.9, 0.6, 0.8, False, "FAKE", id="at a strict threshold"),
        pytest.param(0.7, 0.9, 0.6, 0.8, False, "UNCERTAIN", id="a strict threshold: the band stays"),
        pytest.param(0.3, 0.2, 0.6, 0.8, False, "FAKE", id="a lax threshold"),
        pytest.param(0.7, 0.0, 0.6, 0.8, False, "UNCERTAIN", id="a threshold of 0: the band stays"),
        pytest.param(0.0, 0.0, 0.6, 0.8, False, "FAKE", id="a threshold of 0: everything else is fake"),
        pytest.param(0.9999, 1.0, 0.6, 0.8, False, "REAL", id="a threshold of 1"),
        # Without a face nothing else counts.
        pytest.param(0.0, 0.696, 0.6, 0.8, True, "NO_FACE", id="no face, low"),
        pytest.param(0.7, 0.696, 0.6, 0.8, True, "NO_FACE", id="no face, in the band"),
        pytest.param(1.0, 0.696, 0.6, 0.8, True, "NO_FACE", id="no face, high"),
    ],
)
def test_words_by_hand(
    probability: float, threshold: float, low: float, high: float, no_face: bool, expected: Word
) -> None:
    assert word_of(probability, threshold, band(low, high), no_face=no_face) == expected


unit = st.floats(0, 1)


@given(unit, unit, st.tuples(unit, unit), st.booleans())
def test_word_and_numbers_never_contradict_each_other(
    probability: float, threshold: float, ends: tuple[float, float], no_face: bool
) -> None:
    low, high = sorted(ends)
    word = word_of(probability, threshold, band(low, high), no_face=no_face)
    result: Any = "FAKE" if probability >= threshold else "REAL"
    verdict = Verdict("a.jpg", word, probability, result, (), None, "m@1", "0", 1.0)
    content = verdict.to_dict()
    in_band = low <= probability <= high
    assert word != "FAKE" or (probability >= threshold and not in_band)
    assert word != "REAL" or (probability < threshold and not in_band)
    assert (word == "UNCERTAIN") == (in_band and not no_face)
    assert (word == "NO_FACE") == no_face
    # A sure word names the class of the result, and the confidence is that class's.
    assert word not in {"FAKE", "REAL"} or word == result
    assert 50 <= content["confidence"] <= 100
    of_class = probability if result == "FAKE" else 1 - probability
    assert content["confidence"] == pytest.approx(100 * max(of_class, 0.5), abs=0.0051)
    assert content["fake_probability"] == pytest.approx(probability, abs=5.1e-7)
    assert content["uncertain"] == (word in {"UNCERTAIN", "NO_FACE"})


def example(**changes: Any) -> Verdict:
    content: dict[str, Any] = {
        "path": "a.jpg",
        "verdict": "REAL",
        "fake_probability": 0.25,
        "result": "REAL",
        "regions": (),
        "provenance": Provenance("none", ("png:prompt", "software:Flux")),
        "model": "m@1",
        "bundle_sha256": "0" * 64,
        "ms": 1.0,
        "sha256": "ab" * 32,
        "notes": ("Odd.",),
    }
    return Verdict(**(content | changes))


def test_marks_are_beside_the_verdict() -> None:
    settings, generator = example().marks
    assert (settings.kind, generator) == ("settings", Mark("generator", "The file names Flux as its software."))
    content = example().to_dict()
    assert content["marks"] == [{"kind": mark.kind, "text": mark.text} for mark in (settings, generator)]
    assert (content["verdict"], content["fake_probability"]) == ("REAL", 0.25)
    assert example(provenance=None).marks == ()


def test_an_error_has_no_word_and_no_doubt() -> None:
    unread = example(
        verdict=None, fake_probability=None, result=None, provenance=None, error=ImageError("empty", "It is empty.")
    )
    content = unread.to_dict()
    assert (content["verdict"], content["result"], content["confidence"]) == (None, None, None)
    assert (content["uncertain"], content["face_found"], content["marks"]) == (False, False, [])


def keys_in(heading: str, column: int = 1) -> list[str]:
    """The names in code in a column of the first table below a heading."""
    part = DOCUMENT.partition(f"# {heading}\n")[2].partition("\n\n|")[2].partition("\n\n")[0]
    cells = [line.strip("|").split("|")[column - 1] for line in part.splitlines()[2:]]
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_the_document_has_the_words_the_keys_and_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(keys_in("The verdict")) == set(WORDS)
    titles = dict(re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", DOCUMENT, re.MULTILINE))
    assert {word: titles[word] for word in WORDS} == TITLES
    assert keys_in("Marks") == ["generator", "settings", "source_type", "broken_signature"]
    assert keys_in("JSON") == list(example().to_dict())
    with CsvOutput() as output:
        output.add(example())
    header = capsys.readouterr().out.splitlines()[0].split(",")
    text = DOCUMENT.partition("# CSV\n")[2].partition(". With `NO_FACE`")[0]
    assert re.findall(r"`(\w+)`", text) == header
    # The table in Python has the JSON's columns in the same order, and some more.
    assert [name for name in COLUMNS if name in example().to_dict()] == [
        name for name in example().to_dict() if name in COLUMNS
    ]


def test_csv_of_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    import csv

    with CsvOutput() as output:
        output.add(example())
        output.add(example(verdict="NO_FACE"))
        output.add(example(path="=1+1.jpg", verdict=None, result=None, fake_probability=None, notes=()))
    real, none, unread = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (real["verdict"], real["fake_probability"], real["confidence"]) == ("REAL", "0.25", "75.0")
    assert real["marks"] == "; ".join(mark.text for mark in example().marks)
    assert (real["notes"], real["sha256"]) == ("Odd.", "ab" * 32)
    assert none["verdict"] == "NO_FACE"
    assert none["fake_probability"] == none["result"] == none["confidence"] == ""
    assert (unread["path"], unread["verdict"], unread["uncertain"]) == ("'=1+1.jpg", "", "False")


def test_json_is_plain() -> None:
    assert json.loads(json.dumps(example().to_dict(), allow_nan=False)) == example().to_dict()
