"""Text from files, names and servers made safe to show. Imports nothing of unmask."""

from __future__ import annotations

_MAX_QUOTED = 80


def printable(text: str) -> str:
    """Text with control characters escaped, so that it cannot command the terminal it is printed on."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quote(text: str) -> str:
    """Text in quotation marks for a message: control characters escaped, at most 80 characters."""
    return repr(text if len(text) <= _MAX_QUOTED else f"{text[: _MAX_QUOTED - 3]}...")


def shorten(text: str) -> str:
    """Text of others for a message, without quotation marks: control characters escaped, at most 80 characters."""
    shown = printable(text[: _MAX_QUOTED + 1])
    return shown if len(shown) <= _MAX_QUOTED else f"{shown[: _MAX_QUOTED - 3]}..."


def harmless_cell(text: str) -> str:
    """Text for a cell of a CSV table: a leading apostrophe if a spreadsheet would run it as a formula.

    Characters that UTF-8 cannot hold, as in file names that are not Unicode, come out escaped.
    """
    text = text.encode(errors="backslashreplace").decode()
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
