"""Text from files, names and servers made safe to show. Imports nothing of unmask."""

from __future__ import annotations

_MAX_QUOTED = 80


def printable(text: str) -> str:
    """Text with control characters escaped, so that it cannot command the terminal it is printed on."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quote(text: str) -> str:
    """Text in quotation marks for a message: control characters escaped, at most 80 characters."""
    return repr(text if len(text) <= _MAX_QUOTED else f"{text[: _MAX_QUOTED - 3]}...")
