"""The page's text has words for everything that the service may say in a fixed vocabulary. Needs no browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from unmask.detect.verdict import KIND_REMARKS, WORDS
from unmask.imaging.provenance import CredentialsState

TEXT = "".join(path.read_text() for path in sorted((Path(__file__).parents[2] / "web/src/strings/en").glob("*.ts")))


def entries(block: str) -> dict[str, str]:
    """Names and texts of one block of the strings."""
    found = re.search(rf"\b{block}(?: =|:) \{{(.*?)\}}", TEXT, re.DOTALL)
    assert found is not None
    pairs: list[tuple[str, str, str]] = re.findall(r'(?:"([^"]+)"|(\w+)): "([^"]*)"', found[1])
    return {quoted or plain: words for quoted, plain, words in pairs}


@pytest.mark.parametrize(
    ("block", "names"),
    [
        ("words", WORDS),
        ("states", get_args(CredentialsState)),
        ("kinds", KIND_REMARKS),
    ],
)
def test_every_value_has_words(block: str, names: tuple[str, ...]) -> None:
    assert set(entries(block)) == set(names)
    assert all(entries(block).values())


def test_kinds_are_named_as_in_the_command() -> None:
    assert entries("kinds") == KIND_REMARKS
