"""Every command line in README and docs is one that unmask has: its command, options and values exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from unmask.cli.root import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^ *```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^ *```$", re.M | re.S)
_SHELL = {"", "sh", "bash", "console"}
_INLINE = re.compile(r"`(unmask [a-z][^`\n]*)`")
# Words that stand for something in a line of documentation.
# A file that only the reader has, and inline code that ends with an option.
_UNFINISHED = re.compile(r"does not exist|[Nn]o such file|cannot be read|requires an argument")
_PLACEHOLDERS = re.compile(r"\b(COMMAND|VERB)\b|\.\.\.|…|\|")


def shell_blocks(text: str) -> list[str]:
    """The code blocks of a page that hold commands, or no named language."""
    return [block["text"] for block in _FENCE.finditer(text) if block["language"] in _SHELL]


def _lines(text: str) -> Iterator[str]:
    for block in shell_blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s\|\s|&&|;\s", line):
                found = re.match(r"\s*(?:\$ )?(?:\S+=\S+ )*(?:\S*/bin/)?(unmask\s.*)", part)
                if found:
                    yield found[1]
    # Inline code is often the beginning of a line only: just its command and options are checked.
    yield from (line for line in _INLINE.findall(text) if not _PLACEHOLDERS.search(line))


def _words(line: str) -> list[str]:
    words = shlex.split(line, comments=True)[1:]
    stop = next((at for at, word in enumerate(words) if word in {">", ">>", "<", "2>", "&"}), len(words))
    return words[:stop]


def _takes_arguments(command: Any) -> bool:
    return any(parameter.param_type_name == "argument" for parameter in command.params)


def fault(line: str) -> str | None:
    """What is wrong with a command line; ``None`` if it could run, given its files."""
    words = _words(line)
    command: Any = typer.main.get_command(app)
    while True:
        command = command.load() if hasattr(command, "load") else command
        below = getattr(command, "commands", {})
        if words and words[0] in below:
            command = below[words.pop(0)]
        elif words and below and not words[0].startswith("-") and not _takes_arguments(command):
            return f"no command {words[0]}"
        else:
            break
    try:
        command.make_context(command.name, list(words)).close()
    except Exception as error:
        # typer's own copy of click is private: its errors are known by their names.
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "NoSuchOption" in kinds:
            return f"no option {getattr(error, 'option_name', error)}"
        if "BadParameter" in kinds and any(re.fullmatch("[A-Z]+", word) for word in words):
            return None  # a word that stands for a value, as in --limit N
        if kinds & {"MissingParameter", "Exit", "NoArgsIsHelpError"} or _UNFINISHED.search(str(error)):
            return None
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_command_lines_of_a_page_exist(page: Path) -> None:
    wrong = {line: found for line in _lines(page.read_text("utf-8")) if (found := fault(line))}
    assert wrong == {}


def test_most_pages_have_command_lines() -> None:
    assert sum(len(list(_lines(page.read_text("utf-8")))) for page in PAGES) > 150


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("unmask detect a.jpg --json", None),
        ("unmask detect a.jpg --jsn", "no option --jsn"),
        ("unmask detcet a.jpg", "no command detcet"),
        ("unmask data split a.csv --out b.csv --seed 1", None),
        ("unmask data splitt a.csv", "no command splitt"),
        ("unmask detect a.jpg > out.txt", None),
    ],
)
def test_the_check_itself(line: str, expected: str | None) -> None:
    assert fault(line) == expected
