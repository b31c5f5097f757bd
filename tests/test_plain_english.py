"""What users and developers read is plain English: lost habits stay lost, units and terms are written in one way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_SUFFIXES = {".py", ".j2", ".md", ".yaml", ".ts", ".tsx"}

# Phrases that read as translated.
FORBIDDEN = (
    "anew", "goes on", "so many", "speaks of", "stands beside", "is told", "hang together", "hangs together",
    "a line each", "told apart", "tells apart", "in brackets",
)  # fmt: skip

# The places where "picture" stays, by file: it is part of a contract or of a title.
PICTURE = {
    "src/unmask/serve/schemas.py": "field of the API",
    "src/unmask/serve/explain_queue.py": "field of the API",
    "web/src/components/ViewsPanel.tsx": "field of the API",
    "src/unmask/bundle/schema.py": "field of bundle.json",
    "src/unmask/training/novelty.py": "field of bundle.json",
    "src/unmask/evaluation/results/map_study.py": "key of older result files",
    "src/unmask/evaluation/results/cost.py": "key of older result files",
    "src/unmask/data/make/reconstruct.py": "input of the shipped reconstruction networks",
    "src/unmask/cli/root.py": "old options, which warn",
    "src/unmask/explain/views/ela.py": "title of a paper",
}


def _texts() -> Iterator[tuple[str, str]]:
    """Path and text of each file; documents without the generated blocks, whose text comes from stored results."""
    files = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "src").rglob("*"),
        *(ROOT / "web/src").rglob("*"),
    ]
    for path in sorted(files):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in _SUFFIXES and "/static/" not in name and not name.endswith("schema.d.ts"):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".md":
                text = re.sub(r"<!-- results:.*?<!-- /results -->", "", text, flags=re.DOTALL)
            yield name, text


TEXTS = dict(_texts())


def _found(pattern: str, texts: dict[str, str]) -> list[str]:
    return [
        f"{name}: {' '.join(text[max(0, match.start() - 30) : match.end() + 30].split())}"
        for name, text in texts.items()
        for match in re.finditer(pattern, text)
    ]


def test_the_texts_are_found() -> None:
    assert len(TEXTS) > 250
    assert {"README.md", "docs/service.md", "web/src/strings/en/result.ts", "src/unmask/cli/detect.py"} <= TEXTS.keys()


@pytest.mark.parametrize("phrase", FORBIDDEN)
def test_phrases_that_read_as_translated_are_gone(phrase: str) -> None:
    # Also where the phrase is broken over two lines of a comment or a docstring.
    words = r"[\s#*]+".join(re.escape(word) for word in phrase.split())
    assert _found(rf"(?i)\b{words}\b", TEXTS) == []


def test_percent_has_a_space() -> None:
    # Not in style sheets and graphics, nor in the code that adds the space on the page.
    texts = {
        name: re.sub(r"<style.*?</style>|style=\"[^\"]*\"|[\w-]+: [^;{}\n]*%[^;{}\n]*;", "", text, flags=re.DOTALL)
        for name, text in TEXTS.items()
        if name.endswith((".py", ".md", ".yaml", ".j2")) or name.startswith("web/src/strings/")
    }
    assert _found(r"\d%(?![\w(])|:\.\d%\}", texts) == []


def test_sizes_are_in_binary_units() -> None:
    assert _found(r"[\d}] ?[KMGT]B\b|\b(?:kilo|mega|giga)bytes? of (?:memory|disk)", TEXTS) == []


def test_picture_occurs_in_contracts_only() -> None:
    found = {name for name, text in TEXTS.items() if re.search(r"(?i)\bpictures?\b", text)}
    assert found == PICTURE.keys()
