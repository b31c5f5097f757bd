"""The words of a verdict, in a module that both verdicts and what shows them import."""

from __future__ import annotations

from typing import Final, Literal

Label = Literal["REAL", "FAKE"]
Word = Literal["FAKE", "REAL", "UNCERTAIN", "NO_FACE"]

WORDS: Final[tuple[Word, ...]] = ("FAKE", "REAL", "UNCERTAIN", "NO_FACE")
"""The words of a verdict, the same in every output."""

TITLES: Final[dict[Word, str]] = {
    "FAKE": "Fake",
    "REAL": "No sign of manipulation",
    "UNCERTAIN": "Uncertain",
    "NO_FACE": "No face",
}
"""The words of a verdict for people."""
